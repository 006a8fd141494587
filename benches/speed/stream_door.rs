//! 64 MB streamed through Lambda's runtime API, warm: the real binary over SeaweedFS, and a lambda_runtime handler that has the
//! same bytes at hand and sends them in pieces of the same size.

use std::convert::Infallible;

use bytes::Bytes;
use cache_api::freshness::Stopwatch;
use futures_util::stream;
use lambda_runtime::{LambdaEvent, MetadataPrelude, StreamResponse, service_fn};
use serde_json::{Value, json};

use crate::RUNS;
use crate::http_door::this_program;
use crate::runtime_api::RuntimeApi;
use crate::seaweed::{KEYS, seaweed};
use crate::table::{Row, Unit, median};

/// The part of the function that ours is held against.
pub const STREAMING_FUNCTION: &str = "streaming-function";

const OBJECT_BYTES: usize = 64 << 20;
const PIECE_BYTES: usize = 128 << 10;

/// Invocations of a run; each moves 64 MB.
const INVOCATIONS: usize = 10;

pub async fn rows() -> Vec<Row> {
    // No target: what it costs to send 64 MB is in both.
    let mut row = Row::new("64 MB streamed in Lambda", "lambda_runtime, same 64 MB", Unit::Milliseconds, None);
    let functions = Functions::start().await;
    for _ in 0..RUNS {
        row.add(millis(&functions.ours).await, millis(&functions.bare).await);
    }
    vec![row]
}

/// The functions, each behind a runtime API of ours: AWS's emulator keeps an answer whole before it hands it on.
struct Functions {
    ours: RuntimeApi,
    bare: RuntimeApi,
}

impl Functions {
    async fn start() -> Self {
        let seaweed = seaweed().await;
        let bucket = seaweed.create_bucket().await;
        bucket.put_object("large.bin", vec![7; OBJECT_BYTES]).await;
        let (access_key, secret) = KEYS;
        let ours = RuntimeApi::start(&[
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_S3", &seaweed.endpoint()),
            ("AWS_BUCKET_NAME", &bucket.name),
            ("CACHE_API_RESPONSE_MODE", "streamed"),
        ])
        .await;
        let bare = RuntimeApi::start_with(&this_program(), &[(crate::PART, STREAMING_FUNCTION)]).await;
        for function in [&ours, &bare] {
            invoke(function).await;
        }
        Self { ours, bare }
    }
}

/// The median of ms from an event to the last byte of its answer.
async fn millis(function: &RuntimeApi) -> f64 {
    let mut millis = Vec::new();
    for _ in 0..INVOCATIONS {
        let invocation = Stopwatch::start();
        invoke(function).await;
        millis.push(invocation.elapsed().as_secs_f64() * 1e3);
    }
    median(&millis)
}

async fn invoke(function: &RuntimeApi) {
    let event = json!({
        "resource": "/{proxy+}", "path": "/cache/large.bin", "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
        "body": null, "isBase64Encoded": false, "requestContext": {"stage": "prod", "httpMethod": "GET"},
    });
    let outcome = function.invoke(&event).await;
    assert!(outcome.body.len() > OBJECT_BYTES && outcome.trailers.is_empty(), "{:?}", outcome.headers);
}

/// Streams the same bytes to every event.
pub async fn run_streaming_function() {
    let piece = Bytes::from(vec![7; PIECE_BYTES]);
    let answer = move |_: LambdaEvent<Value>| {
        let pieces: Vec<_> = (0..OBJECT_BYTES / PIECE_BYTES).map(|_| Ok::<_, Infallible>(piece.clone())).collect();
        let answer = StreamResponse { metadata_prelude: MetadataPrelude::default(), stream: stream::iter(pieces) };
        async move { Ok::<_, Infallible>(answer) }
    };
    lambda_runtime::run(service_fn(answer)).await.expect("the runtime API is there");
}
