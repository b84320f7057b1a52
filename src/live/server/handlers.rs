//! What the program behind the server does: who may connect, what queries ask, what mutations do.
//!
//! Types of users, arguments and results are erased here, once, so that nothing below is generic.
//!
//! **Invariant:** every handler of a server takes the user that its `authenticate` makes.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::ConnectRequest;
use super::Reply;
use super::args;
use crate::changeset::Params;
use crate::changeset::WriteError;
use crate::live::session::refusal::Refusal;
use crate::query::Query;
use crate::query::ast::Ast;
use crate::repo::Repo;
use crate::schema::Schema;
use crate::value::Json;

/// Whoever is behind a socket, of a type that only the handlers know.
pub(super) type User = Arc<dyn Any + Send + Sync>;

type Erased<T> = BoxFuture<'static, Result<T, Refusal>>;
type Authenticate = Box<dyn Fn(ConnectRequest) -> Erased<User> + Send + Sync>;
type Identify = Box<dyn Fn(&User) -> String + Send + Sync>;
type Ask = Arc<dyn Fn(User, Json) -> Erased<Ast> + Send + Sync>;
type Mutate = Arc<dyn Fn(User, Repo, Json) -> Erased<Arc<str>> + Send + Sync>;

/// All handlers of one server.
pub(super) struct Handlers {
    authenticate: Authenticate,
    identify: Identify,
    queries: HashMap<String, Ask>,
    mutations: HashMap<String, Mutate>,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers")
            .field("queries", &self.queries.keys())
            .field("mutations", &self.mutations.keys())
            .finish_non_exhaustive()
    }
}

/// Everybody may connect, and is nobody.
impl Default for Handlers {
    fn default() -> Self {
        Self {
            authenticate: Box::new(|_| async { Ok(nobody()) }.boxed()),
            identify: Box::new(|_| String::new()),
            queries: HashMap::new(),
            mutations: HashMap::new(),
        }
    }
}

fn nobody() -> User {
    Arc::new(())
}

/// The user with the type that the handlers know.
fn known<U: Any + Send + Sync>(user: User) -> Arc<U> {
    user.downcast().expect("handlers take the user that `authenticate` makes")
}

impl Handlers {
    pub(super) fn authenticate<U, F, Fut, E>(&mut self, handler: F)
    where
        U: Any + Send + Sync,
        F: Fn(ConnectRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        E: Into<Refusal>,
    {
        self.authenticate = Box::new(move |request| {
            let user = handler(request);
            async move { user.await.map(|user| Arc::new(user) as User).map_err(Into::into) }.boxed()
        });
        self.identify = Box::new(|_| String::new());
        // Handlers from before know nobody, and go on to.
        for ask in self.queries.values_mut() {
            let before = Arc::clone(ask);
            *ask = Arc::new(move |_, args| before(nobody(), args));
        }
        for mutate in self.mutations.values_mut() {
            let before = Arc::clone(mutate);
            *mutate = Arc::new(move |_, repo, args| before(nobody(), repo, args));
        }
    }

    pub(super) fn identify<U>(&mut self, identify: impl Fn(&U) -> String + Send + Sync + 'static)
    where
        U: Any + Send + Sync,
    {
        self.identify = Box::new(move |user| identify(&known::<U>(Arc::clone(user))));
    }

    pub(super) fn query<U, A, S, O, F, Fut>(&mut self, name: String, handler: F)
    where
        U: Any + Send + Sync,
        A: serde::de::DeserializeOwned,
        F: Fn(Arc<U>, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Query<S, O>, Refusal>> + Send + 'static,
    {
        let ask = move |user, args| {
            let query = args::read(args).map(|args| handler(known(user), args));
            async move { query?.await.map(|query| query.ast().clone()) }.boxed()
        };
        self.queries.insert(name, Arc::new(ask));
    }

    pub(super) fn mutation<U, R, F, Fut, E>(&mut self, name: String, handler: F)
    where
        U: Any + Send + Sync,
        R: Reply,
        F: Fn(Arc<U>, Repo, Params) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
        E: Into<Refusal>,
    {
        let mutate = move |user, repo, args| {
            let result = params(args).map(|params| handler(known(user), repo, params));
            async move { result?.await.map(|reply| written(&reply)).map_err(Into::into) }.boxed()
        };
        self.mutations.insert(name, Arc::new(mutate));
    }

    /// Whoever opens a socket, or why not.
    pub(super) fn user(&self, request: ConnectRequest) -> Erased<User> {
        (self.authenticate)(request)
    }

    /// What tells users apart, for mutations that are sent again.
    pub(super) fn identity(&self, user: &User) -> String {
        (self.identify)(user)
    }

    /// What the query `name` asks.
    pub(super) fn ask(&self, name: &str, user: User, args: Json) -> Erased<Ast> {
        let Some(ask) = self.queries.get(name).cloned() else {
            let refusal = Refusal::new("unknown_query", format!("there is no query `{name}`"));
            return async { Err(refusal) }.boxed();
        };
        // Called inside the future, so that a panic is caught where all panics are.
        async move { ask(user, args).await }.boxed()
    }

    /// Runs the mutation `name`; `None` when there is none.
    pub(super) fn mutate(
        &self,
        name: &str,
        user: User,
        repo: Repo,
        args: Json,
    ) -> Option<Erased<Arc<str>>> {
        let mutate = Arc::clone(self.mutations.get(name)?);
        Some(async move { mutate(user, repo, args).await }.boxed())
    }
}

/// Parameters that were left out are none.
fn params(args: Json) -> Result<Params, Refusal> {
    if args.is_null() {
        return Ok(Params::new());
    }
    Params::from_json(args).map_err(|error| Refusal::new("invalid_args", error.what().to_owned()))
}

fn written(reply: &impl Reply) -> Arc<str> {
    let mut out = String::new();
    reply.write_json(&mut out);
    out.into()
}

impl<S: Schema> From<WriteError<S>> for Refusal {
    /// Refused data goes back to the form: `invalid`, with what is wrong with each field.
    fn from(error: WriteError<S>) -> Self {
        match error {
            WriteError::Invalid(changeset) => {
                Self::new("invalid", "the data is not valid").with_errors(changeset.errors_json())
            }
            WriteError::Failed(error) => error.into(),
        }
    }
}
