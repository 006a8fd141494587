//! Events that are no requests: queues get exactly what they have to send again, others an error or a count, tasks are done.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use cache_api::cache::{Ask, Cache};
use cache_api::entry::Budget;
use cache_api::freshness::Policy;
use cache_api::key::{Key, KeyPatterns, Prefix};
use cache_api::lambda::{Bucket, Chores, Events, LambdaDoor, Shape, Unanswered, Undone};
use cache_api::record::{DirectoryRecord, Record};
use cache_api::refresh::Refresher;
use cache_api::tier::{DirectoryTier, MemoryTier};
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::emulator::Emulator;
use crate::support::proxy::Proxy;
use crate::support::repository::{in_repository, sample};
use crate::support::seaweed::{KEYS, seaweed};

/// What the names of event files begin with that are no requests.
pub const TRIGGERS: [&str; 5] = ["eventbridge", "s3", "schedule", "sns", "sqs"];

/// The bucket that the files in `events/` name; that `make invoke` makes.
const BUCKET: &str = "sample-data";

/// A record of one directory, a cache over it, and the door behind which events are answered.
struct Service {
    source: TempDir,
    local: TempDir,
    cache: Arc<Cache>,
    chores: Arc<NotingChores>,
    door: LambdaDoor<Router>,
}

/// Notes what it is asked to do.
#[derive(Default)]
struct NotingChores(Mutex<Vec<String>>);

#[async_trait]
impl Chores for NotingChores {
    async fn warm(&self, patterns: Option<KeyPatterns>, _ask: Ask) -> Result<Value, Undone> {
        self.0.lock().unwrap().push(format!("warm {patterns:?}"));
        Ok(json!({"warmed": 1}))
    }

    async fn sweep(&self, ask: Ask) -> Result<Value, Undone> {
        self.0.lock().unwrap().push("sweep".to_owned());
        assert!(ask.deadline > ask.now.monotonic);
        Ok(json!({"swept": 1}))
    }

    async fn doctor(&self, _ask: Ask) -> Result<Value, Undone> {
        Err(Undone::Failed { task: "doctor", why: "told to".to_owned() })
    }
}

impl Service {
    /// Keys are below `prefix` in the bucket.
    async fn start(prefix: &str) -> Self {
        let (source, local) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let record = DirectoryRecord::open(source.path(), Budget::new(64 << 20)).unwrap();
        let tier = DirectoryTier::open(local.path(), record.id()).await.unwrap();
        let cache = Cache::new(MemoryTier::new(64 << 20), Some(Arc::new(tier)), Arc::new(record), Policy::default());
        let chores = Arc::<NotingChores>::default();
        let events = Events {
            refresher: Refresher::new(Arc::clone(&cache), KeyPatterns::parse(["warm/*"]).unwrap()),
            bucket: Bucket { name: BUCKET.to_owned(), prefix: Prefix::normalise(prefix).unwrap() },
            chores: Arc::clone(&chores) as Arc<dyn Chores>,
        };
        let door = LambdaDoor::new(Router::new(), |_, _| unreachable!("no request is sent")).with_events(Arc::new(events));
        Self { source, local, cache, chores, door }
    }

    fn key(&self, text: &str) -> Key {
        self.cache.key(text).unwrap()
    }

    fn put(&self, key: &str, body: &str) {
        let path = self.source.path().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, body).unwrap();
    }

    async fn read(&self, key: &str) {
        self.cache.read(&self.key(key), ask()).await.unwrap();
    }

    /// Makes every doubt of `key` fail: a file stands where its shard's directory should.
    fn break_doubts_of(&self, key: &str) {
        let record = fs::read_dir(self.local.path().join(".cache/v2")).unwrap().next().unwrap().unwrap().path();
        let shard = record.join(self.key(key).hash().shard().to_string());
        let _was_not_there = fs::remove_dir_all(&shard);
        fs::write(shard, "a file in place of a directory").unwrap();
    }

    async fn answer(&self, event: Value) -> Result<Value, Unanswered> {
        let payload = self.door.answer(event, ask().deadline).await?;
        Ok(serde_json::to_value(&payload).unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "as the doors do")]
fn ask() -> Ask {
    let monotonic = Instant::now();
    let now = cache_api::freshness::Moment { wall: std::time::SystemTime::now().into(), monotonic };
    Ask::new(now, monotonic + Duration::from_secs(60))
}

fn put_in(bucket: &str, name: &str) -> Value {
    json!({"Records": [record_in(bucket, name)]})
}

