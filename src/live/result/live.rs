//! One live result: a question, its rows, who subscribes, and the recent steps.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use super::super::feed::snapshot::Position;
use super::super::patch::Keyed;
use super::super::patch::Op;
use super::super::plan::Level;
use super::super::plan::LivePlan;
use super::super::plan::Tier;
use super::super::router::FamilyId;
use super::super::step::Answer;
use super::super::step::Cursor;
use super::super::step::Origin;
use super::super::step::Snapshot;
use super::super::step::Step;
use super::super::step::Version;
use super::super::step::View;
use super::Groups;
use super::Ordered;
use super::Roots;
use super::Rows;
use super::Subscribers;
use crate::adapter::Statement;
use crate::query::ast::Ast;
use crate::schema::Table;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// How many steps of a result are kept for clients that come back.
///
/// A guess: at a hundred steps a second, a second's absence; a client away for longer costs one
/// snapshot, which all such clients share.
const RING: usize = 128;

/// Where a live result is in its life.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Its rows are being read.
    Loading,
    /// Its rows were read at a position that the engine has not reached yet.
    Loaded(Vec<Keyed>, Arc<Position>),
    /// It is kept current.
    Live,
}

/// A question that is kept answered.
#[derive(Debug)]
pub(crate) struct LiveResult {
    pub(crate) family: FamilyId,
    pub(crate) plan: Arc<LivePlan>,
    pub(crate) params: Arc<[Value]>,
    pub(crate) view: Arc<View>,
    pub(crate) stage: Stage,
    /// The tick after which its rows began to be read, while they are.
    pub(crate) began: Option<u64>,
    /// It is read for itself, because reading it with others has failed.
    pub(crate) is_alone: bool,
    pub(crate) rows: Rows,
    /// Steps since the last version; given to subscribers at the end of the tick.
    pub(crate) unsent: Vec<Op>,
    pub(crate) subscribers: Subscribers,
    /// The heartbeat at which its last subscriber left.
    pub(crate) idle_since: Option<u64>,
    ring: VecDeque<Arc<Step>>,
    /// The oldest version from which the ring leads to the present.
    reaches_back_to: Version,
    snapshot: Option<Arc<Snapshot>>,
}

/// The table whose touched keys tell how the rows changed. Keys that are texts are not told to
/// clients who may not see their rows.
fn resumable(plan: &LivePlan) -> Option<&'static Table> {
    let table = plan.plan.ast.root();
    let is_a_number = |kind| matches!(kind, Kind::I16 | Kind::I32 | Kind::I64 | Kind::Uuid);
    let are_numbers = table.key_columns().all(|column| is_a_number(column.kind));
    (plan.tier == Tier::Row && are_numbers).then_some(table)
}

fn view_of(plan: &LivePlan, ast: &Ast) -> View {
    let mut hasher = DefaultHasher::new();
    ast.hash(&mut hasher);
    let key = match *plan.plan.key {
        [column] if column < plan.outputs.len() && !plan.plan.repeats => {
            Some(plan.outputs[column].name)
        }
        _ => None,
    };
    View {
        outputs: Arc::clone(&plan.outputs),
        key,
        is_ordered: !plan.is_by_key(),
        bind: hasher.finish(),
        start: plan.plan.items.len(),
        branches: plan.tree.as_ref().map_or_else(Vec::new, Level::branches),
        resumable: resumable(plan),
    }
}

impl LiveResult {
    /// A result whose rows are yet to be read.
    pub(crate) fn new(family: FamilyId, plan: Arc<LivePlan>, ast: &Ast) -> Self {
        let rows = match plan.tier {
            Tier::Row | Tier::Window | Tier::Join => Rows::Ordered(Ordered::new(&plan)),
            Tier::Aggregate => Rows::Groups(Groups::default()),
            Tier::Tree => Rows::Roots(Roots::default()),
            Tier::Rerun => Rows::Rerun(Vec::new()),
        };
        Self {
            family,
            view: Arc::new(view_of(&plan, ast)),
            params: ast.params.as_slice().into(),
            plan,
            stage: Stage::Loading,
            began: None,
            is_alone: false,
            rows,
            unsent: Vec::new(),
            subscribers: Subscribers::default(),
            idle_since: None,
            ring: VecDeque::new(),
            reaches_back_to: 0,
            snapshot: None,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live)
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
        self.stage = Stage::Live;
        self.reaches_back_to = version;
    }

    /// Takes rows as the database has them now.
    pub(crate) fn replace(&mut self, rows: Vec<Row>) {
        let rows = self.keyed(rows);
        self.unsent.extend(self.rows.replace(&self.plan, &self.params, rows));
    }

    /// Takes the rows of a tree on which something else hangs now.
    pub(crate) fn redraw(&mut self, rows: Vec<Row>) {
        let rows = self.keyed(rows);
        if let Rows::Roots(roots) = &mut self.rows {
            self.unsent.extend(roots.redraw(&self.plan, rows));
        }
    }

    pub(crate) fn cursor(&self, origin: Origin, version: Version) -> Cursor {
        Cursor::new(origin, version, self.view.bind)
    }

    /// Turns what is unsent into the step to `version`, if there is any.
    pub(crate) fn step(&mut self, origin: Origin, version: Version) -> Option<Arc<Step>> {
        if self.unsent.is_empty() {
            return None;
        }
        self.snapshot = None;
        let ops = std::mem::take(&mut self.unsent);
        let step = Arc::new(Step::new(Arc::clone(&self.view), self.cursor(origin, version), ops));
        self.ring.push_back(Arc::clone(&step));
        if RING < self.ring.len()
            && let Some(oldest) = self.ring.pop_front()
        {
            self.reaches_back_to = oldest.cursor.version;
        }
        Some(step)
    }

    /// Forgets the step to `version`, if it is the oldest that is kept.
    pub(crate) fn forget_step(&mut self, version: Version) {
        if self.ring.front().is_some_and(|step| step.cursor.version == version) {
            self.ring.pop_front();
            self.reaches_back_to = version;
        }
        if self.ring.is_empty() {
            self.ring.shrink_to_fit();
        }
    }

    /// Forgets the snapshot that was made for those who asked lately.
    pub(crate) fn forget_snapshot(&mut self) {
        self.snapshot = None;
    }

    /// The steps after `version`, if the ring reaches back that far.
    pub(crate) fn since(&self, version: Version) -> Option<Vec<Arc<Step>>> {
        (self.reaches_back_to <= version).then(|| {
            let later = self.ring.iter().filter(|step| version < step.cursor.version);
            later.cloned().collect()
        })
    }

    /// Everything, made once for all who ask between two steps.
    pub(crate) fn snapshot(&mut self, origin: Origin, version: Version) -> Arc<Snapshot> {
        let cursor = self.cursor(origin, version);
        let (view, rows, plan) = (&self.view, &self.rows, &self.plan);
        let make = || Arc::new(Snapshot::new(Arc::clone(view), cursor, rows.shown(plan).to_vec()));
        Arc::clone(self.snapshot.get_or_insert_with(make))
    }

    /// True when the ring leads from `since` to the present.
    pub(crate) fn reaches(&self, node: u64, version: Version, since: Cursor) -> bool {
        self.is_mine(node, version, since) && self.reaches_back_to <= since.version
    }

    fn is_mine(&self, node: u64, version: Version, cursor: Cursor) -> bool {
        cursor.node == node && cursor.bind == self.view.bind && cursor.version <= version
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
                Answer::Delta(steps, Arc::clone(&self.view), self.cursor(origin, version))
            }
            None => Answer::Snapshot(self.snapshot(origin, version)),
        }
    }
}
