//! Many sockets on one result under minutes of load: what a delivery costs, and what they hold.

use std::time::Duration;
use std::time::Instant;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::runtime::Runtime;

use crate::live::fanout;
use crate::live::fanout::Served;
use crate::live::fanout_crowd::Hello;
use crate::live::fanout_crowd::Listeners;
use crate::live::growth::Subject;
use crate::live::machine;

/// How many there are: the bare connections of the floor stand beside them.
const SOCKETS: usize = 2000;

/// How long a measurement takes.
const EACH: Duration = Duration::from_secs(3);

/// How long from one commit to the next under load.
const PERIOD: Duration = Duration::from_millis(250);

/// A server with one result, and the sockets on it.
pub(crate) struct Sockets {
    served: Served,
    listeners: Option<Listeners>,
    /// How long a frame is.
    length: u64,
}

impl Sockets {
    pub(crate) async fn start() -> Self {
        let mut served = Served::start().await;
        served.order("post 1").await;
        let length = fanout::length(&mut served).await;
        let mut this = Self { served, listeners: None, length };
        this.gather().await;
        this
    }

    /// Everybody leaves, and others come.
    async fn gather(&mut self) {
        drop(self.listeners.take());
        let address = &self.served.places.sockets;
        self.listeners = Some(Listeners::open(address, SOCKETS, Hello::Join).await);
    }

    async fn compare(&mut self) -> String {
        let (served, listeners) = (&mut self.served, &self.listeners);
        let listeners = listeners.as_ref().expect("somebody listens");
        let ours = fanout::deliver(served, listeners, SOCKETS, EACH, 1).await.0;
        let bare = fanout::open_bare(served, SOCKETS).await;
        let floor = fanout::write(served, &bare, SOCKETS, EACH, self.length, 1).await;
        drop(bare);
        served.order("hang-up").await;
        let share = 100.0 * floor.per_million / ours.per_million;
        format!("{:.0}/s, {share:.0} %", ours.per_second)
    }
}

impl Subject for Sockets {
    fn names(&self) -> Vec<String> {
        vec![format!("fan-out to {SOCKETS} sockets")]
    }

    fn measure(&mut self, runtime: &Runtime) -> Vec<String> {
        vec![runtime.block_on(self.compare())]
    }

    fn load(&mut self, long: Duration) -> LocalBoxFuture<'_, ()> {
        async move {
            let end = Instant::now() + long;
            let mut pace = tokio::time::interval(PERIOD);
            while Instant::now() < end {
                pace.tick().await;
                self.served.order("post 1").await;
            }
            self.gather().await;
        }
        .boxed_local()
    }

    fn memory(&self) -> usize {
        machine::resident(self.served.places.pid) / 1024
    }
}
