//! Questions that hold questions: unions, named answers, what exists elsewhere, windows. The generator
//! filters and orders what is flat of them like any other question.

use recto::prelude::*;
use recto::query::Combined;
use recto::query::ast::Ast;
use recto::query::dense_rank;
use recto::query::exists;
use recto::query::order_by;
use recto::query::partition_by;
use recto::query::rank;
use recto::query::row_number;
use recto::query::scalar;
use recto::query::when;

use super::world::Item;
use super::world::Owner;

/// How many of [`shows`] there are.
pub(crate) const SHOWS: u64 = 5;

/// What an owner has: no table, a name for an answer.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "busy")]
pub(crate) struct Busy {
    #[schema(primary_key, generated = false)]
    pub(crate) owner_id: i64,
    pub(crate) count: i64,
}

/// A number that counts itself up.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "steps")]
pub(crate) struct Step {
    pub(crate) id: i64,
}

fn flagged() -> Query<Item> {
    from::<Item>().filter(|i| i.flag.eq(true))
}

fn low() -> Query<Item> {
    from::<Item>().filter(|i| i.rank.lt(30))
}

pub(crate) fn either() -> Query<Combined<Item>, Item> {
    flagged().union(low())
}

pub(crate) fn both_with_repetitions() -> Query<Combined<Item>, Item> {
    flagged().order_by(|i| i.rank.desc()).limit(6).union_all(low())
}

pub(crate) fn common() -> Query<Combined<Item>, Item> {
    flagged().intersect(low())
}

pub(crate) fn one_without_other() -> Query<Combined<Item>, Item> {
    flagged().except(low())
}

/// Owners that have an item of a high rank.
pub(crate) fn owners_of_high_items() -> Query<Owner> {
    from::<Owner>().filter(|o| {
        exists(from::<Item>().filter(|i| i.owner_id.eq(o.outer().id).and(i.rank.gt(80))))
    })
}

/// Items beside which there is no dearer one of the same owner.
pub(crate) fn dearest_items() -> Query<Item> {
    from::<Item>().filter(|i| {
        exists(from::<Item>().filter(|other| {
            let i = i.outer();
            other.owner_id.eq(i.owner_id).and(other.price.gt(i.price))
        }))
        .not()
    })
}

pub(crate) fn items_of_the_busy() -> Query<(Item, Busy), Item> {
    let busy = from::<Item>().filter(|i| i.owner_id.is_not_null());
    let busy = busy.group_by(|i| i.owner_id).having(|_| count().gt(3));
    let busy = busy.select(|i| (i.owner_id, count()));
    from::<Item>().join_on::<Busy>(|i, b| b.owner_id.eq(i.owner_id)).with::<Busy, _, _>(busy)
}

/// Owner 1, and each whose number is one more than that of another that is there.
pub(crate) fn unbroken_owners() -> Query<Step> {
    let first = from::<Owner>().filter(|o| o.id.eq(1)).select(|o| o.id);
    let rest = from::<Step>().join_on::<Owner>(|step, o| o.id.eq(step.id + 1)).select(|_, o| o.id);
    from::<Step>().with_recursive::<Step, _, _, _>(first, rest)
}

/// Questions that show something else than columns.
pub(crate) fn shows(which: u64) -> Ast {
    match which {
        0 => {
            let ranked = from::<Item>().order_by(|i| i.rank.desc()).limit(9).select(|i| {
                let by_rank = || partition_by(i.owner_id).order_by((i.rank.asc(), i.id.asc()));
                (
                    i.id,
                    row_number().over(by_rank()),
                    i.rank.lag(1).over(by_rank()).named("before"),
                    i.rank.sum().over(partition_by(i.flag)),
                )
            });
            ranked.ast().clone()
        }
        1 => {
            let placed = from::<Owner>().select(|o| {
                (
                    o.id,
                    rank().over(order_by(o.score.desc())).named("place"),
                    dense_rank().over(order_by(o.score.desc())).named("dense"),
                )
            });
            placed.ast().clone()
        }
        2 => {
            let counted = from::<Owner>().order_by(|o| o.id.desc()).select(|o| {
                let mine = from::<Item>().filter(|i| i.owner_id.eq(o.outer().id));
                let newest = mine.clone().order_by(|i| i.made_at.desc()).limit(1);
                (
                    o.name,
                    scalar(mine.select(|_| count())).named("items"),
                    scalar(newest.select(|i| i.note)).named("newest"),
                )
            });
            counted.ast().clone()
        }
        3 => {
            let chosen = from::<Item>().filter(|i| i.rank.between(10, 60)).select(|i| {
                (
                    i.id,
                    when(i.price.is_null())
                        .then("free")
                        .otherwise(i.note.coalesce("?").upper())
                        .named("label"),
                    (i.rank * 2 + 1).named("twice"),
                )
            });
            chosen.ast().clone()
        }
        _ => {
            let groups = from::<Item>()
                .group_by(|i| i.rank.coalesce(0) * 2)
                .having(|i| (i.rank.coalesce(0) * 2).lt(50).or(count().gt(2)))
                .order_by(|_| count().desc())
                .select(|i| ((i.rank.coalesce(0) * 2).named("twice"), count(), i.note.max()));
            groups.ast().clone()
        }
    }
}
