//! What a record in S3 makes of all that may go wrong, against a server that fails on demand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_s3::config::SharedCredentialsProvider;
use bytes::Bytes;
use cache_api::entry::{Budget, Checksum};
use cache_api::error::{Error, Result};
use cache_api::freshness::Timestamp;
use cache_api::key::{Key, Prefix};
use cache_api::record::{Answer, Fetched, Record, S3Location, S3Record};

use crate::record_conformance;
use crate::support::fault_server::{BUCKET, Fault, FaultServer, LAST_MODIFIED, SECRET_TOKEN};
use crate::support::seaweed::{KEYS, sdk_config, sdk_config_with};

mod listing;

const BODY: &str = "ibm,231.7\n";
const SIZE_MAX: u64 = 1_000_000;

/// A fault server that holds `data/prices.csv`, and a record of what lies below `data/`.
struct Site {
    server: FaultServer,
    record: S3Record,
    key: Key,
    budget: Arc<Budget>,
}

impl Site {
    async fn start() -> Self {
        let server = FaultServer::start().await;
        server.put("data/prices.csv", BODY);
        let prefix = Prefix::normalise("data").unwrap();
        let budget = Budget::new(8 * SIZE_MAX);
        let key = Key::parse("prices.csv", &prefix).unwrap();
        let record = S3Record::with_config(location(server.endpoint(), prefix), Arc::clone(&budget), sdk_config(KEYS));
        Self { server, record, key, budget }
    }

    async fn fetch(&self) -> Result<Answer> {
        self.record.fetch(&self.key, None, now() + Duration::from_secs(30)).await
    }

    /// The error of a fetch, and how many requests it cost; fails where it says what is the operator's alone.
    async fn failing_fetch(&self) -> (Error, usize) {
        let error = self.fetch().await.expect_err("an error");
        let endpoint = self.server.endpoint();
        for secret in [BUCKET, "data/", endpoint.trim_start_matches("http://"), "127.0.0.1", SECRET_TOKEN] {
            assert!(!error.to_string().contains(secret), "`{error}` names {secret}");
        }
        assert!(!format!("{error:?}").contains(SECRET_TOKEN), "{error:?} would take a token to the log");
        (error, self.server.requests().len())
    }
}

#[async_trait]
impl record_conformance::Site for FaultServer {
    async fn put(&self, key: &Key, body: Bytes, content_type: &str) {
        self.put_with(&format!("data/{key}"), body, &[("content-type", content_type)]);
    }

    async fn delete(&self, key: &Key) {
        self.remove(&format!("data/{key}"));
    }
}

/// The server that fails on demand is an S3 as good as any while nothing is demanded.
#[tokio::test]
async fn a_record_on_the_fault_server_keeps_its_promises() {
    let site = Site::start().await;
    let location = location(site.server.endpoint(), site.record.prefix().clone());
    let record = S3Record::with_config(location, record_conformance::budget(), sdk_config(KEYS));
    record_conformance::a_record_keeps_its_promises(&record, &site.server).await;
}

