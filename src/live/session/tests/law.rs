//! The law of a session: whatever clients, handlers and the engine do, and in whatever order, a
//! client that believes what it is told is never told nonsense.

use std::collections::HashMap;
use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::live::mailbox::Steps;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Act {
    Join(usize),
    Leave(usize),
    Add(usize, Vec<usize>),
    Remove(usize, Vec<usize>),
    Mutate(usize),
    Stale(usize),
    Noise(usize),
    /// A handler answers: done, refused, or, seldom, in a panic.
    Resolve(usize, u8),
    Mutated(usize, u8),
    /// The engine does what it was asked first.
    Engine,
    /// Something was committed that touches every second query.
    Commit,
    /// A query of every channel starts again, or ends.
    Reset(usize, bool),
    /// The engine stops.
    Stop,
}

fn acts() -> impl Strategy<Value = Act> {
    let (topic, names) = (0..2_usize, proptest::collection::vec(0..4_usize, 0..3));
    prop_oneof![
        3 => topic.clone().prop_map(Act::Join),
        1 => topic.clone().prop_map(Act::Leave),
        3 => (topic.clone(), names.clone()).prop_map(|(topic, names)| Act::Add(topic, names)),
        2 => (topic.clone(), names).prop_map(|(topic, names)| Act::Remove(topic, names)),
        2 => topic.clone().prop_map(Act::Mutate),
        1 => topic.prop_map(Act::Stale),
        1 => (0..4_usize).prop_map(Act::Noise),
        6 => (0..3_usize, any::<u8>()).prop_map(|(which, how)| Act::Resolve(which, how)),
        3 => (0..3_usize, any::<u8>()).prop_map(|(which, how)| Act::Mutated(which, how)),
        8 => Just(Act::Engine),
        4 => Just(Act::Commit),
        1 => (0..4_usize, any::<bool>()).prop_map(|(name, lives)| Act::Reset(name, lives)),
        1 => (0..40_u8).prop_map(|dice| if dice == 0 { Act::Stop } else { Act::Engine }),
    ]
}

/// The engine as far as a channel can tell: names that it has, and the version it was told last.
#[derive(Default)]
struct Set {
    names: HashSet<Name>,
    version: u64,
}

/// What an honest client knows of one topic.
#[derive(Default)]
struct Believer {
    join_ref: String,
    /// Whether the join was answered.
    joined: bool,
    left: bool,
    version: u64,
    names: HashSet<String>,
    unanswered: HashSet<String>,
    /// What was removed while an answer that could name it was under way.
    removed: HashSet<(String, String)>,
}

#[derive(Default)]
struct World {
    version: u64,
    sets: HashMap<ChannelId, Set>,
    commands: VecDeque<(ChannelId, Command)>,
    resolves: Vec<(ChannelId, u64, Name)>,
    calls: Vec<(ChannelId, u64)>,
    believers: [Believer; 2],
    last_ref: u32,
}

fn label(name: usize) -> Name {
    format!("q{name}").as_str().into()
}

impl World {
    fn feed(&mut self, session: &mut Session, input: Input<'_>) {
        for output in session.handle(Duration::ZERO, input) {
            match output {
                Output::Send(text) => self.believe(&text.to_string()),
                Output::Close(..) => panic!("nobody said anything to close a socket for"),
                Output::Resolve { channel, load, name, .. } => {
                    self.resolves.push((channel, load, name));
                }
                Output::Mutate { channel, call, .. } => self.calls.push((channel, call)),
                Output::Engine(channel, Command::Close) => {
                    self.sets.remove(&channel).expect("a set is closed once");
                    self.commands.retain(|(asking, _)| *asking != channel);
                }
                Output::Engine(channel, Command::Open) => {
                    let set = Set { version: self.version, ..Set::default() };
                    assert!(self.sets.insert(channel, set).is_none(), "a set is opened once");
                }
                Output::Engine(channel, command) => self.commands.push_back((channel, command)),
            }
        }
    }

