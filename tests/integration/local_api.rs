//! `make local-api`: real curl, what API Gateway does, AWS's emulator and the real binary.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::repository::{in_repository, sample};
use crate::support::server::installed;

/// Asks the bridge to end when the pipe to its standard input closes, which it does however the process of the tests ends, and
/// waits until it has ended what it started.
pub const WATCHDOG: &str = r#"
    "$@" </dev/null & bridge=$!
    cat >/dev/null
    kill -TERM "$bridge"; wait "$bridge"
"#;

/// A running bridge.
struct Bridge {
    url: String,
    watchdog: Child,
    // What it and all that it starts write is in here.
    dir: tempfile::TempDir,
}

impl Bridge {
    /// Starts it on a free port. It listens before all is started: whoever asks early waits.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(installed(".venv", "bin/python", "aws-sam-cli"))
            .arg(in_repository("tools/local_api.py"))
            .args([env!("CARGO_BIN_EXE_cache-api"), "0"])
            .env("TMPDIR", dir.path())
            // Where no Docker answers: SAM would stand in for the bridge.
            .env("DOCKER_HOST", "unix:///nowhere")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(watchdog.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("starting ").map(str::to_owned);
        let log = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        let url = url.unwrap_or_else(|| panic!("{line:?} is no address\n{}", log()));
        Self { url, watchdog, dir }
    }

    /// What curl writes when it is called with these arguments and the URL of `target`.
    fn curl(&self, arguments: &[&str], target: &str) -> Vec<u8> {
        let url = format!("{}{target}", self.url);
        let output = Command::new("curl").args(["-sS", "--max-time", "90"]).args(arguments).arg(&url).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{url}: {error}\n{}", self.log());
        output.stdout
    }

    fn text(&self, arguments: &[&str], target: &str) -> String {
        String::from_utf8(self.curl(arguments, target)).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Ends it, and answers the names of what it leaves behind.
    fn end(mut self) -> Vec<String> {
        self.close();
        let left = std::fs::read_dir(self.dir.path()).unwrap();
        left.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn close(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.close();
    }
}

/// The processes that have a file of this name among their arguments.
fn processes_with(argument: &Path) -> usize {
    let argument = argument.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    commands.filter(|command| String::from_utf8_lossy(command).contains(argument)).count()
}

/// Pitfalls 19 and 20, from one end to the other: keys and bytes arrive as they were sent.
#[test]
fn curl_gets_from_the_local_api_what_it_would_get_through_api_gateway() {
    let bridge = Bridge::start();

    let csv = bridge.text(&["-D", "-"], "/cache/prices.csv");
    let (head, body) = csv.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}\n{}", bridge.log());
    assert!(head.contains("\r\ncache-status: cache-api; "), "{head}");
    assert_eq!(body.as_bytes(), sample("prices.csv"));
    assert!(bridge.curl(&[], "/cache/bonds.parquet") == sample("bonds.parquet"), "other bytes");

    let head = bridge.text(&["-I"], "/cache/bonds.parquet").to_lowercase();
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", sample("bonds.parquet").len())), "{head}");
    // A HEAD whose answer had a body would spoil the next answer on the same connection.
    let twice = bridge.text(&["-I", "--next", "-sS", "-w", "%{num_connects}", &format!("{}/health", bridge.url)], "/stats");
    assert!(twice.starts_with("HTTP/1.1 200"), "{twice}");

    let form = r#"{"data": {"command": "read", "path": "terms.json"}}"#;
    let read = bridge.text(&["-d", form], "/cache/api/v1.0/");
    let read: serde_json::Value = serde_json::from_str(&read).unwrap();
    assert_eq!(read["return"]["path"], "terms.json");
    assert_eq!(read["return"]["value"], "{'result': 'success'}");

    for target in ["/cache/a%20b+c", "/cache/a%20b%2Bc", "/cache?path=a+b%2Bc", "/cache?path=a%20b%2Bc"] {
        let problem = bridge.text(&["-w", "%{http_code}"], target);
        let problem: serde_json::Value = serde_json::from_str(problem.strip_suffix("404").expect(&problem)).unwrap();
        assert_eq!(problem["key"], "a b+c", "{target}");
    }

    let dir = bridge.dir.path().to_owned();
    assert!(processes_with(&dir) > 0, "SeaweedFS keeps its data there");
    assert_eq!(bridge.end(), ["log"], "what it left behind");
    assert_eq!(processes_with(&dir), 0, "what it left running");
}
