//! Tables and questions for the tests of this folder.

use crate::adapter::postgres::PostgresDialect;
use crate::adapter::sql::Dialect;
use crate::adapter::sqlite::SqliteDialect;
use crate::error::Result;
use crate::schema::BelongsTo;
use crate::schema::Schema;
use crate::value::Decimal;

#[derive(recto_macros::Schema, Clone, Debug, Default)]
#[schema(table = "rooms")]
pub(super) struct Room {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(recto_macros::Schema, Clone, Debug, Default)]
#[schema(table = "messages")]
pub(super) struct Message {
    pub(super) id: i64,
    #[schema(belongs_to)]
    pub(super) room: BelongsTo<Room>,
    pub(super) body: String,
    pub(super) pinned: bool,
}

#[derive(recto_macros::Schema, Clone, Debug, Default)]
#[schema(table = "shop.prices")]
pub(super) struct Price {
    #[schema(primary_key)]
    pub(super) shop: i64,
    #[schema(primary_key)]
    pub(super) item: String,
    pub(super) amount: Decimal,
    pub(super) weight: Option<f32>,
}

#[derive(recto_macros::Schema, Clone, Debug, Default)]
#[schema(table = "tags")]
pub(super) struct Tagged {
    pub(super) id: i64,
    pub(super) tags: Vec<String>,
}

/// What both databases get, PostgreSQL first, one a line.
pub(super) fn both<T: ToString>(render: impl Fn(&dyn Dialect) -> Result<T>) -> [String; 2] {
    let dialects: [&dyn Dialect; 2] = [&PostgresDialect, &SqliteDialect];
    dialects.map(|dialect| match render(dialect) {
        Ok(text) => text.to_string(),
        Err(error) => error.to_string(),
    })
}

/// A text in which only parameters differ, `$1` for one and `?1` for the other.
pub(super) fn alike(text: &str) -> [String; 2] {
    [text.to_owned(), text.replace('$', "?")]
}

/// The table of a schema.
pub(super) fn table<S: Schema>() -> &'static crate::schema::Table {
    S::table()
}