#[tokio::test]
async fn each_refusal_is_an_error_of_its_own() {
    let site = Site::start().await;
    let cases = [
        (Fault::AccessDenied, "Forbidden"),
        (Fault::Refusal(403, "InvalidObjectState"), "Forbidden"),
        (Fault::Refusal(403, "SignatureDoesNotMatch"), "Forbidden"),
        (Fault::Refusal(400, "ExpiredToken"), "Forbidden"),
        (Fault::Refusal(401, "Unauthorized"), "Forbidden"),
        (Fault::TooManyRequests, "Throttled"),
        (Fault::Refusal(409, "OperationAborted"), "Changed"),
        (Fault::Refusal(412, "PreconditionFailed"), "Changed"),
        (Fault::NoSuchBucket, "Unreachable"),
        (Fault::Refusal(404, "NoSuchWebsiteConfiguration"), "Unreachable"),
        (Fault::Refusal(301, "PermanentRedirect"), "Unreachable"),
        (Fault::Refusal(400, "AuthorizationHeaderMalformed"), "Unreachable"),
        (Fault::NotModified(None), "Unreachable"),
        (Fault::Without("etag"), "Corrupted"),
        (Fault::Without("last-modified"), "Corrupted"),
        (Fault::With("last-modified", "yesterday".to_owned()), "Corrupted"),
    ];
    for (fault, expected) in cases {
        // Damage is given a second chance.
        let requests_expected = if expected == "Corrupted" { 2 } else { 1 };
        for _ in 0..requests_expected {
            site.server.then(fault.clone());
        }
        let (error, requests) = site.failing_fetch().await;
        assert_eq!((name(&error), requests), (expected, requests_expected), "{fault:?}: {error:?}");
        assert!(matches!(site.fetch().await, Ok(Answer { fetched: Fetched::Changed(_), .. })), "the next request works");
        site.server.requests();
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_three_times() {
    let site = Site::start().await;
    let cases = [
        (Fault::SlowDown, "Throttled"),
        (Fault::Refusal(503, "RequestLimitExceeded"), "Throttled"),
        (Fault::InternalError, "Unreachable"),
        (Fault::Refusal(502, "BadGateway"), "Unreachable"),
        (Fault::Refusal(503, "ServiceUnavailable"), "Unreachable"),
        (Fault::HangUp, "Unreachable"),
    ];
    for (fault, expected) in cases {
        for _ in 0..3 {
            site.server.then(fault.clone());
        }
        let (error, requests) = site.failing_fetch().await;
        assert_eq!((name(&error), requests), (expected, 3), "{fault:?}: {error:?}");
        site.server.then(fault.clone()).then(fault.clone());
        assert_eq!(body(site.fetch().await), BODY, "{fault:?} twice, then well");
        assert_eq!(site.server.requests().len(), 3);
    }
}

#[tokio::test]
async fn an_absence_is_no_error_and_a_missing_bucket_no_absence() {
    let site = Site::start().await;
    site.server.then(Fault::NoSuchKey);
    assert_eq!(site.fetch().await.unwrap().fetched, Fetched::Missing);
    site.server.remove("data/prices.csv");
    assert_eq!(site.fetch().await.unwrap().fetched, Fetched::Missing);
    site.server.then(Fault::NoSuchBucket);
    let error = site.fetch().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(causes(&error).contains("AWS_BUCKET_NAME"), "the log says where to look: {}", causes(&error));
}

#[tokio::test]
async fn the_log_learns_what_the_caller_does_not() {
    let site = Site::start().await;
    for (fault, told) in [
        (Fault::Refusal(403, "InvalidObjectState"), "archived"),
        (Fault::AccessDenied, "s3:GetObject"),
        (Fault::AccessDenied, "request 4442587FB7D0A2F9"),
        (Fault::Refusal(301, "PermanentRedirect"), "AWS_REGION"),
    ] {
        site.server.then(fault);
        let (error, _) = site.failing_fetch().await;
        assert!(causes(&error).contains(told), "{} lacks {told}", causes(&error));
    }
}

/// Pitfall 11: a part's length is stored as the object's length. What is shorter than was announced is no object.
#[tokio::test]
async fn a_cut_body_is_fetched_again_and_then_given_up() {
    let site = Site::start().await;
    site.server.then(Fault::CutBody(4));
    assert_eq!(body(site.fetch().await), BODY);
    assert_eq!(site.server.requests().len(), 2);
    for cut in [0, 4, 9] {
        site.server.then(Fault::CutBody(cut)).then(Fault::CutBody(cut));
        let (error, requests) = site.failing_fetch().await;
        assert_eq!(error.to_string(), format!("`prices.csv` arrived damaged: its body ended after {cut} of 10 bytes"));
        assert_eq!(requests, 2);
    }
}

#[tokio::test]
async fn a_body_that_does_not_fit_its_checksum_is_fetched_again_and_then_given_up() {
    let site = Site::start().await;
    site.server.then(Fault::WrongChecksum);
    assert_eq!(body(site.fetch().await), BODY);
    let asked = site.server.requests();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].header("x-amz-checksum-mode"), Some("ENABLED"), "S3 sends a checksum to who asks for it");
    site.server.then(Fault::WrongChecksum).then(Fault::WrongChecksum);
    let (error, requests) = site.failing_fetch().await;
    assert_eq!(error.to_string(), "`prices.csv` arrived damaged: its body does not fit the checksum that came with it");
    assert_eq!(requests, 2);
}

