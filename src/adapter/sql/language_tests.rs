//! What the larger words of the query language look like.

use super::super::fixture::Message;
use super::super::fixture::Price;
use super::super::fixture::Room;
use super::super::fixture::alike;
use super::super::fixture::both;
use super::super::fixture::table;
use super::super::select_many;
use super::select;
use crate::adapter::postgres::PostgresDialect;
use crate::query::Over;
use crate::query::Plan;
use crate::query::ast::Ast;
use crate::query::ast::Node;
use crate::query::ast::Tree;
use crate::query::count as rows;
use crate::query::exists;
use crate::query::fragment;
use crate::query::from;
use crate::query::now;
use crate::query::order_by;
use crate::query::partition_by;
use crate::query::rank;
use crate::query::row_number;
use crate::query::scalar;
use crate::query::when;
use crate::value::Decimal;

fn check(ast: &Ast) -> [String; 2] {
    both(|dialect| select(&Plan::new(ast)?, dialect))
}

const ALL: &str =
    "select s0.\"id\", s0.\"room_id\", s0.\"body\", s0.\"pinned\" from \"messages\" as s0";

#[test]
fn values_are_calculated_and_chosen() {
    let query = from::<Price>().select(|p| {
        (
            (p.shop + 1 - p.shop * 2).named("sum"),
            (p.amount * Decimal::TEN).named("tenfold"),
            p.weight.coalesce(0.5).named("weight"),
            when(p.item.eq("x")).then(1_i64).otherwise(p.shop).named("choice"),
            when(p.item.eq("y")).then("y").or_null().named("y"),
        )
    });
    let [postgres, sqlite] = check(query.ast());
    assert_eq!(
        postgres,
        "select ((s0.\"shop\" + $1) - (s0.\"shop\" * $2)), (s0.\"amount\" * $3), \
         coalesce(s0.\"weight\", $4), \
         case when s0.\"item\" = $5 then $6 else s0.\"shop\" end, \
         case when s0.\"item\" = $7 then $8::text end, s0.\"shop\", s0.\"item\" \
         from \"shop\".\"prices\" as s0"
    );
    assert!(
        sqlite.starts_with(
            "select recto_integer(recto_integer(s0.\"shop\" + ?1, 64) - \
             recto_integer(s0.\"shop\" * ?2, 64), 64), \
             recto_decimal(s0.\"amount\", '*', ?3), coalesce(s0.\"weight\", ?4), "
        ),
        "{sqlite}"
    );
    assert_eq!(
        check(from::<Message>().filter(|m| m.id.between(1, 9)).ast()),
        alike(&format!("{ALL} where s0.\"id\" >= $1 and s0.\"id\" <= $2"))
    );
}

#[test]
fn texts_and_times_have_functions() {
    let query = from::<Message>()
        .filter(|m| m.body.lower().eq(m.body.upper()).and(m.body.length().gt(3)))
        .select(|_| now().named("now"));
    let [postgres, sqlite] = check(query.ast());
    assert_eq!(
        postgres,
        "select now(), s0.\"id\" from \"messages\" as s0 \
         where lower(s0.\"body\") = upper(s0.\"body\") and length(s0.\"body\")::bigint > $1"
    );
    assert!(sqlite.starts_with("select strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), "), "{sqlite}");
}

#[test]
fn a_fragment_stands_in_brackets_and_its_holes_are_typed() {
    let query = from::<Message>()
        .filter(|m| fragment::<bool>("? or ? \\? 'a'", (m.pinned, "x")))
        .filter(|m| m.pinned.eq(true));
    let [postgres, _] = check(query.ast());
    assert_eq!(
        postgres,
        format!("{ALL} where (s0.\"pinned\" or $1::text ? 'a') and s0.\"pinned\" = $2")
    );
    let torn = from::<Message>().filter(|m| fragment("? and ?", m.pinned));
    assert_eq!(
        check(torn.ast())[0],
        "invalid: fragment `? and ?` has 2 holes and 1 things to fill them"
    );
}

#[test]
fn questions_stand_in_questions() {
    let query = from::<Room>().filter(|r| r.id.gt(7)).filter(|r| {
        let talking = from::<Message>()
            .filter(|m| m.room_id.eq(r.outer().id).and(m.body.eq("hi")))
            .filter(|m| {
                exists(from::<Room>().filter(|inner| {
                    inner.id.eq(m.outer().room_id).and(inner.name.eq(r.outer().outer().name))
                }))
            });
        exists(talking).not()
    });
    assert_eq!(
        check(query.ast()),
        alike(
            "select s0.\"id\", s0.\"name\" from \"rooms\" as s0 where s0.\"id\" > $1 and not \
             exists (select 1 from \"messages\" as s1_0 \
             where s1_0.\"room_id\" = s0.\"id\" and s1_0.\"body\" = $2 and exists \
             (select 1 from \"rooms\" as s2_0 \
             where s2_0.\"id\" = s1_0.\"room_id\" and s2_0.\"name\" = s0.\"name\"))"
        )
    );
    let lone = from::<Room>().filter(|r| r.outer().id.eq(1));
    assert_eq!(
        check(lone.ast())[0],
        "invalid: query on `rooms` uses `outer` where no query with that row is around it"
    );
}

