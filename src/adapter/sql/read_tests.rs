//! What questions look like.

use super::super::fixture::Message;
use super::super::fixture::Price;
use super::super::fixture::Room;
use super::super::fixture::Tagged;
use super::super::fixture::alike;
use super::super::fixture::both;
use super::super::fixture::table;
use super::*;
use crate::query::ast::Node;
use crate::query::count as rows;
use crate::query::from;
use crate::value::Decimal;
use crate::value::Value;

fn check(ast: &Ast) -> [String; 2] {
    both(|dialect| select(&Plan::new(ast)?, dialect))
}

const ALL: &str =
    "select s0.\"id\", s0.\"room_id\", s0.\"body\", s0.\"pinned\" from \"messages\" as s0";

fn filtered(condition: &str) -> [String; 2] {
    alike(&format!("{ALL} where {condition}"))
}

#[test]
fn a_question_without_anything() {
    assert_eq!(check(from::<Message>().ast()), alike(ALL));
}

#[test]
fn conditions_hold_together_as_they_were_built() {
    let query = from::<Message>()
        .filter(|m| m.body.eq("a").or(m.body.eq("b")).and(m.pinned.not()))
        .filter(|m| m.id.gt(1).or(m.pinned));
    assert_eq!(
        check(query.ast()),
        filtered(
            "(s0.\"body\" = $1 or s0.\"body\" = $2) and not s0.\"pinned\" \
             and (s0.\"id\" > $3 or s0.\"pinned\")"
        )
    );
    let alone = from::<Message>().filter(|m| m.pinned.or(m.id.lt(3)).not());
    assert_eq!(check(alone.ast()), filtered("not (s0.\"pinned\" or s0.\"id\" < $1)"));
    let compared = from::<Message>().filter(|m| m.id.ne(1).eq(m.pinned.and(true)));
    assert_eq!(check(compared.ast()), filtered("(s0.\"id\" <> $1) = (s0.\"pinned\" and $2)"));
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    let first = crate::query::ast::Tree::leaf(Node::Column { source: 0, column: 3 });
    let chain = (0..100_000).fold(first.clone(), |tree, _| tree.join(first.clone(), Node::Or));
    let mut ast = Ast::all_of(table::<Message>());
    let node = ast.add(chain);
    ast.shape.filters.push(node);
    let [postgres, _] = check(&ast);
    assert_eq!(postgres.matches(" or ").count(), 100_000);
}

#[test]
fn nulls_are_asked_for() {
    let query = from::<Price>().filter(|p| p.weight.is_null().or(p.weight.is_not_null()));
    let [postgres, _] = check(query.ast());
    assert!(postgres.ends_with(" where s0.\"weight\" is null or s0.\"weight\" is not null"));
}

#[test]
fn lists_are_one_parameter() {
    let [postgres, sqlite] = check(from::<Message>().filter(|m| m.id.in_([1, 2])).ast());
    assert!(postgres.ends_with(" where s0.\"id\" = any($1)"), "{postgres}");
    assert!(sqlite.ends_with(" where s0.\"id\" in (select value from json_each(?1))"), "{sqlite}");
    let floats = from::<Price>().filter(|p| p.weight.in_([1.5_f32]));
    let [_, sqlite] = check(floats.ast());
    assert!(sqlite.ends_with(" in (select recto_float(value) from json_each(?1))"), "{sqlite}");
}

#[test]
fn patterns_always_say_how_they_escape() {
    let [postgres, sqlite] = check(from::<Message>().filter(|m| m.body.ilike("a%")).ast());
    assert!(postgres.ends_with(" where s0.\"body\" ilike $1 escape '\\'"), "{postgres}");
    assert!(sqlite.ends_with(" where s0.\"body\" like ?1 escape '\\'"), "{sqlite}");
    assert_eq!(
        check(from::<Message>().filter(|m| m.body.like("a%")).ast()),
        filtered("s0.\"body\" like $1 escape '\\'")
    );
}

