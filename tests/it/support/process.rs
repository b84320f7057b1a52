//! Child programs of the tests: started, listened to, killed, and never left behind.
//!
//! The test process keeps one reaper, a shell that reads a pipe. It is told of every child and
//! owns the temporary directory; when the pipe ends, because the test process returned, panicked
//! or was killed, it ends the children and removes the directory.
//!
//! **Invariant:** a child is known to the reaper before it runs a line of its own program, so
//! there is no moment at which killing the test process leaves one behind.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, PipeWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::wait::within;

/// How long a script under `tests/js` may take: it may start a browser, and machines are slow.
const SCRIPT_BOUND: Duration = Duration::from_mins(2);

/// Ends the children it was told of and removes the directory `$1`, once its input ends.
///
/// A line is `+ SIGNAL TARGET` for a child and `- any TARGET` for one that was waited for. A
/// child that outlives its signal by five seconds is killed. A process that nobody waits for keeps
/// its number but loses its command line, hence the look at `/proc`.
const REAPER: &str = r#"
trap '' HUP INT TERM
held=
while read -r sign signal target; do
    rest=
    for entry in $held; do
        [ "${entry#*:}" = "$target" ] || rest="$rest $entry"
    done
    held=$rest
    [ "$sign" = + ] && held="$held $signal:$target"
done
runs() {
    if [ "$1" -gt 0 ] && [ -d /proc/self ]; then
        [ -n "$(tr -d '\0' <"/proc/$1/cmdline")" ]
    else
        kill -s 0 -- "$1"
    fi
}
for entry in $held; do
    kill -s "${entry%%:*}" -- "${entry#*:}"
done
tries=0
for entry in $held; do
    while runs "${entry#*:}" && [ "$tries" -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    kill -s KILL -- "${entry#*:}"
done
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"#;

/// Tells the reaper its own number, through the pipe it was given as input, and becomes the
/// program that follows.
const SUPERVISED: &str = r#"echo "+ $1 $2$$" >&0; shift 2; exec "$@" </dev/null"#;

struct Reaper {
    pipe: PipeWriter,
    root: PathBuf,
}

impl Reaper {
    fn get() -> &'static Self {
        static REAPER: OnceLock<Reaper> = OnceLock::new();
        REAPER.get_or_init(Self::start)
    }

    #[expect(clippy::zombie_processes, reason = "it outlives us, which is its purpose")]
    fn start() -> Self {
        let name = format!("recto-test-{}-{:08x}", std::process::id(), random() >> 32);
        let root = temporary().join(name);
        fs::create_dir(&root).expect("a temporary directory can be made");
        // The server runs as another user when the tests run as root, and has to get in.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))
            .expect("our own directory can be opened to others");
        let (reader, pipe) = io::pipe().expect("a pipe can be made");
        // A group of its own, so that an interrupt typed at the tests does not end the reaper.
        Command::new("sh")
            .args(["-c", REAPER, "recto-test-reaper"])
            .arg(&root)
            .current_dir("/")
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("`sh` can be started");
        Self { pipe, root }
    }

    fn tell(&self, line: &str) {
        // One short write, so that lines of several threads cannot mix.
        (&self.pipe).write_all(format!("{line}\n").as_bytes()).expect("the reaper is reading");
    }
}

/// Where temporary directories are made: a long path leaves no room for the name of a Unix
/// socket, which has to fit in 108 bytes.
fn temporary() -> PathBuf {
    let chosen = std::env::temp_dir();
    if chosen.as_os_str().len() < 50 { chosen } else { PathBuf::from("/tmp") }
}

/// A number nobody else is likely to draw.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A temporary directory; removed when dropped, and at the latest with the test process.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty directory.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Reaper::get().root.join(number.to_string());
        fs::create_dir(&path).expect("a directory nobody else knows can be made");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the reaper.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the reaper sends a child.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LastSignal {
    /// `QUIT` to the process alone: it takes its own children with it, as PostgreSQL does.
    Quit,
    /// `KILL` to the process and to everything it started in its group.
    KillGroup,
}

/// A command that runs `program` as the leader of a new process group, known to the reaper.
///
/// Arguments added to it go to `program`; its input is empty.
pub(crate) fn supervised(program: &Path, last: LastSignal) -> Command {
    let (signal, prefix) = match last {
        LastSignal::Quit => ("QUIT", ""),
        LastSignal::KillGroup => ("KILL", "-"),
    };
    let pipe = Reaper::get().pipe.try_clone().expect("a pipe can be shared");
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISED, "supervised", signal, prefix]).arg(program);
    command.stdin(pipe).process_group(0);
    command
}

/// Tells the reaper that a child was waited for, since its number may now be anybody's.
pub(crate) fn forget(pid: u32, last: LastSignal) {
    match last {
        LastSignal::Quit => Reaper::get().tell(&format!("- any {pid}")),
        LastSignal::KillGroup => Reaper::get().tell(&format!("- any -{pid}")),
    }
}

