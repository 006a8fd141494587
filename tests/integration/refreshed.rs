//! The whole way of a change: bucket, EventBridge, queue, our binary as the function, shared directory, instances.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::support::aws::{StandIn, ministack};
use super::support::client::{Answer, get, send};
use super::support::serve::{Serve, vars};
use super::support::server::{POLL_INTERVAL, installed};

/// No other test may use it.
const BUCKET: &str = "refreshed";

/// How long ministack, which looks at its queues once a second, and the first start of the function may take. Far below
/// LOCAL_MAX_AGE, after which an instance would ask by itself.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(10);

/// A key with what each source of events encodes in its own way, as the bucket and as our URLs name it.
const TOLD: &str = "told/a+b%20c%25.txt";

/// A key that no rule tells of.
const UNTOLD: &str = "untold.txt";

/// A bucket that tells a function what changes below `told/`, and two instances that share a directory with it.
struct Site {
    ministack: &'static StandIn,
    /// The URLs of two queues: `events` and `failed`.
    queues: Value,
    instances: [Serve; 2],
    // Removed after the instances have ended.
    _local: TempDir,
}

impl Site {
    async fn start() -> Self {
        let ministack = ministack().await;
        let local = tempfile::tempdir().unwrap();
        let settings = json!({
            "AWS_BUCKET_NAME": BUCKET,
            "AWS_ENDPOINT_URL_S3": ministack.endpoint(),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "LOCAL_DATA_DIR": local.path(),
            "CACHE_API_MEMORY_MAX_AGE": "100ms",
            "CACHE_API_LOCAL_MAX_AGE": "1h",
        });
        let queues = make_queues(&ministack.endpoint(), &settings).await;
        let start = || {
            let settings = settings.as_object().unwrap().iter();
            Serve::start(&[], vars(settings.map(|(name, value)| (name, value.as_str().unwrap()))))
        };
        Self { ministack, queues, instances: [start().await, start().await], _local: local }
    }

    /// Changes the bucket, and nothing else.
    async fn change(&self, method: Method, name: &str, body: &'static str) {
        let answer = send(self.ministack.address(), method, &format!("/{BUCKET}/{name}"), &[], body).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    async fn read(&self, name: &str) -> [Answer; 2] {
        let [one, other] = &self.instances;
        let target = format!("/cache/{name}");
        [get(one.address(), &target).await, get(other.address(), &target).await]
    }

    /// Reads until both instances answer with this status and body; neither may go back to what it answered before.
    async fn wait_for(&self, name: &str, expected: (StatusCode, &str)) {
        let mut answers = Vec::new();
        let reading = async {
            let mut has_answered = [false; 2];
            while has_answered != [true; 2] {
                answers = self.read(name).await.into();
                for (has_answered, answer) in has_answered.iter_mut().zip(&answers) {
                    let is_expected = is(answer, expected);
                    assert!(is_expected || !*has_answered, "went back to {answer:?}");
                    *has_answered = is_expected;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let is_in_time = timeout(DELIVERY_TIME_MAX, reading).await.is_ok();
        assert!(is_in_time, "{name} is not {expected:?} but {answers:?}\n{}", self.ministack.log());
    }

    async fn ask_queue(&self, action: &str, request: Value) -> Value {
        let target = format!("AmazonSQS.{action}");
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
        let answer = send(self.ministack.address(), Method::POST, "/", &headers, request.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// The messages that have failed for good, once there are any.
    async fn wait_for_failed(&self) -> Value {
        let request = json!({"QueueUrl": self.queues["failed"], "MaxNumberOfMessages": 10});
        let asking = async {
            loop {
                let answer = self.ask_queue("ReceiveMessage", request.clone()).await;
                if let Some(messages) = answer.get("Messages") {
                    return messages.clone();
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let failed = timeout(DELIVERY_TIME_MAX, asking).await;
        failed.unwrap_or_else(|_| panic!("no message has failed\n{}", self.ministack.log()))
    }
}

/// Makes the bucket, the rule, the queues and the function.
async fn make_queues(endpoint: &str, settings: &Value) -> Value {
    let python = installed(".venv-aws", "bin/python", "boto3");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/refreshed.py");
    let arguments = [script, endpoint, BUCKET, env!("CARGO_BIN_EXE_cache-api"), &settings.to_string()];
    let made = Command::new(python).args(arguments).env_clear().kill_on_drop(true).output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    serde_json::from_slice(&made.stdout).unwrap()
}

fn is(answer: &Answer, (status, body): (StatusCode, &str)) -> bool {
    answer.status == status && (status != StatusCode::OK || answer.text() == body)
}

/// Pitfall 24: one event reaches one instance. Here it reaches a function that is none of the instances, and they learn by looking.
///
/// Pitfall 26: a message that can never succeed goes to the dead-letter queue, and those beside it on their way.
/// Promise 1: "After a doubt has returned, no instance answers with the older version for longer than
/// CACHE_API_MEMORY_MAX_AGE without asking the record, whatever the clocks say."
#[tokio::test]
async fn a_change_in_the_bucket_changes_the_answers_of_two_instances_that_nobody_calls() {
    let site = Site::start().await;
    for name in [TOLD, UNTOLD] {
        site.change(Method::PUT, name, "old").await;
        site.wait_for(name, (StatusCode::OK, "old")).await;
        for answer in site.read(name).await {
            assert!(answer.header("cache-status").starts_with("cache-api; hit"), "{answer:?}");
        }
    }

    let poison = json!({"QueueUrl": site.queues["events"], "MessageBody": r#"{"not": "an event"}"#});
    site.ask_queue("SendMessage", poison).await;
    // First, so that it has had longer to be found out than what is told of.
    site.change(Method::PUT, UNTOLD, "new").await;
    site.change(Method::PUT, TOLD, "new").await;
    site.wait_for(TOLD, (StatusCode::OK, "new")).await;
    site.change(Method::DELETE, TOLD, "").await;
    site.wait_for(TOLD, (StatusCode::NOT_FOUND, "")).await;

    let failed = site.wait_for_failed().await;
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
    assert_eq!(failed[0]["Body"], r#"{"not": "an event"}"#);
    let log = site.ministack.log();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let reason = lines.find(|line| line["message_id"] == failed[0]["MessageId"]);
    let reason = reason.unwrap_or_else(|| panic!("it is not said why a message failed:\n{log}"));
    assert!(reason["message"].as_str().unwrap().contains("can never be understood"), "{reason}");
    assert!(reason["reason"].as_str().unwrap().contains("an event of an unknown shape"), "{reason}");
    // What shows that it was the events, and no age or chance.
    for answer in site.read(UNTOLD).await {
        assert!(is(&answer, (StatusCode::OK, "old")), "{answer:?}");
    }
}
