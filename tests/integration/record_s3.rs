//! The record in S3 against SeaweedFS, a real server that checks signatures, with a proxy between that counts.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::credential_process::CredentialProcessProvider;
use aws_sdk_s3::config::SharedCredentialsProvider;
use bytes::Bytes;
use cache_api::entry::{Budget, Entry};
use cache_api::error::{Error, Result, Unlisted};
use cache_api::key::{Key, Prefix};
use cache_api::record::{Answer, Fetched, Record, S3Location, S3Record};
use http::{Method, StatusCode};

use crate::record_conformance::{self, AWKWARD_KEYS, budget};
use crate::support::proxy::Proxy;
use crate::support::seaweed::{Bucket, KEYS, OTHER_KEYS, POWERLESS_KEYS, sdk_config, sdk_config_with, seaweed};

/// A bucket, and a proxy before it that counts.
struct Site {
    bucket: Bucket,
    proxy: Proxy,
    prefix: Prefix,
}

impl Site {
    async fn start(prefix: &str) -> Self {
        let bucket = seaweed().await.create_bucket().await;
        let proxy = Proxy::start(seaweed().await.address()).await;
        Self { bucket, proxy, prefix: Prefix::normalise(prefix).unwrap() }
    }

    fn record(&self, config: SdkConfig) -> S3Record {
        S3Record::with_config(self.location(), budget(), config)
    }

    fn location(&self) -> S3Location {
        let bucket = self.bucket.name.clone();
        S3Location { bucket, prefix: self.prefix.clone(), endpoint: Some(self.proxy.endpoint()) }
    }

    fn key(&self, name: &str) -> Key {
        Key::parse(name, &self.prefix).unwrap()
    }
}

#[async_trait]
impl record_conformance::Site for Site {
    async fn put(&self, key: &Key, body: Bytes, content_type: &str) {
        self.bucket.put_as(&format!("{}{key}", self.prefix.as_str()), body, content_type, None).await;
    }

    async fn delete(&self, key: &Key) {
        self.bucket.delete_object(&format!("{}{key}", self.prefix.as_str())).await;
    }
}

#[tokio::test]
async fn a_record_in_a_whole_bucket_keeps_its_promises() {
    keeps_its_promises(&Site::start("").await).await;
}

#[tokio::test]
async fn a_record_below_a_prefix_keeps_its_promises() {
    keeps_its_promises(&Site::start("/data/bond prices//é+1/").await).await;
}

/// All promises but those that SeaweedFS cannot keep: it does not say the time of what is unmodified (RFC 9110 lets it),
/// takes `\` for `/`, and answers `a/` with an empty object where there is `a/b`. The record on the fault server, which
/// does as S3 does, keeps all.
async fn keeps_its_promises(site: &Site) {
    let record = site.record(sdk_config(KEYS));
    record_conformance::an_absent_object_is_missing(&record, site).await;
    record_conformance::an_object_comes_whole_with_true_facts(&record, site).await;
    record_conformance::an_unchanged_object_moves_no_body(&record, site).await;
    record_conformance::a_replaced_object_has_another_version(&record, site).await;
    record_conformance::a_deleted_object_is_missing_to_who_knew_it(&record, site).await;
    record_conformance::an_empty_object_is_an_object(&record, site).await;
    record_conformance::a_large_object_comes_whole(&record, site).await;
    record_conformance::a_body_too_large_to_be_held_is_opened(&record, site).await;
    record_conformance::a_part_is_what_lies_there(&record, site).await;
    record_conformance::what_is_opened_is_one_version(&record, site).await;
    record_conformance::a_deadline_that_has_passed_is_said(&record, site).await;
    awkward_keys_are_objects_of_their_own(&record, site).await;
}

