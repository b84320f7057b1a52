//! A glance at PostgreSQL's log: a look that takes for granted that no table was altered, which it can
//! tell at little cost.
//!
//! PostgreSQL plans a prepared statement anew when a table in it was altered, and evaluates functions
//! that are declared immutable when it plans ("PREPARE" and "Function Volatility Categories" in its
//! manual). So a glance names all watched tables, reads none of them, and asks for `recto.stamp()`,
//! which is called immutable and is another at each call: it stays what it was until one of the
//! tables is altered, analyzed, or vacuumed. Another stamp means no more than that a whole look is due.
//!
//! A plan hears of a change a moment after snapshots show it. Whoever alters a table in a way that
//! changes what is read holds a lock in that moment for which a glance waits, but for two: triggers are
//! switched off, and tables become children of others, under weaker locks. So both are part of the stamp
//! as the snapshot shows them.
//!
//! **Invariant:** what a look told stands for later glances only if they bring the stamp of one that
//! was over when the look began. The plan may have heard of more than the snapshot shows, since it is
//! made after it; but whatever the plan had heard of by then, the next snapshot shows.
//!
//! A whole look comes at least every [`CHECK`], for what no plan hears of: a subscription that begins to
//! fill a table.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use super::postgres_bell;
use super::postgres_source::Tables;
use super::postgres_source::entries;
use super::postgres_source::news;
use super::postgres_source::reaches_back;
use super::postgres_source::text;
use super::snapshot::At;
use super::snapshot::Position;
use super::source::Look;
use super::source::plain;
use crate::adapter::Answer;
use crate::adapter::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::value::Row;
use crate::value::Value;

/// Creates the function that stamps plans.
pub(super) const CREATE: &str = "
do $install$ begin
if to_regprocedure('recto.stamp()') is null then
    create function recto.stamp() returns uuid language sql immutable parallel safe
        as 'select pg_catalog.gen_random_uuid()';
end if;
end $install$;
";

/// How long glances do without a look. Below the usual heartbeat, so that the look is the heartbeat's,
/// for which nobody waits.
const CHECK: Duration = Duration::from_millis(900);

/// How long no glance is tried after one has failed, doubled each time up to the longest: a table that
/// was renamed is soon known by its name, but one may be locked for hours, and each attempt waits for it
/// a while. Guesses.
const REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(5);

/// How many tables may be glanced at: each is locked, in the mode of whoever reads. A guess.
const MOST: usize = 250;

/// What is known to those who glance.
#[derive(Debug, Default)]
pub(super) struct Glance {
    /// The numbers and names of the tables, and the statement.
    statement: Option<(Value, Arc<str>)>,
    /// The stamp that came last.
    stamp: Option<Value>,
    /// What the last look told, if it holds for this stamp.
    told: Option<Told>,
    rest: Duration,
    rests_until: Option<Instant>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    epoch: Arc<str>,
    born: u64,
    fingerprint: Arc<str>,
    tables: Arc<Tables>,
}

impl Glance {
    /// The statement of a glance, where one will do.
    pub(super) fn statement(
        &self,
        since: Option<&Position>,
        most: usize,
        now: Instant,
    ) -> Option<Statement> {
        let is_fresh = self.told.as_ref().is_some_and(|told| now < told.at + CHECK);
        if is_fresh { self.stamped(since, most, now) } else { None }
    }

    /// The statement that travels behind a look, for the stamp it brings.
    pub(super) fn beside(&self, now: Instant) -> Option<Statement> {
        self.stamped(None, 0, now)
    }

    fn stamped(&self, since: Option<&Position>, most: usize, now: Instant) -> Option<Statement> {
        let is_resting = self.rests_until.is_some_and(|until| now < until);
        let (_, sql) = self.statement.as_ref().filter(|_| !is_resting)?;
        Some(Statement { sql: Arc::clone(sql), ..plain("", news(since, most).to_vec()) })
    }

    /// A look was taken, which asked about the tables that it should, and named those that can be
    /// glanced at; `beside` is the answer to [`Glance::beside`].
    pub(super) fn looked(
        &mut self,
        look: &Look,
        names: Option<Value>,
        beside: Option<&Answer>,
        now: Instant,
    ) {
        self.told = None;
        let known = self.statement.as_ref().map(|(names, _)| names);
        if known != names.as_ref() {
            self.stamp = None;
            self.statement = names.and_then(|names| Some((names.clone(), sql(&names)?)));
            return;
        }
        let Some(stamp) = beside.and_then(stamp) else { return };
        if self.stamp.as_ref() == Some(stamp) {
            self.told = Some(Told {
                at: now,
                epoch: Arc::clone(&look.position.epoch),
                born: look.born,
                fingerprint: Arc::clone(&look.fingerprint),
                tables: Arc::clone(&look.tables),
            });
        } else {
            self.stamp = Some(stamp.clone());
        }
    }

