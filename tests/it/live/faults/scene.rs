//! What every test about a fault stands on: a database with the oracle's tables, and a live engine
//! under the judge's eyes.

use std::fmt::Debug;
use std::time::Duration;
use std::time::Instant;

use recto::live::Config;
use recto::live::feed::Feed;
use recto::live::feed::LogFeed;
use recto::prelude::*;
use recto::repo::Config as RepoConfig;

use super::super::follower::Follower;
use super::super::judge::Judge;
use super::super::oracle::seed;
use super::super::world;
use super::super::world::Item;
use super::super::world::Owner;
use super::super::world::Tally;
use super::super::writers::Writers;
use super::BOUND;
use crate::support::cluster::Cluster;
use crate::support::cluster::Database;
use crate::support::wait::eventually;
use crate::support::wait::within;

/// How long recovery may take: the longest pause between two attempts is a heartbeat, of at most a
/// second.
const RECOVERY: Duration = Duration::from_secs(2);

/// True on a machine with more to do than it has processors, where time tells nothing.
fn is_busy() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split('.').next().and_then(|load| load.parse::<usize>().ok());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    load.is_none_or(|load| processors <= load)
}

/// A database of its own with the oracle's tables, and somebody with `psql`.
pub(super) struct Stage<'c> {
    cluster: &'c Cluster,
    database: Database,
    pub(super) repo: Repo,
}

/// The setup of a repo that notices within a second that nobody answers.
pub(super) fn impatient(url: impl Into<String>) -> RepoConfig {
    RepoConfig { timeout: Duration::from_secs(1), ..RepoConfig::new(url) }
}

impl Stage<'static> {
    /// On the cluster that all tests share.
    pub(super) async fn new() -> Self {
        Self::on(Cluster::shared()).await
    }
}

impl<'c> Stage<'c> {
    pub(super) async fn on(cluster: &'c Cluster) -> Self {
        let database = cluster.create_database();
        let repo = Repo::connect(database.url()).await.unwrap();
        world::create(&repo).await;
        Self { cluster, database, repo }
    }

    pub(super) fn url(&self) -> &str {
        self.database.url()
    }

    /// Runs SQL as a program that knows nothing of Recto, and does not wait for ever.
    pub(super) fn psql(&self, sql: &str) -> String {
        let url = format!("{}?options=-c%20statement_timeout%3D20s", self.database.url());
        tokio::task::block_in_place(|| self.cluster.psql(&url, sql))
    }

    /// Four writers of this process, and four of another.
    pub(super) async fn writers(&self) -> Writers {
        let foreign = Repo::connect(self.url()).await.unwrap();
        let mut repos = vec![self.repo.clone(); 4];
        repos.extend(vec![foreign; 4]);
        Writers::start(repos, seed())
    }
}

/// How a scene is set up: a heartbeat short enough for a test.
pub(super) fn config() -> Config {
    let mut config = Config::default();
    config.heartbeat = Duration::from_millis(200);
    config
}

/// A live engine, followers of all the oracle's questions, and a few typed queries.
pub(super) struct Scene {
    /// Asks plainly.
    repo: Repo,
    pub(super) live: Live,
    pub(super) judge: Judge,
    followers: Vec<Follower>,
    pub(super) items: LiveQuery<Item>,
    newest: LiveQuery<Item>,
    owners: LiveQuery<Owner>,
    tallies: LiveQuery<Tally>,
    counts: LiveQuery<(i64, i64)>,
}

fn items() -> Query<Item> {
    from::<Item>().order_by(|i| i.id.asc())
}

fn newest() -> Query<Item> {
    from::<Item>().filter(|i| i.flag.eq(true)).order_by(|i| i.made_at.desc()).limit(3)
}

fn owners() -> Query<Owner> {
    from::<Owner>().order_by(|o| (o.score.desc(), o.id.asc()))
}

fn tallies() -> Query<Tally> {
    from::<Tally>().filter(|t| t.n.gt(0)).order_by(|t| t.owner_id.asc())
}

/// The questions in words, so that they can be asked live and plainly.
macro_rules! counts {
    () => {
        from::<Owner>()
            .left_join(Owner::items)
            .group_by(|o, _| o.id)
            .order_by(|o, _| o.id.asc())
            .select(|o, i| (o.id, i.id.count()))
    };
}

