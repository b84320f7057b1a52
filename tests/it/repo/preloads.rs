//! Trees of associations: which rows hang where, in which order, and how many.

use recto::adapter::sql::Capability;
use recto::prelude::*;

use super::on_both;

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "clubs")]
struct Club {
    id: i64,
    name: String,
    #[schema(has_many)]
    talks: HasMany<Talk>,
    #[schema(has_many)]
    memberships: HasMany<Membership>,
    #[schema(many_to_many, through = "Membership")]
    persons: HasMany<Person>,
    #[schema(has_many, through = "talks.person")]
    speakers: HasMany<Person>,
    #[schema(has_one)]
    charter: HasOne<Charter>,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "persons")]
struct Person {
    id: i64,
    name: String,
    #[schema(
        many_to_many,
        through = "Membership",
        foreign_key = "person_id",
        references = "club_id"
    )]
    clubs: HasMany<Club>,
    #[schema(has_many)]
    talks: HasMany<Talk>,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "memberships")]
struct Membership {
    #[schema(primary_key, belongs_to)]
    club: BelongsTo<Club>,
    #[schema(primary_key, belongs_to)]
    person: BelongsTo<Person>,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "talks")]
struct Talk {
    id: i64,
    #[schema(belongs_to)]
    club: BelongsTo<Club>,
    #[schema(belongs_to)]
    person: Option<BelongsTo<Person>>,
    title: String,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "charters")]
struct Charter {
    id: i64,
    #[schema(belongs_to)]
    club: BelongsTo<Club>,
    body: String,
    #[schema(has_one, through = "club.charter")]
    own: HasOne<Self>,
}

const TABLES: &str = "
create table clubs (id bigint primary key, name text not null);
create table persons (id bigint primary key, name text not null);
create table memberships (club_id bigint, person_id bigint, primary key (club_id, person_id));
create table talks (
    id bigint primary key, club_id bigint not null, person_id bigint, title text not null
);
create table charters (id bigint primary key, club_id bigint not null, body text not null);
insert into clubs values (1, 'chess'), (2, 'rowing'), (3, 'empty');
insert into persons values (1, 'ada'), (2, 'bob'), (3, 'cleo');
insert into memberships values (1, 1), (1, 2), (2, 2), (2, 3);
insert into talks values
    (1, 1, 1, 'a'), (2, 1, 1, 'b'), (3, 1, 2, 'c'), (4, 1, null, 'd'),
    (5, 2, 3, 'e'), (6, 2, 3, 'f'), (7, 2, 2, 'g');
insert into charters values (1, 1, 'rules'), (2, 2, 'more rules');
";

fn clubs() -> Query<Club> {
    from::<Club>().order_by(|c| c.id.asc())
}

fn titles(talks: &HasMany<Talk>) -> String {
    talks.get().unwrap().iter().map(|talk| talk.title.as_str()).collect::<Vec<_>>().join(" ")
}

fn names(persons: &HasMany<Person>) -> String {
    persons.get().unwrap().iter().map(|person| person.name.as_str()).collect::<Vec<_>>().join(" ")
}

async fn a_limit_counts_for_each_owner(repo: &Repo) {
    repo.batch_sql(TABLES).await.unwrap();
    let newest = || from::<Talk>().order_by(|t| t.id.desc()).limit(2);
    let clubs = clubs().preload(Club::talks.query(newest()));
    let found = repo.all(clubs).await.unwrap();
    assert_eq!(
        found.iter().map(|club| titles(&club.talks)).collect::<Vec<_>>(),
        ["d c", "g f", ""]
    );

    let second = Club::talks.query(newest().offset(1).filter(|t| t.title.ne("c")));
    let found = repo.all(self::clubs().preload(second)).await.unwrap();
    assert_eq!(
        found.iter().map(|club| titles(&club.talks)).collect::<Vec<_>>(),
        ["b a", "f e", ""]
    );

    let last = Club::talks.query(from::<Talk>().order_by(|t| t.title.asc()).offset(2));
    let found = repo.all(self::clubs().preload(last)).await.unwrap();
    assert_eq!(found.iter().map(|club| titles(&club.talks)).collect::<Vec<_>>(), ["c d", "g", ""]);
}

