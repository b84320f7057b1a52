//! What a run found, as Markdown: printed line by line, and written into `docs/benchmarks.md`.
//!
//! The document keeps prose around the generated parts: each stands between two comments that name
//! its section, and a run replaces the sections it measured and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::live::machine;

/// Where the figures are kept.
const DOCUMENT: &str = "docs/benchmarks.md";

/// Whether figures are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// In the document.
    Written,
    /// On the terminal only.
    Printed,
}

/// The section that is being measured.
#[derive(Debug)]
pub(crate) struct Report {
    keep: Keep,
    /// Its name, and what was found so far.
    section: Option<(&'static str, String)>,
}

impl Report {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, section: None }
    }

    /// Begins a section: says where and when, and how it is measured.
    pub(crate) fn open(&mut self, name: &'static str, how: &str) {
        self.close();
        self.section = Some((name, String::new()));
        println!("\n## {name}\n");
        self.say(&format!("{}\n", circumstances()));
        self.say(&format!("{how}\n"));
    }

    /// A line of prose, or an empty one.
    pub(crate) fn say(&mut self, line: &str) {
        println!("{line}");
        if let Some((_, text)) = &mut self.section {
            text.push_str(line);
            text.push('\n');
        }
    }

    /// The head of a table.
    pub(crate) fn head(&mut self, columns: &[&str]) {
        self.say("");
        self.say(&line(columns));
        self.say(&format!("|{}", "---|".repeat(columns.len())));
    }

    /// A line of a table; kept at once, so that a run that is stopped keeps what it found.
    pub(crate) fn row(&mut self, cells: &[String]) {
        self.say(&line(cells));
        self.save();
    }

    /// Ends the section.
    pub(crate) fn close(&mut self) {
        self.save();
        self.section = None;
    }

    fn save(&self) {
        let Some((name, text)) = &self.section else { return };
        if self.keep == Keep::Printed {
            return;
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
        let document = fs::read_to_string(&path).expect("the document is there");
        fs::write(path, replaced(&document, name, text)).expect("the document can be written");
    }
}

fn line<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}

/// The document with another text for one section, which is appended where there was none.
fn replaced(document: &str, name: &str, text: &str) -> String {
    let begin = format!("<!-- measured: {name} -->\n");
    let end = format!("<!-- end of {name} -->\n");
    let section = format!("{begin}\n{}\n\n{end}", text.trim());
    match (document.split_once(&begin), document.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{section}{after}"),
        _ => format!("{}\n\n{section}", document.trim_end()),
    }
}

/// When, of what, and on what machine.
fn circumstances() -> String {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let compiler = said("rustc", &["--version"]);
    let compiler = compiler.split(' ').nth(1).unwrap_or("?");
    format!("*{now}, commit {commit}, Rust {compiler}, {}.*", machine::describe())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output
        .map_or("?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A share of one processor.
pub(crate) fn share(hundredths: f64) -> String {
    format!("{hundredths:.0} %")
}
