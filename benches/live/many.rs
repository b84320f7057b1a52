//! Many live results of one shape in a process of its own: what they cost to have, and what a change
//! costs that touches few of them.
//!
//! Everything goes through the crate's public doors; the feed is the crate's own with a clock around
//! it. Prints one line of figures.

use std::ops::Range;
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
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio::time::timeout;

use crate::live::control::Control;
use crate::live::figures::Spread;
use crate::live::figures::nanos;
use crate::live::figures::scatter;
use crate::live::machine;
use crate::live::shapes;
use crate::live::shapes::Shape;
use crate::live::timed::Timed;
use crate::live::timed::Timing;

/// How many clients share the results: always so many, so that a transaction of many changes tells
/// as many clients however many results there are.
const CLIENTS: u64 = 100;

/// How many questions one request holds.
const REQUEST: u64 = 1000;

/// Changes that come one by one, and transactions of many.
const SINGLES: u64 = 300;
const BATCHES: u64 = 40;
const BATCH: usize = 100;

/// How long it takes until nothing is on its way any more.
const QUIET: Duration = Duration::from_millis(500);

/// Greater than all scores that there are at first.
const GREATEST: u64 = 1_000_000_000;

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

/// What to do when the first figures are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing more.
    End,
    /// What is ordered: `load MILLISECONDS PERIOD` or `measure`, over a connection to where it says.
    Obey,
}

/// Measures `results` of a shape, with so many items for each user.
pub(crate) fn run(shape: &str, results: &str, items: &str, url: &str, then: Then) {
    let shape = Shape::ALL.into_iter().find(|known| known.word() == shape);
    let shape = shape.expect("it is one of those");
    let [results, items] = [results, items].map(|text| text.parse().expect("it is a number"));
    let measured = machine::runtime().block_on(async {
        let (mut many, figures) = Many::register(shape, results, items, url).await?;
        println!("{}", many.measure(figures).await?.line());
        match then {
            Then::End => {}
            Then::Obey => many.obey().await?,
        }
        Ok::<(), Error>(())
    });
    if let Err(error) = measured {
        panic!("{} results: {}", shape.word(), error.chain());
    }
}

/// Results that are there, and everything that hears of them.
struct Many {
    repo: Repo,
    live: Live,
    shape: Shape,
    results: u64,
    /// How many items there are.
    rows: u64,
    timings: mpsc::UnboundedReceiver<Timing>,
    heard: mpsc::UnboundedReceiver<Instant>,
    watchers: JoinSet<()>,
    /// The number of the next change.
    number: u64,
}

impl Many {
    async fn register(
        shape: Shape,
        results: u64,
        items: u64,
        url: &str,
    ) -> Result<(Self, Figures), Error> {
        let repo = Repo::connect(url).await?;
        let rows = shapes::prepare(&repo, shape, results, items).await?;
        let (feed, timings) = Timed::new(LogFeed::connect(repo.clone()).await?);
        let mut config = Config::default();
        config.most_results = usize::MAX;
        let live = Live::start_on(&repo, config, feed).await?;
        let before = machine::resident(std::process::id());
        let (began, mut watchers) = (Instant::now(), JoinSet::new());
        let (told, heard) = mpsc::unbounded_channel();
        for part in 0..CLIENTS {
            let numbers = 1 + part * results / CLIENTS..1 + (part + 1) * results / CLIENTS;
            let client = ask(&live, shape, numbers).await?;
            watchers.spawn(listen(client, told.clone()));
        }
        let register = began.elapsed().as_secs_f64() * 1000.0;
        let grown = machine::resident(std::process::id()).saturating_sub(before) * 1024;
        #[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
        let bytes = grown as f64 / results as f64;
        let figures = Figures { register, bytes, ..Figures::default() };
        let number = 0;
        Ok((Self { repo, live, shape, results, rows, timings, heard, watchers, number }, figures))
    }

