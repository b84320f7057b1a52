//! One `check` and one `complain`; everything else is data.

use std::fmt::Write;

use proptest::collection;
use proptest::option;
use proptest::prelude::*;
use recto_macros::Schema;
use serde_json::json;

use super::*;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Rule;
use crate::error::Violation;
use crate::schema::BelongsTo;
use crate::schema::HasMany;
use crate::value::Json;

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "shop.rooms")]
struct Room {
    id: i64,
    name: String,
    #[schema(has_many)]
    users: HasMany<User>,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "shop.users")]
struct User {
    id: i64,
    #[schema(belongs_to)]
    room: BelongsTo<Room>,
    #[schema(belongs_to, column = "boss")]
    boss: Option<BelongsTo<Self>>,
    name: String,
    email: Option<String>,
    age: i16,
    score: Option<f64>,
    tags: Vec<String>,
}

type Cs = Changeset<User>;

/// Runs `rules` on a user whose room is 1 and whose name is ada, and shows what came of it.
fn check(rules: impl FnOnce(Cs) -> Cs) -> String {
    show(&rules(Changeset::new(ada())))
}

fn ada() -> User {
    User { room: BelongsTo::to(1), name: "ada".into(), ..User::default() }
}

fn show(changeset: &Cs) -> String {
    let mut text = String::new();
    for (field, value) in changeset.changes() {
        let mut json = String::new();
        value.write_json(&mut json);
        write!(text, "{field}={json} ").unwrap();
    }
    for error in changeset.errors() {
        write!(text, "[{error}] ").unwrap();
    }
    text.trim_end().to_owned()
}

/// Casts all fields of `params`.
fn cast(params: Json) -> String {
    let params = Params::from_json(params).unwrap();
    let fields = (User::name, User::email, User::age, User::score, User::tags, User::room_id);
    check(|cs| cs.cast(&params, fields))
}

#[test]
fn cast_takes_what_was_asked_for_and_differs() {
    assert_eq!(cast(json!({"name": "bob", "admin": true})), "name=\"bob\"");
    assert_eq!(cast(json!({"name": "ada", "room_id": "1"})), "");
    assert_eq!(cast(json!({"age": "7", "room_id": 2})), "room_id=2 age=7");
    assert_eq!(cast(json!({"score": "1.5", "tags": ["a"]})), "score=1.5 tags=[\"a\"]");
    assert_eq!(cast(json!({"age": "x", "room_id": {}})), "[age is invalid] [room_id is invalid]");
    assert_eq!(cast(json!({"age": 40_000})), "[age is invalid]");
}

#[test]
fn empty_means_nothing() {
    assert_eq!(cast(json!({"email": " "})), "");
    assert_eq!(cast(json!({"name": "  "})), "name=\"\"");
    assert_eq!(
        cast(json!({"age": "", "name": null})),
        "[name can't be blank] [age can't be blank]"
    );
    let params = Params::new().with("email", "");
    let base = User { email: Some("a@b".into()), ..ada() };
    assert_eq!(show(&Changeset::new(base).cast(&params, User::email)), "email=null");
}

#[test]
fn the_last_cast_has_the_last_word() {
    let first = Params::new().with("name", "bob");
    let last = Params::new().with("name", "ada");
    assert_eq!(check(|cs| cs.cast(&first, User::name).cast(&last, User::name)), "");
}

#[test]
fn the_program_may_put_what_it_likes() {
    assert_eq!(check(|cs| cs.put(User::age, 7_i16).put(User::email, "a@b")), "email=\"a@b\" age=7");
    assert_eq!(check(|cs| cs.put(User::email, "a@b").put_null(User::email)), "");
    assert_eq!(check(|cs| cs.put(User::age, 7_i16).change(|user| user.age += 1)), "age=8");
    let shout = |cs: Cs| cs.update_change(User::name, |name| name.to_uppercase());
    assert_eq!(check(|cs| shout(cs.put(User::name, "bob"))), "name=\"BOB\"");
    assert_eq!(check(shout), "");
    assert_eq!(check(|cs| cs.add_error("base", "is odd").message("is even")), "[base is even]");
}

#[test]
fn required_looks_at_the_row_that_would_be() {
    let all = (User::name, User::email, User::age, User::room_id, User::boss_id);
    assert_eq!(
        check(|cs| cs.validate_required(all)),
        "[email can't be blank] [boss_id can't be blank]"
    );
    let fresh = Changeset::new(User::default()).validate_required(all);
    let blank = ["name", "email", "room_id", "boss_id"];
    assert!(fresh.errors().iter().map(|error| &*error.field).eq(blank));
    let params = Params::new().with("age", "");
    assert_eq!(
        check(|cs| cs.cast(&params, User::age).put(User::age, 0_i16).validate_required(User::age)),
        "[age can't be blank]"
    );
}