fn put(name: &str) -> Value {
    put_in(BUCKET, name)
}

fn record_in(bucket: &str, name: &str) -> Value {
    json!({
        "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "1970-01-01T00:00:00.000Z",
        "s3": {"bucket": {"name": bucket}, "object": {"key": name}},
    })
}

/// A batch of a queue: what its messages are called, and what they say.
fn batch(messages: &[(&str, String)]) -> Value {
    let record = |(id, body): &(&str, String)| json!({"messageId": id, "body": body, "eventSource": "aws:sqs", "attributes": {}});
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}

pub fn failures(ids: &[&str]) -> Value {
    json!({"batchItemFailures": ids.iter().map(|id| json!({"itemIdentifier": id})).collect::<Vec<_>>()})
}

/// A key of another shard than those that must work.
fn key_in_a_shard_of_its_own(service: &Service, others: &[&str]) -> String {
    let shards: BTreeSet<_> = others.iter().map(|key| service.key(key).hash().shard().0).collect();
    let mut names = (0..).map(|number| format!("bad{number}"));
    names.find(|name| !shards.contains(&service.key(name).hash().shard().0)).unwrap()
}

/// Pitfall 26: an SQS batch fails as a whole because one message is bad. Here exactly the messages fail that have to.
#[tokio::test]
async fn a_queue_is_told_exactly_which_messages_to_send_again() {
    let service = Service::start("data").await;
    let bad = key_in_a_shard_of_its_own(&service, &["held", "unread", "warm/a"]);
    service.put("held", "1");
    service.put("warm/a", "1");
    service.read("held").await;
    service.break_doubts_of(&bad);
    let several = json!({"Records": [record_in(BUCKET, "data/held"), record_in(BUCKET, &format!("data/{bad}"))]});
    let event = batch(&[
        ("held", put("data/held").to_string()),
        ("poison", "no JSON, and a secret".to_owned()),
        ("another bucket", put_in("another", "data/held").to_string()),
        ("outside the prefix", put("database/held").to_string()),
        ("the prefix itself", put("data/").to_string()),
        ("no key", put("data/a/../b").to_string()),
        ("not UTF-8", put("data/%FF").to_string()),
        ("test", json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}).to_string()),
        ("bad", put(&format!("data/{bad}")).to_string()),
        ("unread", put("data/unread").to_string()),
        ("several, one of them bad", several.to_string()),
        ("of somebody else", json!({"orders": [1, 2]}).to_string()),
        ("warm", put("data/warm/a").to_string()),
        ("held again", put("data/held").to_string()),
    ]);
    let expected = failures(&["poison", "bad", "several, one of them bad", "of somebody else"]);
    assert_eq!(service.answer(event.clone()).await.unwrap(), expected);
    assert_eq!(service.answer(event).await.unwrap(), expected, "poison fails each time, on its way to the dead-letter queue");
    let counts = service.cache.head().await.counts;
    assert_eq!((counts.confirmations, counts.fills), (3, 2), "`held` twice, `warm/a` filled once and confirmed once");
    assert_eq!(service.answer(batch(&[("held", put("data/held").to_string())])).await.unwrap(), failures(&[]));
}

#[tokio::test]
async fn a_failing_message_that_cannot_be_named_fails_its_batch() {
    let service = Service::start("").await;
    for id in [json!(null), json!(17)] {
        let event = json!({"Records": [{"messageId": id, "body": "poison", "eventSource": "aws:sqs"}]});
        assert_eq!(service.answer(event).await, Err(Unanswered::Nameless));
        let event = json!({"Records": [{"messageId": id, "body": put("a").to_string(), "eventSource": "aws:sqs"}]});
        assert_eq!(service.answer(event).await, Ok(failures(&[])), "it need not be named");
    }
}

/// "A doubt that could not be written fails its message", and what Lambda sends by itself it sends again as a whole.
#[tokio::test]
async fn an_event_by_itself_fails_if_a_doubt_does() {
    let service = Service::start("").await;
    let bad = key_in_a_shard_of_its_own(&service, &["good"]);
    service.break_doubts_of(&bad);
    let event = json!({"Records": [record_in(BUCKET, "good"), record_in(BUCKET, &bad)]});
    let failed = Unanswered::NotDoubted { failed: 1, keys: 2 };
    assert_eq!(service.answer(event.clone()).await.as_ref(), Err(&failed));
    let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": event.to_string()}}]});
    assert_eq!(service.answer(sns).await.as_ref(), Err(&failed));
    let diagnostic = lambda_runtime::Diagnostic::from(failed);
    assert_eq!(diagnostic.error_type, "NotDoubted");
    assert_eq!(diagnostic.error_message, "1 of 2 changed keys could not be doubted");
    assert!(matches!(service.answer(json!({"Records": [{"eventSource": "aws:s3"}]})).await, Err(Unanswered::Poison(_))));
}

