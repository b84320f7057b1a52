//! The building inspector: reads the sources as text and refuses what the house rules forbid.
//!
//! Each rule is a test that lists its offenders, and a checker over a path and a text; a second
//! test plants an offence and sees the checker find it. Comments, doc comments and the contents
//! of strings are no code and are not read, except by the rule about doc comments.
//!
//! **Invariant:** a rule that reads nothing fails: moving a folder must not silence its inspector.

use std::fs;
use std::path::Path;

/// The floors, from the ground up. A module may import from floors below its own.
const FLOORS: &[&[&str]] = &[
    &["error", "telemetry"],
    &["value"],
    &["change", "schema"],
    &["changeset", "query"],
    &["adapter"],
    &["repo", "pubsub"],
    &["migration"],
    &["live"],
];

/// Files above all floors: they may import everything, and nothing may import them.
const ROOF: &[&str] = &["lib", "prelude", "doctest"];

/// Imports that point down and are forbidden all the same, with the reason.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("adapter", &["changeset"], "a database is handed values, never proposals"),
    (
        "pubsub",
        &["value", "change", "schema", "changeset", "query", "adapter"],
        "messages between tasks know nothing of data",
    ),
    ("migration", &["pubsub"], "a migration tells nobody"),
    ("live", &["migration"], "a live query finds its tables, it does not make them"),
];

/// Files in which nothing waits, nothing reads a clock and nothing owns a socket.
const PURE: &[&str] = &[
    "src/error.rs",
    "src/telemetry.rs",
    "src/value/mod.rs",
    "src/value/convert.rs",
    "src/value/json.rs",
    "src/value/kind.rs",
    "src/value/row.rs",
    "src/change.rs",
    "src/schema/mod.rs",
    "src/schema/assoc.rs",
    "src/schema/column.rs",
    "src/schema/relation.rs",
    "src/schema/table.rs",
    "src/changeset/mod.rs",
    "src/changeset/cast.rs",
    "src/changeset/constraint.rs",
    "src/changeset/draft.rs",
    "src/changeset/validate.rs",
    "src/query/mod.rs",
    "src/query/ast/absorb.rs",
    "src/query/ast/mod.rs",
    "src/query/ast/lock.rs",
    "src/query/ast/node.rs",
    "src/query/ast/nodes.rs",
    "src/query/ast/scope.rs",
    "src/query/ast/source.rs",
    "src/query/ast/tree.rs",
    "src/query/ast/with.rs",
    "src/query/check.rs",
    "src/query/choice.rs",
    "src/query/combine.rs",
    "src/query/complete.rs",
    "src/query/eval.rs",
    "src/query/expr.rs",
    "src/query/fragment.rs",
    "src/query/function.rs",
    "src/query/like.rs",
    "src/query/lock.rs",
    "src/query/nested.rs",
    "src/query/plan.rs",
    "src/query/preload.rs",
    "src/query/select.rs",
    "src/query/term.rs",
    "src/query/window.rs",
    "src/adapter/sql/mod.rs",
    "src/adapter/sql/between.rs",
    "src/adapter/sql/edge.rs",
    "src/adapter/sql/expression.rs",
    "src/adapter/sql/function.rs",
    "src/adapter/sql/quote.rs",
    "src/adapter/sql/many.rs",
    "src/adapter/sql/read.rs",
    "src/adapter/sql/touched.rs",
    "src/adapter/sql/with.rs",
    "src/adapter/sql/write.rs",
    "src/pubsub/topic.rs",
    "src/live/engine/mod.rs",
    "src/live/engine/ask.rs",
    "src/live/engine/clients.rs",
    "src/live/engine/families.rs",
    "src/live/engine/fold.rs",
    "src/live/engine/growth.rs",
    "src/live/engine/inspect.rs",
    "src/live/engine/joins.rs",
    "src/live/engine/loads.rs",
    "src/live/engine/results.rs",
    "src/live/engine/returns.rs",
    "src/live/engine/tell.rs",
    "src/live/engine/trees.rs",
    "src/live/event.rs",
    "src/live/feed/attention.rs",
    "src/live/feed/snapshot.rs",
    "src/live/list.rs",
    "src/live/patch.rs",
    "src/live/plan/admit.rs",
    "src/live/plan/anchor.rs",
    "src/live/plan/edge.rs",
    "src/live/plan/explain.rs",
    "src/live/plan/join.rs",
    "src/live/plan/many.rs",
    "src/live/plan/mod.rs",
    "src/live/plan/sorter.rs",
    "src/live/plan/tree.rs",
    "src/live/replica.rs",
    "src/live/result/mod.rs",
    "src/live/result/aggregate/mod.rs",
    "src/live/result/aggregate/accumulator.rs",
    "src/live/result/aggregate/aggregation.rs",
    "src/live/result/aggregate/decimals.rs",
    "src/live/result/aggregate/groups.rs",
    "src/live/result/aggregate/ranking.rs",
    "src/live/result/few.rs",
    "src/live/result/forest.rs",
    "src/live/result/live.rs",
    "src/live/result/ordered.rs",
    "src/live/result/parts.rs",
    "src/live/result/roots.rs",
    "src/live/result/subscribers.rs",
    "src/live/router/mod.rs",
    "src/live/router/ranges.rs",
    "src/live/session/answer.rs",
    "src/live/session/binary.rs",
    "src/live/session/bucket.rs",
    "src/live/session/channel.rs",
    "src/live/session/encode.rs",
    "src/live/session/events.rs",
    "src/live/session/frame.rs",
    "src/live/session/ledger.rs",
    "src/live/session/limits.rs",
    "src/live/session/load.rs",
    "src/live/session/mod.rs",
    "src/live/session/mutate.rs",
    "src/live/session/queries.rs",
    "src/live/session/refusal.rs",
    "src/live/session/names.rs",
    "src/live/session/request.rs",
    "src/live/session/said.rs",
    "src/live/session/text.rs",
    "src/live/session/voice.rs",
    "src/live/catchup.rs",
    "src/live/step.rs",
    "src/live/wire_text.rs",
];

