//! Folding touches in any batches gives what counting everything anew gives.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::TestError;
use proptest::test_runner::TestRunner;

use super::Aggregation;
use super::Groups;
use super::Question;
use crate::live::patch::Keyed;
use crate::live::replica::Replica;
use crate::live::result::Touch;
use crate::query::Plan;
use crate::query::ast::Ast;
use crate::query::count;
use crate::query::eval::Arithmetic;
use crate::query::eval::Letters;
use crate::query::eval::Semantics;
use crate::query::from;
use crate::value::Decimal;
use crate::value::FromValue;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

#[derive(recto_macros::Schema, Clone, Debug, Default)]
#[schema(table = "sales")]
struct Sale {
    id: i64,
    shop: Option<i64>,
    label: String,
    amount: Option<i64>,
    price: Option<Decimal>,
    weight: Option<f64>,
    paid: bool,
}

fn semantics(arithmetic: Arithmetic) -> Semantics {
    Semantics {
        nulls_greatest: true,
        text_by_bytes: true,
        like_folds_ascii: false,
        letters: Letters::Locale,
        arithmetic,
    }
}

/// Questions of the tier, each under a name.
fn questions() -> Vec<(&'static str, Ast)> {
    let sales = from::<Sale>;
    vec![
        ("all", sales().select(|s| (count(), s.amount.sum(), s.amount.avg())).ast().clone()),
        (
            "by shop",
            sales()
                .filter(|s| s.paid.eq(true))
                .group_by(|s| s.shop)
                .select(|s| (s.shop, s.amount.min(), s.amount.max(), s.label.count_distinct()))
                .ast()
                .clone(),
        ),
        (
            "dear labels",
            sales()
                .group_by(|s| s.label)
                .having(|s| s.price.sum().gt(Decimal::ONE).and(count().lt(5)))
                .order_by(|s| s.price.sum().desc())
                .select(|s| (s.label, s.price.avg(), s.price.max()))
                .ast()
                .clone(),
        ),
        (
            "the two largest",
            sales()
                .group_by(|s| (s.shop, s.paid))
                .order_by(|s| (s.amount.sum().desc().nulls_last(), s.shop.asc()))
                .offset(1)
                .limit(2)
                .select(|s| (s.shop, s.paid, s.amount.sum(), count()))
                .ast()
                .clone(),
        ),
        (
            "by price",
            sales().group_by(|s| s.price).select(|s| (s.price, s.weight.max())).ast().clone(),
        ),
    ]
}

/// A table as the database has it.
type Sales = BTreeMap<Key, Row>;

fn row(id: i64, [shop, label, amount, price, weight]: [i64; 5]) -> Row {
    let optional = |number: i64, value: Value| if number == 0 { Value::Null } else { value };
    // Of two scales, so that equal prices may be written in different ways.
    let price_value =
        Decimal::new(price * if price % 2 == 0 { 10 } else { 1 }, 1 + u32::from(price % 2 == 0));
    Row::from(vec![
        Value::Int(id),
        optional(shop, Value::Int(shop)),
        Value::text(["", "a", "b", "B"][usize::try_from(label % 4).unwrap()]),
        optional(amount, Value::Int(amount - 5)),
        optional(price, Value::Decimal(price_value)),
        optional(
            weight,
            Value::Float(if weight == 1 {
                -0.0
            } else {
                0.5 * f64::from(i32::try_from(weight - 2).unwrap())
            }),
        ),
        Value::Bool(amount % 2 == 0),
    ])
}

prop_compose! {
    fn touch()(id in 0..12_i64, parts in [0..3_i64, 0..4_i64, 0..9_i64, 0..8_i64, 0..5_i64], gone in 0..4) -> Touch {
        let key = Key::from(vec![Value::Int(id)]);
        (key, (gone != 0).then(|| row(id, parts)))
    }
}

/// The contributions that the database would send.
fn contributions(aggregation: &Aggregation, sales: &Sales) -> Vec<Keyed> {
    let shape = &aggregation.load.ast.shape;
    let params = &aggregation.load.ast.params;
    let filter = crate::query::eval::Evaluator::planned(shape, params, aggregation.semantics);
    let matching = sales.values().filter(|row| filter.matches(row.values()));
    let columns = &aggregation.columns;
    let contribution =
        |row: &Row| -> Row { columns.iter().map(|&column| row.values()[column].clone()).collect() };
    matching.map(contribution).map(|row| Keyed { key: aggregation.key_of(&row), row }).collect()
}

fn question<'a>(aggregation: &'a Aggregation, plan: &'a Plan) -> Question<'a> {
    Question { aggregation, plan, params: &plan.ast.params }
}

fn loaded(aggregation: &Aggregation, plan: &Plan, sales: &Sales) -> Groups {
    let mut groups = Groups::default();
    groups.replace(question(aggregation, plan), contributions(aggregation, sales));
    groups
}

/// What is wrong on purpose, to see whether the law notices.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    /// A row that goes elsewhere is still counted where it was.
    MissesTheGroupLeft,
}