/// Pitfall 19, as far as SeaweedFS tells two names apart.
async fn awkward_keys_are_objects_of_their_own(record: &S3Record, site: &Site) {
    let names = AWKWARD_KEYS.iter().filter(|name| !name.contains('\\'));
    for name in names.clone() {
        site.bucket.put_object(&format!("{}{name}", site.prefix.as_str()), *name).await;
    }
    for name in names {
        let entry = fetched(record.fetch(&site.key(name), None, deadline()).await);
        assert_eq!(entry.body, name.as_bytes(), "{name}");
    }
}

/// SeaweedFS lists as it keeps: directory by directory, so that `a/b` comes before `a.b`, and nothing below a `//`.
#[tokio::test]
async fn a_listing_names_every_object_page_by_page() {
    let site = Site::start("data").await;
    let record = site.record(sdk_config(KEYS));
    let mut names: Vec<_> = AWKWARD_KEYS.into_iter().filter(|name| !name.contains('\\')).collect();
    for name in &names {
        site.bucket.put_object(&format!("data/{name}"), *name).await;
    }
    site.bucket.put_object("elsewhere.csv", "no").await;
    let page = record.list("", None, deadline()).await.unwrap();
    let mut listed: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
    names.sort_unstable();
    listed.sort_unstable();
    assert_eq!((listed, page.skipped, page.next), (names, 0, None));
    assert!(page.objects.iter().all(|object| object.size == object.key.as_str().len() as u64 && object.etag.is_some()));
    record_conformance::a_listing_goes_on_page_by_page(&record, &site).await;
    let powerless = site.record(sdk_config(POWERLESS_KEYS)).list("", None, deadline()).await;
    assert!(matches!(powerless, Err(Error::NotListed { why: Unlisted::Forbidden, .. })), "{powerless:?}");
}

/// "A cold read costs exactly one request, a GET without a HEAD; a confirmation one that moves no body."
#[tokio::test]
async fn a_cold_read_and_a_confirmation_cost_one_request_each() {
    let site = Site::start("data").await;
    site.bucket.put_object("data/prices.csv", "ibm,231.7\n").await;
    let (record, key) = (site.record(sdk_config(KEYS)), site.key("prices.csv"));

    let entry = fetched(record.fetch(&key, None, deadline()).await);
    assert_eq!(entry.body, "ibm,231.7\n");
    let seen = site.proxy.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((&seen[0].asked.method, seen[0].status, seen[0].body_bytes), (&Method::GET, StatusCode::OK, 10));
    assert_eq!(seen[0].asked.header("if-none-match"), None);

    let confirmed = record.fetch(&key, Some(&entry.version), deadline()).await.unwrap();
    assert_eq!(confirmed.fetched, Fetched::Unchanged);
    let seen = site.proxy.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((&seen[0].asked.method, seen[0].status, seen[0].body_bytes), (&Method::GET, StatusCode::NOT_MODIFIED, 0));
    assert_eq!(seen[0].asked.header("if-none-match"), Some(&*entry.version.etag));

    site.bucket.put_object("data/prices.csv", "ibm,231.8\n").await;
    let changed = fetched(record.fetch(&key, Some(&entry.version), deadline()).await);
    assert_eq!(changed.body, "ibm,231.8\n");
    assert_eq!(site.proxy.take().len(), 1);

    site.bucket.delete_object("data/prices.csv").await;
    let missing = record.fetch(&key, Some(&changed.version), deadline()).await.unwrap();
    assert_eq!(missing.fetched, Fetched::Missing);
    let seen = site.proxy.take();
    assert_eq!((seen.len(), seen[0].status), (1, StatusCode::NOT_FOUND));
}

