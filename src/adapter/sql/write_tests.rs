//! What writes look like.

use super::super::fixture::Message;
use super::super::fixture::Price;
use super::super::fixture::Room;
use super::super::fixture::alike;
use super::super::fixture::both;
use super::super::fixture::table;
use super::*;
use crate::adapter::postgres::PostgresDialect;
use crate::adapter::sqlite::SqliteDialect;
use crate::query::from;

#[test]
fn an_insert_answers_the_whole_row() {
    assert_eq!(
        both(|dialect| insert(table::<Message>(), &[2, 1], dialect)),
        alike(
            "insert into \"messages\" (\"body\", \"room_id\") values ($1, $2) \
             returning \"id\", \"room_id\", \"body\", \"pinned\""
        )
    );
    assert_eq!(
        both(|dialect| insert(table::<Room>(), &[], dialect)),
        alike("insert into \"rooms\" default values returning \"id\", \"name\"")
    );
}

#[test]
fn many_rows_go_in_powers_of_two() {
    let counts = |rows, dialect: &dyn Dialect| {
        let chunks = insert_all(table::<Room>(), &[0, 1], rows, dialect).unwrap();
        chunks.iter().map(|chunk| chunk.row_count).collect::<Vec<_>>()
    };
    assert_eq!(counts(0, &PostgresDialect), Vec::<usize>::new());
    assert_eq!(counts(11, &PostgresDialect), [8, 2, 1]);
    assert_eq!(counts(2100, &SqliteDialect), [1024, 1024, 32, 16, 4]);
    let chunks = insert_all(table::<Room>(), &[1, 0], 2, &PostgresDialect).unwrap();
    assert_eq!(
        &*chunks[0].sql,
        "insert into \"rooms\" (\"name\", \"id\") values ($1, $2), ($3, $4)"
    );
    let defaults = insert_all(table::<Room>(), &[], 2, &PostgresDialect).unwrap();
    assert_eq!(defaults.len(), 2);
}

#[test]
fn an_update_is_about_one_row() {
    assert_eq!(
        both(|dialect| update(table::<Price>(), &[2], &[3], dialect)),
        alike(
            "update \"shop\".\"prices\" as s0 set \"amount\" = $1 \
             where s0.\"shop\" = $2 and s0.\"item\" = $3 and s0.\"weight\" is not distinct from $4 \
             returning \"shop\", \"item\", \"amount\", \"weight\""
        )
    );
    assert_eq!(
        both(|dialect| update(table::<Room>(), &[], &[], dialect))[0],
        "invalid: an update of `rooms` sets nothing"
    );
}

#[test]
fn a_delete_is_about_one_row() {
    assert_eq!(
        both(|dialect| delete(table::<Room>(), &[], dialect)),
        alike("delete from \"rooms\" as s0 where s0.\"id\" = $1")
    );
}

#[test]
fn many_rows_are_changed_where_they_are() {
    let query = from::<Message>().filter(|m| m.body.eq("x"));
    assert_eq!(
        both(|dialect| update_all(query.ast(), &[3, 2], dialect)),
        alike(
            "update \"messages\" as s0 set \"pinned\" = $2, \"body\" = $3 where s0.\"body\" = $1"
        )
    );
    assert_eq!(
        both(|dialect| delete_all(from::<Message>().ast(), dialect)),
        alike("delete from \"messages\" as s0")
    );
}

#[test]
fn a_window_or_a_join_is_asked_first() {
    let query = from::<Message>().order_by(|m| m.body.asc()).limit(3);
    assert_eq!(
        both(|dialect| delete_all(query.ast(), dialect)),
        alike(
            "delete from \"messages\" as changed where changed.\"id\" in \
             (select s0.\"id\" from \"messages\" as s0 order by s0.\"body\", s0.\"id\" limit 3)"
        )
    );
    let joined = from::<Price>()
        .join_on::<Room>(|price, room| room.name.eq(price.item))
        .filter(|_, room| room.id.gt(1));
    assert_eq!(
        both(|dialect| update_all(joined.ast(), &[2], dialect)),
        alike(
            "update \"shop\".\"prices\" as changed set \"amount\" = $2 \
             where (changed.\"shop\", changed.\"item\") in (select s0.\"shop\", s0.\"item\" \
             from \"shop\".\"prices\" as s0 join \"rooms\" as s1 on s1.\"name\" = s0.\"item\" \
             where s1.\"id\" > $1)"
        )
    );
}

#[test]
fn groups_cannot_be_changed() {
    let query = from::<Message>().select(|m| m.body).distinct();
    assert_eq!(
        both(|dialect| delete_all(query.ast(), dialect))[0],
        "invalid: query on `messages` groups rows: there is no telling which to change"
    );
}
