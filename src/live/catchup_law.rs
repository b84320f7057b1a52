//! Whoever comes back and is told what was touched has what whoever asks anew gets.

use std::collections::BTreeMap;
use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::TestError;
use proptest::test_runner::TestRunner;

use super::*;
use crate::live::replica::Replica;
use crate::value::Row;
use crate::value::Value;

/// Rows of this rank or above do not match.
const HIGH: i64 = 6;

/// Ranks by number.
type Table = BTreeMap<i64, i64>;

/// One change: what number gets which rank, `None` for none.
type Change = (i64, Option<i64>);

/// What is wrong on purpose, to see whether the law notices.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    None,
    /// One row more is taken for known.
    Known,
    /// What was pushed out of the window is not told.
    PushedOut,
    /// Rows that were inserted under a number that was free again are taken for new.
    Reborn,
}

fn key(id: i64) -> Key {
    [Value::Int(id)].into_iter().collect()
}

/// All matching rows, in order.
fn matching(table: &Table) -> Vec<Keyed> {
    let mut all: Vec<(i64, i64)> =
        table.iter().filter(|(_, rank)| **rank < HIGH).map(|(&id, &rank)| (rank, id)).collect();
    all.sort_unstable();
    let row = |(rank, id)| Row::from(vec![Value::Int(id), Value::Int(rank)]);
    all.into_iter().map(|of| Keyed { key: key(of.1), row: row(of) }).collect()
}

fn snapshot(rows: &[Keyed]) -> Snapshot {
    let view = View {
        outputs: Vec::new().into(),
        key: None,
        is_ordered: true,
        start: 0,
        branches: Vec::new(),
        resumable: None,
    };
    let cursor = Cursor { node: 1, version: 9, bind: 1, from: 0, seal: 0 };
    Snapshot::new(Arc::new(view), cursor, rows.to_vec())
}

/// Does it, and says how the log has it.
fn change(table: &mut Table, (id, rank): Change) -> Option<char> {
    let before = match rank {
        Some(rank) => table.insert(id, rank),
        None => table.remove(&id),
    };
    match (before, rank) {
        (None, Some(_)) => Some('i'),
        (Some(_), Some(_)) => Some('u'),
        (Some(_), None) => Some('d'),
        (None, None) => None,
    }
}

/// What happens: changes before those that are told, told ones before the client left, and after.
#[derive(Clone, Debug)]
struct History {
    before: Vec<Change>,
    twice: Vec<Change>,
    missed: Vec<Change>,
    limit: Option<usize>,
    overscan: usize,
}

fn histories() -> impl Strategy<Value = History> {
    let changes = |most| vec((0..16_i64, proptest::option::weighted(0.7, 0..9_i64)), 0..most);
    let limit = proptest::option::weighted(0.8, 0..6_usize);
    (changes(24), changes(4), changes(8), limit, 0..6_usize).prop_map(
        |(before, twice, missed, limit, overscan)| History {
            before,
            twice,
            missed,
            limit,
            overscan,
        },
    )
}

/// The law for one history; says whether the log could tell.
fn leads_on(history: &History, lie: Lie) -> Result<bool, TestCaseError> {
    let mut table = Table::new();
    for one in &history.before {
        change(&mut table, *one);
    }
    let mut missed = Missed::default();
    let mut tell = |table: &mut Table, one: Change| {
        if let Some(how) = change(table, one) {
            if how != 'i' {
                missed.older.insert(key(one.0));
            } else if lie == Lie::Reborn {
                missed.older.remove(&key(one.0));
            }
            missed.touched.insert(key(one.0));
        }
    };
    for one in &history.twice {
        tell(&mut table, *one);
    }
    let limit = history.limit.unwrap_or(usize::MAX);
    let before: Vec<Keyed> = matching(&table).into_iter().take(limit).collect();
    for one in &history.missed {
        tell(&mut table, *one);
    }
    let all = matching(&table);
    let is_all = all.len() <= limit.saturating_add(history.overscan);
    let (shown, next) = all.split_at(limit.min(all.len()));
    let next = &next[..next.len().min(history.overscan)];
    let snapshot = snapshot(shown);
    let rest = Rest {
        limit: limit.saturating_add(usize::from(lie == Lie::Known)),
        rows: if lie == Lie::PushedOut { &[] } else { next },
        is_all: is_all || lie != Lie::None,
    };
    let Some(catchup) = Catchup::new(&snapshot, &missed, rest) else { return Ok(false) };
    let mut replica = Replica::new(before);
    prop_assert!(replica.catch_up(&catchup).is_some(), "{:?} does not fit", catchup);
    prop_assert_eq!(replica.rows(), shown);
    Ok(true)
}