#[test]
fn decimals_are_compared_by_value() {
    let query = from::<Price>()
        .filter(|p| p.amount.gt(Decimal::ONE).and(p.amount.ne(Decimal::TEN)))
        .order_by(|p| p.amount.desc())
        .select(|p| p.amount);
    let [postgres, sqlite] = check(query.ast());
    assert_eq!(
        postgres,
        "select s0.\"amount\", s0.\"shop\", s0.\"item\" from \"shop\".\"prices\" as s0 \
         where s0.\"amount\" > $1 and s0.\"amount\" <> $2 \
         order by s0.\"amount\" desc, s0.\"shop\" desc, s0.\"item\" desc"
    );
    assert_eq!(
        sqlite,
        "select s0.\"amount\", s0.\"shop\", s0.\"item\" from \"shop\".\"prices\" as s0 \
         where s0.\"amount\" collate recto_decimal > ?1 and s0.\"amount\" <> ?2 \
         order by s0.\"amount\" collate recto_decimal desc, s0.\"shop\" desc, s0.\"item\" desc"
    );
}

#[test]
fn joins_stand_in_the_order_of_the_sources() {
    let query = from::<Message>()
        .join(Message::room)
        .left_join_on::<Room>(|m, _, other| other.name.eq(m.body))
        .filter(|_, room, other| room.name.eq("lobby").and(other.id.is_null()))
        .select(|m, room, other| (m.id, room.name, other.name.named("other")));
    assert_eq!(
        check(query.ast()),
        alike(
            "select s0.\"id\", s1.\"name\", s2.\"name\", s1.\"id\", s2.\"id\" from \"messages\" as s0 \
             join \"rooms\" as s1 on s0.\"room_id\" = s1.\"id\" \
             left join \"rooms\" as s2 on s2.\"name\" = s0.\"body\" \
             where s1.\"name\" = $1 and s2.\"id\" is null"
        )
    );
}

#[test]
fn order_and_window() {
    let query = from::<Message>()
        .order_by(|m| (m.body.asc().nulls_first(), m.pinned.desc().nulls_last()))
        .limit(10)
        .offset(20);
    assert_eq!(
        check(query.ast()),
        alike(&format!(
            "{ALL} order by s0.\"body\" nulls first, s0.\"pinned\" desc nulls last, s0.\"id\" desc \
             limit 10 offset 20"
        ))
    );
    let [postgres, sqlite] = check(from::<Message>().offset(u64::MAX).ast());
    assert_eq!(postgres, format!("{ALL} order by s0.\"id\" offset 9223372036854775807"));
    assert_eq!(sqlite, format!("{ALL} order by s0.\"id\" limit -1 offset 9223372036854775807"));
}

#[test]
fn groups_and_aggregates() {
    let query = from::<Price>()
        .group_by(|p| p.shop)
        .having(|p| p.amount.sum().gt(Decimal::TEN))
        .select(|p| {
            (
                p.shop,
                rows(),
                p.amount.sum(),
                p.weight.avg(),
                p.amount.max(),
                p.shop.sum().named("total"),
            )
        });
    let [postgres, sqlite] = check(query.ast());
    assert_eq!(
        postgres,
        "select s0.\"shop\", count(*), sum(s0.\"amount\"), avg(s0.\"weight\"::float8), \
         max(s0.\"amount\"), sum(s0.\"shop\")::bigint \
         from \"shop\".\"prices\" as s0 group by s0.\"shop\" having sum(s0.\"amount\") > $1"
    );
    assert_eq!(
        sqlite,
        "select s0.\"shop\", count(*), recto_decimal_sum(s0.\"amount\"), avg(s0.\"weight\"), \
         max(s0.\"amount\" collate recto_decimal), sum(s0.\"shop\") \
         from \"shop\".\"prices\" as s0 group by s0.\"shop\" \
         having recto_decimal_sum(s0.\"amount\") collate recto_decimal > ?1"
    );
    let [postgres, _] = check(from::<Message>().select(|m| m.pinned.max()).ast());
    assert_eq!(postgres, "select bool_or(s0.\"pinned\") from \"messages\" as s0");
}

