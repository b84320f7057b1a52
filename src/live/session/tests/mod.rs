//! Conversations as text: what goes in is in the script, and what comes out must be too.

use std::collections::VecDeque;
use std::fmt::Write;

use super::*;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::live::client::Wanted;
use crate::live::mailbox::Event;
use crate::live::mailbox::Name;
use crate::live::patch::Keyed;
use crate::live::patch::Op;
use crate::live::step::Answer;
use crate::live::step::Cursor;
use crate::live::step::Snapshot;
use crate::live::step::Step;
use crate::live::step::View;
use crate::query::Output as Shown;
use crate::query::ast::Ast;
use crate::schema::Column;
use crate::schema::FilledBy;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Kind as Holds;
use crate::value::Row;
use crate::value::Value;

mod commands;
mod law;
mod live;
mod protocol;

static TABLE: Table =
    Table::new("t", &[Column::new::<i64>("id", "id", FilledBy::Database)], &[0], &[]);

fn view() -> Arc<View> {
    let outputs =
        vec![Shown { name: "id", kind: Holds::I64 }, Shown { name: "t", kind: Holds::Text }];
    Arc::new(View {
        outputs: outputs.into(),
        key: Some("id"),
        is_ordered: true,
        start: 2,
        branches: Vec::new(),
        resumable: None,
    })
}

fn cursor(version: u64) -> Cursor {
    Cursor { node: 0xa, version, bind: 0xb, from: 0, seal: 0 }
}

fn keyed(id: i64) -> Keyed {
    let row = Row::from(vec![Value::Int(id), Value::text("x")]);
    Keyed { key: Key::from(vec![Value::Int(id)]), row }
}

fn step(version: u64) -> Arc<Step> {
    let op = Op::Insert { new: keyed(i64::try_from(version).unwrap()), after: None };
    Arc::new(Step::new(view(), cursor(version), vec![op]))
}

fn answer(kind: &str, version: u64) -> Answer {
    match kind {
        "snapshot" => {
            Answer::Snapshot(Arc::new(Snapshot::new(view(), cursor(version), vec![keyed(1)])))
        }
        "delta" => Answer::Delta(vec![step(version - 1), step(version)], view(), cursor(version)),
        "same" => Answer::Delta(vec![], view(), cursor(version)),
        _ => Answer::Failed(Arc::new(Error::invalid("no such column"))),
    }
}

/// A session with somebody who plays engine and handlers.
struct Stage {
    session: Session,
    now: Duration,
    seen: String,
    /// Whether engine and handlers answer by themselves, and what they are asked is not shown.
    is_auto: bool,
    version: u64,
    channel: ChannelId,
    resolves: VecDeque<(ChannelId, u64, Name)>,
    calls: VecDeque<(ChannelId, u64)>,
    adds: VecDeque<(ChannelId, u64, Vec<Name>)>,
    barriers: VecDeque<(ChannelId, u64)>,
}

impl Stage {
    fn new(vsn: Vsn, is_auto: bool) -> Self {
        let limits = Limits {
            channels: 3,
            queries_per_channel: 3,
            pending: 4,
            mutations_per_second: 5,
            joins_per_second: u32::MAX,
            ..Limits::default()
        };
        Self {
            session: Session::new(vsn, limits, "s1".into()),
            now: Duration::ZERO,
            seen: String::new(),
            is_auto,
            version: 1,
            channel: 0,
            resolves: VecDeque::new(),
            calls: VecDeque::new(),
            adds: VecDeque::new(),
            barriers: VecDeque::new(),
        }
    }

    fn input(&mut self, input: Input<'_>) {
        for output in self.session.handle(self.now, input) {
            self.note(output);
        }
        if self.is_auto {
            self.answer_all();
        }
    }

    fn say(&mut self, line: impl AsRef<str>) {
        writeln!(self.seen, "{}", line.as_ref()).unwrap();
    }

    fn ask(&mut self, line: impl AsRef<str>) {
        if !self.is_auto {
            self.say(line.as_ref().trim_end());
        }
    }

    fn note(&mut self, output: Output) {
        match output {
            Output::Send(text) => self.say(format!("<- {text}")),
            Output::Close(code, reason) => self.say(format!("close {code} {reason}")),
            Output::Resolve { channel, load, name, query, args } => {
                self.ask(format!("resolve {name} = {query} {args}"));
                self.resolves.push_back((channel, load, name));
            }
            Output::Mutate { channel, call, mutation: Mutation { once, name, args } } => {
                let once =
                    once.map_or(String::new(), |(client, id)| format!(" once {client} {id}"));
                self.ask(format!("mutate {name} {args}{once}"));
                self.calls.push_back((channel, call));
            }
            Output::Engine(channel, command) => self.note_command(channel, command),
        }
    }

    fn note_command(&mut self, channel: ChannelId, command: Command) {
        match command {
            Command::Open => {
                self.channel = channel;
                self.ask("engine open");
            }
            Command::Add(request, wanted) => {
                let show = |wanted: &Wanted| match wanted.since {
                    Some(since) => format!(" {} since {since}", wanted.name),
                    None => format!(" {}", wanted.name),
                };
                self.ask(format!("engine add{}", wanted.iter().map(show).collect::<String>()));
                let names = wanted.into_iter().map(|wanted| wanted.name).collect();
                self.adds.push_back((channel, request, names));
            }
            Command::Remove(names) => self.ask(format!("engine remove {}", names.join(" "))),
            Command::Barrier(request) => {
                self.ask("engine barrier");
                self.barriers.push_back((channel, request));
            }
            Command::Close => {
                self.adds.retain(|(asking, ..)| *asking != channel);
                self.barriers.retain(|(asking, _)| *asking != channel);
                self.ask("engine close");
            }
        }
    }

