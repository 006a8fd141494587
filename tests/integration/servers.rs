//! The servers that tests run beside the binary: they stay among themselves, and nothing of them stays.

use std::path::Path;
use std::process::Command;

use http::StatusCode;

use super::support::aws::{ministack, moto};
use super::support::client;
use super::support::server::{POLL_INTERVAL, Server};

/// Starts a child, says its number and that of its directory, and waits.
const PARENT: &str = r#"sleep 1000 & echo "$! $PWD"; wait"#;

#[tokio::test]
async fn a_dropped_server_is_gone_with_its_children_its_directory_and_its_leftovers() {
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    let server = Server::start("parent", |dir| {
        std::fs::write(dir.join("leftovers"), format!("{}\n", elsewhere.path().display())).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", PARENT]);
        command
    });
    let says = async {
        while !server.log().ends_with('\n') {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    server.wait_until(says).await;
    let said = server.log();
    let (child, dir) = said.trim().split_once(' ').unwrap();
    let child = Path::new("/proc").join(child);
    assert!(child.exists() && Path::new(dir).exists(), "{said}");
    drop(server);
    assert!(!Path::new(dir).exists(), "{dir} is left");
    assert!(!elsewhere.path().exists(), "{elsewhere:?} is left");
    // Whoever adopts the child takes a moment to take note of its end.
    let gone = async {
        while std::fs::read_to_string(child.join("stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(2), gone).await.expect("the child is gone too");
}

#[tokio::test]
async fn moto_and_ministack_stand_in_for_aws() {
    let (moto, ministack) = (moto().await, ministack().await);
    for (address, log) in [(moto.address(), moto.log()), (ministack.address(), ministack.log())] {
        let answer = client::get(address, "/").await;
        assert_eq!(answer.status, StatusCode::OK, "{}\n{log}", answer.text());
    }
    assert_ne!(moto.endpoint(), ministack.endpoint());
}
