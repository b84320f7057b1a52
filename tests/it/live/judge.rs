//! Compares everything with everything: held rows with plain answers, replicas with both.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;

use recto::live::Audit;
use recto::live::Audited;
use recto::live::Live;
use recto::live::Tier;
use recto::live::patch::Keyed;
use recto::live::step::Version;
use recto::query::ast::Ast;
use tokio::sync::watch;

use super::follower::Follower;
use super::follower::Manner;
use super::same::difference;
use super::same::digest;

/// How many states of one result are remembered for slow replicas: a digest each.
const REMEMBERED: usize = 20_000;

/// How many complaints are kept; more tell nothing new.
const COMPLAINTS: usize = 10;

/// What was compared so far, and what was wrong.
#[derive(Clone)]
pub(crate) struct Judge {
    state: Arc<Mutex<State>>,
    versions: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct State {
    counts: Counts,
    by_tier: BTreeMap<String, u64>,
    wrong: Vec<(u64, String)>,
    truths: HashMap<u64, Truths>,
    /// What was asked, by the number of the result.
    asked: HashMap<u64, Arc<str>>,
    is_deaf: bool,
}

/// How often what was looked at.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Results compared with the plain answer, once for every tick.
    pub(crate) versions: u64,
    /// Those of them that the tick had changed.
    pub(crate) changed: u64,
    pub(crate) replicas: u64,
    /// Replicas of which no state was remembered.
    pub(crate) unknown: u64,
    pub(crate) resets: u64,
    /// Moves in which a query came several times, because they were joined.
    pub(crate) joined: u64,
    /// Queries that came back with a cursor and got the way, and those that got everything.
    pub(crate) resumed: u64,
    pub(crate) restarted: u64,
    /// Queries that came back as if from another node and were led on by the log.
    pub(crate) from_the_log: u64,
}

#[derive(Default)]
struct Truths {
    digests: BTreeMap<Version, u64>,
    last: Vec<Keyed>,
}

impl Default for Judge {
    fn default() -> Self {
        Self { state: Arc::default(), versions: Arc::new(watch::Sender::new(0)) }
    }
}

impl Judge {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Hears every comparison of the engine.
    pub(crate) fn audit(&self) -> Audit {
        let judge = self.clone();
        Audit::new(move |audited| judge.hear(audited))
    }

    fn hear(&self, audited: Audited) {
        let truth = digest(&audited.truth);
        let is_exact = digest(&audited.held) == truth;
        let mut state = self.state();
        state.counts.versions += 1;
        state.counts.changed += u64::from(audited.will_change);
        *state.by_tier.entry(audited.tier.to_string()).or_default() += 1;
        if !is_exact {
            let difference = difference(&audited.held, &audited.truth);
            let (version, tier) = (audited.version, audited.tier);
            state.complain(
                audited.bind,
                format!(
                    "version {version} of a {tier} result is not the plain answer: {difference}"
                ),
            );
        }
        let truths = state.truths.entry(audited.bind).or_default();
        if truths.digests.last_key_value().is_none_or(|(_, last)| *last != truth) {
            truths.digests.insert(audited.version, truth);
            truths.last = audited.truth;
            if REMEMBERED < truths.digests.len() {
                truths.digests.pop_first();
            }
        }
        let versions = state.counts.versions;
        drop(state);
        self.versions.send_replace(versions);
    }

    /// Notes that something is wrong with a result.
    pub(crate) fn wrong(&self, bind: u64, what: String) {
        self.state().complain(bind, what);
    }

    /// Notes which question a result answers.
    pub(crate) fn name(&self, bind: u64, name: &Arc<str>) {
        self.state().asked.insert(bind, Arc::clone(name));
    }

    /// Counts something.
    pub(crate) fn count(&self, what: impl FnOnce(&mut Counts)) {
        what(&mut self.state().counts);
    }

    /// How many versions were compared with a plain answer in the same snapshot.
    pub(crate) fn versions(&self) -> u64 {
        self.state().counts.versions
    }

