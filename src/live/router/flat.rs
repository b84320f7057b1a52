//! A hash table from small keys to results that costs one line of memory a look-up.
//!
//! Keys and results lie side by side in one array, without a word about them elsewhere: among a
//! million entries every other line that a look-up needs is a wait for memory. Knuth, The Art of Computer
//! Programming 3, 6.4: linear probing (algorithm L), and deletion that leaves no gaps (algorithm R).
//!
//! **Invariant:** between the place where a key belongs and the one where it stands no place is free.

use std::hash::BuildHasher;
use std::hash::Hash;

use foldhash::fast::RandomState;

use super::ResultId;

/// What stands in a free place. No result has such a number, nor one with the same low half; those
/// stand for several results.
const FREE: ResultId = ResultId::MAX;

const LOW: ResultId = u32::MAX as ResultId;

/// How many places there are at first.
const FIRST: usize = 4;

/// Results by key: mostly one for each.
#[derive(Debug)]
pub(super) struct Flat<K> {
    /// None, or a power of two, of which a quarter is free.
    places: Vec<Place<K>>,
    count: usize,
    /// The results of keys that several have, behind the high half of what stands in a place.
    several: Vec<Vec<ResultId>>,
    /// Which of `several` belong to nobody.
    idle: Vec<usize>,
    state: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Place<K> {
    key: K,
    held: ResultId,
}

impl<K: Default> Default for Flat<K> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            count: 0,
            several: Vec::new(),
            idle: Vec::new(),
            state: RandomState::default(),
        }
    }
}

/// Which of several results a place leads to.
fn number(held: ResultId) -> Option<usize> {
    (held & LOW == LOW).then(|| usize::try_from(held >> u32::BITS).expect("it was one"))
}

impl<K: Copy + Default + Eq + Hash> Flat<K> {
    /// True when no key leads anywhere.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where a key belongs; there are places.
    #[expect(clippy::cast_possible_truncation, reason = "there are never as many places")]
    fn home(&self, key: K) -> usize {
        self.state.hash_one(key) as usize & (self.places.len() - 1)
    }

    /// Where a key stands, or would; there is a free place.
    fn find(&self, key: K) -> usize {
        let mut place = self.home(key);
        loop {
            let Place { key: held, held: id } = self.places[place];
            if id == FREE || held == key {
                return place;
            }
            place = (place + 1) & (self.places.len() - 1);
        }
    }

    /// Has the processor fetch what [`Flat::get`] is going to look at. What it returns means nothing,
    /// but that nobody leaves it out.
    pub(super) fn peek(&self, key: K) -> u64 {
        if self.places.is_empty() { 0 } else { self.places[self.home(key)].held }
    }

    /// The results of a key, each once.
    pub(super) fn get(&self, key: K) -> &[ResultId] {
        if self.places.is_empty() {
            return &[];
        }
        let held = &self.places[self.find(key)].held;
        if *held == FREE {
            return &[];
        }
        number(*held).map_or(std::slice::from_ref(held), |number| &self.several[number])
    }

    /// Leads a key to a result, to which it may lead already.
    pub(super) fn add(&mut self, key: K, id: ResultId) {
        debug_assert_ne!(id & LOW, LOW, "that number stands for others");
        if self.places.len() * 3 / 4 <= self.count {
            self.grow();
        }
        let place = self.find(key);
        let held = self.places[place].held;
        if held == FREE {
            self.places[place] = Place { key, held: id };
            self.count += 1;
        } else if let Some(number) = number(held) {
            if !self.several[number].contains(&id) {
                self.several[number].push(id);
            }
        } else if held != id {
            self.places[place].held = self.together([held, id]);
        }
    }

    /// Makes two results those of one place.
    fn together(&mut self, ids: [ResultId; 2]) -> ResultId {
        let number = self.idle.pop().unwrap_or_else(|| {
            self.several.push(Vec::new());
            self.several.len() - 1
        });
        self.several[number] = ids.into();
        (number as ResultId) << u32::BITS | LOW
    }

    /// Undoes [`Flat::add`], however often it was done.
    pub(super) fn remove(&mut self, key: K, id: ResultId) {
        if self.places.is_empty() {
            return;
        }
        let place = self.find(key);
        let held = self.places[place].held;
        if held == FREE {
            return;
        }
        if let Some(number) = number(held) {
            let several = &mut self.several[number];
            if let Some(place) = several.iter().position(|&held| held == id) {
                several.swap_remove(place);
            }
            if let [last] = several[..] {
                *several = Vec::new();
                self.idle.push(number);
                self.places[place].held = last;
            }
        } else if held == id {
            self.vacate(place);
        }
    }

    /// Frees a place, and moves those behind it that belong further to the front.
    fn vacate(&mut self, mut free: usize) {
        let mask = self.places.len() - 1;
        let mut place = free;
        loop {
            place = (place + 1) & mask;
            let Place { key, held } = self.places[place];
            if held == FREE {
                break;
            }
            let way = |from: usize| place.wrapping_sub(from) & mask;
            if way(free) <= way(self.home(key)) {
                self.places[free] = self.places[place];
                free = place;
            }
        }
        self.places[free].held = FREE;
        self.count -= 1;
    }

    fn grow(&mut self) {
        let count = (2 * self.places.len()).max(FIRST);
        let free = Place { key: K::default(), held: FREE };
        let places = std::mem::replace(&mut self.places, vec![free; count]);
        for old in places.into_iter().filter(|old| old.held != FREE) {
            let place = self.find(old.key);
            self.places[place] = old;
        }
    }

    /// All results, once for each key that leads to them.
    pub(super) fn all(&self) -> impl Iterator<Item = ResultId> + '_ {
        let several = self.several.iter().flatten().copied();
        let held = self.places.iter().map(|place| place.held);
        held.filter(|held| held & LOW != LOW).chain(several)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_to_sets(
            steps in prop::collection::vec((0..40_i64, 0..4_u64, 0..5_u8), 0..300),
        ) {
            let mut flat = Flat::default();
            let mut truth: BTreeMap<i64, BTreeSet<ResultId>> = BTreeMap::new();
            for (key, id, what) in steps {
                // Keys that are far apart and that are not; ids that were given out before.
                let (key, id) = (if key % 2 == 0 { key } else { i64::MIN + key }, id << 32 | id);
                if what < 3 {
                    flat.add(key, id);
                    truth.entry(key).or_default().insert(id);
                } else {
                    flat.remove(key, id);
                    if let Some(ids) = truth.get_mut(&key) {
                        ids.remove(&id);
                    }
                }
                for key in (0..40).flat_map(|key| [key, i64::MIN + key]) {
                    let found: BTreeSet<ResultId> = flat.get(key).iter().copied().collect();
                    prop_assert_eq!(found.len(), flat.get(key).len());
                    prop_assert_eq!(found, truth.get(&key).cloned().unwrap_or_default());
                }
                let mut all: Vec<ResultId> = flat.all().collect();
                let mut wanted: Vec<ResultId> = truth.values().flatten().copied().collect();
                all.sort_unstable();
                wanted.sort_unstable();
                prop_assert_eq!(all, wanted);
                prop_assert_eq!(flat.is_empty(), truth.values().all(BTreeSet::is_empty));
            }
        }
    }
}
