//! Data from outside, by name, before anybody looked at it.
//!
//! This module refuses to limit sizes; whoever reads a body or a frame does that.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::DeserializeOwned;
use serde_json::Map;

use crate::error::Error;
use crate::error::Result;
use crate::value::Json;

/// What a form, a JSON body or a frame says, by field name.
///
/// # Shape
///
/// A JSON object. A clone is a reference-count bump. Names that [`cast`](super::Changeset::cast) is
/// not asked for are ignored.
///
/// # Examples
///
/// ```
/// use recto::changeset::Params;
///
/// let form: Params = [("author", "ada"), ("body", "hi")].into_iter().collect();
/// let json = Params::from_json(serde_json::json!({"author": "ada", "body": "hi"}))?;
/// assert_eq!(form, json);
/// # Ok::<(), recto::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Params(Arc<Map<String, Json>>);

impl Params {
    /// No data at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The members of a JSON object.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when `json` is not an object.
    pub fn from_json(json: Json) -> Result<Self> {
        match json {
            Json::Object(members) => Ok(Self(Arc::new(members))),
            Json::Null => Err(Error::invalid("expected a JSON object, found null")),
            Json::Bool(_) => Err(Error::invalid("expected a JSON object, found a boolean")),
            Json::Number(_) => Err(Error::invalid("expected a JSON object, found a number")),
            Json::String(_) => Err(Error::invalid("expected a JSON object, found a string")),
            Json::Array(_) => Err(Error::invalid("expected a JSON object, found an array")),
        }
    }

    /// The same with one more, or with another value for one.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        Arc::make_mut(&mut self.0).insert(name.into(), value.into());
        self
    }

    /// What is said for `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// All of it as a type of one's own, where there is no changeset to cast into.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) naming the member that is missing or of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let json = Json::Object(self.0.as_ref().clone());
        serde_json::from_value(json).map_err(|error| Error::invalid(error.to_string()))
    }

    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Both, where `later` has the last word.
    pub(super) fn merge(self, later: &Self) -> Self {
        if self.is_empty() {
            return later.clone();
        }
        let mut this = self;
        let members = later.0.iter().map(|(name, value)| (name.clone(), value.clone()));
        Arc::make_mut(&mut this.0).extend(members);
        this
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let members =
            pairs.into_iter().map(|(name, value)| (name.into(), Json::String(value.into())));
        Self(Arc::new(members.collect()))
    }
}

impl TryFrom<Json> for Params {
    type Error = Error;

    fn try_from(json: Json) -> Result<Self> {
        Self::from_json(json)
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|members| Self(Arc::new(members)))
    }
}

/// Shows the names only: what people send is nobody's business in a log.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Params ")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}
