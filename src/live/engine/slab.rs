//! Values under numbers that are given out once.
//!
//! **Invariant:** whoever kept the number of a value that is gone finds nothing, though another value
//! has its place.

/// Values, each under a number: its place in the low half, which is never all ones, and in the high
/// one how many were there before it.
///
/// # Cost
///
/// Finding a value is one look at one place, without a hash table between. Places are never given
/// back: it stays as large as it ever was.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    before: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

fn number(place: u32, before: u32) -> u64 {
    u64::from(before) << u32::BITS | u64::from(place)
}

impl<T> Slab<T> {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Puts a value in, and gives it a number.
    ///
    /// # Panics
    ///
    /// With four thousand million values.
    pub(super) fn insert(&mut self, value: T) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { before: 0, value: None });
            let place = u32::try_from(self.places.len() - 1).ok();
            place.filter(|place| *place < u32::MAX).expect("nobody has that many")
        });
        let held = &mut self.places[place as usize];
        held.value = Some(value);
        number(place, held.before)
    }

    /// The value of a number.
    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let place = self.places.get(low(number))?;
        place.value.as_ref().filter(|_| place.before == high(number))
    }

    /// The value of a number.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let place = self.places.get_mut(low(number))?;
        place.value.as_mut().filter(|_| place.before == high(number))
    }

    /// True when a number has a value.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.get(number).is_some()
    }

    /// Takes a value out; its number is nobody's from now on.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        self.get(number)?;
        let place = &mut self.places[low(number)];
        place.before = place.before.wrapping_add(1);
        self.free.extend(u32::try_from(low(number)));
        place.value.take()
    }

    /// Takes a value out, to be put back under its number by [`Slab::restore`].
    pub(super) fn lend(&mut self, number: u64) -> Option<T> {
        self.get(number)?;
        self.places[low(number)].value.take()
    }

    /// Puts a value back.
    pub(super) fn restore(&mut self, number: u64, value: T) {
        self.places[low(number)].value = Some(value);
    }

    /// All values with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> + '_ {
        (0..).zip(&self.places).filter_map(|(place, held)| {
            let value = held.value.as_ref()?;
            Some((number(place, held.before), value))
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the other half is the other thing")]
fn low(number: u64) -> usize {
    number as u32 as usize
}

fn high(number: u64) -> u32 {
    (number >> u32::BITS) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_that_gives_out_keys(steps in prop::collection::vec(0..12_usize, 0..60)) {
            let mut slab = Slab::default();
            let (mut truth, mut numbers) = (HashMap::new(), Vec::new());
            for (value, step) in steps.into_iter().enumerate() {
                if let Some(number) = numbers.get(step) {
                    prop_assert_eq!(slab.remove(*number), truth.remove(number));
                } else {
                    let number = slab.insert(value);
                    prop_assert!(!numbers.contains(&number));
                    numbers.push(number);
                    truth.insert(number, value);
                }
                prop_assert_eq!(slab.len(), truth.len());
                for number in &numbers {
                    prop_assert_eq!(slab.get(*number), truth.get(number));
                }
                let all: HashMap<u64, usize> = slab.iter().map(|(id, value)| (id, *value)).collect();
                prop_assert_eq!(&all, &truth);
            }
        }
    }
}
