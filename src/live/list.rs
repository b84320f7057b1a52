//! A list that holds its first element in itself: most lists of most clients have one at most, and
//! looking for it elsewhere was a good part of what a delivery cost.
//!
//! **Invariant:** where there is no first element there is no other; a list that was emptied from its
//! front holds no memory.

use std::collections::VecDeque;

/// Elements in order, to be taken from both ends. It may grow without bound: whoever fills it sees to
/// that.
#[derive(Debug)]
pub(super) struct List<T> {
    first: Option<T>,
    rest: VecDeque<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { first: None, rest: VecDeque::new() }
    }
}

impl<T> List<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push_back(&mut self, element: T) {
        match self.first {
            None => self.first = Some(element),
            Some(_) => self.rest.push_back(element),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        self.pop_front_if(|_| true)
    }

    /// Takes the first element, if it is one of these.
    pub(super) fn pop_front_if(&mut self, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        let first = self.first.take_if(|first| is_meant(first))?;
        self.first = self.rest.pop_front();
        if self.rest.is_empty() {
            self.rest = VecDeque::new();
        }
        Some(first)
    }

    /// Takes the last element, if it is one of these.
    pub(super) fn pop_back_if(&mut self, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        if self.rest.is_empty() {
            return self.first.take_if(|first| is_meant(first));
        }
        self.rest.pop_back_if(|last| is_meant(last))
    }
}

/// For lists that are looked through, which only sockets have.
#[cfg(feature = "server")]
impl<T> List<T> {
    /// All elements, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    /// All elements, in order, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first.iter_mut().chain(&mut self.rest)
    }

    /// Takes the first of these elements.
    pub(super) fn take(&mut self, is_meant: impl Fn(&T) -> bool) -> Option<T> {
        self.pop_front_if(&is_meant).or_else(|| {
            let place = self.rest.iter().position(is_meant)?;
            self.rest.remove(place)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_plain_queue_does(steps in proptest::collection::vec(0..5_u8, 0..40)) {
            let (mut ours, mut plain) = (List::default(), VecDeque::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        ours.push_back(number);
                        plain.push_back(number);
                    }
                    2 => prop_assert_eq!(ours.pop_front(), plain.pop_front()),
                    3 => {
                        let even = |element: &usize| element.is_multiple_of(2);
                        prop_assert_eq!(
                            ours.pop_front_if(even),
                            plain.pop_front_if(|element| even(element))
                        );
                    }
                    _ => {
                        let odd = |element: &usize| !element.is_multiple_of(2);
                        prop_assert_eq!(
                            ours.pop_back_if(odd),
                            plain.pop_back_if(|element| odd(element))
                        );
                    }
                }
                prop_assert_eq!(ours.is_empty(), plain.is_empty());
            }
        }
    }
}
