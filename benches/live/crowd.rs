//! Those who watch: each a WebSocket that hears of messages, whatever system sends them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;

use crate::live::figures::now;
use crate::live::fixture::MARK;
use crate::live::socket::Socket;
use crate::live::tongue::Tongue;

/// Half of what the server has patience for.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How many join at once.
const AT_THE_DOOR: usize = 8;

/// How long it may take until all are there.
const PATIENCE: Duration = Duration::from_mins(1);

/// What one of them was told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) rooms: Vec<i64>,
    /// Which messages, and when first.
    pub(crate) arrivals: Vec<(u64, i64)>,
    /// How often the server gave up on steps and sent everything anew.
    pub(crate) resets: usize,
    /// The server hung up.
    pub(crate) is_gone: bool,
    /// Messages that were heard of, since some systems tell everything every time.
    seen: HashSet<u64>,
}

/// Everybody who watches; dropping it sends them home.
pub(crate) struct Crowd {
    heard: Vec<Arc<Mutex<Heard>>>,
    count: Arc<AtomicU64>,
    _watchers: JoinSet<()>,
}

impl Crowd {
    /// Lets clients watch, each these rooms.
    ///
    /// # Errors
    ///
    /// How many were there when patience ended, or the server hung up, before all of them.
    pub(crate) async fn gather(
        tongue: Tongue,
        address: &str,
        rooms: Vec<Vec<i64>>,
    ) -> Result<Self, usize> {
        let joining = rooms.into_iter().enumerate().map(async |(number, rooms)| {
            let socket = tongue.join(address, number, &rooms).await?;
            Some((socket, rooms))
        });
        let count = Arc::<AtomicU64>::default();
        let (mut heard, mut watchers) = (Vec::new(), JoinSet::new());
        let everybody = async {
            let mut joined = futures::stream::iter(joining).buffer_unordered(AT_THE_DOOR);
            while let Some(one) = joined.next().await {
                let Some((socket, rooms)) = one else { return false };
                let own = Arc::new(Mutex::new(Heard { rooms, ..Heard::default() }));
                heard.push(Arc::clone(&own));
                watchers.spawn(watch(socket, own, Arc::clone(&count)));
            }
            true
        };
        match tokio::time::timeout(PATIENCE, everybody).await {
            Ok(true) => Ok(Self { heard, count, _watchers: watchers }),
            Ok(false) | Err(_) => Err(heard.len()),
        }
    }

    /// How many messages arrived, counted once for each who heard it.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until so many arrived; false where that takes too long.
    pub(crate) async fn reaches(&self, count: u64, bound: Duration) -> bool {
        let began = Instant::now();
        while self.count() < count && began.elapsed() < bound {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        count <= self.count()
    }

    /// How many listen to a room.
    pub(crate) fn listeners(&self, room: i64) -> usize {
        let listens = |heard: &&Arc<Mutex<Heard>>| lock(heard).rooms.contains(&room);
        self.heard.iter().filter(listens).count()
    }

    /// What everybody heard since the last call.
    pub(crate) fn take(&self) -> Vec<Heard> {
        let take = |heard: &Arc<Mutex<Heard>>| {
            let mut heard = lock(heard);
            Heard {
                rooms: heard.rooms.clone(),
                arrivals: std::mem::take(&mut heard.arrivals),
                resets: std::mem::take(&mut heard.resets),
                is_gone: heard.is_gone,
                seen: HashSet::new(),
            }
        };
        self.heard.iter().map(take).collect()
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().expect("no holder of this lock panics")
}

async fn watch(mut socket: Socket, heard: Arc<Mutex<Heard>>, count: Arc<AtomicU64>) {
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let text = tokio::select! {
            text = socket.hear() => text,
            _ = heartbeat.tick() => {
                socket.heartbeat().await;
                continue;
            }
        };
        let at = now();
        let mut heard = lock(&heard);
        let Some(text) = text else {
            heard.is_gone = true;
            return;
        };
        let mut news = 0;
        for id in ids(&text) {
            if heard.seen.insert(id) {
                heard.arrivals.push((id, at));
                news += 1;
            }
        }
        heard.resets += usize::from(text.starts_with("[\"1\",null,\"live:bench\",\"reset\""));
        count.fetch_add(news, Ordering::Relaxed);
    }
}

/// The messages in a frame that are ours.
fn ids(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.split(MARK).skip(1).map(|rest| {
        let digits = rest.split(' ').next().unwrap_or_default();
        digits.parse().expect("the number of a message follows its mark")
    })
}