/// Sends `signal`, such as `KILL`, to processes; a negative number is a process group. One that
/// is gone already is no failure.
pub(crate) fn signal(signal: &str, targets: &[i64]) {
    let targets: Vec<String> = targets.iter().map(i64::to_string).collect();
    Command::new("sh")
        .args(["-c", r#"kill -s "$@""#, "kill", signal, "--"])
        .args(targets)
        .stderr(Stdio::null())
        .status()
        .expect("`sh` can be started");
}

/// The processes whose parent is `pid`.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for (child, parent) in processes() {
        if parent == pid {
            children.push(child);
        }
    }
    children
}

/// True while `pid` runs; one that ended and was not waited for yet does not count.
pub(crate) fn is_running(pid: u32) -> bool {
    processes().any(|(running, _)| running == pid)
}

/// The number and the parent of every running process.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    // Systems without `/proc` have a `ps`; on Linux it is a package of its own.
    let table = if Path::new("/proc/self/stat").exists() {
        entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok()).collect()
    } else {
        let listed = Command::new("ps").args(["-A", "-o", "pid= stat= ppid="]).output();
        String::from_utf8_lossy(&listed.expect("`ps` can be started").stdout).into_owned()
    };
    let rows: Vec<_> = table.lines().filter_map(running).collect();
    rows.into_iter()
}

/// Reads `pid (name) state parent …`, the shape of `/proc/*/stat`, or the same without a name.
fn running(line: &str) -> Option<(u32, u32)> {
    let pid = line.split_whitespace().next()?.parse().ok()?;
    // A name may contain spaces and parentheses; what follows the last one is regular.
    let rest = match line.rsplit_once(')') {
        Some((_, rest)) => rest,
        None => line.trim_start().split_once(' ')?.1,
    };
    let mut words = rest.split_whitespace();
    let state = words.next()?;
    let parent = words.next()?.parse().ok()?;
    let ended = state.starts_with(['Z', 'X']);
    (!ended).then_some((pid, parent))
}

/// The path of an example, which `cargo test` built beside this program.
pub(crate) fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    let profile = this.ancestors().nth(2).expect("cargo puts tests into `deps`");
    let path = profile.join("examples").join(name);
    assert!(path.exists(), "{} is missing: cargo build --example {name}", path.display());
    path
}

/// A running program whose output is read line by line; killed, with its group, when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    pid: u32,
    lines: watch::Receiver<Vec<String>>,
    /// How many lines earlier waits have gone past.
    seen: usize,
    reader: JoinSet<()>,
    scratch: Scratch,
    over: bool,
}

impl Program {
    /// Starts `program` in the root of the package.
    pub(crate) fn start(program: &Path, arguments: &[&str], envs: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let errors = fs::File::create(scratch.path().join("stderr")).expect("a file can be made");
        let mut command = supervised(program, LastSignal::KillGroup);
        command
            .args(arguments)
            .envs(envs.iter().copied())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .stderr(errors);
        let mut child =
            tokio::process::Command::from(command).spawn().expect("`sh` can be started");
        let pid = child.id().expect("the child was not waited for");
        let stdout = child.stdout.take().expect("the output was asked for");

        let (sender, lines) = watch::channel(Vec::new());
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let mut output = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = output.next_line().await {
                sender.send_modify(|lines| lines.push(line));
            }
        });
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, child, pid, lines, seen: 0, reader, scratch, over: false }
    }

    /// Waits for a line of the output that `matches`, after those of earlier waits.
    pub(crate) async fn line(
        &mut self,
        what: &str,
        bound: Duration,
        matches: impl Fn(&str) -> bool,
    ) -> String {
        let seen = self.seen;
        let find = |lines: &Vec<String>| lines.iter().skip(seen).position(|line| matches(line));
        let found = self.lines.wait_for(|lines| find(lines).is_some());
        let found = match tokio::time::timeout(bound, found).await {
            Ok(Ok(lines)) => {
                let at = seen + find(&lines).expect("it was found just now");
                Ok((at, lines[at].clone()))
            }
            Ok(Err(_)) => Err("its output ended".to_owned()),
            Err(_) => Err(format!("{bound:?} passed")),
        };
        match found {
            Ok((at, line)) => {
                self.seen = at + 1;
                line
            }
            Err(why) => {
                panic!("`{}` did not print {what}: {why}\n{}", self.name, self.transcript())
            }
        }
    }

    /// Waits until the program has ended by itself and its output was read.
    pub(crate) async fn wait(&mut self, bound: Duration) -> ExitStatus {
        let ended = async {
            let status = self.child.wait().await;
            // What it left running is ended as well, and lets go of the output.
            signal("KILL", &[-i64::from(self.pid)]);
            self.reader.join_next().await;
            status
        };
        let Ok(status) = tokio::time::timeout(bound, ended).await else {
            panic!("`{}` still runs after {bound:?}\n{}", self.name, self.transcript());
        };
        self.finish();
        status.expect("a child can be waited for")
    }

    /// The program and what it started, as [`signal`] wants to be told.
    pub(crate) fn group(&self) -> i64 {
        -i64::from(self.pid)
    }

    /// Kills the program, and what it started, without a word; returns when it is gone.
    pub(crate) async fn kill(&mut self) {
        if !self.over {
            signal("KILL", &[-i64::from(self.pid)]);
            within("a killed program to end", Duration::from_secs(10), self.child.wait())
                .await
                .expect("a child can be waited for");
            self.finish();
        }
    }

    /// Everything printed so far.
    pub(crate) fn output(&self) -> String {
        self.lines.borrow().join("\n")
    }

    /// Everything printed so far, to both outputs; for messages about failures.
    pub(crate) fn transcript(&self) -> String {
        let errors = fs::read(self.scratch.path().join("stderr")).unwrap_or_default();
        let errors = String::from_utf8_lossy(&errors);
        format!("--- its output\n{}\n--- its errors\n{errors}", self.output())
    }

    fn finish(&mut self) {
        if !self.over {
            self.over = true;
            forget(self.pid, LastSignal::KillGroup);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.over {
            signal("KILL", &[-i64::from(self.pid)]);
            // The runtime waits for it; all that is lost is the number, a moment later.
            self.finish();
        }
    }
}

