//! Gauges and counters through the `metrics` facade, for whoever installed a recorder.
//!
//! Everything is counted without it as well ([`Stats`], [`ShapeMetrics`](super::metrics::ShapeMetrics),
//! the server's own `Stats`); here the figures are handed on. Without the feature `metrics` nothing
//! is compiled but these signatures.

use std::time::Duration;

use super::stats::Stats;
#[cfg(feature = "metrics")]
use crate::telemetry;

/// Hands on what one tick took, and what the engine did so far. `lag` is for how long live results
/// have been behind.
#[cfg(feature = "metrics")]
pub(crate) fn engine(took: Duration, lag: Duration, stats: &Stats) {
    metrics::histogram!(telemetry::TICK_SECONDS).record(took);
    metrics::gauge!(telemetry::LAG_SECONDS).set(lag);
    for (name, value) in [
        (telemetry::TICKS, stats.ticks),
        (telemetry::BROKEN_TICKS, stats.broken_ticks),
        (telemetry::LOST_TICKS, stats.lost_ticks),
        (telemetry::MISSED_WAKES, stats.missed_wakes),
        (telemetry::CHANGES, stats.changes),
        (telemetry::LOADS, stats.counts.loads),
        (telemetry::RERUNS, stats.counts.reruns),
        (telemetry::PATCHES, stats.counts.steps),
        (telemetry::DELIVERIES, stats.counts.deliveries),
        (telemetry::RING_HITS, stats.counts.ring_hits),
        (telemetry::SNAPSHOTS, stats.counts.snapshots),
    ] {
        metrics::counter!(name).absolute(value);
    }
    metrics::gauge!(telemetry::RESULTS).set(float(stats.results));
    metrics::gauge!(telemetry::CLIENTS).set(float(stats.clients));
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn engine(_: Duration, _: Duration, _: &Stats) {}

/// Hands on how often results of one shape were asked again.
#[cfg(feature = "metrics")]
pub(crate) fn shape(sql: &str, reruns: u64) {
    metrics::counter!(telemetry::SHAPE_RERUNS, telemetry::SHAPE => sql.to_owned()).absolute(reruns);
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn shape(_: &str, _: u64) {}

/// Hands on how the sockets are.
#[cfg(all(feature = "metrics", feature = "server"))]
pub(crate) fn sockets(stats: &super::server::Stats) {
    metrics::gauge!(telemetry::SOCKETS).set(float(stats.sockets as u64));
    metrics::gauge!(telemetry::WAITING_BYTES).set(float(stats.waiting_bytes as u64));
    for (name, value) in [
        (telemetry::SENT_FRAMES, stats.sent_frames),
        (telemetry::SENT_BYTES, stats.sent_bytes),
        (telemetry::SLOW, stats.slow),
        (telemetry::SHED, stats.shed),
    ] {
        metrics::counter!(name).absolute(value);
    }
}

#[cfg(all(not(feature = "metrics"), feature = "server"))]
pub(crate) fn sockets(_: &super::server::Stats) {}

#[cfg(feature = "metrics")]
#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
fn float(count: u64) -> f64 {
    count as f64
}
