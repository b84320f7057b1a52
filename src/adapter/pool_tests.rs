//! The pool over a database that only notes what it is asked.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use super::*;
use crate::adapter::Adapter;
use crate::adapter::Connection;
use crate::adapter::postgres::PostgresDialect;
use crate::adapter::sql::Dialect;
use crate::query::eval::Arithmetic;
use crate::query::eval::Letters;

/// Notes what is asked of its connections, and waits where a statement says `wait`.
#[derive(Clone, Debug, Default)]
struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    connection_count: Arc<AtomicUsize>,
    writer_count: Option<usize>,
}

impl Notes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Adapter for Notes {
    type Connection = Noted;

    fn dialect(&self) -> &'static dyn Dialect {
        &PostgresDialect
    }

    fn most(&self, access: Access) -> Option<usize> {
        self.writer_count.filter(|_| access == Access::Write)
    }

    fn shares_connections(&self) -> bool {
        self.writer_count.is_none()
    }

    async fn connect(&self, _access: Access) -> Result<Noted> {
        let number = self.connection_count.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Noted { number, notes: self.clone(), is_broken: false })
    }
}

#[derive(Debug)]
struct Noted {
    number: usize,
    notes: Notes,
    is_broken: bool,
}

impl Noted {
    fn note(&self, what: &str) {
        let mut lines = self.notes.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(format!("{}: {what}", self.number));
    }
}

impl Connection for Noted {
    async fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Answer>> {
        for statement in &statements {
            let params = statement.params.iter().map(|value| {
                if let Value::Text(text) = value { format!(" {text}") } else { " ?".to_owned() }
            });
            self.note(&format!("{}{}", statement.sql, params.collect::<String>()));
            match &*statement.sql {
                "wait" => std::future::pending().await,
                "break" => self.is_broken = true,
                "lose" => return Err(Error::new(ErrorKind::InDoubt, "the wire was cut")),
                _ => {}
            }
        }
        Ok(statements.iter().map(|_| Answer::default()).collect())
    }

    async fn batch(&mut self, script: &str) -> Result<()> {
        self.note(script);
        Ok(())
    }

    fn semantics(&self) -> Semantics {
        Semantics {
            nulls_greatest: true,
            text_by_bytes: true,
            like_folds_ascii: false,
            arithmetic: Arithmetic::Numeric,
            letters: Letters::Locale,
        }
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn abandon(&mut self) {
        self.note("abandon");
    }
}

fn pool(notes: &Notes, max_size: usize) -> Pool {
    let config = PoolConfig { max_size, wait: Duration::from_millis(10) };
    Pool::new(Arc::new(notes.clone()), &config)
}

fn ask(sql: &str) -> Vec<Statement> {
    vec![Statement { sql: sql.into(), params: Vec::new(), kinds: [].into(), effect: Effect::None }]
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let notes = Notes::default();
    let pool = pool(&notes, 2);
    for _ in 0..3 {
        pool.checkout(Access::Write).await.unwrap().run(ask("x")).await.unwrap();
    }
    assert_eq!(notes.take(), ["1: x", "1: x", "1: x"]);
}

#[tokio::test]
async fn what_was_going_on_is_ended() {
    let notes = Notes::default();
    let pool = pool(&notes, 1);
    {
        let mut lease = pool.checkout(Access::Read).await.unwrap();
        let work = lease.run(ask("wait"));
        tokio::time::timeout(Duration::from_millis(1), work).await.unwrap_err();
    }
    assert_eq!(notes.take(), ["1: wait", "1: abandon"]);
    let mut lease = pool.checkout(Access::Read).await.unwrap();
    lease.run(ask("begin")).await.unwrap();
    lease.pin();
    drop(lease);
    assert_eq!(notes.take(), ["1: begin", "1: abandon"]);
    let mut lease = pool.checkout(Access::Read).await.unwrap();
    lease.pin();
    lease.unpin();
    drop(lease);
    assert_eq!(notes.take(), Vec::<String>::new());
}

#[tokio::test]
async fn a_broken_connection_is_thrown_away() {
    let notes = Notes::default();
    let pool = pool(&notes, 1);
    pool.checkout(Access::Write).await.unwrap().run(ask("break")).await.unwrap();
    pool.checkout(Access::Write).await.unwrap().batch("x").await.unwrap();
    assert_eq!(notes.take(), ["1: break", "2: x"]);
    pool.checkout(Access::Write).await.unwrap().run(ask("lose")).await.unwrap_err();
    pool.checkout(Access::Write).await.unwrap().batch("x").await.unwrap();
    assert_eq!(notes.take(), ["2: lose", "3: x"]);
}

#[tokio::test]
async fn waiting_too_long_says_what_to_do() {
    let notes = Notes::default();
    let pool = pool(&notes, 2);
    let _first = pool.checkout(Access::Read).await.unwrap();
    let _second = pool.checkout(Access::Write).await.unwrap();
    let error = pool.checkout(Access::Read).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "timed out after 10ms: all 2 connections are in use: raise `pool_size`"
    );
}

#[tokio::test]
async fn readers_and_writers_may_be_apart() {
    let notes = Notes { writer_count: Some(1), ..Notes::default() };
    let pool = pool(&notes, 5);
    let _writer = pool.checkout(Access::Write).await.unwrap();
    let _reader = pool.checkout(Access::Read).await.unwrap();
    let error = pool.checkout(Access::Write).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "timed out after 10ms: the one connection that may write is in use: shorten transactions, \
         or raise `wait`"
    );
}

#[tokio::test]
async fn settings_reach_every_connection_once() {
    let notes = Notes::default();
    let pool = pool(&notes, 2);
    drop(pool.checkout(Access::Write).await.unwrap());
    pool.set_setting("recto.a", "1");
    let first = pool.checkout(Access::Write).await.unwrap();
    let second = pool.checkout(Access::Write).await.unwrap();
    drop((first, second));
    drop(pool.checkout(Access::Write).await.unwrap());
    let detached = pool.detach(Access::Write).await.unwrap();
    let set = |number| format!("{number}: select set_config($1, $2, false) recto.a 1");
    assert_eq!(notes.take(), [set(1), set(2), set(3)]);
    drop(detached);
}

#[tokio::test]
async fn a_closed_pool_gives_nothing() {
    let pool = pool(&Notes::default(), 1);
    let lease = pool.checkout(Access::Read).await.unwrap();
    pool.close();
    drop(lease);
    let error = pool.checkout(Access::Read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
