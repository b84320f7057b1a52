use recto::Schema;
use recto::changeset::Changeset;
use recto::changeset::Params;

#[derive(Schema, Clone, Debug)]
#[schema(table = "users")]
struct User {
    id: i64,
    name: String,
    age: i64,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "rooms")]
struct Room {
    id: i64,
    name: String,
}

fn main() {
    let user = User { id: 1, name: String::new(), age: 36 };
    let _ = Changeset::new(user).cast(&Params::new(), (User::name, Room::name));
}
