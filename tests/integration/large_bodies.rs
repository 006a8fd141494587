//! Bodies that are too large for memory, through the real server over a bucket and a shared directory, and through Lambda.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use cache_api::cache::Cache;
use cache_api::entry::Budget;
use cache_api::freshness::Policy;
use cache_api::function::{Engine, Registry, builtin};
use cache_api::http::{Api, router};
use cache_api::record::DirectoryRecord;
use cache_api::tier::MemoryTier;
use http::response::Parts;
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::support::client::{get, send};
use crate::support::fault_server::{BUCKET, Fault, FaultServer};
use crate::support::gateway::{DOORS, request};
use crate::support::runtime_api::RuntimeApi;
use crate::support::serve::{Serve, vars};
use crate::support::tier::all_files;

/// The least that can be set; what has more than 2 MiB is large.
const BUDGET: &str = "16MiB";

const SIZE: usize = (7 << 20) + 5_000;

/// How much of an object a request asks for under that budget.
const PART: usize = 512 << 10;

fn body() -> Bytes {
    (0..SIZE / 8 + 1).flat_map(|number| (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).take(SIZE).collect()
}

/// A bucket with a large object, and servers over it that share a directory.
struct Site {
    record: FaultServer,
    local: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let record = FaultServer::start().await;
        record.put("large.bin", body());
        Self { record, local: tempfile::tempdir().unwrap() }
    }

    async fn serve(&self) -> Serve {
        let endpoint = self.record.endpoint();
        let named = vars([
            ("AWS_ACCESS_KEY_ID", "AKIAFIRST"),
            ("AWS_SECRET_ACCESS_KEY", "the first secret"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
            ("AWS_BUCKET_NAME", BUCKET),
            ("CACHE_API_MEMORY_BUDGET", BUDGET),
            ("LOCAL_DATA_DIR", self.local.path().to_str().unwrap()),
        ]);
        Serve::start(&[], named).await
    }

    fn files(&self, end: &str) -> Vec<std::path::PathBuf> {
        let is_named = |path: &std::path::PathBuf| path.to_str().unwrap().ends_with(end);
        all_files(&self.local.path().join(".cache")).into_iter().filter(is_named).collect()
    }

    /// What was removed goes on a thread of its own.
    async fn until_there_is_no(&self, end: &str) {
        for _ in 0..200 {
            if self.files(end).is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("there still is {:?}", self.files(end));
    }

    /// The ranges that the record was asked for, in order; other requests are counted.
    fn asked(&self) -> (usize, Vec<(usize, usize)>) {
        let requests = self.record.requests();
        let mut ranges: Vec<_> = requests.iter().filter_map(|asked| asked.range()).collect();
        ranges.sort_unstable();
        (requests.len() - ranges.len(), ranges)
    }
}

/// The head of an answer, and its body as it comes.
async fn begin(address: &str, target: &str) -> (Parts, Incoming) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().uri(target).header("host", address).body(http_body_util::Empty::<Bytes>::new()).unwrap();
    sender.send_request(request).await.unwrap().into_parts()
}

async fn range(address: &str, range: &str) -> (u16, Bytes) {
    let answer = send(address, Method::GET, "/cache/large.bin", &[("range", range)], "").await;
    (answer.status.as_u16(), answer.body)
}

#[track_caller]
fn assert_whole(found: &[u8]) {
    assert!(found == body(), "{} bytes, not the {SIZE} that were put", found.len());
}

/// "The first byte before the last is fetched", "one set of GETs for many readers".
#[tokio::test]
async fn a_large_object_goes_out_as_it_comes_and_comes_once_for_all_its_readers() {
    let site = Site::new().await;
    let gate = Arc::new(Semaphore::new(0));
    site.record.then_at(10 * PART as u64, Fault::Hold(Arc::clone(&gate)));
    let server = site.serve().await;
    let (head, mut incoming) = begin(server.address(), "/cache/large.bin").await;
    assert_eq!((head.status.as_u16(), head.headers["content-length"].to_str().unwrap()), (200, SIZE.to_string().as_str()));
    let first = incoming.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(!first.is_empty(), "while its eleventh part is held back");
    let mut others = Vec::new();
    for _ in 0..5 {
        let (head, incoming) = begin(server.address(), "/cache/large.bin").await;
        assert!(head.headers["cache-status"].to_str().unwrap().contains("collapsed"), "{head:?}");
        others.push(tokio::spawn(incoming.collect()));
    }
    gate.add_permits(1);
    let rest = incoming.collect().await.unwrap().to_bytes();
    assert_whole(&[first, rest].concat());
    for other in others {
        assert_whole(&other.await.unwrap().unwrap().to_bytes());
    }
    let (others, ranges) = site.asked();
    assert_eq!((others, ranges.len()), (1, SIZE.div_ceil(PART)), "{ranges:?}");
    let again = get(server.address(), "/cache/large.bin").await;
    assert_whole(&again.body);
    assert!(again.header("cache-status").starts_with("cache-api; hit"), "{again:?}");
    let other = site.serve().await;
    assert_whole(&get(other.address(), "/cache/large.bin").await.body);
    assert_eq!(site.asked(), (0, vec![]));
    assert!(site.files(".tmp").is_empty());
}

/// "One fetch": of the bytes too, across processes.
/// Promise 18: "Whoever reads one missing key at the same time causes one request to the record: in an instance always, across
/// instances while none of them dies": of a large object, one set of requests for its bytes.
#[tokio::test]
async fn processes_that_are_asked_for_all_of_a_large_object_at_once_transfer_it_once() {
    let site = Site::new().await;
    let servers = [site.serve().await, site.serve().await, site.serve().await];
    for (method, status) in [(Method::POST, 201), (Method::GET, 200)] {
        let target = format!("/cache/{method}.bin");
        site.record.put(&target["/cache/".len()..], body());
        let clients = servers.iter().map(|server| {
            let (address, method, target) = (server.address().to_owned(), method.clone(), target.clone());
            tokio::spawn(async move { send(&address, method, &target, &[], "").await })
        });
        for client in clients.collect::<Vec<_>>() {
            let answer = client.await.unwrap();
            assert_eq!(answer.status.as_u16(), status, "{answer:?}");
            if method == Method::GET {
                assert_whole(&answer.body);
            }
        }
        let (heads, ranges) = site.asked();
        assert_eq!(ranges.len(), SIZE.div_ceil(PART), "{ranges:?}");
        assert!(heads <= servers.len(), "each asks what it is: {heads}");
    }
    assert_eq!((site.files(".body").len(), site.files(".tmp")), (2, vec![]));
}

/// "Whoever reads a body that then fails its checksum is cut off, and nothing is published."
/// Promise 23: "An answer that turns out damaged or short while it is sent breaks off: no client takes it for a whole one."
#[tokio::test]
async fn a_large_object_that_fails_its_checksum_is_cut_off_and_not_stored() {
    let site = Site::new().await;
    site.record.then(Fault::WrongChecksum);
    let server = site.serve().await;
    let (head, incoming) = begin(server.address(), "/cache/large.bin").await;
    assert_eq!(head.status.as_u16(), 200);
    incoming.collect().await.expect_err("a clean end");
    site.until_there_is_no(".tmp").await;
    assert!(site.files(".body").is_empty(), "{:?}", site.files(".body"));
}

/// Pitfall 9: a small range of a large object fetches the whole of it: KB become GB, the process dies.
/// "A small range of a large object that is not cached is fetched as that range, pinned to its version, and does not fill."
/// Promise 22: "A part of an object that is too large for memory and is not held is fetched as that part, and fills nothing."
#[tokio::test]
async fn a_small_range_of_a_large_object_is_fetched_as_that_range_and_stores_nothing() {
    let site = Site::new().await;
    let server = site.serve().await;
    let head = send(server.address(), Method::HEAD, "/cache/large.bin", &[], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, SIZE.to_string().as_str()));
    let etag = head.header("etag").to_owned();
    let known = send(server.address(), Method::GET, "/cache/large.bin", &[("if-none-match", &etag)], "").await;
    assert_eq!(known.status.as_u16(), 304);
    assert_eq!(site.asked(), (1, vec![]), "what needs no byte fetches none");
    assert_eq!(range(server.address(), "bytes=4000000-4000009").await, (206, body().slice(4_000_000..4_000_010)));
    assert_eq!(range(server.address(), "bytes=-3").await, (206, body().slice(SIZE - 3..)));
    let requests = site.record.requests();
    let asked: Vec<_> = requests.iter().map(|asked| (asked.range(), asked.headers["if-match"].to_str().unwrap())).collect();
    assert_eq!(asked, [(Some((4_000_000, 4_000_009)), etag.as_str()), (Some((SIZE - 3, SIZE - 1)), &etag)]);
    assert!(site.files(".body").is_empty() && site.files(".tmp").is_empty());
}

