//! A feed that fails between any two of its steps: what was folded half-way is shown to nobody.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;

use recto::adapter::Statement;
use recto::error::Result;
use recto::live::feed::Feed;
use recto::live::feed::LogFeed;
use recto::live::feed::Order;
use recto::live::feed::Outcome;
use recto::live::feed::Tick;
use recto::live::mailbox::CAPACITY;
use recto::live::mailbox::Event;
use recto::prelude::*;
use recto::schema::Table;
use recto::value::Key;
use recto::value::Row;

use super::super::dice::Dice;
use super::super::world::Item;
use super::BOUND;
use super::Scene;
use super::Stage;
use super::clients::Sleeper;
use super::clients::questions;
use super::clients::versions;
use super::scene::config;
use crate::support::wait::eventually;
use crate::support::wait::within;

/// Which steps fail.
#[derive(Clone, Debug, Default)]
pub(super) struct Stones(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    kind: Kind,
    stumbles: u64,
}

#[derive(Debug, Default)]
pub(super) enum Kind {
    #[default]
    None,
    /// Every read of touched rows.
    Rows,
    /// Every read after that: what is asked again, and the judge's questions.
    Reads,
    /// One of a dozen steps.
    Some(Dice),
}

/// The steps of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Tick,
    Rows,
    Read,
}

impl Stones {
    pub(super) fn put(&self, kind: Kind) {
        self.0.lock().unwrap().kind = kind;
    }

    pub(super) fn stumbles(&self) -> u64 {
        self.0.lock().unwrap().stumbles
    }

    fn step(&self, step: Step) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        let stumbles = match &mut state.kind {
            Kind::None => false,
            Kind::Rows => step == Step::Rows,
            Kind::Reads => step == Step::Read,
            Kind::Some(dice) => dice.roll(12) == 0,
        };
        state.stumbles += u64::from(stumbles);
        let stumble = || Error::new(ErrorKind::Unavailable, "the feed stumbled on purpose");
        if stumbles { Err(stumble()) } else { Ok(()) }
    }
}

/// The feed of the crate with stones in its way.
pub(super) struct Stumbling {
    pub(super) inner: LogFeed,
    pub(super) stones: Stones,
}

impl Feed for Stumbling {
    async fn tick(&mut self) -> Result<Tick> {
        self.stones.step(Step::Tick)?;
        let tick = self.inner.tick().await?;
        self.stones.step(Step::Tick)?;
        Ok(tick)
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>> {
        self.stones.step(Step::Read)?;
        let rows = self.inner.read(statements).await?;
        self.stones.step(Step::Read)?;
        Ok(rows)
    }

    async fn rows(&mut self, table: &'static Table, keys: &HashSet<Key>) -> Result<Vec<Row>> {
        self.stones.step(Step::Rows)?;
        self.inner.rows(table, keys).await
    }

    async fn arrange(&mut self, order: Order) -> Result<Option<u64>> {
        self.stones.step(Step::Tick)?;
        self.inner.arrange(order).await
    }

    async fn end(&mut self, outcome: Outcome) {
        self.inner.end(outcome).await;
    }
}

async fn scene(repo: &Repo, stones: &Stones) -> Scene {
    let inner = LogFeed::connect(repo.clone()).await.unwrap();
    Scene::fed(repo, repo, config(), Stumbling { inner, stones: stones.clone() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_while_a_tick_is_broken_sees_no_half_of_it() {
    let stage = Stage::new().await;
    let stones = Stones::default();
    let mut scene = scene(&stage.repo, &stones).await;
    stage.psql("insert into items (rank, flag, note) values (1, true, 'before')");
    scene.is_true().await;

    stones.put(Kind::Reads);
    stage.psql("insert into items (rank, flag, note) values (2, true, 'half')");
    eventually("the tick to break off", BOUND, async || 1 <= stones.stumbles()).await;
    // All its questions are live already, so that nothing needs to be read for it.
    scene.join().await;
    let heard = stones.stumbles() + 2;
    eventually("the engine to hear it", BOUND, async || heard <= stones.stumbles()).await;
    stones.put(Kind::None);
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_fails_anywhere_is_exact_whenever_it_speaks() {
    let stage = Stage::new().await;
    let stones = Stones::default();
    let mut scene = scene(&stage.repo, &stones).await;
    let writers = stage.writers().await;
    stones.put(Kind::Some(Dice::of(7, 0, 0)));
    let mut fresh = Vec::new();
    for round in 0..5 {
        scene.goes_on(70).await;
        scene.join().await;
        // Questions that must be read while the feed fails; the judge looks at them, too.
        for rank in 0..6 {
            let few = from::<Item>().filter(|i| i.rank.gt(rank * 9 + round)).limit(6);
            fresh.push(within("its rows", BOUND, scene.live.query(few)).await.unwrap());
        }
    }
    assert!(5 < stones.stumbles());
    stones.put(Kind::None);
    writers.stop().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_ran_dry_in_a_broken_tick_is_filled_in_the_next() {
    let stage = Stage::new().await;
    let stones = Stones::default();
    let mut scene = scene(&stage.repo, &stones).await;
    stage.psql(
        "insert into items (rank, flag, note) select 1, true, 'n' || n from generate_series(1, 60) n",
    );
    scene.is_true().await;

    stones.put(Kind::Reads);
    stage.psql("delete from items where id > 30");
    eventually("the tick to break off", BOUND, async || 2 <= stones.stumbles()).await;
    stones.put(Kind::None);
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_catches_up_while_a_tick_is_broken_hears_of_it_when_it_is_whole() {
    let stage = Stage::new().await;
    let stones = Stones::default();
    let inner = LogFeed::connect(stage.repo.clone()).await.unwrap();
    let feed = Stumbling { inner, stones: stones.clone() };
    let live = Live::start_on(&stage.repo, config(), feed).await.unwrap();
    let questions = questions();
    let mut sleeper = Sleeper::new(&live, &questions).await;
    versions(&stage.repo, &live, i32::try_from(CAPACITY).unwrap() + 20).await;

    stones.put(Kind::Reads);
    stage.psql("insert into items (rank, flag, note) values (2, true, 'half')");
    eventually("the tick to break off", BOUND, async || 1 <= stones.stumbles()).await;
    let heard = stones.stumbles() + 2;
    let mend = async {
        eventually("the engine to hear it", BOUND, async || heard <= stones.stumbles()).await;
        stones.put(Kind::None);
    };
    // It asks for what it missed, and for nothing else.
    let (joined, ()) = tokio::join!(within("what was missed", BOUND, sleeper.next()), mend);
    assert!(matches!(joined, Event::Moved { .. }), "{joined:?}");
    sleeper.hear(joined);
    sleeper.wake().await;
    sleeper.is_true(&live, &questions).await;
}