#[tokio::test]
async fn a_checksum_of_parts_is_not_one_of_the_whole() {
    let site = Site::start().await;
    site.server.put_with("data/prices.csv", BODY, &[("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=-2")]);
    assert_eq!(body(site.fetch().await), BODY);
}

#[tokio::test]
async fn a_304_that_tells_of_another_time_is_asked_again_without_a_condition() {
    let site = Site::start().await;
    let Fetched::Changed(entry) = site.fetch().await.unwrap().fetched else { panic!("an object") };
    site.server.requests();
    let other_time = Some("Mon, 06 Jan 2025 10:00:01 GMT");
    let cases = [
        (Fault::NotModified(other_time), Fetched::Changed(entry.clone()), vec![true, false]),
        (Fault::NotModified(Some(LAST_MODIFIED)), Fetched::Unchanged, vec![true]),
        // SeaweedFS says no time, and RFC 9110 lets it.
        (Fault::NotModified(None), Fetched::Unchanged, vec![true]),
        (Fault::NotModified(Some("yesterday")), Fetched::Unchanged, vec![true]),
    ];
    for (fault, expected, conditional) in cases {
        site.server.then(fault.clone());
        let answer = site.record.fetch(&site.key, Some(&entry.version), now() + Duration::from_secs(30)).await.unwrap();
        assert_eq!(answer.fetched, expected, "{fault:?}");
        let conditions: Vec<_> = site.server.requests().iter().map(|asked| asked.header("if-none-match").is_some()).collect();
        assert_eq!(conditions, conditional, "{fault:?}");
    }
}

#[tokio::test]
async fn a_record_that_stalls_is_given_up_at_the_deadline() {
    let site = Site::start().await;
    for fault in [Fault::Stall, Fault::StallBody(0), Fault::StallBody(4)] {
        site.server.then(fault.clone());
        let begun = now();
        let error = site.record.fetch(&site.key, None, begun + Duration::from_millis(300)).await.unwrap_err();
        let took = now() - begun;
        assert!(matches!(error, Error::Deadline { .. }), "{fault:?}: {error:?}");
        assert_eq!(error.to_string(), "`prices.csv` could not be read in the time there was");
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(2), "{fault:?} took {took:?}");
        assert_eq!(body(site.fetch().await), BODY, "the next request works");
    }
}

#[tokio::test]
async fn nothing_is_asked_when_the_deadline_has_passed() {
    let site = Site::start().await;
    site.fetch().await.unwrap();
    site.server.requests();
    for _ in 0..100 {
        let answer = site.record.fetch(&site.key, None, now()).await;
        assert!(matches!(answer, Err(Error::Deadline { .. })), "{answer:?}");
    }
    assert_eq!(site.server.requests().len(), 0);
}

#[tokio::test]
async fn retries_end_at_the_deadline() {
    let site = Site::start().await;
    // S3 may ask for a wait by itself: no wait outlasts the deadline.
    site.server.then(Fault::SlowDown).then(Fault::Stall);
    let begun = now();
    let answer = site.record.fetch(&site.key, None, begun + Duration::from_millis(400)).await;
    assert!(matches!(answer, Err(Error::Deadline { .. })), "{answer:?}");
    assert!(now() - begun < Duration::from_secs(2));
    assert_eq!(site.server.requests().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for endpoint in [endpoint, "nonsense".to_owned()] {
        let location = location(endpoint.clone(), Prefix::default());
        let record = S3Record::with_config(location, Budget::new(8 * SIZE_MAX), sdk_config(KEYS));
        let key = Key::parse("prices.csv", record.prefix()).unwrap();
        let error = record.fetch(&key, None, now() + Duration::from_secs(30)).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{endpoint}: {error:?}");
        assert_eq!(error.to_string(), "the record cannot be reached for `prices.csv`");
    }
}

/// Gives no credentials, for this reason.
#[derive(Debug)]
struct FailingProvider(Reason);

type Reason = fn() -> CredentialsError;

impl ProvideCredentials for FailingProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(provider::Result::Err((self.0)()))
    }
}