    /// Holds a frame against what the client knows.
    fn believe(&mut self, text: &str) {
        let [join_ref, reference, topic, event, payload] =
            serde_json::from_str::<[Json; 5]>(text).unwrap();
        let topic = match topic.as_str().unwrap() {
            "live:0" => 0,
            "live:1" => 1,
            _ => return,
        };
        let known = &mut self.believers[topic];
        let reference = reference.as_str().unwrap_or_default().to_owned();
        if event == "phx_reply" {
            let asked = known.unanswered.remove(&reference) || reference == "s";
            assert!(asked, "answered, and nobody asked: {text}");
        }
        let is_current = join_ref == known.join_ref.as_str();
        let is_early = is_current && !known.joined && !known.left && event == "phx_reply";
        assert!(!is_early || reference == known.join_ref, "before the join was answered: {text}");
        match event.as_str().unwrap() {
            "phx_close" | "phx_error" => {
                if is_current {
                    known.joined = false;
                }
            }
            "phx_reply" if payload["status"] == "error" => {}
            "phx_reply" if !is_current => {
                assert!(!known.joined, "an answer to an old join: {text}");
            }
            "phx_reply" => known.answered(&reference, &payload["response"]),
            "diff" => {
                assert!(is_current && known.joined, "a diff for nobody: {text}");
                assert_eq!(payload["p"], known.version, "a diff that does not fit: {text}");
                known.version = payload["v"].as_u64().unwrap();
                for name in payload["q"].as_object().unwrap().keys() {
                    assert!(known.names.contains(name), "a diff of what is not there: {text}");
                }
            }
            "reset" => {
                assert!(is_current && known.joined, "a reset for nobody: {text}");
                known.queries(&payload);
            }
            other => panic!("{other} is no event"),
        }
    }

    fn say(&mut self, session: &mut Session, topic: usize, event: &str, payload: &Json) {
        self.last_ref += 1;
        let reference = self.last_ref.to_string();
        let known = &mut self.believers[topic];
        if event == "phx_join" {
            let unanswered = std::mem::take(&mut known.unanswered);
            *known = Believer { join_ref: reference.clone(), unanswered, ..Believer::default() };
        }
        let frame =
            serde_json::json!([known.join_ref, reference, format!("live:{topic}"), event, payload]);
        known.unanswered.insert(reference);
        if event == "phx_leave" {
            known.joined = false;
            known.left = true;
        }
        if event == "remove" {
            // The server may not have heard it yet, but speaks to us after it has.
            let removed = payload["queries"].as_array().unwrap().iter();
            let removed: Vec<_> = removed.map(|name| name.as_str().unwrap().to_owned()).collect();
            if known.joined {
                known.names.retain(|name| !removed.contains(name));
                for name in removed {
                    let each = known.unanswered.iter().map(|asked| (asked.clone(), name.clone()));
                    known.removed.extend(each);
                }
            }
        }
        self.feed(session, Input::Text(&frame.to_string()));
    }

