//! What the engine asks of the database in the middle of a tick.

use std::collections::HashMap;

use super::super::plan::MANY_RESULTS;
use super::super::plan::Touching;
use super::super::plan::split;
use super::super::router::FamilyId;
use super::super::router::ResultId;
use super::Engine;
use super::growth::Growth;
use super::trees::StaleTrees;
use crate::adapter::Statement;
use crate::value::Row;

/// Something to be read in the tick's snapshot.
#[derive(Debug)]
pub(crate) enum Ask {
    /// All rows of a result.
    Again(ResultId, Statement),
    /// All rows of several results of one shape.
    Many(Vec<ResultId>, Statement),
    /// The rows that rest on touched rows: of one result, or of all of a shape.
    Touching {
        /// The shape.
        family: FamilyId,
        /// The result, where each is asked for itself.
        only: Option<ResultId>,
        /// What to read.
        touching: Touching,
    },
    /// What comes next of trees that are being read.
    Tree(Growth),
}

impl Ask {
    /// The statements, whose answers come back together.
    pub(crate) fn statements(&self) -> &[Statement] {
        match self {
            Self::Again(_, statement) | Self::Many(_, statement) => std::slice::from_ref(statement),
            Self::Touching { touching, .. } => &touching.statements,
            Self::Tree(growth) => growth.statements(),
        }
    }
}

impl Engine {
    /// Asks for all rows of these results, and for touched branches; for trees of one shape together.
    /// With `is_whole` nothing that is held of trees counts.
    pub(super) fn again(
        &self,
        ids: impl IntoIterator<Item = ResultId>,
        stale: StaleTrees,
        is_whole: bool,
    ) -> Vec<Ask> {
        let mut families: HashMap<FamilyId, Vec<ResultId>> = HashMap::new();
        let mut trees: HashMap<FamilyId, Vec<ResultId>> = HashMap::new();
        let mut asks = Vec::new();
        for id in ids {
            let Some(result) = self.results.get(id) else { continue };
            if result.plan.tree.is_some() {
                trees.entry(result.family).or_default().push(id);
            } else if result.tier() == result.plan.tier {
                families.entry(result.family).or_default().push(id);
            } else {
                // One that gave its tier up holds other rows than the rest of its shape.
                asks.push(Ask::Again(id, result.holding()));
            }
        }
        for (family, ids) in families {
            for ids in ids.chunks(MANY_RESULTS) {
                match self.holding_many(family, ids) {
                    Some(statement) => asks.push(Ask::Many(ids.to_vec(), statement)),
                    None => asks.extend(self.each_again(ids)),
                }
            }
        }
        asks.extend(self.ask_trees(trees, stale, is_whole));
        asks
    }

    /// Asks for all rows of each of these results by a statement of its own.
    pub(crate) fn each_again(&self, ids: &[ResultId]) -> Vec<Ask> {
        let known = ids.iter().filter_map(|id| Some((*id, self.results.get(*id)?)));
        known.map(|(id, result)| Ask::Again(id, result.holding())).collect()
    }

    /// Takes the answers to what was asked.
    pub(crate) fn take(&mut self, ask: Ask, mut answers: Vec<Vec<Row>>) {
        match ask {
            Ask::Again(id, _) => {
                self.count(id, |counts| counts.reruns += 1);
                self.replace(id, answers.pop().unwrap_or_default());
            }
            Ask::Many(ids, _) => {
                let parts = split(answers.pop().unwrap_or_default(), ids.len());
                for (id, rows) in ids.into_iter().zip(parts) {
                    self.count(id, |counts| counts.reruns += 1);
                    self.replace(id, rows);
                }
            }
            Ask::Touching { family, only, touching } => {
                let statements = touching.statements.len() as u64;
                self.count_for(family, |counts| counts.keyed += statements);
                self.take_touching(family, only, touching, answers);
            }
            Ask::Tree(growth) => self.take_grown(growth, answers),
        }
    }

    /// What the answers taken so far have left to be asked: the next level of trees, then windows
    /// that ran dry.
    pub(crate) fn more(&mut self) -> Vec<Ask> {
        let growing = std::mem::take(&mut self.growing);
        if growing.is_empty() {
            return self.again(self.dry.iter().copied(), StaleTrees::new(), false);
        }
        growing.into_iter().map(Ask::Tree).collect()
    }
}
