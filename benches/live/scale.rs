//! What many live results cost: to have, to register, and to leave alone.

use crate::live::machine;
use crate::live::machine::Meter;
use crate::live::many::Figures;
use crate::live::report::Report;
use crate::live::report::share;
use crate::live::serve::run_again;
use crate::live::shapes::Shape;
use crate::live::support::cluster::Cluster;
use crate::live::support::process::Scratch;

/// How many results.
const COUNTS: [u64; 4] = [1000, 10_000, 100_000, 1_000_000];

/// How many results of each shape a change is compared with asking again at.
const INSTANCES: u64 = 1000;

const HOW_MANY: &str = "\
Live results with one row each (and once with ten, which shows what a row costs), shared by 100 clients, through the crate's
public doors, on SQLite, each line in a process of its own. *Register*: until every result has answered; *bytes*: what the
process grew by meanwhile, the client's side included, for each result. Then rows are changed by single updates and by
transactions of 100. *Change*: the engine's time for each changed row of the latter, from the tick in hand to all clients
told, without the database; *ratio*: to that of the fewest results. *Tick*: engine / whole with every question to the database,
one change. *Client*: from the commit to the client's event, p50 / p99. Microseconds, medians.";

/// Measures the row and the window tier.
pub(crate) fn run(report: &mut Report, most: u64) {
    report.open("scale", HOW_MANY);
    report.head(&[
        "results",
        "of",
        "rows each",
        "register",
        "each",
        "bytes",
        "change",
        "ratio",
        "tick",
        "client",
        "else",
    ]);
    for shape in [Shape::Rows, Shape::Window] {
        let mut first = None;
        for (count, items) in COUNTS.map(|count| (count, 1)).into_iter().chain([(10_000, 10)]) {
            if most < count {
                continue;
            }
            let scratch = Scratch::new();
            let url = format!("sqlite://{}", scratch.path().join("many.db").display());
            let (figures, others) = measure(shape, count, items, &url);
            let Figures { register, bytes, change, engine, tick, client: [half, p99], .. } =
                figures;
            let first = *first.get_or_insert(change);
            #[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
            let each = register * 1000.0 / count as f64;
            report.row(&[
                count.to_string(),
                shape.name().to_owned(),
                items.to_string(),
                format!("{:.1} s", register / 1000.0),
                format!("{each:.0}"),
                format!("{bytes:.0}"),
                format!("{change:.2}"),
                if items == 1 { format!("{:.2}×", change / first) } else { "–".to_owned() },
                format!("{engine:.0} / {tick:.0}"),
                format!("{half:.0} / {p99:.0}"),
                share(others),
            ]);
        }
    }
    report.close();
}

const HOW_JOINED: &str = "\
1,000 live results of each shape (10 rows to a user, 40 under a tree, 10 users to a team), measured as under *scale*. *Tick*: one change, whole
with every question to the database. *Plain*: one run of the same query through the repo. *Ratio*: what running all 1,000
again would take to what the tick takes. Microseconds, medians.";

/// Compares a change with asking everybody again.
pub(crate) fn joins(report: &mut Report, cluster: &Cluster) {
    report.open("joins and aggregates", HOW_JOINED);
    report.say(&format!("{}.", machine::databases(cluster)));
    report.head(&[
        "database",
        "shape",
        "tick",
        "of that engine",
        "client",
        "plain",
        "ratio",
        "else",
    ]);
    for database in ["PostgreSQL", "SQLite"] {
        for shape in [Shape::Window, Shape::Join, Shape::Aggregate, Shape::Tree] {
            let scratch = Scratch::new();
            let created = (database == "PostgreSQL").then(|| cluster.create_database());
            let url = match &created {
                Some(database) => database.url().to_owned(),
                None => format!("sqlite://{}", scratch.path().join("many.db").display()),
            };
            let (figures, others) =
                measure(shape, INSTANCES, if shape == Shape::Tree { 40 } else { 10 }, &url);
            let Figures { engine, tick, client: [half, most], plain, .. } = figures;
            #[expect(clippy::cast_precision_loss, reason = "it is small")]
            let ratio = plain * INSTANCES as f64 / tick;
            report.row(&[
                database.to_owned(),
                shape.name().to_owned(),
                format!("{tick:.0}"),
                format!("{engine:.0}"),
                format!("{half:.0} / {most:.0}"),
                format!("{plain:.0}"),
                format!("{ratio:.0}×"),
                share(others),
            ]);
        }
    }
    report.close();
}

fn measure(shape: Shape, count: u64, items: u64, url: &str) -> (Figures, f64) {
    let meter = Meter::start();
    let arguments = ["many", shape.word(), &count.to_string(), &items.to_string(), url];
    // What a process took is counted as long as it is there.
    let ran = run_again(&arguments, "figures ", || meter.others());
    let (line, others) = machine::runtime().block_on(ran);
    (Figures::read(&line), others)
}