/// Half of the files fit on three screens.
const MEDIAN_LINES: usize = 150;
/// Beyond this a file has two subjects.
const MOST_LINES: usize = 600;

#[test]
fn every_module_stands_on_a_floor() {
    inspect(&["src"], homeless);
}

#[test]
fn imports_point_down() {
    inspect(&["src"], upward_imports);
}

#[test]
fn no_module_imports_what_it_must_not_know() {
    inspect(&["src"], forbidden_imports);
}

#[test]
fn an_import_names_one_module() {
    inspect(&["src"], grouped_imports);
}

#[test]
fn only_the_server_knows_sockets() {
    inspect(&["src"], sockets_outside_the_server);
}

#[test]
fn pure_files_are_pure() {
    let sources = sources(&["src"]);
    let mut offences: Vec<_> =
        sources.iter().flat_map(|(path, text)| impurities(path, text)).collect();
    for listed in PURE {
        if !sources.iter().any(|(path, _)| path == listed) {
            offences.push(format!("{listed}: is listed as pure and does not exist"));
        }
    }
    report(&offences);
}

#[test]
fn nothing_is_left_for_later() {
    inspect(&["src", "tests", "examples", "macros"], unfinished);
}

#[test]
fn every_file_opens_with_its_purpose() {
    inspect(&["src", "tests", "examples", "macros"], headless);
}

#[test]
fn exceptions_to_lints_are_expected() {
    inspect(&["src"], allowances);
}

#[test]
fn files_are_short() {
    let sizes: Vec<_> = sources(&["src"])
        .into_iter()
        .map(|(path, text)| {
            let lines = text.lines().count();
            (path, lines)
        })
        .collect();
    report(&oversized(&sizes));
}

// The checkers.

/// Modules that are on no floor.
fn homeless(path: &str, _text: &str) -> Vec<String> {
    let module = module_of(path);
    let at_home = floor_of(module).is_some() || ROOF.contains(&module);
    if at_home { vec![] } else { vec![format!("{path}: `{module}` is on no floor of FLOORS")] }
}

/// Imports of the own floor or of one above, and of names that belong to no floor: what the roof
/// re-exports would hide where it comes from.
fn upward_imports(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    let Some(floor) = floor_of(module) else { return vec![] };
    let mut offences = Vec::new();
    for Import { line, name, exported } in imports(path, text) {
        if name == module || name.is_empty() {
            continue;
        }
        match floor_of(&name) {
            Some(below) if below < floor => {}
            Some(_) => offences.push(format!("{path}:{line}: `{module}` imports `{name}`")),
            // What a macro emits goes through the roof, since it lands in other crates.
            None if exported => {}
            None => offences.push(format!("{path}:{line}: `crate::{name}` names no floor")),
        }
    }
    offences
}

