//! Folding touches into a window, and filling it again when it runs dry, gives the first of all rows.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::TestError;
use proptest::test_runner::TestRunner;

use super::Ordered;
use super::Touch;
use crate::adapter::postgres::PostgresDialect;
use crate::live::patch::Keyed;
use crate::live::plan::LivePlan;
use crate::live::replica::Replica;
use crate::query::eval::Arithmetic;
use crate::query::eval::Letters;
use crate::query::eval::Semantics;
use crate::query::from;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

#[derive(recto_macros::Schema, Clone, Debug, Default)]
#[schema(table = "notes")]
struct Note {
    id: i64,
    rank: i64,
}

/// Ranks by number; one that is as high as this does not match.
const HIGH: i64 = 8;

const OFFSET: usize = 1;

type Notes = BTreeMap<i64, i64>;

/// What is wrong on purpose, to see whether the law notices.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    /// As many rows as were asked for are taken for all there are.
    OverscanByOne,
}

fn key(id: i64) -> Key {
    Key::from(vec![Value::Int(id)])
}

fn row(id: i64, rank: i64) -> Row {
    Row::from(vec![Value::Int(id), Value::Int(rank)])
}

/// The first of all matching rows, as the database would answer.
fn first(notes: &Notes, count: usize) -> Vec<Keyed> {
    let matching = notes.iter().filter(|(_, rank)| **rank < HIGH);
    let mut all: Vec<(i64, i64)> = matching.map(|(&id, &rank)| (rank, id)).collect();
    all.sort_unstable();
    let all = all.into_iter().take(count);
    all.map(|(rank, id)| Keyed { key: key(id), row: row(id, rank) }).collect()
}

/// The law, for one history of a table: what number gets which rank, `None` for none.
fn folds(ticks: &[Vec<(i64, Option<i64>)>], lie: Lie) -> Result<(), TestCaseError> {
    let query = from::<Note>().filter(|n| n.rank.lt(HIGH)).order_by(|n| n.rank.asc());
    let ast = query.offset(OFFSET as u64).limit(3).ast().clone();
    let semantics = Semantics {
        nulls_greatest: true,
        text_by_bytes: true,
        like_folds_ascii: false,
        letters: Letters::Locale,
        arithmetic: Arithmetic::Numeric,
    };
    let plan = LivePlan::new(&ast, semantics, &PostgresDialect).unwrap();
    let mut notes: Notes = (0..20).map(|id| (id, id % 5)).collect();
    let mut ordered = Ordered::new(&plan);
    let fill = |ordered: &mut Ordered, notes: &Notes| {
        let ops = ordered.replace(&plan, first(notes, plan.wanted()));
        if lie == Lie::OverscanByOne {
            ordered.believe_in_the_overscan(&plan);
        }
        ops
    };
    fill(&mut ordered, &notes);
    let mut replica = Replica::new(ordered.shown(&plan).to_vec());
    for tick in ticks {
        // One row comes once in a tick.
        let tick: BTreeMap<i64, Option<i64>> = tick.iter().copied().collect();
        let mut touches: Vec<Touch> = Vec::new();
        for (id, rank) in tick {
            match rank {
                Some(rank) => notes.insert(id, rank),
                None => notes.remove(&id),
            };
            touches.push((key(id), rank.map(|rank| row(id, rank))));
        }
        let mut ops = ordered.fold(&plan, &ast.params, &touches);
        if ordered.needs_refill(&plan) {
            ops.extend(fill(&mut ordered, &notes));
        }
        for op in &ops {
            prop_assert!(replica.apply(op).is_some(), "{:?} does not fit", op);
        }
        let all = first(&notes, OFFSET + 3);
        prop_assert_eq!(ordered.shown(&plan), &all[OFFSET.min(all.len())..]);
        prop_assert_eq!(replica.rows(), ordered.shown(&plan));
    }
    Ok(())
}

fn ticks() -> impl Strategy<Value = Vec<Vec<(i64, Option<i64>)>>> {
    vec(vec((0..24_i64, proptest::option::of(0..10_i64)), 0..8), 0..20)
}

proptest! {
    #[test]
    fn folding_and_filling_equals_asking_anew(ticks in ticks()) {
        folds(&ticks, Lie::None)?;
    }
}

#[test]
fn an_overscan_that_is_off_by_one_is_noticed() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let found = TestRunner::new(config).run(&ticks(), |ticks| folds(&ticks, Lie::OverscanByOne));
    assert!(matches!(found, Err(TestError::Fail(..))), "the law has no teeth: {found:?}");
}
