use recto::Schema;
use recto::schema::BelongsTo;
use recto::schema::HasMany;

#[derive(Schema, Clone, Debug)]
#[schema(table = "users")]
struct User {
    id: i64,
    #[schema(primary)]
    name: String,
    #[schema(table = "rooms")]
    room: String,
    #[schema(has_many)]
    posts: Vec<User>,
    #[schema(belongs_to)]
    boss: i64,
    friends: HasMany<User>,
    #[schema(skip, column = "x")]
    cache: String,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "posts")]
struct Post {
    id: i64,
    author_id: i64,
    #[schema(belongs_to)]
    author: BelongsTo<User>,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "members")]
struct Member {
    #[schema(primary_key)]
    room_id: i64,
    #[schema(primary_key)]
    user_id: i64,
    #[schema(has_many)]
    posts: HasMany<Post>,
}

#[derive(Schema, Clone, Debug)]
#[schema(table = "clubs")]
struct Club {
    id: i64,
    #[schema(has_one)]
    charter: HasMany<Post>,
    #[schema(many_to_many)]
    users: HasMany<User>,
    #[schema(has_many, through = "posts")]
    authors: HasMany<User>,
    #[schema(has_many, through = "posts.author", foreign_key = "club_id")]
    writers: HasMany<User>,
}

fn main() {}
