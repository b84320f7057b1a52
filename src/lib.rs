//! Recto is a data layer in the spirit of Ecto whose queries can stay alive.
//!
//! Modules in reading order, floor by floor; a module imports from lower floors only.

pub mod error;
pub mod telemetry;

pub mod value;

pub mod change;
pub mod schema;

pub mod changeset;
pub mod query;

pub mod adapter;

#[cfg(feature = "live")]
pub mod pubsub;
pub mod repo;

#[cfg(feature = "live")]
pub mod live;

pub mod prelude;

#[cfg(feature = "sqlite")]
#[doc(hidden)]
pub mod doctest;

pub use recto_macros::Schema;

pub use crate::error::{Error, ErrorKind, Result};
pub use crate::repo::Repo;
pub use crate::value::{Date, Decimal, Json, Time, Timestamp, Uuid, Value};

// The derive writes paths that begin with `::recto`, in this crate's own tests too.
#[cfg(any(test, feature = "sqlite"))]
extern crate self as recto;

// The program of the README compiles.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
mod readme {}

/// What the derive's code names; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use std::vec;
    pub use std::vec::Vec;

    pub use crate::error::Result;
    pub use crate::query::Col;
    pub use crate::schema::{
        Assoc, AssocKind, Column, Far, Field, FilledBy, Nullability, Relation, Through,
    };
    pub use crate::schema::{RowReader, Schema, Table};
    pub use crate::value::{ToValue, Value};
}
