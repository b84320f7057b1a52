//! The engine: takes ticks and clients' commands, and says what to read and what to tell.
//!
//! A pure state machine. The shell ([`super::driver`]) waits, reads and writes.
//!
//! **Invariant:** between ticks every live result is exact at one committed state, and every client
//! has been told the way to it, or is marked as behind.

mod ask;
mod clients;
mod families;
mod fold;
mod growth;
mod inspect;
mod joins;
mod loads;
mod results;
mod returns;
mod slab;
mod tell;
mod trees;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;

pub(crate) use self::ask::Ask;
use self::clients::Client;
use self::clients::Waiting;
use self::families::Family;
use self::fold::Recent;
pub(crate) use self::fold::Touched;
pub(crate) use self::growth::Growth;
pub(crate) use self::loads::{Load, Loaded};
use self::returns::Heard;
use self::slab::Slab;
use super::client::ClientId;
use super::client::Command;
use super::mailbox::Name;
use super::metrics::Counts;
use super::plan::Role;
use super::result::LiveResult;
use super::router::FamilyId;
use super::router::ResultId;
use super::router::Router;
use super::step::Origin;
use super::step::Version;
use crate::adapter::sql::Dialect;
use crate::error::Error;
use crate::query::ast::Shape;
use crate::query::eval::Semantics;
use crate::schema::Table;

/// What the engine must know of the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// How it spells SQL.
    pub(crate) dialect: &'static dyn Dialect,
    /// Where it differs about values.
    pub(crate) semantics: Semantics,
    /// How many heartbeats a result without subscribers is kept for those who come back.
    pub(crate) linger: u64,
    /// How many results there may be at once.
    pub(crate) most_results: usize,
    /// How many of them may wait to be read.
    pub(crate) most_loading: usize,
}

/// How many steps of all results together are kept for clients that come back.
///
/// A guess: at a few hundred bytes a step, some tens of MiB.
const MOST_STEPS: usize = 131_072;

/// All live results, and everybody who watches them.
#[derive(Debug)]
pub(crate) struct Engine {
    setting: Setting,
    /// What cursors of the present version share.
    origin: Origin,
    /// What those of the next one will.
    next_origin: Origin,
    version: Version,
    heartbeats: u64,
    results: Slab<LiveResult>,
    families: HashMap<FamilyId, Family>,
    by_shape: HashMap<Shape, FamilyId>,
    next_family: FamilyId,
    /// The families of the join tier by their tables, with the number of the source.
    joined: HashMap<&'static str, Vec<(FamilyId, u16)>>,
    /// The families of the tree tier by their tables, with the schema and what its rows are to them.
    wooded: HashMap<&'static str, Vec<(FamilyId, &'static Table, Role)>>,
    router: Router,
    /// What was done so far.
    counts: Counts,
    clients: HashMap<ClientId, Client, RandomState>,
    /// Requests for queries that are not all there.
    waiting: HashMap<u64, Waiting>,
    next_waiting: u64,
    /// The requests that wait for a result.
    waiting_for: HashMap<ResultId, Vec<u64>, RandomState>,
    /// Requests whose queries are all there, or cannot be had.
    answerable: Vec<u64>,
    /// Clients that wait for a tick that began after they asked.
    barriers: Vec<(ClientId, u64)>,
    /// Requests of clients that come from another node, which wait for a tick to begin.
    returning: Vec<u64>,
    /// Those whose tick has begun.
    returned: Vec<u64>,
    /// What was touched since the oldest of their cursors, as of that tick.
    log: Option<Heard>,
    /// Results whose rows were read and wait for the engine to get there.
    arrived: HashSet<ResultId, RandomState>,
    /// How many results are being read, or wait, by the tick after which that began.
    loading: BTreeMap<u64, usize>,
    /// Results that went live in this tick.
    went_live: Vec<ResultId>,
    /// The number of the last tick that began.
    ticks: u64,
    /// The steps that are kept, oldest first: the heartbeat at which each was made, its result and
    /// its version.
    steps: VecDeque<(u64, ResultId, Version)>,
    /// Results that a snapshot was made of since the last heartbeat.
    pictured: Vec<ResultId>,
    /// Results without subscribers, each with the heartbeat at which the last one left.
    idle: HashMap<ResultId, u64, RandomState>,
    /// Results whose rows somebody must begin to read.
    to_load: VecDeque<ResultId>,
    /// The ticks since the oldest read that is on its way.
    recent: VecDeque<Recent>,
    /// Results with steps that were not told yet.
    changed: HashSet<ResultId, RandomState>,
    /// Windows with too few rows, until they are asked again: a tick that breaks off after it took
    /// the rows out does not find them a second time.
    dry: HashSet<ResultId, RandomState>,
    /// Trees of which some levels were read in this tick.
    growing: Vec<Growth>,
    /// Tables that the log watches; a question about any other is refused.
    watched: HashSet<String>,
    /// A tick is under way, or broke off: some rows are ahead of the version.
    is_torn: bool,
    /// Failures that were not told yet.
    failures: Vec<(ClientId, Name, Arc<Error>)>,
    /// Clients that asked what they missed while a tick was under way.
    behind: Vec<ClientId>,
    /// Results went live in this tick.
    has_activated: bool,
    /// Everything must be asked again.
    is_unsure: bool,
}

