//! A client of the oracle: follows its questions by patches alone, and has every copy judged at
//! every version it is told.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use recto::live::Live;
use recto::live::LiveClient;
use recto::live::client::Wanted;
use recto::live::mailbox::Event;
use recto::live::mailbox::Name;
use recto::live::replica::Replica;
use recto::live::step::Answer;
use recto::live::step::Cursor;
use recto::live::step::Step;
use recto::live::step::Version;
use recto::query::ast::Ast;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::dice::Dice;
use super::judge::Judge;
use super::same::digest;
use super::told::as_told;
use crate::support::wait::within;

/// The longest wait for a client to hear everything, on a loaded machine.
const BOUND: Duration = Duration::from_mins(1);

/// How a client behaves.
pub(crate) enum Manner {
    /// Reads whatever comes.
    Steady,
    /// Stops reading now and then, until what it missed fits no mailbox.
    Sleepy(Dice),
    /// The same, and then takes the steps of what it missed in the wrong order: a lie, to see whether
    /// anybody notices.
    Disordered(Dice),
    /// Lets queries go and takes them up again where it left off, or connects anew.
    Wandering(Dice),
}

/// A running client.
pub(crate) struct Follower {
    orders: mpsc::Sender<Order>,
    task: JoinSet<usize>,
}

enum Order {
    /// Hear everything committed so far, then say so.
    Settle(oneshot::Sender<()>),
    /// The same, and end.
    Finish,
}

impl Follower {
    pub(super) async fn start(
        judge: Judge,
        live: Live,
        questions: Vec<(String, Ast)>,
        manner: Manner,
    ) -> Self {
        let client = live.client().await.unwrap();
        let mut following = Following {
            judge,
            live,
            client,
            questions: questions.into_iter().map(|(name, ast)| (name.into(), ast)).collect(),
            held: HashMap::new(),
            away: HashMap::new(),
            coming: HashMap::new(),
            manner,
            next_request: 1,
        };
        let names: Vec<Name> = following.questions.keys().cloned().collect();
        following.ask(names).await;
        let (orders, received) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(following.run(received));
        Self { orders, task }
    }

    /// Waits until it has heard everything committed so far.
    pub(crate) async fn settle(&mut self) {
        let (settled, is_settled) = oneshot::channel();
        self.orders.send(Order::Settle(settled)).await.unwrap();
        within("a follower to settle", BOUND, is_settled).await.unwrap();
    }

    /// Waits until it has heard everything committed so far, and ends it; returns how many queries
    /// it follows.
    pub(crate) async fn finish(mut self) -> usize {
        self.orders.send(Order::Finish).await.unwrap();
        let ended = self.task.join_next();
        within("a follower to hear everything", BOUND, ended).await.unwrap().unwrap()
    }
}

/// A copy of a result.
struct Copy {
    bind: u64,
    cursor: Cursor,
    replica: Replica,
    digest: u64,
}

struct Following {
    judge: Judge,
    live: Live,
    client: LiveClient,
    questions: HashMap<Name, Ast>,
    held: HashMap<Name, Copy>,
    /// What it let go, and may come back to.
    away: HashMap<Name, Copy>,
    /// What it asked for, with what it had of it, by request.
    coming: HashMap<u64, HashMap<Name, Option<Copy>>>,
    manner: Manner,
    next_request: u64,
}

