//! What PostgreSQL does with values, statements and failures, as the adapter tells it.
//!
//! SQLite needs no server: its tests stand beside its code.

mod failures;
mod sql;
mod statements;
mod values;

use recto::Error;
use recto::Value;
use recto::adapter::Access;
use recto::adapter::Adapter;
use recto::adapter::Connection;
use recto::adapter::Effect;
use recto::adapter::Statement;
use recto::adapter::postgres::Postgres;
use recto::adapter::postgres::PostgresConnection;
use recto::value::Kind;

use crate::support::cluster::Cluster;
use crate::support::cluster::Database;

/// A database of its own, and a connection to it.
struct Scene {
    database: Database,
    postgres: Postgres,
    connection: PostgresConnection,
}

impl Scene {
    async fn new() -> Self {
        let database = Cluster::shared().create_database();
        let postgres = Postgres::new(database.url()).unwrap();
        let connection = postgres.connect(Access::Write).await.unwrap();
        Self { database, postgres, connection }
    }

    /// A second connection.
    async fn another(&self) -> PostgresConnection {
        self.postgres.connect(Access::Write).await.unwrap()
    }
}

fn statement(sql: &str, params: &[Value]) -> Statement {
    of_kinds(sql, params, &[])
}

fn of_kinds(sql: &str, params: &[Value], kinds: &[Kind]) -> Statement {
    Statement { sql: sql.into(), params: params.into(), kinds: kinds.into(), effect: Effect::Keeps }
}

fn reading(sql: &str) -> Statement {
    Statement { effect: Effect::None, ..statement(sql, &[]) }
}

/// Runs statements without parameters and shows what came back.
async fn check(connection: &mut PostgresConnection, texts: &[&str]) -> String {
    let statements = texts.iter().map(|sql| statement(sql, &[])).collect();
    let answers = match connection.run(statements).await {
        Ok(answers) => answers,
        Err(error) => return error.chain().to_string(),
    };
    let shown = answers.iter().map(|answer| {
        let rows = answer.rows.iter().map(|row| {
            let mut text = String::new();
            Value::Array(row.values().into()).write_json(&mut text);
            text
        });
        let rows: Vec<String> = rows.collect();
        if rows.is_empty() { format!("{} changed", answer.affected) } else { rows.join(" ") }
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// The error of one statement.
async fn refusal(connection: &mut PostgresConnection, statement: Statement) -> Error {
    connection.run(vec![statement]).await.unwrap_err()
}
