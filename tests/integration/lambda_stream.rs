//! Answers as they leave the process, seen from Lambda's side: streamed or whole, and failed where they end before their end.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use cache_api::lambda::{Door, LambdaDoor, STREAM_BYTES_MAX, Streamed};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::emulator::Emulator;
use crate::support::fault_server::{BUCKET, FaultServer};
use crate::support::gateway::{DOORS, always, body_of, event, header_of, in_a_minute, refuse, request, with_header};
use crate::support::repository::sample;
use crate::support::runtime_api::{Outcome, RuntimeApi};

mod process;

/// The doors that stream.
const STREAMING: [Door; 2] = [Door::RestApi, Door::FunctionUrl];

/// An answer as the client behind a door gets it.
#[derive(Debug, PartialEq)]
struct Got {
    status: u64,
    /// Values by name; what says when and from where is left out.
    headers: BTreeMap<String, Vec<String>>,
    body: Bytes,
}

/// What says when an answer was made, not what it is.
const TIMES: [&str; 3] = ["age", "cache-status", "server-timing"];

impl Got {
    /// Reads the JSON of a whole answer.
    fn whole(answer: &Value) -> Self {
        let mut names: Vec<_> = ["headers", "multiValueHeaders"].iter().filter_map(|map| answer[map].as_object()).collect();
        let names: Vec<String> = names.drain(..).flat_map(|map| map.keys().cloned()).collect();
        let mut headers: BTreeMap<_, _> = names.into_iter().map(|name| (name.clone(), header_of(answer, &name))).collect();
        if let Some(cookies) = answer["cookies"].as_array().filter(|cookies| !cookies.is_empty()) {
            headers.insert("set-cookie".to_owned(), cookies.iter().map(|one| one.as_str().unwrap().to_owned()).collect());
        }
        headers.retain(|name, _| !TIMES.contains(&name.as_str()));
        Self { status: answer["statusCode"].as_u64().unwrap(), headers, body: body_of(answer).into() }
    }

    /// Reads head, eight NULs and body.
    fn streamed(bytes: &Bytes) -> Self {
        let at = bytes.windows(8).position(|eight| eight == [0; 8]).unwrap_or_else(|| panic!("no delimiter in {bytes:?}"));
        let mut head: Value = serde_json::from_slice(&bytes[..at]).unwrap();
        head["isBase64Encoded"] = json!(false);
        Self { body: bytes.slice(at + 8..), ..Self::whole(&head) }
    }

    #[track_caller]
    fn of(outcome: &Outcome) -> Self {
        assert_eq!(outcome.endpoint, "response", "{outcome:?}");
        assert_eq!(outcome.trailers, HeaderMap::new(), "{outcome:?}");
        let got = match outcome.headers.get("lambda-runtime-function-response-mode") {
            Some(mode) => {
                assert_eq!(mode, "streaming");
                assert_eq!(outcome.headers["content-type"], "application/vnd.awslambda.http-integration-response");
                Self::streamed(&outcome.body)
            }
            None => Self::whole(&serde_json::from_slice(&outcome.body).unwrap()),
        };
        got.without_boundary()
    }

    /// The same without what is random in it: what stands between the parts of several.
    fn without_boundary(mut self) -> Self {
        let content_type = self.headers.get("content-type").map_or("", |values| values[0].as_str());
        if let Some(boundary) = content_type.strip_prefix("multipart/byteranges; boundary=") {
            // Each byte as a character, and back.
            let body: String = self.body.iter().map(|byte| char::from(*byte)).collect();
            self.body = body.replace(boundary, "boundary").chars().map(|char| u32::from(char) as u8).collect();
            self.headers.insert("content-type".to_owned(), vec!["multipart/byteranges".to_owned()]);
        }
        self
    }
}

/// The variables of a function over `record`.
fn variables(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ACCESS_KEY_ID", "AKIAFIRST".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "the first secret".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL_S3", endpoint.to_owned()),
        ("AWS_BUCKET_NAME", BUCKET.to_owned()),
    ]
}

