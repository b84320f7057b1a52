//! What subscribers get: steps and snapshots of live results, encoded once for all of them.
//!
//! **Invariant:** a step and a snapshot never change once made; a clone is a reference-count bump.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::OnceLock;

use bytes::Bytes;

use super::patch::Keyed;
use super::patch::Op;
use super::wire_text;
use crate::error::Error;
use crate::error::Result;
use crate::query::Output;

/// The number of a state of all live results of one process; it only grows.
pub type Version = u64;

/// What is the same for every state of one live result.
#[derive(Debug)]
pub struct View {
    /// The columns that clients see.
    pub outputs: Arc<[Output]>,
    /// The name of the column that is the key, where it is one that clients see.
    pub key: Option<&'static str>,
    /// Whether the question says in what order rows come.
    pub is_ordered: bool,
    /// Tells this result from all others, for cursors: a hash of question and parameters.
    pub bind: u64,
    /// How many values a row has before what hangs on it.
    pub start: usize,
    /// What hangs on each row, one value for each.
    pub branches: Vec<Branch>,
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

/// A place in the life of one live result that a client may come back to.
///
/// # Shape
///
/// Opaque to clients: the process, the version, and which result it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The process that made it.
    pub node: u64,
    /// The version.
    pub version: Version,
    /// The result.
    pub bind: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:x}", self.node, self.version, self.bind)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, '.').map(|part| u64::from_str_radix(part, 16).ok());
        let mut part = || parts.next().flatten();
        match (part(), part(), part()) {
            (Some(node), Some(version), Some(bind)) => Ok(Self { node, version, bind }),
            _ => Err(Error::invalid(format!("`{}` is not a cursor", text.escape_debug()))),
        }
    }
}

/// The way of one live result to a version.
#[derive(Debug)]
pub struct Step {
    /// The result.
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
    /// The result.
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
    /// It cannot be had.
    Failed(Arc<Error>),
}
