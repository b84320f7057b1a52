//! One live query in this process: typed rows, and the way they change.

use std::error::Error as StdError;
use std::iter::successors;
use std::sync::Arc;

use futures::Stream;

use super::Live;
use super::client::LiveClient;
use super::client::Wanted;
use super::mailbox::Event;
use super::patch::Keyed;
use super::patch::Op;
use super::patch::diff;
use super::replica::Effect;
use super::replica::Replica;
use super::step::Answer;
use super::step::Version;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::query::Nested;
use crate::query::Preload;
use crate::query::Query;
use crate::value::Key;

/// The name of the only query of a client here.
const NAME: &str = "q";

/// A query whose answer is kept current; dropping it ends that.
///
/// # Shape
///
/// Holds its rows, decoded. All live queries with the same question and parameters share one result
/// in the engine.
///
/// # Order
///
/// As the query says; by primary key where it says nothing.
#[derive(Debug)]
#[must_use = "dropping a live query ends it"]
pub struct LiveQuery<O> {
    client: LiveClient,
    load: fn(&crate::value::Row) -> Result<O>,
    preloads: Vec<Preload<O>>,
    replica: Replica,
    rows: Vec<O>,
    version: Version,
    ended: Option<Arc<Error>>,
    next_request: u64,
    /// Keeps the engine alive.
    _live: Live,
}

/// The way from one version of a live query to a later one; the rows are there already.
#[derive(Debug, PartialEq, Eq)]
pub struct Diff {
    /// The version the rows are at.
    pub version: Version,
    ops: Vec<DiffOp>,
}

impl Diff {
    /// What happened, in order; places are those at the time of each step.
    pub fn ops(&self) -> &[DiffOp] {
        &self.ops
    }
}

/// One step of a [`Diff`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiffOp {
    /// The row with this key stands here and is new.
    Insert {
        /// Where.
        at: usize,
        /// Its key.
        key: Key,
    },
    /// The row here has other values, or other rows hang on it.
    Update {
        /// Where.
        at: usize,
        /// Its key.
        key: Key,
    },
    /// A row went from one place to another.
    Move {
        /// Where it stood.
        from: usize,
        /// Where it stands.
        to: usize,
    },
    /// The row that stood here is gone.
    Remove {
        /// Where it stood.
        at: usize,
        /// Its key.
        key: Key,
    },
}

impl<O> LiveQuery<O> {
    pub(crate) async fn start<S>(live: Live, query: &Query<S, O>) -> Result<Self> {
        let client = live.client().await?;
        let wanted = Wanted { name: NAME.into(), ast: query.ast().clone(), since: None };
        client.add(0, vec![wanted]).await?;
        let (version, mut answers) = loop {
            match client.next().await {
                Event::Loaded { version, answers, .. } => break (version, answers),
                Event::Closed => return Err(stopped()),
                Event::Moved { .. }
                | Event::Reset { .. }
                | Event::Reached { .. }
                | Event::Lagged => {}
            }
        };
        let mut this = Self {
            client,
            load: query.loader(),
            preloads: query.preloads().to_vec(),
            replica: Replica::default(),
            rows: Vec::new(),
            version,
            ended: None,
            next_request: 1,
            _live: live,
        };
        match answers.pop() {
            Some((_, Answer::Snapshot(snapshot))) => this.reset(&snapshot.rows)?,
            Some((_, Answer::Failed(error))) => return Err(copy(&error)),
            Some((_, Answer::Delta(..) | Answer::Catchup(_))) | None => return Err(stopped()),
        };
        Ok(this)
    }

    /// The rows at [`version`](LiveQuery::version).
    pub fn rows(&self) -> &[O] {
        &self.rows
    }

    /// The version of the rows: the same number in two live queries of one engine is the same state
    /// of the database.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Why it ended, if it did with an error.
    pub fn error(&self) -> Option<&Error> {
        self.ended.as_deref()
    }

    /// The rows as values, with their keys.
    pub fn keyed(&self) -> &[Keyed] {
        self.replica.rows()
    }

    /// Waits until the rows change, and says how; `None` when it has ended, see
    /// [`error`](LiveQuery::error).
    ///
    /// # Order
    ///
    /// Versions only grow. A reader that is slow gets several steps as one, and misses none.
    ///
    /// # Cancellation
    ///
    /// Cancel safe: the rows change only together with the value returned.
    pub async fn next(&mut self) -> Option<Diff> {
        loop {
            if self.ended.is_some() {
                return None;
            }
            let event = self.client.next().await;
            match self.hear(event) {
                Ok(Heard::Diff(diff)) => return Some(diff),
                Ok(Heard::Reached(_) | Heard::Nothing) => {}
                Ok(Heard::Stopped) => return None,
                Err(error) => self.ended = Some(Arc::new(error)),
            }
        }
    }

