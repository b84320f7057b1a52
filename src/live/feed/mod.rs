//! Where ticks come from.
//!
//! The log says *which rows* were touched and is never believed about *what they are*: a tick reads
//! the keys logged by exactly the transactions that became visible since the last one, and those
//! rows, in one snapshot.

mod ahead;
pub(super) mod attention;
mod keys;
mod log;
pub(crate) mod nap;
mod postgres_bell;
mod postgres_glance;
mod postgres_log;
mod postgres_source;
mod postgres_trigger;
pub(super) mod retention;
mod script;
pub mod snapshot;
pub(super) mod source;
mod sqlite_log;
mod sqlite_source;
pub(super) mod wake;

use std::collections::HashMap;
use std::collections::HashSet;
use std::future::Future;

pub use self::attention::{Bell, Order};
pub use self::keys::Keys;
pub use self::log::{ChangeLog, watched};
use self::snapshot::Position;
pub use self::source::LogFeed;
use crate::adapter::Statement;
use crate::error::Result;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Row;

/// What became visible between two committed states.
#[derive(Clone, Debug)]
pub struct Tick {
    /// The later state.
    pub position: Position,
    /// Whether the way from the earlier state is known.
    pub news: News,
    /// The touched rows, by table.
    pub touched: HashMap<String, Keys>,
    /// Names the life of the database and the shape of its tables, for cursors: the same number on
    /// all nodes, and zero where nobody can tell.
    pub life: u64,
    /// Whether writers ring, as it was when the tick began or a little later.
    pub bell: Bell,
}

/// Whether the way from the last tick's state is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is: the touched rows.
    Known,
    /// It is not: another epoch, a log that does not reach back, another shape of the tables. Every
    /// result must be asked again.
    Lost,
}

/// Where ticks come from: a seam, so that tests can lie to the engine.
pub trait Feed: Send + 'static {
    /// The next step of the world, leaving its snapshot open for [`Feed::read`] until
    /// [`Feed::end`].
    ///
    /// # Order
    ///
    /// Each transaction once and whole. Within a tick, order means nothing.
    ///
    /// # Cancellation
    ///
    /// Not cancel safe; the engine never drops it half-way but to stop.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the database was lost; the next call
    /// connects anew and goes on from the last tick that [`Feed::end`] ended.
    fn tick(&mut self) -> impl Future<Output = Result<Tick>> + Send;

    /// Runs statements in the tick's snapshot.
    ///
    /// # Errors
    ///
    /// The first statement's that failed; the snapshot is lost then.
    fn read(
        &mut self,
        statements: Vec<Statement>,
    ) -> impl Future<Output = Result<Vec<Vec<Row>>>> + Send;

    /// The rows of `table` with these keys, in the tick's snapshot and in the order of the table's
    /// columns; keys without a row are left out.
    ///
    /// # Errors
    ///
    /// As [`Feed::read`].
    fn rows(
        &mut self,
        table: &'static Table,
        keys: &HashSet<Key>,
    ) -> impl Future<Output = Result<Vec<Row>>> + Send;

    /// What was touched by those who are logged from `from` on, as of the tick's snapshot; `None`
    /// where the log does not reach back that far, or has not come there.
    ///
    /// # Errors
    ///
    /// As [`Feed::read`].
    fn since(&mut self, from: u64) -> impl Future<Output = Result<Option<Since>>> + Send {
        _ = from;
        std::future::ready(Ok(None))
    }

    /// Arranges with all writers whether they ring, between two ticks. For [`Order::Mark`] the
    /// answer is a number that all transactions from before are below, and those from now on are
    /// not.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when it may not be arranged, and those of
    /// [`Feed::tick`].
    fn arrange(&mut self, order: Order) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// Ends the tick. With [`Outcome::Done`] the next one starts from its state, otherwise from
    /// the state before it once more.
    fn end(&mut self, outcome: Outcome) -> impl Future<Output = ()> + Send;
}

/// What was touched since an older state.
#[derive(Clone, Debug)]
pub struct Since {
    /// As [`Tick::life`].
    pub life: u64,
    /// As [`Tick::touched`].
    pub touched: HashMap<String, Keys>,
    /// Those of them that may have been there before; the others were inserted, and left alone since.
    pub older: HashMap<String, Keys>,
}

/// How a tick ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was told.
    Done,
    /// Something failed on the way.
    BrokeOff,
}