/// The real binary as a function over `record`, with these variables besides.
async fn function(record: &FaultServer, more: &[(&'static str, &str)]) -> RuntimeApi {
    let mut variables = variables(&record.endpoint());
    variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    RuntimeApi::start(&variables).await
}

/// A record with a body of every kind.
async fn record() -> FaultServer {
    let record = FaultServer::start().await;
    record.put_with("text.csv", "a,b\n1,\u{e9}\n", &[("content-type", "text/csv")]);
    record.put_with("binary.parquet", vec![0xff, 0, 1, 2], &[("content-type", "application/vnd.apache.parquet")]);
    record.put_with("coded.csv", vec![0x1f, 0x8b, 8], &[("content-type", "text/csv"), ("content-encoding", "gzip")]);
    record.put_with("not-utf8.json", vec![b'"', 0xff, b'"'], &[("content-type", "application/json")]);
    record.put_with("nuls.bin", vec![0; 64], &[("content-type", "application/octet-stream")]);
    record.put("empty.csv", "");
    record.put_with("bonds.parquet", sample("bonds.parquet"), &[("content-type", "application/vnd.apache.parquet")]);
    record
}

/// A request of every kind that has another kind of answer.
fn requests(door: Door, etag: &str) -> Vec<Value> {
    let get = |path: &str| request(door, "GET", path);
    let mut query = get("/cache/api/v1.0/");
    match door {
        Door::HttpApi | Door::FunctionUrl => query["rawQueryString"] = json!("function=cache_item_stats&key=bonds.parquet"),
        Door::RestApi | Door::LoadBalancer(_) => {
            query["queryStringParameters"] = json!({"function": "cache_item_stats", "key": "bonds.parquet"});
        }
    }
    let mut bad_base64 = get("/cache/text.csv");
    bad_base64["body"] = json!("no base64!");
    bad_base64["isBase64Encoded"] = json!(true);
    vec![
        get("/cache/text.csv"),
        get("/cache/binary.parquet"),
        get("/cache/coded.csv"),
        get("/cache/not-utf8.json"),
        get("/cache/nuls.bin"),
        get("/cache/empty.csv"),
        request(door, "HEAD", "/cache/text.csv"),
        with_header(door, get("/cache/text.csv"), "if-none-match", etag),
        with_header(door, get("/cache/text.csv"), "range", "bytes=1-2"),
        with_header(door, get("/cache/text.csv"), "range", "bytes=99-"),
        with_header(door, get("/cache/binary.parquet"), "range", "bytes=0-1,1000-1001,-2"),
        with_header(door, get("/cache/text.csv"), "if-match", "\"other\""),
        with_header(door, get("/cache/text.csv"), "cache-control", "no-cache"),
        with_header(door, get("/cache/binary.parquet"), "want-repr-digest", "sha-256=1"),
        request(door, "OPTIONS", "/cache/text.csv"),
        request(door, "POST", "/cache/text.csv"),
        request(door, "PUT", "/cache/text.csv"),
        request(door, "DELETE", "/cache/binary.parquet"),
        get("/cache/absent"),
        get("/nowhere"),
        request(door, "PATCH", "/cache/text.csv"),
        query,
        bad_base64,
    ]
}

/// Pitfall 20: buffered and streamed Lambda answers differ. For every kind of answer, through every door, they do not.
#[tokio::test]
async fn a_client_gets_the_same_answer_streamed_and_whole() {
    let records = [record().await, record().await];
    let whole = function(&records[0], &[]).await;
    let streamed = function(&records[1], &[("CACHE_API_RESPONSE_MODE", "streamed")]).await;
    let probe = Got::of(&whole.invoke(&request(Door::RestApi, "GET", "/cache/text.csv")).await);
    let etag = probe.headers["etag"][0].clone();
    let mut statuses = Vec::new();
    for door in DOORS {
        for event in requests(door, &etag) {
            let (one, other) = (whole.invoke(&event).await, streamed.invoke(&event).await);
            let is_streamed = other.headers.contains_key("lambda-runtime-function-response-mode");
            assert_eq!(is_streamed, STREAMING.contains(&door), "{event}");
            let (one, other) = (Got::of(&one), Got::of(&other));
            assert_eq!(one, other, "{event}");
            statuses.push(one.status);
        }
    }
    for status in [200, 201, 204, 206, 304, 400, 404, 405, 412, 416] {
        assert!(statuses.contains(&status), "no answer was a {status}: {statuses:?}");
    }
}

/// Pitfall 20, behind AWS's own emulator, which hands a streamed answer over as it came.
#[tokio::test]
async fn the_emulator_hands_over_the_same_answer_streamed_and_whole() {
    let record = record().await;
    let mut all = variables(&record.endpoint());
    let whole: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let whole = Emulator::start(&whole).await;
    all.push(("CACHE_API_RESPONSE_MODE", "streamed".to_owned()));
    let streamed: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let streamed = Emulator::start(&streamed).await;
    for path in ["/cache/text.csv", "/cache/binary.parquet", "/cache/empty.csv", "/cache/absent"] {
        for method in ["GET", "HEAD"] {
            let event = request(Door::FunctionUrl, method, path);
            let one = Got::whole(&whole.invoke(&event).await);
            let other = Got::streamed(&streamed.invoke_raw(&event).await);
            assert_eq!(one, other, "{method} {path}");
        }
    }
}

/// Collects a streamed answer as Lambda would: bytes and trailers.
async fn collect(streamed: Streamed) -> (Bytes, HeaderMap) {
    let collected = streamed.into_body().collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    (collected.to_bytes(), trailers)
}

async fn stream(service: Router, door: Door) -> (Bytes, HeaderMap) {
    collect(LambdaDoor::new(service, refuse).stream(door, event(door), in_a_minute()).await).await
}

#[tokio::test]
async fn a_streamed_answer_has_all_values_and_cookies() {
    let service = || {
        let mut response = Response::new(Body::from("body"));
        for (name, value) in [("vary", "accept"), ("vary", "origin"), ("set-cookie", "a=1, x"), ("set-cookie", "b=2")] {
            response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        response
    };
    let (rest, _) = stream(always(service), Door::RestApi).await;
    let head = br#"{"statusCode":200,"multiValueHeaders":{"vary":["accept","origin"],"set-cookie":["a=1, x","b=2"]"#;
    assert!(rest.starts_with(head), "{rest:?}");
    let (url, _) = stream(always(service), Door::FunctionUrl).await;
    let head = br#"{"statusCode":200,"headers":{"vary":"accept, origin""#;
    assert!(url.starts_with(head), "{url:?}");
    assert_eq!(Got::streamed(&url), Got::streamed(&rest.clone()).with("vary", &["accept, origin"]));
}

impl Got {
    fn with(mut self, name: &str, values: &[&str]) -> Self {
        self.headers.insert(name.to_owned(), values.iter().map(|&value| value.to_owned()).collect());
        self
    }
}

/// What the trailers of a failed answer say of it.
fn diagnosis(trailers: &HeaderMap) -> Value {
    let text = json!(trailers["lambda-runtime-function-error-body"].to_str().unwrap());
    let diagnostic = serde_json::from_value::<aws_lambda_events::encodings::Base64Data>(text).unwrap().0;
    serde_json::from_slice(&diagnostic).unwrap()
}

/// A body that ends before its end is no short answer: the trailers fail it.
#[tokio::test]
async fn a_body_that_breaks_off_midway_ends_in_the_error_trailers() {
    let broken = || Response::new(Body::from_stream(futures_util::stream::iter([Ok("some"), Err("secret cause")])));
    let panicking = || {
        let pieces = futures_util::stream::iter([1, 0]).map(|number| Ok::<_, Infallible>(vec![b'x'; 8 / number]));
        Response::new(Body::from_stream(pieces))
    };
    for service in [broken, panicking] {
        for door in STREAMING {
            let (bytes, trailers) = stream(always(service), door).await;
            assert_eq!(trailers["lambda-runtime-function-error-type"], "Answer.BrokeOff");
            assert_eq!(diagnosis(&trailers)["errorMessage"], "the answer broke off");
            let got = Got::streamed(&bytes);
            assert!(got.status == 200 && got.body.len() <= 8, "{got:?}");
        }
    }
}

/// Pitfall 28: a handler runs past its deadline and is killed with nothing said. A body that is still coming is cut in time, and
/// the cut shows.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_still_coming_when_the_time_ends_is_cut_and_fails() {
    let drip = || {
        let pieces = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Some((Ok::<_, Infallible>("drip"), ()))
        });
        Response::new(Body::from_stream(pieces))
    };
    for door in STREAMING {
        let ends_at = tokio::time::Instant::now() + Duration::from_secs(3);
        let streamed = LambdaDoor::new(always(drip), refuse).stream(door, event(door), ends_at.into_std()).await;
        let (bytes, trailers) = collect(streamed).await;
        assert!(tokio::time::Instant::now() < ends_at, "cut too late to be said");
        assert_eq!(trailers["lambda-runtime-function-error-type"], "Answer.TimedOut");
        let got = Got::streamed(&bytes);
        assert!(got.status == 200 && got.body.starts_with(b"dripdrip"), "{got:?}");
    }
}