async fn trees_are_read_edge_by_edge(repo: &Repo) {
    repo.batch_sql(TABLES).await.unwrap();
    let talks = from::<Talk>()
        .filter(|t| t.title.ne("a"))
        .order_by(|t| t.title.desc())
        .preload(Talk::person.with(Person::clubs));
    let clubs = clubs().preload(Club::talks.query(talks)).preload(Club::charter);
    let found = repo.all(clubs).await.unwrap();
    let chess = &found[0];
    assert_eq!(titles(&chess.talks), "d c b");
    assert_eq!(chess.charter.get().unwrap().body, "rules");
    assert!(found[2].charter.is_loaded() && found[2].charter.get().is_none());
    let talks = chess.talks.get().unwrap();
    assert!(talks[0].person.is_none());
    let bob = talks[1].person.as_ref().unwrap().get().unwrap();
    let of_bob: Vec<&str> =
        bob.clubs.get().unwrap().iter().map(|club| club.name.as_str()).collect();
    assert_eq!((bob.name.as_str(), of_bob), ("bob", vec!["chess", "rowing"]));
    assert!(bob.talks.get().is_none(), "what was not asked for says so");
}

async fn rows_in_between_lead_to_each_row_once(repo: &Repo) {
    repo.batch_sql(TABLES).await.unwrap();
    let by_name = || from::<Person>().order_by(|p| p.name.desc());
    let clubs = clubs()
        .preload(Club::persons.query(by_name()))
        .preload(Club::speakers)
        .preload(Club::memberships.with(Membership::person));
    let found = repo.all(clubs).await.unwrap();
    let all = |of: fn(&Club) -> &HasMany<Person>| -> Vec<String> {
        found.iter().map(|club| names(of(club))).collect()
    };
    assert_eq!(all(|club| &club.persons), ["bob ada", "cleo bob", ""]);
    assert_eq!(all(|club| &club.speakers), ["ada bob", "bob cleo", ""]);
    let first = &found[0].memberships.get().unwrap()[0];
    assert_eq!(first.person.get().unwrap().name, "ada");

    let one = Club::speakers.query(by_name().limit(1));
    let found = repo.all(self::clubs().preload(one)).await.unwrap();
    let last: Vec<String> = found.iter().map(|club| names(&club.speakers)).collect();
    assert_eq!(last, ["bob", "cleo", ""]);

    let mut charters = repo.all(from::<Charter>().order_by(|c| c.id.asc())).await.unwrap();
    repo.preload(&mut charters, Charter::own).await.unwrap();
    assert_eq!(charters[1].own.get().unwrap().body, "more rules");
}

async fn rows_read_before_get_theirs(repo: &Repo) {
    repo.batch_sql(TABLES).await.unwrap();
    let mut persons = repo.all(from::<Person>().order_by(|p| p.id.asc())).await.unwrap();
    repo.preload(&mut persons, Person::talks.with(Talk::club)).await.unwrap();
    let talks = persons[1].talks.get().unwrap();
    let clubs: Vec<&str> =
        talks.iter().map(|talk| talk.club.get().unwrap().name.as_str()).collect();
    assert_eq!(clubs, ["chess", "rowing"]);
    repo.preload(&mut [] as &mut [Person], Person::talks).await.unwrap();
    assert_eq!(repo.dialect().supports(Capability::Lateral), repo.database() == "PostgreSQL");
}

on_both! {
    a_limit_counts_for_each_owner
    trees_are_read_edge_by_edge
    rows_in_between_lead_to_each_row_once
    rows_read_before_get_theirs
}
