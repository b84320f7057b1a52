//! The oracle: after every tick each live result, and each client's copy of it, equals the plain
//! query in the same snapshot.
//!
//! Questions are generated; they come and go, and so do clients, while writers get in each other's
//! way. A seed tells all questions and the script of every writer; who comes first among the writers
//! is up to the database.

use std::any::Any;
use std::time::Duration;

use recto::live::Config;
use recto::live::Tier;
use recto::prelude::*;
use recto::query::ast::Ast;

use super::ask::ask;
use super::dice::Dice;
use super::follower::Follower;
use super::follower::Manner;
use super::generate::question;
use super::judge::Judge;
use super::question::Question;
use super::shrink::smallest;
use super::values::Backend;
use super::world;
use super::writers::Writers;
use crate::support::cluster::Cluster;
use crate::support::process::Scratch;
use crate::support::process::random;
use crate::support::wait::eventually;

/// How many questions are asked at once.
const QUESTIONS: u64 = 24;

/// How many versions pass until other questions are asked.
const ROUND: u64 = 5_000;

/// How many questions of a round are of each tier whatever the dice say, so that no tier's share is
/// left to chance.
const OF_EACH_TIER: u64 = 3;

/// What every tier must have of all versions, in per cent: about half of what [`OF_EACH_TIER`] gives
/// it, since questions are also told apart by how soon they are there and by `world::questions`.
const TIERS: [(Tier, u64); 6] = [
    (Tier::Row, 5),
    (Tier::Window, 6),
    (Tier::Aggregate, 5),
    (Tier::Join, 5),
    (Tier::Rerun, 5),
    (Tier::Tree, 5),
];

