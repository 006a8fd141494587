//! The real binary as a server: started in an environment of its own, and gone with the process of the tests.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// How long the binary may take to start or to end, on a machine that does other work as well.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Kills the process it is given when the pipe to its standard input closes, which it does however the tests end.
const WATCHDOG: &str = r#"cat >/dev/null; kill -9 "$1""#;

/// Variables for [`Serve`]: pairs of anything that can be a variable.
pub type Vars = Vec<(OsString, OsString)>;

/// Makes [`Vars`] of what is at hand.
pub fn vars<Name: Into<OsString>, Value: Into<OsString>>(vars: impl IntoIterator<Item = (Name, Value)>) -> Vars {
    vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// A running `cache-api serve`. Dropping it kills it, as a crash would.
pub struct Serve {
    address: String,
    announcement: String,
    child: Child,
    // Held, so that its standard input stays open as long as the process of the tests lives.
    _watchdog: Child,
    // The user's cache directory where LOCAL_DATA_DIR is not given; goes with the server.
    _home: tempfile::TempDir,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    pub status: ExitStatus,
    /// What stood on the standard output and was not read before.
    pub stdout: String,
    pub stderr: String,
}

impl Serve {
    /// Starts `serve` on a free port with `arguments` and nothing in its environment but `vars`.
    pub async fn start(arguments: &[&str], vars: Vars) -> Self {
        Self::start_within(":", arguments, vars).await
    }

    /// As [`Serve::start`], after a shell's `limits`: `ulimit -f 16`.
    pub async fn start_within(limits: &str, arguments: &[&str], vars: Vars) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("sh");
        command.args(["-c", &format!(r#"{limits}; exec "$0" "$@""#), env!("CARGO_BIN_EXE_cache-api")]);
        let mut command = alone(command, &["serve", "--listen", "127.0.0.1:0"], vars, &home);
        let mut child = command.args(arguments).spawn().expect("the binary");
        let watchdog = watch(&child);
        let stderr = tokio::spawn(read_whole(child.stderr.take().expect("a pipe")));
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let Some(announcement) = read_announcement(&mut stdout).await else {
            let status = child.wait().await.expect("its end");
            panic!("serve ended with {status} before it served:\n{}", stderr.await.expect("what it said"));
        };
        let address = announcement.lines().next().and_then(|line| line.split_once("http://"));
        let address = address.unwrap_or_else(|| panic!("no address in {announcement:?}")).1.to_owned();
        let stdout = tokio::spawn(read_whole(stdout));
        Self { address, announcement, child, _watchdog: watchdog, _home: home, stdout, stderr }
    }

    /// Where it listens: `127.0.0.1:41234`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it said when it was ready.
    pub fn announcement(&self) -> &str {
        &self.announcement
    }

    /// The id of its process.
    pub fn process(&self) -> u32 {
        self.child.id().expect("nobody has waited for it")
    }

    /// Sends it a signal by name: `TERM`, `INT`, `STOP`, `CONT`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("a process that nobody has waited for");
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().await.expect("a shell");
        assert!(sent.success(), "SIG{name} cannot be sent to {id}");
    }

    /// What it has of the machine's memory, in MiB.
    pub fn resident_mib(&self) -> u64 {
        let id = self.child.id().expect("a process that nobody has waited for");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its figures");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
    }

    /// Whether it has a file open whose path, which it may have had before it was unlinked, has this in it.
    pub fn has_open(&self, part: &str) -> bool {
        let id = self.child.id().expect("a process that nobody has waited for");
        let open = std::fs::read_dir(format!("/proc/{id}/fd")).expect("its files").flatten();
        open.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|path| path.to_string_lossy().contains(part))
    }

    /// What it was started with, a variable a line: `NAME=value`.
    pub fn environment(&self) -> Vec<String> {
        let id = self.child.id().expect("a process that nobody has waited for");
        let variables = std::fs::read(format!("/proc/{id}/environ")).expect("its environment");
        variables.split(|byte| *byte == 0).map(|variable| String::from_utf8_lossy(variable).into_owned()).collect()
    }

    /// Asks it to stop, and waits until it has.
    pub async fn terminate(self) -> End {
        self.signal("TERM").await;
        self.wait().await
    }

    /// Kills it, and waits until it is dead.
    pub async fn kill(mut self) -> End {
        self.child.start_kill().expect("a process that nobody has waited for");
        self.wait().await
    }

    /// Whether it ends by itself, or by a failpoint, in so much time.
    pub async fn ends_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.child.wait()).await.is_ok()
    }

    /// Waits until it ends by itself, or by a failpoint.
    pub async fn wait(mut self) -> End {
        let status = tokio::time::timeout(WAIT_MAX, self.child.wait()).await.expect("an end within a minute");
        let (stdout, stderr) = (self.stdout.await.expect("its output"), self.stderr.await.expect("its errors"));
        End { status: status.expect("its end"), stdout, stderr }
    }
}

/// Runs the binary with `arguments` and nothing in its environment but `vars`, to its end.
pub async fn run_to_end(arguments: &[&str], vars: Vars) -> End {
    let home = tempfile::tempdir().expect("a directory");
    let output = tokio::time::timeout(WAIT_MAX, binary(arguments, vars, &home).output());
    let output = output.await.expect("an end within a minute").expect("the binary");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    End { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn binary(arguments: &[&str], vars: Vars, home: &tempfile::TempDir) -> Command {
    alone(Command::new(env!("CARGO_BIN_EXE_cache-api")), arguments, vars, home)
}

fn alone(mut command: Command, arguments: &[&str], vars: Vars, home: &tempfile::TempDir) -> Command {
    command.args(arguments).env_clear().env("XDG_CACHE_HOME", home.path()).envs(vars);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn watch(child: &Child) -> Child {
    let id = child.id().expect("a process that nobody has waited for").to_string();
    let mut command = Command::new("sh");
    // Killed before its standard input closes, it cannot hit a process that was given the number since.
    command.args(["-c", WATCHDOG, "sh", &id]).stdin(Stdio::piped()).kill_on_drop(true);
    // A group of its own: Ctrl-C in a terminal ends the tests, and their end the server.
    command.process_group(0).spawn().expect("a shell")
}

/// Reads up to the line that says what to try, the last of the announcement; `None` where the output ends before.
async fn read_announcement(stdout: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let reading = async {
        let mut announcement = String::new();
        while !announcement.lines().any(|line| line.trim_start().starts_with("try ")) {
            if stdout.read_line(&mut announcement).await.expect("text") == 0 {
                return None;
            }
        }
        Some(announcement)
    };
    tokio::time::timeout(WAIT_MAX, reading).await.expect("an announcement within a minute")
}

async fn read_whole(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).await.expect("a pipe");
    String::from_utf8_lossy(&bytes).into_owned()
}
