//! One live result: a question, its rows, who subscribes, and the recent steps.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use super::super::catchup::Rest;
use super::super::feed::snapshot::Position;
use super::super::patch::Keyed;
use super::super::patch::Op;
use super::super::plan::LivePlan;
use super::super::plan::Tier;
use super::super::router::FamilyId;
use super::super::step::Answer;
use super::super::step::Cursor;
use super::super::step::Origin;
use super::super::step::Snapshot;
use super::super::step::Step;
use super::super::step::Version;
use super::Ordered;
use super::Rows;
use super::Subscribers;
use super::Touch;
use crate::adapter::Statement;
use crate::query::ast::Ast;
use crate::value::Row;
use crate::value::Values;

/// How many steps of a result are kept for clients that come back.
///
/// A guess: at a hundred steps a second, a second's absence; a client away for longer costs one
/// snapshot, which all such clients share.
const RING: usize = 128;

/// What a result needs until its rows are there.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    /// The tick after which its rows began to be read, once they are.
    pub(crate) began: Option<u64>,
    /// It is read for itself, because reading it with others has failed.
    pub(crate) is_alone: bool,
    /// Its rows, read at a position that the engine has not reached yet.
    pub(crate) rows: Option<(Vec<Keyed>, Arc<Position>)>,
}

/// What a result has of the recent past.
#[derive(Debug, Default)]
struct Recent {
    /// Steps since the last version; given to subscribers at the end of the tick.
    unsent: Vec<Op>,
    ring: VecDeque<Arc<Step>>,
    snapshot: Option<Arc<Snapshot>>,
}

impl Recent {
    fn is_empty(&self) -> bool {
        self.unsent.is_empty() && self.ring.is_empty() && self.snapshot.is_none()
    }
}

/// A question that is kept answered.
///
/// There may be a million: what few of them have at any one time is behind a pointer.
#[derive(Debug)]
pub(crate) struct LiveResult {
    pub(crate) plan: Arc<LivePlan>,
    pub(crate) params: Values,
    /// Tells it from all others, for cursors: a hash of question and parameters.
    pub(crate) bind: u64,
    pub(crate) family: FamilyId,
    pub(crate) rows: Rows,
    pub(crate) subscribers: Subscribers,
    /// The oldest version from which the ring leads to the present.
    reaches_back_to: Version,
    recent: Option<Box<Recent>>,
    /// It is not live yet.
    pub(crate) loading: Option<Box<Loading>>,
}

fn bind(ast: &Ast) -> u64 {
    let mut hasher = DefaultHasher::new();
    ast.hash(&mut hasher);
    hasher.finish()
}