#[test]
fn answers_are_compared_with() {
    let newest = from::<Message>().order_by(|m| m.body.desc()).limit(3).select(|m| m.room_id);
    let query = from::<Room>().filter(|r| r.id.in_query(newest)).select(|r| {
        let count = from::<Message>().filter(|m| m.room_id.eq(r.outer().id)).select(|_| rows());
        (r.name, scalar(count).named("messages"))
    });
    assert_eq!(
        check(query.ast()),
        alike(
            "select s0.\"name\", (select count(*) from \"messages\" as s1_0 \
             where s1_0.\"room_id\" = s0.\"id\"), s0.\"id\" from \"rooms\" as s0 \
             where s0.\"id\" in (select s1_0.\"room_id\" from \"messages\" as s1_0 \
             order by s1_0.\"body\" desc, s1_0.\"id\" desc limit 3)"
        )
    );
    let many = from::<Room>().select(|_| scalar(from::<Message>().select(|m| m.id)));
    assert_eq!(
        check(many.ast())[0],
        "invalid: a `scalar` query on `messages` may have many rows: aggregate without groups, or \
         say `limit(1)`"
    );
}

#[test]
fn answers_are_combined_from_left_to_right() {
    let of = |id: i64| from::<Room>().filter(move |r| r.id.eq(id));
    let query = of(1)
        .union(of(2).limit(5))
        .intersect(of(3))
        .union_all(of(4))
        .filter(|r| r.name.ne("x"))
        .limit(2);
    let room = "select s1_0.\"id\", s1_0.\"name\" from \"rooms\" as s1_0 where s1_0.\"id\" = ";
    assert_eq!(
        check(query.ast()),
        alike(&format!(
            "with w0 (c0, c1) as (select * from ({room}$1 union select * from ({room}$2 order by \
             s1_0.\"id\" limit 5) as m) as m intersect {room}$3 union all {room}$4) \
             select s0.c0, s0.c1 from w0 as s0 where s0.c1 <> $5 order by s0.c0, s0.c1 limit 2"
        ))
    );
    let plan = Plan::new(query.ast()).unwrap();
    assert!(plan.repeats, "a `union all` may hold a row twice");
    assert_eq!(plan.outputs().map(|output| output.name).collect::<Vec<_>>(), ["id", "name"]);
    assert!(!Plan::new(of(1).union(of(2)).ast()).unwrap().repeats);
}

#[test]
fn answers_have_names() {
    let busy = from::<Message>().group_by(|m| m.room_id).select(|m| (m.room_id, m.body.max()));
    let query = from::<Message>()
        .join_on::<Room>(|m, r| r.id.eq(m.room_id))
        .with::<Room, _, _>(busy)
        .filter(|m, _| m.id.in_query(from::<Room>().select(|r| r.id)))
        .select(|m, r| (m.body, r.name));
    assert_eq!(
        check(query.ast())[0],
        "with w0 (\"id\", \"name\") as (select s1_0.\"room_id\", max(s1_0.\"body\") \
         from \"messages\" as s1_0 group by s1_0.\"room_id\") \
         select s0.\"body\", s1.\"name\" from \"messages\" as s0 \
         join w0 as s1 on s1.\"id\" = s0.\"room_id\" \
         where s0.\"id\" in (select s1_0.\"id\" from w0 as s1_0)"
    );
    let names: Vec<&str> = query.ast().shape.tables().map(|table| table.name).collect();
    assert_eq!(names, ["messages", "messages"]);
    let wrong = from::<Room>().with::<Room, _, _>(from::<Message>().select(|m| (m.body, m.id)));
    assert_eq!(
        check(wrong.ast())[0],
        "invalid: column 1 of an answer read as `rooms` holds text, not integer"
    );
}

#[test]
fn answers_may_read_themselves() {
    let first = from::<Message>().filter(|m| m.id.eq(1)).select(|m| (m.id, m.body));
    let rest =
        from::<Room>().join_on::<Message>(|r, m| m.room_id.eq(r.id)).select(|_, m| (m.id, m.body));
    let query = from::<Room>().with_recursive::<Room, _, _, _>(first, rest);
    assert_eq!(
        check(query.ast()),
        alike(
            "with recursive w0 (\"id\", \"name\") as (select s1_0.\"id\", s1_0.\"body\" \
             from \"messages\" as s1_0 where s1_0.\"id\" = $1 union all \
             select s1_1.\"id\", s1_1.\"body\" from w0 as s1_0 \
             join \"messages\" as s1_1 on s1_1.\"room_id\" = s1_0.\"id\") \
             select s0.\"id\", s0.\"name\" from w0 as s0"
        )
    );
}