#[tokio::test]
async fn missing_credentials_are_for_the_operator_and_failing_ones_may_pass() {
    let site = Site::start().await;
    let cases: [(Reason, &str, &str); 4] = [
        (CredentialsError::not_loaded_no_source, "Forbidden", "AWS_ACCESS_KEY_ID"),
        (|| CredentialsError::invalid_configuration("a profile that names itself"), "Forbidden", "names itself"),
        (|| CredentialsError::provider_error("STS answered 503"), "Unreachable", "STS answered 503"),
        (|| CredentialsError::provider_timed_out(Duration::from_secs(5)), "Unreachable", "timed out"),
    ];
    for (why, expected, told) in cases {
        let config = sdk_config_with(SharedCredentialsProvider::new(FailingProvider(why)));
        let location = location(site.server.endpoint(), site.record.prefix().clone());
        let record = S3Record::with_config(location, Budget::new(8 * SIZE_MAX), config);
        let error = record.fetch(&site.key, None, now() + Duration::from_secs(30)).await.unwrap_err();
        assert_eq!(name(&error), expected, "{error:?}");
        assert!(causes(&error).contains(told), "{} lacks {told}", causes(&error));
    }
    assert_eq!(site.server.requests().len(), 0, "nothing is asked unsigned");
}

#[tokio::test]
async fn an_object_beyond_the_limit_is_told_of_without_its_body() {
    let site = Site::start().await;
    let large = vec![b'x'; SIZE_MAX as usize + 1];
    site.server.put("data/prices.csv", large.clone());
    // The body never comes: whoever waited for it would wait for ever.
    site.server.then(Fault::StallBody(0));
    let Fetched::Large(head) = site.fetch().await.unwrap().fetched else { panic!("it does not fit") };
    assert_eq!((head.facts.size, head.facts.checksum), (SIZE_MAX + 1, Some(Checksum::of(&large))));
    assert_eq!(site.server.requests().len(), 1);
    site.server.then(Fault::Without("content-length"));
    let (error, _) = site.failing_fetch().await;
    assert!(matches!(error, Error::TooLarge { size, .. } if size > SIZE_MAX), "whose length nobody knows is no head: {error:?}");
    site.server.put("data/prices.csv", large[1..].to_vec());
    assert_eq!(body(site.fetch().await).len() as u64, SIZE_MAX, "what just fits is served");
}

/// "A body takes its room before it is read, and no more than it has bytes; without room it is refused, not read."
#[tokio::test]
async fn a_body_counts_until_it_is_gone_and_waits_for_its_room() {
    let site = Site::start().await;
    let free = site.budget.free_bytes();
    for fault in [Fault::With("x-amz-meta-nothing", "at all".to_owned()), Fault::Without("content-length")] {
        site.server.then(fault);
        let fetched = site.fetch().await.unwrap();
        assert!((10..=1024).contains(&(free - site.budget.free_bytes())), "{}", free - site.budget.free_bytes());
        drop(fetched);
        assert_eq!(site.budget.free_bytes(), free);
    }
    let others = site.budget.room(free).await.unwrap();
    let (fetched, ()) = tokio::join!(site.fetch(), async {
        while site.server.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(others);
    });
    assert_eq!(body(fetched), BODY);
    let _others = site.budget.room(free).await.unwrap();
    site.server.then(Fault::StallBody(0));
    let refused = async {
        while site.server.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::pause();
    };
    let (error, ()) = tokio::join!(site.fetch(), refused);
    assert!(matches!(error, Err(Error::Busy { .. })), "{error:?}");
}

