//! A feed with a clock: how long each tick took, and how much of that was the database.

use std::collections::HashSet;
use std::time::Duration;
use std::time::Instant;

use recto::adapter::Statement;
use recto::live::feed::Feed;
use recto::live::feed::Keys;
use recto::live::feed::Order;
use recto::live::feed::Outcome;
use recto::live::feed::Tick;
use recto::prelude::*;
use recto::schema::Table;
use recto::value::Key;
use recto::value::Row;
use tokio::sync::mpsc;

/// What one tick took that brought changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// How many rows were touched.
    pub(crate) changes: usize,
    /// The engine: finding results, folding, telling clients.
    pub(crate) engine: Duration,
    /// All of it, with every question to the database.
    pub(crate) whole: Duration,
}

/// Passes everything on to another feed.
#[derive(Debug)]
pub(crate) struct Timed<F> {
    inner: F,
    timings: mpsc::UnboundedSender<Timing>,
    began: Instant,
    given: Instant,
    reads: Duration,
    changes: usize,
}

impl<F> Timed<F> {
    pub(crate) fn new(inner: F) -> (Self, mpsc::UnboundedReceiver<Timing>) {
        let (timings, received) = mpsc::unbounded_channel();
        let now = Instant::now();
        (
            Self { inner, timings, began: now, given: now, reads: Duration::ZERO, changes: 0 },
            received,
        )
    }
}

impl<F: Feed> Feed for Timed<F> {
    async fn tick(&mut self) -> Result<Tick, Error> {
        self.began = Instant::now();
        let tick = self.inner.tick().await?;
        let count = |keys: &Keys| match keys {
            Keys::Some(keys) => keys.len(),
            Keys::All => 0,
        };
        self.changes = tick.touched.values().map(count).sum();
        self.reads = Duration::ZERO;
        self.given = Instant::now();
        Ok(tick)
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, Error> {
        let began = Instant::now();
        let read = self.inner.read(statements).await;
        self.reads += began.elapsed();
        read
    }

    async fn rows(
        &mut self,
        table: &'static Table,
        keys: &HashSet<Key>,
    ) -> Result<Vec<Row>, Error> {
        let began = Instant::now();
        let rows = self.inner.rows(table, keys).await;
        self.reads += began.elapsed();
        rows
    }

    async fn arrange(&mut self, order: Order) -> Result<Option<u64>, Error> {
        self.inner.arrange(order).await
    }

    async fn end(&mut self, outcome: Outcome) {
        let engine = self.given.elapsed().saturating_sub(self.reads);
        self.inner.end(outcome).await;
        if 0 < self.changes {
            let (changes, whole) = (self.changes, self.began.elapsed());
            // Whoever listens has enough at some time.
            let _ = self.timings.send(Timing { changes, engine, whole });
        }
    }
}
