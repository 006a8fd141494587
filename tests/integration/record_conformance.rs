//! What every record promises, whatever it stands on; each implementation calls [`a_record_keeps_its_promises`].

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cache_api::entry::{Budget, Checksum, Chunks, Entry, Version};
use cache_api::error::{Error, Result, Unlisted};
use cache_api::freshness::Timestamp;
use cache_api::key::Key;
use cache_api::record::{Fetched, Head, Mark, Object, PAGE_OBJECTS_MAX, Record};
use futures_util::StreamExt;

/// How a test changes what a record holds, beside the record: the record itself never writes.
#[async_trait]
pub trait Site: Send + Sync {
    /// Makes `body` the object under `key`, in one step and in place of what was there; `content_type` is what its
    /// writer calls it, for those sites that take it down.
    async fn put(&self, key: &Key, body: Bytes, content_type: &str);

    /// Takes the object under `key` away; nothing happens where there is none.
    async fn delete(&self, key: &Key);
}

/// Names that clients, URL libraries and file systems like to change. Each is an object of its own.
pub const AWKWARD_KEYS: [&str; 22] = [
    "a b.csv",
    "a+b.csv",
    "a%20b.csv",
    "a%2Bb.csv",
    "100%.csv",
    "a%2Fb.csv",
    "a%252Fb.csv",
    "a/b.csv",
    "a\\b.csv",
    "year=2024/month=01/part-0.csv",
    "user@host.csv",
    "it's.csv",
    "say \"hi\".csv",
    "what?.csv",
    "what.csv",
    "part#1.csv",
    "a&b;c,d:e.csv",
    "<x>|*$`~!(){}[]^.csv",
    "prix-é.csv",
    "prix-e\u{301}.csv",
    "価格/📈.csv",
    "a.b..c...csv",
];

/// The longest body that a record of the suite holds whole.
pub const WHOLE_MAX: u64 = 8 << 20;

/// A budget under which that is so.
pub fn budget() -> Arc<Budget> {
    Budget::new(8 * WHOLE_MAX)
}

/// Runs every promise against `record`, which has [`budget`]. The keys it uses all begin with `conformance/`.
pub async fn a_record_keeps_its_promises(record: &dyn Record, site: &dyn Site) {
    an_absent_object_is_missing(record, site).await;
    an_object_comes_whole_with_true_facts(record, site).await;
    an_unchanged_object_moves_no_body(record, site).await;
    a_replaced_object_has_another_version(record, site).await;
    a_deleted_object_is_missing_to_who_knew_it(record, site).await;
    a_version_is_known_by_its_time_as_well(record, site).await;
    an_empty_object_is_an_object(record, site).await;
    a_large_object_comes_whole(record, site).await;
    a_body_too_large_to_be_held_is_opened(record, site).await;
    a_part_is_what_lies_there(record, site).await;
    what_is_opened_is_one_version(record, site).await;
    every_awkward_key_is_an_object_of_its_own(record, site).await;
    a_neighbour_is_never_answered(record, site).await;
    a_deadline_that_has_passed_is_said(record, site).await;
    a_listing_has_what_a_fetch_would_give(record, site).await;
    every_awkward_key_is_listed_as_it_is(record, site).await;
    a_listing_goes_on_page_by_page(record, site).await;
    a_listing_in_no_time_is_refused(record).await;
}

/// "What was never there, or is there no more, is missing; that is an answer and no error."
pub async fn an_absent_object_is_missing(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "absent.csv");
    assert_eq!(fetch(record, &key, None).await, Fetched::Missing, "never there");
    let nobody_has = Version { etag: "\"nobody has this\"".into(), last_modified: Timestamp::from_millis(1_000) };
    assert_eq!(fetch(record, &key, Some(&nobody_has)).await, Fetched::Missing, "never there, asked conditionally");
    site.put(&key, "ibm,231.7\n".into(), "text/csv").await;
    fetch_changed(record, &key, None).await;
    site.delete(&key).await;
    assert_eq!(fetch(record, &key, None).await, Fetched::Missing, "there no more");
    assert_eq!(fetch(record, &self::key(record, "no/such/directory.csv"), None).await, Fetched::Missing, "below nothing");
}

