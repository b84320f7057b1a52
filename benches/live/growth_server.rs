//! A server under minutes of load: how long messages take, and what it holds.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::runtime::Runtime;

use crate::live::crowd::Crowd;
use crate::live::growth::Subject;
use crate::live::machine;
use crate::live::step::Step;
use crate::live::support::cluster::Cluster;
use crate::live::systems::By;
use crate::live::systems::Place;
use crate::live::systems::System;

/// How many subscribers it has, and how many inserts a second.
const SUBSCRIBERS: usize = 100;
const RATE: u32 = 100;

/// How long a measurement takes.
const EACH: Duration = Duration::from_secs(3);

/// A server, and those who watch.
pub(crate) struct Server {
    place: Place,
    crowd: Option<Crowd>,
}

impl Server {
    pub(crate) async fn start(system: System, cluster: &Cluster) -> Self {
        let place = Place::open(system, cluster).await;
        let mut this = Self { place, crowd: None };
        this.gather().await;
        this
    }

    /// Everybody leaves, and others come.
    async fn gather(&mut self) {
        drop(self.crowd.take());
        let crowd = self.place.gather(SUBSCRIBERS).await;
        let crowd = crowd.unwrap_or_else(|joined| panic!("{joined} of {SUBSCRIBERS} could join"));
        self.crowd = Some(crowd);
    }

    async fn step(&mut self, by: By, long: Duration) -> Step {
        let crowd = self.crowd.as_ref().expect("somebody watches");
        let step = Step::take(&mut self.place, crowd, by, RATE, long).await;
        assert_eq!(step.lost, 0, "messages were lost");
        step
    }
}

impl Subject for Server {
    fn names(&self) -> Vec<String> {
        vec![self.place.system.name().to_owned()]
    }

    fn measure(&mut self, runtime: &Runtime) -> Vec<String> {
        let spread = runtime.block_on(self.step(By::Others, EACH)).from_commit;
        vec![format!("{:.2} / {:.2} ms", spread.percentile(50), spread.percentile(99))]
    }

    fn load(&mut self, long: Duration) -> LocalBoxFuture<'_, ()> {
        async move {
            for by in [By::Others, By::Itself] {
                self.step(by, long / 2).await;
                self.gather().await;
            }
        }
        .boxed_local()
    }

    fn memory(&self) -> usize {
        machine::resident_tree(self.place.serving.pid) / 1024
    }
}
