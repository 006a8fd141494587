//! AWS's Runtime Interface Emulator with the real binary as its bootstrap.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex;

use super::client;
use super::server::{Server, installed, listens};

/// Where the emulator is invoked. Source: its README, "Test an image without adding RIE to the image".
const INVOCATIONS: &str = "/2015-03-31/functions/function/invocations";

/// How long the emulator may take to listen; it takes some 20 ms.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A running emulator. It makes the binary's process at its first invocation.
pub struct Emulator {
    address: String,
    // The binary is ended with it.
    server: Server,
    // Two invocations at once make the emulator panic.
    turn: Mutex<()>,
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
        let server = Server::start("emulator", |_| {
            let mut command = Command::new(emulator_path());
            command
                .args(["--runtime-interface-emulator-address", &address, "--runtime-api-address", &runtime_address])
                .args(["--log-level", "warn"])
                .arg(bootstrap)
                .envs([("AWS_LAMBDA_FUNCTION_TIMEOUT", "30"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")])
                .envs(variables.iter().copied());
            command
        });
        let emulator = Self { address, server, turn: Mutex::new(()) };
        tokio::time::timeout(START_TIME_MAX, listens(&emulator.address)).await.is_ok().then_some(emulator)
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
        self.server.log()
    }
}

fn free_addresses() -> [String; 2] {
    // Both are held until both are known, so that they differ.
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").to_string())
}

/// The emulator is a part of the SAM CLI's wheel.
fn emulator_path() -> PathBuf {
    let pythons = std::fs::read_dir(installed(".venv", "lib", "aws-sam-cli")).expect("a directory").flatten();
    pythons
        .map(|python| python.path().join("site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"))
        .find(|path| path.is_file())
        .expect("the Runtime Interface Emulator is missing: run `make test`, which installs it (`pip install aws-sam-cli`)")
}