fn forbidden_imports(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    let mut offences = Vec::new();
    for (importer, forbidden, reason) in FORBIDDEN {
        if module != *importer {
            continue;
        }
        for Import { line, name, .. } in imports(path, text) {
            if forbidden.contains(&name.as_str()) {
                offences.push(format!("{path}:{line}: `{module}` imports `{name}`: {reason}"));
            }
        }
    }
    offences
}

/// `use crate::{…}`, which hides the floors a file stands on.
fn grouped_imports(path: &str, text: &str) -> Vec<String> {
    let imports = imports(path, text).into_iter().filter(|import| import.name.is_empty());
    imports
        .map(|import| format!("{path}:{}: write one `use crate::…` line a module", import.line))
        .collect()
}

fn sockets_outside_the_server(path: &str, text: &str) -> Vec<String> {
    let server = path.starts_with("src/live/server/") || path == "src/live/server.rs";
    if server || module_of(path) != "live" {
        return vec![];
    }
    let code = code_of(text);
    words(&code)
        .filter(|(_, word)| ["tungstenite", "hyper"].iter().any(|socket| word.contains(socket)))
        .map(|(at, word)| format!("{path}:{}: `{word}` outside the server", line_of(&code, at)))
        .collect()
}

fn impurities(path: &str, text: &str) -> Vec<String> {
    if !PURE.contains(&path) {
        return vec![];
    }
    let code = without_tests(&code_of(text));
    let mut offences = Vec::new();
    for (at, word) in words(&code) {
        let impure = match word {
            "async" | "tokio" | "SystemTime" => true,
            // Only that of `std::time`; the word alone may be somebody else's.
            "Instant" => {
                let statement = code[..at].rsplit(';').next().unwrap_or_default();
                statement.contains("std::time")
            }
            _ => false,
        };
        if impure {
            offences.push(format!("{path}:{}: `{word}` in a pure file", line_of(&code, at)));
        }
    }
    offences
}

fn unfinished(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let marks = ["#[ignore", "todo!(", "unimplemented!("];
    let found = marks.iter().flat_map(|mark| code.match_indices(mark));
    found.map(|(at, mark)| format!("{path}:{}: `{mark}`", line_of(&code, at))).collect()
}

/// Files, and modules within files, that do not say what they are for. Programs that must not
/// compile are for the test that compiles them, which says so.
fn headless(path: &str, text: &str) -> Vec<String> {
    if path.starts_with("tests/ui/") {
        return vec![];
    }
    let mut offences = Vec::new();
    if !text.starts_with("//!") {
        offences.push(format!("{path}:1: opens without `//!`"));
    }
    let code = code_of(text);
    let lines: Vec<_> = text.lines().collect();
    for (number, line) in code.lines().enumerate() {
        let inline = line.trim_start().starts_with("pub mod ") && line.contains('{');
        let above = lines[..number].iter().rev().map(|line| line.trim_start());
        let mut above = above.skip_while(|line| line.starts_with("#["));
        let documented = above.next().is_some_and(|line| line.starts_with("///"))
            || lines.get(number + 1).is_some_and(|line| line.trim_start().starts_with("//!"));
        if inline && !documented {
            offences.push(format!("{path}:{}: a module without `//!`", number + 1));
        }
    }
    offences
}

/// `#[allow]`, which stays when its reason is gone.
fn allowances(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let found = ["#[allow(", "#![allow("].iter().flat_map(|mark| code.match_indices(mark));
    found
        .map(|(at, mark)| {
            let line = line_of(&code, at);
            format!("{path}:{line}: `{mark}…)]`: write `#[expect(lint, reason = \"…\")]`")
        })
        .collect()
}

fn oversized(sizes: &[(String, usize)]) -> Vec<String> {
    let mut offences: Vec<_> = sizes
        .iter()
        .filter(|(_, lines)| MOST_LINES < *lines)
        .map(|(path, lines)| format!("{path}: {lines} lines, at most {MOST_LINES}"))
        .collect();
    let mut lines: Vec<_> = sizes.iter().map(|(_, lines)| *lines).collect();
    lines.sort_unstable();
    let median = lines.get(lines.len() / 2).copied().unwrap_or_default();
    if MEDIAN_LINES < median {
        offences.push(format!("src: half of the files have {median} lines, not {MEDIAN_LINES}"));
    }
    offences
}

