use recto::Schema;
use recto::value::Timestamp;

#[derive(Schema, Clone, Debug)]
struct RoomMember {
    id: i64,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "posts", timestamps)]
struct Post {
    id: i64,
    inserted_at: Timestamp,
}

#[derive(Schema, Clone, Debug)]
#[schema(tabel = "notes")]
struct Note {
    id: i64,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "points")]
struct Point(i64, i64);

#[derive(Schema, Clone, Debug)]
#[schema(table = "colours")]
enum Colour {
    Red,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "pages")]
struct Page<T> {
    id: T,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "tags")]
struct Tag {
    name: String,
}

fn main() {}
