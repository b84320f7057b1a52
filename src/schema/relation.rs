//! Associations as data in the table, and as tokens in queries.

use std::fmt;
use std::marker::PhantomData;

use super::Schema;
use super::Table;
use crate::error::Error;
use crate::error::Result;

/// An association as data.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Assoc {
    /// The name of the field that holds it.
    pub name: &'static str,
    /// Which side holds the key, and how many rows there may be on the other.
    pub kind: AssocKind,
    /// The other table.
    pub target: fn() -> &'static Table,
    /// The field on this side.
    pub owner_field: &'static str,
    /// The field on the other side.
    pub target_field: &'static str,
    /// What stands between, if something does; the fields above are then those that it points at.
    pub through: Option<Through>,
}

/// Which side of an association holds the key of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssocKind {
    /// This row holds the key of one other row.
    BelongsTo,
    /// Many other rows hold the key of this one.
    HasMany,
    /// One other row holds the key of this one.
    HasOne,
}

/// What stands between the two sides of an association.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Through {
    /// Rows that each hold the key of a row of either side.
    Table {
        /// Their table.
        table: fn() -> &'static Table,
        /// The field with the key of this side.
        owner_field: &'static str,
        /// The field with the key of the other side.
        target_field: &'static str,
    },
    /// Another association of this side, and one of its target.
    Assocs {
        /// The name of the first.
        first: &'static str,
        /// The name of the second.
        second: &'static str,
    },
}

impl Assoc {
    /// An association; for the derive and for schemas written by hand.
    pub const fn new(
        name: &'static str,
        kind: AssocKind,
        target: fn() -> &'static Table,
        owner_field: &'static str,
        target_field: &'static str,
    ) -> Self {
        Self { name, kind, target, owner_field, target_field, through: None }
    }

    /// The same with something between the two sides.
    pub const fn through(self, through: Through) -> Self {
        Self { through: Some(through), ..self }
    }

    /// The columns that lead from rows of `owner` to the other side.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when it names a field or an association that is not
    /// there.
    pub fn link(&self, owner: &'static Table) -> Result<Link> {
        let position = |table: &Table, field: &str| {
            table.position(field).ok_or_else(|| {
                Error::invalid(format!(
                    "association `{}` of `{}` needs a field `{field}` in `{}`",
                    self.name, owner.name, table.name
                ))
            })
        };
        match self.through {
            None => Ok(Link {
                owner_column: position(owner, self.owner_field)?,
                between: None,
                target: (self.target)(),
                target_column: position((self.target)(), self.target_field)?,
            }),
            Some(Through::Table { table, owner_field, target_field }) => Ok(Link {
                owner_column: position(owner, self.owner_field)?,
                between: Some(Between {
                    table: table(),
                    from: position(table(), owner_field)?,
                    to: position(table(), target_field)?,
                }),
                target: (self.target)(),
                target_column: position((self.target)(), self.target_field)?,
            }),
            Some(Through::Assocs { first, second }) => {
                let near = self.direct(owner, first)?.link(owner)?;
                let far = self.direct(near.target, second)?.link(near.target)?;
                Ok(Link {
                    owner_column: near.owner_column,
                    between: Some(Between {
                        table: near.target,
                        from: near.target_column,
                        to: far.owner_column,
                    }),
                    target: far.target,
                    target_column: far.target_column,
                })
            }
        }
    }

    /// The association of `table` named `name`, which nothing may stand between.
    fn direct(&self, table: &'static Table, name: &str) -> Result<&'static Assoc> {
        let assoc = table.assoc(name).filter(|assoc| assoc.through.is_none());
        assoc.ok_or_else(|| {
            Error::invalid(format!(
                "association `{}` goes through `{name}`, which is no direct association of `{}`",
                self.name, table.name
            ))
        })
    }
}

/// The columns that lead from a row to those associated with it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Link {
    /// The position of the column on this side.
    pub owner_column: usize,
    /// What stands between.
    pub between: Option<Between>,
    /// The other table.
    pub target: &'static Table,
    /// The position of the column on the other side.
    pub target_column: usize,
}

/// The table between two others.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Between {
    /// The table.
    pub table: &'static Table,
    /// The position of the column that this side leads to.
    pub from: usize,
    /// The position of the column that leads to the other side.
    pub to: usize,
}

/// Marks a relation whose one side holds the key of the other.
#[derive(Debug)]
pub struct Direct;

/// Marks a relation with rows of another table between its sides; such are preloaded, not joined.
#[derive(Debug)]
pub struct Far;

/// The typed name of an association, such as `Message::room`; what `join` and `preload` take.
pub struct Relation<S, T, K = Direct> {
    name: &'static str,
    set: fn(&mut S, Vec<T>),
    kind: PhantomData<fn() -> K>,
}

impl<S, T, K> Clone for Relation<S, T, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T, K> Copy for Relation<S, T, K> {}

impl<S: Schema, T: Schema, K> fmt::Debug for Relation<S, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", S::table().name, self.name)
    }
}

impl<S: Schema, T: Schema, K> Relation<S, T, K> {
    /// The association named `name`, whose loaded rows `set` puts in place; for the derive.
    pub const fn new(name: &'static str, set: fn(&mut S, Vec<T>)) -> Self {
        Self { name, set, kind: PhantomData }
    }

    /// The association as data.
    ///
    /// # Panics
    ///
    /// Where a schema written by hand names an association that its table does not list.
    pub fn assoc(self) -> &'static Assoc {
        S::table().assoc(self.name).expect("the derive lists every association it names")
    }

    /// Puts loaded rows in place.
    pub(crate) fn set(self, owner: &mut S, loaded: Vec<T>) {
        (self.set)(owner, loaded);
    }
}
