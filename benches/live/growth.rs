//! What is left of speed and memory after minutes of load.

use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::future::join_all;
use tokio::runtime::Runtime;

use crate::live::growth_price::Price;
use crate::live::growth_results::Results;
use crate::live::growth_server::Server;
use crate::live::growth_sockets::Sockets;
use crate::live::machine;
use crate::live::machine::Meter;
use crate::live::report::Report;
use crate::live::report::share;
use crate::live::shapes::Shape;
use crate::live::support::cluster::Cluster;
use crate::live::systems::System;

/// The load comes in so many stretches, and memory is looked at after each.
const STRETCHES: u32 = 5;

const HOW: &str = "\
Everything is measured in turn, then loaded all at once, then measured again, in the same processes and on the same cluster. MiB
are those of the process before the load, after each fifth of it, and at the end. *Servers*: 100 inserts a second, by SQL and by
mutations in turns, to 100 WebSocket clients, all of whom leave and come anew ten times; milliseconds from commit to client, p50 /
p99. *Results*: 10,000 of the first two, 1,000 changes a second (1,000 of the others, 100 a second), while a client comes, asks a
thousand questions, and goes, again and again; microseconds of the engine for each change in transactions of 100, and the whole
tick of a single change. *Fan-out*: 2,000 sockets on one result, four commits a second, and all of them leave and come anew five
times; deliveries a second, and how many of the floor's there are for a processor second. *Price*: as under *writer's price*, on a
table that was written a hundred times a second meanwhile, with a node that follows it (whose memory is shown).";

/// Something that is measured, loaded, and measured again.
pub(crate) trait Subject {
    /// What is measured of it, a name for each figure.
    fn names(&self) -> Vec<String>;

    /// Measures: a figure for each name.
    fn measure(&mut self, runtime: &Runtime) -> Vec<String>;

    /// Is busy for so long.
    fn load(&mut self, long: Duration) -> LocalBoxFuture<'_, ()>;

    /// MiB that it holds.
    fn memory(&self) -> usize;
}

/// Loads everything for so long.
pub(crate) fn run(report: &mut Report, cluster: &Cluster, minutes: u64) {
    report.open("growth", HOW);
    report.say(&format!("{minutes} minutes of load. {}.", machine::databases(cluster)));
    report.head(&["", "MiB", "before", "after", "else"]);
    let runtime = machine::runtime();
    // Connections and clocks are its, wherever they are let go.
    let _inside = runtime.enter();
    let mut subjects: Vec<Box<dyn Subject>> = runtime.block_on(subjects(cluster));
    let meter = Meter::start();
    let measure = |subject: &mut Box<dyn Subject>| subject.measure(&runtime);
    let before: Vec<_> = subjects.iter_mut().map(measure).collect();
    let mut memory: Vec<Vec<String>> = vec![Vec::new(); subjects.len()];
    let look = |subjects: &[Box<dyn Subject>], memory: &mut [Vec<String>]| {
        for (subject, memory) in subjects.iter().zip(memory) {
            memory.push(subject.memory().to_string());
        }
    };
    look(&subjects, &mut memory);
    for _ in 0..STRETCHES {
        let stretch = Duration::from_mins(minutes) / STRETCHES;
        runtime.block_on(join_all(subjects.iter_mut().map(|subject| subject.load(stretch))));
        look(&subjects, &mut memory);
    }
    let after: Vec<_> = subjects.iter_mut().map(measure).collect();
    look(&subjects, &mut memory);
    let others = share(meter.others());
    for (place, subject) in subjects.iter().enumerate() {
        for (line, name) in subject.names().into_iter().enumerate() {
            // It has one memory, however much is measured of it.
            let memory = if line == 0 { memory[place].join(", ") } else { String::new() };
            let [before, after] = [&before, &after].map(|figures| figures[place][line].clone());
            report.row(&[name, memory, before, after, others.clone()]);
        }
    }
    report.close();
}

async fn subjects(cluster: &Cluster) -> Vec<Box<dyn Subject>> {
    vec![
        Box::new(Server::start(System::RectoPostgres, cluster).await),
        Box::new(Server::start(System::RectoSqlite, cluster).await),
        Box::new(Results::start(Shape::Rows, None).await),
        Box::new(Results::start(Shape::Window, None).await),
        Box::new(Results::start(Shape::Join, Some(cluster)).await),
        Box::new(Results::start(Shape::Aggregate, Some(cluster)).await),
        Box::new(Results::start(Shape::Tree, Some(cluster)).await),
        Box::new(Sockets::start().await),
        Box::new(Price::start(cluster).await),
    ]
}
