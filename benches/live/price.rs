//! The price of being watched: the same work with and without the change log, in turns.

use std::time::Duration;

use crate::live::figures::median;
use crate::live::machine;

/// How often each variant has its turn.
pub(crate) const ROUNDS: usize = 5;

/// Lets variants have their turns, `ABABAB…`, after a turn each that does not count; what a turn
/// returns is how much was done in a second. The first variant is the one without the log.
pub(crate) fn take_turns<V>(
    variants: &mut [V],
    mut turn: impl FnMut(&mut V) -> f64,
) -> Vec<Vec<f64>> {
    let mut figures = vec![Vec::new(); variants.len()];
    for round in 0..=ROUNDS {
        for (variant, figures) in variants.iter_mut().zip(&mut figures) {
            let figure = turn(variant);
            if 0 < round {
                figures.push(figure);
            }
        }
    }
    figures
}

/// Says what the table shows.
pub(crate) fn open(what: &str, each: Duration) {
    println!(
        "
TRIGGERS, {what}: rows written in a second; {ROUNDS} rounds of {} s each, in turns, load {}
  price   how many times as much the same work costs when the table is watched: the ratio of the
          medians, and the least and the greatest ratio of two neighbouring rounds
  else    what unrelated programs took of one processor meanwhile: such a line is disturbed
",
        each.as_secs_f32(),
        machine::load()
    );
    println!(
        "{:<42} {:>11} {:>11} {:>7}   {:<11} {:>4}",
        "", "not watched", "watched", "price", "range", "else"
    );
}

/// Prints one line.
pub(crate) fn row(name: &str, plain: &[f64], watched: &[f64], others: f64) {
    let ratios: Vec<f64> =
        plain.iter().zip(watched).map(|(plain, watched)| plain / watched).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(0.0, f64::max);
    let (plain, watched) = (median(plain), median(watched));
    println!(
        "{name:<42} {plain:>11.0} {watched:>11.0} {:>6.2}×   {:<11} {others:>3.0}%",
        plain / watched,
        format!("{least:.2}–{greatest:.2}")
    );
}
