//! A private PostgreSQL cluster: made for the tests, on a port of its own, gone with them.
//!
//! The server programs are those of the machine. Nothing of an installed cluster is read or
//! touched, and no setting of the surroundings (`PGPORT` and its kin) reaches the server. What is
//! written here blocks the thread for some ten to a hundred milliseconds; it speaks to the server
//! from threads of its own, so that it may be called inside a runtime and in `drop`.
//!
//! **Invariant:** no server and no directory outlives the test process (see `process`).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::process::{
    LastSignal, Scratch, children_of, find_on_path, forget, is_running, random, signal, supervised,
};
use super::wait::block_until;

/// How long the server may take to start, stop or recover. Each takes well under a second on an
/// idle machine; the bound is for a loaded one.
const BOUND: Duration = Duration::from_mins(1);

/// What every cluster runs with. Nothing is flushed to the disk, since no test cuts the power;
/// `synchronous_commit` stays on because without it the stream of logical replication lags.
const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "on"),
    ("max_connections", "200"),
    ("wal_level", "logical"),
    ("max_prepared_transactions", "20"),
    ("shared_buffers", "128MB"),
    ("timezone", "UTC"),
    // Writers that crowd each other on purpose deadlock often; a second each would stop them all.
    ("deadlock_timeout", "20ms"),
];

/// How a cluster differs from the usual one.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The locale of its databases.
    pub(crate) locale: &'static str,
    /// Server settings, on top of those every cluster has.
    pub(crate) settings: Vec<(&'static str, &'static str)>,
}

impl Default for Options {
    fn default() -> Self {
        // The one locale every Debian machine has that knows Unicode; it sorts by code point.
        Self { locale: "C.UTF-8", settings: Vec::new() }
    }
}

/// A PostgreSQL server with its data; stopped and removed when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    options: Options,
    port: u16,
    server: Mutex<Option<Child>>,
    home: Scratch,
}

impl Cluster {
    /// Starts a cluster that belongs to one test, which may crash it.
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts a cluster with settings of its own.
    pub(crate) fn start_with(options: Options) -> Self {
        let home = Scratch::new();
        hand_over(home.path());
        copy(&template(options.locale), &home.path().join("data"));
        let mut cluster = Self { options, port: 0, server: Mutex::new(None), home };
        // Between the choice of a port and its use somebody else may take it.
        let mut failure = String::new();
        for _ in 0..5 {
            cluster.port = free_port();
            match cluster.launch() {
                Ok(()) => return cluster,
                Err(log) => failure = log,
            }
        }
        panic!("PostgreSQL does not start:\n{failure}");
    }