impl Scene {
    /// A live engine on `repo`, which is asked plainly as well.
    pub(super) async fn on(repo: &Repo) -> Self {
        Self::with(repo, repo, config()).await
    }

    /// A live engine on one repo, beside another that is out of reach of what is broken.
    pub(super) async fn with(live: &Repo, plain: &Repo, config: Config) -> Self {
        let feed = LogFeed::connect(live.clone()).await.unwrap();
        Self::fed(live, plain, config, feed).await
    }

    /// A live engine on a feed of the test's own.
    pub(super) async fn fed(live: &Repo, plain: &Repo, config: Config, feed: impl Feed) -> Self {
        let judge = Judge::default();
        let mut config = config;
        config.audit = Some(judge.audit());
        let live = within("the live engine", BOUND, Live::start_on(live, config, feed));
        let live = live.await.unwrap();
        let followers = vec![judge.follow(&live, world::questions()).await];
        Self {
            repo: plain.clone(),
            judge,
            followers,
            items: live.query(items()).await.unwrap(),
            newest: live.query(newest()).await.unwrap(),
            owners: live.query(owners()).await.unwrap(),
            tallies: live.query(tallies()).await.unwrap(),
            counts: live.query(counts!()).await.unwrap(),
            live,
        }
    }

    /// Another client that asks everything.
    pub(super) async fn join(&mut self) {
        let follower = self.judge.follow(&self.live, world::questions()).await;
        self.followers.push(follower);
    }

    /// Waits until so many more versions were compared.
    pub(super) async fn goes_on(&self, more: u64) {
        let wanted = self.judge.versions() + more;
        eventually("more versions", BOUND, async || wanted <= self.judge.versions()).await;
        self.is_exact();
    }

    /// Waits until an item with this note is shown, without asking for it.
    pub(super) async fn shows(&mut self, note: &str) {
        let items = &mut self.items;
        let is_shown = |items: &LiveQuery<Item>| {
            items.rows().iter().any(|item| item.note.as_deref() == Some(note))
        };
        let shown = async {
            while !is_shown(items) {
                items.next().await.unwrap();
            }
        };
        within(&format!("the item with note `{note}`"), BOUND, shown).await;
    }

    /// The cause is over, and an item with this note was written since: it must be shown soon. How
    /// soon is printed, and held to two seconds where the machine has nothing else to do.
    pub(super) async fn recovers(&mut self, note: &str) {
        let began = Instant::now();
        self.shows(note).await;
        let took = began.elapsed();
        println!("recovered within {took:?}");
        assert!(took < RECOVERY || is_busy(), "recovery took {took:?}");
    }

    /// Nothing was wrong so far.
    #[track_caller]
    pub(super) fn is_exact(&self) {
        let complaints = self.judge.complaints();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    /// Waits until the typed queries are at the present, and compares them with plain answers;
    /// nobody may write meanwhile.
    pub(super) async fn is_true(&mut self) {
        compare("items", &mut self.items, items(), &self.repo).await;
        compare("newest", &mut self.newest, newest(), &self.repo).await;
        compare("owners", &mut self.owners, owners(), &self.repo).await;
        compare("tallies", &mut self.tallies, tallies(), &self.repo).await;
        compare("counts", &mut self.counts, counts!(), &self.repo).await;
        self.is_exact();
    }

    /// The oracle's comparison, when the writers have stopped: every follower has heard everything,
    /// the judge has no complaints, and live results equal plain answers.
    pub(super) async fn finish(mut self) {
        self.is_true().await;
        for follower in std::mem::take(&mut self.followers) {
            follower.finish().await;
        }
        self.is_exact();
        println!("{} versions were exact", self.judge.versions());
        assert_ne!(self.judge.versions(), 0);
    }
}

/// Compares a live result that has caught up with the plain answer.
pub(super) async fn compare<S, O: Debug>(
    name: &str,
    live: &mut LiveQuery<O>,
    plain: Query<S, O>,
    repo: &Repo,
) {
    within(&format!("`{name}` to catch up"), BOUND, live.caught_up()).await.unwrap();
    let plain = repo.all(plain).await.unwrap();
    assert_eq!(format!("{:#?}", live.rows()), format!("{plain:#?}"), "`{name}`");
}
