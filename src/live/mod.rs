//! Queries that follow the database.
//!
//! Any query written for `repo.all(query)` can be handed to [`Live::query`] instead, and its answer
//! is kept current, whoever writes: this process, another one, or a person with `psql`.
//!
//! - **Exact:** every version of a result is what the plain query answers at one committed state.
//! - **Whole:** all queries of one client go from one committed state to a later one, together.
//! - **Cheap:** what a change does not touch does not show up in its cost.
//! - **Resumable:** who comes back says where it left off, and is told what it missed: on its own node
//!   from the steps that are kept, elsewhere from the change log (rows and windows of one table whose keys are integers or
//!   UUIDs; `explain_live` tells). Where neither leads on it gets a snapshot, which says so.
//!
//! The tables must be watched first: [`ChangeLog::install`].

mod audit;
pub mod catchup;
mod changes;
pub mod client;
mod config;
mod driver;
mod engine;
mod event;
pub mod feed;
mod health;
mod list;
pub mod mailbox;
mod meter;
pub mod metrics;
pub mod patch;
mod plan;
mod query;
pub mod replica;
mod result;
mod router;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
mod session;
mod stats;
pub mod step;
mod wire_text;

use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub use self::audit::{Audit, Audited};
use self::changes::Changes;
pub use self::changes::{RowChange, TableChanges};
use self::client::Leavers;
pub use self::client::LiveClient;
pub use self::config::Config;
use self::driver::Driver;
use self::engine::Engine;
use self::engine::Setting;
pub use self::feed::ChangeLog;
use self::feed::Feed;
use self::feed::LogFeed;
use self::feed::attention::Attention;
use self::feed::nap::Napper;
use self::feed::retention::Retention;
use self::feed::wake::Doorbell;
pub use self::health::Health;
pub use self::health::Progress;
use self::health::Pulse;
use self::plan::LivePlan;
pub use self::plan::{Explanation, Tier};
pub use self::query::{Diff, DiffOp, LiveQuery};
#[cfg(feature = "server")]
pub use self::server::Server;
use self::stats::Counters;
pub use self::stats::Stats;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::query::Query;
use crate::query::ast::Ast;
use crate::repo::Repo;
use crate::schema::Schema;

/// The live engine of one repo; a clone is another handle to it, and with the last one it stops.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use recto::live::{ChangeLog, Live};
/// use recto::prelude::*;
///
/// ChangeLog::new([Room::table()]).install(&repo).await?;
/// let live = Live::start(&repo).await?;
/// let mut rooms = live.query(from::<Room>()).await?;
/// assert_eq!(rooms.rows().len(), 0);
///
/// repo.insert(Room { name: "lobby".into(), ..Room::default() }).await?;
/// let diff = rooms.next().await.unwrap();
/// assert_eq!(diff.ops().len(), 1);
/// assert_eq!(rooms.rows()[0].name, "lobby");
/// # Ok(())
/// # });
/// ```
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    repo: Repo,
    commands: mpsc::Sender<client::Command>,
    leavers: Arc<Leavers>,
    next_client: AtomicU64,
    pulse: Arc<Pulse>,
    changes: Changes,
    counters: Arc<Counters>,
    /// The driver; it ends with this.
    _tasks: JoinSet<()>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("repo", &self.shared.repo).finish_non_exhaustive()
    }
}

/// How many commands may wait for the engine; who sends more waits.
const COMMANDS: usize = 1024;

impl Live {
    /// Starts the engine with the default setup.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when no change log is installed,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the database cannot be asked.
    pub async fn start(repo: &Repo) -> Result<Self> {
        Self::start_with(repo, Config::default()).await
    }

    /// Starts the engine.
    ///
    /// # Errors
    ///
    /// As [`Live::start`].
    pub async fn start_with(repo: &Repo, config: Config) -> Result<Self> {
        let feed = LogFeed::connect(repo.clone()).await?;
        Self::start_on(repo, config, feed).await
    }

