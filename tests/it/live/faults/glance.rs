//! Looks that take for granted that no table was altered: the next one sees that one was.
//!
//! Ticks are taken one by one, so that no heartbeat and no bell helps.

use std::sync::Arc;
use std::time::Instant;

use recto::adapter::Effect;
use recto::adapter::Statement;
use recto::live::feed::Feed;
use recto::live::feed::Keys;
use recto::live::feed::LogFeed;
use recto::live::feed::News;
use recto::live::feed::Outcome;
use recto::live::feed::Tick;
use recto::value::Value;

use super::BOUND;
use super::Stage;

const INSERT: &str = "insert into items (rank, flag, note) values (1, true, 'glanced at')";

/// How often the session has glanced and looked.
const RUN: &str = "select \
    coalesce(sum(generic_plans) filter (where statement like 'with w0 %'), 0)::bigint, \
    coalesce(sum(generic_plans) filter (where statement like '%from pg_trigger t%'), 0)::bigint \
    from pg_prepared_statements where statement not like '%pg_prepared_statements%'";

struct Ticks(LogFeed);

impl Ticks {
    async fn of(stage: &Stage<'_>) -> Self {
        Self(LogFeed::connect(stage.repo.clone()).await.unwrap())
    }

    async fn tick(&mut self) -> Tick {
        let tick = self.0.tick().await.unwrap();
        self.0.end(Outcome::Done).await;
        tick
    }

    /// Glances and looks until now.
    async fn run(&mut self) -> [i64; 2] {
        self.0.tick().await.unwrap();
        let statement = Statement {
            sql: RUN.into(),
            params: Vec::new(),
            kinds: Arc::from([]),
            effect: Effect::None,
        };
        let answers = self.0.read(vec![statement]).await.unwrap();
        self.0.end(Outcome::Done).await;
        let [Value::Int(stamped), Value::Int(looks)] = answers[0][0].values() else {
            panic!("{answers:?}")
        };
        [*stamped, *looks]
    }

    /// Ticks until ticks do without looks; the one that counts is among them.
    async fn settle(&mut self) {
        let began = Instant::now();
        let mut looks = -1;
        loop {
            let [_, now] = self.run().await;
            if now == looks {
                return;
            }
            looks = now;
            assert!(began.elapsed() < BOUND, "every tick looks");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_ticks_glance() {
    let stage = Stage::new().await;
    let mut ticks = Ticks::of(&stage).await;
    ticks.settle().await;
    let [glances, looks] = ticks.run().await;
    for number in 0..10 {
        stage.psql(INSERT);
        let tick = ticks.tick().await;
        assert_eq!(tick.news, News::Known, "{number}");
        assert!(matches!(&tick.touched["items"], Keys::Some(keys) if !keys.is_empty()), "{tick:?}");
    }
    let [more_glances, more_looks] = ticks.run().await;
    assert!(10 <= more_glances - glances, "{glances} glances, then {more_glances}");
    assert!(more_looks - looks < 10, "{looks} looks, then {more_looks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_alters_a_table_is_seen_by_the_next_look() {
    let stage = Stage::new().await;
    let mut ticks = Ticks::of(&stage).await;
    for script in [
        "alter table items add column more integer default 3",
        "alter table items rename column more to extra",
        "alter table items alter column extra type text using 'other'",
        "alter table items drop column extra",
        "alter table owners rename to people",
        "alter table people rename to owners",
        "alter table owners disable trigger recto_log",
        "alter table owners enable always trigger recto_log",
        "create schema elsewhere",
        "alter table owners set schema elsewhere",
        "alter table elsewhere.owners set schema public",
        "create table heirs () inherits (items)",
        "alter table heirs no inherit items",
        "alter table heirs inherit items",
        "drop table heirs",
        "truncate items",
        "begin; alter table owners disable trigger all; insert into owners (name, score) values ('unseen', 1); \
            alter table owners enable always trigger recto_log; commit",
        "vacuum full owners",
        "delete from recto.epoch; truncate recto.epoch",
        "drop schema recto cascade",
    ] {
        ticks.settle().await;
        stage.psql(script);
        if script.starts_with("drop schema") {
            ticks.0.tick().await.unwrap_err();
            continue;
        }
        let is_elsewhere = script.starts_with("create schema");
        let expected = if is_elsewhere { News::Known } else { News::Lost };
        assert_eq!(ticks.tick().await.news, expected, "{script}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_alters_nothing_costs_nothing_but_a_look() {
    let stage = Stage::new().await;
    let mut ticks = Ticks::of(&stage).await;
    for script in [
        "analyze items",
        "vacuum items",
        "create index items_rank on items (rank)",
        "drop index items_rank",
        "create table unwatched (id integer)",
        "vacuum recto.changes",
        "alter table items set (fillfactor = 90)",
    ] {
        ticks.settle().await;
        stage.psql(script);
        stage.psql(INSERT);
        let tick = ticks.tick().await;
        assert_eq!(tick.news, News::Known, "{script}");
        assert!(tick.touched.contains_key("items"), "{script}");
    }
}
