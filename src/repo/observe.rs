//! Who hears of commits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::Weak;

use super::Repo;
use crate::change::Commit;

type Hear = dyn Fn(&Commit) + Send + Sync;

/// Everybody who hears of commits, in the order they came.
#[derive(Clone, Default)]
pub(super) struct Observers(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    hear: BTreeMap<u64, Arc<Hear>>,
    next_id: u64,
}

impl Observers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }

    pub(super) fn tell(&self, commit: &Commit) {
        // Called outside the lock, since an observer may register another.
        let hear: Vec<Arc<Hear>> = self.state().hear.values().cloned().collect();
        for hear in hear {
            hear(commit);
        }
    }
}

/// An observer of commits; dropping it ends that.
#[must_use = "dropping an observer ends it"]
pub struct Observer {
    id: u64,
    state: Weak<Mutex<State>>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observer({})", self.id)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(state) = self.state.upgrade()
            && let Ok(mut state) = state.lock()
        {
            state.hear.remove(&self.id);
        }
    }
}

impl Repo {
    /// Calls `hear` with every commit of this repo, right after the database said it is done.
    ///
    /// # Order
    ///
    /// Per task, that of its commits. Across tasks none: two connections may commit in one order
    /// and be heard in the other. Who needs the state of the database reads it, or asks `Live`.
    ///
    /// # Cost
    ///
    /// It is called in the task that wrote, which waits for it: be quick.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// use std::sync::mpsc;
    ///
    /// let (heard_tx, heard) = mpsc::channel();
    /// let _observer = repo.on_commit(move |commit| heard_tx.send(commit.changes.len()).unwrap());
    /// repo.insert(Room { name: "lobby".into(), ..Room::default() }).await?;
    /// assert_eq!(heard.try_recv(), Ok(1));
    /// # Ok(())
    /// # });
    /// ```
    pub fn on_commit(&self, hear: impl Fn(&Commit) + Send + Sync + 'static) -> Observer {
        let observers = &self.shared.observers;
        let mut state = observers.state();
        let id = state.next_id;
        state.next_id += 1;
        state.hear.insert(id, Arc::new(hear));
        Observer { id, state: Arc::downgrade(&observers.0) }
    }
}
