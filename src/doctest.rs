//! What the examples of the documentation stand on: an in-memory database with two tables.
//!
//! Hidden, and no part of the interface.

use recto_macros::Schema;

use crate::error::Error;
use crate::repo::Repo;
use crate::schema::BelongsTo;
use crate::schema::HasMany;
use crate::value::Timestamp;

/// A room of a chat.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "rooms")]
pub struct Room {
    /// The key.
    pub id: i64,
    /// The name.
    pub name: String,
    /// What was said in it.
    #[schema(has_many)]
    pub messages: HasMany<Message>,
}

/// Something said in a room.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "messages")]
pub struct Message {
    /// The key.
    pub id: i64,
    /// Where it was said.
    #[schema(belongs_to)]
    pub room: Option<BelongsTo<Room>>,
    /// Who said it.
    pub author: String,
    /// What.
    pub body: String,
    /// When.
    #[schema(generated)]
    pub inserted_at: Option<Timestamp>,
}

const TABLES: &str = "
create table rooms (id integer primary key, name text not null unique);
create table messages (
    id integer primary key,
    room_id integer references rooms,
    author text not null,
    body text not null,
    inserted_at text
);
insert into messages (author, body) values ('ada', 'the engine weaves'), ('bob', 'hello');
";

/// Runs an example on a fresh in-memory database.
///
/// # Panics
///
/// When the example fails, as a test should.
pub fn run(example: impl AsyncFnOnce(Repo) -> Result<(), Error>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs nothing that could be missing");
    let result: Result<(), Error> = runtime.block_on(async {
        let repo = Repo::connect("sqlite://:memory:").await?;
        repo.batch_sql(TABLES).await?;
        example(repo).await
    });
    if let Err(error) = result {
        panic!("{}", error.chain());
    }
}