/// "Body, size, checksum, media type and version are those of one object."
pub async fn an_object_comes_whole_with_true_facts(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "whole.json");
    let body = Bytes::from_static(b"{\"ibm\": 231.7}");
    site.put(&key, body.clone(), "application/json").await;
    let entry = fetch_changed(record, &key, None).await;
    assert_true(&entry, &body);
    assert_eq!(entry.facts.content_type.as_deref(), Some("application/json"));
    assert_eq!(entry.facts.content_encoding, None);
    assert_eq!(fetch_changed(record, &key, None).await, entry, "a second look gives the same");
    site.delete(&key).await;
}

/// "Who knows the version is told so, and gets no body; who knows another gets this one."
pub async fn an_unchanged_object_moves_no_body(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "unchanged.csv");
    site.put(&key, "ibm,231.7\n".into(), "text/csv").await;
    let entry = fetch_changed(record, &key, None).await;
    assert_eq!(fetch(record, &key, Some(&entry.version)).await, Fetched::Unchanged);
    assert_eq!(fetch(record, &key, Some(&entry.version)).await, Fetched::Unchanged, "and again");
    let other = Version { etag: "\"another\"".into(), ..entry.version.clone() };
    assert_eq!(fetch_changed(record, &key, Some(&other)).await, entry);
    site.delete(&key).await;
}

/// "Other bytes have another version, also at the same size and within the same second."
pub async fn a_replaced_object_has_another_version(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "replaced.csv");
    let mut seen: Vec<Version> = Vec::new();
    for body in ["ibm,231.7\n", "ibm,231.8\n", "ibm,231.9\n"] {
        site.put(&key, body.into(), "text/csv").await;
        let entry = fetch_changed(record, &key, seen.last()).await;
        assert_true(&entry, body.as_bytes());
        assert!(seen.iter().all(|version| version.etag != entry.version.etag), "{seen:?} and again {:?}", entry.version);
        if let Some(last) = seen.last() {
            assert!(last.last_modified <= entry.version.last_modified, "time runs forward");
        }
        seen.push(entry.version);
    }
    site.delete(&key).await;
}

/// "Knowing a version does not bring back an object that is gone."
pub async fn a_deleted_object_is_missing_to_who_knew_it(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "deleted.csv");
    site.put(&key, "ibm,231.7\n".into(), "text/csv").await;
    let known = fetch_changed(record, &key, None).await.version;
    site.delete(&key).await;
    assert_eq!(fetch(record, &key, Some(&known)).await, Fetched::Missing);
    site.put(&key, "ibm,231.8\n".into(), "text/csv").await;
    assert_true(&fetch_changed(record, &key, Some(&known)).await, b"ibm,231.8\n");
    site.delete(&key).await;
}

/// "A version is the entity tag and the time; with another time it is another version."
pub async fn a_version_is_known_by_its_time_as_well(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "time.csv");
    site.put(&key, "ibm,231.7\n".into(), "text/csv").await;
    let entry = fetch_changed(record, &key, None).await;
    // A year earlier: S3 compares the entity tag alone where it gets both, so that its 304 shows the other time.
    let earlier = entry.version.last_modified.as_millis() - 365 * 24 * 60 * 60 * 1000;
    let known = Version { last_modified: Timestamp::from_millis(earlier), ..entry.version.clone() };
    assert_eq!(fetch_changed(record, &key, Some(&known)).await, entry);
    site.delete(&key).await;
}

/// "No bytes are a body too."
pub async fn an_empty_object_is_an_object(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "empty.csv");
    site.put(&key, Bytes::new(), "text/csv").await;
    let entry = fetch_changed(record, &key, None).await;
    assert_true(&entry, b"");
    assert_eq!(fetch(record, &key, Some(&entry.version)).await, Fetched::Unchanged);
    site.delete(&key).await;
}

/// "5 MB come as they are."
pub async fn a_large_object_comes_whole(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "large.parquet");
    let body = body_of(5_000_000);
    site.put(&key, body.clone(), "application/vnd.apache.parquet").await;
    let entry = fetch_changed(record, &key, None).await;
    assert_true(&entry, &body);
    assert_eq!(entry.facts.content_type.as_deref(), Some("application/vnd.apache.parquet"));
    site.delete(&key).await;
}