    /// The diffs as a stream, which ends as [`next`](LiveQuery::next) does.
    pub fn diffs(&mut self) -> impl Stream<Item = Diff> + '_ {
        futures::stream::unfold(self, async |query| query.next().await.map(|diff| (diff, query)))
    }

    /// Waits until the rows show everything that was committed before this call.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when the engine has stopped, and the error that ended
    /// the query, if it has ended.
    pub async fn caught_up(&mut self) -> Result<Version> {
        let request = self.next_request;
        self.next_request += 1;
        self.client.barrier(request).await?;
        loop {
            if let Some(error) = &self.ended {
                return Err(copy(error));
            }
            let event = self.client.next().await;
            match self.hear(event)? {
                Heard::Reached(reached) if reached == request => return Ok(self.version),
                Heard::Stopped => return Err(stopped()),
                Heard::Reached(_) | Heard::Diff(_) | Heard::Nothing => {}
            }
        }
    }

    fn hear(&mut self, event: Event) -> Result<Heard> {
        match event {
            Event::Moved { to, steps, .. } => {
                let mut ops = Vec::new();
                for op in steps.iter().flat_map(|(_, step)| &step.ops) {
                    ops.push(self.apply(op)?);
                }
                self.version = to;
                Ok(Heard::Diff(Diff { version: to, ops }))
            }
            Event::Reset { version, mut answers } => match answers.pop() {
                Some((_, Answer::Snapshot(snapshot))) => {
                    let ops = self.reset(&snapshot.rows)?;
                    self.version = version;
                    Ok(Heard::Diff(Diff { version, ops }))
                }
                Some((_, Answer::Failed(error))) => Err(copy(&error)),
                Some((_, Answer::Delta(..) | Answer::Catchup(_))) | None => Ok(Heard::Nothing),
            },
            Event::Reached { request, version } => {
                self.version = version;
                Ok(Heard::Reached(request))
            }
            Event::Loaded { .. } | Event::Lagged => Ok(Heard::Nothing),
            Event::Closed => Ok(Heard::Stopped),
        }
    }

    fn decode(&self, row: &crate::value::Row) -> Result<O> {
        let mut loaded = (self.load)(row)?;
        let start = row.values().len().saturating_sub(self.preloads.len());
        for (preload, branch) in self.preloads.iter().zip(&row.values()[start..]) {
            preload.put(&mut loaded, &Nested::unfold(branch, preload.edge()))?;
        }
        Ok(loaded)
    }

    fn reset(&mut self, rows: &[Keyed]) -> Result<Vec<DiffOp>> {
        let steps = diff(self.replica.rows(), rows);
        steps.iter().map(|op| self.apply(op)).collect()
    }

    fn apply(&mut self, op: &Op) -> Result<DiffOp> {
        // Decoded before anything changes, so that a row that cannot be read leaves all as it was.
        let decoded = match op {
            Op::Insert { new, .. } | Op::Update { new, .. } | Op::Inside { new, .. } => {
                Some(self.decode(&new.row)?)
            }
            Op::Move { .. } | Op::Remove { .. } => None,
        };
        let effect = self.replica.apply(op).ok_or_else(|| {
            Error::new(ErrorKind::Stale, "a step did not fit the rows of a live query")
        })?;
        Ok(match (effect, decoded, op) {
            (Effect::Put(at), Some(row), Op::Insert { new, .. }) => {
                self.rows.insert(at, row);
                DiffOp::Insert { at, key: new.key.clone() }
            }
            (Effect::Put(at), Some(row), Op::Update { new, .. } | Op::Inside { new, .. }) => {
                self.rows[at] = row;
                DiffOp::Update { at, key: new.key.clone() }
            }
            (Effect::Moved(from, to), ..) => {
                let row = self.rows.remove(from);
                self.rows.insert(to, row);
                DiffOp::Move { from, to }
            }
            (Effect::Removed(at), _, Op::Remove { key }) => {
                self.rows.remove(at);
                DiffOp::Remove { at, key: key.clone() }
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::Stale,
                    "a step had another effect than its kind",
                ));
            }
        })
    }
}

enum Heard {
    Diff(Diff),
    Reached(u64),
    Nothing,
    Stopped,
}

fn stopped() -> Error {
    Error::new(ErrorKind::Unavailable, "the live engine has stopped")
}

/// The same error for one more reader, with its causes in words.
fn copy(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.what().to_owned());
    let causes = successors(error.source(), |&cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    if causes.is_empty() { copy } else { copy.caused_by(causes.join(": ")) }
}
