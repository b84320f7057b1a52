//! One look at SQLite's log: one writer at a time, so that its order is the order of commits.

use std::sync::Arc;

use super::attention::Bell;
use super::snapshot::At;
use super::snapshot::Position;
use super::source::Look;
use super::source::plain;
use crate::adapter::Answer;
use crate::adapter::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::value::Value;

/// The greatest number, the epoch, the greatest number that may be gone from the log, and the shape of
/// the database. Logs of older versions call the third `floor`; they may have become empty, and then it
/// is the greatest, too.
const STATE: &str = "select coalesce((select max(seq) from recto_changes), gone), \
    (select value from recto_meta where name = 'epoch'), \
    gone, \
    (select schema_version from pragma_schema_version) \
    from (select max(value) as gone from recto_meta where name in ('whole after', 'floor'))";

const NEW: &str = "select tab, key from recto_changes where seq > ?1";

/// The statements of one look.
pub(super) fn look(since: Option<&Position>) -> Vec<Statement> {
    let mut statements = vec![plain(STATE, Vec::new())];
    if let Some(Position { at: At::Sequence(earlier), .. }) = since {
        statements.push(plain(NEW, vec![Value::Int(*earlier)]));
    }
    statements
}

/// The statement that tells where an answer in the same snapshot stands.
pub(super) fn position() -> Statement {
    plain(STATE, Vec::new())
}

/// Reads the answer to [`position`].
pub(super) fn read_position(answer: Answer) -> Result<Position> {
    read(vec![Answer::default(), answer], None).map(|look| look.position)
}

/// Reads the answers to [`look`], the answer to `begin` in front.
pub(super) fn read(answers: Vec<Answer>, since: Option<&Position>) -> Result<Look> {
    let mut answers = answers.into_iter().skip(1).map(|answer| answer.rows);
    let state = answers.next().and_then(|mut rows| rows.pop());
    let state = state.ok_or_else(|| Error::invalid("the change log told no state"))?;
    let [Value::Int(seq), Value::Text(epoch), Value::Int(floor), Value::Int(version)] =
        state.values()
    else {
        return Err(Error::invalid("the change log is not as it was installed: install it again"));
    };
    let reaches_back = match since {
        Some(Position { at: At::Sequence(earlier), .. }) => floor <= earlier,
        _ => true,
    };
    Ok(Look {
        position: Position { epoch: epoch.clone(), at: At::Sequence(*seq) },
        fingerprint: version.to_string().into(),
        tables: Arc::default(),
        born: 0,
        bell: Bell::Given,
        reaches_back,
        entries: answers.next().unwrap_or_default(),
    })
}
