//! From commit to client, for Recto and for what people use instead: the same messages by the same
//! writers to the same clients, one system after the other on one machine.

use std::time::Duration;

use crate::live::crowd::Crowd;
use crate::live::machine;
use crate::live::peers;
use crate::live::report::Report;
use crate::live::report::share;
use crate::live::step::Step;
use crate::live::support::cluster::Cluster;
use crate::live::systems::By;
use crate::live::systems::Place;
use crate::live::systems::System;

/// Inserts a second whose latencies are shown.
const SHOWN: [u32; 3] = [10, 100, 1000];

/// Rates that are tried to find the greatest that is sustained.
const LADDER: [u32; 12] = [10, 20, 50, 100, 200, 400, 800, 1000, 1600, 3200, 6400, 12_800];

/// How long a rung of the ladder takes that is not shown.
const RUNG: Duration = Duration::from_millis(1500);

const HOW: &str = "\
100 rooms of 60 messages; S WebSocket clients, each with the newest 50 messages of one room. *SQL*: plain inserts on up to
24 connections that the system knows nothing of (SQLite: one); *itself*: inserts asked of the system, by mutation or REST.
*Commit* is when the insert call returned to whoever made it, *client* is when the client's program had read the frame; the
load generator, the database and the system share the machine. Milliseconds, p50 / p99; one sample is one message at one
client. *Sustained*: the greatest rate tried at which every difference was delivered, the last within a second after the
last insert, and no client was sent a fresh snapshot instead. `cpu` and `MiB` are those of the system without its database,
at the last shown rate it kept up with; `else` is the most that unrelated programs took of one processor meanwhile: such a
line is disturbed.";

/// Measures every system with each number of subscribers.
pub(crate) fn run(
    report: &mut Report,
    cluster: &Cluster,
    each: Duration,
    systems: &[System],
    subscribers: &[usize],
) {
    let peers = systems.iter().any(|system| system.is_peer()).then(peers::install);
    report.open("end to end", HOW);
    report.say(&format!("{}. {}", machine::databases(cluster), peers.unwrap_or_default()));
    let shown = SHOWN.map(|rate| format!("{rate}/s"));
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let columns =
        [&["system", "inserts by", "S"], &shown[..], &["sustained/s", "cpu", "MiB", "else"]];
    report.head(&columns.concat());
    let mut lines = Vec::new();
    for &subscribers in subscribers {
        for &system in systems {
            let measured = machine::runtime().block_on(measure(system, cluster, each, subscribers));
            for line in measured {
                report.row(&line.cells());
                lines.push(line);
            }
        }
    }
    report.say(
        "\nFrom *send* to client, since Parse tells its clients before it answers the writer:",
    );
    report.head(&[&["system", "inserts by", "S"], &shown[..]].concat());
    for line in &lines {
        report.row(&line.cells_from_send());
    }
    report.close();
}

/// What one system did for one kind of writer.
struct Line {
    name: [String; 3],
    steps: Vec<Step>,
    sustained: String,
}

async fn measure(
    system: System,
    cluster: &Cluster,
    each: Duration,
    subscribers: usize,
) -> Vec<Line> {
    let mut place = Place::open(system, cluster).await;
    let crowd = place.gather(subscribers).await;
    let mut lines = Vec::new();
    for &by in system.writers() {
        let (steps, sustained) = match &crowd {
            Ok(crowd) => climb(&mut place, crowd, by, each).await,
            Err(joined) => (Vec::new(), format!("only {joined} could join")),
        };
        let name = [system.name().to_owned(), by.name().to_owned(), subscribers.to_string()];
        lines.push(Line { name, steps, sustained });
    }
    let complaints = place.serving.complaints();
    if !complaints.is_empty() {
        let start: String = complaints.chars().take(2000).collect();
        println!("the server complained:\n{start}");
    }
    lines
}

/// Takes the shown rates until one is too much, then the rungs between what was kept up with and
/// what was not.
async fn climb(place: &mut Place, crowd: &Crowd, by: By, each: Duration) -> (Vec<Step>, String) {
    let (mut steps, mut best, mut beyond) = (Vec::new(), 0, u32::MAX);
    for rate in SHOWN {
        let step = Step::take(place, crowd, by, rate, each).await;
        let (kept_up, lacks, done) = (step.kept_up(), step.lacks_writers(), step.done);
        steps.push(step);
        if kept_up && lacks {
            return (steps, format!("{done:.0} (writers)"));
        }
        if !kept_up {
            beyond = rate;
            break;
        }
        best = rate;
    }
    let between = best + 1..beyond;
    for rate in LADDER.into_iter().filter(|rate| between.contains(rate)) {
        let step = Step::take(place, crowd, by, rate, RUNG).await;
        if !step.kept_up() {
            break;
        }
        if step.lacks_writers() {
            return (steps, format!("{:.0} (writers)", step.done));
        }
        best = rate;
    }
    let sustained = if best == 0 { format!("< {}", SHOWN[0]) } else { best.to_string() };
    (steps, sustained)
}

impl Line {
    fn cells(&self) -> Vec<String> {
        let figure = |step: &Step| {
            let spread = &step.from_commit;
            let (half, most) = (spread.percentile(50), spread.percentile(99));
            let done = if step.lacks_writers() {
                format!(" at {:.0}/s", step.done)
            } else {
                String::new()
            };
            format!("{half:.2} / {most:.2}{done}{}", step.remarks())
        };
        let kept_up = self.steps.iter().rev().find(|step| step.kept_up()).or(self.steps.first());
        let others = self.steps.iter().map(|step| step.others).fold(0.0, f64::max);
        let mut cells = self.figures(figure);
        cells.push(self.sustained.clone());
        cells.push(kept_up.map_or_else(String::new, |step| share(step.cpu)));
        cells.push(kept_up.map_or_else(String::new, |step| step.memory.to_string()));
        cells.push(share(others));
        cells
    }

    fn cells_from_send(&self) -> Vec<String> {
        self.figures(|step| {
            let spread = &step.from_send;
            format!("{:.2} / {:.2}", spread.percentile(50), spread.percentile(99))
        })
    }

    fn figures(&self, figure: impl Fn(&Step) -> String) -> Vec<String> {
        let shown = (0..SHOWN.len()).map(|place| self.steps.get(place).map_or("–".into(), &figure));
        self.name.iter().cloned().chain(shown).collect()
    }
}
