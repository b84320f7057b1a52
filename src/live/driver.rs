//! The shell around the engine: waits for whatever may wake it, reads what it asks for, one tick at
//! a time.
//!
//! **Invariant:** one task owns the engine; nobody else touches it. Loads run beside it and never
//! hold it up.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;

use super::Audit;
use super::Config;
use super::changes::Changes;
use super::client::Command;
use super::client::Leavers;
use super::engine::Ask;
use super::engine::Engine;
use super::engine::Growth;
use super::engine::Load;
use super::engine::Loaded;
use super::engine::Touched;
use super::feed::Feed;
use super::feed::Keys;
use super::feed::News;
use super::feed::Outcome;
use super::feed::Tick;
use super::feed::attention::Attention;
use super::feed::nap::Napper;
use super::feed::nap::until;
use super::feed::retention::Retention;
use super::feed::retention::remove_before;
use super::feed::source::plain;
use super::feed::source::read_at_one_state;
use super::feed::wake::Doorbell;
use super::health::Health;
use super::health::Pulse;
use super::meter;
use super::stats::Counters;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::repo::Repo;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Row;

/// The wait after a tick that failed, doubled up to the heartbeat.
const RETRY: Duration = Duration::from_millis(50);

type Ended = (Load, Loaded);

/// Drives one engine with one feed.
pub(crate) struct Driver<F> {
    pub(crate) engine: Engine,
    pub(crate) feed: F,
    pub(crate) repo: Repo,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) leavers: Arc<Leavers>,
    pub(crate) doorbell: Doorbell,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) changes: Changes,
    pub(crate) config: Config,
    pub(crate) loads: JoinSet<Ended>,
    pub(crate) removal: JoinSet<()>,
    pub(crate) retention: Retention,
    /// Results are asked one by one, because asking them together has failed.
    pub(crate) is_careful: bool,
    /// Schemas whose rows cannot be read from their tables as these are now.
    pub(crate) unreadable: Vec<&'static Table>,
    pub(crate) counters: Arc<Counters>,
    /// A heartbeat brought news, and no doorbell rang since.
    pub(crate) unannounced: bool,
    pub(crate) attention: Attention,
    pub(crate) napper: Napper,
    /// What the times of `attention` are since.
    pub(crate) started: Instant,
}

/// What can wake the driver.
enum Wake {
    Command(Command),
    Rung,
    Heartbeat,
    /// Nobody rings, or not all do.
    Look,
    Loaded(Box<Ended>),
    Stopped,
}

