//! How much of the server one client may use, and how much all of them.

use std::time::Duration;

/// Bounds that keep one client from harming the others.
///
/// # Examples
///
/// ```
/// use recto::live::server::Limits;
///
/// let strict = Limits { mutations_per_second: 5, ..Limits::default() };
/// assert_eq!(strict.channels, 100);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message a client may send, in bytes; more closes the socket with 1009. Default
    /// 1 MiB: forms and query sets are a thousandth of it, and files travel better over HTTP.
    pub frame_bytes: usize,
    /// How many channels a socket may have. Default 100, as in Phoenix.
    pub channels: usize,
    /// How many queries a channel may have. Default 100: a page shows a dozen.
    pub queries_per_channel: usize,
    /// How many queries a socket may have in all its channels. Default 1,000: ten such channels, and
    /// less than a megabyte of bookkeeping.
    pub queries: usize,
    /// How many joins and requests for queries a socket may send in a second, and at once; more are
    /// refused as `rate_limited`. Default 100: a page that opens all the channels it may has them at
    /// once, and a loop gone wrong costs little.
    pub joins_per_second: u32,
    /// How many mutations and requests for queries a socket may have unanswered; more are refused as
    /// `overloaded`. Default 128: the JavaScript client lets 100 mutations wait.
    pub pending: usize,
    /// How many mutations a socket may send in a second, and at once; more are refused as
    /// `rate_limited`. Default 100: nobody clicks as fast, and a loop gone wrong does no harm.
    pub mutations_per_second: u32,
    /// How long a client may be silent before its socket is closed with 1001. Default 60 s, as in
    /// Phoenix: its clients send a heartbeat every 30 s.
    pub idle: Duration,
    /// How long a client may take no bytes although some wait for it; then it is dropped, with
    /// 1013 where that can be said. Default 30 s: a phone in a tunnel comes back sooner.
    pub stalled: Duration,
    /// How many bytes may wait for one client; beyond it its socket is closed with 1013. Default
    /// 32 MiB: it must hold the largest answer that anybody asks for, once.
    pub socket_bytes: usize,
    /// How many bytes may wait for all clients together; beyond it those that took nothing for longest
    /// are closed with 1013. Default 512 MiB: a fraction of the memory of a machine that holds as
    /// many sockets, and 10 KiB for each of them.
    pub all_bytes: usize,
    /// How many sockets there may be; more are turned away with 503. Default 50,000: half a
    /// gigabyte of idle sockets.
    pub sockets: usize,
    /// How long a connection may take to send the head of its request. Default 10 s.
    pub handshake: Duration,
    /// How many sockets a shutdown closes at once. Default 100: official clients come back after
    /// 10 ms, all of them, and meet somebody who has to load what they show.
    pub drain_batch: usize,
    /// How long a shutdown waits between two batches. Default 50 ms.
    pub drain_pause: Duration,
    /// How long a shutdown may take to ask all sockets to close; batches grow to keep it. Default
    /// 10 s: what most platforms allow between a signal and the end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 1 << 20,
            channels: 100,
            queries_per_channel: 100,
            queries: 1000,
            joins_per_second: 100,
            pending: 128,
            mutations_per_second: 100,
            idle: Duration::from_mins(1),
            stalled: Duration::from_secs(30),
            socket_bytes: 32 << 20,
            all_bytes: 512 << 20,
            sockets: 50_000,
            handshake: Duration::from_secs(10),
            drain_batch: 100,
            drain_pause: Duration::from_millis(50),
            drain: Duration::from_secs(10),
        }
    }
}
