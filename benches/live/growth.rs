//! What is left of speed and memory after minutes of load.

use std::time::Duration;

use crate::live::crowd::Crowd;
use crate::live::machine;
use crate::live::machine::Meter;
use crate::live::many::Figures;
use crate::live::report::Report;
use crate::live::report::share;
use crate::live::serve::run_again;
use crate::live::shapes::Shape;
use crate::live::step::Step;
use crate::live::support::cluster::Cluster;
use crate::live::support::process::Scratch;
use crate::live::systems::By;
use crate::live::systems::Place;
use crate::live::systems::System;

/// How many subscribers a server has, and how many inserts a second.
const SUBSCRIBERS: usize = 100;
const RATE: u32 = 100;

/// The load comes in so many stretches; between two of them everybody leaves and others come.
const STRETCHES: u32 = 10;

/// How long the measurements before and after take.
const EACH: Duration = Duration::from_secs(3);

const HOW: &str = "\
Everything here runs at once, so latencies are compared with each other only. *Servers*: 100 inserts a second, by SQL and by
mutations in turns, to 100 WebSocket clients, all of whom leave and come anew ten times. *Results*: 10,000 in one process,
1,000 changes a second, while a client comes, asks a thousand questions, and goes, again and again. MiB are those of the process
at the beginning, after each fifth of the load, and at the end (of results: at the beginning and at the end); latency is from commit to client in milliseconds, p50 / p99 (of results:
the engine's microseconds for each change in transactions of 100).";

/// Loads servers and results for so long.
pub(crate) fn run(report: &mut Report, cluster: &Cluster, minutes: u64) {
    report.open("growth", HOW);
    report.say(&format!("{minutes} minutes of load. {}.", machine::databases(cluster)));
    report.head(&["", "MiB", "before", "after", "else"]);
    let long = Duration::from_mins(minutes);
    let lines = machine::runtime().block_on(async {
        let (postgres, sqlite, rows, windows) = tokio::join!(
            server(System::RectoPostgres, cluster, long),
            server(System::RectoSqlite, cluster, long),
            results(Shape::Rows, minutes),
            results(Shape::Window, minutes),
        );
        [postgres, sqlite, rows, windows]
    });
    for line in lines {
        report.row(&line);
    }
    report.close();
}

async fn server(system: System, cluster: &Cluster, long: Duration) -> Vec<String> {
    let mut place = Place::open(system, cluster).await;
    let mut crowd = gather(&place).await;
    let meter = Meter::start();
    let before = Step::take(&mut place, &crowd, By::Others, RATE, EACH).await;
    let mut memory = vec![before.memory];
    for stretch in 0..STRETCHES {
        let by = if stretch % 2 == 0 { By::Others } else { By::Itself };
        let step = Step::take(&mut place, &crowd, by, RATE, long / STRETCHES).await;
        assert_eq!(step.lost, 0, "messages were lost");
        if stretch % 2 == 1 {
            memory.push(step.memory);
        }
        drop(crowd);
        crowd = gather(&place).await;
    }
    let after = Step::take(&mut place, &crowd, By::Others, RATE, EACH).await;
    memory.push(after.memory);
    let memory: Vec<String> = memory.iter().map(ToString::to_string).collect();
    let figure = |step: &Step| {
        let spread = &step.from_commit;
        format!("{:.2} / {:.2}", spread.percentile(50), spread.percentile(99))
    };
    let name = system.name().to_owned();
    vec![name, memory.join(", "), figure(&before), figure(&after), share(meter.others())]
}

async fn gather(place: &Place) -> Crowd {
    let crowd = place.gather(SUBSCRIBERS).await;
    crowd.unwrap_or_else(|joined| panic!("{joined} of {SUBSCRIBERS} could join"))
}

async fn results(shape: Shape, minutes: u64) -> Vec<String> {
    let (scratch, meter) = (Scratch::new(), Meter::start());
    let url = format!("sqlite://{}", scratch.path().join("many.db").display());
    let arguments = ["many", shape.word(), "10000", "1", &minutes.to_string(), &url];
    let lines = run_again(&arguments, "figures ", 2).await;
    let [before, after] = [0, 1].map(|place: usize| Figures::read(&lines[place]));
    vec![
        format!("10,000 of {}", shape.name()),
        format!("{}, {}", before.resident, after.resident),
        format!("{:.1} µs", before.change),
        format!("{:.1} µs", after.change),
        share(meter.others()),
    ]
}