#[tokio::test]
async fn an_event_by_itself_is_answered_with_what_came_of_it() {
    let service = Service::start("").await;
    for key in ["held", "warm/a"] {
        service.put(key, "1");
    }
    service.read("held").await;
    let names = ["held", "held", "unread", "warm/a", "warm/none", "../up"];
    let mut records: Vec<_> = names.iter().map(|name| record_in(BUCKET, name)).collect();
    records.push(record_in("another", "held"));
    assert_eq!(
        service.answer(json!({"Records": records})).await.unwrap(),
        json!({"doubted": 4, "confirmed": 1, "created": 1, "not_held": 2, "unconfirmed": 0, "failed": 0, "ignored": 2})
    );
}

/// "A batch dedups keys": 1000 messages over 100 keys are 100 doubts and at most 100 questions to the record.
#[tokio::test]
async fn a_thousand_events_over_a_hundred_keys_ask_the_record_a_hundred_times() {
    let service = Service::start("").await;
    for number in 0..100 {
        service.put(&number.to_string(), "1");
        service.read(&number.to_string()).await;
    }
    let before = service.cache.head().await.counts;
    let bodies: Vec<_> = (0..1_000).map(|number| (number.to_string(), put(&(number % 100).to_string()).to_string())).collect();
    let messages: Vec<_> = bodies.iter().map(|(id, body)| (id.as_str(), body.clone())).collect();
    assert_eq!(service.answer(batch(&messages)).await.unwrap(), failures(&[]));
    let after = service.cache.head().await.counts;
    assert_eq!(after.doubts - before.doubts, 100);
    assert_eq!(after.misses() - before.misses(), 100);
    assert_eq!(after.confirmations - before.confirmations, 100);
}

/// Pitfall 28: an invocation whose time is over says so for each message, before it is killed.
#[tokio::test]
async fn a_deadline_that_is_past_sends_every_message_again() {
    let service = Service::start("").await;
    let past = ask().now.monotonic;
    let event = batch(&[("a", put("a").to_string()), ("test", json!({"Event": "s3:TestEvent"}).to_string())]);
    let payload = service.door.answer(event, past).await.unwrap();
    assert_eq!(serde_json::to_value(&payload).unwrap(), failures(&["a"]));
    assert_eq!(service.door.answer(put("a"), past).await.unwrap_err(), Unanswered::NotDoubted { failed: 1, keys: 1 });
}