    fn answer_all(&mut self) {
        while let Some((channel, load, name)) = self.resolves.pop_front() {
            let outcome = Outcome::Done(Ast::all_of(&TABLE));
            self.input(Input::Resolved { channel, load, name, outcome });
        }
        while let Some((channel, request, names)) = self.adds.pop_front() {
            let version = self.version;
            let answers =
                names.into_iter().map(|name| (name, answer("snapshot", version))).collect();
            self.input(Input::Heard(channel, Event::Loaded { request, version, answers }));
        }
        while let Some((channel, call)) = self.calls.pop_front() {
            let outcome = Outcome::Done("null".into());
            self.input(Input::Mutated { channel, call, outcome });
        }
        while let Some((channel, request)) = self.barriers.pop_front() {
            let version = self.version;
            self.input(Input::Heard(channel, Event::Reached { request, version }));
        }
    }

    /// Plays the engine, a handler, or the clock.
    fn direct(&mut self, words: &[&str]) {
        let version = |text: &str| text.parse().unwrap();
        let parts = |words: &[&str], version| {
            let part = |word: &&str| {
                let (name, kind) = word.split_once('=').unwrap();
                (Name::from(name), answer(kind, version))
            };
            words.iter().map(part).collect()
        };
        let channel = self.channel;
        match words {
            ["at", seconds] => {
                self.now = Duration::from_secs_f64(seconds.parse().unwrap());
                self.input(Input::Time);
            }
            ["touched"] => self.input(Input::Touched),
            ["resolve", name, how @ ..] => {
                let place = self.resolves.iter().position(|(_, _, asked)| **asked == **name);
                let (channel, load, name) = self.resolves.remove(place.unwrap()).unwrap();
                let outcome = outcome(how, Ast::all_of(&TABLE));
                self.input(Input::Resolved { channel, load, name, outcome });
            }
            ["loaded", at, rest @ ..] => {
                let (channel, request, _) = self.adds.pop_front().unwrap();
                let (version, answers) = (version(at), parts(rest, version(at)));
                self.input(Input::Heard(channel, Event::Loaded { request, version, answers }));
            }
            ["moved", from, to, names @ ..] => {
                let (from, to) = (version(from), version(to));
                let steps = names.iter().map(|&name| (name.into(), step(to))).collect();
                self.input(Input::Heard(channel, Event::Moved { from, to, steps }));
            }
            ["reset", at, rest @ ..] => {
                let (version, answers) = (version(at), parts(rest, version(at)));
                self.input(Input::Heard(channel, Event::Reset { version, answers }));
            }
            ["reached", at] => {
                let (channel, request) = self.barriers.pop_front().unwrap();
                let version = version(at);
                self.input(Input::Heard(channel, Event::Reached { request, version }));
            }
            ["mutated", how @ ..] => {
                let (channel, call) = self.calls.pop_front().unwrap();
                let result: Arc<str> = how.get(1).copied().unwrap_or("null").into();
                self.input(Input::Mutated { channel, call, outcome: outcome(how, result) });
            }
            ["closed"] => self.input(Input::Heard(channel, Event::Closed)),
            _ => panic!("`{words:?}` is no direction"),
        }
    }
}

fn outcome<T>(how: &[&str], value: T) -> Outcome<T> {
    match how {
        ["ok", ..] => Outcome::Done(value),
        ["panic"] => Outcome::Panicked,
        ["forbidden"] => Outcome::Refused(Refusal::forbidden()),
        ["invalid"] => {
            let errors = serde_json::json!({"body": ["can't be blank"]});
            Outcome::Refused(Refusal::invalid("the changeset is invalid").with_errors(errors))
        }
        ["doubt"] => Outcome::Refused(Error::new(ErrorKind::InDoubt, "lost at COMMIT").into()),
        _ => panic!("`{how:?}` is no outcome"),
    }
}

/// Plays a script: `->` is what the client sends, `!` a direction to engine, handler or clock, and
/// everything else must be what comes out of that.
fn play(vsn: Vsn, is_auto: bool, script: &str) {
    let mut stage = Stage::new(vsn, is_auto);
    let lines: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for line in &lines {
        if let Some(text) = line.strip_prefix("-> ") {
            stage.say(line);
            stage.input(Input::Text(text));
        } else if let Some(direction) = line.strip_prefix("! ") {
            stage.say(line);
            stage.direct(&direction.split(' ').collect::<Vec<_>>());
        }
    }
    let seen: Vec<&str> = stage.seen.lines().collect();
    let (seen, meant) = (seen.join("\n"), lines.join("\n"));
    assert!(seen == meant, "this happened:\n{seen}\n\nand this was meant to:\n{meant}");
}

/// A conversation in the second serializer, with an engine that answers at once.
fn talk(script: &str) {
    play(Vsn::V2, true, script);
}

/// The same in the first serializer.
fn talk_v1(script: &str) {
    play(Vsn::V1, true, script);
}

/// A conversation in which everything that is asked of engine and handlers shows.
fn check(script: &str) {
    play(Vsn::V2, false, script);
}
