//! One fetch across instances: real processes on one directory, and a record that counts (DESIGN, invariant 6).

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::support::client;
use super::support::fault_server::{BUCKET, Fault, FaultServer};
use super::support::serve::{Serve, vars};

const KEYS: usize = 100;
const CLIENTS: usize = 100;

/// Starts a server of `record` on `local`.
async fn serve(record: &FaultServer, local: &TempDir) -> Serve {
    let (endpoint, local) = (record.endpoint(), local.path().to_str().unwrap());
    let settings = [
        ("LOCAL_DATA_DIR", local),
        ("AWS_BUCKET_NAME", BUCKET),
        ("AWS_ENDPOINT_URL_S3", &endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    Serve::start(&[], vars(settings)).await
}

fn name(key: usize) -> String {
    format!("prices/{key}.csv")
}

/// "100 clients asking 3 processes for the same 100 missing files cause exactly 100 requests at the record when nothing fails."
/// Promise 18: "Whoever reads one missing key at the same time causes one request to the record: in an instance always,
/// across instances while none of them dies."
#[tokio::test]
async fn a_hundred_clients_of_three_processes_cause_a_hundred_requests_for_a_hundred_files() {
    let (record, local) = (FaultServer::start().await, tempfile::tempdir().unwrap());
    for key in 0..KEYS {
        record.put(&name(key), name(key));
    }
    let servers = [serve(&record, &local).await, serve(&record, &local).await, serve(&record, &local).await];
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let address = servers[client % servers.len()].address().to_owned();
        clients.spawn(async move {
            let stream = TcpStream::connect(&address).await.unwrap();
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(connection);
            for key in 0..KEYS {
                let target = format!("/cache/{}", name(key));
                let request = Request::get(&target).header("host", &address).body(Empty::<bytes::Bytes>::new()).unwrap();
                let answer = sender.send_request(request).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK, "{target}");
                assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), name(key));
            }
            connection.abort();
        });
    }
    clients.join_all().await;
    let mut asked: Vec<_> = record.requests().iter().map(|asked| asked.bucket_and_key().1).collect();
    asked.sort_unstable();
    let mut once: Vec<_> = (0..KEYS).map(name).collect();
    once.sort_unstable();
    assert_eq!(asked, once, "each file once");
}

/// Pitfall 17: a frozen instance holds the lease, and wakes to finish its write.
/// Promise 16: "A dead or frozen instance is waited for once, and for 2 s."
#[tokio::test]
async fn a_frozen_process_is_waited_for_two_seconds_and_its_late_answer_harms_nobody() {
    let (record, local) = (FaultServer::start().await, tempfile::tempdir().unwrap());
    record.put("a.csv", "1");
    let (frozen, other) = (serve(&record, &local).await, serve(&record, &local).await);
    let held = Arc::new(Semaphore::new(0));
    record.then(Fault::Hold(Arc::clone(&held)));
    let late = tokio::spawn({
        let address = frozen.address().to_owned();
        async move { client::get(&address, "/cache/a.csv").await }
    });
    let has_asked = async {
        while record.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), has_asked).await.expect("it asks");
    frozen.signal("STOP").await;
    let began = Instant::now();
    let answer = client::get(other.address(), "/cache/a.csv").await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "1"));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(record.requests().len(), 1);
    // What the frozen one was asking for is out of date when it wakes.
    record.put("a.csv", "2");
    let changed = client::send(other.address(), Method::PUT, "/cache/a.csv", &[], "").await;
    assert_eq!(changed.status, StatusCode::OK);
    held.add_permits(1);
    frozen.signal("CONT").await;
    assert_eq!(late.await.unwrap().status, StatusCode::OK);
    assert_eq!(client::get(other.address(), "/cache/a.csv").await.text(), "2");
    drop(frozen);
    let third = serve(&record, &local).await;
    assert_eq!(client::get(third.address(), "/cache/a.csv").await.text(), "2");
}
