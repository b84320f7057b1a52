//! What subscribers get: steps and snapshots of live results, encoded once for all of them.
//!
//! **Invariant:** a step and a snapshot never change once made; a clone is a reference-count bump.

use std::fmt;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::OnceLock;

use bytes::Bytes;

use super::catchup::Catchup;
use super::patch::Keyed;
use super::patch::Op;
use super::wire_text;
use crate::error::Error;
use crate::error::Result;
use crate::query::Output;
use crate::schema::Table;

/// The number of a state of all live results of one process; it only grows.
pub type Version = u64;

/// What is the same for every state of all live results of one shape.
#[derive(Debug)]
pub struct View {
    /// The columns that clients see.
    pub outputs: Arc<[Output]>,
    /// The name of the column that is the key, where it is one that clients see.
    pub key: Option<&'static str>,
    /// Whether the question says in what order rows come.
    pub is_ordered: bool,
    /// How many values a row has before what hangs on it.
    pub start: usize,
    /// What hangs on each row, one value for each.
    pub branches: Vec<Branch>,
    /// The table whose touched keys lead from one state to a later one, where they do.
    pub resumable: Option<&'static Table>,
}

/// Rows that hang on a row.
#[derive(Debug)]
pub struct Branch {
    /// The name of the association.
    pub name: &'static str,
    /// There is at most one.
    pub is_one: bool,
    /// What the rows show.
    pub view: View,
}

/// What all cursors that are made at one moment share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The process that makes them.
    pub node: u64,
    /// Names the life of the database and the shape of its tables; zero where nobody knows.
    pub life: u64,
    /// From where on the log tells what was touched later.
    pub from: u64,
}

/// A place in the life of one live result that a client may come back to.
///
/// # Shape
///
/// Opaque to clients, and text that needs no escape in a URL: the process, the version, and which
/// result it belongs to; then, where the change log can lead on from there, from where on, and a
/// seal over it all that only those who read the same database can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The process that made it.
    pub node: u64,
    /// The version.
    pub version: Version,
    /// Tells the result from all others: a hash of question and parameters.
    pub bind: u64,
    /// From where on the log tells what was touched later.
    pub from: u64,
    /// Binds the place in the log to the result and to a life of the database; zero where the log leads
    /// nowhere.
    pub seal: u64,
}

impl Cursor {
    /// A cursor into result `bind`.
    pub fn new(origin: Origin, version: Version, bind: u64) -> Self {
        let Origin { node, life, from } = origin;
        let seal = if life == 0 { 0 } else { Self::seal(life, bind, from) };
        Self { node, version, bind, from, seal }
    }

    /// What binds a place in the log to a result and to a life of the database; never zero.
    ///
    /// The same on all nodes that were built alike; on others a cursor does not fit.
    pub(crate) fn seal(life: u64, bind: u64, from: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (life, bind, from).hash(&mut hasher);
        hasher.finish().max(1)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:x}", self.node, self.version, self.bind)?;
        if self.seal == 0 { Ok(()) } else { write!(f, ".{:x}.{:x}", self.from, self.seal) }
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.splitn(5, '.').map(|part| u64::from_str_radix(part, 16).ok());
        match parts.collect::<Option<Vec<u64>>>().as_deref() {
            Some(&[node, version, bind]) => Ok(Self { node, version, bind, from: 0, seal: 0 }),
            Some(&[node, version, bind, from, seal]) => {
                Ok(Self { node, version, bind, from, seal })
            }
            _ => Err(Error::invalid(format!("`{}` is not a cursor", text.escape_debug()))),
        }
    }
}

/// The way of one live result to a version.
#[derive(Debug)]
pub struct Step {
    /// The result's shape.
    pub view: Arc<View>,
    /// Where a client is after it.
    pub cursor: Cursor,
    /// The operations, in order.
    pub ops: Vec<Op>,
    json: OnceLock<(Shared, Box<str>)>,
}

impl Step {
    /// A step.
    pub fn new(view: Arc<View>, cursor: Cursor, ops: Vec<Op>) -> Self {
        Self { view, cursor, ops, json: OnceLock::new() }
    }

    /// The operations as the JSON array clients get; written once.
    pub fn json(&self) -> &Shared {
        &self.written().0
    }

    /// The cursor as JSON; written once.
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "only the server writes frames")
    )]
    pub(crate) fn cursor_json(&self) -> &str {
        &self.written().1
    }

    fn written(&self) -> &(Shared, Box<str>) {
        self.json.get_or_init(|| {
            let ops = Shared::new(wire_text::ops(&self.view, &self.ops));
            (ops, format!("\"{}\"", self.cursor).into())
        })
    }
}

/// Text that is written once, and sent to many from where it is.
#[derive(Debug)]
pub struct Shared {
    text: Arc<str>,
    bytes: OnceLock<Bytes>,
}

impl Shared {
    pub(crate) fn new(text: String) -> Self {
        Self { text: text.into(), bytes: OnceLock::new() }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same text, as bytes that can be held on their own.
    pub fn bytes(&self) -> &Bytes {
        self.bytes.get_or_init(|| Bytes::from_owner(Owner(Arc::clone(&self.text))))
    }
}

/// What keeps the bytes of a text.
struct Owner(Arc<str>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// All rows of a live result at one version.
#[derive(Debug)]
pub struct Snapshot {
    /// The result's shape.
    pub view: Arc<View>,
    /// Where a client is with it.
    pub cursor: Cursor,
    /// The rows, in order.
    pub rows: Vec<Keyed>,
    json: OnceLock<(Shared, Shared)>,
}

impl Snapshot {
    /// A snapshot.
    pub fn new(view: Arc<View>, cursor: Cursor, rows: Vec<Keyed>) -> Self {
        Self { view, cursor, rows, json: OnceLock::new() }
    }

    /// The keys and the rows as the JSON arrays clients get; written once.
    pub fn json(&self) -> &(Shared, Shared) {
        self.json.get_or_init(|| {
            let (keys, rows) = wire_text::rows(&self.view, &self.rows);
            (Shared::new(keys), Shared::new(rows))
        })
    }
}

/// One query's part of the answer to a subscription.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Everything.
    Snapshot(Arc<Snapshot>),
    /// The way from the cursor the client came with, possibly none at all.
    Delta(Vec<Arc<Step>>, Arc<View>, Cursor),
    /// The way from a cursor of another node, by what was touched since.
    Catchup(Arc<Catchup>),
    /// It cannot be had.
    Failed(Arc<Error>),
}
