//! What a client hears of its live queries.
//!
//! **Invariant:** whatever is heard tells at which one version all queries of the client are after it.

use std::sync::Arc;

use super::step::Answer;
use super::step::Step;
use super::step::Version;

/// The name a client gave one of its queries.
pub type Name = Arc<str>;

/// How queries of a client went from one version to a later one, in order; a query may come several
/// times where moves were joined. Made once for all clients that watch the same by the same names.
pub type Steps = Arc<[(Name, Arc<Step>)]>;

/// What a client hears.
#[derive(Clone, Debug)]
pub enum Event {
    /// The answer to a request for queries; everything is at `version`.
    Loaded {
        /// The request.
        request: u64,
        /// The state everything of this client is at now.
        version: Version,
        /// One answer for each query of the request.
        answers: Vec<(Name, Answer)>,
    },
    /// All queries of the client went from one version to a later one; those that are not listed
    /// did not change.
    Moved {
        /// Where they were.
        from: Version,
        /// Where they are.
        to: Version,
        /// The way.
        steps: Steps,
    },
    /// These queries start again, or ended; the others did not change up to `version`.
    Reset {
        /// The state everything of this client is at now.
        version: Version,
        /// One answer for each query concerned.
        answers: Vec<(Name, Answer)>,
    },
    /// Everything committed before the request is in what this client has heard.
    Reached {
        /// The request.
        request: u64,
        /// The state everything of this client is at now.
        version: Version,
    },
    /// Moves were forgotten because the client was slow; ask to catch up.
    Lagged,
    /// The engine has stopped.
    Closed,
}

/// All queries of a client from one version to a later one.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "server"),
    expect(dead_code, reason = "only the server's couriers hear mailboxes this way")
)]
pub(crate) struct Move {
    pub(crate) from: Version,
    pub(crate) to: Version,
    pub(crate) steps: Steps,
}
