//! Many live results of one shape in a process of its own: what they cost to have, and what a change
//! costs that touches few of them.
//!
//! Everything goes through the crate's public doors; the feed is the crate's own with a clock around
//! it. Prints one line of figures.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use recto::live::Config;
use recto::live::LiveClient;
use recto::live::client::Wanted;
use recto::live::feed::LogFeed;
use recto::live::mailbox::Event;
use recto::live::step::Answer;
use recto::prelude::*;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::live::figures::Spread;
use crate::live::figures::nanos;
use crate::live::figures::scatter;
use crate::live::machine;
use crate::live::shapes;
use crate::live::shapes::Shape;
use crate::live::timed::Timed;
use crate::live::timed::Timing;

/// How many results one client watches.
const PER_CLIENT: u64 = 1000;

/// Changes that come one by one, and transactions of many.
const SINGLES: u64 = 300;
const BATCHES: u64 = 40;
const BATCH: usize = 100;

/// Longer than anything takes.
const BOUND: Duration = Duration::from_mins(5);

/// What was found; durations in microseconds, but for the first.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Milliseconds to register all results.
    pub(crate) register: f64,
    /// Bytes that the process grew by meanwhile, for each result.
    pub(crate) bytes: f64,
    /// The engine's time for each change, in transactions of many.
    pub(crate) change: f64,
    /// The engine's time for a tick with one change.
    pub(crate) engine: f64,
    /// The whole tick, with its questions to the database.
    pub(crate) tick: f64,
    /// From the commit to the client's event, in this process: p50 and p99.
    pub(crate) client: [f64; 2],
    /// One run of the plain query.
    pub(crate) plain: f64,
}

/// Measures `results` of a shape, with so many items for each user.
pub(crate) fn run(shape: &str, results: &str, items: &str, url: &str) {
    let shape = Shape::ALL.into_iter().find(|known| known.word() == shape);
    let shape = shape.expect("it is one of those");
    let [results, items] = [results, items].map(|text| text.parse().expect("it is a number"));
    let figures = machine::runtime().block_on(measure(shape, results, items, url));
    match figures {
        Ok(figures) => println!("{}", figures.line()),
        Err(error) => panic!("{} results: {}", shape.word(), error.chain()),
    }
}

async fn measure(shape: Shape, results: u64, items: u64, url: &str) -> Result<Figures, Error> {
    let repo = Repo::connect(url).await?;
    let rows = shapes::prepare(&repo, shape, results, items).await?;
    let (feed, mut timings) = Timed::new(LogFeed::connect(repo.clone()).await?);
    let mut config = Config::default();
    config.most_results = usize::MAX;
    let live = Live::start_on(&repo, config, feed).await?;
    let before = machine::resident(std::process::id());
    let (began, mut watchers) = (Instant::now(), JoinSet::new());
    let (heard_tx, mut heard) = mpsc::unbounded_channel();
    for first in (1..=results).step_by(usize::try_from(PER_CLIENT).expect("it is small")) {
        let client = live.client().await?;
        let numbers = first..(first + PER_CLIENT).min(results + 1);
        register(&client, shape, numbers).await;
        watchers.spawn(listen(client, heard_tx.clone()));
    }
    let register = began.elapsed().as_secs_f64() * 1000.0;
    let after = machine::resident(std::process::id());
    #[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
    let bytes = (after.saturating_sub(before) * 1024) as f64 / results as f64;

    let mut clients = Vec::new();
    let (mut engines, mut ticks) = (Vec::new(), Vec::new());
    while timings.try_recv().is_ok() {}
    for number in 0..SINGLES {
        change(&repo, rows, number, 1).await?;
        let committed = Instant::now();
        let at: Instant = next(&mut heard).await;
        clients.push(nanos(at.saturating_duration_since(committed)));
        let Timing { engine, whole, .. } = next(&mut timings).await;
        engines.push(nanos(engine));
        ticks.push(nanos(whole));
    }
    let mut changes = Vec::new();
    for number in 0..BATCHES {
        change(&repo, rows, SINGLES + number, BATCH).await?;
        let Timing { changes: count, engine, .. } = next(&mut timings).await;
        changes.push(nanos(engine) / i64::try_from(count).expect("it is small"));
    }
    let mut plains = Vec::new();
    for number in 0..SINGLES {
        let number = 1 + scatter(number, i64::try_from(results).expect("nobody counts so far"));
        let began = Instant::now();
        shape.read(&repo, number).await?;
        plains.push(nanos(began.elapsed()));
    }
    let client = Spread::of(clients);
    let half = |figures| Spread::of(figures).at(50) / 1000.0;
    Ok(Figures {
        register,
        bytes,
        change: half(changes),
        engine: half(engines),
        tick: half(ticks),
        client: [50, 99].map(|part| client.at(part) / 1000.0),
        plain: half(plains),
    })
}

/// Asks a client's questions, and waits until all are answered.
async fn register(client: &LiveClient, shape: Shape, numbers: std::ops::Range<u64>) {
    let wanted = |number: u64| {
        let ast = shape.ask(i64::try_from(number).expect("nobody counts so far"));
        Wanted { name: Arc::from(number.to_string()), ast, since: None }
    };
    client.add(1, numbers.map(wanted).collect()).await.expect("the engine runs");
    loop {
        let event = timeout(BOUND, client.next()).await.expect("a request is answered");
        if let Event::Loaded { answers, .. } = event {
            let are_there = |(_, answer): &_| matches!(answer, Answer::Snapshot(_));
            assert!(answers.iter().all(are_there), "a question was refused: {:?}", answers[0].1);
            return;
        }
    }
}

/// Says when something moved.
async fn listen(client: LiveClient, heard: mpsc::UnboundedSender<Instant>) {
    loop {
        if matches!(client.next().await, Event::Closed) || heard.send(Instant::now()).is_err() {
            return;
        }
    }
}

/// Changes the score of some rows, in one transaction.
async fn change(repo: &Repo, rows: u64, number: u64, count: usize) -> Result<(), Error> {
    let rows = i64::try_from(rows).expect("nobody counts so far");
    let id = |place| (1 + scatter(number * 1_000_003 + place, rows)).to_string();
    let ids: Vec<String> = (0..count as u64).map(id).collect();
    let sql = format!("update items set score = score + 1 where id in ({})", ids.join(", "));
    repo.batch_sql(&sql).await
}

async fn next<T>(received: &mut mpsc::UnboundedReceiver<T>) -> T {
    let next = timeout(BOUND, received.recv()).await.expect("a change is noticed");
    next.expect("the engine runs")
}

impl Figures {
    fn line(&self) -> String {
        let Self { register, bytes, change, engine, tick, client: [half, most], plain } = self;
        format!("figures {register} {bytes} {change} {engine} {tick} {half} {most} {plain}")
    }

    /// Reads what [`run`] printed.
    pub(crate) fn read(line: &str) -> Self {
        let figures: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [register, bytes, change, engine, tick, half, most, plain] = figures[..] else {
            panic!("not figures: {line}");
        };
        Self { register, bytes, change, engine, tick, client: [half, most], plain }
    }
}