/// Runs `tests/js/{script}` with node and returns what it printed.
///
/// Scripts reach the packages of the client by path, since they live beside it.
///
/// # Panics
///
/// When node or the client's packages are missing, with what to install; when the script fails or
/// takes too long, with all it printed.
pub(crate) async fn node(script: &str, envs: &[(&str, &str)]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = format!("tests/js/{script}");
    assert!(root.join(&script).exists(), "`{script}` does not exist");
    let node = find_on_path("node")
        .expect("node 20 or later is missing: `apt-get install nodejs npm`, or run `./test`");
    assert!(
        root.join("client/node_modules").is_dir(),
        "the client's packages are missing: `npm ci` in `client`, or run `./test`",
    );

    let mut program = Program::start(&node, &[&script], envs);
    let status = program.wait(SCRIPT_BOUND).await;
    assert!(status.success(), "`{script}` failed, {status}\n{}", program.transcript());
    program.output()
}

/// The file a shell would run for `name`.
pub(crate) fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::super::wait::eventually;
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Program {
        Program::start(Path::new("/bin/sh"), &["-c", script], &[("COLOUR", "red")])
    }

    #[tokio::test]
    async fn lines_are_waited_for_in_order() {
        let mut program = shell("echo one; echo $COLOUR; echo one more; echo no >&2; exit 3");

        assert_eq!(program.line("a one", BOUND, |line| line.starts_with("one")).await, "one");
        assert_eq!(program.line("a one", BOUND, |line| line.starts_with("one")).await, "one more");
        assert_eq!(program.wait(BOUND).await.code(), Some(3));
        assert_eq!(program.output(), "one\nred\none more");
        assert!(program.transcript().ends_with("no\n"));
    }

    #[tokio::test]
    #[should_panic(expected = "`sh` did not print a two: its output ended\n--- its output\none\n")]
    async fn a_line_that_never_comes_is_named() {
        shell("echo one").line("a two", BOUND, |line| line == "two").await;
    }

    #[tokio::test]
    async fn a_killed_program_takes_its_group_with_it() {
        let mut killed = shell("sleep 600 & echo $!; wait");
        let mut dropped = shell("sleep 600 & echo $!; wait");
        let mut running = Vec::new();
        for program in [&mut killed, &mut dropped] {
            let sleeper = program.line("a number", BOUND, |_| true).await;
            running.extend([program.pid, sleeper.parse().expect("the shell prints a number")]);
        }
        assert!(running.iter().all(|&pid| is_running(pid)));
        assert_eq!(children_of(running[0]), [running[1]]);

        killed.kill().await;
        drop(dropped);
        eventually("four processes to end", BOUND, async || {
            !running.iter().any(|&pid| is_running(pid))
        })
        .await;
    }

    #[test]
    fn a_process_with_a_strange_name_is_read() {
        assert_eq!(running("12 (a) b) S 7 12 0"), Some((12, 7)));
        assert_eq!(running("12 (gone) Z 7 12 0"), None);
        assert_eq!(running("   12 Ss      7"), Some((12, 7)));
    }

    #[test]
    fn a_scratch_directory_is_removed() {
        let scratch = Scratch::new();
        let path = scratch.path().to_owned();
        fs::write(path.join("file"), "text").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    #[should_panic(expected = "cargo build --example no_such_example")]
    fn a_missing_example_says_how_to_build_it() {
        example("no_such_example");
    }

    #[tokio::test]
    #[should_panic(expected = "`tests/js/no_such.mjs` does not exist")]
    async fn a_missing_script_is_named() {
        node("no_such.mjs", &[]).await;
    }
}