impl Following {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) -> usize {
        loop {
            let order = tokio::select! {
                event = self.client.next() => {
                    let has_moved = matches!(event, Event::Moved { .. });
                    assert!(!self.hear(event), "a barrier that nobody asked for");
                    if !has_moved {
                        continue;
                    }
                    match self.behave(&mut orders).await {
                        Some(order) => order,
                        None => continue,
                    }
                }
                order = orders.recv() => match order {
                    Some(order) => order,
                    // Dropped with its test.
                    None => return 0,
                },
            };
            self.hear_everything().await;
            match order {
                Order::Settle(settled) => _ = settled.send(()),
                Order::Finish => return self.held.len(),
            }
        }
    }

    /// Asks for queries, as one request; those it has something of from there on.
    async fn ask(&mut self, names: Vec<Name>) {
        let request = self.next_request;
        self.next_request += 1;
        let mut coming = HashMap::new();
        let mut wanted = Vec::new();
        for name in names {
            let copy = self.away.remove(&name);
            let (ast, since) =
                (self.questions[&name].clone(), copy.as_ref().map(|copy| copy.cursor));
            wanted.push(Wanted { name: Arc::clone(&name), ast, since });
            coming.insert(name, copy);
        }
        self.coming.insert(request, coming);
        self.client.add(request, wanted).await.unwrap();
    }

    /// Does what its manner tells after a move; an order cuts that short.
    async fn behave(&mut self, orders: &mut mpsc::Receiver<Order>) -> Option<Order> {
        match &mut self.manner {
            Manner::Steady => None,
            Manner::Sleepy(dice) | Manner::Disordered(dice) => {
                if !dice.once_in(25) {
                    return None;
                }
                // Two clients of the others ask twice as much, and a tick may leave a copy alone.
                let moves = (60 + dice.roll(200)) * u64::try_from(self.held.len()).unwrap();
                tokio::select! {
                    () = self.judge.goes_on(moves) => None,
                    order = orders.recv() => order,
                }
            }
            Manner::Wandering(dice) => {
                let (what, which) = (dice.roll(24), dice.roll(1 << 20));
                self.wander(what, which).await;
                None
            }
        }
    }

    async fn wander(&mut self, what: u64, which: u64) {
        let pick = |of: &HashMap<Name, Copy>| {
            let mut names: Vec<&Name> = of.keys().collect();
            names.sort_unstable();
            let count = u64::try_from(names.len()).unwrap();
            let place = usize::try_from(which % count.max(1)).unwrap();
            names.get(place).map(|&name| Arc::clone(name))
        };
        match what {
            0..=4 => {
                let Some(name) = pick(&self.held) else { return };
                self.client.remove(vec![Arc::clone(&name)]).await.unwrap();
                let copy = self.held.remove(&name).unwrap();
                self.away.insert(name, copy);
            }
            5..=9 => {
                let Some(name) = pick(&self.away) else { return };
                if which.is_multiple_of(5) {
                    // As somebody new.
                    self.away.remove(&name);
                } else if let Some(copy) = self.away.get_mut(&name)
                    && which.is_multiple_of(2)
                {
                    // As somebody who comes from another node: only the log can lead on from there.
                    copy.cursor.node ^= 1;
                }
                self.ask(vec![name]).await;
            }
            10 if which.is_multiple_of(4) && self.coming.is_empty() => {
                self.client = self.live.client().await.unwrap();
                self.away.extend(self.held.drain());
                self.come_back().await;
            }
            _ => {}
        }
    }

    async fn come_back(&mut self) {
        let names: Vec<Name> = self.away.keys().cloned().collect();
        if !names.is_empty() {
            self.ask(names).await;
        }
    }

    async fn hear_everything(&mut self) {
        self.come_back().await;
        while !self.coming.is_empty() {
            let event = self.client.next().await;
            assert!(!self.hear(event), "a barrier that nobody asked for");
        }
        self.client.barrier(0).await.unwrap();
        loop {
            let event = self.client.next().await;
            if self.hear(event) {
                return;
            }
        }
    }

    /// True when everything before a barrier was heard.
    fn hear(&mut self, event: Event) -> bool {
        match event {
            Event::Loaded { request, version, answers } => {
                let had = self.coming.remove(&request).unwrap();
                self.answers(version, answers, had);
            }
            Event::Reset { version, answers } => {
                self.judge.count(|counts| counts.resets += 1);
                self.answers(version, answers, HashMap::new());
            }
            Event::Moved { to, steps, .. } => {
                let mut steps: Vec<&(Name, Arc<Step>)> = steps.iter().collect();
                if matches!(self.manner, Manner::Disordered(_)) {
                    steps.reverse();
                }
                let names: HashSet<&Name> = steps.iter().map(|(name, _)| name).collect();
                if names.len() < steps.len() {
                    self.judge.count(|counts| counts.joined += 1);
                }
                for (name, step) in steps {
                    // What was let go may still be told of for a while.
                    if let Some(copy) = self.held.get_mut(name) {
                        follow(&self.judge, copy, step);
                    } else if !self.away.contains_key(name) && !self.is_coming(name) {
                        self.judge.wrong(0, format!("{name} moved, which nobody asked for"));
                    }
                }
                self.compare(to);
            }
            Event::Reached { version, .. } => {
                self.compare(version);
                return true;
            }
            Event::Closed => panic!("the engine has stopped"),
            Event::Lagged => {}
        }
        false
    }

    fn is_coming(&self, name: &Name) -> bool {
        self.coming.values().any(|coming| coming.contains_key(name))
    }

    fn answers(
        &mut self,
        version: Version,
        answers: Vec<(Name, Answer)>,
        mut had: HashMap<Name, Option<Copy>>,
    ) {
        for (name, answer) in answers {
            let had = had.remove(&name).flatten();
            match answer {
                Answer::Snapshot(snapshot) => {
                    self.judge.count(|counts| counts.restarted += u64::from(had.is_some()));
                    let (bind, cursor) = (snapshot.cursor.bind, snapshot.cursor);
                    let digest = digest(&snapshot.rows);
                    let replica = Replica::new(snapshot.rows.clone());
                    self.judge.name(bind, &name);
                    self.held.insert(name, Copy { bind, cursor, replica, digest });
                }
                Answer::Delta(steps, _, cursor) => {
                    let Some(mut copy) = had else {
                        self.judge.wrong(cursor.bind, "a delta for who had nothing".to_owned());
                        continue;
                    };
                    self.judge.count(|counts| counts.resumed += 1);
                    for step in steps {
                        follow(&self.judge, &mut copy, &step);
                    }
                    copy.cursor = cursor;
                    self.held.insert(name, copy);
                }
                Answer::Catchup(catchup) => {
                    let Some(mut copy) = had else {
                        let what = "a way back for who had nothing".to_owned();
                        self.judge.wrong(catchup.cursor.bind, what);
                        continue;
                    };
                    self.judge.count(|counts| counts.from_the_log += 1);
                    if copy.replica.catch_up(&catchup).is_none() {
                        self.judge.wrong(copy.bind, format!("{catchup:?} does not fit"));
                    }
                    copy.cursor = catchup.cursor;
                    copy.digest = digest(copy.replica.rows());
                    self.held.insert(name, copy);
                }
                Answer::Failed(error) => self.judge.wrong(0, format!("{name}: {}", error.chain())),
            }
        }
        self.compare(version);
    }

    fn compare(&self, version: Version) {
        let copies = self.held.values();
        self.judge
            .compare(version, copies.map(|copy| (copy.bind, copy.digest, copy.replica.rows())));
    }
}

fn follow(judge: &Judge, copy: &mut Copy, step: &Step) {
    for op in &step.ops {
        let told = as_told(&step.view, copy.replica.rows(), op);
        if told.and_then(|op| copy.replica.apply(&op)).is_none() {
            judge.wrong(copy.bind, format!("{op:?} does not fit at {}", step.cursor));
        }
    }
    copy.cursor = step.cursor;
    copy.digest = digest(copy.replica.rows());
}
