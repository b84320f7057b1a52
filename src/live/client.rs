//! One client's set of queries: the door between the engine and whoever shows the results.
//!
//! A socket's session holds one of these, and so does every [`LiveQuery`](super::LiveQuery).
//!
//! **Invariant:** all queries of a client move together; an event never shows one query at another
//! version than the rest.

use std::sync::Arc;
use std::sync::Mutex;

use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::mailbox::Event;
use super::mailbox::Mailbox;
use super::mailbox::Name;
use super::metrics::ShapeMetrics;
use super::step::Cursor;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::query::ast::Ast;

/// The engine's number for a client.
pub(crate) type ClientId = u64;

/// One query a client asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The client's name for it.
    pub name: Name,
    /// The question.
    pub ast: Ast,
    /// Where the client left off, if it comes back.
    pub since: Option<Cursor>,
}

/// What clients ask of the engine.
#[derive(Debug)]
pub(crate) enum Command {
    /// A new client.
    Connect(ClientId, Arc<Mailbox>),
    /// More queries, answered by one [`Event::Loaded`] when all of them are there.
    Add(ClientId, u64, Vec<Wanted>),
    /// Fewer queries.
    Remove(ClientId, Vec<Name>),
    /// Say [`Event::Reached`] when everything committed before now was delivered.
    Barrier(ClientId, u64),
    /// Say what was missed.
    CatchUp(ClientId),
    /// Say what there is, by shape.
    Inspect(oneshot::Sender<Vec<ShapeMetrics>>),
}

/// Clients that are gone; told without waiting, from `drop`.
#[derive(Debug, Default)]
pub(crate) struct Leavers {
    gone: Mutex<Vec<ClientId>>,
}

impl Leavers {
    fn push(&self, id: ClientId) {
        self.gone.lock().expect("no holder of this lock panics").push(id);
    }

    /// All that left since the last call.
    pub(crate) fn take(&self) -> Vec<ClientId> {
        std::mem::take(&mut self.gone.lock().expect("no holder of this lock panics"))
    }
}

/// A set of live queries that move together; dropping it ends them.
#[derive(Debug)]
pub struct LiveClient {
    id: ClientId,
    mailbox: Arc<Mailbox>,
    commands: mpsc::Sender<Command>,
    leavers: Arc<Leavers>,
}

impl LiveClient {
    pub(crate) async fn connect(
        id: ClientId,
        commands: mpsc::Sender<Command>,
        leavers: Arc<Leavers>,
    ) -> Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let this = Self { id, mailbox, commands, leavers };
        this.send(Command::Connect(id, Arc::clone(&this.mailbox))).await?;
        Ok(this)
    }

    async fn send(&self, command: Command) -> Result<()> {
        self.commands
            .send(command)
            .await
            .map_err(|_| Error::new(ErrorKind::Unavailable, "the live engine has stopped"))
    }

    /// Asks for more queries; [`Event::Loaded`] with the same number answers when all are there or
    /// have failed. A name that is in use already is replaced.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when the engine has stopped.
    pub async fn add(&self, request: u64, wanted: Vec<Wanted>) -> Result<()> {
        self.send(Command::Add(self.id, request, wanted)).await
    }

    /// Ends some queries; moves on their way may still name them.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when the engine has stopped.
    pub async fn remove(&self, names: Vec<Name>) -> Result<()> {
        self.send(Command::Remove(self.id, names)).await
    }

    /// Asks for [`Event::Reached`] with the same number once everything that was committed before
    /// this call has been heard.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when the engine has stopped.
    pub async fn barrier(&self, request: u64) -> Result<()> {
        self.send(Command::Barrier(self.id, request)).await
    }

    /// The next event; never [`Event::Lagged`], since it asks for what was missed by itself.
    ///
    /// # Cancellation
    ///
    /// Cancel safe: an event not returned is returned by the next call.
    pub async fn next(&self) -> Event {
        loop {
            let event = self.mailbox.next().await;
            if !matches!(event, Event::Lagged) {
                return event;
            }
            // Cancelled while it waits, nothing was asked and the mailbox says it again.
            let Ok(permit) = self.commands.reserve().await else { return Event::Closed };
            self.mailbox.asked();
            permit.send(Command::CatchUp(self.id));
        }
    }
}

/// For whoever sees to many clients at once, and must not wait for any of them.
#[cfg(feature = "server")]
impl LiveClient {
    /// The mailbox, which is heard instead of [`LiveClient::next`]. After [`Event::Lagged`] whoever
    /// hears it must [ask](LiveClient::catch_up) for what was missed.
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Asks for what was missed.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        self.send(Command::CatchUp(self.id)).await
    }
}

impl Drop for LiveClient {
    fn drop(&mut self) {
        self.leavers.push(self.id);
    }
}
