//! The price of being watched: the same work with and without the change log, in turns.

use crate::live::figures::median;

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
pub(crate) fn open(what: &str, load: &str, seconds: f32) {
    println!(
        "
TRIGGERS, {what}: a second's worth of work; {ROUNDS} rounds of {seconds} s each, in turns, load {load}
  price   how many times as much the same work costs when the table is watched: the ratio of the
          medians, and the least and the greatest ratio of two neighbouring rounds
"
    );
    println!("{:<42} {:>11} {:>11} {:>7}   range", "", "not watched", "watched", "price");
}

/// Prints one line.
pub(crate) fn row(name: &str, plain: &[f64], watched: &[f64]) {
    let ratios: Vec<f64> =
        plain.iter().zip(watched).map(|(plain, watched)| plain / watched).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(0.0, f64::max);
    let (plain, watched) = (median(plain), median(watched));
    println!(
        "{name:<42} {plain:>11.0} {watched:>11.0} {:>6.2}×   {least:.2}–{greatest:.2}",
        plain / watched
    );
}
