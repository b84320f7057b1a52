//! All that can be said to the derive, and what it makes of it; without a warning, though most of
//! the tokens are never used.

#![deny(warnings)]

use recto::Schema;
use recto::query::from;
use recto::schema::Assoc;
use recto::schema::BelongsTo;
use recto::schema::Column;
use recto::schema::HasMany;
use recto::schema::HasOne;
use recto::schema::RowReader;
use recto::schema::Schema;
use recto::schema::Table;
use recto::value::Kind;
use recto::value::Row;
use recto::value::Timestamp;
use recto::value::Uuid;

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "rooms")]
struct Room {
    id: i64,
    name: String,
    #[schema(has_many)]
    messages: HasMany<Message>,
    #[schema(many_to_many, through = "Like")]
    likers: HasMany<User>,
    #[schema(has_many, through = "messages.author")]
    authors: HasMany<User>,
    #[schema(has_one)]
    setting: HasOne<Setting>,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "messages", timestamps)]
struct Message {
    id: i64,
    #[schema(belongs_to)]
    room: BelongsTo<Room>,
    #[schema(belongs_to, foreign_key = "writer_id", column = "wrote")]
    author: Option<BelongsTo<User>>,
    r#type: String,
    #[schema(generated)]
    number: i32,
    #[schema(skip)]
    is_read: bool,
    inserted_at: Timestamp,
    updated_at: Timestamp,
}

/// A person, who may have been invited by another.
#[derive(Schema, Clone, Debug)]
#[schema(table = "people.users")]
struct User {
    /// The key.
    id: Uuid,
    /// Who invited them.
    #[schema(belongs_to)]
    host: Option<BelongsTo<Self>>,
    /// Whom they invited.
    #[schema(has_many, foreign_key = "host_id")]
    guests: HasMany<Self>,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "likes")]
struct Like {
    #[schema(primary_key, belongs_to)]
    room: BelongsTo<Room>,
    #[schema(primary_key, belongs_to)]
    user: BelongsTo<User>,
    #[schema(column = "how_much")]
    weight: Option<f64>,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "settings")]
struct Setting {
    #[schema(primary_key, generated = false)]
    number: i32,
    value: Option<Vec<String>>,
}

fn check(table: &Table) -> String {
    let column = |column: &Column| {
        let Column { field, name, kind, nullable, filled_by, .. } = column;
        let mark = if *nullable { "?" } else { "" };
        format!("{field}/{name} {kind}{mark} {filled_by:?}\n")
    };
    let assoc = |assoc: &Assoc| {
        let Assoc { name, kind, target, owner_field, target_field, .. } = assoc;
        format!("{name} {kind:?} {owner_field} {}.{target_field}\n", target().name)
    };
    let columns: String = table.columns.iter().map(column).collect();
    let assocs: String = table.assocs.iter().map(assoc).collect();
    format!("{} {:?}\n{columns}{assocs}", table.name, table.primary_key)
}

#[test]
fn a_table_is_what_the_struct_says() {
    assert_eq!(
        check(Message::table()),
        "messages [0]\n\
         id/id integer Database\n\
         room_id/room_id integer Program\n\
         writer_id/wrote UUID? Program\n\
         type/type text Program\n\
         number/number 32-bit integer Database\n\
         inserted_at/inserted_at timestamp InsertTime\n\
         updated_at/updated_at timestamp UpdateTime\n\
         room BelongsTo room_id rooms.id\n\
         author BelongsTo writer_id people.users.id\n"
    );
    assert_eq!(
        check(Room::table()),
        "rooms [0]\n\
         id/id integer Database\n\
         name/name text Program\n\
         messages HasMany id messages.room_id\n\
         likers HasMany id people.users.id\n\
         authors HasMany id people.users.id\n\
         setting HasOne id settings.room_id\n"
    );
    assert_eq!(
        check(User::table()),
        "people.users [0]\n\
         id/id UUID NewUuid\n\
         host_id/host_id UUID? Program\n\
         host BelongsTo host_id people.users.id\n\
         guests HasMany id people.users.host_id\n"
    );
    assert_eq!(
        check(Setting::table()),
        "settings [0]\n\
         number/number 32-bit integer Program\n\
         value/value array of text? Program\n"
    );
}

#[test]
fn a_key_of_two_columns_is_a_tuple() {
    let (room, user): <Like as Schema>::Id = (7, Uuid::nil());
    let like = Like { room: BelongsTo::to(room), user: BelongsTo::to(user), weight: Some(0.5) };
    assert_eq!(like.dump().len(), 3);
    assert_eq!((*like.room.id(), *like.user.id(), like.weight), (room, user, Some(0.5)));
    assert_eq!(Like::table().primary_key, [0, 1]);
    assert_eq!(Like::table().columns[2].name, "how_much");
}

#[test]
fn tokens_name_columns_and_associations() {
    assert_eq!(Message::r#type.name(), "type");
    assert_eq!(format!("{:?}", Message::writer_id), "messages.writer_id");
    assert_eq!(Message::room.assoc().target_field, "id");
    assert_eq!(Room::messages.assoc().target_field, "room_id");
    assert_eq!(Setting::number.index(), 0);
}

#[test]
fn what_is_dumped_is_loaded_and_what_is_no_column_is_default() {
    let message = Message {
        room: BelongsTo::to(7),
        author: Some(BelongsTo::to(Uuid::nil())),
        is_read: true,
        ..Message::default()
    };
    let row = Row::from(message.dump());
    let loaded = Message::load(&mut RowReader::new(Message::table(), &row)).unwrap();
    assert_eq!(Row::from(loaded.dump()), row);
    assert_eq!((*loaded.room.id(), loaded.is_read), (7, false));
    let row = Row::from(Room { name: "lobby".into(), ..Room::default() }.dump());
    let room = Room::load(&mut RowReader::new(Room::table(), &row)).unwrap();
    assert_eq!((room.id, &*room.name, room.messages.get().is_none()), (0, "lobby", true));
}

#[test]
fn columns_have_types_in_queries() {
    let query = from::<Message>()
        .left_join(Message::author)
        .filter(|m, u| m.room_id.eq(7).and(m.r#type.ne("bot")).and(u.id.eq(m.writer_id)))
        .select(|m, u| (m.writer_id, u.id, u.host_id));
    let kinds: Vec<Kind> = query.ast().shape.select.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, [Kind::Uuid, Kind::Uuid, Kind::Uuid]);
}