/// The same of several ranges: each is fetched as it is, when its turn comes.
#[tokio::test]
async fn several_ranges_of_a_large_object_are_fetched_as_those_and_come_in_one_answer() {
    let site = Site::new().await;
    let server = site.serve().await;
    let ranges = [("range", "bytes=6000000-6000099,0-9,-5")];
    let head = send(server.address(), Method::HEAD, "/cache/large.bin", &[], "").await;
    // Not held at first, and then stored.
    for is_stored in [false, true] {
        if is_stored {
            assert_eq!(send(server.address(), Method::POST, "/cache/large.bin", &[], "").await.status, 201);
        }
        site.asked();
        let answer = send(server.address(), Method::GET, "/cache/large.bin", &ranges, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-length")), (206, answer.body.len().to_string().as_str()));
        let boundary = answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").expect("several parts");
        let mut expected = Vec::new();
        for part in [6_000_000..6_000_100, 0..10, SIZE - 5..SIZE] {
            let form = format!("Content-Type: {}", head.header("content-type"));
            let head =
                format!("\r\n--{boundary}\r\n{form}\r\nContent-Range: bytes {}-{}/{SIZE}\r\n\r\n", part.start, part.end - 1);
            expected.extend_from_slice(head.as_bytes());
            expected.extend_from_slice(&body()[part]);
        }
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(answer.body == expected, "{:?}", answer.body);
        let asked = [(0, 9), (6_000_000, 6_000_099), (SIZE - 5, SIZE - 1)];
        let asked = if is_stored { &[][..] } else { &asked };
        assert_eq!(site.asked().1, asked);
    }
}

/// "No wrong byte is ever served."
#[tokio::test]
async fn a_stored_large_object_that_was_damaged_is_given_from_the_record() {
    let site = Site::new().await;
    let server = site.serve().await;
    let created = send(server.address(), Method::POST, "/cache/large.bin", &[], "").await;
    assert_eq!(created.status.as_u16(), 201);
    assert!(created.header("cache-status").contains("stored"), "{created:?}");
    site.asked();
    let view = site.local.path().join("large.bin");
    assert_whole(&fs::read(&view).unwrap());
    assert_eq!(range(server.address(), "bytes=5000000-5000009").await, (206, body().slice(5_000_000..5_000_010)));
    assert_eq!(site.asked(), (0, vec![]));
    flip(&site.files(".body")[0], 5_000_005);
    assert_eq!(range(server.address(), "bytes=5000000-5000009").await, (206, body().slice(5_000_000..5_000_010)));
    assert_eq!(site.asked().1, [(5_000_000, 5_000_009)]);
    assert_whole(&get(server.address(), "/cache/large.bin").await.body);
    let stats = get(server.address(), "/stats").await.json();
    assert_ne!(stats["directory_health"]["damaged"], 0, "{stats}");
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// "Killing any instance at any instruction leaves a directory that every other instance reads right."
#[tokio::test]
async fn a_server_that_dies_amid_a_fill_leaves_nothing_that_the_next_one_believes() {
    let site = Site::new().await;
    let gate = Arc::new(Semaphore::new(0));
    site.record.then_at(10 * PART as u64, Fault::Hold(Arc::clone(&gate)));
    let server = site.serve().await;
    let (_, mut incoming) = begin(server.address(), "/cache/large.bin").await;
    incoming.frame().await.unwrap().unwrap();
    drop(server);
    incoming.collect().await.expect_err("a clean end");
    let server = site.serve().await;
    assert!(site.files(".body").is_empty());
    assert_whole(&get(server.address(), "/cache/large.bin").await.body);
    assert_eq!(site.files(".body").len(), 1);
    assert!(site.files(".tmp").len() <= 1, "what the dead one wrote, for the sweep");
}

#[tokio::test]
async fn a_large_object_that_is_replaced_is_served_anew() {
    let site = Site::new().await;
    let server = site.serve().await;
    assert_eq!(range(server.address(), "bytes=0-9").await.0, 206);
    let newer = body().slice(8..);
    site.record.put("large.bin", newer.clone());
    let answer = get(server.address(), "/cache/large.bin").await;
    assert!(answer.body == newer, "{} bytes", answer.body.len());
    assert_eq!(answer.status.as_u16(), 200);
}

/// "What does not fit waits, then gets 503 with Retry-After."
/// Promise 21: "what does not fit in time is answered 503 with Retry-After."
#[tokio::test(start_paused = true)]
async fn a_body_for_which_there_is_no_room_is_answered_503_with_retry_after() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("a.bin"), vec![7; 100_000]).unwrap();
    fs::write(source.path().join("large.bin"), vec![7; 3 << 20]).unwrap();
    let budget = Budget::new(16 << 20);
    let record = DirectoryRecord::open(source.path(), Arc::clone(&budget)).unwrap();
    let cache = Cache::new(MemoryTier::within(Arc::clone(&budget)), None, Arc::new(record), Policy::default());
    let engine = Engine::new(Arc::clone(&cache), Registry::new(builtin::all()), 1 << 20);
    let service = router(Api { cache, engine, frame_bytes_max: 1 << 20, presign: None });
    let ask = |name: &str| {
        let request = Request::builder().uri(format!("/cache/{name}")).body(Body::empty()).unwrap();
        service.clone().oneshot(request)
    };
    let others = budget.room(budget.bytes()).await.unwrap();
    for name in ["a.bin", "large.bin"] {
        let refused = ask(name).await.unwrap();
        assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"), "{name}");
        let problem: Value = serde_json::from_slice(&refused.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(problem["type"], "/problems/busy", "{problem}");
    }
    drop(others);
    for (name, bytes) in [("a.bin", 100_000), ("large.bin", 3 << 20)] {
        let answer = ask(name).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert!(budget.taken_bytes() > 0 && budget.taken_bytes() <= budget.bytes());
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), bytes);
    }
}

