//! The log of one database, read tick by tick.
//!
//! **Invariant:** a tick starts from the state that the last *ended* tick reached, whatever happened
//! to connections in between. The log is the truth; doorbells are hints.

use std::collections::HashMap;
use std::collections::HashSet;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Instant;

use super::Bell;
use super::Feed;
use super::Keys;
use super::News;
use super::Order;
use super::Outcome;
use super::Since;
use super::Tick;
use super::ahead::Ahead;
use super::ahead::PATIENCE;
use super::log::is_postgres;
use super::log::watched;
use super::postgres_bell;
use super::postgres_glance::Glance;
use super::postgres_source;
use super::postgres_source::Tables;
use super::snapshot::Position;
use super::sqlite_source;
use crate::adapter::Access;
use crate::adapter::Answer;
use crate::adapter::Effect;
use crate::adapter::ErasedConnection;
use crate::adapter::Lease;
use crate::adapter::Statement;
use crate::adapter::sql;
use crate::adapter::sql::Begin;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::repo::Repo;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

/// How often a look is repeated until it asked about the right tables: more than partitions have
/// levels anywhere.
const MOST_LOOKS: usize = 64;

/// What one look at the log found.
pub(super) struct Look {
    /// The state it was read at.
    pub(super) position: Position,
    /// What tells whether tables still have the shape they had.
    pub(super) fingerprint: Arc<str>,
    /// The tables to ask the fingerprint of, by number, where it is asked so.
    pub(super) tables: Arc<Tables>,
    /// The first transaction of this life of the database.
    pub(super) born: u64,
    /// Whether everything after the earlier state is still in the log.
    pub(super) reaches_back: bool,
    /// Whether writers ring.
    pub(super) bell: Bell,
    /// Table and key of each new row of the log.
    pub(super) entries: Vec<Row>,
}

impl Look {
    /// Whether the database's life has a name.
    fn is_marked(&self) -> bool {
        !self.position.epoch.is_empty()
    }

    /// The number of this life of the database and this shape of its tables; never zero.
    fn life(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.position.epoch, &self.fingerprint).hash(&mut hasher);
        hasher.finish().max(1)
    }
}

/// The change log as a [`Feed`].
#[derive(Debug)]
pub struct LogFeed {
    repo: Repo,
    seat: Seat,
    /// The tables to ask about, as the last look told.
    tables: Arc<Tables>,
    glance: Glance,
    ahead: Ahead,
    /// How many entries of PostgreSQL's log are news.
    most: usize,
    /// Which cluster PostgreSQL's connection leads to.
    system: String,
    /// Where the last ended tick stood.
    position: Option<(Position, Arc<str>)>,
    /// Where the present tick stands.
    reached: Option<(Position, Arc<str>)>,
    /// Whether this tick waits for tables that are locked.
    is_patient: bool,
    /// Whether statements that are not the feed's own may be planned in this tick.
    is_as_usual: bool,
}

/// The connection a tick reads on.
#[derive(Debug)]
enum Seat {
    /// None at present.
    Empty,
    /// One of the feed's own, kept between ticks: a pool that is exhausted stops nobody.
    Own(Box<dyn ErasedConnection>),
    /// One of the pool's, for the time of a tick: an in-memory database has but one.
    Leased(Lease),
}

/// What a look on PostgreSQL tries to do with.
#[derive(Debug, Default)]
struct Hoped {
    glance: Option<Statement>,
    beside: Option<Statement>,
    ahead: Vec<Statement>,
}

impl Hoped {
    fn is_nothing(&self) -> bool {
        self.glance.is_none() && self.beside.is_none() && self.ahead.is_empty()
    }
}

pub(crate) fn plain(sql: &str, params: Vec<Value>) -> Statement {
    Statement { sql: sql.into(), params, kinds: Arc::from([]), effect: Effect::None }
}

impl LogFeed {
    /// The log of `repo`'s database.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when no change log is installed.
    pub async fn connect(repo: Repo) -> Result<Self> {
        if watched(&repo).await?.is_empty() {
            return Err(Error::invalid(
                "no change log is installed: call `ChangeLog::new([…]).install(&repo)` first",
            ));
        }
        Ok(Self {
            repo,
            seat: Seat::Empty,
            tables: Arc::default(),
            glance: Glance::default(),
            ahead: Ahead::default(),
            most: postgres_source::MOST,
            system: String::new(),
            position: None,
            reached: None,
            is_patient: false,
            is_as_usual: false,
        })
    }

