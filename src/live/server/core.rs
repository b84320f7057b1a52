//! What all sockets of one server share.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::Weak;

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::Instrument;

use super::asset::Assets;
use super::handlers::Handlers;
use super::handlers::User;
use super::inspector::Inspector;
use super::mutations::Ended;
use super::mutations::Mutations;
use super::origins::Origins;
use super::post::Post;
use super::sockets::Sockets;
use super::tasks::Tasks;
use crate::live::Live;
use crate::live::session::Mutation;
use crate::live::session::Outcome;
use crate::live::session::limits::Limits;
use crate::live::session::refusal::Refusal;
use crate::query::ast::Ast;
use crate::telemetry;
use crate::value::Json;

/// Everything that a server was told, and what it remembers.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) live: Live,
    pub(super) handlers: Handlers,
    pub(super) limits: Limits,
    pub(super) origins: Origins,
    pub(super) assets: Assets,
    /// Where clients connect: the mount point and `/websocket`.
    pub(super) path: String,
    /// Tells the processes apart in the log.
    pub(super) node: u64,
    pub(super) sockets: Arc<Sockets>,
    pub(super) post: Arc<Post>,
    /// Who may see what the engine does; nobody unless somebody says so.
    pub(super) inspector: Inspector,
    pub(super) mutations: Mutations,
}

/// What a task holds of its server: all but the tasks themselves.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) core: Arc<Core>,
    pub(super) tasks: Weak<Tasks>,
}

/// Whoever is behind one socket.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) user: User,
    /// What tells users apart.
    pub(super) identity: String,
}

impl Link {
    /// What a query asks.
    pub(super) fn ask(&self, visitor: &Visitor, name: &str, args: Json) -> Asked {
        let span = tracing::debug_span!(telemetry::ASK, query = name);
        let asked = self.core.handlers.ask(name, Arc::clone(&visitor.user), args);
        let asked = AssertUnwindSafe(asked.instrument(span)).catch_unwind();
        asked
            .map(|asked| match asked {
                Ok(Ok(ast)) => Outcome::Done(ast),
                Ok(Err(refusal)) => Outcome::Refused(refusal),
                Err(_) => Outcome::Panicked,
            })
            .boxed()
    }

    /// Runs a mutation.
    pub(super) fn mutate(
        &self,
        visitor: &Visitor,
        mutation: Mutation,
    ) -> BoxFuture<'static, Ended> {
        let Mutation { once, name, args } = mutation;
        let span = tracing::info_span!(telemetry::MUTATE, mutation = name);
        let repo = self.core.live.repo().clone();
        let user = Arc::clone(&visitor.user);
        let Some(work) = self.core.handlers.mutate(&name, user, repo, args) else {
            let refusal =
                Refusal::new("unknown_mutation", format!("there is no mutation `{name}`"));
            return async { Outcome::Refused(refusal) }.boxed();
        };
        // With its length in front, no identity can be mistaken for another and a part of a client.
        let identity = &visitor.identity;
        let author = |client| format!("{}:{identity}{client}", identity.len()).into();
        let once = once.map(|(client, id)| (author(client), id));
        self.core.mutations.run(&self.tasks, once, work.instrument(span).boxed())
    }
}

/// How a handler that says what a query asks ends.
type Asked = BoxFuture<'static, Outcome<Ast>>;