async fn function(record: &FaultServer, mode: &str) -> RuntimeApi {
    let endpoint = record.endpoint();
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIAFIRST"),
        ("AWS_SECRET_ACCESS_KEY", "the first secret"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", &*endpoint),
        ("AWS_BUCKET_NAME", BUCKET),
        ("CACHE_API_MEMORY_BUDGET", BUDGET),
        ("CACHE_API_RESPONSE_MODE", mode),
    ];
    RuntimeApi::start(&variables).await
}

/// An answer that cannot go through is refused by its length alone: none of its bytes is fetched for it.
#[tokio::test]
async fn what_a_front_door_does_not_let_through_is_not_fetched_for_it() {
    let site = Site::new().await;
    let function = function(&site.record, "buffered").await;
    for door in DOORS {
        let outcome = function.invoke(&request(door, "GET", "/cache/large.bin")).await;
        let answer: Value = serde_json::from_slice(&outcome.body).unwrap();
        assert_eq!(answer["statusCode"], 413, "{answer}");
    }
    assert_eq!(site.asked().1, []);
}

#[tokio::test]
async fn a_large_object_is_streamed_through_lambda() {
    let site = Site::new().await;
    let function = function(&site.record, "streamed").await;
    let outcome = function.invoke(&request(cache_api::lambda::Door::RestApi, "GET", "/cache/large.bin")).await;
    let at = outcome.body.windows(8).position(|eight| eight == [0; 8]).unwrap();
    assert_whole(&outcome.body[at + 8..]);
    site.record.then_at(10 * PART as u64, Fault::AccessDenied);
    let outcome = function.invoke(&request(cache_api::lambda::Door::RestApi, "GET", "/cache/large.bin")).await;
    assert!(outcome.trailers.contains_key("lambda-runtime-function-error-type"), "{:?}", outcome.trailers);
}
