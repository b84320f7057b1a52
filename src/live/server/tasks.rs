//! The tasks of one server, and their one owner.
//!
//! **Invariant:** no task outlives the [`Tasks`] that it was started on; tasks themselves hold no
//! more than a [`Weak`] to it.

use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::Weak;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::JoinSet;

/// Tasks that end with it.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    set: Mutex<JoinSet<()>>,
    /// Those that serve all others, and never end by themselves.
    helpers: Mutex<JoinSet<()>>,
    has_helpers: OnceLock<()>,
}

impl Tasks {
    fn set(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.set.lock().expect("no holder of this lock panics")
    }

    /// Starts one. What is over is forgotten on the way, so that the set stays as large as the work.
    pub(super) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.set();
        while set.try_join_next().is_some() {}
        set.spawn(task);
    }

    /// Starts those that serve all others, once: the first socket asks for them.
    pub(super) fn help(&self, helpers: impl FnOnce() -> Vec<BoxFuture<'static, ()>>) {
        self.has_helpers.get_or_init(|| {
            let mut set = self.helpers.lock().expect("no holder of this lock panics");
            for helper in helpers() {
                set.spawn(helper);
            }
        });
    }

    /// Waits for all of them for so long, then ends those that are left.
    pub(super) async fn finish(&self, patience: Duration) {
        // The set is locked for one look at a time: tasks may still start others.
        let next = || poll_fn(|cx| self.set().poll_join_next(cx));
        let all = async { while next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!(tasks = self.set().len(), "ended what would not end");
        }
        let mut rest = std::mem::take(&mut *self.set());
        rest.shutdown().await;
        let helpers =
            std::mem::take(&mut *self.helpers.lock().expect("no holder of this lock panics"));
        drop(helpers);
    }
}

/// Starts a task, unless its owner is gone.
pub(super) fn start_on(tasks: &Weak<Tasks>, task: impl Future<Output = ()> + Send + 'static) {
    if let Some(tasks) = tasks.upgrade() {
        tasks.start(task);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Falls(tokio::sync::mpsc::UnboundedSender<()>);

    impl Drop for Falls {
        fn drop(&mut self) {
            self.0.send(()).ok();
        }
    }

    #[tokio::test]
    async fn tasks_end_with_their_owner() {
        let (fallen_tx, mut fallen) = tokio::sync::mpsc::unbounded_channel();
        let tasks = Arc::<Tasks>::default();
        let weak = Arc::downgrade(&tasks);
        let falls = Falls(fallen_tx);
        tasks.start(async move {
            let _falls = falls;
            std::future::pending::<()>().await;
        });
        drop(tasks);
        assert_eq!(fallen.recv().await, Some(()));
        start_on(&weak, async { unreachable!("its owner is gone") });
    }

    #[tokio::test]
    async fn what_will_not_end_is_ended() {
        let tasks = Tasks::default();
        tasks.start(async {});
        tasks.start(std::future::pending());
        tasks.finish(Duration::from_millis(10)).await;
        assert_eq!(tasks.set().len(), 0);
    }
}
