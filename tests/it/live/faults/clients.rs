//! Clients that do not read, and clients that come and go.

use std::collections::HashMap;
use std::sync::Arc;

use recto::live::LiveClient;
use recto::live::client::Wanted;
use recto::live::mailbox::CAPACITY;
use recto::live::mailbox::Event;
use recto::live::replica::Replica;
use recto::live::step::Answer;
use recto::prelude::*;
use recto::query::ast::Ast;

use super::super::world;
use super::super::world::Item;
use super::BOUND;
use super::Scene;
use super::Stage;
use super::scene::config;
use crate::support::wait::within;

/// A client that reads only when told to.
pub(super) struct Sleeper {
    client: LiveClient,
    replicas: HashMap<Arc<str>, Replica>,
    moves: usize,
    resets: usize,
}

impl Sleeper {
    pub(super) async fn new(live: &Live, questions: &[(&str, Ast)]) -> Self {
        let client = live.client().await.unwrap();
        let wanted = |(name, ast): &(&str, Ast)| Wanted {
            name: (*name).into(),
            ast: ast.clone(),
            since: None,
        };
        client.add(0, questions.iter().map(wanted).collect()).await.unwrap();
        let mut this = Self { client, replicas: HashMap::new(), moves: 0, resets: 0 };
        let event = within("the answer", BOUND, this.client.next()).await;
        assert!(matches!(event, Event::Loaded { .. }), "{event:?}");
        this.hear(event);
        this
    }

    /// The next event, unheard.
    pub(super) async fn next(&self) -> Event {
        self.client.next().await
    }

    pub(super) fn hear(&mut self, event: Event) -> bool {
        match event {
            Event::Loaded { answers, .. } => self.answers(answers),
            Event::Reset { answers, .. } => {
                self.resets += 1;
                self.answers(answers);
            }
            Event::Moved { steps, .. } => {
                self.moves += 1;
                for (name, step) in &*steps {
                    for op in &step.ops {
                        let effect = self.replicas.get_mut(name).unwrap().apply(op);
                        assert!(effect.is_some(), "{name}: {op:?} does not fit");
                    }
                }
            }
            Event::Reached { .. } => return true,
            Event::Lagged | Event::Closed => panic!("{event:?}"),
        }
        false
    }

    fn answers(&mut self, answers: Vec<(Arc<str>, Answer)>) {
        for (name, answer) in answers {
            let Answer::Snapshot(snapshot) = answer else { panic!("{name}: {answer:?}") };
            self.replicas.insert(name, Replica::new(snapshot.rows.clone()));
        }
    }

    /// Reads until it has heard everything; returns how many moves and resets that took.
    pub(super) async fn wake(&mut self) -> (usize, usize) {
        (self.moves, self.resets) = (0, 0);
        self.client.barrier(1).await.unwrap();
        let all = async {
            loop {
                let event = self.client.next().await;
                if self.hear(event) {
                    return;
                }
            }
        };
        within("everything to be heard", BOUND, all).await;
        (self.moves, self.resets)
    }

    /// Its copies are what another client sees that asks now.
    pub(super) async fn is_true(&self, live: &Live, questions: &[(&str, Ast)]) {
        let fresh = Self::new(live, questions).await;
        for (name, _) in questions {
            assert_eq!(self.replicas[*name].rows(), fresh.replicas[*name].rows(), "`{name}`");
        }
    }
}

pub(super) fn questions() -> [(&'static str, Ast); 4] {
    let items = from::<Item>;
    [
        ("all", items().ast().clone()),
        ("some", items().filter(|i| i.flag.eq(true)).ast().clone()),
        ("few", items().order_by(|i| i.rank.desc()).limit(5).ast().clone()),
        ("ranks", items().distinct().select(|i| i.rank).ast().clone()),
    ]
}

/// Writes so many times, each in a version of its own.
pub(super) async fn versions(repo: &Repo, live: &Live, count: i32) {
    let mut witness = live.query(from::<Item>().select(|i| i.id)).await.unwrap();
    for number in 0..count {
        let item = Item { rank: number % 50, flag: number % 3 == 0, ..Item::default() };
        repo.insert(item).await.map_err(Error::from).unwrap();
        if number % 100 == 99 {
            repo.delete_all(from::<Item>().filter(|i| i.rank.lt(45))).await.unwrap();
        }
        within("its version", BOUND, witness.next()).await.unwrap();
    }
    witness.caught_up().await.unwrap();
}

/// Sleeps through ever more versions, `most` in the end.
async fn a_sleeper(repo: &Repo, most: i32) {
    let live = Live::start_with(repo, config()).await.unwrap();
    let questions = questions();
    let mut sleeper = Sleeper::new(&live, &questions).await;
    let mailbox = i32::try_from(CAPACITY).unwrap();

    // As many as fit are heard one by one.
    versions(repo, &live, mailbox - 2).await;
    let (moves, resets) = sleeper.wake().await;
    assert!(moves <= CAPACITY && 1 < moves && resets == 0, "{moves} moves, {resets} resets");
    sleeper.is_true(&live, &questions).await;

    // A few too many are joined into one.
    versions(repo, &live, mailbox + 20).await;
    assert_eq!(sleeper.wake().await, (1, 0));
    sleeper.is_true(&live, &questions).await;

    // Beyond what the engine remembers, it starts again.
    versions(repo, &live, most).await;
    assert_eq!(sleeper.wake().await, (0, 1));
    sleeper.is_true(&live, &questions).await;
    versions(repo, &live, 3).await;
    sleeper.wake().await;
    sleeper.is_true(&live, &questions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_costs_a_mailbox_and_catches_up() {
    let stage = Stage::new().await;
    a_sleeper(&stage.repo, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_for_thousands_of_versions_catches_up() {
    let repo = Repo::connect("sqlite://:memory:").await.unwrap();
    world::create(&repo).await;
    a_sleeper(&repo, 3000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_come_and_go_while_everything_moves() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    let writers = stage.writers().await;
    for round in 0..12_i32 {
        // Gone before their answer comes, with questions that nobody else asks.
        for rank in 0..5 {
            let client = scene.live.client().await.unwrap();
            let odd = from::<Item>().filter(|i| i.rank.gt(rank + round)).limit(4);
            let wanted = Wanted { name: "odd".into(), ast: odd.ast().clone(), since: None };
            client.add(0, vec![wanted]).await.unwrap();
        }
        // Here for a moment.
        let brief = from::<Item>().filter(|i| i.rank.gt(round)).order_by(|i| i.id.asc());
        let mut brief = scene.live.query(brief).await.unwrap();
        within("a brief client", BOUND, brief.caught_up()).await.unwrap();
        if round % 5 == 0 {
            scene.join().await;
        }
    }
    scene.goes_on(100).await;
    writers.stop().await;
    scene.finish().await;
}
