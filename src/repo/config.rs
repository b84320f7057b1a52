//! How a repo is set up: which database, how many connections, how long to wait.

use std::time::Duration;

/// How a repo is set up.
///
/// # Examples
///
/// ```
/// use recto::repo::Config;
///
/// let config = Config { pool_size: 20, ..Config::new("sqlite://:memory:") };
/// assert_eq!(config.pool_size, 20);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Which database: `postgres://user:password@host:port/name`, `sqlite://path` or
    /// `sqlite://:memory:`.
    pub url: String,
    /// The most connections at once. Ten, as Ecto has it: PostgreSQL does most work with a few
    /// connections per core. SQLite has one writer whatever this says.
    pub pool_size: usize,
    /// How long to wait for a free connection. Five seconds: longer than any healthy queue, shorter
    /// than a person waits.
    pub wait: Duration,
    /// How long one statement may take. Fifteen seconds, as Ecto has it.
    pub timeout: Duration,
}

impl Config {
    /// The default setup for a database.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_size: 10,
            wait: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
        }
    }
}
