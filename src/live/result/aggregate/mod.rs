//! The aggregate tier: groups of rows of one table, kept by what each row contributes.
//!
//! A result holds, by the key of each matching row, the group it is in and the values that are
//! aggregated. A touched row is taken out of its old group and put into its new one, which needs no
//! question to the database and no order of events.
//!
//! What the database alone knows is not guessed: sums and means of floating numbers, sums that may
//! be too wide, groups whose equal keys are written in different ways. Where a shape asks such a
//! thing, [`Aggregation::new`] refuses it; where a value does, the result is in doubt
//! ([`Groups::is_in_doubt`]) and has to be asked again from then on.
//!
//! **Invariant:** folding touches in any batches gives the rows that loading the present
//! contributions gives.

mod accumulator;
mod aggregation;
mod decimals;
mod groups;
#[cfg(test)]
mod law;
mod ranking;

pub(crate) use self::aggregation::{Aggregation, Question};
pub(crate) use self::groups::Groups;

/// How many rows may contribute to a result that is kept in memory; one with more is asked again.
///
/// A guess: at about 150 bytes each, 15 MB; and a question that reads so many rows takes the
/// database some ten milliseconds.
pub(crate) const MOST_CONTRIBUTIONS: u64 = 100_000;
