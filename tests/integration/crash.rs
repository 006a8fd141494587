//! The real binary killed at the worst moments, two of it in one LOCAL_DATA_DIR, and directories that are of no use.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::client::{get, send};
use super::support::seaweed::{Bucket, KEYS, seaweed};
use super::support::serve::{Serve, Vars, run_to_end, vars};
use super::support::tier::files_named;

const KEY: &str = "prices.csv";
const SIGABRT: i32 = 6;

/// Of one length, so that the length tells nobody that the object has changed.
const OLD: &str = "price\n1.00\n";
const NEW: &str = "price\n2.00\n";

/// A source with [`KEY`] in it, and a place for LOCAL_DATA_DIR.
struct Place {
    source: tempfile::TempDir,
    held: tempfile::TempDir,
}

impl Place {
    fn with(body: &str) -> Self {
        let place = Self { source: tempfile::tempdir().unwrap(), held: tempfile::tempdir().unwrap() };
        place.change(body);
        place
    }

    fn change(&self, body: &str) {
        fs::write(self.source.path().join(KEY), body).unwrap();
    }

    async fn serve(&self, more: &[(&str, &str)]) -> Serve {
        self.serve_within(":", more).await
    }

    async fn serve_within(&self, limits: &str, more: &[(&str, &str)]) -> Serve {
        let mut variables = vars([("LOCAL_DATA_DIR", self.held.path())]);
        variables.extend(vars(more.iter().copied()));
        Serve::start_within(limits, &["--source", self.source.path().to_str().unwrap()], variables).await
    }
}

/// Asks a server that is about to die; there is no answer.
async fn ask_in_vain(server: &Serve, method: &str, target: &str) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The connection may end well or be cut off.
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(String::from_utf8_lossy(&answer), "", "{method} was answered before the process died");
}

/// Lets the process die at `point` while it answers `method`, after it has read the key where `reads_before`.
async fn die_at(place: &Place, point: &str, method: &str, reads_before: bool) {
    let server = place.serve_within("ulimit -c 0", &[("FAILPOINTS", &format!("{point}=return"))]).await;
    if reads_before {
        assert_eq!(get(server.address(), &format!("/cache/{KEY}")).await.text(), OLD);
    }
    ask_in_vain(&server, method, &format!("/cache/{KEY}")).await;
    let end = server.wait().await;
    assert_eq!(end.status.signal(), Some(SIGABRT), "at {point}: {end:?}");
}

/// Asserts that a new process serves `body`, twice, and lists one object.
async fn assert_serves(place: &Place, body: &str, after: &str) {
    let server = place.serve(&[]).await;
    for time in ["first", "second"] {
        let answer = get(server.address(), &format!("/cache/{KEY}")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, body), "{time} read after {after}");
    }
    let listed = get(server.address(), "/cache").await.json();
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(1), "after {after}: {listed}");
    assert_eq!(listed["keys"][0]["key"], KEY);
    assert!(server.terminate().await.status.success());
}

async fn assert_survives(point: &str, method: &str, reads_before: bool) {
    for body in [OLD, NEW] {
        let place = Place::with(OLD);
        die_at(&place, point, method, reads_before).await;
        place.change(body);
        assert_serves(&place, body, point).await;
    }
}

#[tokio::test]
async fn killed_after_the_temporary_write_it_serves_right_bytes_at_the_next_start() {
    assert_survives("fill-body-written", "GET", false).await;
}

#[tokio::test]
async fn killed_before_the_body_is_linked_it_serves_right_bytes_at_the_next_start() {
    assert_survives("fill-before-link", "GET", false).await;
}

#[tokio::test]
async fn killed_between_body_and_state_it_serves_right_bytes_at_the_next_start() {
    assert_survives("fill-body-linked", "GET", false).await;
}

#[tokio::test]
async fn killed_in_a_doubt_between_token_and_epoch_it_serves_right_bytes_at_the_next_start() {
    assert_survives("doubt-token-written", "PUT", true).await;
}

#[tokio::test]
async fn killed_in_a_doubt_between_the_epochs_it_serves_right_bytes_at_the_next_start() {
    assert_survives("doubt-shard-written", "PUT", true).await;
}

#[tokio::test]
async fn killed_in_an_eviction_it_serves_right_bytes_at_the_next_start() {
    assert_survives("evict-state-removed", "DELETE", true).await;
}