    /// Reads the answer to a glance; nothing where a look is due.
    pub(super) fn read(
        &mut self,
        answer: &Answer,
        since: Option<&Position>,
        most: usize,
    ) -> Result<Option<Look>> {
        let stamp = stamp(answer);
        let told = self.told.as_ref().filter(|_| self.stamp.as_ref() == stamp);
        let Some(told) = told else {
            self.told = None;
            self.stamp = stamp.cloned();
            return Ok(None);
        };
        self.rest = Duration::ZERO;
        let row = answer.rows.first().map(Row::values);
        let Some([snapshot, _, floor, number, clock, new]) = row else {
            return Err(Error::invalid("the database told no snapshot"));
        };
        let at = At::Transactions(text(snapshot).parse()?);
        let position = Position { epoch: Arc::clone(&told.epoch), at };
        let entries = entries(Some(new));
        let reach = (told.born, text(floor).parse().unwrap_or(u64::MAX));
        Ok(Some(Look {
            fingerprint: Arc::clone(&told.fingerprint),
            tables: Arc::clone(&told.tables),
            born: told.born,
            reaches_back: reaches_back((since, &position), reach, (entries.len(), most)),
            bell: postgres_bell::read_number(number, clock),
            position,
            entries,
        }))
    }

    /// What was hoped for could not be had: for a while nobody hopes.
    pub(super) fn failed(&mut self, now: Instant) {
        self.told = None;
        self.rest = (self.rest * 2).clamp(REST, LONGEST_REST);
        self.rests_until = Some(now + self.rest);
    }

    /// Stamps are those of a connection, and that is lost.
    pub(super) fn forget(&mut self) {
        (self.stamp, self.told) = (None, None);
    }
}

fn stamp(answer: &Answer) -> Option<&Value> {
    answer.rows.first()?.values().get(1)
}

