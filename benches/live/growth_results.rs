//! Many results under minutes of load: what a change costs them, and what they hold.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::runtime::Runtime;

use crate::live::control::Control;
use crate::live::growth::Subject;
use crate::live::machine;
use crate::live::many::Figures;
use crate::live::serve::Serving;
use crate::live::shapes::Shape;
use crate::live::support::cluster::Cluster;
use crate::live::support::cluster::Database;
use crate::live::support::process::Scratch;

/// Results of one shape, in a process of their own.
pub(crate) struct Results {
    shape: Shape,
    name: String,
    serving: Serving,
    control: Control,
    /// How long from one transaction of a hundred changes to the next.
    period: Duration,
    _database: Option<Database>,
    _scratch: Scratch,
}

impl Results {
    /// On SQLite, or on PostgreSQL where there is a cluster.
    pub(crate) async fn start(shape: Shape, cluster: Option<&Cluster>) -> Self {
        let scratch = Scratch::new();
        let database = cluster.map(Cluster::create_database);
        let url = match &database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite://{}", scratch.path().join("many.db").display()),
        };
        let (results, items, period) = match shape {
            Shape::Rows | Shape::Window => ("10000", "1", Duration::from_millis(100)),
            Shape::Join | Shape::Aggregate => ("1000", "10", Duration::from_secs(1)),
            Shape::Tree => ("1000", "40", Duration::from_secs(1)),
        };
        let arguments = ["many-loaded", shape.word(), results, items, &url];
        let serving = Serving::again(&arguments).await;
        let control = Control::connect(&serving.address).await;
        let on = if database.is_some() { "PostgreSQL" } else { "SQLite" };
        let name = format!("{results} of {}, {on}", shape.name());
        Self { shape, name, serving, control, period, _database: database, _scratch: scratch }
    }
}

impl Subject for Results {
    fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn measure(&mut self, runtime: &Runtime) -> Vec<String> {
        let line = runtime.block_on(self.serving.order(&mut self.control, "measure"));
        let Figures { change, tick, .. } = Figures::read(&line);
        vec![format!("{change:.1} / {tick:.0} µs")]
    }

    fn load(&mut self, long: Duration) -> LocalBoxFuture<'_, ()> {
        async move {
            let order = format!("load {} {}", long.as_millis(), self.period.as_millis());
            let answer = self.serving.order(&mut self.control, &order).await;
            assert_eq!(answer, "done", "{}", self.shape.word());
        }
        .boxed_local()
    }

    fn memory(&self) -> usize {
        machine::resident(self.serving.pid) / 1024
    }
}
