//! A feed over the installed log whose rule is the test's own: the right one, or one of those that
//! look right.
//!
//! **Invariant:** apart from its rule it does what the feed of the crate does, so that a complaint
//! of the judge is about the rule.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;

use recto::adapter::Access;
use recto::adapter::Adapter;
use recto::adapter::Answer;
use recto::adapter::Connection;
use recto::adapter::Effect;
use recto::adapter::Statement;
use recto::adapter::postgres::Postgres;
use recto::adapter::postgres::PostgresConnection;
use recto::adapter::sql;
use recto::error::Result;
use recto::live::feed::Bell;
use recto::live::feed::Feed;
use recto::live::feed::Keys;
use recto::live::feed::News;
use recto::live::feed::Order;
use recto::live::feed::Outcome;
use recto::live::feed::Tick;
use recto::live::feed::snapshot::At;
use recto::live::feed::snapshot::Position;
use recto::live::feed::snapshot::Transactions;
use recto::schema::Table;
use recto::value::Key;
use recto::value::Row;
use recto::value::Value;

/// Which entries of the log are new, and where rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// That of the crate.
    Right,
    /// Entries above the highest number seen: numbers are not given in the order of commits.
    AboveTheLastNumber,
    /// Entries of transactions that had not begun: those that were running are forgotten.
    ForgetsRunning,
    /// Rows as the last logged image shows them: triggers do not fire in the order of writes.
    ReplaysImages,
    /// Owners as their writers announced them after `COMMIT` returned: two connections may commit
    /// in one order and hear of it in the other.
    InOrderOfReturns,
}

/// Rows of owners in the order in which their writers said that they were committed.
pub(crate) type Announced = Arc<Mutex<Vec<Row>>>;

/// What [`Rule::ReplaysImages`] believes in, filled by a trigger between the hostile ones.
pub(crate) const IMAGES: &str = "
create table images (
    seq bigint generated always as identity,
    id bigint not null,
    image jsonb
);
create index images_id on images (id, seq desc);
create function image() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or tg_op = 'UPDATE' and old.id <> new.id then
        insert into images (id) values (old.id);
    end if;
    if tg_op <> 'DELETE' then
        insert into images (id, image) values (new.id, to_jsonb(new));
    end if;
    return null;
end $$;
create trigger planted_image after insert or update or delete on items
    for each row execute function image();
";

const LAST_IMAGES: &str = "select t.* from ( \
        select distinct on (id) image from images where id = any($1::bigint[]) \
        order by id, seq desc \
    ) i, lateral jsonb_populate_record(null::items, i.image) t where i.image is not null";

const STATE: &str = "select pg_current_snapshot()::text, \
    (select system_identifier::text from pg_control_system()) || '-' || \
        (select id::text from recto.epoch), \
    (select coalesce(max(seq), 0) from recto.changes)";

/// Where a tick stands.
#[derive(Clone, Debug)]
struct Place {
    transactions: Transactions,
    last_number: i64,
}

/// A feed with a rule of the test's own.
#[derive(Debug)]
pub(crate) struct Liar {
    postgres: Postgres,
    rule: Rule,
    /// What [`Rule::InOrderOfReturns`] believes in.
    announced: Announced,
    connection: Option<PostgresConnection>,
    /// Where the last ended tick stood.
    ended: Option<Place>,
    /// Where the present one stands.
    reached: Option<Place>,
}

fn plain(sql: &str, params: Vec<Value>) -> Statement {
    Statement { sql: sql.into(), params, kinds: Arc::from([]), effect: Effect::None }
}

impl Liar {
    pub(crate) fn new(url: &str, rule: Rule) -> Self {
        Self::hearing(url, rule, Announced::default())
    }

    /// One that hears what writers announce.
    pub(crate) fn hearing(url: &str, rule: Rule, announced: Announced) -> Self {
        let postgres = Postgres::new(url).unwrap();
        Self { postgres, rule, announced, connection: None, ended: None, reached: None }
    }