// The reading of the sources.

/// Runs `check` over the files of `folders`; fails with all offences.
fn inspect(folders: &[&str], check: fn(&str, &str) -> Vec<String>) {
    let sources = sources(folders);
    let offences: Vec<_> = sources.iter().flat_map(|(path, text)| check(path, text)).collect();
    report(&offences);
}

fn report(offences: &[String]) {
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

/// Path and text of every Rust file in `folders`, sorted by path.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in folders {
        let before = sources.len();
        collect(root, folder, &mut sources);
        assert!(before < sources.len(), "there is no Rust file in `{folder}`");
    }
    sources.sort();
    sources
}

fn collect(root: &Path, folder: &str, sources: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(root.join(folder));
    for entry in entries.unwrap_or_else(|error| panic!("`{folder}` cannot be read: {error}")) {
        let entry = entry.expect("a folder that opens can be listed");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() && name != "node_modules" && name != "target" {
            collect(root, &path, sources);
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(entry.path());
            sources.push((path, text.expect("sources are UTF-8")));
        }
    }
}

/// The top-level module a file of `src` belongs to.
fn module_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let first = inside.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// One mention of `crate::name`; the name of a grouped one is empty.
struct Import {
    line: usize,
    name: String,
    /// True for `$crate`, in a macro for other crates.
    exported: bool,
}

/// The top-level modules a file names, also those it reaches by climbing to the root.
fn imports(path: &str, text: &str) -> Vec<Import> {
    let code = code_of(text);
    let mut found = Vec::new();
    for (at, mark) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(is_word) {
            continue;
        }
        let exported = before == Some('$');
        let name = word_at(&code[at + mark.len()..]).to_owned();
        found.push(Import { line: line_of(&code, at), name, exported });
    }

    // `src/a/b.rs` reaches the root by climbing twice; a `use` that is not indented starts there.
    let parts = path.trim_end_matches("/mod.rs").split('/').count();
    let climb = "super::".repeat(parts - 1);
    for (number, line) in code.lines().enumerate() {
        let starts = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
        let target = starts.iter().find_map(|start| line.strip_prefix(start));
        if let Some(name) = target.and_then(|target| target.strip_prefix(climb.as_str())) {
            let name = word_at(name).to_owned();
            found.push(Import { line: number + 1, name, exported: false });
        }
    }
    found
}

/// The same text with comments and the contents of literals blanked out, line for line.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let Some(end) = token_end(&chars, at) else {
            code.push(chars[at]);
            at += 1;
            continue;
        };
        code.extend(chars[at..end].iter().map(|char| if *char == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    code
}

/// Where the comment or the literal that begins at `at` ends, if one does.
fn token_end(chars: &[char], at: usize) -> Option<usize> {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => {
            let length = chars[at..].iter().position(|char| *char == '\n');
            Some(length.map_or(chars.len(), |length| at + length))
        }
        '/' if next == Some('*') => Some(block_end(chars, at)),
        '"' => Some(quote_end(chars, at, '"')),
        // A lifetime has no second quote where a character has one.
        '\'' if next == Some('\\') || chars.get(at + 2) == Some(&'\'') => {
            Some(quote_end(chars, at, '\''))
        }
        'r' => raw_end(chars, at),
        _ => None,
    }
}

/// The end of a block comment; they nest.
fn block_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The end of a literal in which a backslash escapes.
fn quote_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            char if char == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string, if the `r` at `start` begins one: `r"…"`, `br#"…"#`.
fn raw_end(chars: &[char], start: usize) -> Option<usize> {
    let within_word = match start.checked_sub(1).map(|before| chars[before]) {
        // The prefix of a byte string or a C string, unless that is the end of a word itself.
        Some('b' | 'c') => start.checked_sub(2).is_some_and(|before| is_word(chars[before])),
        before => before.is_some_and(is_word),
    };
    let hashes = chars[start + 1..].iter().take_while(|char| **char == '#').count();
    let open = start + 1 + hashes;
    if within_word || chars.get(open) != Some(&'"') {
        return None;
    }
    let mut at = open + 1;
    while at < chars.len() {
        let closing = chars[at] == '"'
            && chars[at + 1..].iter().take_while(|char| **char == '#').count() >= hashes;
        at += 1;
        if closing {
            return Some(at + hashes);
        }
    }
    Some(chars.len())
}

