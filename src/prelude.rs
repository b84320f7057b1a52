//! The names that most programs want: `use recto::prelude::*`.

pub use recto_macros::Schema;

pub use crate::changeset::{Changeset, Params, WriteError};
pub use crate::error::{Error, ErrorKind};
#[cfg(feature = "live")]
pub use crate::live::{ChangeLog, Live, LiveQuery};
pub use crate::query::{Left, Query, count, exists, fragment, from, now, when};
pub use crate::repo::Repo;
pub use crate::schema::{BelongsTo, HasMany, HasOne, Schema};
pub use crate::value::{Date, Decimal, Json, Time, Timestamp, Uuid, Value};
