//! Mutations on their way: each runs to its end, once, whatever becomes of the socket it came on.
//!
//! A mutation that is cut short when its client's connection drops may or may not have been
//! committed; so it runs in a task of the server, and whoever sends it again waits for the same one.
//!
//! **Invariant:** a mutation with an id runs once as long as the ledger remembers it; what did
//! nothing, and may succeed another time, is not remembered.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::Weak;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::Shared;
use tokio::sync::oneshot;

use super::tasks::Tasks;
use super::tasks::start_on;
use crate::live::session::Outcome;
use crate::live::session::ledger::Author;
use crate::live::session::ledger::Ledger;
use crate::live::session::refusal::Refusal;

/// How a mutation ended; its result is JSON.
pub(super) type Ended = Outcome<Arc<str>>;

type Waiting = Shared<BoxFuture<'static, Ended>>;

/// What was sent lately, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Mutations {
    ledger: Arc<Mutex<Ledger<Waiting>>>,
}

fn lock(ledger: &Mutex<Ledger<Waiting>>) -> MutexGuard<'_, Ledger<Waiting>> {
    ledger.lock().expect("no holder of this lock panics")
}

impl Mutations {
    /// Runs `work` on `tasks`, unless `once` says that it ran or runs already, and says how it ends.
    pub(super) fn run(
        &self,
        tasks: &Weak<Tasks>,
        once: Option<(Author, String)>,
        work: BoxFuture<'static, Result<Arc<str>, Refusal>>,
    ) -> BoxFuture<'static, Ended> {
        let (ended_tx, ended) = oneshot::channel();
        let ended = async { ended.await.unwrap_or_else(|_| in_doubt()) }.boxed().shared();
        if let Some((author, id)) = &once
            && let Some(earlier) = lock(&self.ledger).begin(author, id, || ended.clone())
        {
            tracing::debug!(id, "a mutation came again");
            return async {
                match earlier.await {
                    // Whoever sent it first was told by the end of its channel.
                    Outcome::Panicked => in_doubt(),
                    ended @ (Outcome::Done(_) | Outcome::Refused(_)) => ended,
                }
            }
            .boxed();
        }
        let ledger = Arc::clone(&self.ledger);
        start_on(tasks, async move {
            let ended = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(Ok(result)) => Outcome::Done(result),
                Ok(Err(refusal)) => Outcome::Refused(refusal),
                Err(_) => Outcome::Panicked,
            };
            if let Some((author, id)) = once {
                note(&mut lock(&ledger), &author, &id, &ended);
            }
            // Nobody may be left to hear it.
            ended_tx.send(ended).ok();
        });
        ended.boxed()
    }
}

fn note(ledger: &mut Ledger<Waiting>, author: &Author, id: &str, ended: &Ended) {
    match ended {
        Outcome::Done(result) => ledger.settle(author, id, result.len()),
        Outcome::Refused(refusal) if refusal.is_passing() => ledger.forget(author, id),
        // A changeset's errors are a few sentences.
        Outcome::Refused(_) => ledger.settle(author, id, 1024),
        Outcome::Panicked => {}
    }
}

fn in_doubt() -> Ended {
    Outcome::Refused(Refusal::new("in_doubt", "whether it was done is unknown"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::error::Error;
    use crate::error::ErrorKind;

    /// Sends one mutation several times, each time when the one before has ended, and says how
    /// often it ran and what was heard.
    async fn check(id: Option<&str>, work: fn() -> Result<Arc<str>, Refusal>) -> String {
        let (mutations, tasks) = (Mutations::default(), Arc::<Tasks>::default());
        let runs = Arc::<AtomicUsize>::default();
        let mut heard = Vec::new();
        for _ in 0..3 {
            let runs = Arc::clone(&runs);
            let work = async move {
                runs.fetch_add(1, Ordering::Relaxed);
                work()
            };
            let once = id.map(|id| ("me".into(), id.to_owned()));
            heard.push(match mutations.run(&Arc::downgrade(&tasks), once, work.boxed()).await {
                Outcome::Done(result) => result.to_string(),
                Outcome::Refused(refusal) => refusal.code().to_owned(),
                Outcome::Panicked => "panicked".to_owned(),
            });
        }
        format!("{} runs: {}", runs.load(Ordering::Relaxed), heard.join(" "))
    }

    #[tokio::test]
    async fn what_has_an_id_runs_once() {
        assert_eq!(check(Some("1"), || Ok("7".into())).await, "1 runs: 7 7 7");
        assert_eq!(check(None, || Ok("7".into())).await, "3 runs: 7 7 7");
        let refused = || Err(Refusal::forbidden());
        assert_eq!(check(Some("1"), refused).await, "1 runs: forbidden forbidden forbidden");
    }

    #[tokio::test]
    async fn what_did_nothing_may_run_again() {
        let away = || Err(Error::new(ErrorKind::Unavailable, "away").into());
        assert_eq!(check(Some("1"), away).await, "3 runs: unavailable unavailable unavailable");
        let doubt = || Err(Error::new(ErrorKind::InDoubt, "cut").into());
        assert_eq!(check(Some("1"), doubt).await, "1 runs: in_doubt in_doubt in_doubt");
    }

    #[tokio::test]
    async fn what_panicked_is_in_doubt_for_those_who_ask_again() {
        assert_eq!(check(Some("1"), || panic!("oh")).await, "1 runs: panicked in_doubt in_doubt");
    }

    #[tokio::test]
    async fn a_socket_that_goes_away_does_not_cut_a_mutation_short() {
        let (mutations, tasks) = (Mutations::default(), Arc::<Tasks>::default());
        let (go, gate) = oneshot::channel::<()>();
        let once = || Some(("me".into(), "1".to_owned()));
        let work = async {
            gate.await.ok();
            Ok("done".into())
        };
        let weak = Arc::downgrade(&tasks);
        drop(mutations.run(&weak, once(), work.boxed()));
        let again = mutations.run(&weak, once(), async { unreachable!("it runs already") }.boxed());
        go.send(()).unwrap();
        let Outcome::Done(result) = again.await else { panic!("it was done") };
        assert_eq!(&*result, "done");
    }
}