/// "What is larger than may be held is told of without its bytes, and opened; the longest that may be is whole."
pub async fn a_body_too_large_to_be_held_is_opened(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "opened.parquet");
    let body = body_of(WHOLE_MAX + 1);
    site.put(&key, body.clone(), "application/vnd.apache.parquet").await;
    let head = fetch_large(record, &key, None).await;
    assert_eq!(head.facts.size, WHOLE_MAX + 1);
    assert_eq!(head.facts.content_type.as_deref(), Some("application/vnd.apache.parquet"));
    assert!(head.facts.checksum.is_none_or(|checksum| checksum == Checksum::of(&body)), "{head:?}");
    assert_eq!(fetch(record, &key, Some(&head.version)).await, Fetched::Unchanged);
    let other = Version { etag: "\"another\"".into(), ..head.version.clone() };
    // A directory calls the same bytes something else once they are quiet.
    let again = fetch_large(record, &key, Some(&other)).await;
    assert_eq!(again.facts, head.facts);
    assert_eq!(fetch(record, &key, Some(&again.version)).await, Fetched::Unchanged);
    let read = open(record, &key, &head.version, 0..head.facts.size).await.expect("the whole");
    assert!(read == body, "another body of {} bytes", read.len());
    site.put(&key, body.slice(1..), "application/vnd.apache.parquet").await;
    assert_true(&fetch_changed(record, &key, Some(&head.version)).await, &body[1..]);
    let late = record.open(&key, &head.version, 0..1, now()).await.map(|_| ());
    assert!(matches!(late, Err(Error::Deadline { .. })), "{late:?}");
    site.delete(&key).await;
}

/// "A part is the bytes that lie there, of a body of any length."
pub async fn a_part_is_what_lies_there(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "part.bin");
    let long = WHOLE_MAX + 1;
    for size in [10, long] {
        let body = body_of(size);
        site.put(&key, body.clone(), "application/octet-stream").await;
        let version = match fetch(record, &key, None).await {
            Fetched::Changed(entry) => entry.version,
            Fetched::Large(head) => head.version,
            other => panic!("{other:?}"),
        };
        for range in [0..0, 0..1, 1..size - 1, size / 2 - 1..size / 2 + 2, size - 1..size, size..size] {
            let read = open(record, &key, &version, range.clone()).await.unwrap_or_else(|error| panic!("{range:?}: {error}"));
            assert!(read == body[range.start as usize..range.end as usize], "{range:?}: other bytes, {}", read.len());
        }
    }
    site.delete(&key).await;
}

/// "What is opened is of the version that was asked for, to the last byte that is given; another is an error."
pub async fn what_is_opened_is_one_version(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "replaced-amid.bin");
    // More than is read ahead.
    let (old, new) = (body_of(3 * WHOLE_MAX), Bytes::from(vec![255; 3 * WHOLE_MAX as usize]));
    let whole = 0..3 * WHOLE_MAX;
    site.put(&key, old.clone(), "application/octet-stream").await;
    let version = fetch_large(record, &key, None).await.version;
    let mut opened = record.open(&key, &version, whole.clone(), now() + Duration::from_secs(60)).await.expect("it is there");
    let first = opened.next().await.expect("bytes").expect("bytes");
    site.put(&key, new.clone(), "application/octet-stream").await;
    let mut bytes = BytesMut::from(&first[..]);
    let ended = loop {
        match opened.next().await {
            Some(Ok(more)) => bytes.extend_from_slice(&more),
            Some(Err(error)) => break error,
            None => panic!("it ends well, though it was replaced: {} bytes", bytes.len()),
        }
    };
    assert!(old.starts_with(&bytes), "other bytes among {}", bytes.len());
    assert!(matches!(&ended, Error::Changed { key: named } if *named == key), "{ended:?}");
    assert!(opened.next().await.is_none(), "nothing comes after an error");
    let refused = open(record, &key, &version, 0..1).await;
    assert!(matches!(refused, Err(Error::Changed { .. })), "{refused:?}");
    let version = fetch_large(record, &key, Some(&version)).await.version;
    assert!(open(record, &key, &version, whole).await.is_ok_and(|read| read == new), "the new one is there");
    site.delete(&key).await;
    let gone = open(record, &key, &version, 0..1).await;
    assert!(matches!(gone, Err(Error::Changed { .. })), "{gone:?}");
}

/// Pitfall 19. "The key a client names is the key the record is asked for, byte for byte."
pub async fn every_awkward_key_is_an_object_of_its_own(record: &dyn Record, site: &dyn Site) {
    for name in AWKWARD_KEYS {
        site.put(&key(record, name), name.into(), "text/csv").await;
    }
    for name in AWKWARD_KEYS {
        let entry = fetch_changed(record, &key(record, name), None).await;
        assert_eq!(entry.body, name.as_bytes(), "{name}");
    }
    for name in AWKWARD_KEYS {
        site.delete(&key(record, name)).await;
        assert_eq!(fetch(record, &key(record, name), None).await, Fetched::Missing, "{name}");
    }
}

