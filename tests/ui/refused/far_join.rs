use recto::prelude::*;

#[derive(Schema, Clone, Debug)]
#[schema(table = "rooms")]
struct Room {
    id: i64,
    #[schema(many_to_many, through = "Membership")]
    users: HasMany<User>,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "users")]
struct User {
    id: i64,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "memberships")]
struct Membership {
    id: i64,
    room_id: i64,
    user_id: i64,
}

fn main() {
    _ = from::<Room>().preload(Room::users);
    _ = from::<Room>().join(Room::users);
}