    /// Where more than `entries` of PostgreSQL's log came between two ticks, everything is asked again
    /// instead; a million, unless this is called. They are held in memory while a tick goes on.
    pub fn most_entries(self, entries: usize) -> Self {
        Self { most: entries, ..self }
    }

    async fn sit(&mut self) -> Result<()> {
        let pool = self.repo.pool();
        let is_broken = match &self.seat {
            Seat::Empty => true,
            Seat::Own(connection) => connection.is_broken(),
            Seat::Leased(_) => false,
        };
        if is_broken {
            self.seat = if self.repo.adapter().most(Access::Read) == Some(1) {
                let mut lease = pool.checkout(Access::Read).await?;
                lease.pin();
                Seat::Leased(lease)
            } else {
                let mut connection = pool.detach(Access::Read).await?;
                if is_postgres(&self.repo) {
                    self.glance.forget();
                    connection.batch(postgres_source::SESSION).await?;
                    let system = plain(postgres_source::SYSTEM, Vec::new());
                    self.system =
                        postgres_source::read_system(&connection.run(vec![system]).await?);
                }
                Seat::Own(connection)
            };
        }
        Ok(())
    }

    async fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Answer>> {
        let limit = self.repo.config().timeout;
        let work = async {
            match &mut self.seat {
                Seat::Own(connection) => connection.run(statements).await,
                Seat::Leased(lease) => lease.run(statements).await,
                Seat::Empty => {
                    Err(Error::new(ErrorKind::Unavailable, "the feed has no connection"))
                }
            }
        };
        let result = tokio::time::timeout(limit, work).await;
        result.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout(limit), "no answer from the database to the feed"))
        })
    }

    /// Takes a look, and hopes that it may be a short one and bring rows along; if that cannot be had,
    /// or not soon, one that asks for nothing but the log and the catalog.
    async fn look(&mut self) -> Result<Look> {
        if !is_postgres(&self.repo) {
            return self.look_at_file().await;
        }
        let now = Instant::now();
        let since = self.position.as_ref().map(|(position, _)| position.clone());
        let hoped = Hoped {
            glance: self.glance.statement(since.as_ref(), self.most, now),
            beside: self.glance.beside(now),
            ahead: self.ahead.statements(since.as_ref(), now),
        };
        if hoped.is_nothing() {
            return self.look_hoping(since.as_ref(), hoped).await;
        }
        let look = self.look_hoping(since.as_ref(), hoped);
        if let Ok(Ok(look)) = tokio::time::timeout(PATIENCE, look).await {
            return Ok(look);
        }
        self.ahead.forget();
        self.glance.failed(Instant::now());
        if let Seat::Own(connection) = &mut self.seat {
            connection.abandon();
        }
        self.look_hoping(since.as_ref(), Hoped::default()).await
    }

    async fn sit_soon(&mut self) -> Result<()> {
        // A server may take a connection and never say a word.
        let limit = self.repo.config().timeout;
        tokio::time::timeout(limit, self.sit()).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout(limit), "no connection to the database for the feed"))
        })
    }

    async fn look_at_file(&mut self) -> Result<Look> {
        self.sit_soon().await?;
        (self.is_patient, self.is_as_usual) = (true, true);
        let since = self.position.as_ref().map(|(position, _)| position.clone());
        let mut statements = vec![plain(self.repo.dialect().begin(Begin::Snapshot), Vec::new())];
        statements.extend(sqlite_source::look(since.as_ref()));
        let answers = self.run(statements).await?;
        sqlite_source::read(answers, since.as_ref())
    }

    async fn look_hoping(&mut self, since: Option<&Position>, hoped: Hoped) -> Result<Look> {
        self.sit_soon().await?;
        (self.is_patient, self.is_as_usual) = (false, false);
        let begin = plain(self.repo.dialect().begin(Begin::Snapshot), Vec::new());
        let Some(glance) = hoped.glance else {
            return self.look_whole(since, Some(begin), hoped.beside, hoped.ahead).await;
        };
        let mut statements = vec![begin, glance];
        statements.extend(hoped.ahead);
        let mut answers = self.run(statements).await?.into_iter().skip(1);
        let glanced = answers.next().unwrap_or_default();
        self.ahead.take(answers.map(|answer| answer.rows));
        match self.glance.read(&glanced, since, self.most)? {
            Some(look) => Ok(look),
            None => self.look_whole(since, None, None, Vec::new()).await,
        }
    }

    /// A look that asks everything; without `begin` it is in the snapshot that is open.
    async fn look_whole(
        &mut self,
        since: Option<&Position>,
        begin: Option<Statement>,
        beside: Option<Statement>,
        ahead: Vec<Statement>,
    ) -> Result<Look> {
        let look = postgres_source::look(since, &self.tables, &self.system, self.most);
        let (is_first, is_beside) = (begin.is_some(), beside.is_some());
        let mut statements: Vec<Statement> = begin.into_iter().collect();
        if is_first && !is_beside && ahead.is_empty() {
            statements.extend(self.patience());
        }
        let own = statements.len();
        statements.extend([look].into_iter().chain(beside).chain(ahead));
        let mut answers = self.run(statements).await?.into_iter().skip(own);
        let (look, names) = postgres_source::read(answers.next(), since, self.most)?;
        let beside = if is_beside { answers.next() } else { None };
        if is_first {
            self.ahead.take(answers.map(|answer| answer.rows));
        }
        let is_right = look.is_marked() && look.tables == self.tables;
        let names = names.filter(|_| is_right);
        self.glance.looked(&look, names, beside.as_ref(), Instant::now());
        Ok(look)
    }

    /// What stands in front of statements that wait for tables that are locked.
    fn patience(&mut self) -> Option<Statement> {
        let is_patient = std::mem::replace(&mut self.is_patient, true);
        (!is_patient).then(|| plain(postgres_source::PATIENT, Vec::new()))
    }

    /// Opens a snapshot and looks; creates the marker of a new epoch where the database lost it.
    async fn look_marked(&mut self) -> Result<Look> {
        // Each round mends one thing: the marker, or which tables there are, a level at a time.
        for _ in 0..MOST_LOOKS {
            let look = self.look().await?;
            if look.is_marked() && look.tables == self.tables {
                return Ok(look);
            }
            let is_marked = look.is_marked();
            self.tables = look.tables;
            self.run(vec![plain("rollback", Vec::new())]).await?;
            if !is_marked {
                self.run(vec![plain(postgres_source::MARK, Vec::new())]).await?;
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the change log does not stand still"))
    }
}

/// The touched rows of each table.
fn touched(entries: &[Row]) -> HashMap<String, Keys> {
    let mut touched: HashMap<String, Keys> = HashMap::new();
    for entry in entries {
        let [Value::Text(table), key] = entry.values() else { continue };
        let keys = touched.entry(table.to_string());
        let keys = keys.or_insert_with(|| Keys::Some(HashSet::new()));
        match (keys, key) {
            (Keys::Some(keys), Value::Text(key)) => {
                keys.insert(Arc::clone(key));
            }
            // No key stands for any row.
            (keys, _) => *keys = Keys::All,
        }
    }
    touched
}

impl Feed for LogFeed {
    async fn tick(&mut self) -> Result<Tick> {
        let look = self.look_marked().await?;
        let is_known = match &self.position {
            // What was read before the first look may have changed before it.
            None => false,
            Some((position, fingerprint)) => {
                position.epoch == look.position.epoch
                    && look.reaches_back
                    && *fingerprint == look.fingerprint
            }
        };
        let touched = if is_known { touched(&look.entries) } else { HashMap::new() };
        let life = look.life();
        self.reached = Some((look.position.clone(), look.fingerprint));
        let news = if is_known { News::Known } else { News::Lost };
        Ok(Tick { position: look.position, news, touched, life, bell: look.bell })
    }

    async fn read(&mut self, mut statements: Vec<Statement>) -> Result<Vec<Vec<Row>>> {
        let own = usize::from(!self.is_as_usual);
        if !self.is_as_usual {
            statements.insert(0, plain(postgres_source::AS_USUAL, Vec::new()));
            (self.is_patient, self.is_as_usual) = (true, true);
        }
        let answers = self.run(statements).await?;
        Ok(answers.into_iter().skip(own).map(|answer| answer.rows).collect())
    }

    async fn rows(&mut self, table: &'static Table, keys: &HashSet<Key>) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut missing: HashSet<&Key> = keys.iter().collect();
        if is_postgres(&self.repo) {
            self.ahead.wanted(table, Instant::now(), self.repo.dialect());
            for row in self.ahead.rows(table) {
                if missing.remove(&table.key_of(&row)) {
                    rows.push(row);
                }
            }
        }
        if missing.is_empty() {
            return Ok(rows);
        }
        let dialect = self.repo.dialect();
        let keys: Vec<Key> = missing.into_iter().cloned().collect();
        let statement = Statement {
            sql: sql::rows_by_key(table, dialect)?,
            params: sql::key_lists(table, &keys, dialect),
            kinds: table.columns.iter().map(|column| column.kind).collect(),
            effect: Effect::None,
        };
        let statements = self.patience().into_iter().chain([statement]);
        let mut answers = self.run(statements.collect()).await?;
        rows.extend(answers.pop().unwrap_or_default().rows);
        Ok(rows)
    }

    async fn since(&mut self, from: u64) -> Result<Option<Since>> {
        let is_postgres = is_postgres(&self.repo);
        let since = Position::earliest(from, is_postgres);
        let look = if is_postgres {
            let look = postgres_source::look(Some(&since), &self.tables, &self.system, self.most);
            vec![look, postgres_source::older(from, self.most)]
        } else {
            sqlite_source::look(Some(&since))
        };
        let mut answers = self.run(look).await?;
        let mut older = None;
        let look = if is_postgres {
            older = answers.pop();
            postgres_source::read(answers.pop(), Some(&since), self.most)?.0
        } else {
            // What reads this look expects the answer to `begin` in front.
            answers.insert(0, Answer::default());
            sqlite_source::read(answers, Some(&since))?
        };
        // Who still ran when this life began may have logged before it, and that is lost.
        let is_known = look.reaches_back && look.born <= from && from <= look.position.reached();
        Ok(is_known.then(|| Since {
            life: look.life(),
            touched: touched(&look.entries),
            // SQLite says of a row that was replaced that it was inserted.
            older: older.map_or_else(
                || touched(&look.entries),
                |older| touched(&postgres_source::read_older(&older)),
            ),
        }))
    }

    async fn arrange(&mut self, order: Order) -> Result<Option<u64>> {
        if !is_postgres(&self.repo) {
            return Ok(None);
        }
        let answers = self.run(vec![postgres_bell::arrange(order)]).await?;
        Ok(postgres_bell::read_mark(&answers))
    }

    async fn end(&mut self, outcome: Outcome) {
        let reached = self.reached.take();
        if outcome == Outcome::Done
            && let Some(reached) = reached
        {
            self.position = Some(reached);
        }
        if let Seat::Own(connection) = &mut self.seat
            && is_postgres(&self.repo)
        {
            // Nothing was written, so that going back is as good as any end, and nobody need wait
            // for it: the next look travels behind it.
            connection.abandon();
            return;
        }
        let end = match outcome {
            Outcome::Done => "commit",
            Outcome::BrokeOff => "rollback",
        };
        let ended = self.run(vec![plain(end, Vec::new())]).await;
        match &mut self.seat {
            Seat::Own(connection) if ended.is_err() => {
                connection.abandon();
                self.seat = Seat::Empty;
            }
            Seat::Leased(lease) => {
                if ended.is_ok() {
                    lease.unpin();
                }
                self.seat = Seat::Empty;
            }
            Seat::Own(_) | Seat::Empty => {}
        }
    }
}

/// Runs statements and tells the position their answers belong to, all in one snapshot.
///
/// # Errors
///
/// As [`Repo::snapshot`].
pub(crate) async fn read_at_one_state(
    repo: &Repo,
    statements: Vec<Statement>,
) -> Result<(Vec<Vec<Row>>, Position)> {
    let is_postgres = is_postgres(repo);
    let position =
        if is_postgres { postgres_source::position() } else { sqlite_source::position() };
    let mut all = vec![position];
    if is_postgres {
        // Several results read by one statement look costly enough to be compiled, for longer than
        // they take.
        all.push(plain("set local jit = off", Vec::new()));
    }
    let before = all.len();
    all.extend(statements);
    let work = async |repo: Repo| repo.run(all, Access::Read).await;
    let mut answers: Vec<Answer> = repo.snapshot(work).await?;
    let rows = answers.split_off(before).into_iter().map(|answer| answer.rows).collect();
    let state = answers.swap_remove(0);
    let position = if is_postgres {
        postgres_source::read_position(&state)?
    } else {
        sqlite_source::read_position(state)?
    };
    Ok((rows, position))
}