impl Engine {
    /// An engine without results; `node` tells this process from others.
    pub(crate) fn new(setting: Setting, node: u64, watched: HashSet<String>) -> Self {
        Self {
            setting,
            origin: Origin { node, ..Origin::default() },
            next_origin: Origin { node, ..Origin::default() },
            // Zero is before everything, so that no cursor of another life fits by accident.
            version: 1,
            heartbeats: 0,
            results: Slab::default(),
            families: HashMap::new(),
            by_shape: HashMap::new(),
            next_family: 1,
            joined: HashMap::new(),
            wooded: HashMap::new(),
            router: Router::default(),
            counts: Counts::default(),
            clients: HashMap::default(),
            waiting: HashMap::new(),
            next_waiting: 1,
            waiting_for: HashMap::default(),
            answerable: Vec::new(),
            barriers: Vec::new(),
            returning: Vec::new(),
            returned: Vec::new(),
            log: None,
            arrived: HashSet::default(),
            loading: BTreeMap::new(),
            went_live: Vec::new(),
            ticks: 0,
            steps: VecDeque::new(),
            pictured: Vec::new(),
            idle: HashMap::default(),
            to_load: VecDeque::new(),
            recent: VecDeque::new(),
            changed: HashSet::default(),
            dry: HashSet::default(),
            growing: Vec::new(),
            watched,
            is_torn: false,
            failures: Vec::new(),
            behind: Vec::new(),
            has_activated: false,
            is_unsure: false,
        }
    }

    /// The version that all results are at.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// How many results and clients there are.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.results.len(), self.clients.len())
    }

    /// Takes what a client asks.
    pub(crate) fn command(&mut self, command: Command) {
        match command {
            Command::Connect(id, mailbox) => self.connect(id, mailbox),
            Command::Add(id, request, wanted) => self.add(id, request, wanted),
            Command::Remove(id, names) => self.remove(id, &names),
            Command::Barrier(id, request) => self.barrier(id, request),
            Command::CatchUp(id) if self.is_torn => self.behind.push(id),
            Command::CatchUp(id) => self.settle(id),
            // Whoever asked may be gone.
            Command::Inspect(tell) => drop(tell.send(self.shapes())),
        }
    }

    /// True when a tick would let somebody who waits go on.
    pub(crate) fn wants_tick(&self) -> bool {
        self.is_unsure
            || !self.returning.is_empty()
            || !self.returned.is_empty()
            || !self.barriers.is_empty()
            || !self.arrived.is_empty()
    }

    /// True when a tick had clients of other nodes wait for the one after it.
    pub(crate) fn wants_another_tick(&self) -> bool {
        !self.returning.is_empty()
    }

    /// Counts a heartbeat: results that nobody wants any more are let go, and what is kept for those
    /// who come back.
    pub(crate) fn heartbeat(&mut self) {
        self.heartbeats += 1;
        self.forget_steps();
        for id in std::mem::take(&mut self.pictured) {
            if let Some(result) = self.results.get_mut(id) {
                result.forget_snapshot();
            }
        }
        let now = self.heartbeats;
        let linger = self.setting.linger;
        let over = self.idle.iter().filter(|(_, since)| *since + linger <= now);
        let over: Vec<ResultId> = over.map(|(id, _)| *id).collect();
        for id in over {
            self.drop_result(id);
        }
    }

    /// Keeps steps for as long as a result without subscribers is kept, and no more than
    /// [`MOST_STEPS`].
    fn forget_steps(&mut self) {
        let (now, linger) = (self.heartbeats, self.setting.linger);
        while let Some(&(made, id, version)) = self.steps.front()
            && (made + linger <= now || MOST_STEPS < self.steps.len())
        {
            self.steps.pop_front();
            if let Some(result) = self.results.get_mut(id) {
                result.forget_step(version);
            }
        }
    }
}