#[tokio::test]
async fn a_task_is_done_as_it_is_named() {
    let service = Service::start("").await;
    let warm = json!({"task": "warm", "patterns": ["prices/*.parquet", "rates/**"]});
    assert_eq!(service.answer(warm).await.unwrap(), json!({"warmed": 1}));
    for patterns_left_out in [json!({"task": "warm"}), json!({"task": "warm", "patterns": null, "more": 1})] {
        assert_eq!(service.answer(patterns_left_out).await.unwrap(), json!({"warmed": 1}));
    }
    assert_eq!(service.answer(json!({"task": "sweep"})).await.unwrap(), json!({"swept": 1}));
    let failed = service.answer(json!({"task": "doctor"})).await.unwrap_err();
    assert_eq!(failed.to_string(), "the task `doctor` failed: told to");
    let noted = service.chores.0.lock().unwrap().clone();
    assert_eq!(noted, [r#"warm Some(["prices/*.parquet", "rates/**"])"#, "warm None", "warm None", "sweep"]);
}

#[tokio::test]
async fn a_task_that_is_none_is_refused_without_a_word_of_it() {
    let service = Service::start("").await;
    let secret = "a [secret";
    for (event, undone) in [
        (json!({"task": secret}), Undone::Unknown),
        (json!({"task": "warm", "patterns": secret}), Undone::Unknown),
        (json!({"task": "warm", "patterns": [17]}), Undone::Unknown),
        (json!({"task": "warm", "patterns": ["fine", secret]}), Undone::BadPattern { number: 2 }),
        (json!({"task": "warm", "patterns": vec!["fine"; 1_001]}), Undone::BadPattern { number: 1_001 }),
    ] {
        let unanswered = service.answer(event).await.unwrap_err();
        assert_eq!(unanswered, Unanswered::Undone(undone));
        assert!(!unanswered.to_string().contains(secret), "{unanswered}");
    }
    for source in ["aws.events", "aws.scheduler"] {
        let untold = json!({"detail-type": "Scheduled Event", "source": source, "detail": "{}"});
        let unanswered = service.answer(untold).await.unwrap_err();
        assert_eq!(unanswered, Unanswered::Unknown { shape: Shape::Schedule });
        assert!(unanswered.to_string().contains(r#"{"task": "sweep"}"#), "{unanswered}");
    }
}

/// What the answer to a file has to be.
enum Expected {
    /// Just this.
    Answer(Value),
    /// An error of this type.
    Error(&'static str),
    /// What the doctor found, no problem among it.
    Report,
}

/// Every file in `events/` that is no request. At first `bonds.parquet` and `terms.json` are read, and the bucket changes no more.
fn rows() -> Vec<(&'static str, Expected)> {
    let tally = |confirmed: u64, not_held: u64| {
        Expected::Answer(json!({
            "doubted": confirmed + not_held, "confirmed": confirmed, "created": 0, "not_held": not_held, "unconfirmed": 0,
            "failed": 0, "ignored": 0,
        }))
    };
    let none_again = || Expected::Answer(failures(&[]));
    // Two keys, with three blocks besides the body each; the bodies have one block and two.
    let swept = json!({
        "seen": 1.0, "keys": 2, "bytes": 9 * 4096, "evicted": 0, "trashed": 0, "unlinked": 0, "directories": 0, "failed": 0,
    });
    let warmed = json!({
        "listed": 2, "matched": 1, "created": 0, "refreshed": 0, "already": 1, "failed": 0, "left": 0, "listed_all": true,
    });
    vec![
        ("eventbridge-created", tally(1, 0)),
        ("eventbridge-deleted", tally(1, 0)),
        ("eventbridge-restored", tally(1, 0)),
        ("s3-delete", tally(1, 0)),
        ("s3-expire", tally(1, 0)),
        ("s3-multipart", tally(0, 1)),
        ("s3-put", tally(1, 0)),
        ("s3-restore", tally(1, 0)),
        ("s3-test-event", tally(0, 0)),
        ("schedule-untold", Expected::Error("Unanswered")),
        ("sns-s3-put", tally(1, 0)),
        ("sqs-eventbridge-created", none_again()),
        ("sqs-mixed", Expected::Answer(failures(&["19dd0b57-b21e-4ac1-bd88-01bbb068cb79"]))),
        ("sqs-s3-put", none_again()),
        ("sqs-s3-test-event", none_again()),
        ("sqs-sns-s3-put", none_again()),
        ("schedule-doctor", Expected::Report),
        ("schedule-sweep", Expected::Answer(swept)),
        ("schedule-warm", Expected::Answer(warmed)),
    ]
}

#[tokio::test]
async fn every_event_file_that_is_no_request_is_answered_by_the_real_binary() {
    let files = fs::read_dir(in_repository("events")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let is_ours = |file: &String| TRIGGERS.iter().any(|trigger| file.starts_with(&format!("{trigger}-")));
    let files: BTreeSet<_> = files.filter(is_ours).collect();
    assert_eq!(files, rows().iter().map(|(name, _)| format!("{name}.json")).collect(), "each file has a row, each row a file");

    let seaweed = seaweed().await;
    let bucket = seaweed.create_bucket().await;
    for name in ["bonds.parquet", "terms.json"] {
        bucket.put_object(name, sample(name)).await;
    }
    let local = tempfile::tempdir().unwrap();
    let emulator = start(&bucket.name, local.path(), &[]).await;
    for key in ["bonds.parquet", "terms.json"] {
        assert_eq!(emulator.invoke(&get(key)).await["statusCode"], 200, "{}", emulator.log());
    }
    for (name, expected) in rows() {
        let file = fs::read_to_string(in_repository(&format!("events/{name}.json"))).unwrap();
        // As the text of a message has it too.
        let file = file.replace(BUCKET, &bucket.name);
        let answer = emulator.invoke(&serde_json::from_str(&file).unwrap()).await;
        match expected {
            Expected::Answer(expected) => assert_eq!(answer, expected, "{name}\n{}", emulator.log()),
            Expected::Report => {
                let findings = answer["findings"].as_array().unwrap_or_else(|| panic!("{name}: {answer}\n{}", emulator.log()));
                assert!(findings.iter().all(|finding| finding["level"] != "problem"), "{name}: {answer}");
                assert!(findings.iter().any(|finding| finding["check"] == "promises"), "{name}: {answer}");
            }
            Expected::Error(expected) => assert_eq!(answer["errorType"], expected, "{name}: {answer}\n{}", emulator.log()),
        }
    }
    let log = emulator.log();
    assert!(log.contains("its text is no JSON") && !log.contains("Hello from SQS!"), "the reason and not the payload: {log}");
    assert!(log.contains("19dd0b57-b21e-4ac1-bd88-01bbb068cb79"), "which message: {log}");
}

/// Pitfall 24, of two functions on one file system: one is told of a change, and the answers of the other change.
#[tokio::test]
async fn an_event_at_one_function_changes_the_answers_of_the_other() {
    let seaweed = seaweed().await;
    let bucket = seaweed.create_bucket().await;
    bucket.put_object("a.json", "1").await;
    let local = tempfile::tempdir().unwrap();
    // Nothing but the event makes it ask again.
    let ages = [("CACHE_API_MEMORY_MAX_AGE", "200ms"), ("CACHE_API_LOCAL_MAX_AGE", "1d"), ("CACHE_API_KEEP_WARM", "warm.json")];
    let (api, refresh) = tokio::join!(start(&bucket.name, local.path(), &ages), start(&bucket.name, local.path(), &ages));
    assert_eq!(api.invoke(&get("a.json")).await["body"], "1");
    bucket.put_object("a.json", "2").await;
    bucket.put_object("warm.json", "3").await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(api.invoke(&get("a.json")).await["body"], "1", "nobody has told it");
    let event = json!({"Records": [record_in(&bucket.name, "a.json"), record_in(&bucket.name, "warm.json")]});
    let tally = refresh.invoke(&event).await;
    assert_eq!((tally["confirmed"].as_u64(), tally["created"].as_u64()), (Some(1), Some(1)), "{tally}\n{}", refresh.log());
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(api.invoke(&get("a.json")).await["body"], "2");
    let warm = api.invoke(&get("warm.json")).await;
    assert_eq!(warm["body"], "3");
    let status = warm["multiValueHeaders"]["cache-status"][0].as_str().unwrap();
    assert!(status.contains("hit;") && status.contains("detail=directory"), "without asking: {status}");
    bucket.delete_object("a.json").await;
    refresh.invoke(&put_in(&bucket.name, "a.json")).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(api.invoke(&get("a.json")).await["statusCode"], 404);
}

/// "Confirm: one conditional GET", as S3 sees it.
#[tokio::test]
async fn a_confirmation_is_one_conditional_request_that_moves_no_body() {
    let seaweed = seaweed().await;
    let bucket = seaweed.create_bucket().await;
    bucket.put_object("a.json", "1").await;
    let (proxy, local) = (Proxy::start(seaweed.address()).await, tempfile::tempdir().unwrap());
    let endpoint = proxy.endpoint();
    let emulator = start(&bucket.name, local.path(), &[("AWS_ENDPOINT_URL_S3", &endpoint)]).await;
    emulator.invoke(&get("a.json")).await;
    assert_eq!(proxy.take().len(), 1);
    for event in [put_in(&bucket.name, "a.json"), batch(&[("1", put_in(&bucket.name, "a.json").to_string())])] {
        emulator.invoke(&event).await;
        let exchanges = proxy.take();
        let [confirmation] = &exchanges[..] else { panic!("{exchanges:?}") };
        assert_eq!((confirmation.status, confirmation.body_bytes), (StatusCode::NOT_MODIFIED, 0));
        assert!(confirmation.asked.header("if-none-match").is_some(), "{confirmation:?}");
    }
    emulator.invoke(&put_in(&bucket.name, "unread.json")).await;
    assert_eq!(proxy.take().len(), 0, "nobody holds it");
}

async fn start(bucket: &str, local: &Path, more: &[(&str, &str)]) -> Emulator {
    let (access_key, secret) = KEYS;
    let endpoint = seaweed().await.endpoint();
    let variables = [
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", &endpoint),
        ("AWS_BUCKET_NAME", bucket),
        ("LOCAL_DATA_DIR", local.to_str().unwrap()),
    ];
    Emulator::start(&[&variables[..], more].concat()).await
}

fn get(key: &str) -> Value {
    json!({
        "resource": "/", "path": format!("/cache/{key}"), "httpMethod": "GET", "headers": {}, "multiValueHeaders": {}, "body": null,
        "isBase64Encoded": false, "requestContext": {"stage": "prod", "path": "/prod/", "httpMethod": "GET"},
    })
}
