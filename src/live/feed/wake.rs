//! Doorbells: our own commits, other processes, the heartbeat. They coalesce, and carry nothing.
//!
//! **Invariant:** losing a ring costs at most a heartbeat, never a change.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::log::is_postgres;
use super::nap::Napper;
use super::nap::until;
#[cfg(feature = "postgres")]
use super::postgres_bell;
#[cfg(feature = "postgres")]
use super::postgres_log;
use super::source::plain;
use crate::adapter::Access;
use crate::adapter::ErasedConnection;
#[cfg(feature = "postgres")]
use crate::adapter::Pool;
#[cfg(feature = "postgres")]
use crate::adapter::postgres::Listener;
#[cfg(feature = "postgres")]
use crate::adapter::postgres::Prepared;
#[cfg(feature = "postgres")]
use crate::error::Error;
#[cfg(feature = "postgres")]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::repo::Observer;
use crate::repo::Repo;
use crate::value::Value;

/// The setting that says whether the trigger rings.
#[cfg(feature = "postgres")]
const NOTIFY: &str = "recto.notify";

/// How long to wait before a lost doorbell is hung again; short, since heartbeats stand in.
#[cfg(feature = "postgres")]
const AGAIN: Duration = Duration::from_millis(200);

/// Rings when there may be something new.
#[derive(Debug)]
pub(crate) struct Doorbell {
    rung: Arc<Notify>,
    /// What this process committed is to be told to others.
    committed: Arc<Notify>,
    rehang: Arc<Notify>,
    /// Rings of others.
    others: Arc<AtomicU32>,
    /// We committed something ourselves.
    ours: Arc<AtomicBool>,
    _observer: Observer,
    /// Whoever listens to other processes, and rings for them.
    _tasks: JoinSet<()>,
}

impl Doorbell {
    /// Hangs the doorbells of `repo`; they ring until this is dropped.
    pub(crate) fn hang(repo: &Repo, poll: Duration) -> Self {
        let rung = Arc::new(Notify::new());
        let committed = Arc::new(Notify::new());
        let rehang = Arc::new(Notify::new());
        let (others, ours) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let observer = {
            let (rung, ours) = (Arc::clone(&rung), Arc::clone(&ours));
            repo.on_commit(move |_| {
                ours.store(true, Ordering::Relaxed);
                rung.notify_one();
            })
        };
        let mut tasks = JoinSet::new();
        #[cfg(feature = "postgres")]
        if repo.postgres().is_some() {
            // From now on this process rings for its own commits, once for many, outside of their
            // transactions: a `NOTIFY` inside them would queue them behind one lock.
            let connections = repo.pool().clone();
            connections.set_setting(NOTIFY, "off");
            let (rung, rehang) = (Arc::clone(&rung), Arc::clone(&rehang));
            let others = Arc::clone(&others);
            let committed = Arc::clone(&committed);
            let bell = Bell { rung, committed, rehang, others, connections };
            tasks.spawn(bell.listen(repo.clone()));
        }
        if !is_postgres(repo) && repo.adapter().most(Access::Read) != Some(1) {
            tasks.spawn(watch_file(repo.clone(), Arc::clone(&rung), poll));
        }
        Self { rung, committed, rehang, others, ours, _observer: observer, _tasks: tasks }
    }

    /// Waits for a ring; one that came before counts. Cancel safe.
    pub(crate) async fn rung(&self) {
        self.rung.notified().await;
    }

    /// How often others rang since this was asked last; many rings of one may count as one.
    pub(crate) fn rings(&self) -> u32 {
        self.others.swap(0, Ordering::Relaxed)
    }

    /// Whether this process committed anything since this was asked last.
    pub(crate) fn is_ours(&self) -> bool {
        self.ours.swap(false, Ordering::Relaxed)
    }

    /// Rings for what this process committed. It is done after our own tick, since the database has
    /// no hands free to do both at once, and once for all commits of a tick.
    pub(crate) fn tell_others(&self) {
        self.committed.notify_one();
    }

    /// Hangs the bell anew: it did not ring when it should have.
    pub(crate) fn rehang(&self) {
        self.rehang.notify_one();
    }

    /// Rings.
    pub(crate) fn ring(&self) {
        self.rung.notify_one();
    }
}

/// What the listener hears and rings.
#[cfg(feature = "postgres")]
struct Bell {
    rung: Arc<Notify>,
    committed: Arc<Notify>,
    rehang: Arc<Notify>,
    others: Arc<AtomicU32>,
    /// The connections that it rings for.
    connections: Pool,
}

#[cfg(feature = "postgres")]
impl Drop for Bell {
    fn drop(&mut self) {
        // Nobody rings for them any more, so they must themselves; where another doorbell does,
        // ringing twice does no harm.
        self.connections.set_setting(NOTIFY, "on");
    }
}

