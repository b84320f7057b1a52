//! Questions whose answers others read.

use std::hash::Hash;
use std::hash::Hasher;

use super::Shape;
use crate::schema::Table;

/// A question whose answer others read as if it were a table.
#[derive(Clone, Debug)]
pub struct With {
    /// The table that stands for it in the question; `None` for one that only its own source knows.
    pub table: Option<&'static Table>,
    /// The question.
    pub first: Shape,
    /// What its answer is combined with, from left to right.
    pub rest: Vec<(Combination, Shape)>,
    /// The rest may read the answer so far.
    pub is_recursive: bool,
}

impl PartialEq for With {
    fn eq(&self, other: &Self) -> bool {
        let name = |with: &Self| with.table.map(std::ptr::from_ref::<Table>);
        name(self) == name(other)
            && self.first == other.first
            && self.rest == other.rest
            && self.is_recursive == other.is_recursive
    }
}

impl Eq for With {}

impl Hash for With {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.map(|table| table.name).hash(state);
        self.first.hash(state);
        self.rest.hash(state);
        self.is_recursive.hash(state);
    }
}

impl With {
    /// The questions that its answer is made of.
    pub fn members(&self) -> impl Iterator<Item = &Shape> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|(_, shape)| shape))
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Shape> {
        std::iter::once(&mut self.first).chain(self.rest.iter_mut().map(|(_, shape)| shape))
    }
}

/// How two answers make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combination {
    /// The rows of either, each once.
    Union,
    /// The rows of one and the rows of the other.
    UnionAll,
    /// The rows that both have, each once.
    Intersect,
    /// The rows that the second has not, each once.
    Except,
}
