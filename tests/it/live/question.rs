//! A question as the generator thinks of it: data that can be shown, asked ([`super::ask`]) and made
//! smaller.

use std::fmt;

use recto::prelude::*;
use recto::query::ast::Case;
use recto::query::ast::Comparison;
use recto::query::ast::Direction;
use recto::query::ast::Function;
use recto::query::ast::Nulls;
use recto::value::Kind;

use super::hung::Hung;
use super::hung::fewer;

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Items,
    Owners,
    Tallies,
    Specimens,
    Shelves,
    Strips,
    ItemsOfOwners,
    ItemsPerhapsOfOwners,
    OwnersWithItems,
    OwnersPerhapsWithItems,
    OwnersWithShelvesWithSpecimens,
    OwnersPerhapsWithShelvesPerhapsWithSpecimens,
    ItemsWithTallies,
    ShelvesPerhapsWithSpecimens,
    SpecimensOfOwnersWithTallies,
    ItemsBesideItems,
    ItemsBelowTallies,
    ItemsOfEither,
    ItemsOfEitherWithRepetitions,
    ItemsInCommon,
    ItemsOfOneWithoutTheOther,
    OwnersOfHighItems,
    DearestItems,
    ItemsOfTheBusy,
    UnbrokenOwners,
    /// One of those that show something else than columns.
    Shows(u64),
}

/// A column of one of the sources.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct At {
    pub(crate) source: u16,
    pub(crate) column: u16,
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
}

/// Something that has a value in every row of the answer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Term {
    Column(At),
    Count,
    Of(Function, At),
}

/// What must hold of a row, or of a group.
#[derive(Clone, PartialEq)]
pub(crate) enum Condition {
    Is(At),
    Compare(Term, Comparison, Value),
    Columns(At, Comparison, At),
    Null(At),
    In(At, Vec<Value>),
    Like(At, Case, &'static str),
    Between(At, Value, Value),
    /// The column, or the value where it is `NULL`.
    Instead(At, Value, Comparison, Value),
    /// The length of a text.
    Length(At, Comparison, i64),
    /// The text in small letters.
    Lower(At, &'static str),
    /// The column and a number.
    Plus(At, i32, Comparison, i32),
    /// Divides without rest, in SQL of our own.
    Divides(At, i32),
    /// Is the owner of a tally.
    Tallied(At, Comparison, i64),
    /// Is more than the highest tally.
    AboveTallies(At),
    And(Box<[Self; 2]>),
    Or(Box<[Self; 2]>),
    Not(Box<Self>),
}

/// One part of an order.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Sorted {
    pub(crate) by: Term,
    pub(crate) direction: Direction,
    pub(crate) nulls: Option<Nulls>,
}

/// What a row of the answer is.
#[derive(Clone, PartialEq)]
pub(crate) enum Shown {
    /// A row of the root.
    Whole,
    Terms(Vec<Term>),
    /// A group.
    Groups {
        by: Vec<At>,
        terms: Vec<Term>,
        having: Vec<Condition>,
    },
}

/// A question.
#[derive(Clone, PartialEq)]
pub(crate) struct Question {
    pub(crate) base: Base,
    pub(crate) filters: Vec<Condition>,
    pub(crate) shown: Shown,
    pub(crate) distinct: bool,
    pub(crate) order: Vec<Sorted>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: u64,
    /// What hangs on its rows, where it shows whole ones.
    pub(crate) hung: Vec<Hung>,
}

impl Question {
    /// Everything of `base`.
    pub(crate) fn all(base: Base) -> Self {
        Self {
            base,
            filters: Vec::new(),
            shown: Shown::Whole,
            distinct: false,
            order: Vec::new(),
            limit: None,
            offset: 0,
            hung: Vec::new(),
        }
    }

    /// The same question with one thing less, in every way.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for place in 0..self.filters.len() {
            let mut less = self.clone();
            let parts = parts(&less.filters.remove(place));
            all.push(less.clone());
            all.extend(parts.into_iter().map(|part| {
                let mut less = less.clone();
                less.filters.insert(place, part);
                less
            }));
        }
        for place in 0..self.order.len() {
            let mut less = self.clone();
            less.order.remove(place);
            all.push(less);
        }
        if self.distinct {
            all.push(Self { distinct: false, ..self.clone() });
        }
        if 0 < self.offset {
            all.push(Self { offset: 0, ..self.clone() });
        }
        if self.limit.is_some() {
            all.push(Self { limit: None, ..self.clone() });
        }
        all.extend(fewer(&self.hung).map(|hung| Self { hung, ..self.clone() }));
        all.extend(self.shown.smaller().into_iter().map(|shown| Self { shown, ..self.clone() }));
        all
    }
}