/// Pitfall 19. "A name that is nearly a key's does not answer that key's bytes."
pub async fn a_neighbour_is_never_answered(record: &dyn Record, site: &dyn Site) {
    let object = key(record, "neighbour/a b.csv");
    site.put(&object, "ibm,231.7\n".into(), "text/csv").await;
    for name in [
        "neighbour",
        "neighbour/",
        "neighbour//a b.csv",
        "neighbour/a b.csv/",
        "neighbour/a b.csv/c",
        "neighbour/a+b.csv",
        "neighbour/a%20b.csv",
        "neighbour%2Fa b.csv",
        "neighbour\\a b.csv",
        "neighbour/A B.csv",
        "neighbour/a b.csv ",
        "neighbour/a b",
    ] {
        assert_eq!(fetch(record, &key(record, name), None).await, Fetched::Missing, "{name:?}");
    }
    fetch_changed(record, &object, None).await;
    site.delete(&object).await;
}

/// "No answer after the deadline."
pub async fn a_deadline_that_has_passed_is_said(record: &dyn Record, site: &dyn Site) {
    let key = key(record, "deadline.csv");
    site.put(&key, "ibm,231.7\n".into(), "text/csv").await;
    let answer = record.fetch(&key, None, now()).await;
    assert!(matches!(&answer, Err(Error::Deadline { key: named }) if *named == key), "{answer:?}");
    site.delete(&key).await;
}

/// "A listing says of an object what a fetch of it would, and has nothing that is not below what was asked for."
pub async fn a_listing_has_what_a_fetch_would_give(record: &dyn Record, site: &dyn Site) {
    assert_eq!(list(record, "listed/").await, [], "nothing is there");
    let keys = ["listed/a.csv", "listed/a/b.csv", "listed/a0.csv", "listed/b.csv"].map(|name| key(record, name));
    for other in ["liste", "listed.csv", "listee/a.csv"] {
        site.put(&key(record, other), "other\n".into(), "text/csv").await;
    }
    for key in &keys {
        site.put(key, key.to_string().into(), "text/csv").await;
    }
    let listed = list(record, "listed/").await;
    assert_eq!(listed.iter().map(|object| &object.key).collect::<Vec<_>>(), keys.iter().collect::<Vec<_>>(), "in order");
    for object in &listed {
        let entry = fetch_changed(record, &object.key, None).await;
        assert_eq!((object.size, object.last_modified), (entry.facts.size, entry.version.last_modified), "{object:?}");
        assert!(object.etag.as_ref().is_none_or(|etag| *etag == entry.version.etag), "{object:?} and {entry:?}");
    }
    let names = async |below: &str| list(record, below).await.into_iter().map(|object| object.key).collect::<Vec<_>>();
    assert_eq!(names("listed/a").await, keys[..3], "below a part of a name");
    assert_eq!(names("listed/a/").await, keys[1..2]);
    assert_eq!(names("listed/a.csv").await, keys[..1], "the name itself");
    assert_eq!(names("listed/b.csv/").await, [], "below an object");
    site.delete(&keys[1]).await;
    assert_eq!(names("listed/a").await, [keys[0].clone(), keys[2].clone()], "deleted");
}

/// Pitfall 19. "The names of a listing can be asked for as they are."
pub async fn every_awkward_key_is_listed_as_it_is(record: &dyn Record, site: &dyn Site) {
    let mut names = AWKWARD_KEYS.map(|name| format!("awkward/{name}"));
    for name in &names {
        site.put(&key(record, name), name.clone().into(), "text/csv").await;
    }
    names.sort();
    let listed: Vec<_> = list(record, "awkward/").await.into_iter().map(|object| object.key).collect();
    assert_eq!(listed, names.map(|name| key(record, &name)));
    for key in listed {
        fetch_changed(record, &key, None).await;
        let own = record.list(key.as_str(), None, now() + Duration::from_secs(60)).await.expect("a listing");
        assert_eq!(own.objects.first().map(|object| &object.key), Some(&key), "asked for by its name");
        site.delete(&key).await;
    }
}