/// Pitfall 28: with no head sent yet there is still a proper answer to give.
#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_begin_in_time_is_a_504() {
    let silent = Router::new().fallback(any(async || std::future::pending::<()>().await));
    for door in STREAMING {
        let ends_at = tokio::time::Instant::now() + Duration::from_secs(3);
        let streamed = LambdaDoor::new(silent.clone(), refuse).stream(door, event(door), ends_at.into_std()).await;
        let (bytes, trailers) = collect(streamed).await;
        assert!(tokio::time::Instant::now() < ends_at, "the refusal comes too late to be sent");
        assert_eq!((Got::streamed(&bytes).status, trailers), (504, HeaderMap::new()));
    }
    let over = tokio::time::Instant::now().into_std();
    for (size, status) in [(5, 200), (1 << 20, 504)] {
        let large = Router::new().fallback(any(async move || vec![0; size]));
        let streamed = LambdaDoor::new(large, refuse).stream(Door::RestApi, event(Door::RestApi), over).await;
        let (bytes, trailers) = collect(streamed).await;
        assert_eq!((Got::streamed(&bytes).status, trailers), (status, HeaderMap::new()), "what is there at once is given");
    }
}

/// Pitfall 27, for streams.
#[tokio::test]
async fn a_stream_is_refused_from_the_first_byte_that_lambda_would_not_take() {
    let announcing = async |bytes: u64| {
        // Of a length that is known, and nothing allocated for it.
        let piece = Bytes::from(vec![0; 1 << 20]);
        let service = Router::new().fallback(any(async move || {
            let body = http_body_util::StreamBody::new(futures_util::stream::iter(
                (0..bytes.div_ceil(1 << 20))
                    .map(move |at| {
                        let left = bytes - at * (1 << 20);
                        Ok::<_, Infallible>(hyper::body::Frame::data(piece.slice(..(left.min(1 << 20)) as usize)))
                    })
                    .collect::<Vec<_>>(),
            ));
            Response::new(Body::new(body))
        }));
        let streamed = LambdaDoor::new(service, refuse).stream(Door::RestApi, event(Door::RestApi), in_a_minute()).await;
        let mut body = std::pin::pin!(streamed.into_body());
        let (mut sent, mut trailers) = (0, HeaderMap::new());
        while let Some(Ok(frame)) = body.frame().await {
            match frame.into_data() {
                Ok(data) => sent += data.len() as u64,
                Err(frame) => trailers = frame.into_trailers().unwrap(),
            }
        }
        (sent, trailers)
    };
    let (sent, trailers) = announcing(STREAM_BYTES_MAX).await;
    assert!(sent > STREAM_BYTES_MAX && trailers.is_empty(), "{sent} with the head, {trailers:?}");
    let (_, trailers) = announcing(STREAM_BYTES_MAX + 1).await;
    assert_eq!(trailers["lambda-runtime-function-error-type"], "Answer.TooLong");
}

