//! Names of spans, events, fields and metrics; nothing else.
//!
//! Names are constants so that a dashboard built on them survives a refactoring.

/// One statement sent to a database.
pub const QUERY: &str = "recto.query";
/// One transaction, from `BEGIN` to the answer of `COMMIT`.
pub const TRANSACT: &str = "recto.transact";
/// One tick of the live engine.
pub const TICK: &str = "recto.live.tick";
/// One client's socket.
pub const SOCKET: &str = "recto.socket";
/// One handler that says what a query asks.
pub const ASK: &str = "recto.socket.ask";
/// One mutation that a client sent.
pub const MUTATE: &str = "recto.socket.mutate";

/// Histogram: how long a tick took, in seconds.
pub const TICK_SECONDS: &str = "recto_live_tick_seconds";
/// Gauge: for how long live results have been behind the database, in seconds; 0 when they are not.
pub const LAG_SECONDS: &str = "recto_live_lag_seconds";
/// Counter: ticks that came to their end.
pub const TICKS: &str = "recto_live_ticks_total";
/// Counter: ticks that broke off.
pub const BROKEN_TICKS: &str = "recto_live_broken_ticks_total";
/// Counter: ticks at which everything was asked again.
pub const LOST_TICKS: &str = "recto_live_lost_ticks_total";
/// Counter: heartbeats that brought news which no doorbell had announced.
pub const MISSED_WAKES: &str = "recto_live_missed_wakes_total";
/// Counter: rows that were touched, by key.
pub const CHANGES: &str = "recto_live_changes_total";
/// Counter: first reads of results.
pub const LOADS: &str = "recto_live_loads_total";
/// Counter: results that were asked again in a tick.
pub const RERUNS: &str = "recto_live_reruns_total";
/// Counter: steps of results, each one patch however many get it.
pub const PATCHES: &str = "recto_live_patches_total";
/// Counter: patches times those who got them.
pub const DELIVERIES: &str = "recto_live_deliveries_total";
/// Counter: clients that came back, or were slow, and were led on by steps.
pub const RING_HITS: &str = "recto_live_ring_hits_total";
/// Counter: answers with all rows.
pub const SNAPSHOTS: &str = "recto_live_snapshots_total";
/// Gauge: live results.
pub const RESULTS: &str = "recto_live_results";
/// Gauge: sets of live queries, one for each channel or query in this process.
pub const CLIENTS: &str = "recto_live_clients";
/// Gauge: open sockets.
pub const SOCKETS: &str = "recto_sockets";
/// Gauge: bytes that wait for clients to take them.
pub const WAITING_BYTES: &str = "recto_sockets_waiting_bytes";
/// Counter: messages sent to clients.
pub const SENT_FRAMES: &str = "recto_sockets_sent_frames_total";
/// Counter: bytes that clients took.
pub const SENT_BYTES: &str = "recto_sockets_sent_bytes_total";
/// Counter: clients that were given up because they were slow.
pub const SLOW: &str = "recto_sockets_slow_total";
/// Counter: those of them that went because too much waited for all together.
pub const SHED: &str = "recto_sockets_shed_total";
/// Label: the shape of a question, as SQL without its parameters.
pub const SHAPE: &str = "shape";
/// Counter: results of one shape that were asked again; labelled with the shape.
pub const SHAPE_RERUNS: &str = "recto_live_shape_reruns_total";