    /// Waits until so many more versions were compared.
    pub(crate) async fn goes_on(&self, more: u64) {
        let mut versions = self.versions.subscribe();
        let wanted = *versions.borrow() + more;
        versions.wait_for(|versions| wanted <= *versions).await.unwrap();
    }

    /// Does not complain for a while, in which the database itself shows what never was:
    /// `TRUNCATE` is seen by snapshots that are older.
    pub(crate) fn is_deaf(&self, is_deaf: bool) {
        self.state().is_deaf = is_deaf;
    }

    /// What was wrong, at most ten things.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let state = self.state();
        let named = state.wrong.iter().map(|(bind, what)| {
            let name = state.asked.get(bind).map_or("a question nobody heard of", |name| &**name);
            format!("{name}\n    {what}")
        });
        named.collect()
    }

    /// The names of the questions with which something was wrong.
    pub(crate) fn suspects(&self) -> Vec<Arc<str>> {
        let state = self.state();
        state.wrong.iter().filter_map(|(bind, _)| state.asked.get(bind).cloned()).collect()
    }

    /// Prints the counts, and fails if anything was wrong or one of `tiers` hardly occurred.
    pub(crate) fn verdict(&self, name: &str, tiers: &[(Tier, u64)]) {
        let complaints = self.complaints();
        let state = self.state();
        let Counts {
            versions,
            changed,
            replicas,
            unknown,
            resets,
            joined,
            resumed,
            restarted,
            from_the_log,
        } = state.counts;
        let by_tier: Vec<String> =
            state.by_tier.iter().map(|(tier, count)| format!("{tier} {count}")).collect();
        // Past the runner, which keeps what tests print to itself when they pass.
        _ = writeln!(
            std::io::stdout(),
            "oracle on {name}: {versions} versions compared with the plain query in the same \
             snapshot ({}), {changed} of them changed; {replicas} client replicas compared \
             ({unknown} more with nothing to compare), {joined} moves joined, {resets} resets, \
             {resumed} resumed, {from_the_log} by the log, \
             {restarted} started again; {} wrong",
            by_tier.join(", "),
            complaints.len(),
        );
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        assert!(unknown <= replicas / 4, "too many replicas had nothing to be compared with");
        for (tier, least) in tiers {
            let share =
                state.by_tier.get(&tier.to_string()).copied().unwrap_or(0) * 100 / versions.max(1);
            assert!(*least <= share, "only {share} % of the versions are of the {tier} tier");
        }
    }

    /// A client that follows `questions` by patches alone, and compares all of them at every move.
    pub(crate) async fn follow(&self, live: &Live, questions: Vec<(String, Ast)>) -> Follower {
        Follower::start(self.clone(), live.clone(), questions, Manner::Steady).await
    }

    /// A client that follows `questions` in a manner of its own.
    pub(crate) async fn follow_as(
        &self,
        live: &Live,
        questions: Vec<(String, Ast)>,
        manner: Manner,
    ) -> Follower {
        Follower::start(self.clone(), live.clone(), questions, manner).await
    }

    /// All queries of a client are at one version: each must be what it was at that version.
    /// `copies` are the numbers of results, digests and rows.
    pub(crate) fn compare<'c>(
        &self,
        version: Version,
        copies: impl Iterator<Item = (u64, u64, &'c [Keyed])>,
    ) {
        let mut guard = self.state();
        let state = &mut *guard;
        for (bind, digest, rows) in copies {
            let truths = state.truths.get(&bind);
            let truth = truths.and_then(|truths| truths.digests.range(..=version).next_back());
            // A result that has not been through a tick yet has no truth to compare with.
            let Some((&at, &truth)) = truth else {
                state.counts.unknown += 1;
                continue;
            };
            state.counts.replicas += 1;
            if truth != digest {
                let last = truths.map_or(&[][..], |truths| &truths.last);
                let difference = difference(rows, last);
                let what = format!(
                    "the replica at {version} is not the result at {at}; now: {difference}"
                );
                state.complain(bind, what);
            }
        }
    }
}

impl State {
    fn complain(&mut self, bind: u64, what: String) {
        if self.wrong.len() < COMPLAINTS && !self.is_deaf {
            self.wrong.push((bind, what));
        }
    }
}