fn heartbeat(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

impl<F> Drop for Driver<F> {
    fn drop(&mut self) {
        self.engine.close();
        self.changes.close();
    }
}

impl<F: Feed> Driver<F> {
    /// Runs until the last handle is gone.
    pub(crate) async fn run(mut self) {
        let mut heartbeat = heartbeat(self.config.heartbeat);
        let mut failures = 0_u32;
        let mut is_again = false;
        loop {
            let mut is_heartbeat = false;
            // Nobody has rung: whoever waits for a bell that is dead goes on waiting.
            let wake = if is_again { Wake::Look } else { self.wake(&mut heartbeat).await };
            is_again = false;
            let mut wants_tick = match wake {
                Wake::Command(command) => {
                    self.engine.command(command);
                    false
                }
                Wake::Rung => {
                    self.unannounced = false;
                    let now = self.started.elapsed();
                    self.attention.rang(now, self.doorbell.rings());
                    true
                }
                Wake::Look => true,
                Wake::Heartbeat => {
                    is_heartbeat = true;
                    self.heartbeat();
                    true
                }
                Wake::Loaded(ended) => {
                    let (load, loaded) = *ended;
                    self.engine.loaded(load, loaded);
                    false
                }
                Wake::Stopped => break,
            };
            self.take_waiting_commands();
            self.start_loads();
            wants_tick |= self.engine.wants_tick();
            if !wants_tick {
                continue;
            }
            let began = Instant::now();
            let was_listening = self.attention.is_listening();
            let ticked = self.tick().await;
            let lag = match self.pulse.health(std::time::Instant::now()) {
                Health::Healthy | Health::Reloading => Duration::ZERO,
                Health::Behind(duration) => duration,
            };
            meter::engine(began.elapsed(), lag, &self.counters.read());
            match ticked {
                Ok(has_news) => {
                    failures = 0;
                    // What the tick found to be read too early is read again.
                    self.start_loads();
                    self.unannounced |= is_heartbeat && has_news && was_listening;
                    is_again = self.engine.wants_another_tick();
                }
                Err(error) => {
                    failures += 1;
                    self.failed(&error, failures).await;
                }
            }
        }
    }

    async fn wake(&mut self, heartbeat: &mut Interval) -> Wake {
        let look = self.attention.next().map(|next| self.started + next);
        tokio::select! {
            command = self.commands.recv() => command.map_or(Wake::Stopped, Wake::Command),
            () = self.doorbell.rung() => Wake::Rung,
            _ = heartbeat.tick() => Wake::Heartbeat,
            () = until(look.unwrap_or_else(Instant::now), &mut self.napper), if look.is_some() => Wake::Look,
            Some(ended) = self.loads.join_next() => {
                // Loads catch their panics, and nobody aborts them.
                ended.map_or(Wake::Rung, |ended| Wake::Loaded(Box::new(ended)))
            }
        }
    }

    fn take_waiting_commands(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.engine.command(command);
        }
        for client in self.leavers.take() {
            self.engine.disconnect(client);
        }
        while let Some(Ok((load, loaded))) = self.loads.try_join_next() {
            self.engine.loaded(load, loaded);
        }
        self.engine.answer_asked();
    }

    fn start_loads(&mut self) {
        while self.loads.len() < self.config.loads.max(1)
            && let Some(load) = self.engine.take_load()
        {
            let (repo, statements) = (self.repo.clone(), load.statements());
            self.loads.spawn(async move {
                let read = AssertUnwindSafe(read_at_one_state(&repo, statements)).catch_unwind();
                let panicked = || Err(Error::invalid("reading a live query panicked"));
                (load, read.await.unwrap_or_else(|_| panicked()))
            });
        }
    }

    async fn failed(&mut self, error: &Error, failures: u32) {
        tracing::warn!(error = %error.chain(), failures, "a tick broke off");
        Counters::count(&self.counters.broken_ticks);
        self.engine.broke_off();
        self.feed.end(Outcome::BrokeOff).await;
        self.pulse.broke_off();
        let pause = RETRY.saturating_mul(1 << failures.min(5)).min(self.config.heartbeat);
        // The bell may have rung for what this tick missed.
        self.doorbell.ring();
        tokio::time::sleep(pause).await;
    }

    /// Once a heartbeat: lets go what nobody wants, and sees to a doorbell that does not ring.
    fn heartbeat(&mut self) {
        self.engine.heartbeat();
        for (sql, reruns) in self.engine.reruns() {
            meter::shape(&sql, reruns);
        }
        if std::mem::take(&mut self.unannounced) {
            Counters::count(&self.counters.missed_wakes);
            self.doorbell.rehang();
        }
    }

    /// One tick; says whether it brought news.
    async fn tick(&mut self) -> Result<bool> {
        let is_ours = self.doorbell.is_ours();
        let ticked = self.tick_through(is_ours).await;
        if is_ours {
            self.doorbell.tell_others();
        }
        ticked
    }

    async fn tick_through(&mut self, is_ours: bool) -> Result<bool> {
        let began = Instant::now();
        let mut tick = self.feed.tick().await?;
        if tick.news == News::Lost {
            self.pulse.reloads();
        }
        if let Some(from) = self.engine.oldest_return(tick.life) {
            let log = self.feed.since(from).await?;
            self.engine.hear_log(log);
        }
        self.engine.begin(&mut tick);
        let touched = self.read_touched(&mut tick).await?;
        let mut asks = self.engine.fold(&tick, &touched);
        while !asks.is_empty() {
            self.ask(asks).await?;
            asks = self.engine.more();
        }
        self.is_careful = false;
        if let Some(audit) = self.config.audit.clone() {
            self.audit(&audit).await?;
        }
        self.engine.finish();
        self.changes.publish(&tick, touched);
        self.feed.end(Outcome::Done).await;
        self.pulse.ended(began.into_std(), self.engine.version());
        self.retain(&tick);
        self.count(&tick);
        let has_news = !tick.touched.is_empty();
        self.attend(began, &tick, is_ours).await?;
        Ok(has_news)
    }

    /// Sees to it that others ring when they write, or that we look.
    async fn attend(&mut self, began: Instant, tick: &Tick, is_ours: bool) -> Result<()> {
        let Some(order) = self.attention.ticked(began - self.started, tick, is_ours) else {
            return Ok(());
        };
        match self.feed.arrange(order).await {
            Ok(mark) => self.attention.arranged(mark),
            Err(error) if error.kind() == ErrorKind::Invalid => {
                tracing::warn!(error = %error.chain(), "others are not told whether to ring");
                self.attention.refused();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn count(&self, tick: &Tick) {
        Counters::count(&self.counters.ticks);
        if tick.news == News::Lost {
            Counters::count(&self.counters.lost_ticks);
        }
        let touched = tick.touched.values().map(|keys| match keys {
            Keys::Some(keys) => keys.len() as u64,
            Keys::All => 0,
        });
        self.counters.changes.fetch_add(touched.sum(), Ordering::Relaxed);
        *self.counters.counts.lock().expect("no holder of this lock panics") = self.engine.counts();
        let (results, clients) = self.engine.sizes();
        Counters::set(&self.counters.results, results);
        Counters::set(&self.counters.clients, clients);
    }

    /// Reads the touched rows of every schema that somebody follows, once for all. Where rows cannot
    /// be read, because the table has changed, any row counts as touched: each result that rests on
    /// the table is then asked again, and says itself whether it can be had.
    async fn read_touched(&mut self, tick: &mut Tick) -> Result<Touched> {
        let mut schemas: Vec<&'static Table> = self.engine.schemas_to_read(tick);
        for table in self.changes.followed() {
            if !schemas.iter().any(|held| std::ptr::eq(*held, table)) {
                schemas.push(table);
            }
        }
        if tick.news == News::Lost {
            self.unreadable.clear();
        }
        let mut touched = Vec::new();
        for table in schemas {
            let Some(keys) = tick.touched.get(table.name) else { continue };
            let is_readable = !self.unreadable.iter().any(|held| std::ptr::eq(*held, table));
            let Some(keys) = keys.read(table).filter(|_| is_readable) else {
                tick.touched.insert(table.name.to_owned(), Keys::All);
                continue;
            };
            let rows = self.feed.rows(table, &keys).await.inspect_err(|error| {
                if error.kind() == ErrorKind::Invalid {
                    self.unreadable.push(table);
                }
            })?;
            touched.push((table, touches(table, &keys, rows)));
        }
        Ok(touched)
    }

    /// Reads everything that was asked, in one round trip.
    async fn ask(&mut self, asks: Vec<Ask>) -> Result<()> {
        if self.is_careful {
            return self.ask_one_by_one(asks).await;
        }
        let statements = asks.iter().flat_map(Ask::statements).cloned().collect();
        match self.feed.read(statements).await {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for ask in asks {
                    let own = answers.by_ref().take(ask.statements().len()).collect();
                    self.engine.take(ask, own);
                }
                Ok(())
            }
            Err(error) => {
                // One of them fails: the next tick finds out which.
                self.is_careful = is_of_the_query(&error);
                Err(error)
            }
        }
    }

    /// Asks one after the other, each behind a savepoint: one that fails ends, and takes neither the
    /// others nor the snapshot along. Where results of one shape were asked together, each is then
    /// asked for itself.
    async fn ask_one_by_one(&mut self, mut asks: Vec<Ask>) -> Result<()> {
        while let Some(ask) = asks.pop() {
            self.steer("savepoint recto_one").await?;
            match self.feed.read(ask.statements().to_vec()).await {
                Ok(answers) => self.engine.take(ask, answers),
                Err(error) if is_of_the_query(&error) => {
                    self.steer("rollback to recto_one").await?;
                    match ask {
                        Ask::Again(id, _) => self.engine.fail(id, error),
                        Ask::Tree(growth) => {
                            let each = self.engine.each(&growth);
                            if let ([id], true) = (growth.results(), each.is_empty()) {
                                self.engine.fail(*id, error);
                            }
                            asks.extend(each);
                        }
                        Ask::Many(..) | Ask::Touching { .. } => {
                            let instead = self.engine.instead(&ask);
                            if let Ask::Many(ids, _) = &ask {
                                self.engine.ask_apart(ids);
                            }
                            asks.extend(self.engine.each_again(&instead));
                        }
                    }
                }
                Err(error) => return Err(error),
            }
            self.steer("release recto_one").await?;
        }
        Ok(())
    }

    async fn steer(&mut self, sql: &str) -> Result<()> {
        self.feed.read(vec![plain(sql, Vec::new())]).await.map(drop)
    }

    /// Asks every live question plainly in the tick's snapshot, and shows both answers.
    async fn audit(&mut self, audit: &Audit) -> Result<()> {
        let questions = self.engine.questions();
        let statements = questions.iter().map(|(_, statement)| statement.clone()).collect();
        let answers = self.feed.read(statements).await?;
        let ids = questions.into_iter().map(|(id, _)| id);
        for (id, truth) in ids.zip(answers) {
            if let Some(audited) = self.engine.audited(id, truth) {
                audit.hear(audited);
            }
        }
        let mut trees = self.engine.trees();
        while trees.iter().any(|tree| !tree.statements().is_empty()) {
            let statements = trees.iter().flat_map(Growth::statements).cloned().collect();
            let mut answers = self.feed.read(statements).await?.into_iter();
            for tree in &mut trees {
                let own = answers.by_ref().take(tree.statements().len()).collect();
                tree.take(own, None);
            }
        }
        for (id, truth) in trees.into_iter().flat_map(Growth::finish) {
            if let Some(audited) = self.engine.audited(id, truth) {
                audit.hear(audited);
            }
        }
        Ok(())
    }

    fn retain(&mut self, tick: &Tick) {
        while self.removal.try_join_next().is_some() {}
        let old = self.retention.note(Instant::now(), &tick.position, self.config.retention);
        if let Some(old) = old
            && self.removal.is_empty()
        {
            let repo = self.repo.clone();
            self.removal.spawn(async move {
                if let Err(error) = remove_before(&repo, &old).await {
                    tracing::warn!(error = %error.chain(), "could not shorten the change log");
                }
            });
        }
    }
}

/// Whether an error is a query's own, rather than the database being away.
fn is_of_the_query(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Timeout(_))
}

/// Pairs keys with the rows they have; a key without a row is a row that is gone.
fn touches(table: &Table, keys: &HashSet<Key>, rows: Vec<Row>) -> Vec<(Key, Option<Row>)> {
    let mut gone: HashSet<&Key> = keys.iter().collect();
    let mut touches: Vec<(Key, Option<Row>)> = Vec::with_capacity(keys.len());
    for row in rows {
        let key = table.key_of(&row);
        gone.remove(&key);
        touches.push((key, Some(row)));
    }
    touches.extend(gone.into_iter().map(|key| (key.clone(), None)));
    touches
}
