//! Preload trees as live results: exact at every tick, moved by patches that reach inside.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use recto::live::Audit;
use recto::live::Audited;
use recto::live::Config;
use recto::live::LiveQuery;
use recto::live::Tier;
use recto::live::client::Wanted;
use recto::live::mailbox::Event;
use recto::live::mailbox::Steps;
use recto::live::patch::Op;
use recto::prelude::*;

use super::dice::Dice;
use crate::support::on_both;
use crate::support::process::random;
use crate::support::wait::within;

const BOUND: Duration = Duration::from_secs(20);

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "rooms")]
struct Room {
    id: i64,
    name: String,
    #[schema(has_many)]
    notes: HasMany<Note>,
    #[schema(many_to_many, through = "Seat", references = "person_id")]
    people: HasMany<Person>,
    #[schema(has_one)]
    rule: HasOne<Rule>,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "people")]
struct Person {
    id: i64,
    name: String,
    #[schema(has_many, foreign_key = "author_id")]
    notes: HasMany<Note>,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "seats")]
struct Seat {
    #[schema(primary_key, belongs_to)]
    room: BelongsTo<Room>,
    #[schema(primary_key, belongs_to)]
    person: BelongsTo<Person>,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "notes")]
struct Note {
    id: i64,
    #[schema(belongs_to)]
    room: Option<BelongsTo<Room>>,
    #[schema(belongs_to)]
    author: Option<BelongsTo<Person>>,
    rank: i32,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "rules")]
struct Rule {
    id: i64,
    #[schema(belongs_to)]
    room: BelongsTo<Room>,
    body: String,
}

const TABLES: &str = "
create table rooms (id bigint primary key, name text not null);
create table people (id bigint primary key, name text not null);
create table seats (room_id bigint, person_id bigint, primary key (room_id, person_id));
create table notes (id bigint primary key, room_id bigint, author_id bigint, rank integer not null);
create table rules (id bigint primary key, room_id bigint not null, body text not null);
insert into rooms values (1, 'a'), (2, 'b'), (3, 'c');
insert into people values (1, 'ada'), (2, 'bob');
";

async fn create(repo: &Repo) {
    repo.batch_sql(TABLES).await.unwrap();
    let tables = [Room::table(), Person::table(), Seat::table(), Note::table(), Rule::table()];
    ChangeLog::new(tables).install(repo).await.unwrap();
}

/// What the audits of one test said.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Audited>>>);

impl Heard {
    fn config(&self) -> Config {
        let heard = Arc::clone(&self.0);
        let mut config = Config::default();
        config.audit = Some(Audit::new(move |audited| heard.lock().unwrap().push(audited)));
        config
    }