#[test]
fn a_parameter_on_its_own_is_told_its_type() {
    let query = from::<Message>().select(|m| m.pinned.or(true).named("yes"));
    assert_eq!(
        check(query.ast()),
        alike("select s0.\"pinned\" or $1, s0.\"id\" from \"messages\" as s0")
    );
    let mut ast = Ast::all_of(table::<Message>());
    let tree = crate::query::ast::Tree::param(Value::Int(1), Kind::I64);
    let both_params = tree
        .clone()
        .join(tree, |left, right| Node::Compare(crate::query::ast::Comparison::Eq, left, right));
    let node = ast.add(both_params);
    ast.shape.filters.push(node);
    let [postgres, sqlite] = check(&ast);
    assert!(postgres.ends_with(" where $1::bigint = $2::bigint"), "{postgres}");
    assert!(sqlite.ends_with(" where ?1 = ?2"), "{sqlite}");
}

#[test]
fn a_count_needs_no_rows() {
    let count = |ast: &Ast| both(|dialect| count(ast, dialect));
    let query = from::<Message>().filter(|m| m.pinned.eq(true)).order_by(|m| m.body.asc());
    assert_eq!(
        count(query.ast()),
        alike("select count(*) from \"messages\" as s0 where s0.\"pinned\" = $1")
    );
    assert_eq!(
        count(query.clone().limit(5).ast()),
        alike(
            "select count(*) from (select 1 from \"messages\" as s0 where s0.\"pinned\" = $1 limit 5) \
             as counted"
        )
    );
    assert_eq!(
        count(from::<Message>().select(|m| m.body).distinct().ast()),
        alike(
            "select count(*) from (select distinct s0.\"body\" from \"messages\" as s0) as counted"
        )
    );
}

#[test]
fn what_a_text_leaves_out_is_mentioned() {
    let query = from::<Message>().select(|m| (m.id, m.body.eq("x"))).filter(|m| m.id.in_([1]));
    let [postgres, sqlite] = both(|dialect| count(query.ast(), dialect));
    assert_eq!(
        postgres,
        "select count(*) from \"messages\" as s0 where s0.\"id\" = any($2) \
         and ($1::text is null or true)"
    );
    assert!(sqlite.ends_with(" and (?1 is null or true)"), "{sqlite}");
}

#[test]
fn existence_needs_no_order() {
    let query =
        from::<Message>().filter(|m| m.pinned.eq(true)).order_by(|m| m.body.asc()).offset(2);
    let [postgres, _] = both(|dialect| exists(query.ast(), dialect));
    assert_eq!(
        postgres,
        "select exists (select 1 from \"messages\" as s0 where s0.\"pinned\" = $1 offset 2)"
    );
}

#[test]
fn rows_are_found_by_their_keys() {
    let [postgres, sqlite] = both(|dialect| rows_by_key(table::<Room>(), dialect));
    assert_eq!(
        postgres,
        "select s0.\"id\", s0.\"name\" from \"rooms\" as s0 where s0.\"id\" = any($1)"
    );
    assert_eq!(
        sqlite,
        "select s0.\"id\", s0.\"name\" from \"rooms\" as s0 \
         where s0.\"id\" in (select value from json_each(?1))"
    );
    let [postgres, sqlite] = both(|dialect| rows_by_key(table::<Price>(), dialect));
    assert!(
        postgres.ends_with(
            " where s0.\"shop\" = any($1) and s0.\"item\" = any($2) \
             and (s0.\"shop\", s0.\"item\") in (select * from unnest($1, $2))"
        ),
        "{postgres}"
    );
    assert!(
        sqlite.ends_with(
            " where (s0.\"shop\", s0.\"item\") in (select json_extract(value, '$[0]'), \
             json_extract(value, '$[1]') from json_each(?1))"
        ),
        "{sqlite}"
    );
}

#[test]
fn arrays_are_refused_where_there_are_none() {
    let [postgres, sqlite] = check(from::<Tagged>().ast());
    assert_eq!(postgres, "select s0.\"id\", s0.\"tags\" from \"tags\" as s0");
    assert_eq!(
        sqlite,
        "invalid: column `tags` of `tags` holds an array of text, which SQLite does not have"
    );
}