#[cfg(feature = "postgres")]
impl Bell {
    /// Hears other processes, and tells them of our commits.
    async fn listen(self, repo: Repo) {
        let Some(postgres) = repo.postgres() else { return };
        let limit = repo.config().timeout;
        loop {
            match answered(limit, postgres.listener(postgres_log::CHANNEL)).await {
                Ok(listener) => {
                    // Something may have happened while nobody listened.
                    self.rung.notify_one();
                    let error = self.hear(listener, limit).await;
                    tracing::warn!(error = %error.chain(), "the doorbell was lost");
                }
                Err(error) => tracing::debug!(error = %error.chain(), "no doorbell yet"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Rings until the connection is lost, or is told to be.
    async fn hear(&self, listener: Listener, limit: Duration) -> Error {
        let mut company = match answered(limit, Company::join(&listener)).await {
            Ok(company) => company,
            Err(error) => return error,
        };
        let (mut listener, own) = (listener, company.own);
        loop {
            let result = tokio::select! {
                heard = listener.recv() => heard.map(|heard| {
                    if heard.from_pid != own {
                        company.is_known = true;
                        self.others.fetch_add(1, Ordering::Relaxed);
                        self.rung.notify_one();
                    }
                }),
                () = self.committed.notified() => answered(limit, company.tell(&listener)).await,
                () = self.rehang.notified() => {
                    return Error::new(ErrorKind::Stale, "it did not ring, and there was news");
                }
            };
            if let Err(error) = result {
                return error;
            }
        }
    }
}

/// How long a node that found itself alone takes it for granted. Who comes rings, so that this is for
/// those whose ring was lost; no longer than the usual heartbeat, at which they look.
#[cfg(feature = "postgres")]
const ALONE: Duration = Duration::from_secs(1);

/// The other nodes that listen. Where there are none nobody is told: a ring costs the database about as
/// much as a tick.
#[cfg(feature = "postgres")]
struct Company {
    own: i32,
    alone: Prepared,
    ring: Prepared,
    /// There are others, as far as is known.
    is_known: bool,
    asked: Option<Instant>,
}

#[cfg(feature = "postgres")]
impl Company {
    /// Lets others know that we listen.
    async fn join(listener: &Listener) -> Result<Self> {
        let come = listener.prepare(postgres_bell::COME).await?;
        let alone = listener.prepare(postgres_bell::ALONE).await?;
        let ring = listener.prepare(&postgres_bell::ring()).await?;
        listener.run(&come).await?;
        listener.notify().await?;
        Ok(Self { own: listener.pid(), alone, ring, is_known: true, asked: None })
    }

    /// Rings, if there is anybody to hear it.
    async fn tell(&mut self, listener: &Listener) -> Result<()> {
        let now = Instant::now();
        if self.asked.is_none_or(|asked| asked + ALONE <= now) {
            self.is_known = listener.run(&self.alone).await? == 0;
            self.asked = Some(now);
        }
        if self.is_known {
            listener.run(&self.ring).await?;
        }
        Ok(())
    }
}

/// Waits for a server that may never answer, but not for ever.
#[cfg(feature = "postgres")]
async fn answered<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout(limit), "no answer from the database to the doorbell"))
    })
}

/// How many times faster a file is looked at where a change was seen lately: one rarely comes alone.
/// Every 0.4 ms, at the default.
const QUICK: u32 = 25;

/// How long looks stay quick after a change: half a second of them, at the default.
const QUICK_LOOKS: u32 = 1250;

/// Looks whether another connection changed the file; costs no disk access.
async fn watch_file(repo: Repo, rung: Arc<Notify>, poll: Duration) {
    let mut connection: Option<Box<dyn ErasedConnection>> = None;
    let mut seen = Value::Null;
    let mut quick_looks = 0_u32;
    let mut napper = Napper::default();
    loop {
        match data_version(&repo, &mut connection).await {
            Ok(version) if version == seen => {}
            Ok(version) => {
                seen = version;
                quick_looks = QUICK_LOOKS;
                rung.notify_one();
            }
            Err(error) => {
                tracing::warn!(error = %error.chain(), "could not look at the database file");
                connection = None;
            }
        }
        if quick_looks == 0 {
            tokio::time::sleep(poll).await;
        } else {
            quick_looks -= 1;
            until(Instant::now() + poll / QUICK, &mut napper).await;
        }
    }
}

async fn data_version(
    repo: &Repo,
    connection: &mut Option<Box<dyn ErasedConnection>>,
) -> Result<Value> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(repo.pool().detach(Access::Read).await?),
    };
    let mut answers = connection.run(vec![plain("pragma data_version", Vec::new())]).await?;
    let row = answers.pop().and_then(|mut answer| answer.rows.pop());
    Ok(row.map_or(Value::Null, |row| row.values()[0].clone()))
}