#[tokio::test]
async fn a_length_that_was_not_announced_is_counted() {
    let site = Site::start().await;
    site.server.then(Fault::Without("content-length"));
    assert_eq!(body(site.fetch().await), BODY);
    site.server.put("data/prices.csv", "");
    site.server.then(Fault::Without("content-length"));
    assert_eq!(body(site.fetch().await), "");
    assert_eq!(body(site.fetch().await), "", "nor is an announced length of 0 none at all");
}

#[tokio::test]
async fn the_coding_of_a_stored_object_is_kept() {
    let site = Site::start().await;
    let squeezed = b"\x1f\x8b not really".as_slice();
    let headers = [("content-encoding", "gzip"), ("content-type", "application/json")];
    site.server.put_with("data/prices.csv", squeezed, &headers);
    let Fetched::Changed(entry) = site.fetch().await.unwrap().fetched else { panic!("an object") };
    assert_eq!(entry.body, squeezed);
    assert_eq!(entry.facts.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(entry.facts.content_type.as_deref(), Some("application/json"));
}

#[tokio::test]
async fn the_clock_of_the_record_is_read_off_every_answer() {
    let site = Site::start().await;
    let clock = site.fetch().await.unwrap().clock.unwrap();
    assert_eq!(clock.correct(0), 0, "our own clock is the record's: {clock:?}");
    let hour_ahead = Timestamp::from_millis(wall().as_millis() + 3_600_000).into();
    site.server.then(Fault::With("date", httpdate::fmt_http_date(hour_ahead)));
    let clock = site.fetch().await.unwrap().clock.unwrap();
    assert!((clock.ahead_millis_min - 3_600_000).abs() < 5_000, "an hour ahead: {clock:?}");
    for fault in [Fault::Without("date"), Fault::With("date", "noon".to_owned())] {
        site.server.then(fault);
        assert_eq!(site.fetch().await.unwrap().clock, None);
    }
    let Fetched::Changed(entry) = site.fetch().await.unwrap().fetched else { panic!("an object") };
    let unchanged = site.record.fetch(&site.key, Some(&entry.version), now() + Duration::from_secs(30)).await.unwrap();
    assert_eq!(unchanged.fetched, Fetched::Unchanged);
    assert!(unchanged.clock.is_some(), "a 304 has a Date");
    site.server.remove("data/prices.csv");
    assert!(site.fetch().await.unwrap().clock.is_some(), "a 404 has a Date");
}

#[tokio::test]
async fn many_fetches_at_once_share_one_record() {
    let site = Site::start().await;
    for index in 0..50 {
        site.server.put(&format!("data/{index}.csv"), format!("body {index}"));
    }
    let fetches = (0..50).map(|index| {
        let key = Key::parse(&format!("{index}.csv"), site.record.prefix()).unwrap();
        let record = &site.record;
        async move { body(record.fetch(&key, None, now() + Duration::from_secs(30)).await) }
    });
    let bodies = futures_util::future::join_all(fetches).await;
    assert_eq!(bodies, (0..50).map(|index| format!("body {index}")).collect::<Vec<_>>());
    assert_eq!(site.server.requests().len(), 50);
}

fn location(endpoint: String, prefix: Prefix) -> S3Location {
    S3Location { bucket: BUCKET.to_owned(), prefix, endpoint: Some(endpoint) }
}

/// The variant, as a table of cases names it.
fn name(error: &Error) -> &'static str {
    match error {
        Error::Forbidden { .. } => "Forbidden",
        Error::Throttled { .. } => "Throttled",
        Error::Unreachable { .. } => "Unreachable",
        Error::Changed { .. } => "Changed",
        Error::Corrupted { .. } => "Corrupted",
        Error::TooLarge { .. } => "TooLarge",
        Error::Deadline { .. } => "Deadline",
        _ => "another",
    }
}

/// What the log is told: the error and all its causes.
fn causes(error: &Error) -> String {
    let chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[track_caller]
fn body(answer: Result<Answer>) -> String {
    match answer.expect("an answer").fetched {
        Fetched::Changed(entry) => String::from_utf8(entry.body.whole().expect("in memory").to_vec()).expect("text"),
        other => panic!("{other:?}, not an object"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn wall() -> Timestamp {
    std::time::SystemTime::now().into()
}