/// The statement for these tables; none for too many. PostgreSQL does not plan what nobody reads from,
/// but depends on it all the same.
fn sql(tables: &Value) -> Option<Arc<str>> {
    let Value::Array(tables) = tables else { return None };
    if MOST < tables.len() {
        return None;
    }
    let (numbers, names): (Vec<&str>, Vec<&str>) =
        tables.iter().filter_map(|table| text(table).split_once(' ')).unzip();
    let unread = names.into_iter().chain(["recto.watched", "recto.epoch"]).enumerate();
    let unread: Vec<String> =
        unread.map(|(place, name)| format!("w{place} as (select from {name})")).collect();
    let (unread, numbers) = (unread.join(", "), numbers.join(", "));
    let sql = format!(
        "with {unread} select pg_current_snapshot()::text, \
            concat_ws(' ', recto.stamp(), \
                (select sum(age(xmin)) - count(*) * age('100'::xid) from pg_trigger \
                    where tgrelid in ({numbers}) and xmin <> '1'::xid and xmin <> '2'::xid), \
                (select sum(inhrelid::bigint) from pg_inherits where inhparent in ({numbers}))), \
            (select xid::text from recto.floor), {}, \
            (select array_agg(tab || e'\\x1f' || coalesce(key::text, '')) from ( \
                select tab, key from recto.changes where xid >= $1::text::xid8 \
                union all \
                select tab, key from recto.changes where xid = any($2::text[]::xid8[]) \
                limit $3::text::bigint) n)",
        postgres_bell::GLANCED,
    );
    Some(sql.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::feed::Bell;

    const TABLES: [&str; 1] = ["1 public.items"];

    fn names(names: &[&str]) -> Value {
        Value::Array(names.iter().map(Value::text).collect())
    }

    fn answer(stamp: &str) -> Answer {
        let values = ["7:7:", stamp, "3"].map(Value::text);
        let rest = [Value::Null, Value::Int(0), Value::Null];
        let row = Row::from(values.into_iter().chain(rest).collect::<Vec<_>>());
        Answer { rows: vec![row], ..Answer::default() }
    }

    fn look() -> Look {
        Look {
            position: Position {
                epoch: "one".into(),
                at: At::Transactions("7:7:".parse().unwrap()),
            },
            fingerprint: "shape".into(),
            tables: Arc::default(),
            born: 0,
            reaches_back: true,
            bell: Bell::Silent,
            entries: Vec::new(),
        }
    }

    /// Runs `script`, and shows what each step is: `look b` is one with stamp `b` beside it, `glance b`
    /// a glance that brings it, `altered` a look that names other tables, `failed` and `lost` are what
    /// they say. A number before it is the time in milliseconds.
    fn check(script: &str) -> String {
        let (mut glance, began) = (Glance::default(), Instant::now());
        let mut shown = Vec::new();
        for step in script.split(", ") {
            let (at, step) = step.split_once(' ').unwrap();
            let now = began + Duration::from_millis(at.parse().unwrap());
            let (what, stamp) = step.split_once(' ').unwrap_or((step, ""));
            let may_glance = glance.statement(None, 9, now).is_some();
            let outcome = match what {
                "look" => {
                    let beside =
                        glance.beside(now).filter(|_| !stamp.is_empty()).map(|_| answer(stamp));
                    glance.looked(&look(), Some(names(&TABLES)), beside.as_ref(), now);
                    "looked"
                }
                "altered" => {
                    glance.looked(
                        &look(),
                        Some(names(&["2 public.other"])),
                        Some(&answer(stamp)),
                        now,
                    );
                    "looked"
                }
                "glance" if !may_glance => "not tried",
                "glance" => match glance.read(&answer(stamp), None, 9).unwrap() {
                    Some(_) => "glanced",
                    None => "a look is due",
                },
                "failed" => {
                    glance.failed(now);
                    "failed"
                }
                "lost" => {
                    glance.forget();
                    "lost"
                }
                _ => panic!("{what}?"),
            };
            shown.push(outcome);
        }
        shown.join(", ")
    }

    #[test]
    fn a_look_stands_for_a_stamp_that_came_before_it() {
        // The first names the tables, the second brings a stamp, the third knows it.
        assert_eq!(
            check("0 look, 1 glance a, 2 look a, 3 glance a, 4 look a, 5 glance a"),
            "looked, not tried, looked, not tried, looked, glanced"
        );
        assert_eq!(
            check("0 look, 1 look a, 2 look b, 3 glance b, 4 look b, 5 glance b"),
            "looked, looked, looked, not tried, looked, glanced"
        );
    }

    #[test]
    fn another_stamp_has_two_looks_taken() {
        // The look of the same snapshot may not show yet what the stamp tells of.
        assert_eq!(
            check(
                "0 look, 1 look a, 2 look a, 3 glance b, 3 look, 4 glance b, 5 look b, 6 glance b"
            ),
            "looked, looked, looked, a look is due, looked, not tried, looked, glanced"
        );
    }

    #[test]
    fn looks_come_now_and_then() {
        assert_eq!(
            check(
                "0 look, 1 look a, 2 look a, 901 glance a, 902 glance a, 903 look a, 904 glance a"
            ),
            "looked, looked, looked, glanced, not tried, looked, glanced"
        );
    }

    #[test]
    fn other_tables_and_other_connections_begin_anew() {
        assert_eq!(
            check(
                "0 look, 1 look a, 2 look a, 3 altered a, 4 glance a, 5 altered a, 6 altered a, 7 glance a"
            ),
            "looked, looked, looked, looked, not tried, looked, looked, glanced"
        );
        assert_eq!(
            check("0 look, 1 look a, 2 look a, 3 lost, 4 glance a, 5 look a, 6 look a, 7 glance a"),
            "looked, looked, looked, lost, not tried, looked, looked, glanced"
        );
    }

    #[test]
    fn a_glance_that_failed_is_not_tried_for_a_while() {
        assert_eq!(
            check(
                "0 look, 1 look a, 2 look a, 3 failed, 4 look a, 5 glance a, 53 look a, 54 glance a"
            ),
            "looked, looked, looked, failed, looked, not tried, looked, glanced"
        );
        // The second time for twice as long, until one succeeds.
        assert_eq!(
            check(
                "0 look, 1 look a, 2 look a, 3 failed, 53 failed, 54 look a, 55 glance a, 153 look a, \
                 154 glance a, 155 failed, 205 look a, 206 glance a"
            ),
            "looked, looked, looked, failed, failed, looked, not tried, looked, glanced, failed, looked, glanced"
        );
    }

    #[test]
    fn too_many_tables_are_not_glanced_at() {
        let many = vec!["1 public.items"; MOST + 1];
        assert!(sql(&names(&many[1..])).is_some());
        assert!(sql(&names(&many)).is_none());
    }
}