/// How many versions a run compares: `RECTO_ORACLE_VERSIONS`, or `fallback`.
fn wanted(fallback: u64) -> u64 {
    number("RECTO_ORACLE_VERSIONS").unwrap_or(fallback)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed of questions and writers: `RECTO_SEED`, or another one each time.
pub(super) fn seed() -> u64 {
    number("RECTO_SEED").unwrap_or_else(random)
}

pub(super) fn audited(judge: &Judge) -> Config {
    let mut config = Config::default();
    config.audit = Some(judge.audit());
    config
}

/// Results that nobody wants are let go soon, since the judge looks at them too.
pub(super) fn config(judge: &Judge) -> Config {
    let mut config = audited(judge);
    config.heartbeat = Duration::from_millis(250);
    config.linger = Duration::from_millis(500);
    config
}

/// A database with the oracle's tables, gone with the value.
pub(super) struct Ground {
    pub(super) repo: Repo,
    /// Another handle, which knows nothing of the first one's bell.
    foreign: Repo,
    _keep: Box<dyn Any + Send>,
}

impl Ground {
    async fn new(url: &str, keep: impl Any + Send) -> Self {
        let repo = Repo::connect(url).await.unwrap();
        world::create(&repo).await;
        let foreign = Repo::connect(url).await.unwrap();
        Self { repo, foreign, _keep: Box::new(keep) }
    }

    /// Half of the writers are of this process, the others are not.
    pub(super) fn writers(&self) -> Vec<Repo> {
        [vec![self.repo.clone(); 5], vec![self.foreign.clone(); 5]].concat()
    }
}

pub(super) async fn postgres() -> Ground {
    let database = Cluster::shared().create_database();
    let url = database.url().to_owned();
    Ground::new(&url, database).await
}

/// One that sorts text as a dictionary does, which no program here can follow.
async fn linguistic() -> Ground {
    let like_a_dictionary = "template template0 locale_provider icu icu_locale 'de-DE'";
    let database = Cluster::shared().create_database_with(like_a_dictionary);
    let url = database.url().to_owned();
    Ground::new(&url, database).await
}

pub(super) async fn sqlite() -> Ground {
    let scratch = Scratch::new();
    let url = format!("sqlite://{}", scratch.path().join("oracle.db").display());
    Ground::new(&url, scratch).await
}

/// The questions of one round, under their numbers; with `RECTO_ORACLE_QUESTION=round.number` that
/// one alone.
fn questions(live: &Live, backend: Backend, seed: u64, round: u64) -> Vec<(String, Question)> {
    let named = |round: u64, place: u64| {
        let question = thrown(live, backend, seed, (round, place));
        (format!("{round}.{place} {question}"), question)
    };
    match only() {
        Some((round, place)) => vec![named(round, place)],
        None => (0..QUESTIONS).map(|place| named(round, place)).collect(),
    }
}

/// The question of a place in a round: the first one thrown that is of the place's tier.
fn thrown(live: &Live, backend: Backend, seed: u64, (round, place): (u64, u64)) -> Question {
    let tier = usize::try_from(place / OF_EACH_TIER).ok().and_then(|tier| TIERS.get(tier));
    let throws = (0..1000).map(|throw| {
        question(backend, &mut Dice::of(seed, 1000 + round, place + throw * QUESTIONS))
    });
    let is_fit = |question: &Question| {
        tier.is_none_or(|(tier, _)| live.explain_ast(&ask(question)).unwrap().tier == *tier)
    };
    let mut fit = throws.filter(is_fit);
    fit.next().unwrap_or_else(|| panic!("no question is of the tier {tier:?}"))
}

fn only() -> Option<(u64, u64)> {
    let only = std::env::var("RECTO_ORACLE_QUESTION").ok()?;
    let (round, place) = only.split_once('.')?;
    Some((round.parse().ok()?, place.parse().ok()?))
}

struct Oracle {
    judge: Judge,
    live: Live,
    ground: Ground,
    seed: u64,
}

impl Oracle {
    /// Asks other questions, and lets the writers write until `versions` were compared.
    async fn round(&self, round: u64, asked: Vec<(String, Ast)>, versions: u64) {
        let (judge, live) = (&self.judge, &self.live);
        let dice = |who: u64| Dice::of(self.seed, 2000 + who, round);
        let half = asked.len().div_ceil(2);
        let mut followers = vec![judge.follow(live, asked.clone()).await];
        let sleepy = Manner::Sleepy(dice(1));
        followers.push(judge.follow_as(live, asked[..half].to_vec(), sleepy).await);
        let wandering = Manner::Wandering(dice(2));
        followers.push(judge.follow_as(live, asked, wandering).await);

        let seed = self.seed.wrapping_add(round);
        let mut writers = Writers::start(self.ground.writers(), seed);
        let over = async || {
            writers.are_well();
            versions <= judge.versions() || !judge.complaints().is_empty()
        };
        eventually("the oracle's versions", Duration::from_mins(15), over).await;
        writers.stop().await;
        if judge.complaints().is_empty() {
            self.empty(round, &mut followers).await;
            for follower in followers {
                follower.finish().await;
            }
        }
    }

    /// Empties a table while nobody looks: snapshots that are older see it empty too.
    async fn empty(&self, round: u64, followers: &mut [Follower]) {
        let is_postgres = Backend::of(&self.ground.repo) == Backend::Postgres;
        let script = match (round % 4, is_postgres) {
            (0, true) => "truncate items, strips",
            (1, true) => "truncate shelves",
            (2, true) => "truncate owners cascade",
            (3, true) => "truncate specimens cascade",
            (0, _) => "delete from items",
            (1, _) => "delete from shelves",
            (2, _) => "delete from owners",
            _ => "delete from specimens",
        };
        for follower in &mut *followers {
            follower.settle().await;
        }
        self.judge.is_deaf(true);
        self.ground.repo.batch_sql(script).await.unwrap();
        for follower in &mut *followers {
            follower.settle().await;
        }
        self.judge.is_deaf(false);
    }
}

async fn run(name: &str, tiers: &[(Tier, u64)], ground: impl AsyncFn() -> Ground, versions: u64) {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .try_init();
    let judge = Judge::default();
    let first = ground().await;
    let backend = Backend::of(&first.repo);
    let live = Live::start_with(&first.repo, config(&judge)).await.unwrap();
    let oracle = Oracle { judge: judge.clone(), live, ground: first, seed: seed() };
    println!("the oracle's seed is {}", oracle.seed);
    for round in 0.. {
        let generated = questions(&oracle.live, backend, oracle.seed, round);
        let mut asked: Vec<(String, Ast)> =
            generated.iter().map(|(name, question)| (name.clone(), ask(question))).collect();
        if round == 0 && only().is_none() {
            asked.extend(world::questions());
        }
        oracle.round(round, asked, versions.min((round + 1) * ROUND)).await;
        if !judge.complaints().is_empty() {
            for suspect in judge.suspects() {
                let found = generated.iter().find(|(name, _)| **name == *suspect);
                let Some((name, question)) = found else { continue };
                report(&ground, name, question, oracle.seed + round).await;
                break;
            }
            break;
        }
        if versions <= judge.versions() {
            break;
        }
    }
    println!("the oracle's seed was {}", oracle.seed);
    judge.verdict(name, if only().is_none() { tiers } else { &[] });
}

/// Says how to see one question fail again, and what is left of it.
async fn report(ground: &impl AsyncFn() -> Ground, name: &str, question: &Question, seed: u64) {
    let number = name.split_once(' ').map_or(name, |(number, _)| number);
    println!("wrong: question {number}; alone with RECTO_ORACLE_QUESTION={number}");
    match smallest(ground, question.clone(), seed).await {
        None => println!("it passes when it is asked alone"),
        Some((smaller, complaints)) => {
            println!("the smallest that fails: {smaller}");
            println!("    {}", complaints.join("\n    "));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_results_on_postgres_are_exact_at_every_tick() {
    run("PostgreSQL", &TIERS, postgres, wanted(35_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_results_on_sqlite_are_exact_at_every_tick() {
    run("SQLite", &TIERS, sqlite, wanted(30_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_results_in_the_order_of_a_dictionary_are_exact_at_every_tick() {
    run("PostgreSQL with a linguistic collation", &[], linguistic, wanted(10_000)).await;
}
