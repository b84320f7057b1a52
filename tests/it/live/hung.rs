//! What a question preloads, as the generator thinks of it, and asked through the typed builder.

use std::fmt;

use recto::prelude::*;
use recto::query::Preload;

use super::ask::condition;
use super::ask::sorted_by;
use super::kinds::Shelf;
use super::kinds::Specimen;
use super::kinds::Strip;
use super::nested::Step;
use super::question::Condition;
use super::question::Sorted;
use super::question::list;
use super::question::write_window;
use super::world::Item;
use super::world::Owner;
use super::world::Tally;

/// The rows of an association.
#[derive(Clone)]
pub(crate) struct Hung {
    /// The name of the association.
    pub(crate) name: &'static str,
    pub(crate) filters: Vec<Condition>,
    pub(crate) order: Vec<Sorted>,
    /// For each owner.
    pub(crate) limit: Option<u64>,
    pub(crate) offset: u64,
    pub(crate) below: Vec<Self>,
}

impl PartialEq for Hung {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Hung {
    /// The same with one thing less, in every way.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for place in 0..self.filters.len() {
            let mut less = self.clone();
            less.filters.remove(place);
            all.push(less);
        }
        for place in 0..self.order.len() {
            let mut less = self.clone();
            less.order.remove(place);
            all.push(less);
        }
        if 0 < self.offset {
            all.push(Self { offset: 0, ..self.clone() });
        }
        if self.limit.is_some() {
            all.push(Self { limit: None, offset: 0, ..self.clone() });
        }
        all.extend(fewer(&self.below).map(|below| Self { below, ..self.clone() }));
        all
    }
}

/// Preloads with one thing less, in every way.
pub(crate) fn fewer(all: &[Hung]) -> impl Iterator<Item = Vec<Hung>> + '_ {
    let with = |place: usize, instead: Option<Hung>| {
        let mut less = all.to_vec();
        less.splice(place..=place, instead);
        less
    };
    (0..all.len()).flat_map(move |place| {
        let smaller = all[place].smaller().into_iter().map(Some);
        std::iter::once(None).chain(smaller).map(move |instead| with(place, instead))
    })
}

impl fmt::Display for Hung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if !self.filters.is_empty() {
            let filters: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
            write!(f, " where {}", filters.join(" and "))?;
        }
        write_window(f, &self.order, self.limit, self.offset)?;
        if !self.below.is_empty() {
            write!(f, " with [{}]", list(&self.below))?;
        }
        Ok(())
    }
}

/// Rows that something may hang on.
pub(crate) trait Owns: Schema {
    /// What hangs on them.
    fn preload(of: &Hung) -> Preload<Self>;
}

fn rows<T: Owns>(of: &Hung) -> Query<T> {
    let mut query = from::<T>();
    for filter in &of.filters {
        query = query.filter(|_| condition(filter));
    }
    for &sort in &of.order {
        query = query.order_by(|_| sorted_by(sort));
    }
    if let Some(limit) = of.limit {
        query = query.limit(limit);
    }
    query = query.offset(of.offset);
    for below in &of.below {
        query = query.preload(T::preload(below));
    }
    query
}

macro_rules! owns {
    ($($owner:ident: $($name:ident $target:ident),*;)*) => {
        $(impl Owns for $owner {
            fn preload(of: &Hung) -> Preload<Self> {
                $(if of.name == stringify!($name) {
                    return Self::$name.query(rows::<$target>(of));
                })*
                panic!("nothing named {} hangs on {}", of.name, Self::table().name)
            }
        })*
    };
}

owns! {
    Owner: items Item, shelves Shelf, specimens Specimen, tally Tally, exhibits Specimen, selves Owner,
        places Shelf;
    Item: owner Owner, siblings Item, tally Tally;
    Specimen: owner Owner, shelves Shelf, beside Specimen;
    Shelf: specimen Specimen;
    Tally:;
    Strip:;
    Step:;
}
