//! Answers that do not fit their front door: which Range would, and where that is on, a link to the record's own bytes.

use std::process::Command;

use bytes::Bytes;
use cache_api::lambda::{Door, Values};
use serde_json::{Value, json};

use crate::support::client::send;
use crate::support::fault_server::{BUCKET, FaultServer};
use crate::support::gateway::{DOORS, body_of, header_of, request, with_header};
use crate::support::runtime_api::RuntimeApi;
use crate::support::seaweed::{Bucket, KEYS, seaweed};

/// More than any door lets through whole.
const SIZE: usize = 7_000_000;

/// Bytes that tell where in the object they are, as text and not.
fn text() -> Bytes {
    (0..SIZE / 8).flat_map(|line| format!("{line:07}\n").into_bytes()).collect()
}

fn binary() -> Bytes {
    (0..SIZE as u32 / 4).flat_map(|word| (word ^ 0x8000_00ff).to_be_bytes()).collect()
}

/// The real binary as a function over a bucket.
async fn function(endpoint: &str, bucket: &str, more: &[(&'static str, &str)]) -> RuntimeApi {
    let (access_key, secret) = KEYS;
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_BUCKET_NAME", bucket),
    ];
    variables.extend(more);
    RuntimeApi::start(&variables).await
}

async fn over_faults(more: &[(&'static str, &str)]) -> (FaultServer, RuntimeApi) {
    let record = FaultServer::start().await;
    let function = function(&record.endpoint(), BUCKET, more).await;
    (record, function)
}

async fn invoke(function: &RuntimeApi, event: &Value) -> Value {
    let outcome = function.invoke(event).await;
    assert_eq!(outcome.endpoint, "response", "{outcome:?}");
    serde_json::from_slice(&outcome.body).unwrap()
}

#[track_caller]
fn problem(answer: &Value, status: u64) -> Value {
    assert_eq!(answer["statusCode"], status, "{answer}");
    assert_eq!(header_of(answer, "content-type"), ["application/problem+json"]);
    serde_json::from_slice(&body_of(answer)).unwrap()
}

/// The range that a refusal names: `bytes=0-4717055`.
fn named_range(problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap();
    let range = detail.split_once("`Range: ").unwrap_or_else(|| panic!("no range in {detail}")).1;
    range.split_once('`').unwrap().0.to_owned()
}

/// Pitfall 27: a response over the limit dies with a 413 that nobody sees. Here its client is told which Range fits, it does, and
/// going on from there gives the whole, through every door, whatever the bytes are.
#[tokio::test]
async fn a_too_large_object_names_ranges_that_fit_and_make_the_whole() {
    let (record, function) = over_faults(&[]).await;
    for (name, body, content_type) in [("text.csv", text(), "text/csv"), ("binary.bin", binary(), "application/octet-stream")] {
        record.put_with(name, body.clone(), &[("content-type", content_type)]);
        for door in DOORS {
            let get = request(door, "GET", &format!("/cache/{name}"));
            let mut got = Vec::new();
            let refusal = problem(&invoke(&function, &get).await, 413);
            assert_eq!((&refusal["type"], &refusal["key"]), (&json!("/problems/answer-too-large"), &json!(name)));
            let range = named_range(&refusal);
            let bytes_max = range.strip_prefix("bytes=0-").unwrap().parse::<usize>().unwrap() + 1;
            // Base64 makes four bytes of three; less than that would send the client round more often than need be.
            assert!(bytes_max as u64 > door.payload_bytes_max() / 4 * 3 - 2000, "{range} at {door:?}");
            while got.len() < body.len() {
                let range = format!("bytes={}-{}", got.len(), got.len() + bytes_max - 1);
                let part = invoke(&function, &with_header(door, get.clone(), "range", &range)).await;
                assert_eq!(part["statusCode"], 206, "{range} at {door:?}");
                let last = (got.len() + bytes_max).min(body.len()) - 1;
                let content_range = format!("bytes {}-{last}/{}", got.len(), body.len());
                assert_eq!(header_of(&part, "content-range"), [content_range]);
                got.extend(body_of(&part));
            }
            assert!(got == body, "{name} through {door:?}");
        }
    }
}

#[tokio::test]
async fn a_too_large_part_names_a_smaller_part() {
    let (record, function) = over_faults(&[]).await;
    record.put_with("binary.bin", binary(), &[("content-type", "application/octet-stream")]);
    for door in DOORS {
        let get = request(door, "GET", "/cache/binary.bin");
        let refusal = problem(&invoke(&function, &with_header(door, get.clone(), "range", "bytes=1000-")).await, 413);
        let range = named_range(&refusal);
        assert!(range.starts_with("bytes=1000-"), "{range}");
        let part = invoke(&function, &with_header(door, get, "range", &range)).await;
        assert_eq!(part["statusCode"], 206);
        let part = body_of(&part);
        assert!(part == binary()[1000..1000 + part.len()], "{range} at {door:?}");
    }
}

/// What is no object has no range that would make sense.
#[tokio::test]
async fn an_answer_that_is_no_object_says_to_ask_for_less() {
    let (_record, function) = over_faults(&[]).await;
    for door in DOORS {
        let message = "x".repeat(900_000);
        let mut post = request(door, "POST", "/cache/api/v1.0/");
        post["body"] = json!(json!({"data": {"function": "echo", "message": message}}).to_string());
        let answer = invoke(&function, &post).await;
        // Only a load balancer's limit is so low; the others let it through.
        if !matches!(door, Door::LoadBalancer(_)) {
            assert_eq!(answer["statusCode"], 200, "{door:?}");
        }
    }
    let narrow = Door::LoadBalancer(Values::One);
    let mut post = request(narrow, "POST", "/cache/api/v1.0/");
    post["body"] = json!(json!({"data": {"function": "echo", "message": "\u{1}".repeat(170_000)}}).to_string());
    let refusal = problem(&invoke(&function, &post).await, 413);
    let detail = refusal["detail"].as_str().unwrap();
    assert!(detail.contains("ask for less") && !detail.contains("Range"), "{detail}");
}

/// A bucket that keeps versions, with a large object in it.
async fn versioned(name: &str, body: Bytes) -> Bucket {
    let bucket = seaweed().await.create_bucket().await;
    bucket.keep_versions().await;
    bucket.put_object(name, body).await;
    bucket
}

/// What curl gets from a link.
fn curl(url: &str) -> Vec<u8> {
    let output = Command::new("curl").args(["-sS", "--fail", "--max-time", "30", url]).output().expect("curl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test]
async fn a_redirect_leads_to_the_very_version_and_is_written_nowhere() {
    let name = "a b+c%2F\u{e9}.bin";
    let bucket = versioned(name, binary()).await;
    let endpoint = seaweed().await.endpoint();
    let local = tempfile::tempdir().unwrap();
    let local = ("LOCAL_DATA_DIR", local.path().to_str().unwrap());
    let on = [("CACHE_API_REDIRECT", "on"), ("CACHE_API_LOG", "trace"), local];
    let function = function(&endpoint, &bucket.name, &on).await;
    let path = "/cache/a%20b+c%252F%C3%A9.bin";
    for (door, path) in DOORS.iter().map(|&door| (door, if door == Door::HttpApi { "/cache/a b+c%2F\u{e9}.bin" } else { path })) {
        let answer = invoke(&function, &request(door, "GET", path)).await;
        assert_eq!((&answer["statusCode"], body_of(&answer)), (&json!(307), Vec::new()), "{answer}");
        assert_eq!(header_of(&answer, "cache-control"), ["no-store"]);
        let link = header_of(&answer, "location").remove(0);
        assert!(link.contains("X-Amz-Expires=60&") && link.contains("versionId="), "{link}");
        assert!(curl(&link) == binary(), "through {door:?}");
        // A part is given, or its range refused: the client wants it from here.
        let part = with_header(door, request(door, "GET", path), "range", "bytes=0-9");
        assert_eq!(invoke(&function, &part).await["statusCode"], 206);
        let large_part = with_header(door, request(door, "GET", path), "range", "bytes=1-");
        problem(&invoke(&function, &large_part).await, 413);
        assert_eq!(invoke(&function, &request(door, "HEAD", path)).await["statusCode"], 200);
    }
    let log = function.log();
    assert!(log.contains("got no answer of its own"), "the log is not that of a trace:\n{log}");
    for secret in ["X-Amz-Signature", "x-amz-signature", KEYS.1] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }

    // Another instance has it from the directory, and knows its version as well.
    drop(function);
    let other = self::function(&endpoint, &bucket.name, &on).await;
    let answer = invoke(&other, &request(Door::RestApi, "GET", path)).await;
    assert_eq!(answer["statusCode"], 307, "{answer}");
    // The link names the version that was to be answered, whatever has become of the key since.
    bucket.put_object(name, "another").await;
    assert!(curl(&header_of(&answer, "location")[0]) == binary());
}

#[tokio::test]
async fn without_the_switch_or_without_a_version_there_is_no_redirect() {
    let bucket = versioned("large.bin", binary()).await;
    let endpoint = seaweed().await.endpoint();
    let off = function(&endpoint, &bucket.name, &[]).await;
    problem(&invoke(&off, &request(Door::RestApi, "GET", "/cache/large.bin")).await, 413);

    let (record, on) = over_faults(&[("CACHE_API_REDIRECT", "on")]).await;
    record.put_with("none.bin", binary(), &[("content-type", "application/octet-stream")]);
    record.put_with("null.bin", binary(), &[("content-type", "application/octet-stream"), ("x-amz-version-id", "null")]);
    record.put_with("some.bin", binary(), &[("content-type", "application/octet-stream"), ("x-amz-version-id", "v1")]);
    for (name, status) in [("none.bin", 413), ("null.bin", 413), ("some.bin", 307)] {
        let answer = invoke(&on, &request(Door::RestApi, "GET", &format!("/cache/{name}"))).await;
        assert_eq!(answer["statusCode"], status, "{name}");
    }
    let small = with_header(Door::RestApi, request(Door::RestApi, "GET", "/cache/some.bin"), "range", "bytes=0-9");
    assert_eq!(invoke(&on, &small).await["statusCode"], 206);
}

/// What streams needs neither.
#[tokio::test]
async fn a_door_that_streams_gives_the_whole() {
    let (record, function) = over_faults(&[("CACHE_API_RESPONSE_MODE", "streamed"), ("CACHE_API_REDIRECT", "on")]).await;
    record.put_with("some.bin", binary(), &[("content-type", "application/octet-stream"), ("x-amz-version-id", "v1")]);
    for door in [Door::RestApi, Door::FunctionUrl] {
        let outcome = function.invoke(&request(door, "GET", "/cache/some.bin")).await;
        assert!(outcome.body.ends_with(&binary()) && outcome.trailers.is_empty(), "{:?}", outcome.headers);
    }
    let answer = invoke(&function, &request(Door::HttpApi, "GET", "/cache/some.bin")).await;
    assert_eq!(answer["statusCode"], 307, "the HTTP API cannot stream");
}

/// Ranges on a laptop, where nothing is too large: the same rules over a socket.
#[tokio::test]
async fn curl_goes_on_where_it_stopped() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(source.path().join("binary.bin"), binary()).unwrap();
    let variables = crate::support::serve::vars([("LOCAL_DATA_DIR", target.path())]);
    let server = crate::support::serve::Serve::start(&["--source", source.path().to_str().unwrap()], variables).await;
    let partly = target.path().join("partly");
    std::fs::write(&partly, &binary()[..1_234_567]).unwrap();
    let url = format!("http://{}/cache/binary.bin", server.address());
    let status = Command::new("curl").args(["-sS", "--fail", "-C", "-", "-o", partly.to_str().unwrap(), &url]).status();
    assert!(status.expect("curl").success());
    assert!(std::fs::read(&partly).unwrap() == binary());
    let head = send(server.address(), http::Method::HEAD, "/cache/binary.bin", &[("range", "bytes=0-1")], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, binary().len().to_string().as_str()));
    assert_eq!(head.header("accept-ranges"), "bytes");
}

/// Pitfall 18: Range is evaluated before the preconditions, a permanent 416. RFC 9110, section 13.2.2 gives the order.
#[tokio::test]
async fn a_condition_comes_before_a_range() {
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("ten.txt"), "0123456789").unwrap();
    let variables = crate::support::serve::vars([("LOCAL_DATA_DIR", "")]);
    let server = crate::support::serve::Serve::start(&["--source", source.path().to_str().unwrap()], variables).await;
    let get = async |headers: &[(&str, &str)]| send(server.address(), http::Method::GET, "/cache/ten.txt", headers, "").await;
    let whole = get(&[]).await;
    let (etag, modified) = (whole.header("etag"), whole.header("last-modified"));
    type Case<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);
    let cases: [Case; 13] = [
        (&[("range", "bytes=2-4")], 206, "234"),
        (&[("range", "bytes=-2")], 206, "89"),
        (&[("range", "bytes=8-99")], 206, "89"),
        (&[("range", "bytes=99-"), ("if-none-match", etag)], 304, ""),
        (&[("range", "bytes=0-1"), ("if-none-match", etag)], 304, ""),
        (&[("range", "bytes=0-1"), ("if-none-match", "\"other\"")], 206, "01"),
        (&[("range", "bytes=0-1"), ("if-range", etag)], 206, "01"),
        (&[("range", "bytes=0-1"), ("if-range", "\"other\"")], 200, "0123456789"),
        (&[("range", "bytes=99-"), ("if-range", "\"other\"")], 200, "0123456789"),
        (&[("range", "bytes=0-1"), ("if-range", "Sun, 06 Nov 1994 08:49:37 GMT")], 200, "0123456789"),
        (&[("range", "bytes=0-1,3-4")], 206, "01234"),
        (&[("range", "bytes=4-2")], 200, "0123456789"),
        (&[("range", "lines=0-1")], 200, "0123456789"),
    ];
    for (headers, status, body) in cases {
        let answer = get(headers).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{headers:?}");
        assert_eq!(answer.headers.contains_key("content-range"), status == 206, "{headers:?}");
        assert_eq!(answer.headers["etag"], etag);
    }
    let part = get(&[("range", "bytes=2-4")]).await;
    assert_eq!((part.header("content-range"), part.header("content-length")), ("bytes 2-4/10", "3"));
    assert_eq!(part.header("last-modified"), modified);
    let beyond = get(&[("range", "bytes=10-")]).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */10"));
    assert_eq!(beyond.json()["type"], "/problems/range-not-satisfiable");
}
