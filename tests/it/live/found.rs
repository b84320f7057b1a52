//! What the oracle has found once, as small as it could be made.

use recto::query::ast::Comparison;
use recto::query::ast::Direction;
use recto::query::ast::Nulls;
use recto::value::Value;

use super::ask::sources;
use super::hung::Hung;
use super::oracle::postgres;
use super::oracle::seed;
use super::oracle::sqlite;
use super::question::At;
use super::question::Base;
use super::question::Condition;
use super::question::Question;
use super::question::Sorted;
use super::question::Term;
use super::shrink::trial;

/// A column of one source of a base.
fn at(base: Base, source: u16, name: &str) -> At {
    let table = sources(base)[usize::from(source)];
    let place = table.columns.iter().position(|column| column.name == name).unwrap();
    let column = &table.columns[place];
    At { source, column: place.try_into().unwrap(), kind: column.kind, name: column.name }
}

/// Asks on both databases under the oracle's writers.
async fn is_exact(question: Question) {
    for ground in [postgres().await, sqlite().await] {
        let complaints = trial(ground, &question, seed()).await;
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

/// The evaluator took columns of the second table for those of the first, which has fewer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_on_a_column_that_the_root_is_too_narrow_for() {
    let base = Base::OwnersWithItems;
    let filters = vec![Condition::Is(at(base, 1, "flag"))];
    is_exact(Question { filters, ..Question::all(base) }).await;
}

/// An item that the condition rejects took the owner's empty row away, or gave it back, and nobody
/// held it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_on_what_a_left_join_may_lack() {
    let base = Base::OwnersPerhapsWithItems;
    let filters = vec![Condition::Null(at(base, 1, "note"))];
    is_exact(Question { filters, ..Question::all(base) }).await;
}

/// The same where the limit keeps items out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_ordered_by_what_a_left_join_may_lack() {
    let base = Base::OwnersPerhapsWithItems;
    let by = Term::Column(at(base, 1, "rank"));
    let first = Sorted { by, direction: Direction::Ascending, nulls: Some(Nulls::First) };
    is_exact(Question { order: vec![first], limit: Some(3), ..Question::all(base) }).await;
}

/// What stays in the join tier: a condition that no lacking row fulfils.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_that_makes_a_left_join_an_inner_one() {
    let base = Base::OwnersPerhapsWithItems;
    let rank = Term::Column(at(base, 1, "rank"));
    let filters = vec![
        Condition::Compare(rank, Comparison::Lt, Value::Int(50)),
        Condition::Null(at(base, 1, "note")),
    ];
    is_exact(Question { filters, limit: Some(5), ..Question::all(base) }).await;
}

/// Who left from before an offset was not known by its key, and what came behind it moved up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_behind_an_offset() {
    let filters = vec![Condition::Is(at(Base::Items, 0, "flag"))];
    let hung = |offset: u64| Hung {
        name: "items",
        filters: filters.clone(),
        order: Vec::new(),
        limit: Some(3),
        offset,
        below: Vec::new(),
    };
    let owner = Hung { name: "owner", filters: Vec::new(), limit: None, ..hung(0) };
    let (limit, hung) = (Some(5), vec![hung(2)]);
    is_exact(Question { hung, ..Question::all(Base::Owners) }).await;
    let hung = vec![owner];
    let filters = filters.clone();
    is_exact(Question { filters, limit, offset: 4, hung, ..Question::all(Base::Items) }).await;
}
