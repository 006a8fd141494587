//! AWS's Runtime Interface Emulator with the real binary as its bootstrap.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::client;

/// Where the emulator is invoked. Source: its README, "Test an image without adding RIE to the image".
const INVOCATIONS: &str = "/2015-03-31/functions/function/invocations";

/// How long the emulator may take to listen; it takes some 20 ms.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Ends the emulator when the pipe to its standard input closes, which it does however the process of the tests ends. The
/// binary ends by itself when the emulator is gone.
const WATCHDOG: &str = r#""$@" </dev/null & emulator=$!; cat >/dev/null; kill -9 $emulator; wait $emulator"#;

/// A running emulator. It makes the binary's process at its first invocation.
pub struct Emulator {
    address: String,
    log: NamedTempFile,
    // Two invocations at once make the emulator panic.
    turn: Mutex<()>,
    watchdog: Child,
}

impl Emulator {
    /// Starts an emulator whose binary has exactly these variables, and those that Lambda sets.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(Path::new(env!("CARGO_BIN_EXE_cache-api")), variables).await
    }

    /// As [`Emulator::start`], with another program as the bootstrap.
    pub async fn start_with(bootstrap: &Path, variables: &[(&str, &str)]) -> Self {
        // Another process may take a port between our finding it free and the emulator's listening to it.
        for _ in 0..5 {
            if let Some(emulator) = Self::try_start(bootstrap, variables).await {
                return emulator;
            }
        }
        panic!("the emulator did not start on five pairs of free ports");
    }

    async fn try_start(bootstrap: &Path, variables: &[(&str, &str)]) -> Option<Self> {
        let [address, runtime_address] = free_addresses();
        let log = NamedTempFile::with_prefix("cache-api-emulator-").expect("a file");
        let output = || Stdio::from(log.reopen().expect("the file is there"));
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(emulator_path())
            .args(["--runtime-interface-emulator-address", &address, "--runtime-api-address", &runtime_address])
            .args(["--log-level", "warn"])
            .arg(bootstrap)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs([("AWS_LAMBDA_FUNCTION_TIMEOUT", "30"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(output())
            .stderr(output())
            // A group of its own: Ctrl-C in a terminal ends the tests, and their end the emulator.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let emulator = Self { address, log, turn: Mutex::new(()), watchdog };
        tokio::time::timeout(START_TIME_MAX, emulator.listens()).await.is_ok().then_some(emulator)
    }

    /// Waits until the emulator listens.
    async fn listens(&self) {
        // Another process cannot be awaited in another way.
        while TcpStream::connect(&self.address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends an event and answers what Lambda would hand to whoever sent it.
    pub async fn invoke(&self, event: &Value) -> Value {
        let answer = self.invoke_raw(event).await;
        serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}\n{}", self.log()))
    }

    /// As [`Emulator::invoke`], for an answer that is not JSON.
    pub async fn invoke_raw(&self, event: &Value) -> Bytes {
        let _turn = self.turn.lock().await;
        let answer = client::send(&self.address, Method::POST, INVOCATIONS, &[], event.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}\n{}", String::from_utf8_lossy(&answer.body), self.log());
        answer.body
    }

    /// What the emulator and the binary have written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // The shell ends as soon as it has ended the emulator.
        let _ = self.watchdog.wait();
    }
}

fn free_addresses() -> [String; 2] {
    // Both are held until both are known, so that they differ.
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").to_string())
}

/// The emulator is a part of the SAM CLI's wheel.
fn emulator_path() -> PathBuf {
    let lib = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/lib");
    let pythons = std::fs::read_dir(lib).into_iter().flatten().flatten();
    pythons
        .map(|python| python.path().join("site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"))
        .find(|path| path.is_file())
        .expect("the Runtime Interface Emulator is missing: run `make test`, which installs it (`pip install aws-sam-cli`)")
}