#[test]
fn lengths() {
    let name = |name: &'static str, range: (usize, usize)| {
        check(|cs| cs.put(User::name, name).validate_length(User::name, range.0..=range.1))
    };
    assert_eq!(name("äöü", (1, 3)), "name=\"äöü\"");
    assert_eq!(name("abcd", (1, 3)), "name=\"abcd\" [name should be at most 3 character(s)]");
    assert_eq!(name("a", (2, 3)), "name=\"a\" [name should be at least 2 character(s)]");
    assert_eq!(name("a", (3, 3)), "name=\"a\" [name should be 3 character(s)]");
    assert_eq!(name("ada", (9, 9)), "");
    let tags = |cs: Cs| cs.put(User::tags, vec!["a".to_owned()]);
    assert_eq!(
        check(|cs| tags(cs).validate_length(User::tags, 2..)),
        "tags=[\"a\"] [tags should have at least 2 item(s)]"
    );
    assert_eq!(
        check(|cs| tags(cs).validate_length(User::tags, ..1)),
        "tags=[\"a\"] [tags should have 0 item(s)]"
    );
}

#[test]
fn numbers() {
    let age = |rules: fn(Cs) -> Cs| {
        let shown = check(|cs| rules(cs.put(User::age, 7_i16)));
        shown.trim_start_matches("age=7 ").to_owned()
    };
    assert_eq!(age(|cs| cs.validate_number(User::age, 1..=7)), "age=7");
    assert_eq!(
        age(|cs| cs.validate_number(User::age, 18..)),
        "[age must be greater than or equal to 18]"
    );
    assert_eq!(age(|cs| cs.validate_number(User::age, ..7)), "[age must be less than 7]");
    assert_eq!(
        age(|cs| cs.validate_number(User::age, ..=6)),
        "[age must be less than or equal to 6]"
    );
    assert_eq!(age(|cs| cs.validate_number(User::age, above(7))), "[age must be greater than 7]");
    assert_eq!(age(|cs| cs.validate_number(User::age, 8..=8)), "[age must be equal to 8]");
    let score = |score: f64| {
        check(|cs| cs.put(User::score, score).validate_number(User::score, above(0.5)))
    };
    assert_eq!(score(0.5), "score=0.5 [score must be greater than 0.5]");
    assert_eq!(score(f64::NAN), "score=\"NaN\" [score is invalid]");
}

#[test]
fn other_rules() {
    let bob = |rules: fn(Cs) -> Cs| {
        let shown = check(|cs| rules(cs.put(User::name, "bob")));
        shown.trim_start_matches("name=\"bob\"").trim_start().to_owned()
    };
    assert_eq!(bob(|cs| cs.validate_format(User::name, "^[a-z]+$")), "");
    assert_eq!(bob(|cs| cs.validate_format(User::name, "@")), "[name has invalid format]");
    assert_eq!(bob(|cs| cs.validate_inclusion(User::name, ["ada"])), "[name is invalid]");
    assert_eq!(bob(|cs| cs.validate_inclusion(User::name, ["bob"])), "");
    assert_eq!(bob(|cs| cs.validate_exclusion(User::name, ["bob"])), "[name is reserved]");
    assert_eq!(bob(|cs| cs.validate_change(User::name, |_| Err("is out"))), "[name is out]");
    assert_eq!(bob(|cs| cs.validate_change(User::email, |_| Err("is out"))), "");
    let tags = |cs: Cs| {
        cs.put(User::tags, ["a", "b"].map(String::from)).validate_subset(User::tags, ["a"])
    };
    assert_eq!(check(tags), "tags=[\"a\",\"b\"] [tags has an invalid entry]");
    assert_eq!(
        bob(|cs| cs.validate_length(User::name, ..=2).message("over %{count}")),
        "[name over 2]"
    );
}

#[test]
#[should_panic(expected = "invalid pattern")]
fn a_broken_pattern_is_a_bug() {
    let _ = check(|cs| cs.validate_format(User::name, "("));
}

#[test]
fn rules_about_parameters() {
    let sent = |params: Json| {
        let params = Params::from_json(params).unwrap();
        check(|cs| cs.cast(&params, User::age).validate_confirmation(User::age))
    };
    assert_eq!(sent(json!({"age": 1, "age_confirmation": "1"})), "age=1");
    assert_eq!(sent(json!({"age": 1})), "age=1");
    assert_eq!(
        sent(json!({"age": 1, "age_confirmation": "2"})),
        "age=1 [age_confirmation does not match confirmation]"
    );
    let terms =
        |params: Params| check(|cs| cs.cast(&params, User::name).validate_acceptance("terms"));
    assert_eq!(terms(Params::new().with("terms", "on")), "");
    assert_eq!(terms(Params::new()), "[terms must be accepted]");
}

