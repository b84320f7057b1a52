//! A feed that fails between any two of its steps: what was folded half-way is shown to nobody.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;

use recto::adapter::Statement;
use recto::error::Result;
use recto::live::feed::Feed;
use recto::live::feed::LogFeed;
use recto::live::feed::Outcome;
use recto::live::feed::Tick;
use recto::prelude::*;
use recto::schema::Table;
use recto::value::Key;
use recto::value::Row;

use super::super::writers::Dice;
use super::BOUND;
use super::Scene;
use super::Stage;
use super::scene::config;
use crate::support::wait::eventually;

/// Which steps fail.
#[derive(Clone, Debug, Default)]
struct Stones(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    kind: Kind,
    stumbles: u64,
}

#[derive(Debug, Default)]
enum Kind {
    #[default]
    None,
    /// Every read after the touched rows: what is asked again, and the judge's questions.
    Reads,
    /// One of a dozen steps.
    Some(Dice),
}

impl Stones {
    fn put(&self, kind: Kind) {
        self.0.lock().unwrap().kind = kind;
    }

    fn stumbles(&self) -> u64 {
        self.0.lock().unwrap().stumbles
    }

    fn step(&self, is_read: bool) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        let stumbles = match &mut state.kind {
            Kind::None => false,
            Kind::Reads => is_read,
            Kind::Some(dice) => dice.roll(12) == 0,
        };
        state.stumbles += u64::from(stumbles);
        let stumble = || Error::new(ErrorKind::Unavailable, "the feed stumbled on purpose");
        if stumbles { Err(stumble()) } else { Ok(()) }
    }
}

struct Stumbling {
    inner: LogFeed,
    stones: Stones,
}

impl Feed for Stumbling {
    async fn tick(&mut self) -> Result<Tick> {
        self.stones.step(false)?;
        let tick = self.inner.tick().await?;
        self.stones.step(false)?;
        Ok(tick)
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>> {
        self.stones.step(true)?;
        let rows = self.inner.read(statements).await?;
        self.stones.step(true)?;
        Ok(rows)
    }

    async fn rows(&mut self, table: &'static Table, keys: &HashSet<Key>) -> Result<Vec<Row>> {
        self.stones.step(false)?;
        self.inner.rows(table, keys).await
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
    stones.put(Kind::Some(Dice::new(7)));
    for _ in 0..5 {
        scene.goes_on(70).await;
        scene.join().await;
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
