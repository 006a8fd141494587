//! ministack, in which events go their way from S3 over EventBridge and SQS to a function that is our own binary. One for all
//! tests, and one account.
//!
//! It takes any signature and some 100 ms for a call, and what is made in it stays: give what a test makes a name that no other test
//! uses.

use std::process::Command;

use tokio::sync::OnceCell;

use super::server::{Server, free_ports, installed, listens};

/// A running ministack.
pub struct Ministack {
    address: String,
    // Held, since it ends when it is dropped, and the functions' processes with it.
    server: Server,
}

/// The ministack of this process, started by whoever asks first.
pub async fn ministack() -> &'static Ministack {
    static MINISTACK: OnceCell<Ministack> = OnceCell::const_new();
    MINISTACK.get_or_init(Ministack::start).await
}

impl Ministack {
    async fn start() -> Self {
        let [port] = free_ports();
        let server = Server::start("ministack", |dir| {
            let mut command = Command::new(installed(".venv-aws", "bin/ministack", "ministack"));
            command
                .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())])
                // Otherwise it listens for things on all interfaces.
                .env("IOT_MTLS_ENABLED", "false")
                // Functions are processes of this machine.
                .envs([("LAMBDA_EXECUTOR", "local"), ("DOCKER_HOST", "unix:///none.sock")])
                .envs([("S3_DATA_DIR", dir.join("s3")), ("STATE_DIR", dir.join("state"))])
                .envs([("HOME", dir), ("TMPDIR", dir)]);
            command
        });
        let ministack = Self { address: format!("127.0.0.1:{port}"), server };
        ministack.server.wait_until(listens(&ministack.address)).await;
        ministack
    }

    /// Where it listens: `127.0.0.1:4566`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL for all of AWS's services.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has written so far, what its functions write included.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
