//! Requests to stop statements that nobody waits for any more.
//!
//! A courtesy: without one the server notices when it next writes to the closed socket, and works
//! until then.

use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::CancelToken;
use tokio_postgres::NoTls;

use super::CONNECT_TIMEOUT;

/// The requests under way; dropping it ends them.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<JoinSet<()>>);

impl Cancels {
    /// Asks the server to stop what a connection is doing.
    pub(super) fn send(&self, token: CancelToken) {
        if Handle::try_current().is_err() {
            // The runtime is gone, and the socket with it.
            return;
        }
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _ = timeout(CONNECT_TIMEOUT, token.cancel_query(NoTls)).await;
        });
    }
}
