//! The numbers of SQLite's log: they go on whatever is removed, and those of an older version do not
//! mislead.

use recto::live::feed::LogFeed;
use recto::prelude::*;

use super::scene::compare;
use super::scene::config;
use crate::support::process::Scratch;

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "places")]
struct Place {
    id: i64,
    name: String,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "things")]
struct Thing {
    id: i64,
    name: String,
}

/// No other table of this database has `autoincrement`.
const TABLES: &str = "create table places (id integer primary key, name text not null);
    create table things (id integer primary key, name text not null);";

/// What the log was before its numbers came from its newest entry, with the triggers of one table.
const OLD: &str = "
create table if not exists recto_changes (
    seq integer primary key autoincrement,
    tab text not null,
    op text not null,
    key text
);
create table if not exists recto_meta (name text primary key, value) without rowid;
insert into recto_meta values ('epoch', lower(hex(randomblob(16)))) on conflict do nothing;
insert into recto_meta values ('floor', 0) on conflict do nothing;
create table if not exists recto_watched (tab text primary key) without rowid;
";

/// The state as nodes of that version read it.
const OLD_STATE: &str = "select coalesce((select seq from sqlite_sequence where name = 'recto_changes'), 0), \
    (select value from recto_meta where name = 'epoch'), \
    (select value from recto_meta where name = 'floor')";

fn old_triggers(table: &str) -> String {
    let trigger = |op: &str, event: &str, key: &str| {
        format!(
            "drop trigger if exists recto_{table}_{op}; \
             create trigger recto_{table}_{op} after {event} on {table} begin \
             insert into recto_changes (tab, op, key) values ('{table}', '{op}', json_array({key})); \
             end;"
        )
    };
    let (insert, delete) = (trigger("i", "insert", "new.id"), trigger("d", "delete", "old.id"));
    format!("{insert}{delete}insert into recto_watched values ('{table}') on conflict do nothing;")
}

struct File {
    _scratch: Scratch,
    url: String,
    /// Another program.
    foreign: Repo,
}

impl File {
    async fn new(script: &str) -> Self {
        let scratch = Scratch::new();
        let url = format!("sqlite://{}", scratch.path().join("numbers.db").display());
        let foreign = Repo::connect(&url).await.unwrap();
        foreign.batch_sql(TABLES).await.unwrap();
        foreign.batch_sql(script).await.unwrap();
        Self { _scratch: scratch, url, foreign }
    }

    async fn live(&self) -> Live {
        Live::start_with(&Repo::connect(&self.url).await.unwrap(), config()).await.unwrap()
    }

    async fn run(&self, script: &str) {
        self.foreign.batch_sql(script).await.unwrap();
    }

    async fn number(&self, sql: &'static str) -> i64 {
        match self.foreign.query_sql(sql, []).await.unwrap()[0].values()[0] {
            Value::Int(number) => number,
            ref other => panic!("{other:?}"),
        }
    }
}

fn places() -> Query<Place> {
    from::<Place>().order_by(|p| p.id.asc())
}

fn things() -> Query<Thing> {
    from::<Thing>().order_by(|t| t.id.asc())
}

const NEWEST: &str = "select coalesce(max(seq), 0) from recto_changes";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_go_on_whatever_is_removed() {
    let file = File::new("").await;
    ChangeLog::new([Place::table()]).install(&file.foreign).await.unwrap();
    let live = file.live().await;
    let mut all = live.query(places()).await.unwrap();
    file.run("insert into places (name) values ('a'), ('b'), ('c')").await;
    compare("a few", &mut all, places(), &file.foreign).await;
    for (count, removal) in (4..).zip([
        "delete from recto_changes",
        "delete from recto_changes where seq <= 1000",
        "delete from recto_changes where seq = (select max(seq) from recto_changes)",
        // As nodes do when nobody needs what is in it.
        "update recto_meta set value = (select max(seq) from recto_changes) \
            where name = 'whole after'; \
         delete from recto_changes where seq in (select seq from recto_changes order by seq)",
        "vacuum",
    ]) {
        let before = file.number(NEWEST).await;
        file.run(removal).await;
        file.run("insert into places (name) values ('one more')").await;
        assert_eq!(file.number(NEWEST).await, before + 1, "{removal}");
        compare(removal, &mut all, places(), &file.foreign).await;
        assert_eq!(all.rows().len(), count);
    }
    ChangeLog::new([Place::table()]).remove(&file.foreign).await.unwrap();
    assert_eq!(file.number("select count(*) from sqlite_master where name like 'recto%'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_an_older_version_is_followed_and_replaced() {
    let triggers = old_triggers("places") + &old_triggers("things");
    let file = File::new(&format!("{OLD}{triggers}")).await;
    let live = file.live().await;
    let mut all = live.query(places()).await.unwrap();
    let mut others = live.query(things()).await.unwrap();
    file.run("insert into places (name) values ('a'), ('b')").await;
    compare("the old log", &mut all, places(), &file.foreign).await;
    let lost = live.stats().lost_ticks;
    for script in [
        // Retention may leave nothing of it.
        "update recto_meta set value = (select max(seq) from recto_changes) where name = 'floor'; \
         delete from recto_changes",
        "delete from places where name = 'a'",
        "insert into places (name) values ('c')",
    ] {
        file.run(script).await;
        compare(script, &mut all, places(), &file.foreign).await;
    }
    assert_eq!(live.stats().lost_ticks, lost, "nothing is asked again");
    let count = file.number("select count(*) from recto_changes").await;
    assert_eq!(count, 2, "it is as it was");

    // One that knows only one of the tables installs the new one.
    let log = ChangeLog::new([Place::table()]);
    log.install(&file.foreign).await.unwrap();
    for script in [
        "insert into places (name) values ('d')",
        "insert into things (name) values ('by the old trigger')",
        "update places set id = id + 10 where name = 'c'",
    ] {
        file.run(script).await;
        compare(script, &mut all, places(), &file.foreign).await;
        compare(script, &mut others, things(), &file.foreign).await;
    }
    assert_eq!(others.rows().len(), 1);
    let sql = "select count(*) from sqlite_master where sql like '%autoincrement%'";
    assert_eq!(file.number(sql).await, 0);

    // Installing again leaves the log alone.
    let before = file.number(NEWEST).await;
    log.install(&file.foreign).await.unwrap();
    assert_eq!(file.number(NEWEST).await, before);
}

/// What they would find is that nothing is new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_an_older_version_is_told_that_it_is_one() {
    let file = File::new(&format!("{OLD}{}", old_triggers("places"))).await;
    let state = file.foreign.query_sql(OLD_STATE, []).await.unwrap();
    assert!(matches!(state[0].values()[2], Value::Int(0)));
    ChangeLog::new([Place::table()]).install(&file.foreign).await.unwrap();
    // It takes a floor that is no number for a log that is not as it was installed.
    let floor = async || {
        let state = file.foreign.query_sql(OLD_STATE, []).await.unwrap();
        state[0].values()[2].clone()
    };
    assert_eq!(floor().await, Value::Null);
    let refused = file.foreign.batch_sql(OLD).await.unwrap_err();
    assert!(refused.chain().to_string().contains("newer version"), "{}", refused.chain());
    assert_eq!(floor().await, Value::Null);
    LogFeed::connect(file.foreign.clone()).await.unwrap();
}
