//! Compares everything with everything: held rows with plain answers, replicas with both.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use recto::live::Audit;
use recto::live::Audited;
use recto::live::Live;
use recto::live::LiveClient;
use recto::live::Tier;
use recto::live::client::Wanted;
use recto::live::mailbox::Event;
use recto::live::patch::Keyed;
use recto::live::patch::diff;
use recto::live::replica::Replica;
use recto::live::step::Answer;
use recto::live::step::Version;
use recto::query::ast::Ast;
use tokio::task::JoinSet;

use crate::support::wait::within;

/// How many states of one result are remembered for slow replicas.
const REMEMBERED: usize = 4000;

/// The tiers that must occur.
const TIERS: [Tier; 5] = [Tier::Row, Tier::Window, Tier::Aggregate, Tier::Join, Tier::Rerun];

/// What was compared so far, and what was wrong.
#[derive(Clone, Default)]
pub(crate) struct Judge(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    versions: u64,
    by_tier: HashMap<Tier, u64>,
    replicas: u64,
    resets: u64,
    wrong: Vec<String>,
    truths: HashMap<u64, BTreeMap<Version, Vec<Keyed>>>,
}

impl Judge {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Hears every comparison of the engine.
    pub(crate) fn audit(&self) -> Audit {
        let judge = self.clone();
        Audit::new(move |audited| judge.hear(audited))
    }

    fn hear(&self, audited: Audited) {
        let mut state = self.state();
        state.versions += 1;
        *state.by_tier.entry(audited.tier).or_default() += 1;
        if !audited.is_exact() && state.wrong.len() < 10 {
            let steps = diff(&audited.held, &audited.truth);
            state.wrong.push(format!(
                "version {} of a {} result is not what the database answers; it lacks {steps:?}",
                audited.version, audited.tier
            ));
        }
        let truths = state.truths.entry(audited.bind).or_default();
        if audited.will_change || truths.is_empty() {
            truths.insert(audited.version, audited.truth);
            if REMEMBERED < truths.len() {
                truths.pop_first();
            }
        }
    }

    fn wrong(&self, what: String) {
        let mut state = self.state();
        if state.wrong.len() < 10 {
            state.wrong.push(what);
        }
    }

    /// How many versions were compared with a plain answer in the same snapshot.
    pub(crate) fn versions(&self) -> u64 {
        self.state().versions
    }

    /// What was wrong, at most ten things.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.state().wrong.clone()
    }

    /// Prints the counts, and fails if anything was wrong or a tier hardly occurred.
    pub(crate) fn verdict(&self, name: &str) {
        let state = self.state();
        // Past the runner, which keeps what tests print to itself when they pass.
        _ = writeln!(
            std::io::stdout(),
            "oracle on {name}: {} versions compared with the plain query in the same snapshot \
             ({}), {} client replicas compared, {} resets, {} wrong",
            state.versions,
            TIERS
                .map(|tier| format!("{tier} {}", state.by_tier.get(&tier).copied().unwrap_or(0)))
                .join(", "),
            state.replicas,
            state.resets,
            state.wrong.len(),
        );
        assert!(state.wrong.is_empty(), "{}", state.wrong.join("\n"));
        for tier in TIERS {
            let share =
                state.by_tier.get(&tier).copied().unwrap_or(0) * 100 / state.versions.max(1);
            assert!(4 <= share, "only {share} % of the versions are of the {tier} tier");
        }
    }

    /// A client that follows `questions` by patches alone, and compares all of them at every move.
    pub(crate) async fn follow(&self, live: &Live, questions: Vec<(String, Ast)>) -> Follower {
        let client = live.client().await.unwrap();
        let wanted = questions.iter().map(|(name, ast)| Wanted {
            name: name.as_str().into(),
            ast: ast.clone(),
            since: None,
        });
        client.add(0, wanted.collect()).await.unwrap();
        let follower = Following { judge: self.clone(), client, replicas: HashMap::new() };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(follower.run(stopped));
        Follower { stop, task }
    }
}

/// A running [`Judge::follow`].
pub(crate) struct Follower {
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinSet<usize>,
}

impl Follower {
    /// Waits until it has heard everything committed so far, and ends it; returns how many queries
    /// it follows.
    pub(crate) async fn finish(mut self) -> usize {
        self.stop.send(()).unwrap();
        let ended = self.task.join_next();
        within("a follower to hear everything", Duration::from_secs(30), ended)
            .await
            .unwrap()
            .unwrap()
    }
}

struct Following {
    judge: Judge,
    client: LiveClient,
    /// By name: the number of the result, and the copy.
    replicas: HashMap<Arc<str>, (u64, Replica)>,
}

impl Following {
    async fn run(mut self, mut stopped: tokio::sync::oneshot::Receiver<()>) -> usize {
        let mut is_ending = false;
        loop {
            let event = tokio::select! {
                event = self.client.next() => event,
                _ = &mut stopped, if !is_ending => {
                    is_ending = true;
                    self.client.barrier(1).await.unwrap();
                    continue;
                }
            };
            match event {
                Event::Loaded { version, answers, .. } => self.answers(version, answers),
                Event::Reset { version, answers } => {
                    self.judge.state().resets += 1;
                    self.answers(version, answers);
                }
                Event::Moved { to, steps, .. } => {
                    for (name, step) in steps {
                        let (_, replica) = self.replicas.get_mut(&name).unwrap();
                        for op in &step.ops {
                            if replica.apply(op).is_none() {
                                self.judge.wrong(format!("{name}: {op:?} does not fit at {to}"));
                            }
                        }
                    }
                    self.compare(to);
                }
                Event::Reached { version, .. } => {
                    self.compare(version);
                    return self.replicas.len();
                }
                Event::Closed => panic!("the engine has stopped"),
                Event::Lagged => {}
            }
        }
    }

    fn answers(&mut self, version: Version, answers: Vec<(Arc<str>, Answer)>) {
        for (name, answer) in answers {
            match answer {
                Answer::Snapshot(snapshot) => {
                    let replica = Replica::new(snapshot.rows.clone());
                    self.replicas.insert(name, (snapshot.view.bind, replica));
                }
                Answer::Delta(..) => panic!("{name}: a delta for a client that had nothing"),
                Answer::Failed(error) => self.judge.wrong(format!("{name}: {}", error.chain())),
            }
        }
        self.compare(version);
    }

    /// All queries of a client are at one version: each must be what it was at that version.
    fn compare(&self, version: Version) {
        let mut state = self.judge.state();
        for (name, (bind, replica)) in &self.replicas {
            let truth =
                state.truths.get(bind).and_then(|truths| truths.range(..=version).next_back());
            // A result that has not been through a tick yet has no truth to compare with.
            let Some((at, truth)) = truth else { continue };
            let is_same = truth == replica.rows();
            let complaint = (!is_same)
                .then(|| format!("the replica of `{name}` at {version} is not the result at {at}"));
            state.replicas += 1;
            if let Some(complaint) = complaint
                && state.wrong.len() < 10
            {
                state.wrong.push(complaint);
            }
        }
    }
}
