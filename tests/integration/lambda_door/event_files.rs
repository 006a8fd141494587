//! The files in `events/` that are requests, answered by the real binary behind AWS's emulator.

use std::collections::BTreeSet;

use cache_api::lambda::Door;
use serde_json::{Value, json};

use crate::lambda_events::TRIGGERS as NO_REQUESTS;
use crate::support::emulator::Emulator;
use crate::support::gateway::{body_of, event, header_of, text};
use crate::support::repository::{in_repository, sample};
use crate::support::seaweed::{KEYS, seaweed};

/// What an answer to a file in `events/` has to be.
pub enum Expected {
    /// An answer of the original's API with this `value`.
    Value(&'static str),
    /// The same with a `value` that has this somewhere.
    ValueWith(&'static str),
    /// The bytes of this file of the sample data.
    Object(&'static str),
    /// No bytes, but the length of this file of the sample data.
    Length(&'static str),
    /// A problem document under this status.
    Problem(u64),
}

/// What the names of the files in `events/` begin with.
pub const TRIGGERS: [&str; 3] = ["rest", "http", "alb"];

/// Every file in `events/`, each with a trigger before its name, in an order in which something is there to be deleted.
pub const EVENTS: [(&str, Expected); 10] = [
    ("create", Expected::Value("{'result': 'success'}")),
    ("read", Expected::Value("{'result': 'success'}")),
    ("update", Expected::Value("{'result': 'success'}")),
    ("post-form", Expected::Value("{'result': 'success'}")),
    ("head", Expected::ValueWith("hits")),
    ("cache-item-stats", Expected::ValueWith("[781 rows x 4 columns]")),
    ("get-object", Expected::Object("bonds.parquet")),
    ("head-object", Expected::Length("bonds.parquet")),
    ("put-binary", Expected::Problem(415)),
    ("delete", Expected::Value("{'cache_item deleted': 'terms.json'}")),
];

/// The real binary behind AWS's emulator, over a bucket with the sample data and an object that is too large for Lambda.
async fn emulator_over_sample_data() -> Emulator {
    let seaweed = seaweed().await;
    let bucket = seaweed.create_bucket().await;
    bucket.put_as("bonds.parquet", sample("bonds.parquet"), "application/vnd.apache.parquet", None).await;
    bucket.put_as("terms.json", sample("terms.json"), "application/json", None).await;
    bucket.put_as("large.bin", vec![0; 5_000_000], "application/octet-stream", None).await;
    let (access_key, secret) = KEYS;
    let endpoint = seaweed.endpoint();
    Emulator::start(&[
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", &endpoint),
        ("AWS_BUCKET_NAME", &bucket.name),
    ])
    .await
}

#[tokio::test]
async fn every_file_in_events_is_answered_by_the_real_binary() {
    let files = std::fs::read_dir(in_repository("events")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    // `lambda_events` has those that are no requests.
    let is_request = |file: &String| file.split_once('-').is_none_or(|(trigger, _)| !NO_REQUESTS.contains(&trigger));
    let files: BTreeSet<_> = files.filter(is_request).collect();
    let names = TRIGGERS.iter().flat_map(|trigger| EVENTS.iter().map(move |(what, _)| format!("{trigger}-{what}.json")));
    assert_eq!(files, names.collect(), "each file has a row here, each row a file");

    let emulator = emulator_over_sample_data().await;
    for trigger in TRIGGERS {
        for (what, expected) in &EVENTS {
            let file = std::fs::read_to_string(in_repository(&format!("events/{trigger}-{what}.json"))).unwrap();
            let answer = emulator.invoke(&serde_json::from_str(&file).unwrap()).await;
            check(&answer, expected, &format!("{trigger}-{what}: {answer}\n{}", emulator.log()));
        }
    }
}

/// Fails, saying `context`, where an answer is not what it has to be.
pub fn check(answer: &Value, expected: &Expected, context: &str) {
    let status = if let Expected::Problem(status) = expected { *status } else { 200 };
    assert_eq!(answer["statusCode"], status, "{context}");
    let value = || {
        let body: Value = serde_json::from_slice(&body_of(answer)).unwrap_or_else(|error| panic!("{error}: {context}"));
        text(body["return"]["value"].clone()).unwrap_or_else(|| panic!("no value: {context}"))
    };
    match expected {
        Expected::Value(expected) => assert_eq!(value(), *expected, "{context}"),
        Expected::ValueWith(part) => assert!(value().contains(part), "{context}"),
        Expected::Object(name) => assert!(body_of(answer) == sample(name), "{context}"),
        Expected::Length(name) => {
            assert_eq!(header_of(answer, "content-length"), [sample(name).len().to_string()], "{context}");
            assert_eq!(body_of(answer), b"", "{context}");
        }
        Expected::Problem(_) => assert_eq!(header_of(answer, "content-type"), ["application/problem+json"], "{context}"),
    }
}

/// Pitfall 27, with the real binary: Lambda itself would have refused this answer, and nobody would have seen why.
#[tokio::test]
async fn the_real_binary_refuses_what_lambda_would_not_take_and_goes_on() {
    let emulator = emulator_over_sample_data().await;
    let get = |path: &str| {
        let mut get = event(Door::RestApi);
        get["path"] = json!(path);
        get
    };
    let large = emulator.invoke(&get("/cache/large.bin")).await;
    assert_eq!(header_of(&large, "content-type"), ["application/problem+json"], "{}", emulator.log());
    let stream = emulator.invoke(&json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "secret"}}]})).await;
    assert_eq!(stream["errorType"], "Unanswered");
    assert!(stream["errorMessage"].as_str().unwrap().ends_with("an event of an unknown shape"), "{stream}");
    let terms = emulator.invoke(&get("/cache/terms.json")).await;
    assert_eq!((terms["statusCode"].as_u64(), body_of(&terms)), (Some(200), sample("terms.json")));
}
