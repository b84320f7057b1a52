//! The machine: what a flush costs here, how busy it is, and the cluster that everything runs on.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::live::figures::Spread;
use crate::live::figures::rate;
use crate::live::support::cluster::Cluster;
use crate::live::support::cluster::Options;
use crate::live::support::process::Scratch;
use crate::live::support::process::children_of;

/// What makes a cluster keep what it was told, and nothing that the tests need instead.
const DURABLE: [(&str, &str); 5] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    // What a tail of the log needs; all systems pay for it alike.
    ("wal_level", "logical"),
    ("deadlock_timeout", "1s"),
];

/// A private cluster that flushes every commit to the disk.
pub(crate) fn cluster() -> Cluster {
    Cluster::start_with(Options { settings: DURABLE.to_vec(), ..Options::default() })
}

/// What runs on it, and how it is set up.
pub(crate) fn databases(cluster: &Cluster) -> String {
    let version = cluster.psql(&cluster.url("postgres"), "show server_version");
    let version = version.split(' ').next().unwrap_or_default();
    let settings = DURABLE.map(|(name, value)| format!("{name}={value}"));
    format!(
        "PostgreSQL {version} ({}), SQLite {} (journal_mode=wal synchronous=normal)",
        settings.join(" "),
        rusqlite::version()
    )
}

/// Where this is measured.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let flushes = flushes();
    format!(
        "{cores} processors ({}), {} GiB, a flush of 8 KiB takes {:.2} ms (p99 {:.2}), load {}",
        line_of("/proc/cpuinfo", "model name"),
        kib(&line_of("/proc/meminfo", "MemTotal")) >> 20,
        flushes.percentile(50),
        flushes.percentile(99),
        load(),
    )
}

/// What a file of the system says about `name`, where it does.
fn line_of(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':')).map_or("?", |(_, value)| value);
    value.trim().to_owned()
}

fn kib(text: &str) -> usize {
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// How many processes wanted to run in the last minute, where the system tells.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

fn flushes() -> Spread {
    let scratch = Scratch::new();
    let mut file = File::create(scratch.path().join("flushed")).expect("a file can be made");
    Spread::of((0..100).map(|_| {
        let began = Instant::now();
        file.write_all(&[7; 8192]).expect("a file can be written");
        file.sync_data().expect("a file can be flushed");
        i64::try_from(began.elapsed().as_micros()).expect("it took less than an age")
    }))
}

/// How much the processors do for somebody else while something is measured, since a machine may be
/// shared. Zero where the system does not tell.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    all: usize,
    ours: usize,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), all: all_ticks(), ours: ours(std::process::id()) }
    }

    /// Hundredths of one processor that others had.
    pub(crate) fn others(&self) -> f64 {
        let (all, ours) = (all_ticks() - self.all, ours(std::process::id()) - self.ours);
        rate(all.saturating_sub(ours), self.began.elapsed())
    }

    /// How long it has been measuring.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Hundredths of a second that all processes have computed.
fn all_ticks() -> usize {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    // `cpu`, then for users, politely for users, and for the system.
    sum(text.split_whitespace().skip(1).take(3))
}

/// Hundredths of a second that a process and all it started have computed.
pub(crate) fn ours(pid: u32) -> usize {
    let children = children_of(pid).into_iter().map(ours);
    ticks(pid) + children.sum::<usize>()
}

/// Hundredths of a second that a process has computed, for itself and in the system, and the same of
/// children that are over.
fn ticks(pid: u32) -> usize {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    sum(after_name.split_whitespace().skip(11).take(4))
}

fn sum<'a>(fields: impl Iterator<Item = &'a str>) -> usize {
    fields.filter_map(|field| field.parse::<usize>().ok()).sum()
}

/// KiB that a process holds, where the system tells.
pub(crate) fn resident(pid: u32) -> usize {
    kib(&line_of(&format!("/proc/{pid}/status"), "VmRSS"))
}

/// The same of a process and all that it started.
pub(crate) fn resident_tree(pid: u32) -> usize {
    resident(pid) + children_of(pid).into_iter().map(resident_tree).sum::<usize>()
}

/// A runtime for what is measured.
pub(crate) fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().expect("a runtime can be built")
}
