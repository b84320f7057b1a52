//! The price of being watched: the same work with and without the change log, in turns.

use std::time::Duration;

use crate::live::figures::median;
use crate::live::machine;
use crate::live::report::Report;
use crate::live::report::share;
use crate::live::support::cluster::Cluster;

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

const HOW: &str = "\
Rows written in a second with and without the change log, in turns, after a turn each that does not count. *Price*: how many
times as much the same work costs when the table is watched, the ratio of the medians; *range*: the least and the greatest
ratio of two neighbouring rounds; `else`: what unrelated programs took of one processor meanwhile.";

/// Says what the tables show.
pub(crate) fn open(report: &mut Report, cluster: &Cluster, each: Duration) {
    report.open("writer's price", HOW);
    let databases = machine::databases(cluster);
    report.say(&format!("{ROUNDS} rounds of {} s each. {databases}.", each.as_secs_f32()));
}

/// Begins the table of one database.
pub(crate) fn head(report: &mut Report, database: &str) {
    report.head(&[database, "not watched", "watched", "price", "range", "else"]);
}

/// One line.
pub(crate) fn row(report: &mut Report, name: &str, plain: &[f64], watched: &[f64], others: f64) {
    let ratios: Vec<f64> =
        plain.iter().zip(watched).map(|(plain, watched)| plain / watched).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(0.0, f64::max);
    let (plain, watched) = (median(plain), median(watched));
    report.row(&[
        name.to_owned(),
        format!("{plain:.0}"),
        format!("{watched:.0}"),
        format!("{:.2}×", plain / watched),
        format!("{least:.2}–{greatest:.2}"),
        share(others),
    ]);
}