#[test]
fn windows_look_at_other_rows() {
    let query = from::<Message>().select(|m| {
        let by_room = || partition_by(m.room_id).order_by(m.body.desc());
        (
            row_number().over(by_room()),
            rank().over(by_room()),
            m.body.lag(1).over(order_by(m.id.asc())),
            m.id.sum().over(by_room()),
            rows().over(Over::default()),
        )
    });
    let [postgres, sqlite] = check(query.ast());
    assert_eq!(
        postgres,
        "select row_number() over (partition by s0.\"room_id\" order by s0.\"body\" desc, \
         s0.\"id\"), rank() over (partition by s0.\"room_id\" order by s0.\"body\" desc), \
         lag(s0.\"body\", 1) over (order by s0.\"id\"), \
         sum(s0.\"id\") over (partition by s0.\"room_id\" order by s0.\"body\" desc)::bigint, \
         count(*) over (), s0.\"id\" from \"messages\" as s0"
    );
    assert_eq!(sqlite, postgres.replace("::bigint", ""));
    let filtered = from::<Message>().filter(|_| rank().over(Over::default()).eq(1));
    assert_eq!(
        check(filtered.ast())[0],
        "invalid: query on `messages` filters or groups by a window function: name its answer with \
         `with`, and filter that"
    );
    let none = from::<Message>().select(|m| m.id.coalesce(1).over(Over::default()));
    assert_eq!(
        check(none.ast())[0],
        "invalid: query on `messages` says `over` of what is no aggregate"
    );
}

#[test]
fn rows_are_locked_where_they_can_be() {
    let query = from::<Message>().filter(|m| m.pinned.eq(true)).limit(1).for_update().skip_locked();
    let [postgres, sqlite] = check(query.ast());
    assert!(postgres.ends_with(" limit 1 for update of s0 skip locked"), "{postgres}");
    assert_eq!(
        sqlite,
        "invalid: SQLite has no locks of rows: whoever writes in a transaction is alone"
    );
}

#[test]
fn what_is_grouped_by_is_one_expression() {
    let query = from::<Message>()
        .group_by(|m| m.id * 2)
        .having(|m| (m.id * 2).gt(4))
        .select(|m| ((m.id * 2 + 1).named("odd"), rows()))
        .order_by(|m| (m.id * 2).asc());
    let [postgres, _] = check(query.ast());
    assert_eq!(
        postgres,
        "select ((s0.\"id\" * $1) + $5), count(*), (s0.\"id\" * $1) from \"messages\" as s0 \
         where ($2::bigint is null or true) and ($4::bigint is null or true) \
         and ($6::bigint is null or true) group by (s0.\"id\" * $1) \
         having (s0.\"id\" * $1) > $3 order by (s0.\"id\" * $1)"
    );
}

#[test]
fn what_is_too_deep_is_refused() {
    let leaf = || Tree::leaf(Node::Column { source: 0, column: 3 });
    let filtered = |tree| {
        let mut ast = Ast::all_of(table::<Message>());
        let node = ast.add(tree);
        ast.shape.filters.push(node);
        check(&ast)
    };
    let nots = |count| (0..count).fold(leaf(), |tree, _| tree.wrap(Node::Not));
    assert!(filtered(nots(190))[0].starts_with("select "));
    let refused = "invalid: query on `messages` has expressions more than 200 deep: write long \
                   chains as `a.or(b).or(c)`, or as `in_`";
    assert_eq!(filtered(nots(100_000))[0], refused);
    let right = (0..1_000).fold(leaf(), |tree, _| leaf().join(tree, Node::Or));
    assert_eq!(filtered(right)[0], refused);
    let nested =
        (0..10_000).fold(from::<Message>(), |inner, _| from::<Message>().filter(|_| exists(inner)));
    assert_eq!(
        check(nested.ast())[0],
        "invalid: query on `messages` has more than 16 queries inside each other"
    );
}

#[test]
fn parameters_of_questions_inside_come_from_the_lists_too() {
    let query = from::<Room>().filter(|r| {
        exists(from::<Message>().filter(|m| m.room_id.eq(r.outer().id).and(m.id.gt(7))))
    });
    let plan = Plan::new(query.ast()).unwrap();
    let many = select_many(&plan, &PostgresDialect).unwrap().unwrap();
    assert!(many.contains("from unnest($1::bigint[]) with ordinality as p(a1, n)"), "{many}");
    assert!(many.contains("s1_0.\"room_id\" = s0.\"id\" and s1_0.\"id\" > p.a1"), "{many}");
    let hidden = from::<Room>().filter(|r| {
        let mine = from::<Message>().filter(|m| m.room_id.eq(r.outer().id));
        exists(mine.filter(|m| fragment("? > ?", (m.id, 7_i64))))
    });
    let plan = Plan::new(hidden.ast()).unwrap();
    assert_eq!(select_many(&plan, &PostgresDialect).unwrap(), None);
}
