//! Those who watch: each a WebSocket with `messages.latest` of one room.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::live::figures::now;
use crate::live::fixture::MARK;
use crate::live::socket::Socket;

/// Half of what the server has patience for.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What one of them was told.
pub(crate) struct Heard {
    pub(crate) room: i64,
    /// Which messages, and when.
    pub(crate) arrivals: Vec<(u64, i64)>,
    /// How often the server gave up on steps and sent everything anew.
    pub(crate) resets: usize,
}

/// Everybody who watches.
pub(crate) struct Crowd {
    watchers: JoinSet<Heard>,
    heard: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
}

impl Crowd {
    /// Lets `count` clients watch, spread over the first `rooms` rooms.
    pub(crate) async fn gather(address: &str, count: usize, rooms: i64) -> Self {
        let heard = Arc::<AtomicU64>::default();
        let (stop, stopped) = watch::channel(false);
        let mut watchers = JoinSet::new();
        for room in (1..=rooms).cycle().take(count) {
            let queries = json!({"m": {"q": "messages.latest", "args": {"room_id": room}}});
            let socket = Socket::join(address, "", queries).await;
            watchers.spawn(watch(socket, room, Arc::clone(&heard), stopped.clone()));
        }
        Self { watchers, heard, stop }
    }

    /// How many messages arrived, counted once for each who heard it.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Sends everybody home, and asks what they heard.
    pub(crate) async fn leave(self) -> Vec<Heard> {
        self.stop.send_replace(true);
        self.watchers.join_all().await
    }
}

async fn watch(
    mut socket: Socket,
    room: i64,
    count: Arc<AtomicU64>,
    mut stopped: watch::Receiver<bool>,
) -> Heard {
    let mut heard = Heard { room, arrivals: Vec::new(), resets: 0 };
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let text = tokio::select! {
            text = socket.hear() => text,
            _ = heartbeat.tick() => {
                socket.heartbeat().await;
                continue;
            }
            _ = stopped.changed() => return heard,
        };
        let at = now();
        let before = heard.arrivals.len();
        heard.arrivals.extend(ids(&text).map(|id| (id, at)));
        heard.resets += usize::from(text.starts_with("[\"1\",null,\"live:bench\",\"reset\""));
        let more = heard.arrivals.len() - before;
        count.fetch_add(u64::try_from(more).expect("a frame is not that long"), Ordering::Relaxed);
    }
}

/// The messages in a frame that are ours.
fn ids(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.split(MARK).skip(1).map(|rest| {
        let digits = rest.split(' ').next().unwrap_or_default();
        digits.parse().expect("the number of a message follows its mark")
    })
}