/// Pitfall 19. "The key a client names is the key S3 is asked for, byte for byte", as it stood in the request line.
#[tokio::test]
async fn s3_is_asked_for_the_key_byte_for_byte() {
    // SeaweedFS keeps no objects under names like these, as S3 does; it is asked for them all the same.
    let more = ["a//b", "a///", "a/", "..a", "a/..b/c", ".../x", "a/.b", " a ", "a b/", "%", "%00", "%2e%2e/a", "~", "a\u{fffd}"];
    for prefix in ["", "data+1/ä b"] {
        let site = Site::start(prefix).await;
        let record = site.record(sdk_config(KEYS));
        for name in AWKWARD_KEYS.iter().chain(&more) {
            let answer = record.fetch(&site.key(name), None, deadline()).await;
            let seen = site.proxy.take();
            assert_eq!(seen.len(), 1, "{name:?}: {seen:?}");
            let asked_for = seen[0].asked.bucket_and_key();
            assert_eq!(asked_for, (site.bucket.name.clone(), format!("{}{name}", site.prefix.as_str())));
            assert!(!matches!(answer, Err(Error::Forbidden { .. })), "{name:?} is signed as it is sent: {answer:?}");
        }
    }
}

#[tokio::test]
async fn the_coding_of_an_object_is_kept_and_its_bytes_with_it() {
    let site = Site::start("").await;
    site.bucket.put_as("prices.json.gz", "\u{1f}not really gzip", "application/json", Some("gzip")).await;
    let entry = fetched(site.record(sdk_config(KEYS)).fetch(&site.key("prices.json.gz"), None, deadline()).await);
    assert_eq!(entry.body, "\u{1f}not really gzip");
    assert_eq!(entry.facts.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(entry.facts.content_type.as_deref(), Some("application/json"));
}

#[tokio::test]
async fn who_may_not_read_is_told_so_and_nothing_else() {
    let site = Site::start("data").await;
    site.bucket.put_object("data/prices.csv", "ibm,231.7\n").await;
    for keys in [(KEYS.0, "not the secret"), ("AKIANOBODY", "nobody's secret"), POWERLESS_KEYS] {
        let record = site.record(sdk_config(keys));
        let error = record.fetch(&site.key("prices.csv"), None, deadline()).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{keys:?}: {error:?}");
        assert_eq!(error.to_string(), "the record does not let this service read `prices.csv`");
        assert!(!format!("{error:?}").contains(keys.1), "{error:?} would take a secret to the log");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_holds_no_absence() {
    let site = Site::start("").await;
    let location = S3Location { bucket: "no-such-bucket".to_owned(), ..site.location() };
    let record = S3Record::with_config(location, budget(), sdk_config(KEYS));
    let error = record.fetch(&site.key("prices.csv"), None, deadline()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the record cannot be reached for `prices.csv`");
}

/// "Past 16 MiB a body costs a request for every 8 MiB: each for the same version, and as many bytes as it has."
#[tokio::test]
async fn a_long_body_comes_whole_by_ranges_of_one_version() {
    let site = Site::start("data").await;
    let size = (30 << 20) + 5;
    let body = record_conformance::body_of(size);
    site.bucket.put_object("data/long.bin", body.clone()).await;
    let record = S3Record::with_config(site.location(), Budget::new(8 * size), sdk_config(KEYS));
    let key = site.key("long.bin");
    let entry = fetched(record.fetch(&key, None, deadline()).await);
    assert!(entry.body == body, "other bytes");
    let seen = site.proxy.take();
    let mut ranges: Vec<_> = seen.iter().map(|seen| seen.asked.header("range").unwrap_or_default()).collect();
    ranges.sort_unstable();
    assert_eq!(ranges, ["", "bytes=16777216-25165823", "bytes=25165824-31457284"]);
    for seen in seen.iter().filter(|seen| seen.status == StatusCode::PARTIAL_CONTENT) {
        assert_eq!(seen.asked.header("if-match"), Some(&*entry.version.etag), "{seen:?}");
    }
    let opened = record.open(&key, &entry.version, 3..size - 3, deadline()).await.unwrap();
    let read = record_conformance::read(opened).await;
    assert!(read.is_ok_and(|read| read == body[3..body.len() - 3]), "other bytes");
    assert_eq!(site.proxy.take().len(), 4, "30 MiB by 8");
}

/// Pitfall 29. "Credentials that expire inside a long-lived client are replaced."
///
/// By the SDK's own provider for an external program, as an AWS profile names one with `credential_process`.
#[tokio::test]
async fn credentials_that_expire_inside_a_long_lived_client_are_replaced() {
    let site = Site::start("").await;
    site.bucket.put_object("prices.csv", "ibm,231.7\n").await;
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let credentials = |(access_key, secret), expiration: &str| {
        format!(r#"{{"Version": 1, "AccessKeyId": "{access_key}", "SecretAccessKey": "{secret}"{expiration}}}"#)
    };
    // The first credentials are good for the request they are fetched for, and expired by the next.
    let first = credentials(KEYS, r#", "Expiration": "2025-01-01T00:00:00Z""#);
    let then = credentials(OTHER_KEYS, "");
    let runs_path = runs.display();
    let command = format!("if [ -e '{runs_path}' ]; then echo '{then}'; else echo '{first}'; fi; echo run >>'{runs_path}'");
    let provider = SharedCredentialsProvider::new(CredentialProcessProvider::new(command));
    let record = site.record(sdk_config_with(provider));
    for _ in 0..3 {
        assert_eq!(fetched(record.fetch(&site.key("prices.csv"), None, deadline()).await).body, "ibm,231.7\n");
    }
    let signers: Vec<_> = site.proxy.take().iter().map(|seen| seen.asked.access_key().to_owned()).collect();
    assert_eq!(signers, [KEYS.0, OTHER_KEYS.0, OTHER_KEYS.0]);
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "run\nrun\n", "what has not expired is not asked for again");
}

#[tokio::test]
async fn a_region_is_needed_for_aws_and_not_for_an_endpoint() {
    let site = Site::start("").await;
    site.bucket.put_object("prices.csv", "ibm,231.7\n").await;
    let no_region = || sdk_config(KEYS).into_builder().region(None).build();
    let record = site.record(no_region());
    assert_eq!(fetched(record.fetch(&site.key("prices.csv"), None, deadline()).await).body, "ibm,231.7\n");

    let location = S3Location { endpoint: None, ..site.location() };
    let record = S3Record::with_config(location, budget(), no_region());
    let error = record.fetch(&site.key("prices.csv"), None, deadline()).await.unwrap_err();
    let Error::Unreachable { cause, .. } = error else { panic!("{error:?}") };
    assert!(cause.to_string().contains("AWS_REGION"), "{cause}");
}

#[test]
fn records_that_differ_in_anything_have_ids_that_differ() {
    let location = |endpoint: Option<&str>, bucket: &str, prefix| S3Location {
        bucket: bucket.to_owned(),
        prefix: Prefix::normalise(prefix).unwrap(),
        endpoint: endpoint.map(str::to_owned),
    };
    let locations = [
        location(None, "prices", ""),
        location(None, "prices", "eu"),
        location(None, "prices-eu", ""),
        location(Some("http://localhost:8333"), "prices", ""),
    ];
    let id = |location: &S3Location| S3Record::new(location.clone(), budget()).id().clone();
    for (index, one) in locations.iter().enumerate() {
        assert_eq!(id(one), id(one));
        for other in &locations[..index] {
            assert_ne!(id(one), id(other), "{one:?} {other:?}");
        }
    }
}

#[tokio::test]
async fn a_record_does_not_print_its_secrets() {
    let site = Site::start("").await;
    let record = site.record(sdk_config(KEYS));
    record.fetch(&site.key("prices.csv"), None, deadline()).await.unwrap();
    assert!(!format!("{record:?}").contains(KEYS.1), "{record:?}");
}

#[track_caller]
fn fetched(answer: Result<Answer>) -> Entry {
    match answer.expect("an answer").fetched {
        Fetched::Changed(entry) => entry,
        other => panic!("{other:?}, not an object"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}