fn parts(condition: &Condition) -> Vec<Condition> {
    match condition {
        Condition::And(both) | Condition::Or(both) => both.to_vec(),
        Condition::Not(of) => vec![(**of).clone()],
        Condition::In(at, values) if 1 < values.len() => {
            vec![Condition::In(*at, values[1..].to_vec()), Condition::In(*at, values[..1].to_vec())]
        }
        Condition::Is(_)
        | Condition::Compare(..)
        | Condition::Columns(..)
        | Condition::Null(_)
        | Condition::In(..)
        | Condition::Like(..)
        | Condition::Between(..)
        | Condition::Instead(..)
        | Condition::Length(..)
        | Condition::Lower(..)
        | Condition::Plus(..)
        | Condition::Divides(..)
        | Condition::Tallied(..)
        | Condition::AboveTallies(_) => Vec::new(),
    }
}

impl Shown {
    fn smaller(&self) -> Vec<Self> {
        match self {
            Self::Whole => Vec::new(),
            Self::Terms(terms) => {
                let fewer = (0..terms.len()).filter(|_| 1 < terms.len()).map(|place| {
                    let mut terms = terms.clone();
                    terms.remove(place);
                    Self::Terms(terms)
                });
                fewer.collect()
            }
            Self::Groups { by, terms, having } => {
                let mut all = Vec::new();
                for place in (0..terms.len()).filter(|_| 1 < terms.len()) {
                    let mut terms = terms.clone();
                    terms.remove(place);
                    all.push(Self::Groups { by: by.clone(), terms, having: having.clone() });
                }
                if !having.is_empty() {
                    let having = Vec::new();
                    all.push(Self::Groups { by: by.clone(), terms: terms.clone(), having });
                }
                all
            }
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}.{}", self.source, self.name)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(at) => at.fmt(f),
            Self::Count => f.write_str("count(*)"),
            Self::Of(function, at) => write!(f, "{function:?}({at})"),
        }
    }
}

/// A value in few words, however long it is.
pub(crate) fn brief(value: &Value) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(at) => at.fmt(f),
            Self::Compare(term, op, value) => write!(f, "{term} {op:?} {}", brief(value)),
            Self::Columns(left, op, right) => write!(f, "{left} {op:?} {right}"),
            Self::Null(at) => write!(f, "{at} is null"),
            Self::In(at, values) => {
                write!(f, "{at} in {:?}", values.iter().map(brief).collect::<Vec<_>>())
            }
            Self::Like(at, case, pattern) => write!(f, "{at} like({case:?}) {pattern:?}"),
            Self::Between(at, low, high) => {
                write!(f, "{at} between {} and {}", brief(low), brief(high))
            }
            Self::Instead(at, instead, op, value) => {
                write!(f, "coalesce({at}, {}) {op:?} {}", brief(instead), brief(value))
            }
            Self::Length(at, op, length) => write!(f, "length({at}) {op:?} {length}"),
            Self::Lower(at, text) => write!(f, "lower({at}) = {text:?}"),
            Self::Plus(at, more, op, value) => write!(f, "{at} + {more} {op:?} {value}"),
            Self::Divides(at, by) => write!(f, "fragment({at} % {by} = 0)"),
            Self::Tallied(at, op, n) => write!(f, "{at} in (owners of tallies where n {op:?} {n})"),
            Self::AboveTallies(at) => write!(f, "{at} > (the highest tally)"),
            Self::And(both) => write!(f, "({} and {})", both[0], both[1]),
            Self::Or(both) => write!(f, "({} or {})", both[0], both[1]),
            Self::Not(of) => write!(f, "not ({of})"),
        }
    }
}

impl fmt::Display for Sorted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.by, self.direction)?;
        self.nulls.map_or(Ok(()), |nulls| write!(f, " nulls {nulls:?}"))
    }
}

pub(crate) fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Writes which of the rows are meant, and in which order.
pub(crate) fn write_window(
    f: &mut fmt::Formatter<'_>,
    order: &[Sorted],
    limit: Option<u64>,
    offset: u64,
) -> fmt::Result {
    if !order.is_empty() {
        write!(f, " order by {}", list(order))?;
    }
    if let Some(limit) = limit {
        write!(f, " limit {limit}")?;
    }
    if 0 < offset {
        write!(f, " offset {offset}")?;
    }
    Ok(())
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {:?}", self.base)?;
        if !self.filters.is_empty() {
            let filters: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
            write!(f, " where {}", filters.join(" and "))?;
        }
        match &self.shown {
            Shown::Whole => {}
            Shown::Terms(terms) => write!(f, " select {}", list(terms))?,
            Shown::Groups { by, terms, having } => {
                write!(f, " group by {} select {}", list(by), list(terms))?;
                if !having.is_empty() {
                    write!(f, " having {}", list(having))?;
                }
            }
        }
        if self.distinct {
            f.write_str(" distinct")?;
        }
        write_window(f, &self.order, self.limit, self.offset)?;
        if !self.hung.is_empty() {
            write!(f, " with [{}]", list(&self.hung))?;
        }
        Ok(())
    }
}