    fn act(&mut self, session: &mut Session, act: &Act) {
        let asked = |names: &[usize]| {
            let queries =
                names.iter().map(|name| (label(*name).to_string(), serde_json::json!({"q": "x"})));
            serde_json::json!({"queries": queries.collect::<serde_json::Map<_, _>>()})
        };
        match act {
            Act::Join(topic) => self.say(session, *topic, "phx_join", &asked(&[0])),
            Act::Leave(topic) => self.say(session, *topic, "phx_leave", &serde_json::json!({})),
            Act::Add(topic, names) => self.say(session, *topic, "add", &asked(names)),
            Act::Remove(topic, names) => {
                let names: Vec<_> = names.iter().map(|name| label(*name).to_string()).collect();
                self.say(session, *topic, "remove", &serde_json::json!({"queries": names}));
            }
            Act::Mutate(topic) => {
                self.say(session, *topic, "mutate", &serde_json::json!({"name": "m"}));
            }
            Act::Stale(topic) => {
                let text = format!(r#"["0","s","live:{topic}","remove",{{"queries":["q0"]}}]"#);
                self.feed(session, Input::Text(&text));
            }
            Act::Noise(which) => {
                let noise: [&'static [u8]; 4] =
                    [b"", b"\x03", b"\x00\xff", b"\x00\x00\x00\x01\x01tx"];
                self.feed(session, Input::Binary(&Bytes::from_static(noise[*which])));
            }
            Act::Resolve(which, how) => self.resolve(session, *which, *how),
            Act::Mutated(which, how) => self.mutated(session, *which, *how),
            Act::Engine => self.engine(session),
            Act::Commit => self.commit(session),
            Act::Reset(name, lives) => self.reset(session, &label(*name), *lives),
            Act::Stop => {
                for channel in self.sets.keys().copied().collect::<Vec<_>>() {
                    self.feed(session, Input::Heard(channel, Event::Closed));
                }
            }
        }
    }

    fn resolve(&mut self, session: &mut Session, which: usize, how: u8) {
        if self.resolves.is_empty() {
            return;
        }
        let (channel, load, name) = self.resolves.remove(which % self.resolves.len());
        let outcome = match how {
            0..=5 => Outcome::Panicked,
            6..=60 => Outcome::Refused(Refusal::forbidden()),
            _ => Outcome::Done(Ast::all_of(&TABLE)),
        };
        self.feed(session, Input::Resolved { channel, load, name, outcome });
    }

    fn mutated(&mut self, session: &mut Session, which: usize, how: u8) {
        if self.calls.is_empty() {
            return;
        }
        let (channel, call) = self.calls.remove(which % self.calls.len());
        let outcome = match how {
            0..=5 => Outcome::Panicked,
            6..=60 => Outcome::Refused(Refusal::forbidden()),
            _ => Outcome::Done("7".into()),
        };
        self.feed(session, Input::Mutated { channel, call, outcome });
    }

    fn engine(&mut self, session: &mut Session) {
        let Some((channel, command)) = self.commands.pop_front() else { return };
        let set = self.sets.get_mut(&channel).expect("a set that is asked is open");
        let version = self.version;
        match command {
            Command::Add(request, wanted) => {
                set.version = version;
                let mut answers = Vec::new();
                for Wanted { name, .. } in wanted {
                    // One in a few cannot be had.
                    let fails = version.is_multiple_of(5);
                    if fails {
                        set.names.remove(&name);
                    } else {
                        set.names.insert(Arc::clone(&name));
                    }
                    answers.push((name, answer(if fails { "failed" } else { "same" }, version)));
                }
                self.feed(
                    session,
                    Input::Heard(channel, Event::Loaded { request, version, answers }),
                );
            }
            Command::Remove(names) => set.names.retain(|name| !names.contains(name)),
            Command::Barrier(request) => {
                set.version = version;
                self.feed(session, Input::Heard(channel, Event::Reached { request, version }));
            }
            Command::Open | Command::Close => unreachable!("they are not queued"),
        }
    }

    fn commit(&mut self, session: &mut Session) {
        self.version += 1;
        let to = self.version;
        for channel in self.sets.keys().copied().collect::<Vec<_>>() {
            let set = self.sets.get_mut(&channel).unwrap();
            let touched = set.names.iter().filter(|name| name.len() as u64 % 2 == to % 2);
            let steps: Steps = touched.map(|name| (Arc::clone(name), step(to))).collect();
            if steps.is_empty() {
                continue;
            }
            let from = std::mem::replace(&mut set.version, to);
            self.feed(session, Input::Heard(channel, Event::Moved { from, to, steps }));
        }
    }

    fn reset(&mut self, session: &mut Session, name: &Name, lives: bool) {
        let version = self.version;
        for channel in self.sets.keys().copied().collect::<Vec<_>>() {
            let set = self.sets.get_mut(&channel).unwrap();
            if !set.names.contains(name) {
                continue;
            }
            set.version = version;
            if !lives {
                set.names.remove(name);
            }
            let kind = if lives { "snapshot" } else { "failed" };
            let answers = vec![(Arc::clone(name), answer(kind, version))];
            self.feed(session, Input::Heard(channel, Event::Reset { version, answers }));
        }
    }

    /// Lets everything that is under way come to its end.
    fn settle(&mut self, session: &mut Session) {
        while !(self.resolves.is_empty() && self.calls.is_empty() && self.commands.is_empty()) {
            self.resolve(session, 0, 255);
            self.mutated(session, 0, 255);
            self.engine(session);
        }
    }
}

impl Believer {
    fn answered(&mut self, reference: &str, response: &Json) {
        if reference == self.join_ref {
            assert!(!self.joined, "a join is answered once");
            self.joined = true;
            return self.queries(response);
        }
        if let Some(queries) = response.get("queries") {
            for name in queries.as_object().unwrap().keys() {
                let removed = self.removed.contains(&(reference.to_owned(), name.clone()));
                assert!(!removed, "an answer names what was removed: {response}");
            }
            self.queries(response);
        } else if let Some(version) = response.get("v").and_then(Json::as_u64) {
            assert!(version <= self.version, "a mutation is answered before it is seen");
        }
    }

    fn queries(&mut self, response: &Json) {
        let version = response["v"].as_u64().unwrap();
        assert!(self.version <= version, "versions move forward");
        self.version = version;
        for (name, query) in response["queries"].as_object().unwrap() {
            match query["mode"].as_str().unwrap() {
                "error" => self.names.remove(name),
                _ => self.names.insert(name.clone()),
            };
        }
    }
}

proptest! {
    #[test]
    fn a_client_that_believes_is_never_told_nonsense(
        acts in proptest::collection::vec(acts(), 0..80),
    ) {
        let mut session = Session::new(Vsn::V2, Limits { joins_per_second: u32::MAX, ..Limits::default() }, "law".into());
        let mut world = World { version: 1, ..World::default() };
        for act in &acts {
            world.act(&mut session, act);
        }
        world.settle(&mut session);
        for known in &world.believers {
            if known.joined {
                prop_assert!(
                    known.unanswered.iter().all(|reference| {
                        reference.parse::<u32>().unwrap() < known.join_ref.parse::<u32>().unwrap()
                    }),
                    "asked after the join and never answered: {:?}",
                    known.unanswered
                );
            }
        }
    }
}
