//! Warm GETs of 4 KB through AWS's Runtime Interface Emulator, one after the other: the real binary over SeaweedFS, a
//! lambda_http handler that answers nothing, and one that answers the same bytes, which tells what the emulator makes of them.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use cache_api::freshness::Stopwatch;
use lambda_http::{Body, Request, Response, service_fn};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::emulator::Emulator;
use crate::http_door::this_program;
use crate::seaweed::{KEYS, seaweed};
use crate::table::{Row, Target, Unit, median};
use crate::{OBJECT, OBJECT_KEY, PART, RUNS};

/// The part of the function that ours is held against.
pub const EMPTY_FUNCTION: &str = "empty-function";

/// The part of the function that has the same bytes at hand.
pub const BARE_FUNCTION: &str = "bare-function";

/// How long a run takes.
const RUN_TIME: Duration = Duration::from_secs(2);

pub async fn rows() -> Vec<Row> {
    let mut gets = Row::new("GET in Lambda", "empty lambda_http", Unit::Microseconds, Some(Target::RatioAtMost(1.15)));
    // No target: it splits the row above into what the bytes cost and what we do.
    let mut same_bytes = Row::new("GET in Lambda", "lambda_http, same 4 KB", Unit::Microseconds, None);
    let functions = Functions::start().await;
    for _ in 0..RUNS {
        let ours = functions.ours.invocation_micros().await;
        gets.add(ours, functions.empty.invocation_micros().await);
        same_bytes.add(ours, functions.bare.invocation_micros().await);
    }
    vec![gets, same_bytes]
}

/// The functions, each behind an emulator.
struct Functions {
    ours: Function,
    empty: Function,
    bare: Function,
    // Our directory tier; held, so that it stays.
    _local: TempDir,
}

/// A function behind an emulator.
struct Function {
    emulator: Emulator,
    event: Value,
}

impl Functions {
    async fn start() -> Self {
        let local = tempfile::tempdir().expect("a directory");
        let seaweed = seaweed().await;
        let bucket = seaweed.create_bucket().await;
        bucket.put_as(OBJECT_KEY, OBJECT.to_vec(), "application/json", None).await;
        let (access_key, secret) = KEYS;
        let ours = Emulator::start(&[
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_S3", &seaweed.endpoint()),
            ("AWS_BUCKET_NAME", &bucket.name),
            ("LOCAL_DATA_DIR", local.path().to_str().expect("text")),
        ])
        .await;
        let empty = Emulator::start_with(&this_program(), &[(PART, EMPTY_FUNCTION)]).await;
        let bare = Emulator::start_with(&this_program(), &[(PART, BARE_FUNCTION)]).await;
        Self {
            ours: Function::warm(ours, OBJECT.len()).await,
            empty: Function::warm(empty, 0).await,
            bare: Function::warm(bare, OBJECT.len()).await,
            _local: local,
        }
    }
}

impl Function {
    /// Invokes it once, which starts it, and sees that it answers with this many bytes.
    async fn warm(emulator: Emulator, body_bytes: usize) -> Self {
        let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
        let event = std::fs::read_to_string(events.join("http-get-object.json")).expect("an event");
        let mut event: Value = serde_json::from_str(&event).expect("an event");
        event["rawPath"] = json!(format!("/cache/{OBJECT_KEY}"));
        event["requestContext"]["http"]["path"] = event["rawPath"].clone();
        let answer = emulator.invoke(&event).await;
        assert_eq!((&answer["statusCode"], answer["body"].as_str().map_or(0, str::len)), (&json!(200), body_bytes), "{answer}");
        Self { emulator, event }
    }

    /// The median of µs from the sending of an event to the whole answer. Two at once would make the emulator panic.
    async fn invocation_micros(&self) -> f64 {
        let mut micros = Vec::new();
        let run = Stopwatch::start();
        while run.elapsed() < RUN_TIME {
            let invocation = Stopwatch::start();
            self.emulator.invoke(&self.event).await;
            micros.push(invocation.elapsed().as_secs_f64() * 1e6);
        }
        median(&micros)
    }
}

/// Answers every event with 200 and nothing.
pub async fn run_empty_function() {
    run_function(|| Body::Empty).await;
}

/// Answers every event with 200 and the object.
pub async fn run_bare_function() {
    run_function(|| str::from_utf8(&OBJECT).expect("digits").into()).await;
}

async fn run_function(body: fn() -> Body) {
    let answer = |_: Request| async move { Ok::<_, Infallible>(Response::new(body())) };
    lambda_http::run(service_fn(answer)).await.expect("the emulator is there");
}