    /// Does what it is told until nobody tells it any more.
    async fn obey(&mut self) -> Result<(), Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it listens");
        println!("ready {address} {}", std::process::id());
        let mut control = Control::accept(listener).await;
        while let Some(order) = control.hear().await {
            let words: Vec<&str> = order.split(' ').collect();
            match words[..] {
                ["measure"] => {
                    let figures = self.measure(Figures::default()).await?;
                    control.say(&figures.line()).await;
                }
                ["load", long, period] => {
                    let millis = |text: &str| text.parse().map(Duration::from_millis);
                    let [long, period] = [long, period].map(|text| millis(text).expect("a number"));
                    self.load(long, period).await?;
                    control.say("done").await;
                }
                _ => panic!("`{order}` is not an order"),
            }
        }
        Ok(())
    }

    /// Changes rows one by one, then many at once, and runs the plain query beside.
    async fn measure(&mut self, figures: Figures) -> Result<Figures, Error> {
        let (mut clients, mut engines, mut ticks) = (Vec::new(), Vec::new(), Vec::new());
        // News of what went before is not to be taken for that of what comes.
        tokio::time::sleep(QUIET).await;
        while self.timings.try_recv().is_ok() || self.heard.try_recv().is_ok() {}
        for _ in 0..SINGLES {
            self.change(1).await?;
            let committed = Instant::now();
            let at: Instant = next(&mut self.heard).await;
            clients.push(nanos(at.saturating_duration_since(committed)));
            let Timing { engine, whole, .. } = next(&mut self.timings).await;
            engines.push(nanos(engine));
            ticks.push(nanos(whole));
        }
        let mut changes = Vec::new();
        for _ in 0..BATCHES {
            self.change(BATCH).await?;
            let Timing { changes: count, engine, .. } = next(&mut self.timings).await;
            changes.push(nanos(engine) / i64::try_from(count).expect("it is small"));
        }
        let mut plains = Vec::new();
        for number in 0..SINGLES {
            let results = i64::try_from(self.results).expect("nobody counts so far");
            let began = Instant::now();
            self.shape.read(&self.repo, 1 + scatter(number, results)).await?;
            plains.push(nanos(began.elapsed()));
        }
        let client = Spread::of(clients);
        let half = |figures| Spread::of(figures).at(50) / 1000.0;
        Ok(Figures {
            change: half(changes),
            engine: half(engines),
            tick: half(ticks),
            client: [50, 99].map(|part| client.at(part) / 1000.0),
            plain: half(plains),
            ..figures
        })
    }

    /// Changes a hundred rows once in a while, and each time a client comes, asks for everything it
    /// may, and goes.
    async fn load(&mut self, long: Duration, period: Duration) -> Result<(), Error> {
        let end = Instant::now() + long;
        let mut pace = tokio::time::interval(period);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            pace.tick().await;
            self.change(BATCH).await?;
            let last = self.results.min(REQUEST);
            let visitor = ask(&self.live, self.shape, 1..last + 1).await?;
            drop(visitor);
            while self.timings.try_recv().is_ok() || self.heard.try_recv().is_ok() {}
            assert!(!self.watchers.is_empty(), "those who watch stay");
        }
        Ok(())
    }

    /// Makes the scores of some rows the greatest, in one transaction: whoever has but the greatest of
    /// many hears of it, however often they were changed before.
    async fn change(&mut self, count: usize) -> Result<(), Error> {
        let rows = i64::try_from(self.rows).expect("nobody counts so far");
        let number = self.number;
        self.number += 1;
        let id = |place| (1 + scatter(number * 1_000_003 + place, rows)).to_string();
        let ids: Vec<String> = (0..count as u64).map(id).collect();
        let sql = format!(
            "update items set score = {} where id in ({})",
            GREATEST + number,
            ids.join(", ")
        );
        self.repo.batch_sql(&sql).await
    }
}

/// Lets a client ask its questions, and waits until all are answered.
async fn ask(live: &Live, shape: Shape, numbers: Range<u64>) -> Result<LiveClient, Error> {
    let client = live.client().await?;
    let wanted = |number: u64| {
        let ast = shape.ask(i64::try_from(number).expect("nobody counts so far"));
        Wanted { name: Arc::from(number.to_string()), ast, since: None }
    };
    for first in numbers.clone().step_by(usize::try_from(REQUEST).expect("it is small")) {
        let some = first..(first + REQUEST).min(numbers.end);
        client.add(first, some.map(wanted).collect()).await?;
        loop {
            let event = timeout(BOUND, client.next()).await.expect("a request is answered");
            if let Event::Loaded { answers, .. } = event {
                let are_there = |(_, answer): &_| matches!(answer, Answer::Snapshot(_));
                assert!(answers.iter().all(are_there), "one was refused: {:?}", answers[0].1);
                break;
            }
        }
    }
    Ok(client)
}

/// Says when something moved.
async fn listen(client: LiveClient, heard: mpsc::UnboundedSender<Instant>) {
    loop {
        if matches!(client.next().await, Event::Closed) || heard.send(Instant::now()).is_err() {
            return;
        }
    }
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
