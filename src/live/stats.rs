//! What the engine counts about itself.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::metrics::Counts;

/// What the engine did since it was started, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Ticks that came to their end.
    pub ticks: u64,
    /// Ticks that broke off, because the database was away or a query failed.
    pub broken_ticks: u64,
    /// Ticks at which everything was asked again: another epoch, another shape of the tables, a
    /// log that did not reach back.
    pub lost_ticks: u64,
    /// Heartbeats that brought news which no doorbell had announced.
    pub missed_wakes: u64,
    /// Rows that were touched, counted once a tick; not where so many were that the whole table
    /// counts as touched.
    pub changes: u64,
    /// What was done for results of all shapes together, those that are gone included.
    pub counts: Counts,
    /// Live results at present.
    pub results: u64,
    /// Clients at present.
    pub clients: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) ticks: AtomicU64,
    pub(crate) broken_ticks: AtomicU64,
    pub(crate) lost_ticks: AtomicU64,
    pub(crate) missed_wakes: AtomicU64,
    pub(crate) changes: AtomicU64,
    pub(crate) counts: Mutex<Counts>,
    pub(crate) results: AtomicU64,
    pub(crate) clients: AtomicU64,
}

impl Counters {
    /// One more.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// So many now.
    pub(crate) fn set(counter: &AtomicU64, number: usize) {
        counter.store(number as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            ticks: read(&self.ticks),
            broken_ticks: read(&self.broken_ticks),
            lost_ticks: read(&self.lost_ticks),
            missed_wakes: read(&self.missed_wakes),
            changes: read(&self.changes),
            counts: *self.counts.lock().expect("no holder of this lock panics"),
            results: read(&self.results),
            clients: read(&self.clients),
        }
    }
}
