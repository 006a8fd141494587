//! moto's server, which stands in for AWS's control planes: EFS, IAM, CloudFormation and the like. One for all tests, and one account.
//!
//! It takes any signature, and what is made in it stays: give what a test makes a name that no other test uses.

use std::process::Command;

use tokio::sync::OnceCell;

use super::server::{Server, free_ports, installed, listens};

/// A running moto.
pub struct Moto {
    address: String,
    // Held, since it ends when it is dropped.
    server: Server,
}

/// The moto of this process, started by whoever asks first.
pub async fn moto() -> &'static Moto {
    static MOTO: OnceCell<Moto> = OnceCell::const_new();
    MOTO.get_or_init(Moto::start).await
}

impl Moto {
    async fn start() -> Self {
        let [port] = free_ports();
        let server = Server::start("moto", |dir| {
            let mut command = Command::new(installed(".venv-aws", "bin/moto_server", "moto[server,all]"));
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).envs([("HOME", dir), ("TMPDIR", dir)]);
            command
        });
        let moto = Self { address: format!("127.0.0.1:{port}"), server };
        moto.server.wait_until(listens(&moto.address)).await;
        moto
    }

    /// Where it listens: `127.0.0.1:5000`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL for all of AWS's services.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has written so far: a line for each request.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