/// The fill was over: what it stored is believed for as long as any fill, and no longer than the next refresh.
#[tokio::test]
async fn killed_after_the_state_it_serves_what_was_stored_until_it_is_refreshed() {
    let place = Place::with(OLD);
    die_at(&place, "fill-state-written", "GET", false).await;
    place.change(NEW);
    let server = place.serve(&[]).await;
    let stored = get(server.address(), &format!("/cache/{KEY}")).await;
    assert_eq!(stored.text(), OLD);
    assert!(stored.header("cache-status").ends_with("detail=directory"), "{stored:?}");
    let refreshed = send(server.address(), Method::PUT, &format!("/cache/{KEY}"), &[], "").await;
    assert_eq!(refreshed.status, 200);
    assert_eq!(get(server.address(), &format!("/cache/{KEY}")).await.text(), NEW);
}

/// Promise 30: "What a function answered before is answered again only while everything that it read is what a read would say now"
#[cfg(feature = "frames")]
#[tokio::test]
async fn killed_while_a_result_is_written_it_computes_at_the_next_start_and_keeps_that() {
    let place = Place::with(OLD);
    fs::create_dir(place.source.path().join("functions")).unwrap();
    let sql = "-- keep: tiers\nSELECT max(price) AS top FROM \"prices.csv\"\n";
    fs::write(place.source.path().join("functions/top.sql"), sql).unwrap();
    let (target, functions) = ("/functions/top", ("AWS_FUNCTION_DIR", "functions"));
    let server = place.serve_within("ulimit -c 0", &[functions, ("FAILPOINTS", "result-written=return")]).await;
    ask_in_vain(&server, "GET", target).await;
    assert_eq!(server.wait().await.status.signal(), Some(SIGABRT));
    for (status, files) in [("cache-api-result; fwd=miss", 0), ("cache-api-result; hit", 1)] {
        assert_eq!(files_named(place.held.path(), ".result").len(), files, "before {status}");
        let server = place.serve(&[functions]).await;
        let answer = get(server.address(), target).await;
        assert_eq!(answer.json()[0]["top"], 1.0, "{answer:?}");
        assert!(answer.header("cache-status").starts_with(status), "{answer:?}");
    }
    let server = place.serve(&[functions]).await;
    place.change(NEW);
    assert_eq!(send(server.address(), Method::PUT, &format!("/cache/{KEY}"), &[], "").await.status, 200);
    assert_eq!(get(server.address(), target).await.json()[0]["top"], 2.0);
}

/// Pitfall 17: an instance froze between its last look at the token and its write, and woke when an eviction had returned.
/// Promise 5: "Nothing stands in for what was evicted"
#[tokio::test]
async fn what_a_frozen_process_writes_late_lets_nothing_stand_in_that_was_evicted() {
    let place = Place::with(OLD);
    let target = format!("/cache/{KEY}");
    let age = ("CACHE_API_MEMORY_MAX_AGE", "10ms");
    let other = place.serve(&[age]).await;
    let frozen = place.serve(&[age, ("FAILPOINTS", "fill-token-checked=1*sleep(1500)")]).await;
    let reading = tokio::spawn({
        let (address, target) = (frozen.address().to_owned(), target.clone());
        async move { get(&address, &target).await }
    });
    while files_named(place.held.path(), ".body").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The body has its name just before the token is looked at.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(send(other.address(), Method::DELETE, &target, &[], "").await.status, 204);
    assert!(!reading.is_finished() && files_named(place.held.path(), "state.json").is_empty(), "it was not frozen any more");
    assert_eq!(reading.await.unwrap().text(), OLD);
    assert_eq!(files_named(place.held.path(), "state.json").len(), 1, "it was written late");
    fs::remove_dir_all(place.source.path()).unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    // The one that was frozen has it in memory, too.
    for server in [&other, &frozen] {
        let answer = get(server.address(), &target).await;
        assert_eq!(answer.status, 502, "{answer:?}");
    }
}

/// Serves two records from one LOCAL_DATA_DIR under one key, and asserts that neither ever meets the other's object.
async fn assert_apart(held: &Path, one: (&[&str], Vars), other: (&[&str], Vars)) {
    let start = |(arguments, mut variables): (_, Vars)| async move {
        variables.extend(vars([("LOCAL_DATA_DIR", held)]));
        Serve::start(arguments, variables).await
    };
    let (one, other) = (start(one).await, start(other).await);
    let target = format!("/cache/{KEY}");
    for _ in 0..2 {
        assert_eq!(get(one.address(), &target).await.text(), OLD);
        assert_eq!(get(other.address(), &target).await.text(), NEW);
    }
    // What one drops, the other keeps.
    assert_eq!(send(one.address(), Method::DELETE, &target, &[], "").await.status, 204);
    assert_eq!(get(one.address(), "/cache").await.json()["keys"], serde_json::json!([]));
    assert_eq!(get(other.address(), "/cache").await.json()["keys"][0]["key"], KEY);
    let kept = get(other.address(), &target).await;
    assert!(kept.header("cache-status").starts_with("cache-api; hit"), "{kept:?}");
    assert_eq!(kept.text(), NEW);
    assert_eq!(get(one.address(), &target).await.text(), OLD);
}

