//! Writers that know nothing of Recto ring while a node sleeps, and are silent while it looks by
//! itself. Nothing of theirs waits for a heartbeat: there is none in these tests.

use std::collections::HashSet;
use std::time::Duration;

use recto::adapter::Statement;
use recto::adapter::postgres::Listener;
use recto::error::Result;
use recto::live::Config;
use recto::live::feed::Feed;
use recto::live::feed::LogFeed;
use recto::live::feed::Order;
use recto::live::feed::Outcome;
use recto::live::feed::Tick;
use recto::prelude::*;
use recto::schema::Table;
use recto::value::Key;
use recto::value::Row;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::NoTls;

use super::super::values::Backend;
use super::super::world;
use super::super::world::Item;
use super::BOUND;
use super::Scene;
use super::Stage;
use crate::support::cluster::Cluster;
use crate::support::wait::eventually;
use crate::support::wait::eventually_eq;
use crate::support::wait::within;

/// Long enough for news that were rung for, short enough to wait for in vain.
const MOMENT: Duration = Duration::from_millis(300);

/// So many looks at a count find the same: nobody counts any more.
const STILL: u32 = 30;

/// Whether writers ring.
const RINGS: &str = "select coalesce(pg_sequence_last_value('recto.bell') > \
    extract(epoch from clock_timestamp()) * 1000000, false)";

fn insert(note: &str) -> String {
    format!("insert into items (rank, flag, note) values (1, true, '{note}')")
}

/// A heartbeat does not come while a test runs.
fn config() -> Config {
    let mut config = Config::default();
    config.heartbeat = Duration::from_hours(1);
    config
}

async fn scene(stage: &Stage<'_>) -> Scene {
    Scene::with(&stage.repo, &stage.repo, config()).await
}

/// Waits until writers ring: the nodes sleep, or are about to.
async fn rings(stage: &Stage<'_>) {
    eventually_eq("writers to ring", BOUND, "t".to_owned(), async || stage.psql(RINGS)).await;
}

/// Waits until a node does not look any more.
async fn asleep(live: &Live) {
    let (mut ticks, mut same) = (0, 0);
    eventually("the node to sleep", BOUND, async || {
        let now = live.stats().ticks;
        same = if ticks == now { same + 1 } else { 0 };
        ticks = now;
        STILL <= same
    })
    .await;
}

/// A connection that no Recto knows of.
struct Stranger {
    client: Client,
    _driver: JoinSet<()>,
}

impl Stranger {
    async fn connect(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async { drop(connection.await) });
        Self { client, _driver: driver }
    }

    async fn run(&self, sql: &str) {
        within("an answer", BOUND, self.client.batch_execute(sql)).await.unwrap();
    }

    async fn rings(&self) -> bool {
        let row = within("an answer", BOUND, self.client.query_one(RINGS, &[])).await;
        row.unwrap().get(0)
    }
}

/// Strangers that are too many to ring.
struct Crowd(JoinSet<()>);

impl Crowd {
    async fn start(url: &str) -> Self {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let stranger = Stranger::connect(url).await;
            tasks.spawn(async move {
                let name = format!("crowd {number}");
                stranger
                    .run(&format!("insert into owners (name, score) values ('{name}', 0)"))
                    .await;
                loop {
                    let update = "update owners set score = score + 1 where name";
                    // A server that is killed ends it.
                    let done = stranger.client.batch_execute(&format!("{update} = '{name}'")).await;
                    if done.is_err() {
                        return;
                    }
                }
            });
        }
        Self(tasks)
    }

    /// A crowd that was told not to ring.
    async fn silent(stage: &Stage<'_>) -> Self {
        let crowd = Self::start(stage.url()).await;
        eventually_eq("silence", BOUND, "f".to_owned(), async || stage.psql(RINGS)).await;
        crowd
    }

    async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

/// A stranger that did this while nobody was to ring, in a transaction that goes on.
async fn in_silence(stage: &Stage<'_>, script: &str) -> Stranger {
    let crowd = Crowd::start(stage.url()).await;
    let stranger = Stranger::connect(stage.url()).await;
    eventually("a moment of silence", BOUND, async || {
        stranger.run(script).await;
        let rings = stranger.rings().await;
        if rings {
            stranger.run("rollback").await;
        }
        !rings
    })
    .await;
    crowd.stop().await;
    stranger
}