/// Code without the items under `#[cfg(test)]`, line for line.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let (before, item) = rest.split_at(at);
        let end = item_end(item);
        kept.push_str(before);
        kept.extend(item[..end].chars().filter(|char| *char == '\n'));
        rest = &item[end..];
    }
    kept.push_str(rest);
    kept
}

/// Where the item at the beginning of `code` ends: at its `;`, or at the brace that closes it.
fn item_end(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, char) in code.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The words of `code` and where they begin.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    code.split(|char| !is_word(char)).filter_map(move |word| {
        let begin = code[at..].find(word).unwrap_or_default() + at;
        at = begin + word.len();
        (!word.is_empty()).then_some((begin, word))
    })
}

fn word_at(code: &str) -> &str {
    code.split(|char| !is_word(char)).next().unwrap_or_default()
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Plants offences, and things that look like them, and shows what the checkers say.
mod planted {
    use super::*;

    #[test]
    fn a_module_without_a_floor_is_found() {
        assert_eq!(
            homeless("src/attic/mod.rs", ""),
            ["src/attic/mod.rs: `attic` is on no floor of FLOORS"]
        );
        assert!(homeless("src/live/patch.rs", "").is_empty());
        assert!(homeless("src/lib.rs", "").is_empty());
    }

    #[test]
    fn imports_that_point_up_or_sideways_are_found() {
        let text = "//! Reads [`crate::live`].\n\
                    use crate::error::Error;\n\
                    use crate::query::Query; // crate::live is fine here\n\
                    use crate::changeset::Changeset;\n\
                    fn f() -> crate::repo::Repo { g(\"crate::live\") }\n\
                    use crate::Value;\n\
                    macro_rules! m { () => { $crate::Value } }\n\
                    use my_crate::live;\n";
        assert_eq!(
            upward_imports("src/query/plan.rs", text),
            [
                "src/query/plan.rs:4: `query` imports `changeset`",
                "src/query/plan.rs:5: `query` imports `repo`",
                "src/query/plan.rs:6: `crate::Value` names no floor",
            ]
        );
        assert!(upward_imports("src/lib.rs", "pub use crate::live::Live;").is_empty());
    }

    #[test]
    fn imports_that_climb_to_the_root_are_found() {
        let text = "use super::super::live::Live;\nuse super::plan;\n";
        assert_eq!(
            upward_imports("src/query/plan.rs", text),
            ["src/query/plan.rs:1: `query` imports `live`"]
        );
        assert_eq!(
            upward_imports("src/query/mod.rs", "pub use super::live::Live;"),
            ["src/query/mod.rs:1: `query` imports `live`"]
        );
    }

    #[test]
    fn imports_that_are_forbidden_though_they_point_down_are_found() {
        let found = |path, text| forbidden_imports(path, text).len();
        assert_eq!(found("src/adapter/mod.rs", "use crate::changeset::Changeset;"), 1);
        assert_eq!(found("src/pubsub/topic.rs", "use crate::value::Value;"), 1);
        assert_eq!(found("src/migration/migrator.rs", "use crate::pubsub::PubSub;"), 1);
        assert_eq!(found("src/live/mod.rs", "use crate::migration::Migrator;"), 1);
        assert_eq!(found("src/pubsub/topic.rs", "use crate::error::Error;"), 0);
        // Sideways on one floor, so the other rule finds it.
        assert_eq!(upward_imports("src/repo/mod.rs", "use crate::pubsub::Topic;").len(), 1);
    }

    #[test]
    fn a_grouped_import_is_found() {
        let text = "\nuse crate::{error::Error, value::Value};";
        assert_eq!(
            grouped_imports("src/query/mod.rs", text),
            ["src/query/mod.rs:2: write one `use crate::…` line a module"]
        );
        assert!(upward_imports("src/query/mod.rs", text).is_empty());
        assert!(grouped_imports("src/query/mod.rs", "use crate::error::{A, B};").is_empty());
    }

    #[test]
    fn a_socket_outside_the_server_is_found() {
        let text = "use tokio_tungstenite::WebSocketStream;\nuse hyper::Request;\n";
        assert_eq!(
            sockets_outside_the_server("src/live/session/mod.rs", text),
            [
                "src/live/session/mod.rs:1: `tokio_tungstenite` outside the server",
                "src/live/session/mod.rs:2: `hyper` outside the server",
            ]
        );
        assert!(sockets_outside_the_server("src/live/server/socket.rs", text).is_empty());
        assert!(sockets_outside_the_server("src/live/mod.rs", "// hyper").is_empty());
    }

    #[test]
    fn an_impurity_is_found_outside_comments_and_tests() {
        let path = "src/query/eval.rs";
        let text = "//! Nothing here is async.\n\
                    use std::time::{Duration, Instant};\n\
                    async fn f() { tokio::spawn(\"async\"); }\n\
                    fn g(asynchronous: Instant) -> std::time::SystemTime { h() }\n\
                    #[cfg(test)]\n\
                    mod tests {\n    fn t() { async {} }\n}\n\
                    fn last(tokio: u8) {}\n";
        assert_eq!(
            impurities(path, text),
            [
                "src/query/eval.rs:2: `Instant` in a pure file",
                "src/query/eval.rs:3: `async` in a pure file",
                "src/query/eval.rs:3: `tokio` in a pure file",
                "src/query/eval.rs:4: `SystemTime` in a pure file",
                "src/query/eval.rs:9: `tokio` in a pure file",
            ]
        );
        assert!(impurities("src/repo/mod.rs", text).is_empty());
    }

    #[test]
    fn what_is_left_for_later_is_found() {
        let text =
            "//! x\n#[ignore = \"slow\"]\nfn f() { todo!() }\nfn g() { unimplemented!(\"g\") }";
        assert_eq!(
            unfinished("tests/it/a.rs", text),
            [
                "tests/it/a.rs:2: `#[ignore`",
                "tests/it/a.rs:3: `todo!(`",
                "tests/it/a.rs:4: `unimplemented!(`",
            ]
        );
        assert!(unfinished("src/a.rs", "// todo!()\nfn f() { g(\"#[ignore]\") }").is_empty());
    }

    #[test]
    fn a_file_or_a_module_without_a_purpose_is_found() {
        assert_eq!(headless("src/a.rs", "use std::fmt;\n"), ["src/a.rs:1: opens without `//!`"]);
        assert_eq!(
            headless("src/a.rs", "//! A.\n\npub mod b {\n    fn f() {}\n}\n"),
            ["src/a.rs:3: a module without `//!`"]
        );
        let documented =
            "//! A.\n/// B.\n#[cfg(unix)]\npub mod b {\n}\npub mod c {\n    //! C.\n}\n";
        assert!(headless("src/a.rs", documented).is_empty());
        assert!(headless("tests/ui/a.rs", "fn main() {}").is_empty());
    }

    #[test]
    fn an_allowance_is_found() {
        let text =
            "#![allow(missing_docs)]\n#[expect(dead_code)]\n#[allow(dead_code)] // #[allow(\n";
        let found = allowances("src/a.rs", text);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("src/a.rs:3: `#[allow(…)]`"));
    }

    #[test]
    fn a_long_file_and_a_long_median_are_found() {
        let sizes = |lines: &[usize]| -> Vec<_> {
            lines.iter().map(|lines| (format!("src/{lines}.rs"), *lines)).collect()
        };
        assert!(oversized(&sizes(&[600, 150, 1])).is_empty());
        assert_eq!(oversized(&sizes(&[601, 1, 2])), ["src/601.rs: 601 lines, at most 600"]);
        assert_eq!(
            oversized(&sizes(&[151, 1, 600])),
            ["src: half of the files have 151 lines, not 150"]
        );
    }

    #[test]
    fn only_code_is_code() {
        let check = |text: &str| code_of(text).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(check("a /* b /* c */ d */ e // f\ng"), "a e g");
        assert_eq!(check(r#"a("b \" c") + d"#), "a( ) + d");
        assert_eq!(check(r##"a(br#"b "c" d"#, r"e\") + f"##), "a(b , ) + f");
        assert_eq!(
            check("fn a<'b>(c: &'b str) { '\"'; '\\''; 'd' }"),
            "fn a<'b>(c: &'b str) { ; ; }"
        );
        assert_eq!(check("r#type + for_r \"x\" + e"), "r#type + for_r + e");
        assert_eq!(code_of("/* é\n\n */ a").matches('\n').count(), 2);
    }
}