/// "What there is beyond a page comes on the next, each object once."
pub async fn a_listing_goes_on_page_by_page(record: &dyn Record, site: &dyn Site) {
    let below = "conformance/pages/";
    let keys: Vec<_> =
        (0..PAGE_OBJECTS_MAX + 2).map(|index| key(record, &format!("pages/{}/{index:05}+ .csv", index / 700))).collect();
    for key in &keys {
        site.put(key, "1\n".into(), "text/csv").await;
    }
    let deadline = now() + Duration::from_secs(60);
    let first = record.list(below, None, deadline).await.expect("a page");
    assert_eq!((first.objects.len(), first.skipped), (PAGE_OBJECTS_MAX, 0));
    let mark = first.next.clone().expect("there is more");
    assert_eq!(mark, Mark::after(&keys[PAGE_OBJECTS_MAX - 1]));
    let second = record.list(below, Some(&mark), deadline).await.expect("a page");
    let both = first.objects.iter().chain(&second.objects).map(|object| object.key.clone());
    assert_eq!((both.collect::<Vec<_>>(), second.next), (keys.clone(), None));
    // After a name that is no object's: the keys of the second directory begin after it.
    let after = record.list(below, Some(&Mark::after(&key(record, "pages/0/x"))), deadline).await.expect("a page");
    assert_eq!(after.objects.first().map(|object| &object.key), Some(&keys[700]));
    for key in &keys {
        site.delete(key).await;
    }
}

/// "No listing after the deadline."
pub async fn a_listing_in_no_time_is_refused(record: &dyn Record) {
    let answer = record.list("", None, now()).await;
    assert!(matches!(&answer, Err(Error::NotListed { why: Unlisted::Deadline, .. })), "{answer:?}");
}

/// The key `conformance/<name>` of `record`.
fn key(record: &dyn Record, name: &str) -> Key {
    Key::parse(&format!("conformance/{name}"), record.prefix()).expect("a key")
}

/// What the record answers within a minute.
async fn fetch(record: &dyn Record, key: &Key, known: Option<&Version>) -> Fetched {
    let answer = record.fetch(key, known, now() + Duration::from_secs(60)).await;
    answer.unwrap_or_else(|error| panic!("{key}: {error}: {error:?}")).fetched
}

/// What the record lists below `conformance/<below>`, all of it on one page.
async fn list(record: &dyn Record, below: &str) -> Vec<Object> {
    let listed = record.list(&format!("conformance/{below}"), None, now() + Duration::from_secs(60)).await;
    let page = listed.unwrap_or_else(|error| panic!("{below}: {error}: {error:?}"));
    assert_eq!((page.skipped, page.next), (0, None));
    page.objects
}

/// The entry that the record answers with.
async fn fetch_changed(record: &dyn Record, key: &Key, known: Option<&Version>) -> Entry {
    match fetch(record, key, known).await {
        Fetched::Changed(entry) => entry,
        other => panic!("{key}: {other:?}, not an entry"),
    }
}

/// What the record answers of a body that it does not hold.
async fn fetch_large(record: &dyn Record, key: &Key, known: Option<&Version>) -> Head {
    match fetch(record, key, known).await {
        Fetched::Large(head) => head,
        other => panic!("{key}: {other:?}, not a head"),
    }
}

/// The bytes that come of a part.
async fn open(record: &dyn Record, key: &Key, version: &Version, range: Range<u64>) -> Result<Bytes> {
    read(record.open(key, version, range, now() + Duration::from_secs(60)).await?).await
}

/// All bytes of a stream, if it ends well.
pub async fn read(mut chunks: Chunks) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes.freeze())
}

/// A body of a period that is no power of two, so that a part put in the wrong place shows.
pub fn body_of(size: u64) -> Bytes {
    let period: Vec<u8> = (0..251).collect();
    let mut body = period.repeat(size as usize / period.len() + 1);
    body.truncate(size as usize);
    body.into()
}

#[track_caller]
fn assert_true(entry: &Entry, body: &[u8]) {
    // Not assert_eq: a body of 5 MB tells nobody anything.
    assert!(entry.body == body, "another body of {} bytes, not {}", entry.facts.size, body.len());
    assert_eq!(entry.facts.size, body.len() as u64);
    assert_eq!(entry.facts.checksum, Some(Checksum::of(body)));
    let etag = &entry.version.etag;
    assert!(etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'), "{etag} is no strong entity tag");
    assert_eq!(entry.version.last_modified.as_millis() % 1000, 0, "a time that a header can say");
    assert!(entry.version.last_modified > Timestamp::from_millis(0), "a time");
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn now() -> Instant {
    Instant::now()
}
