//! Makes a failing question smaller: the same writers, one question, and less of it as long as it
//! still fails.

use std::time::Duration;
use std::time::Instant;

use recto::live::Live;

use super::ask::ask;
use super::dice::Dice;
use super::follower::Manner;
use super::judge::Judge;
use super::oracle::Ground;
use super::oracle::config;
use super::question::Question;
use super::writers::Writers;

/// How long a smaller question is looked for.
const PATIENCE: Duration = Duration::from_mins(2);

/// After so many versions without a complaint a question passes.
const ENOUGH: u64 = 400;

/// The longest try, should nothing be written any more.
const LONGEST: Duration = Duration::from_secs(20);

/// What the judge says about one question, on a database of its own.
pub(super) async fn trial(ground: Ground, question: &Question, seed: u64) -> Vec<String> {
    let judge = Judge::default();
    let live = Live::start_with(&ground.repo, config(&judge)).await.unwrap();
    let asked = vec![(question.to_string(), ask(question))];
    let wanderer = Manner::Wandering(Dice::of(seed, 0, 0));
    let _steady = judge.follow(&live, asked.clone()).await;
    let _wanderer = judge.follow_as(&live, asked, wanderer).await;
    let writers = Writers::start(ground.writers(), seed);
    let over = async {
        while judge.complaints().is_empty() && judge.versions() < ENOUGH {
            judge.goes_on(1).await;
        }
    };
    _ = tokio::time::timeout(LONGEST, over).await;
    writers.stop().await;
    judge.complaints()
}

/// The smallest question found that fails, and what is wrong with it; `None` where the question
/// passes when it is asked alone.
pub(super) async fn smallest(
    ground: impl AsyncFn() -> Ground,
    question: Question,
    seed: u64,
) -> Option<(Question, Vec<String>)> {
    let began = Instant::now();
    let mut complaints = trial(ground().await, &question, seed).await;
    if complaints.is_empty() {
        return None;
    }
    let mut question = question;
    'again: while began.elapsed() < PATIENCE {
        for smaller in question.smaller() {
            let found = trial(ground().await, &smaller, seed).await;
            if !found.is_empty() {
                (question, complaints) = (smaller, found);
                continue 'again;
            }
            if PATIENCE <= began.elapsed() {
                break;
            }
        }
        break;
    }
    Some((question, complaints))
}