/// The same with the real binary, as Lambda gets it: what has been sent, and trailers that fail it.
#[tokio::test]
async fn a_break_midway_reaches_lambda_as_an_error_and_the_next_answer_is_whole() {
    const SIZE: usize = 1 << 20;
    let record = FaultServer::start().await;
    record.put("large.csv", vec![b'x'; SIZE]);
    // No body fails by itself today: each is in memory before its answer begins.
    let breaks = ("FAILPOINTS", "stream-piece=3*off->1*return");
    let function = function(&record, &[("CACHE_API_RESPONSE_MODE", "streamed"), breaks]).await;
    let event = request(Door::RestApi, "GET", "/cache/large.csv");
    let broken = function.invoke(&event).await;
    assert_eq!(broken.endpoint, "response");
    assert_eq!(broken.headers["lambda-runtime-function-response-mode"], "streaming");
    assert_eq!(broken.trailers["lambda-runtime-function-error-type"], "Answer.BrokeOff");
    assert_eq!(diagnosis(&broken.trailers)["errorMessage"], "the answer broke off");
    let got = Got::streamed(&broken.body);
    assert!(got.status == 200 && !got.body.is_empty() && got.body.len() < SIZE, "{} bytes", got.body.len());
    let next = Got::of(&function.invoke(&event).await);
    assert_eq!((next.status, next.body.len()), (200, SIZE));
}