/// Declares one of each, and shows what the database's complaint becomes.
fn complain(rule: Rule, name: &str, columns: &[&str]) -> String {
    let changeset = Changeset::new(ada())
        .unique_constraint(User::email)
        .unique_constraint((User::room_id, User::name))
        .message("is here already")
        .unique_constraint(User::age)
        .named("one_of_an_age")
        .unique_constraint(User::id)
        .foreign_key_constraint(User::room_id)
        .foreign_key_constraint(User::boss_id)
        .check_constraint(User::score, "good_score");
    match changeset.constraint_error(&violation(rule, name, columns)) {
        Ok(changeset) => show(&changeset),
        Err(changeset) => format!("unexplained {}", show(&changeset)).trim_end().to_owned(),
    }
}

fn violation(rule: Rule, name: &str, columns: &[&str]) -> Violation {
    Violation {
        rule,
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        table: Some("users".to_owned()).filter(|_| !columns.is_empty()),
        columns: columns.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn complaints_find_their_field_by_name() {
    let taken = "[email has already been taken]";
    assert_eq!(complain(Rule::Unique, "users_email_index", &[]), taken);
    assert_eq!(complain(Rule::Unique, "users_email_key", &[]), taken);
    assert_eq!(
        complain(Rule::Unique, "users_room_id_name_index", &[]),
        "[room_id is here already]"
    );
    assert_eq!(complain(Rule::Unique, "one_of_an_age", &[]), "[age has already been taken]");
    assert_eq!(complain(Rule::Unique, "users_pkey", &[]), "[id has already been taken]");
    assert_eq!(complain(Rule::ForeignKey, "users_boss_fkey", &[]), "[boss_id does not exist]");
    assert_eq!(complain(Rule::Check, "good_score", &[]), "[score is invalid]");
    assert_eq!(complain(Rule::Check, "users_email_index", &[]), "unexplained");
    assert_eq!(complain(Rule::Unique, "users_age_index", &[]), "unexplained");
}

#[test]
fn complaints_find_their_field_by_columns() {
    assert_eq!(complain(Rule::Unique, "", &["email"]), "[email has already been taken]");
    assert_eq!(complain(Rule::Unique, "", &["name", "room_id"]), "[room_id is here already]");
    assert_eq!(complain(Rule::Unique, "", &["name"]), "unexplained");
    assert_eq!(complain(Rule::NotNull, "", &["boss"]), "[boss_id can't be blank]");
    assert_eq!(complain(Rule::NotNull, "", &["other"]), "unexplained");
    let elsewhere =
        Violation { table: Some("posts".into()), ..violation(Rule::Unique, "", &["age"]) };
    let changeset = Changeset::new(ada()).unique_constraint(User::age);
    assert!(changeset.constraint_error(&elsewhere).is_err());
}

#[test]
fn a_foreign_key_nobody_names_is_one_that_changed() {
    // `room_id` is set and `boss_id` is `NULL`.
    assert_eq!(complain(Rule::ForeignKey, "", &[]), "[room_id does not exist]");
    let both = |cs: Cs| {
        let cs = cs.foreign_key_constraint(User::room_id).foreign_key_constraint(User::boss_id);
        show(&cs.constraint_error(&violation(Rule::ForeignKey, "", &[])).unwrap())
    };
    let cs = || Changeset::new(ada());
    assert_eq!(both(cs().put(User::boss_id, 9)), "boss_id=9 [boss_id does not exist]");
    assert_eq!(
        both(cs().put(User::boss_id, 9).put(User::room_id, 9)),
        "room_id=9 boss_id=9 [room_id does not exist] [boss_id does not exist]"
    );
}

#[test]
fn a_parent_with_children_stays() {
    for name in ["users_room_id_fkey", ""] {
        let changeset = Changeset::new(Room::default()).no_assoc_constraint(Room::users);
        let refused = changeset.constraint_error(&violation(Rule::ForeignKey, name, &[])).unwrap();
        assert_eq!(refused.errors()[0].to_string(), "users are still associated with this entry");
    }
}

#[test]
fn a_name_that_postgresql_cut_off_is_still_known() {
    let long = "users_".to_owned() + &"x".repeat(80);
    let changeset = Changeset::new(ada()).unique_constraint(User::name).named(long.clone());
    assert!(changeset.constraint_error(&violation(Rule::Unique, &long[..63], &[])).is_ok());
}

#[test]
fn apply_needs_a_valid_changeset() {
    let user = Changeset::new(ada()).put(User::age, 7_i16).apply().unwrap();
    assert_eq!((user.age, user.name.as_str(), *user.room.id()), (7, "ada", 1));
    let refused = Changeset::new(ada()).add_error("age", "is secret").apply().unwrap_err();
    assert_eq!(refused.errors_json(), json!({"age": ["is secret"]}));
    assert_eq!(refused.errors_on(User::age).count(), 1);
}

#[test]
fn values_are_read_by_type() {
    let changeset = Changeset::new(ada()).put(User::email, "a@b");
    assert_eq!(changeset.get(User::name), "ada");
    assert_eq!(changeset.get(User::email), Some("a@b".to_owned()));
    assert_eq!(changeset.get_change(User::name), None);
    assert_eq!(changeset.get_change(User::email), Some(Some("a@b".to_owned())));
    assert_eq!(changeset.values().len(), User::table().columns.len());
    assert!(changeset.changed_columns().map(|(index, _)| index).eq([User::email.index()]));
}

#[test]
fn both_a_row_and_a_changeset_can_be_inserted() {
    fn insert<S: Schema>(row: impl IntoChangeset<S>) -> Changeset<S> {
        row.into_changeset()
    }
    assert_eq!(insert(ada()).base().name, "ada");
    assert!(insert(Changeset::new(ada()).put(User::age, 1_i16)).has_changes());
}

#[test]
fn errors_of_writes_become_errors() {
    fn transaction() -> Result<(), Error> {
        Err(WriteError::from(Changeset::new(ada()).add_error("age", "is secret")))?;
        Err(WriteError::<Room>::from(Error::invalid("not reached")))?;
        Ok(())
    }
    let error = transaction().unwrap_err();
    assert_eq!(error.to_string(), "invalid: could not write to `shop.users`: age is secret");
    let failed = WriteError::<User>::from(Error::new(ErrorKind::Stale, "gone"));
    assert_eq!(failed.to_string(), "stale: gone");
    assert_eq!(failed.into_error().kind(), ErrorKind::Stale);
}

#[test]
fn debug_shows_changes_and_hides_parameters() {
    let params = Params::new().with("name", "secret");
    assert_eq!(format!("{params:?}"), "Params {\"name\"}");
    let changeset = Changeset::new(ada()).put(User::age, 7_i16).add_error("age", "is odd");
    assert_eq!(
        format!("{changeset:?}"),
        "Changeset { table: \"shop.users\", changes: {\"age\": Int(7)}, errors: [\"age is odd\"], .. }"
    );
}

#[test]
fn params_are_an_object() {
    let error = Params::from_json(json!([1])).unwrap_err();
    assert_eq!(error.to_string(), "invalid: expected a JSON object, found an array");
    let params: Params = serde_json::from_str(r#"{"a": 1}"#).unwrap();
    assert_eq!(params.get("a"), Some(&json!(1)));
}

/// Text that is not blank: white space alone means nothing, and `NUL` is refused.
fn text() -> impl Strategy<Value = String> {
    "[^\0]*[a-z\u{e4}\u{1f600}][^\0]*"
}

fn user() -> impl Strategy<Value = User> {
    // Quarters, since `serde_json` reads other floats a bit off unless `float_roundtrip` is on.
    let score = option::of(any::<i32>().prop_map(|score| f64::from(score) / 4.0));
    let rest = (any::<i16>(), score, collection::vec(text(), 0..3));
    (any::<i64>(), option::of(any::<i64>()), text(), option::of(text()), rest).prop_map(
        |(room, boss, name, email, (age, score, tags))| User {
            id: 0,
            room: BelongsTo::to(room),
            boss: boss.map(BelongsTo::to),
            name,
            email,
            age,
            score,
            tags,
        },
    )
}

proptest! {
    /// What a client was shown it can send back.
    #[test]
    fn what_was_written_as_json_is_cast_back(user in user()) {
        let mut params = Params::new();
        for (column, value) in User::table().columns.iter().zip(user.dump()) {
            let mut json = String::new();
            value.write_json(&mut json);
            params = params.with(column.field, serde_json::from_str::<Json>(&json).unwrap());
        }
        let fields = (User::room_id, User::boss_id, User::name, User::email);
        let cast = Changeset::new(User::default())
            .cast(&params, fields)
            .cast(&params, (User::age, User::score, User::tags));
        let again = cast.apply().map_err(|refused| TestCaseError::fail(format!("{refused:?}")))?;
        prop_assert_eq!(again.dump(), user.dump());
    }
}
