//! Whether a connection is in a transaction, as the texts that pass through it tell.
//!
//! The protocol says it after every answer, but the driver keeps that to itself.
//!
//! **Invariant:** after a script of unknown content the state is the one before it; whoever leaves
//! a transaction open in a script must end it in one.

use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::adapter::sql::Verb;

/// Whether a connection is in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    /// It is not.
    Closed,
    /// It is.
    Open,
    /// It is, and a statement failed: only going back is possible.
    Failed,
}

impl Transaction {
    /// The state after a statement that succeeded.
    pub(super) fn after(self, verb: Verb) -> Self {
        match verb {
            Verb::Begin => Self::Open,
            Verb::Commit | Verb::Rollback => Self::Closed,
            Verb::RollbackTo if self == Self::Failed => Self::Open,
            Verb::RollbackTo | Verb::Savepoint | Verb::Define | Verb::Write | Verb::Other => self,
        }
    }

    /// The state after a statement that failed.
    pub(super) fn after_failure(self, verb: Verb) -> Self {
        match (self, verb) {
            (Self::Closed, _) | (_, Verb::Commit) => Self::Closed,
            (Self::Open | Self::Failed, _) => Self::Failed,
        }
    }

    /// How many of the statements at the front may be sent before the first answer is there.
    ///
    /// What is kept must not be sent while something before it may still fail, be it a statement
    /// or a whole transaction; inside a transaction the server itself skips what comes after a
    /// failure. And what a definition changes is not there to be prepared for until it is done; no
    /// more can anything be prepared in a failed transaction until it went back.
    pub(super) fn together(self, statements: &[Statement]) -> usize {
        let mut state = self;
        // Going back does not fail.
        let mut may_fail = false;
        for (index, statement) in statements.iter().enumerate() {
            let verb = Verb::of(&statement.sql);
            let may_keep = statement.effect == Effect::Keeps || verb == Verb::Begin;
            if may_fail && may_keep && state == Self::Closed {
                return index;
            }
            may_fail |= verb != Verb::Rollback;
            if verb == Verb::Define || state == Self::Failed && state.after(verb) != Self::Failed {
                return index + 1;
            }
            state = state.after(verb);
        }
        statements.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: Transaction, texts: &[(&str, Effect)]) -> usize {
        let statements: Vec<Statement> = texts
            .iter()
            .map(|&(sql, effect)| Statement {
                sql: sql.into(),
                params: Vec::new(),
                kinds: [].into(),
                effect,
            })
            .collect();
        state.together(&statements)
    }

    #[test]
    fn what_is_kept_at_once_waits_for_what_may_fail() {
        use Effect::Keeps;
        use Effect::None;
        let closed = Transaction::Closed;
        assert_eq!(check(closed, &[("select", None), ("select", None)]), 2);
        assert_eq!(check(closed, &[("insert", Keeps), ("insert", Keeps)]), 1);
        assert_eq!(check(closed, &[("select", None), ("insert", Keeps)]), 1);
        assert_eq!(check(closed, &[("begin", None), ("insert", None), ("commit", Keeps)]), 3);
        assert_eq!(check(closed, &[("begin", None), ("commit", Keeps), ("insert", Keeps)]), 2);
        assert_eq!(check(closed, &[("begin", None), ("commit", Keeps), ("select", None)]), 3);
        assert_eq!(check(closed, &[("select", None), ("begin", None), ("commit", Keeps)]), 1);
        assert_eq!(check(closed, &[("rollback", None), ("begin", None), ("select", None)]), 3);
        assert_eq!(check(Transaction::Open, &[("insert", None), ("commit", Keeps)]), 2);
        assert_eq!(check(Transaction::Open, &[("create table", None), ("insert", None)]), 1);
        assert_eq!(check(Transaction::Failed, &[("rollback to s", None), ("insert", None)]), 1);
    }

    #[test]
    fn a_failure_lasts_until_somebody_goes_back() {
        let state = Transaction::Closed.after(Verb::Begin).after_failure(Verb::Write);
        assert_eq!(state, Transaction::Failed);
        assert_eq!(state.after(Verb::RollbackTo), Transaction::Open);
        assert_eq!(state.after(Verb::Commit), Transaction::Closed);
        assert_eq!(Transaction::Closed.after_failure(Verb::Write), Transaction::Closed);
        assert_eq!(Transaction::Open.after_failure(Verb::Commit), Transaction::Closed);
    }
}