/// A body of a known length that is too long is refused before its head is sent.
#[tokio::test]
async fn a_stream_that_is_known_to_be_too_long_is_a_refusal() {
    let large = || Response::new(Body::from(Bytes::from(vec![0; STREAM_BYTES_MAX as usize + 1])));
    let (bytes, trailers) = stream(always(large), Door::RestApi).await;
    let got = Got::streamed(&bytes);
    assert_eq!((got.status, trailers), (500, HeaderMap::new()));
    assert!(String::from_utf8_lossy(&got.body).contains("TooLarge"), "{got:?}");
}

/// Pitfall 28, with the real binary: an answer that Lambda takes too slowly is cut before the invocation is killed, and the cut
/// reaches Lambda as an error.
#[tokio::test]
async fn a_stream_that_does_not_end_in_time_fails_before_it_is_killed() {
    // More than the sockets between hold.
    const SIZE: usize = 48 << 20;
    let record = FaultServer::start().await;
    record.put("large.csv", vec![b'x'; SIZE]);
    let function = function(&record, &[("CACHE_API_RESPONSE_MODE", "streamed")]).await;
    let event = request(Door::RestApi, "GET", "/cache/large.csv");
    let whole = Got::of(&function.invoke(&event).await);
    assert_eq!((whole.status, whole.body.len()), (200, SIZE));
    function.read_late(Duration::from_millis(1350));
    let cut = function.invoke_within(&event, Duration::from_millis(1500)).await;
    assert_eq!(cut.trailers["lambda-runtime-function-error-type"], "Answer.TimedOut", "{:?}", cut.headers);
    assert!(cut.trailers.contains_key("lambda-runtime-function-error-body"));
    assert!(cut.body.len() < SIZE, "{}", cut.body.len());
    let next = Got::of(&function.invoke(&event).await);
    assert_eq!((next.status, next.body.len()), (200, SIZE), "the next one is whole again");
}