    /// The newest announcement of each of these keys.
    fn announced(&self, table: &Table, keys: &HashSet<Key>) -> Vec<Row> {
        let announced = self.announced.lock().unwrap();
        let last: HashMap<Key, &Row> =
            announced.iter().map(|row| (table.key_of(row), row)).collect();
        keys.iter().filter_map(|key| last.get(key).map(|&row| row.clone())).collect()
    }

    async fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Answer>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(self.postgres.connect(Access::Read).await?),
        };
        connection.run(statements).await
    }

    fn news(&self, since: &Place) -> Statement {
        let list = |xids: &[u64]| {
            Value::Array(xids.iter().map(|xid| Value::text(xid.to_string())).collect())
        };
        let Transactions { xmax, xip, .. } = &since.transactions;
        let select = "select tab, key::text from recto.changes where";
        match self.rule {
            Rule::Right | Rule::ReplaysImages | Rule::InOrderOfReturns => plain(
                &format!("{select} xid >= $1::text::xid8 or xid = any($2::text[]::xid8[])"),
                vec![Value::text(xmax.to_string()), list(xip)],
            ),
            Rule::AboveTheLastNumber => {
                plain(&format!("{select} seq > $1"), vec![Value::Int(since.last_number)])
            }
            Rule::ForgetsRunning => plain(
                &format!("{select} xid >= $1::text::xid8"),
                vec![Value::text(xmax.to_string())],
            ),
        }
    }
}

fn text(value: &Value) -> &str {
    let Value::Text(text) = value else { panic!("{value:?} is no text") };
    text
}

fn touched(entries: &[Row]) -> HashMap<String, Keys> {
    let mut touched: HashMap<String, HashSet<Arc<str>>> = HashMap::new();
    for entry in entries {
        let [table, key] = entry.values() else { panic!("{entry:?} is no entry") };
        touched.entry(text(table).to_owned()).or_default().insert(text(key).into());
    }
    touched.into_iter().map(|(table, keys)| (table, Keys::Some(keys))).collect()
}

impl Feed for Liar {
    async fn tick(&mut self) -> Result<Tick> {
        let begin = plain("begin isolation level repeatable read read only", Vec::new());
        let mut statements = vec![begin, plain(STATE, Vec::new())];
        statements.extend(self.ended.as_ref().map(|since| self.news(since)));
        let mut answers = self.run(statements).await?.into_iter().skip(1);

        let state = answers.next().unwrap().rows.remove(0);
        let [snapshot, epoch, Value::Int(last_number)] = state.values() else {
            panic!("{state:?} is no state")
        };
        let transactions: Transactions = text(snapshot).parse()?;
        let at = At::Transactions(transactions.clone());
        self.reached = Some(Place { transactions, last_number: *last_number });
        let entries = answers.next().map(|answer| answer.rows);
        Ok(Tick {
            bell: Bell::Given,
            position: Position { epoch: text(epoch).into(), at },
            news: if entries.is_some() { News::Known } else { News::Lost },
            touched: touched(&entries.unwrap_or_default()),
            life: 0,
        })
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>> {
        let answers = self.run(statements).await?;
        Ok(answers.into_iter().map(|answer| answer.rows).collect())
    }

    async fn rows(&mut self, table: &'static Table, keys: &HashSet<Key>) -> Result<Vec<Row>> {
        if self.rule == Rule::InOrderOfReturns && table.name == "owners" {
            return Ok(self.announced(table, keys));
        }
        let dialect = self.postgres.dialect();
        let keys: Vec<Key> = keys.iter().cloned().collect();
        let replays = self.rule == Rule::ReplaysImages && table.name == "items";
        let statement = Statement {
            sql: if replays { LAST_IMAGES.into() } else { sql::rows_by_key(table, dialect)? },
            params: sql::key_lists(table, &keys, dialect),
            kinds: table.columns.iter().map(|column| column.kind).collect(),
            effect: Effect::None,
        };
        Ok(self.read(vec![statement]).await?.pop().unwrap_or_default())
    }

    async fn arrange(&mut self, _: Order) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn end(&mut self, outcome: Outcome) {
        let reached = self.reached.take();
        if outcome == Outcome::Done {
            self.ended = reached;
        }
        if self.run(vec![plain("rollback", Vec::new())]).await.is_err() {
            self.connection = None;
        }
    }
}
