//! Which of many intervals hold a value, found without looking at the others.
//!
//! Sorted runs whose sizes double, as Bentley and Saxe make any fixed search structure take
//! insertions; in each run the greatest upper end of every part is known, so that parts that end
//! before a value are passed over (Cormen et al., Introduction to Algorithms, interval trees).
//!
//! **Invariant:** an interval that was added and not removed is in exactly one run.

use std::cmp::Ordering;
use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::ResultId;
use crate::value::Value;

/// Values from one to another, both included; without an end where `None`.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// The smallest.
    pub(crate) low: Option<Value>,
    /// The greatest.
    pub(crate) high: Option<Value>,
}

#[derive(Clone, Debug)]
struct Entry {
    interval: Interval,
    id: ResultId,
    /// The greatest upper end in the part of the run whose middle this is.
    reach: Option<Value>,
}

/// Intervals, each with the result it leads to.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    /// Run `n` is empty or holds at most `2^n` intervals.
    runs: Vec<Vec<Entry>>,
    /// Removed, but still in a run.
    dead: HashSet<ResultId, RandomState>,
    count: usize,
}

fn by_low(left: &Entry, right: &Entry) -> Ordering {
    // `None` comes first, as no lower end does.
    left.interval.low.cmp(&right.interval.low)
}

/// Notes in the middle of each part how far the part reaches.
fn index(run: &mut [Entry]) {
    let (left, rest) = run.split_at_mut(run.len() / 2);
    let Some((entry, right)) = rest.split_first_mut() else { return };
    let mut reach = entry.interval.high.clone();
    for part in [left, right] {
        index(part);
        if let Some(middle) = part.get(part.len() / 2) {
            // No end is beyond all ends.
            reach = reach.zip(middle.reach.clone()).map(|(left, right)| left.max(right));
        }
    }
    entry.reach = reach;
}

impl Ranges {
    /// Adds an interval; a result has one at most.
    ///
    /// # Cost
    ///
    /// Logarithmic on average: now and then a run is sorted.
    pub(crate) fn add(&mut self, interval: Interval, id: ResultId) {
        if self.dead.contains(&id) {
            // The same number would hide the new one.
            self.rebuild();
        }
        self.count += 1;
        self.put(vec![Entry { interval, id, reach: None }]);
    }

    /// Takes the interval of a result out.
    pub(crate) fn remove(&mut self, id: ResultId) {
        self.count -= 1;
        self.dead.insert(id);
        if self.count < self.dead.len() {
            self.rebuild();
        }
    }

    /// True when it holds no interval.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn put(&mut self, mut entries: Vec<Entry>) {
        let mut size = 0;
        loop {
            if self.runs.len() <= size {
                self.runs.push(Vec::new());
            }
            entries.append(&mut self.runs[size]);
            if entries.len() <= 1 << size {
                break;
            }
            size += 1;
        }
        entries.sort_unstable_by(by_low);
        index(&mut entries);
        self.runs[size] = entries;
    }

    fn rebuild(&mut self) {
        let dead = std::mem::take(&mut self.dead);
        let runs = std::mem::take(&mut self.runs);
        let alive = runs.into_iter().flatten().filter(|entry| !dead.contains(&entry.id));
        self.put(alive.collect());
    }

    /// All results that have an interval.
    pub(crate) fn all(&self) -> impl Iterator<Item = ResultId> + '_ {
        let ids = self.runs.iter().flatten().map(|entry| entry.id);
        ids.filter(|id| !self.dead.contains(id))
    }

    /// Adds to `found` the results whose intervals hold `value`.
    ///
    /// # Cost
    ///
    /// A few comparisons per run, of which there are as many as digits in the binary number of
    /// intervals, and two per result found.
    pub(crate) fn find(&self, value: &Value, found: &mut Vec<ResultId>) {
        for run in &self.runs {
            self.find_in(run, value, found);
        }
    }

    fn find_in(&self, run: &[Entry], value: &Value, found: &mut Vec<ResultId>) {
        let middle = run.len() / 2;
        let Some(entry) = run.get(middle) else { return };
        if entry.reach.as_ref().is_some_and(|reach| reach < value) {
            return;
        }
        self.find_in(&run[..middle], value, found);
        let Interval { low, high } = &entry.interval;
        if low.as_ref().is_some_and(|low| value < low) {
            return;
        }
        let is_within = high.as_ref().is_none_or(|high| value <= high);
        if is_within && !self.dead.contains(&entry.id) {
            found.push(entry.id);
        }
        self.find_in(&run[middle + 1..], value, found);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![1 => Just(None), 5 => (0..40_i64).prop_map(Some)]
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_walk_finds(
            steps in prop::collection::vec((0..30_u64, end(), end(), any::<bool>()), 0..120),
            values in prop::collection::vec(0..40_i64, 1..20),
        ) {
            let mut ranges = Ranges::default();
            let mut held: Vec<(ResultId, Option<i64>, Option<i64>)> = Vec::new();
            for (id, low, high, adds) in steps {
                match (adds, held.iter().position(|(held, ..)| *held == id)) {
                    (true, None) => {
                        let interval =
                            Interval { low: low.map(Value::Int), high: high.map(Value::Int) };
                        ranges.add(interval, id);
                        held.push((id, low, high));
                    }
                    (false, Some(place)) => {
                        ranges.remove(id);
                        held.remove(place);
                    }
                    (true, Some(_)) | (false, None) => {}
                }
            }
            prop_assert_eq!(ranges.is_empty(), held.is_empty());
            prop_assert_eq!(ranges.all().count(), held.len());
            for value in values {
                let mut found = Vec::new();
                ranges.find(&Value::Int(value), &mut found);
                found.sort_unstable();
                let is_in = |(_, low, high): &&(ResultId, Option<i64>, Option<i64>)| {
                    low.is_none_or(|low| low <= value) && high.is_none_or(|high| value <= high)
                };
                let mut walked: Vec<ResultId> =
                    held.iter().filter(is_in).map(|(id, ..)| *id).collect();
                walked.sort_unstable();
                prop_assert_eq!(found, walked);
            }
        }
    }
}
