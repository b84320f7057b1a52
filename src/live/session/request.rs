//! What clients say inside a `live:*` channel: the twins of its messages.
//!
//! **Invariant:** unknown fields are passed over, so that a newer client can talk to an older
//! server; a field of the wrong type is refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::frame::Payload;
use super::refusal::Refusal;
use crate::value::Json;

/// The only version of the messages inside the channel.
pub(crate) const PROTO: u64 = 1;

/// Parameters of a join.
#[derive(Debug, Deserialize)]
pub(crate) struct Join {
    /// The version of the messages; [`PROTO`] when missing.
    #[serde(default)]
    pub(crate) proto: Option<Json>,
    /// What the client calls itself, for mutations that are sent again.
    #[serde(default)]
    pub(crate) client: Option<String>,
    /// The first queries.
    #[serde(default)]
    pub(crate) queries: Queries,
}

impl Join {
    /// Whether the client speaks our version.
    pub(crate) fn is_spoken(&self) -> bool {
        self.proto.as_ref().is_none_or(|proto| proto.as_u64() == Some(PROTO))
    }
}

/// Queries by the client's own names.
pub(crate) type Queries = BTreeMap<String, Asked>;

/// One query.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// The name under which the server has it.
    pub(crate) q: String,
    /// Its arguments.
    #[serde(default)]
    pub(crate) args: Json,
    /// The cursor that the client left off at.
    #[serde(default)]
    pub(crate) since: Option<String>,
}

/// `add` and `resync`.
#[derive(Debug, Deserialize)]
pub(crate) struct Add {
    pub(crate) queries: Queries,
}

/// `remove`.
#[derive(Debug, Deserialize)]
pub(crate) struct Remove {
    pub(crate) queries: Vec<String>,
}

/// `mutate`.
#[derive(Debug, Deserialize)]
pub(crate) struct Mutate {
    /// Tells one mutation from the others, however often it is sent.
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) args: Json,
}

/// Reads the payload of a message.
pub(crate) fn read<T: DeserializeOwned>(payload: Payload) -> Result<T, Refusal> {
    match payload {
        Payload::Json(value) => T::deserialize(value)
            .map_err(|error| Refusal::invalid(format!("the payload is not understood: {error}"))),
        Payload::Binary(_) => Err(Refusal::invalid("this channel speaks JSON, not bytes")),
    }
}
