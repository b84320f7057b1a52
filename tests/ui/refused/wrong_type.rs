use recto::Schema;
use recto::query::from;

#[derive(Schema, Clone, Debug)]
#[schema(table = "users")]
struct User {
    id: i64,
    name: String,
    age: i64,
}

fn main() {
    let _ = from::<User>().filter(|u| u.age.gt("18"));
}
