//! What the engine holds and did, by shape, for those who look at it.

use std::sync::Arc;

use super::super::metrics::Counts;
use super::super::metrics::ShapeMetrics;
use super::super::plan::Explanation;
use super::super::router::FamilyId;
use super::super::router::ResultId;
use super::Engine;

impl Engine {
    /// Every shape that has results, those first that were told most.
    ///
    /// # Cost
    ///
    /// Looks at every result once.
    pub(crate) fn shapes(&self) -> Vec<ShapeMetrics> {
        let mut shapes: Vec<ShapeMetrics> = (self.families.values())
            .map(|family| {
                let results = family.results.values().filter_map(|id| self.results.get(*id));
                let (mut subscribers, mut rows) = (0, 0);
                for result in results {
                    subscribers += result.subscribers.len();
                    rows += result.rows.shown(&result.plan).len();
                }
                let Explanation { tier, tables, .. } = Explanation::new(&family.plan);
                ShapeMetrics {
                    sql: family.plan.asking(&[]).sql.to_string(),
                    tier,
                    tables,
                    results: family.results.len(),
                    subscribers,
                    rows,
                    counts: family.counts,
                }
            })
            .collect();
        shapes.sort_by(|left, right| {
            let told = |shape: &ShapeMetrics| std::cmp::Reverse(shape.counts.deliveries);
            told(left).cmp(&told(right)).then_with(|| left.sql.cmp(&right.sql))
        });
        shapes
    }

    /// What was done for all shapes together.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// How often results of each shape were asked again.
    pub(crate) fn reruns(&self) -> impl Iterator<Item = (Arc<str>, u64)> {
        self.families.values().map(|family| (family.plan.asking(&[]).sql, family.counts.reruns))
    }

    /// Counts something for the shape of a result.
    pub(super) fn count(&mut self, id: ResultId, count: impl Fn(&mut Counts)) {
        if let Some(result) = self.results.get(id) {
            self.count_for(result.family, count);
        }
    }

    /// Counts something for a shape.
    pub(super) fn count_for(&mut self, id: FamilyId, count: impl Fn(&mut Counts)) {
        count(&mut self.counts);
        if let Some(family) = self.families.get_mut(&id) {
            count(&mut family.counts);
        }
    }
}