    /// How many versions of trees were compared; none may be wrong.
    fn trees(&self) -> usize {
        let heard = self.0.lock().unwrap();
        let wrong: Vec<&Audited> = heard.iter().filter(|audited| !audited.is_exact()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        heard.iter().filter(|audited| audited.tier == Tier::Tree).count()
    }
}

/// The rows of a live query, and what hangs on them, are those of the plain one.
async fn agrees<S, O: Debug>(repo: &Repo, live: &mut LiveQuery<O>, query: Query<S, O>) {
    within("what was committed", BOUND, live.caught_up()).await.unwrap();
    assert_eq!(format!("{:?}", live.rows()), format!("{:?}", repo.all(query).await.unwrap()));
}

/// Each room with its two newest notes and their authors, the people in it and its rule.
fn rooms() -> Query<Room> {
    let newest = from::<Note>().order_by(|n| n.rank.desc()).limit(2).preload(Note::author);
    let people = from::<Person>().filter(|p| p.name.ne("nobody")).preload(Person::notes);
    from::<Room>()
        .order_by(|r| r.name.asc())
        .preload(Room::notes.query(newest))
        .preload(Room::people.query(people))
        .preload(Room::rule)
}

fn some_notes() -> Query<Note> {
    from::<Note>()
        .filter(|n| n.rank.gt(3))
        .order_by(|n| n.rank.desc())
        .limit(4)
        .preload(Note::room.with(Room::notes))
}

fn statement(dice: &mut Dice) -> String {
    let (id, room, person) = (dice.roll(30), 1 + dice.roll(4), 1 + dice.roll(3));
    let rank = dice.roll(10);
    match dice.roll(14) {
        0..=3 => format!(
            "insert into notes values ({id}, {room}, {person}, {rank}) \
             on conflict (id) do update set rank = {rank}"
        ),
        4 => format!("update notes set room_id = {room} where id % 5 = {id} % 5"),
        5 => format!("update notes set author_id = null where id = {id}"),
        6 => format!("delete from notes where id % 6 = {id} % 6"),
        7 => format!("insert into seats values ({room}, {person}) on conflict do nothing"),
        8 => format!("delete from seats where person_id = {person}"),
        9 => format!("update people set name = 'p{rank}' where id = {person}"),
        10 => format!("insert into people values ({person}, 'new') on conflict do nothing"),
        11 => format!(
            "insert into rules values ({room}, {room}, 'r{rank}') \
             on conflict (id) do update set body = 'r{rank}'"
        ),
        12 => format!("delete from rules where id = {room}"),
        _ => format!(
            "insert into rooms values ({room}, 'n{rank}') \
             on conflict (id) do update set name = 'n{rank}'"
        ),
    }
}

async fn trees_are_exact_at_every_tick(repo: &Repo) {
    create(repo).await;
    let heard = Heard::default();
    let live = Live::start_with(repo, heard.config()).await.unwrap();
    let mut live_rooms = live.query(rooms()).await.unwrap();
    let mut live_notes = live.query(some_notes()).await.unwrap();
    let by_id = || from::<Note>().order_by(|n| n.id.asc());
    let mut flat = live.query(by_id()).await.unwrap();
    let explanation = live.explain_live(&rooms()).unwrap();
    assert_eq!(explanation.tier, Tier::Tree);
    assert_eq!(explanation.tables, ["notes", "people", "rooms", "rules", "seats"]);
    agrees(repo, &mut live_rooms, rooms()).await;

    let seed = random();
    println!("the writer's seed is {seed}");
    let mut dice = Dice::of(seed, 0, 0);
    for _ in 0..150 {
        let script: Vec<String> = (0..=dice.roll(3)).map(|_| statement(&mut dice)).collect();
        repo.batch_sql(&format!("begin; {}; commit", script.join("; "))).await.unwrap();
        agrees(repo, &mut live_rooms, rooms()).await;
        agrees(repo, &mut live_notes, some_notes()).await;
        agrees(repo, &mut flat, by_id()).await;
        assert_eq!(live_rooms.version(), live_notes.version());
    }
    assert!(250 <= heard.trees(), "{}", heard.trees());
}

/// What a client hears when a note comes: one row inside one room, and nothing else.
async fn a_patch_reaches_inside(repo: &Repo) {
    create(repo).await;
    let live = Live::start(repo).await.unwrap();
    let client = live.client().await.unwrap();
    let wanted = Wanted { name: "rooms".into(), ast: rooms().ast().clone(), since: None };
    within("the request", BOUND, client.add(0, vec![wanted])).await.unwrap();
    let told = async |script: &str| {
        let mut is_written = false;
        let steps = loop {
            if !is_written && !script.is_empty() {
                repo.batch_sql(script).await.unwrap();
                is_written = true;
            }
            match within("an event", BOUND, client.next()).await {
                Event::Loaded { .. } => break Steps::default(),
                Event::Moved { steps, .. } => break steps,
                Event::Reset { .. } | Event::Reached { .. } | Event::Lagged => {}
                Event::Closed => panic!("the engine has stopped"),
            }
        };
        steps.first().map(|(_, step)| Arc::clone(step))
    };
    assert!(told("").await.is_none());
    let step = told("insert into notes values (7, 2, 1, 5)").await.unwrap();
    let [Op::Inside { ops, .. }] = &step.ops[..] else { panic!("{:?}", step.ops) };
    assert!(matches!(ops[..], [Op::Insert { after: None, .. }]), "{ops:?}");
    assert_eq!(
        step.json().as_str(),
        r#"[["/",2,"notes","id",[["+",7,{"id":7,"room_id":2,"author_id":1,"rank":5,"author":{"id":1,"name":"ada"}},null]]]]"#
    );
    let step = told("update people set name = 'eva' where id = 1").await.unwrap();
    assert_eq!(
        step.json().as_str(),
        r#"[["/",2,"notes","id",[["/",7,"author","id",[["~",1,{"name":"eva"}]]]]]]"#
    );
    let step = told("update notes set author_id = null where id = 7").await.unwrap();
    assert_eq!(
        step.json().as_str(),
        r#"[["/",2,"notes","id",[["~",7,{"author_id":null,"author":null}]]]]"#
    );
}

/// How many roots and how many branches were read for trees so far.
async fn reads(live: &Live) -> (u64, u64) {
    let shapes = live.shapes().await.unwrap();
    let trees = shapes.iter().filter(|shape| shape.tier == Tier::Tree);
    trees.fold((0, 0), |sum, shape| (sum.0 + shape.counts.reruns, sum.1 + shape.counts.keyed))
}

/// A change costs one statement for each edge that it touches, whatever else is live.
async fn what_is_not_touched_costs_nothing(repo: &Repo) {
    create(repo).await;
    let room = |id: i64| {
        let newest = from::<Note>().order_by(|n| n.rank.desc()).limit(2).preload(Note::author);
        let people = from::<Person>().filter(|p| p.name.ne("nobody"));
        from::<Room>()
            .filter(move |r| r.id.eq(id))
            .preload(Room::notes.query(newest))
            .preload(Room::people.query(people))
    };
    let live = Live::start(repo).await.unwrap();
    let mut rooms = Vec::new();
    for id in 1..=3 {
        rooms.push(live.query(room(id)).await.unwrap());
    }
    let mut costs = async |script: &str, roots: u64, branches: u64| {
        let before = reads(&live).await;
        repo.batch_sql(script).await.unwrap();
        for (id, rows) in (1..).zip(&mut rooms) {
            agrees(repo, rows, room(id)).await;
        }
        let after = reads(&live).await;
        assert_eq!((after.0 - before.0, after.1 - before.1), (roots, branches), "{script}");
    };
    // The notes of the room, and then who wrote it.
    costs("insert into notes values (1, 1, 1, 5)", 0, 2).await;
    // The author is held already, for another room.
    costs("insert into notes values (2, 2, 1, 5)", 0, 1).await;
    costs("insert into notes values (3, null, 1, 5)", 0, 0).await;
    costs("insert into notes values (4, 9, 1, 5)", 0, 0).await;
    costs("update notes set room_id = 3 where id = 1", 0, 1).await;
    costs("update notes set room_id = 9 where id = 1", 0, 1).await;
    costs("delete from notes where id in (1, 3, 4)", 0, 0).await;
    costs("update people set name = 'eva' where id = 1", 0, 1).await;
    costs("update people set name = 'bo' where id = 2", 0, 0).await;
    costs("update rooms set name = 'z' where id = 2", 1, 0).await;
    costs("insert into rooms values (4, 'd')", 0, 0).await;
    // Who sits there, and by which seat.
    costs("insert into seats values (1, 2)", 0, 2).await;
    costs("update people set name = 'nobody' where id = 2", 0, 1).await;
    costs("update people set name = 'bob' where id = 2", 0, 1).await;
    costs("insert into seats values (9, 2)", 0, 0).await;
    costs("update seats set room_id = 2 where room_id = 1", 0, 2).await;
    costs("insert into seats values (3, 7)", 0, 2).await;
    costs("insert into people values (7, 'late')", 0, 1).await;
    costs("delete from seats where room_id = 9", 0, 0).await;
    costs("delete from rooms where id = 3; delete from seats where room_id = 3", 1, 2).await;
    // Nobody shows it any more.
    costs("insert into notes values (5, 3, 1, 5)", 0, 0).await;
}

/// A tree is refused where a table in it is not watched.
async fn every_table_of_a_tree_is_watched(repo: &Repo) {
    repo.batch_sql(TABLES).await.unwrap();
    ChangeLog::new([Room::table(), Note::table()]).install(repo).await.unwrap();
    let live = Live::start(repo).await.unwrap();
    let error = live.query(from::<Room>().preload(Room::rule)).await.unwrap_err();
    assert!(error.what().contains("table `rules` is not watched"), "{error}");
    let error = live.query(from::<Room>().preload(Room::people)).await.unwrap_err();
    assert!(error.what().contains("is not watched"), "{error}");
    let notes = live.query(from::<Room>().preload(Room::notes)).await.unwrap();
    assert_eq!(notes.rows().len(), 3);
}

on_both! {
    trees_are_exact_at_every_tick
    a_patch_reaches_inside
    what_is_not_touched_costs_nothing
    every_table_of_a_tree_is_watched
}
