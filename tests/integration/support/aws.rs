//! What stands in for AWS: moto for its control planes (EFS, IAM, CloudFormation and the like), ministack where events go their
//! way from S3 over EventBridge and SQS to a function that is our own binary.
//!
//! One of each for all tests, and one account. Both take any signature, ministack some 100 ms for a call, and what is made in them
//! stays: give what a test makes a name that no other test uses.

use std::path::Path;
use std::process::Command;

use tokio::sync::OnceCell;

use super::server::{Server, free_ports, installed, listens};

/// A running server that stands in for AWS.
pub struct StandIn {
    address: String,
    // Held, since it ends when it is dropped, and with ministack its functions' processes.
    server: Server,
}

/// The moto of this process, started by whoever asks first.
pub async fn moto() -> &'static StandIn {
    static MOTO: OnceCell<StandIn> = OnceCell::const_new();
    let command = |dir: &Path, port: u16| {
        let mut command = Command::new(installed(".venv-aws", "bin/moto_server", "moto[server,all]"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).envs([("HOME", dir), ("TMPDIR", dir)]);
        command
    };
    MOTO.get_or_init(|| StandIn::start("moto", command)).await
}

/// The ministack of this process, started by whoever asks first.
pub async fn ministack() -> &'static StandIn {
    static MINISTACK: OnceCell<StandIn> = OnceCell::const_new();
    let command = |dir: &Path, port: u16| {
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
    };
    MINISTACK.get_or_init(|| StandIn::start("ministack", command)).await
}

impl StandIn {
    async fn start(name: &'static str, command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let [port] = free_ports();
        let server = Server::start(name, |dir| command(dir, port));
        let stand_in = Self { address: format!("127.0.0.1:{port}"), server };
        stand_in.server.wait_until(listens(&stand_in.address)).await;
        stand_in
    }

    /// Where it listens: `127.0.0.1:4566`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL for all of AWS's services.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has written so far: a line for each request, and what ministack's functions write.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