proptest! {
    #[test]
    fn what_is_told_leads_to_the_present(history in histories()) {
        leads_on(&history, Lie::None)?;
    }
}

#[test]
fn most_of_them_are_led_on() {
    let config = Config { failure_persistence: None, cases: 1000, ..Config::default() };
    let led = std::cell::Cell::new(0);
    let run = |history: History| {
        led.set(led.get() + usize::from(leads_on(&history, Lie::None)?));
        Ok(())
    };
    TestRunner::new(config).run(&histories(), run).unwrap();
    assert!(600 <= led.get(), "{} of 1000", led.get());
}

#[test]
fn lies_are_noticed() {
    for lie in [Lie::Known, Lie::PushedOut, Lie::Reborn] {
        let config = Config { failure_persistence: None, cases: 4000, ..Config::default() };
        let run = |history: History| leads_on(&history, lie).map(drop);
        let found = TestRunner::new(config).run(&histories(), run);
        assert!(matches!(found, Err(TestError::Fail(..))), "{lie:?} goes unnoticed: {found:?}");
    }
}

#[test]
fn a_room_where_others_write_is_led_on_by_little() {
    // Of 20 messages in a window of 5 nobody touched any; one came, and a hundred elsewhere.
    let all: Table = (0..20).map(|id| (-id, 0)).collect();
    let before: Vec<Keyed> = matching(&all).into_iter().take(5).collect();
    let mut now = all;
    now.insert(-20, 0);
    let rows = matching(&now);
    let snapshot = snapshot(&rows[..5]);
    let touched = (100..200).map(key).chain([key(-20)]).collect();
    let missed = Missed { touched, older: HashSet::new() };
    let rest = Rest { limit: 5, rows: &rows[5..8], is_all: false };
    let catchup = Catchup::new(&snapshot, &missed, rest).unwrap();
    // The newest, and the one that it pushed out.
    let put: Vec<_> = catchup.put.iter().map(|(keyed, after)| (&keyed.key, after)).collect();
    assert_eq!(put, [(&key(-20), &None)]);
    assert_eq!(catchup.gone, [key(-15)]);
    let mut replica = Replica::new(before);
    replica.catch_up(&catchup).unwrap();
    assert_eq!(replica.rows(), &rows[..5]);
}

#[test]
fn whoever_knows_less_comes_to_the_same_rows() {
    let rows = |rows: &[(i64, i64)]| -> Vec<Keyed> {
        let values = |(id, value)| Row::from(vec![Value::Int(id), Value::Int(value)]);
        rows.iter().map(|&row| Keyed { key: key(row.0), row: values(row) }).collect()
    };
    let now = rows(&[(5, 1), (2, 7), (9, 0), (1, 3)]);
    // 7 was never there, 3 was and left, 5 came, 2 moved, 1 has another value.
    let touched: HashSet<Key> = [7, 3, 5, 2, 1].into_iter().map(key).collect();
    let missed = Missed { older: touched.clone(), touched };
    let catchup = Catchup::new(&snapshot(&now), &missed, Rest::NOTHING).unwrap();
    assert_eq!(catchup.gone, [key(3), key(7)]);
    for before in [
        rows(&[(9, 0), (2, 1), (3, 3), (1, 2)]),
        rows(&[(3, 0), (9, 0)]),
        rows(&[(9, 0)]),
        now.clone(),
    ] {
        let mut replica = Replica::new(before);
        replica.catch_up(&catchup).unwrap();
        assert_eq!(replica.rows(), now);
    }
}
