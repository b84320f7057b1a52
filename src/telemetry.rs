//! Names of spans, events and fields; nothing else.
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
