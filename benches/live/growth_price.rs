//! What a watched table costs its writers after minutes of writing, while a node follows it.

use std::time::Duration;
use std::time::Instant;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::runtime::Runtime;

use crate::live::figures::median;
use crate::live::fixture;
use crate::live::fixture::Watch;
use crate::live::growth::Subject;
use crate::live::machine;
use crate::live::postgres_price::Bell;
use crate::live::postgres_price::INSERT;
use crate::live::postgres_price::INSERT_MANY;
use crate::live::postgres_price::Writers;
use crate::live::price::take_turns;
use crate::live::serve::Serving;
use crate::live::support::cluster::Cluster;
use crate::live::support::cluster::Database;

/// How long a turn is.
const EACH: Duration = Duration::from_millis(500);

/// How long from one row to the next under load, in each of the two tables.
const PERIOD: Duration = Duration::from_millis(10);

/// A table that is watched and followed, and one that is not watched.
pub(crate) struct Price {
    databases: [Database; 2],
    serving: Serving,
}

impl Price {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let [plain, watched] = std::array::from_fn(|_| cluster.create_database());
        fixture::prepare(plain.url(), Watch::Off).await;
        fixture::prepare(watched.url(), Watch::On).await;
        let serving = Serving::ours("serve", watched.url()).await;
        Self { databases: [plain, watched], serving }
    }
}

impl Subject for Price {
    fn names(&self) -> Vec<String> {
        [INSERT, INSERT_MANY].map(|work| format!("price: {}", work.name)).to_vec()
    }

    fn measure(&mut self, runtime: &Runtime) -> Vec<String> {
        let mut prices = Vec::new();
        for work in [INSERT, INSERT_MANY] {
            let mut writers = Vec::new();
            for database in &self.databases {
                let connecting = Writers::connect(database.url(), Bell::Rung, 1, work);
                writers.push(runtime.block_on(connecting));
            }
            let figures = take_turns(&mut writers, |writers| runtime.block_on(writers.turn(EACH)));
            let [plain, watched] = [0, 1].map(|place: usize| median(&figures[place]));
            prices.push(format!("{:.2}× ({watched:.0} rows/s)", plain / watched));
        }
        prices
    }

    fn load(&mut self, long: Duration) -> LocalBoxFuture<'_, ()> {
        async move {
            let [plain, watched] = &self.databases;
            let plain = Writers::connect(plain.url(), Bell::Rung, 1, INSERT).await;
            let watched = Writers::connect(watched.url(), Bell::Rung, 1, INSERT).await;
            let end = Instant::now() + long;
            let mut pace = tokio::time::interval(PERIOD);
            while Instant::now() < end {
                pace.tick().await;
                plain.once().await;
                watched.once().await;
            }
        }
        .boxed_local()
    }

    fn memory(&self) -> usize {
        machine::resident_tree(self.serving.pid) / 1024
    }
}