#[tokio::test]
async fn two_sources_in_one_directory_never_see_each_others_bytes() {
    let (one, other, held) = (Place::with(OLD), Place::with(NEW), tempfile::tempdir().unwrap());
    let arguments = |place: &Place| ["--source".to_owned(), place.source.path().to_str().unwrap().to_owned()];
    let (one, other) = (arguments(&one), arguments(&other));
    let (one, other) = (one.each_ref().map(String::as_str), other.each_ref().map(String::as_str));
    assert_apart(held.path(), (&one, vars([("CACHE_API_LOG", "warn")])), (&other, vars([("CACHE_API_LOG", "warn")]))).await;
}

#[tokio::test]
async fn two_buckets_in_one_directory_never_see_each_others_bytes() {
    let seaweed = seaweed().await;
    let (one, other, held) = (seaweed.create_bucket().await, seaweed.create_bucket().await, tempfile::tempdir().unwrap());
    one.put_object(KEY, OLD).await;
    other.put_object(KEY, NEW).await;
    let endpoint = seaweed.endpoint();
    let variables = |bucket: &Bucket| {
        vars([
            ("AWS_BUCKET_NAME", bucket.name.as_str()),
            ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", KEYS.0),
            ("AWS_SECRET_ACCESS_KEY", KEYS.1),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
    };
    assert_apart(held.path(), (&[], variables(&one)), (&[], variables(&other))).await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_made() {
    let place = Place::with(OLD);
    let absent = place.held.path().join("not/there yet");
    let absent_text = absent.to_str().unwrap();
    let server = place.serve(&[("LOCAL_DATA_DIR", absent_text)]).await;
    assert_eq!(get(server.address(), &format!("/cache/{KEY}")).await.text(), OLD);
    assert!(absent.is_dir());
    assert!(server.terminate().await.status.success());
    // What is in it is found by the next.
    let server = place.serve(&[("LOCAL_DATA_DIR", absent_text)]).await;
    let answer = get(server.address(), &format!("/cache/{KEY}")).await;
    assert!(answer.header("cache-status").ends_with("detail=directory"), "{answer:?}");
}

/// Nobody may make files below `/proc`, not even root.
#[tokio::test]
async fn a_directory_that_cannot_be_written_costs_no_read() {
    let place = Place::with(OLD);
    let server = place.serve(&[("LOCAL_DATA_DIR", "/proc/self/cache-api")]).await;
    for _ in 0..3 {
        let answer = get(server.address(), &format!("/cache/{KEY}")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, OLD));
        assert!(!answer.header("cache-status").contains("stored"), "{answer:?}");
    }
    assert_eq!(get(server.address(), "/health").await.status, 200);
    assert_eq!(get(server.address(), "/stats").await.json()["directory_keys"], 0);
}

/// A write that fails half-way, as on a full disk.
#[tokio::test]
async fn a_directory_that_is_full_costs_no_read() {
    let body = "0123456789abcdef".repeat(1 << 16);
    let place = Place::with(&body);
    let server = place.serve_within("trap '' XFSZ; ulimit -f 64", &[]).await;
    for _ in 0..3 {
        let answer = get(server.address(), &format!("/cache/{KEY}")).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == body.as_bytes(), "{} bytes of {}", answer.body.len(), body.len());
        assert!(!answer.header("cache-status").contains("stored"), "{:?}", answer.headers);
    }
    assert!(server.terminate().await.status.success());
    // With room again, nothing of the half is served.
    let server = place.serve(&[]).await;
    let answer = get(server.address(), &format!("/cache/{KEY}")).await;
    assert!(answer.body == body.as_bytes() && answer.header("cache-status").contains("; stored"), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_file_or_a_link_to_nothing_in_place_of_the_directory_is_refused_at_the_start() {
    let place = Place::with(OLD);
    let [file, link] = ["file", "link"].map(|name| place.held.path().join(name));
    fs::write(&file, "precious").unwrap();
    symlink("nowhere", &link).unwrap();
    for named in [file.clone(), file.join("below"), link.clone(), link.join("below")] {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--source", place.source.path().to_str().unwrap()];
        let end = run_to_end(&arguments, vars([("LOCAL_DATA_DIR", &named)])).await;
        assert!(end.status.code().is_some_and(|code| code != 0), "{end:?}");
        assert_eq!(end.stdout, "", "nothing is announced that is not served");
        assert!(end.stderr.contains("name a directory"), "{}", end.stderr);
        assert!(!end.stderr.contains("panicked"), "{}", end.stderr);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(!place.held.path().join("nowhere").exists(), "nothing is made behind a link");
}
