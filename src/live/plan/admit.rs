//! Which questions cannot be live at all.

use crate::error::Error;
use crate::error::Result;
use crate::query::ast::Fragment;
use crate::query::ast::Shape;
use crate::query::ast::Tag;

/// Words by which a fragment reads tables, which the log would have to watch.
const READS: &[&str] = &["select", "table"];

/// Words whose value is another one at the next moment.
///
/// No list can be complete, since a database may have functions of its own: that a fragment is a
/// function of its holes is the promise of whoever wrote it, and this catches the usual slips.
const VOLATILE: &[&str] = &[
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "random",
    "randomblob",
    "gen_random_uuid",
    "uuid_generate_v4",
    "nextval",
    "currval",
    "lastval",
    "txid_current",
    "pg_current_xact_id",
    "last_insert_rowid",
    "changes",
    "total_changes",
];

/// Refuses what changes although no row does, and what is more than a question.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid), saying what to do instead.
pub(super) fn admit(shape: &Shape) -> Result<()> {
    let root = shape.root().name;
    if shape.lock.is_some() {
        return Err(Error::invalid(format!(
            "a live query on `{root}` cannot lock rows: lock them in the transaction that writes"
        )));
    }
    if shape.nodes.iter().any(|node| node.tag() == Tag::Volatile) {
        return Err(Error::invalid(format!(
            "a live query on `{root}` cannot ask for `now()`, since its answer would change although \
             no row does: compute the time before, and pass it as a value"
        )));
    }
    for fragment in shape.nodes.fragments() {
        check(fragment)?;
    }
    shape.inner().try_for_each(admit)
}

fn check(fragment: &Fragment) -> Result<()> {
    let text = fragment.text.to_ascii_lowercase();
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut words = text.split(|letter| !is_part(letter));
    let Some(word) = words.find(|word| READS.contains(word) || VOLATILE.contains(word)) else {
        return Ok(());
    };
    let text = fragment.text;
    Err(Error::invalid(if READS.contains(&word) {
        format!(
            "the fragment `{text}` of a live query may read tables that nobody could watch: say it \
             with `exists`, `in_query` or `scalar`"
        )
    } else {
        format!(
            "the fragment `{text}` of a live query says something else at each moment: compute \
             `{word}` before, and pass it as a value"
        )
    }))
}