/// A stranger that wrote while nobody was to ring, in a transaction that goes on.
async fn silent(stage: &Stage<'_>, note: &str) -> Stranger {
    in_silence(stage, &format!("begin; {}", insert(note))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_sleeps_is_rung() {
    let stage = Stage::new().await;
    let mut scene = scene(&stage).await;
    for note in ["one", "two", "three"] {
        rings(&stage).await;
        asleep(&scene.live).await;
        stage.psql(&insert(note));
        scene.shows(note).await;
    }
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_silent_and_everything_of_it_is_seen() {
    let stage = Stage::new().await;
    let mut scene = scene(&stage).await;
    for round in 0..3 {
        let crowd = Crowd::silent(&stage).await;
        scene.goes_on(100).await;
        let note = format!("in the crowd {round}");
        stage.psql(&insert(&note));
        scene.shows(&note).await;
        crowd.stop().await;
        rings(&stage).await;
        asleep(&scene.live).await;
        stage.psql(&insert(&format!("alone {round}")));
        scene.shows(&format!("alone {round}")).await;
    }
    assert_eq!(scene.live.stats().missed_wakes, 0);
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_in_silence_is_found_when_it_commits_at_last() {
    let stage = Stage::new().await;
    let mut scene = scene(&stage).await;
    let stranger = silent(&stage, "late").await;
    rings(&stage).await;
    // It may have begun to sleep, had it nobody to wait for.
    let ticks = scene.live.stats().ticks;
    eventually("looks", BOUND, async || ticks + 5 <= scene.live.stats().ticks).await;
    stranger.run("commit").await;
    scene.shows("late").await;
    asleep(&scene.live).await;
    scene.finish().await;
}

/// A state from before the node slept does not keep a writer from ringing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_sees_an_old_state_rings() {
    let stage = Stage::new().await;
    let mut scene = scene(&stage).await;
    let sees = "begin isolation level repeatable read; select from items";
    let stranger = in_silence(&stage, sees).await;
    rings(&stage).await;
    asleep(&scene.live).await;
    stranger.run(&format!("{}; commit", insert("of old"))).await;
    scene.shows("of old").await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_share_a_bell_hear_strangers_and_each_other() {
    let stage = Stage::new().await;
    let mut scene = scene(&stage).await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let repo = Repo::connect(stage.url()).await.unwrap();
        let live = Live::start_with(&repo, config()).await.unwrap();
        let items = live.query(from::<Item>().order_by(|i| i.id.asc())).await.unwrap();
        nodes.push((repo, live, items));
    }
    for round in 0..3 {
        let crowd = Crowd::silent(&stage).await;
        let slow = silent(&stage, &format!("slow {round}")).await;
        crowd.stop().await;
        rings(&stage).await;
        slow.run("commit").await;
        let mut written = vec![format!("slow {round}")];
        for (number, (repo, live, _)) in nodes.iter().enumerate() {
            asleep(live).await;
            let note = format!("own {round} {number}");
            repo.batch_sql(&insert(&note)).await.unwrap();
            written.push(note);
        }
        written.push(format!("strange {round}"));
        stage.psql(&insert(&format!("strange {round}")));
        for note in &written {
            scene.shows(note).await;
            for (_, _, items) in &mut nodes {
                let is_shown = |item: &Item| item.note.as_ref() == Some(note);
                while !items.rows().iter().any(is_shown) {
                    within("the item", BOUND, items.next()).await.unwrap();
                }
            }
        }
    }
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_alone_tells_nobody() {
    let stage = Stage::new().await;
    let mut scene = scene(&stage).await;
    asleep(&scene.live).await;
    let mut ear = Listener::connect(stage.url(), "recto").await.unwrap();
    for number in 0..5 {
        let note = format!("alone {number}");
        stage.repo.batch_sql(&insert(&note)).await.unwrap();
        scene.shows(&note).await;
    }
    // Notifications come in the order of commits.
    let stranger = stage.psql("select pg_backend_pid() from pg_notify('recto', '')");
    let heard = within("the stranger", BOUND, ear.recv()).await.unwrap();
    assert_eq!(heard.from_pid.to_string(), stranger);

    let repo = Repo::connect(stage.url()).await.unwrap();
    let other = Live::start_with(&repo, config()).await.unwrap();
    let mut items = other.query(from::<Item>().order_by(|i| i.id.asc())).await.unwrap();
    stage.repo.batch_sql(&insert("told")).await.unwrap();
    while !items.rows().iter().any(|item| item.note.as_deref() == Some("told")) {
        within("the item", BOUND, items.next()).await.unwrap();
    }
    scene.finish().await;
}

/// A crash takes the connections and leaves the bell in any state; here it was silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashed_in_silence_is_heard_again() {
    let cluster = Cluster::start();
    let stage = Stage::on(&cluster).await;
    let mut scene = scene(&stage).await;
    let crowd = Crowd::silent(&stage).await;
    tokio::task::block_in_place(|| cluster.kill());
    crowd.stop().await;
    tokio::task::block_in_place(|| cluster.restart());
    stage.psql(&insert("after the crash"));
    scene.shows("after the crash").await;
    rings(&stage).await;
    asleep(&scene.live).await;
    stage.psql(&insert("rung"));
    scene.shows("rung").await;
    scene.finish().await;
}

/// Whoever died has writers ring for some minutes, not for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_gone_is_rung_for_a_while_only() {
    let stage = Stage::new().await;
    let mut short = config();
    short.heartbeat = Duration::from_millis(100);
    let live = Live::start_with(&stage.repo, short).await.unwrap();
    rings(&stage).await;
    let ends = "select pg_sequence_last_value('recto.bell') < \
        extract(epoch from clock_timestamp() + interval '10 minutes') * 1000000";
    assert_eq!(stage.psql(ends), "t");
    // Nobody rings when the time is over, until a node asks again: at a heartbeat, at the latest.
    stage.psql("select setval('recto.bell', 1)");
    rings(&stage).await;
    drop(live);
    stage.psql("select setval('recto.bell', 1)");
    stage.psql(&insert("unheard"));
    assert_eq!(stage.psql(RINGS), "f");
}

/// What a version without a bell left behind: its writers always ring.
const OLD: &str = "
do $$
declare f record;
begin
    for f in select oid, pg_get_functiondef(oid) as def from pg_proc
        where pronamespace = 'recto'::regnamespace
    loop
        execute regexp_replace(f.def, '\\s+and pg_catalog.to_timestamp.*clock_timestamp\\(\\)', '');
    end loop;
end $$;
update recto.watched set script = 'old';
drop sequence recto.bell";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_a_bell_is_followed_and_gets_one_when_it_is_installed_again() {
    let stage = Stage::new().await;
    let tables: Vec<&'static Table> = world::tables(Backend::Postgres);
    let bodies = "select count(*) from pg_proc where pronamespace = 'recto'::regnamespace \
        and prosrc like '%recto.bell%'";
    assert_ne!(stage.psql(bodies), "0");
    stage.psql(OLD);
    assert_eq!(stage.psql(bodies), "0");
    let other = Repo::connect(stage.url()).await.unwrap();
    let _other = Live::start_with(&other, config()).await.unwrap();
    let mut scene = scene(&stage).await;
    asleep(&scene.live).await;
    stage.psql(&insert("rung"));
    scene.shows("rung").await;
    other.batch_sql(&insert("rung for")).await.unwrap();
    scene.shows("rung for").await;
    let crowd = Crowd::start(stage.url()).await;
    scene.goes_on(100).await;
    crowd.stop().await;

    ChangeLog::new(tables).install(&stage.repo).await.unwrap();
    assert_ne!(stage.psql(bodies), "0");
    stage.repo.batch_sql(&insert("installed")).await.unwrap();
    scene.shows("installed").await;
    rings(&stage).await;
    asleep(&scene.live).await;
    stage.psql(&insert("rung again"));
    scene.shows("rung again").await;
    scene.finish().await;
}

/// The feed of the crate, but for one thing: it says of every transaction that it began after
/// writers were told to ring.
struct Hasty(LogFeed);

impl Feed for Hasty {
    async fn tick(&mut self) -> Result<Tick> {
        self.0.tick().await
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>> {
        self.0.read(statements).await
    }

    async fn rows(&mut self, table: &'static Table, keys: &HashSet<Key>) -> Result<Vec<Row>> {
        self.0.rows(table, keys).await
    }

    async fn arrange(&mut self, order: Order) -> Result<Option<u64>> {
        self.0.arrange(order).await.map(|mark| mark.map(|_| 0))
    }

    async fn end(&mut self, outcome: Outcome) {
        self.0.end(outcome).await;
    }
}

/// Teeth: a node that does not wait for the silent hears of them when somebody else rings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_sleeps_too_early_is_caught() {
    let stage = Stage::new().await;
    let feed = Hasty(LogFeed::connect(stage.repo.clone()).await.unwrap());
    let mut scene = Scene::fed(&stage.repo, &stage.repo, config(), feed).await;
    let stranger = silent(&stage, "late").await;
    rings(&stage).await;
    asleep(&scene.live).await;
    stranger.run("commit").await;
    let shown = tokio::time::timeout(MOMENT, scene.shows("late")).await;
    assert!(shown.is_err(), "nobody looked, and it was seen");
    stage.psql(&insert("rung"));
    scene.shows("late").await;
    scene.finish().await;
}
