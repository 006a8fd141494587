//! Every event that `sam local generate-event` makes of the kinds that this service is wired to, sent to the real binary.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::emulator::Emulator;
use crate::support::gateway::header_of;
use crate::support::seaweed::{KEYS, seaweed};
use crate::support::server::installed;

/// Prints each event of the services that are its arguments as a line `{"name", "event"}`, as the command makes it when it is
/// given no options: `generate_event` itself fills in no default where the command does.
const GENERATE: &str = r#"
import json, sys
from samcli.lib.generated_sample_events.events import Events
events = Events()
for service in sys.argv[1:]:
    for name, definition in events.event_mapping[service].items():
        values = {tag.replace("-", "_"): tag_of["default"] for tag, tag_of in definition["tags"].items()}
        event = json.loads(events.generate_event(service, name, values))
        print(json.dumps({"name": f"{service} {name}", "event": event}))
"#;

/// `cloudwatch` has the scheduled event.
const SERVICES: [&str; 6] = ["alb", "apigateway", "cloudwatch", "s3", "sns", "sqs"];

/// What an event has to come to.
enum Expected {
    /// A problem document with this status: the sample asks for `/path/to/resource`, and the service has no such path.
    Problem(u64),
    /// Just this.
    Answer(Value),
    /// An error with this type and message.
    Refused(&'static str, String),
}

/// Every event of [`SERVICES`], as the SAM CLI calls them.
fn rows() -> BTreeMap<&'static str, Expected> {
    let unknown = |shape: &str| {
        let message = format!("this function answers requests, S3's events and tasks; it was sent {shape}");
        Expected::Refused("Unanswered", message)
    };
    // Of another bucket, `example-bucket`.
    let ignored = || {
        Expected::Answer(json!({
            "doubted": 0, "confirmed": 0, "created": 0, "not_held": 0, "unconfirmed": 0, "failed": 0, "ignored": 1,
        }))
    };
    let untold = r#"a schedule without a task (set its input to {"task": "sweep"}, or to another task)"#;
    let no_json = "the event can never be answered: its text is no JSON";
    // The message that says "Hello from SQS!".
    let failures = json!({"batchItemFailures": [{"itemIdentifier": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78"}]});
    BTreeMap::from([
        ("alb request", Expected::Problem(404)),
        ("apigateway authorizer", unknown("an API Gateway authorizer event")),
        ("apigateway aws-proxy", Expected::Problem(404)),
        ("apigateway http-api-proxy", Expected::Problem(404)),
        ("apigateway request-authorizer", unknown("an API Gateway authorizer event")),
        ("cloudwatch logs", unknown("an event of an unknown shape")),
        ("cloudwatch scheduled-event", unknown(untold)),
        ("s3 batch-invocation", unknown("a job of S3 Batch Operations")),
        ("s3 delete", ignored()),
        ("s3 put", ignored()),
        ("sns notification", Expected::Refused("Poison", no_json.to_owned())),
        ("sqs receive-message", Expected::Answer(failures)),
    ])
}

/// "Every event that `sam local generate-event` makes for s3, sqs, sns, apigateway, alb and scheduled events is fed to the binary:
/// answered, or refused for a stated reason."
#[tokio::test]
async fn every_event_that_sam_generates_is_answered_or_refused_for_a_stated_reason() {
    let (events, rows) = (generated(), rows());
    let known: BTreeSet<_> = rows.keys().copied().collect();
    let made: BTreeSet<_> = events.keys().map(String::as_str).collect();
    let new: Vec<_> = made.difference(&known).collect();
    assert!(new.is_empty(), "the SAM CLI makes events that have no row here; say what has to come of them: {new:?}");
    let gone: Vec<_> = known.difference(&made).collect();
    assert!(gone.is_empty(), "the SAM CLI makes these events no more; remove their rows: {gone:?}");

    let emulator = start().await;
    for (name, expected) in &rows {
        let answer = emulator.invoke(&events[*name]).await;
        check(&answer, expected, &format!("{name}: {answer}\n{}", emulator.log()));
    }
    let log = emulator.log();
    assert!(!log.contains("Hello from SQS!") && !log.contains("example message"), "a payload in the log: {log}");
}

fn check(answer: &Value, expected: &Expected, context: &str) {
    match expected {
        Expected::Problem(status) => {
            assert_eq!(answer["statusCode"], *status, "{context}");
            assert_eq!(header_of(answer, "content-type"), ["application/problem+json"], "{context}");
        }
        Expected::Answer(expected) => assert_eq!(answer, expected, "{context}"),
        Expected::Refused(error_type, message) => {
            assert_eq!(answer["errorType"], *error_type, "{context}");
            assert_eq!(answer["errorMessage"], *message, "{context}");
        }
    }
}

/// What the SAM CLI makes, by name. Its library is asked, in one process: the command takes half a second for each.
fn generated() -> BTreeMap<String, Value> {
    let python = installed(".venv", "bin/python", "aws-sam-cli");
    let made = Command::new(python).arg("-c").arg(GENERATE).args(SERVICES).env("SAM_CLI_TELEMETRY", "0").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let lines = std::str::from_utf8(&made.stdout).unwrap().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|mut line| (line["name"].as_str().unwrap().to_owned(), line["event"].take())).collect()
}

/// The real binary over an empty bucket.
async fn start() -> Emulator {
    let (seaweed, (access_key, secret)) = (seaweed().await, KEYS);
    let (bucket, endpoint) = (seaweed.create_bucket().await, seaweed.endpoint());
    let variables = [
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", &endpoint),
        ("AWS_BUCKET_NAME", &bucket.name),
    ];
    Emulator::start(&variables).await
}
