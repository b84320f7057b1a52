//! The systems that are measured side by side, each started on a database of its own.

use std::path::PathBuf;

use crate::live::crowd::Crowd;
use crate::live::fixture;
use crate::live::fixture::ROOMS;
use crate::live::fixture::Watch;
use crate::live::peers;
use crate::live::serve::Serving;
use crate::live::support::cluster::Cluster;
use crate::live::support::cluster::Database;
use crate::live::support::process::Scratch;
use crate::live::tongue::Tongue;
use crate::live::writer::Writer;

/// What tells clients of new messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    RectoPostgres,
    RectoSqlite,
    /// The least that anybody could do.
    Floor,
    /// What people build by hand.
    Requery,
    /// Every subscriber is a client group.
    Zero,
    /// A client group has a hundred subscribers: the same, as Zero likes it best.
    ZeroGroups,
    Parse,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A program that the system knows nothing of, in plain SQL.
    Others,
    /// The system, asked by clients.
    Itself,
}

impl System {
    pub(crate) const ALL: [Self; 7] = [
        Self::Floor,
        Self::RectoPostgres,
        Self::RectoSqlite,
        Self::Requery,
        Self::Zero,
        Self::ZeroGroups,
        Self::Parse,
    ];

    /// How the command line calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::RectoPostgres => "postgres",
            Self::RectoSqlite => "sqlite",
            Self::Floor => "floor",
            Self::Requery => "requery",
            Self::Zero => "zero",
            Self::ZeroGroups => "zero-groups",
            Self::Parse => "parse",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RectoPostgres => "**Recto, PostgreSQL**",
            Self::RectoSqlite => "**Recto, SQLite**",
            Self::Floor => "floor: log tail, shared frame",
            Self::Requery => "re-query once, share the answer",
            Self::Zero => "Zero, a group per subscriber",
            Self::ZeroGroups => "Zero, a group per 100 queries",
            Self::Parse => "Parse LiveQuery",
        }
    }

    /// True for those that must be installed.
    pub(crate) fn is_peer(self) -> bool {
        match self {
            Self::Requery | Self::Zero | Self::ZeroGroups | Self::Parse => true,
            Self::RectoPostgres | Self::RectoSqlite | Self::Floor => false,
        }
    }

    /// Who can write so that it notices.
    pub(crate) fn writers(self) -> &'static [By] {
        match self {
            Self::RectoPostgres | Self::RectoSqlite => &[By::Others, By::Itself],
            Self::Floor | Self::Requery | Self::Zero | Self::ZeroGroups => &[By::Others],
            Self::Parse => &[By::Itself],
        }
    }
}

impl By {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Others => "SQL",
            Self::Itself => "itself",
        }
    }
}

/// A database with a system on it.
pub(crate) struct Place {
    pub(crate) system: System,
    pub(crate) serving: Serving,
    url: String,
    file: PathBuf,
    /// The number of the next message: no two have the same.
    pub(crate) next_id: u64,
    _database: Option<Database>,
    _scratch: Scratch,
}

impl Place {
    /// Makes the tables and starts the system.
    pub(crate) async fn open(system: System, cluster: &Cluster) -> Self {
        let scratch = Scratch::new();
        let file = scratch.path().join("chat.db");
        let database = (system != System::RectoSqlite).then(|| cluster.create_database());
        let url = match &database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite://{}", file.display()),
        };
        let is_ours = matches!(system, System::RectoPostgres | System::RectoSqlite);
        fixture::prepare(&url, if is_ours { Watch::On } else { Watch::Off }).await;
        let serving = match system {
            System::RectoPostgres | System::RectoSqlite => Serving::ours("serve", &url).await,
            System::Floor => {
                cluster.psql(&url, "create publication floor for table messages");
                Serving::ours("floor", &url).await
            }
            System::Requery => peers::start("requery.mjs", &url, scratch.path()).await,
            System::Zero | System::ZeroGroups => {
                peers::start("zero.mjs", &url, scratch.path()).await
            }
            System::Parse => peers::start("parse.mjs", &url, scratch.path()).await,
        };
        Self { system, serving, url, file, next_id: 1, _database: database, _scratch: scratch }
    }

    /// Where its database is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets so many subscribers watch, each one room.
    ///
    /// # Errors
    ///
    /// As [`Crowd::gather`].
    pub(crate) async fn gather(&self, subscribers: usize) -> Result<Crowd, usize> {
        let tongue = match self.system {
            System::RectoPostgres | System::RectoSqlite => Tongue::Recto,
            System::Floor | System::Requery => Tongue::Path,
            System::Zero | System::ZeroGroups => Tongue::Zero,
            System::Parse => Tongue::Parse,
        };
        let all: Vec<i64> = (1..=ROOMS).collect();
        let rooms: Vec<Vec<i64>> = if self.system == System::ZeroGroups {
            vec![all.clone(); subscribers.div_ceil(all.len())]
        } else {
            (1..=ROOMS).cycle().take(subscribers).map(|room| vec![room]).collect()
        };
        Crowd::gather(tongue, &self.serving.address, rooms).await
    }

    /// Enough writers for the rate: each waits for its answer, and a socket of Recto's may send a
    /// hundred a second.
    pub(crate) async fn writers(&self, by: By, rate: u32) -> Vec<Writer> {
        let count = rate.div_ceil(50).clamp(1, 64);
        let mut writers = Vec::new();
        for number in 0..count {
            writers.push(match (by, self.system) {
                (By::Itself, System::Parse) => Writer::rest(&self.serving.address).await,
                (By::Itself, _) => Writer::mutation(&self.serving.address, number).await,
                // SQLite has one writer at a time.
                (By::Others, System::RectoSqlite) if 0 < number => break,
                (By::Others, System::RectoSqlite) => Writer::sqlite(&self.file),
                // More connections would only wait for each other.
                (By::Others, _) if 24 <= number => break,
                (By::Others, _) => Writer::postgres(&self.url).await,
            });
        }
        writers
    }
}