    /// Starts the engine on a feed of one's own; for tests that lie to it.
    ///
    /// # Errors
    ///
    /// As [`Live::start`].
    #[doc(hidden)]
    pub async fn start_on<F: Feed>(repo: &Repo, config: Config, feed: F) -> Result<Self> {
        let watched: HashSet<String> = feed::watched(repo).await?.into_iter().collect();
        let beats = config.linger.as_millis() / config.heartbeat.as_millis().max(1);
        let setting = Setting {
            dialect: repo.dialect(),
            semantics: repo.semantics(),
            linger: u64::try_from(beats).unwrap_or(u64::MAX).max(1),
            most_results: config.most_results,
            most_loading: config.most_loading,
        };
        // Random per process: a cursor of another process must not fit.
        let node = RandomState::new().hash_one(std::process::id());
        let (commands_tx, commands) = mpsc::channel(COMMANDS);
        let pulse = Arc::new(Pulse::new(config.heartbeat, Instant::now()));
        let (leavers, changes) = (Arc::<Leavers>::default(), Changes::new());
        let counters = Arc::<Counters>::default();
        let attention = Attention::new(config.heartbeat);
        let driver = Driver {
            engine: Engine::new(setting, node, watched),
            feed,
            repo: repo.clone(),
            commands,
            leavers: Arc::clone(&leavers),
            doorbell: Doorbell::hang(repo, config.poll),
            pulse: Arc::clone(&pulse),
            changes: changes.clone(),
            config,
            loads: JoinSet::new(),
            removal: JoinSet::new(),
            retention: Retention::default(),
            is_careful: false,
            unreadable: Vec::new(),
            counters: Arc::clone(&counters),
            unannounced: false,
            attention,
            napper: Napper::default(),
            started: tokio::time::Instant::now(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(driver.run());
        let shared = Shared {
            repo: repo.clone(),
            commands: commands_tx,
            leavers,
            next_client: AtomicU64::new(1),
            pulse,
            changes,
            counters,
            _tasks: tasks,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The repo it follows.
    pub fn repo(&self) -> &Repo {
        &self.shared.repo
    }

    /// Whether live results are current, for readiness probes. Costs a lock that nobody holds for
    /// long; asks nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// # use recto::live::{ChangeLog, Health, Live};
    /// # use recto::prelude::*;
    /// # ChangeLog::new([Room::table()]).install(&repo).await?;
    /// # let live = Live::start(&repo).await?;
    /// let (status, why) = match live.health() {
    ///     Health::Healthy => (200, String::new()),
    ///     Health::Behind(duration) => (503, format!("behind for {duration:?}")),
    ///     Health::Reloading => (503, "reloading".to_owned()),
    ///     _ => (503, "not well".to_owned()),
    /// };
    /// # let _ = (status, why);
    /// # Ok(())
    /// # });
    /// ```
    pub fn health(&self) -> Health {
        self.shared.pulse.health(Instant::now())
    }

    /// How far the engine is: what tells a database in which nothing happens from an engine that cannot
    /// see it. Clients of the server hear it with every heartbeat.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// # use recto::live::{ChangeLog, Live};
    /// # use recto::prelude::*;
    /// # ChangeLog::new([Room::table()]).install(&repo).await?;
    /// # let live = Live::start(&repo).await?;
    /// let progress = live.progress();
    /// println!("version {} was current {:?} ago", progress.version, progress.age);
    /// # Ok(())
    /// # });
    /// ```
    pub fn progress(&self) -> Progress {
        self.shared.pulse.progress(Instant::now())
    }

    /// What the engine did so far, and what it holds.
    pub fn stats(&self) -> Stats {
        self.shared.counters.read()
    }

    /// What keeping the results of each shape takes, those first that were told most.
    ///
    /// # Cost
    ///
    /// The engine looks at every result once, between two ticks.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when the engine has stopped.
    pub async fn shapes(&self) -> Result<Vec<metrics::ShapeMetrics>> {
        let stopped = || Error::new(ErrorKind::Unavailable, "the live engine has stopped");
        let (tell, told) = oneshot::channel();
        let asked = self.shared.commands.send(client::Command::Inspect(tell)).await;
        asked.map_err(|_| stopped())?;
        told.await.map_err(|_| stopped())
    }

    /// A new client: a set of queries that move together.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the engine has stopped.
    pub async fn client(&self) -> Result<LiveClient> {
        let id = self.shared.next_client.fetch_add(1, Ordering::Relaxed);
        let commands = self.shared.commands.clone();
        let leavers = Arc::clone(&self.shared.leavers);
        LiveClient::connect(id, commands, leavers).await
    }

    /// Asks a question and keeps its answer current.
    ///
    /// # Cost
    ///
    /// What the query preloads is part of the result, and changes with it.
    ///
    /// The first who asks pays for one run of the query; those who ask the same share its result.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the query cannot be asked, or reads a table that is not
    /// watched.
    pub async fn query<S, O>(&self, query: Query<S, O>) -> Result<LiveQuery<O>> {
        LiveQuery::start(self.clone(), &query).await
    }

    /// Every committed change of a table from now on, by any writer.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the name of the table cannot be a topic.
    pub fn changes<S: Schema>(&self) -> Result<TableChanges<S>> {
        self.shared.changes.follow::<S>()
    }

    /// How a query would be kept current.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the query cannot be asked.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// # use recto::live::{ChangeLog, Live, Tier};
    /// # use recto::prelude::*;
    /// # ChangeLog::new([Room::table()]).install(&repo).await?;
    /// # let live = Live::start(&repo).await?;
    /// let newest = from::<Room>().order_by(|r| r.id.desc()).limit(10);
    /// assert_eq!(live.explain_live(&newest)?.tier, Tier::Window);
    /// # Ok(())
    /// # });
    /// ```
    pub fn explain_live<S, O>(&self, query: &Query<S, O>) -> Result<Explanation> {
        self.explain_ast(query.ast())
    }

    /// The same of a query without types; for tests that throw their questions.
    ///
    /// # Errors
    ///
    /// As [`Live::explain_live`].
    #[doc(hidden)]
    pub fn explain_ast(&self, ast: &Ast) -> Result<Explanation> {
        let repo = &self.shared.repo;
        Ok(Explanation::new(&LivePlan::new(ast, repo.semantics(), repo.dialect())?))
    }
}