impl LiveResult {
    /// A result whose rows are yet to be read.
    pub(crate) fn new(family: FamilyId, plan: Arc<LivePlan>, ast: &Ast) -> Self {
        let rows = match plan.tier {
            Tier::Row | Tier::Window | Tier::Join => Rows::Ordered(Ordered::new(&plan)),
            Tier::Aggregate => Rows::Groups(Box::default()),
            Tier::Tree => Rows::Roots(Box::default()),
            Tier::Rerun => Rows::Rerun(Vec::new()),
        };
        Self {
            plan,
            params: ast.params.iter().cloned().collect(),
            bind: bind(ast),
            family,
            rows,
            subscribers: Subscribers::default(),
            reaches_back_to: 0,
            recent: None,
            loading: Some(Box::default()),
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.loading.is_none()
    }

    /// How it is kept: as its shape is, unless it gave that up.
    pub(crate) fn tier(&self) -> Tier {
        match &self.rows {
            Rows::Rerun(_) => Tier::Rerun,
            Rows::Ordered(_) | Rows::Groups(_) | Rows::Roots(_) => self.plan.tier,
        }
    }

    /// Has the database asked from now on.
    pub(crate) fn give_up(&mut self) {
        self.rows = Rows::Rerun(self.rows.shown(&self.plan).to_vec());
    }

    /// The statement that reads the rows it holds.
    pub(crate) fn holding(&self) -> Statement {
        match &self.rows {
            Rows::Rerun(_) => self.plan.asking(&self.params),
            Rows::Ordered(_) | Rows::Groups(_) | Rows::Roots(_) => self.plan.holding(&self.params),
        }
    }

    /// Gives the rows that [`LiveResult::holding`] read their keys.
    pub(crate) fn keyed(&self, rows: Vec<Row>) -> Vec<Keyed> {
        match (&self.rows, &self.plan.aggregation) {
            (Rows::Groups(_), Some(aggregation)) => {
                let rows = rows.into_iter();
                rows.map(|row| Keyed { key: aggregation.key_of(&row), row }).collect()
            }
            (Rows::Groups(_) | Rows::Ordered(_) | Rows::Roots(_) | Rows::Rerun(_), _) => {
                self.keyed_answer(rows)
            }
        }
    }

    /// Gives rows of the answer their keys.
    pub(crate) fn keyed_answer(&self, rows: Vec<Row>) -> Vec<Keyed> {
        let keys = self.plan.plan.keys_of(&rows);
        keys.into_iter().zip(rows).map(|(key, row)| Keyed { key, row }).collect()
    }

    /// Makes the loaded rows the present ones; nobody has seen any before.
    pub(crate) fn activate(&mut self, rows: Vec<Keyed>, version: Version) {
        if self.plan.tree.is_none() {
            self.rows.replace(&self.plan, &self.params, rows);
        }
        self.loading = None;
        self.reaches_back_to = version;
    }

    /// Takes rows as the database has them now.
    pub(crate) fn replace(&mut self, rows: Vec<Row>) {
        let rows = self.keyed(rows);
        let ops = self.rows.replace(&self.plan, &self.params, rows);
        self.moved(ops);
    }

    /// Folds touched rows in.
    pub(crate) fn fold(&mut self, touches: &[Touch]) {
        let ops = self.rows.fold(&self.plan, &self.params, touches);
        self.moved(ops);
    }

    fn moved(&mut self, ops: Vec<Op>) {
        if ops.is_empty() {
            return;
        }
        let unsent = &mut self.recent.get_or_insert_default().unsent;
        if unsent.is_empty() {
            *unsent = ops;
        } else {
            unsent.extend(ops);
        }
    }

    /// True when its rows are ahead of what subscribers were told.
    pub(crate) fn has_moved(&self) -> bool {
        self.recent.as_ref().is_some_and(|recent| !recent.unsent.is_empty())
    }

    /// Takes the rows of a tree on which something else hangs now.
    pub(crate) fn redraw(&mut self, rows: Vec<Row>) {
        let rows = self.keyed(rows);
        if let Rows::Roots(roots) = &mut self.rows {
            let ops = roots.redraw(&self.plan, rows);
            self.moved(ops);
        }
    }

    pub(crate) fn cursor(&self, origin: Origin, version: Version) -> Cursor {
        Cursor::new(origin, version, self.bind)
    }

    /// Turns what is unsent into the step to `version`, if there is any.
    pub(crate) fn step(&mut self, origin: Origin, version: Version) -> Option<Arc<Step>> {
        let cursor = self.cursor(origin, version);
        let recent = self.recent.as_mut().filter(|recent| !recent.unsent.is_empty())?;
        recent.snapshot = None;
        let ops = std::mem::take(&mut recent.unsent);
        let step = Arc::new(Step::new(Arc::clone(&self.plan.view), cursor, ops));
        recent.ring.push_back(Arc::clone(&step));
        if RING < recent.ring.len()
            && let Some(oldest) = recent.ring.pop_front()
        {
            self.reaches_back_to = oldest.cursor.version;
        }
        Some(step)
    }

    /// Forgets the step to `version`, if it is the oldest that is kept.
    pub(crate) fn forget_step(&mut self, version: Version) {
        let Some(recent) = &mut self.recent else { return };
        if recent.ring.pop_front_if(|step| step.cursor.version == version).is_some() {
            self.reaches_back_to = version;
        }
        if recent.is_empty() {
            self.recent = None;
        }
    }

    /// Forgets the snapshot that was made for those who asked lately.
    pub(crate) fn forget_snapshot(&mut self) {
        let Some(recent) = &mut self.recent else { return };
        recent.snapshot = None;
        if recent.is_empty() {
            self.recent = None;
        }
    }

    /// The steps after `version`, if the ring reaches back that far.
    pub(crate) fn since(&self, version: Version) -> Option<Vec<Arc<Step>>> {
        (self.reaches_back_to <= version).then(|| {
            let ring = self.recent.iter().flat_map(|recent| &recent.ring);
            ring.filter(|step| version < step.cursor.version).cloned().collect()
        })
    }

    /// Everything, made once for all who ask between two steps.
    pub(crate) fn snapshot(&mut self, origin: Origin, version: Version) -> Arc<Snapshot> {
        let cursor = self.cursor(origin, version);
        let (rows, plan) = (&self.rows, &self.plan);
        let view = || Arc::clone(&plan.view);
        let make = || Arc::new(Snapshot::new(view(), cursor, rows.shown(plan).to_vec()));
        Arc::clone(self.recent.get_or_insert_default().snapshot.get_or_insert_with(make))
    }

    /// What follows the rows that are shown; nothing where that is not known.
    pub(crate) fn rest(&self) -> Option<Rest<'_>> {
        self.rows.rest(&self.plan)
    }

    /// True when the ring leads from `since` to the present.
    pub(crate) fn reaches(&self, node: u64, version: Version, since: Cursor) -> bool {
        self.is_mine(node, version, since) && self.reaches_back_to <= since.version
    }

    fn is_mine(&self, node: u64, version: Version, cursor: Cursor) -> bool {
        cursor.node == node && cursor.bind == self.bind && cursor.version <= version
    }

    /// What a client hears that comes with `since`.
    pub(crate) fn answer(
        &mut self,
        origin: Origin,
        version: Version,
        since: Option<Cursor>,
    ) -> Answer {
        let mine = since.filter(|cursor| self.is_mine(origin.node, version, *cursor));
        match mine.and_then(|cursor| self.since(cursor.version)) {
            Some(steps) => {
                Answer::Delta(steps, Arc::clone(&self.plan.view), self.cursor(origin, version))
            }
            None => Answer::Snapshot(self.snapshot(origin, version)),
        }
    }
}