    /// The cluster that all tests of this process share; nobody may stop it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The URL of `database` for the superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.address())
    }

    /// A new, empty database, dropped with the value.
    pub(crate) fn create_database(&self) -> Database {
        self.create_database_with("")
    }

    /// A new, empty database with properties of its own, as `create database` takes them.
    pub(crate) fn create_database_with(&self, properties: &str) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let maintenance = self.url("postgres");
        self.psql(&maintenance, &format!("CREATE DATABASE {name} {properties}"));
        Database { url: self.url(&name), name, maintenance }
    }

    /// Runs `sql` on a connection of its own and returns the rows: one a line, `|` between
    /// columns, nothing for NULL.
    ///
    /// The thread is blocked meanwhile, so a statement must not wait for a lock that a task of
    /// the same single-threaded runtime holds.
    ///
    /// # Panics
    ///
    /// When the server cannot be reached or refuses a statement.
    #[expect(clippy::unused_self, reason = "a cluster in hand says that the server is there")]
    pub(crate) fn psql(&self, url: &str, sql: &str) -> String {
        match run(url, sql) {
            Ok(rows) => rows,
            Err(error) => panic!("could not run `{sql}`: {error:?}"),
        }
    }

    /// Crashes the server: the postmaster and all its children are killed at once.
    ///
    /// Returns when the last of them is gone. What was committed is still there after `restart`.
    pub(crate) fn kill(&self) {
        let mut server = self.server();
        let Some(mut postmaster) = server.take() else { return };
        let pid = postmaster.id();
        // A stopped postmaster starts no child between the count and the kill.
        signal("STOP", &[pid.into()]);
        let children = children_of(pid);
        let targets: Vec<i64> = children.iter().copied().chain([pid]).map(i64::from).collect();
        signal("KILL", &targets);
        postmaster.wait().expect("a child can be waited for");
        forget(pid, LastSignal::Quit);
        block_until("the server's children to end", BOUND, || {
            !children.iter().any(|&child| is_running(child))
        });
    }

    /// Shuts the server down in good order; clients are disconnected, open transactions rolled
    /// back.
    pub(crate) fn stop_fast(&self) {
        self.stop("INT");
    }

    /// Starts the server again, on the same port and data; returns when it accepts connections.
    ///
    /// One that runs is stopped first.
    pub(crate) fn restart(&self) {
        self.stop_fast();
        if let Err(log) = self.launch() {
            panic!("PostgreSQL does not start again:\n{log}");
        }
    }

    /// Kills one backend, by what `pg_backend_pid()` says, as the system does when memory runs
    /// out: the postmaster then ends all sessions and recovers.
    ///
    /// Returns when the server accepts connections again.
    pub(crate) fn kill_backend(&self, pid: i32) {
        let server = self.server();
        let postmaster = server.as_ref().expect("the server runs").id();
        let before = children_of(postmaster);
        let backend = u32::try_from(pid).expect("the number of a process is positive");
        assert!(before.contains(&backend), "{pid} is no backend of this cluster");
        signal("KILL", &[pid.into()]);
        block_until("the server to end all sessions", BOUND, || {
            !before.iter().any(|&child| is_running(child))
        });
        block_until("the server to recover", BOUND, || {
            run(&self.url("postgres"), "SELECT 1").is_ok()
        });
    }

    /// What the server wrote into its log.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.home.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Starts the server and waits until it accepts connections, or returns the log.
    fn launch(&self) -> Result<(), String> {
        let home = self.home.path();
        let data = home.join("data");
        let log = File::options().create(true).append(true).open(home.join("log"));
        let log = log.expect("a file can be made in our own directory");
        let mut command = supervised(&programs().join("postgres"), LastSignal::Quit);
        plain(&mut command);
        command.arg("-D").arg(&data).arg("-k").arg(home);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        for (name, value) in SETTINGS.iter().chain(&self.options.settings) {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        let mut postmaster = command.spawn().expect("`sh` can be started");

        let mut ended = false;
        block_until("PostgreSQL to start", BOUND, || {
            ended = postmaster.try_wait().expect("a child can be asked").is_some();
            ended || is_ready(&data, postmaster.id())
        });
        if ended {
            forget(postmaster.id(), LastSignal::Quit);
            return Err(self.log());
        }
        *self.server() = Some(postmaster);
        Ok(())
    }

    fn stop(&self, name: &str) {
        let mut server = self.server();
        let Some(mut postmaster) = server.take() else { return };
        let pid = postmaster.id();
        signal(name, &[pid.into()]);
        block_until("PostgreSQL to stop", BOUND, || {
            postmaster.try_wait().expect("a child can be asked").is_some()
        });
        forget(pid, LastSignal::Quit);
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nobody reads the data again, so the server need not write it.
        self.stop("QUIT");
    }
}

/// A database of its own for one test; dropped with the value, whoever is still connected.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    url: String,
    maintenance: String,
}

impl Database {
    /// The name of the database.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The URL of the database for the superuser.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that was stopped takes the database with it.
        let _ =
            run(&self.maintenance, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// A port on loopback that nobody listens on.
///
/// It lies below those the system gives to outgoing connections, so that a server that stops and
/// comes back finds it free; the rest is luck, and the caller tries again.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = 20_000 + u16::try_from(random() % 12_000).expect("it is less than 12,000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// True once the postmaster `pid` accepts connections: it says so in the last line of its file.
fn is_ready(data: &Path, pid: u32) -> bool {
    let file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = file.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.next_back() == Some("ready")
}

/// Runs `sql` as `psql` does, in a thread of its own, where no other runtime is in the way.
fn run(url: &str, sql: &str) -> Result<String, tokio_postgres::Error> {
    let conversation = async || {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let answer = async move { client.simple_query(sql).await };
        // The client is dropped with its answer, which ends the connection.
        let (messages, _) = tokio::join!(answer, connection);
        let mut rows = Vec::new();
        for message in messages? {
            if let SimpleQueryMessage::Row(row) = message {
                let values = (0..row.len()).map(|at| row.get(at).unwrap_or_default());
                rows.push(values.collect::<Vec<_>>().join("|"));
            }
        }
        Ok(rows.join("\n"))
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("a runtime can be built");
            runtime.block_on(conversation())
        });
        thread.join().expect("the conversation does not panic")
    })
}