/// The law, for one history of a table.
fn folds(
    first: &[Touch],
    ticks: &[Vec<Touch>],
    is_sqlite: bool,
    lie: Lie,
) -> Result<(), TestCaseError> {
    let by = if is_sqlite { Arithmetic::Sqlite } else { Arithmetic::Numeric };
    for (name, ast) in questions() {
        let plan = Plan::new(&ast).unwrap();
        let aggregation = Aggregation::new(&plan, semantics(by)).expect(name);
        let mut sales: Sales =
            first.iter().cloned().filter_map(|(key, row)| Some((key, row?))).collect();
        let mut groups = loaded(&aggregation, &plan, &sales);
        let mut replica = Replica::new(groups.shown(&plan).to_vec());
        for tick in ticks {
            if groups.is_in_doubt() {
                break;
            }
            // One row comes once in a tick.
            let tick: BTreeMap<Key, Option<Row>> = tick.iter().cloned().collect();
            let touches: Vec<Touch> = tick.into_iter().collect();
            for (key, row) in touches.clone() {
                match row {
                    Some(row) => sales.insert(key, row),
                    None => sales.remove(&key),
                };
            }
            if lie == Lie::MissesTheGroupLeft {
                for (key, _) in &touches {
                    groups.forget(key);
                }
            }
            let ops = groups.fold(question(&aggregation, &plan), &touches);
            let anew = loaded(&aggregation, &plan, &sales);
            prop_assert_eq!(groups.is_in_doubt(), anew.is_in_doubt(), "{}", name);
            if groups.is_in_doubt() {
                continue;
            }
            for op in &ops {
                prop_assert!(replica.apply(op).is_some(), "{}: {:?} does not fit", name, op);
            }
            prop_assert_eq!(groups.shown(&plan), anew.shown(&plan), "{}", name);
            prop_assert_eq!(replica.rows(), groups.shown(&plan), "{}", name);
            for (key, is_held) in groups.take_moved() {
                prop_assert_eq!(is_held, anew.keys().any(|held| *held == key));
            }
            prop_assert_eq!(groups.keys().count(), anew.keys().count());
        }
    }
    Ok(())
}

fn ticks() -> impl Strategy<Value = Vec<Vec<Touch>>> {
    vec(vec(touch(), 0..6), 0..8)
}

#[test]
fn a_group_that_a_row_left_unnoticed_is_noticed() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let history = (vec(touch(), 0..12), ticks());
    let found = TestRunner::new(config)
        .run(&history, |(first, ticks)| folds(&first, &ticks, false, Lie::MissesTheGroupLeft));
    assert!(matches!(found, Err(TestError::Fail(..))), "the law has no teeth: {found:?}");
}

proptest! {
    #[test]
    fn folding_equals_counting_anew(
        first in vec(touch(), 0..12),
        ticks in ticks(),
        is_sqlite: bool,
    ) {
        folds(&first, &ticks, is_sqlite, Lie::None)?;
    }

    #[test]
    fn loading_equals_adding_up_by_hand(first in vec(touch(), 0..20)) {
        let sales: Sales =
            first.into_iter().filter_map(|(key, row)| Some((key, row?))).collect();
        let (_, ast) = questions().swap_remove(0);
        let plan = Plan::new(&ast).unwrap();
        let aggregation = Aggregation::new(&plan, semantics(Arithmetic::Sqlite)).unwrap();
        let groups = loaded(&aggregation, &plan, &sales);
        let amount = |row: &Row| i64::from_value(&row.values()[3]).ok();
        let amounts: Vec<i64> = sales.values().filter_map(amount).collect();
        let sum: i64 = amounts.iter().sum();
        let some = |value: Value| if amounts.is_empty() { Value::Null } else { value };
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let mean = sum as f64 / amounts.len() as f64;
        let row = vec![
            Value::Int(i64::try_from(sales.len()).unwrap()),
            some(Value::Int(sum)),
            some(Value::Float(mean)),
        ];
        let only = Keyed { key: Key::from(Vec::new()), row: row.into() };
        prop_assert_eq!(groups.shown(&plan), &[only][..]);
    }
}

fn tier_takes(ast: &Ast) -> bool {
    let plan = Plan::new(ast).unwrap();
    Aggregation::new(&plan, semantics(Arithmetic::Numeric)).is_some()
}

#[test]
fn what_the_database_alone_knows_is_refused() {
    let sales = from::<Sale>;
    assert!(!tier_takes(sales().select(|s| s.weight.sum()).ast()));
    assert!(!tier_takes(sales().select(|s| s.weight.avg()).ast()));
    assert!(!tier_takes(sales().distinct().group_by(|s| s.shop).select(|s| s.shop).ast()));
    assert!(!tier_takes(sales().filter(|s| s.label.ilike("a%")).select(|_| count()).ast()));
    // A row is no group.
    assert!(!tier_takes(sales().ast()));
    assert!(tier_takes(sales().select(|s| (count(), s.weight.count().named("weights"))).ast()));
}

#[test]
fn equal_keys_in_two_spellings_are_left_to_the_database() {
    let (_, ast) = questions().pop().unwrap();
    let plan = Plan::new(&ast).unwrap();
    let aggregation = Aggregation::new(&plan, semantics(Arithmetic::Numeric)).unwrap();
    let sale = |id: i64, price: &str| {
        let mut values = row(id, [1, 1, 1, 1, 3]).values().to_vec();
        values[4] = Value::Decimal(price.parse().unwrap());
        (Key::from(vec![Value::Int(id)]), Some(Row::from(values)))
    };
    let mut groups = Groups::default();
    groups.replace(question(&aggregation, &plan), Vec::new());
    groups.fold(question(&aggregation, &plan), &[sale(1, "1.0"), sale(2, "2.0")]);
    assert!(!groups.is_in_doubt());
    groups.fold(question(&aggregation, &plan), &[sale(1, "2.00")]);
    assert!(groups.is_in_doubt());
}