/// An initialised data directory, made once a locale: copying takes a tenth of the time.
fn template(locale: &'static str) -> PathBuf {
    static MADE: Mutex<Option<HashMap<&'static str, Scratch>>> = Mutex::new(None);
    // A failed initdb leaves the map as it was, so the next test reports the failure again.
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    if !made.contains_key(locale) {
        let home = Scratch::new();
        hand_over(home.path());
        let mut command = Command::new(programs().join("initdb"));
        command
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .arg(format!("--locale={locale}"))
            .arg("-D")
            .arg(home.path().join("data"));
        finish(&mut command);
        made.insert(locale, home);
    }
    made[locale].path().join("data")
}

/// Copies a data directory with the rights that PostgreSQL insists on.
fn copy(from: &Path, to: &Path) {
    finish(Command::new("cp").arg("-Rp").arg(from).arg(to));
}

/// Runs a command as the server's user, to its end.
fn finish(command: &mut Command) {
    plain(command).current_dir("/");
    let name = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("`{name}` cannot be started: {error}"),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{name}` failed, {}:\n{errors}", output.status);
}

/// Strips what PostgreSQL would read from the surroundings, and the rights of root, which it
/// refuses to run with.
fn plain(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Gives a directory to the server's user.
fn hand_over(directory: &Path) {
    if let Some((user, group)) = server_user() {
        chown(directory, Some(user), Some(group)).expect("root may give its directories away");
    }
}

/// Whom the server runs as when the tests run as root; otherwise it runs as we do.
fn server_user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| {
        // The owner of a file we make is who we are.
        let probe = Scratch::new();
        let ours = fs::metadata(probe.path()).expect("our own directory can be read");
        if ours.uid() != 0 {
            return None;
        }
        let mut users = String::new();
        let file = File::open("/etc/passwd").and_then(|mut file| file.read_to_string(&mut users));
        file.expect("`/etc/passwd` can be read");
        let found = ["postgres", "nobody"].iter().find_map(|name| user_of(&users, name));
        Some(found.expect("a machine has a user `postgres` or `nobody`"))
    })
}

/// The user and the group of `name` in the text of `/etc/passwd`.
fn user_of(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users
        .lines()
        .map(|line| line.split(':'))
        .find(|fields| fields.clone().next() == Some(name))?;
    Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The folder with the server's programs.
///
/// # Panics
///
/// When there is none, with what to install.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(chosen) = std::env::var_os("RECTO_PG_BIN") {
            let folder = PathBuf::from(chosen);
            assert!(
                has_server(&folder),
                "$RECTO_PG_BIN is {}, which lacks `initdb` or `postgres`",
                folder.display(),
            );
            return folder;
        }
        newest(Path::new("/usr/lib/postgresql")).or_else(on_path).expect(
            "no PostgreSQL server programs: `apt-get install postgresql`, run `./test`, or set \
             $RECTO_PG_BIN to the folder that has `initdb` and `postgres`",
        )
    })
}

/// Debian keeps one folder a major version.
fn newest(root: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(root).ok()?.flatten();
    versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            has_server(&folder).then_some((version, folder))
        })
        .max()
        .map(|(_, folder)| folder)
}

/// Elsewhere `initdb` is on the path, perhaps as a link to where its siblings are.
fn on_path() -> Option<PathBuf> {
    let initdb = fs::canonicalize(find_on_path("initdb")?).ok()?;
    let folder = initdb.parent()?.to_owned();
    has_server(&folder).then_some(folder)
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn rows(cluster: &Cluster, sql: &str) -> String {
        cluster.psql(&cluster.url("postgres"), sql)
    }

    #[test]
    fn a_crash_keeps_what_was_committed_and_restarts_on_the_same_port() {
        let cluster = Cluster::start();
        let url = cluster.url("postgres");
        rows(&cluster, "CREATE TABLE kept (id int, note text)");
        rows(&cluster, "INSERT INTO kept VALUES (1, 'one'), (2, NULL)");

        cluster.kill();
        assert!(run(&url, "SELECT 1").is_err());
        cluster.restart();
        assert_eq!(rows(&cluster, "SELECT * FROM kept ORDER BY id"), "1|one\n2|");
        assert!(cluster.log().contains("automatic recovery in progress"));

        cluster.stop_fast();
        assert!(run(&url, "SELECT 1").is_err());
        cluster.restart();
        assert_eq!(cluster.url("postgres"), url);
        assert_eq!(rows(&cluster, "SELECT count(*) FROM kept"), "2");
        assert!(cluster.log().contains("received fast shutdown request"));
    }

    #[tokio::test]
    async fn a_killed_backend_ends_all_sessions_and_the_server_recovers() {
        let cluster = Cluster::start();
        let (client, connection) = tokio_postgres::connect(&cluster.url("postgres"), NoTls)
            .await
            .expect("the cluster accepts connections");
        let mut driver = tokio::task::JoinSet::new();
        driver.spawn(connection);
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();

        cluster.kill_backend(row.get(0));
        assert!(client.query_one("SELECT 1", &[]).await.is_err());
        assert_eq!(rows(&cluster, "SELECT 1"), "1");
    }

    #[test]
    fn a_cluster_runs_with_its_settings() {
        let settings = vec![("wal_level", "replica"), ("max_wal_senders", "3")];
        let cluster = Cluster::start_with(Options { settings, ..Options::default() });
        let show = |name| rows(&cluster, &format!("SHOW {name}"));

        assert_eq!(show("wal_level"), "replica");
        assert_eq!(show("max_wal_senders"), "3");
        assert_eq!(show("fsync"), "off");
        assert_eq!(show("server_encoding"), "UTF8");
        let home = cluster.home.path().to_owned();
        assert_eq!(show("unix_socket_directories"), home.display().to_string());
        drop(cluster);
        assert!(!home.exists());
    }

    #[test]
    fn a_database_is_dropped_while_somebody_is_connected() {
        let cluster = Cluster::shared();
        let database = cluster.create_database();
        let other = cluster.create_database();
        assert_ne!(database.name(), other.name());

        let url = database.url().to_owned();
        let name = database.name().to_owned();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| run(&url, "SELECT pg_sleep(600)"));
            block_until("a session", BOUND, || {
                let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname";
                rows(cluster, &format!("{sessions} = '{name}' AND state = 'active'")) == "1"
            });
            drop(database);
            assert!(waiting.join().expect("a lost session is no panic").is_err());
        });
        let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        assert_eq!(rows(cluster, &left), "0");
    }

    #[test]
    #[should_panic(expected = "could not run `SELEC 1`")]
    fn a_refused_statement_is_shown() {
        rows(Cluster::shared(), "SELEC 1");
    }

    /// Runs itself in a second process, which holds a cluster until it is killed.
    #[test]
    fn a_killed_test_process_leaves_nothing_behind() {
        const FILE: &str = "RECTO_TEST_HOLD_A_CLUSTER";
        if let Some(file) = std::env::var_os(FILE) {
            let cluster = Cluster::start();
            let postmaster = cluster.server().as_ref().expect("the server runs").id();
            let root = cluster.home.path().parent().expect("homes are in one directory");
            let text = format!("{postmaster} {}\n", root.display());
            fs::write(file, text).expect("the parent's directory takes files");
            block_until("the kill", BOUND, || false);
        }

        let scratch = Scratch::new();
        let file = scratch.path().join("held");
        let this = std::env::current_exe().expect("this program has a path");
        let (_, module) = module_path!().split_once("::").expect("a module is in a crate");
        let mut holder = supervised(&this, LastSignal::KillGroup)
            .args(["--exact", &format!("{module}::a_killed_test_process_leaves_nothing_behind")])
            .env(FILE, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this program can be started again");
        let mut held = String::new();
        block_until("the second process to start its cluster", BOUND, || {
            held = fs::read_to_string(&file).unwrap_or_default();
            held.ends_with('\n')
        });
        let (postmaster, root) = held.trim().split_once(' ').expect("two words were written");
        let postmaster = postmaster.parse().expect("the first is a number");
        assert!(is_running(postmaster) && Path::new(root).exists());

        holder.kill().expect("a child can be killed");
        holder.wait().expect("a child can be waited for");
        forget(holder.id(), LastSignal::KillGroup);
        block_until("the reaper", BOUND, || !is_running(postmaster) && !Path::new(root).exists());
    }

    #[test]
    fn the_newest_version_with_a_server_is_chosen() {
        let scratch = Scratch::new();
        for (version, files) in [("9", 2), ("13", 2), ("15", 2), ("16", 1), ("beta", 2)] {
            let folder = scratch.path().join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            for name in ["initdb", "postgres"].iter().take(files) {
                fs::write(folder.join(name), "").unwrap();
            }
        }
        assert_eq!(newest(scratch.path()), Some(scratch.path().join("15/bin")));
        assert_eq!(newest(&scratch.path().join("15")), None);
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "root:x:0:0:root:/:/bin/sh\npostgres2:x:7:8::/:\npostgres:x:103:111::/:\n";
        assert_eq!(user_of(users, "postgres"), Some((103, 111)));
        assert_eq!(user_of(users, "nobody"), None);
    }
}
