//! Bodies that come in parts, against a server that fails on demand: what a record in S3 makes of parts that break, lie or wait.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_api::entry::{Budget, Checksum, Chunks, Entry, Version};
use cache_api::error::{Error, Result};
use cache_api::key::{Key, Prefix};
use cache_api::record::{Fetched, Record, S3Location, S3Record};
use futures_util::StreamExt;
use tokio::sync::Semaphore;

use crate::record_conformance::{body_of, read};
use crate::support::fault_server::{BUCKET, Fault, FaultServer};
use crate::support::proxy::Asked;
use crate::support::seaweed::{KEYS, sdk_config};

const MIB: u64 = 1 << 20;

/// What comes with the first answer, and the length of a part after it.
const FIRST: u64 = 16 * MIB;
const PART: u64 = 8 * MIB;

/// Three parts after the first answer, the last of three bytes.
const LONG: u64 = FIRST + 2 * PART + 3;

/// A part of what is opened under a budget that holds 1 MiB whole.
const SMALL_PART: u64 = MIB / 4;

/// A fault server, and a record that holds so much whole.
struct Site {
    server: FaultServer,
    record: S3Record,
    key: Key,
    budget: Arc<Budget>,
}

impl Site {
    /// With an object of `size` bytes.
    async fn with(size: u64, whole_max: u64) -> Self {
        let server = FaultServer::start().await;
        server.put("long.bin", body_of(size));
        let location = S3Location { bucket: BUCKET.to_owned(), prefix: Prefix::default(), endpoint: Some(server.endpoint()) };
        let budget = Budget::new(8 * whole_max);
        let record = S3Record::with_config(location, Arc::clone(&budget), sdk_config(KEYS));
        Self { server, record, key: Key::parse("long.bin", &Prefix::default()).unwrap(), budget }
    }

    async fn fetch(&self) -> Result<Fetched> {
        self.record.fetch(&self.key, None, deadline()).await.map(|answer| answer.fetched)
    }

    async fn entry(&self) -> Entry {
        match self.fetch().await {
            Ok(Fetched::Changed(entry)) => entry,
            Ok(_) => panic!("no body"),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn refusal(&self) -> Error {
        // A body of 32 MiB tells nobody anything.
        self.fetch().await.map(|_| "a body").expect_err("no body")
    }

    /// The version of what is not held whole.
    async fn version(&self) -> Version {
        let version = match self.fetch().await {
            Ok(Fetched::Large(head)) => head.version,
            other => panic!("{other:?}"),
        };
        self.server.requests();
        version
    }

    async fn open(&self, version: &Version, range: Range<u64>) -> Result<Chunks> {
        self.record.open(&self.key, version, range, deadline()).await
    }
}

/// "A long body costs a request, and one for every 8 MiB after the first 16: each for the same version."
#[tokio::test]
async fn a_long_body_costs_a_request_and_one_for_every_part_after_the_first() {
    for size in [FIRST, FIRST + 1, FIRST + PART, FIRST + PART + 1, LONG] {
        let site = Site::with(size, LONG).await;
        let entry = site.entry().await;
        assert!(entry.body == body_of(size), "{size}: other bytes");
        let asked = site.server.requests();
        assert_eq!(asked.len() as u64, 1 + (size - FIRST).div_ceil(PART), "{size}");
        assert_eq!(asked[0].header("range"), None);
        for asked in &asked[1..] {
            assert_eq!(asked.header("if-match"), Some(&*entry.version.etag));
            assert_eq!(asked.header("x-amz-checksum-mode"), None, "a checksum of the whole is none of a part");
        }
        assert!((size..size + 1024).contains(&(8 * LONG - site.budget.free_bytes())), "{}", site.budget.free_bytes());
    }
}

#[tokio::test]
async fn a_part_that_breaks_is_asked_for_again_from_where_it_broke_off() {
    let site = Site::with(LONG, LONG).await;
    let cut = 1_000_003;
    site.server.then_at(FIRST + PART, Fault::CutBody(cut));
    assert!(site.entry().await.body == body_of(LONG), "other bytes");
    let mut starts = starts(&site.server.requests());
    starts.retain(|start| ![FIRST, FIRST + PART, FIRST + 2 * PART].contains(start));
    assert!(matches!(starts[..], [start] if (1..=cut as u64).contains(&(start - FIRST - PART))), "{starts:?}");
    // So is what should have come with the first answer.
    site.server.then(Fault::CutBody(cut));
    assert!(site.entry().await.body == body_of(LONG), "other bytes");
    let asked = site.server.requests();
    let again = asked.iter().filter_map(Asked::range).find(|(first, _)| (*first as u64) < FIRST).expect("asked for again");
    assert!(again.0 <= cut && again.1 as u64 == FIRST - 1, "{again:?}");
    assert_eq!(asked.len(), 5);
}

#[tokio::test]
async fn a_part_that_breaks_again_and_again_is_given_up() {
    let site = Site::with(LONG, LONG).await;
    for _ in 0..3 {
        site.server.then_at(FIRST + PART, Fault::CutBody(0));
    }
    let error = site.refusal().await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let starts = starts(&site.server.requests());
    assert_eq!(starts.iter().filter(|&&start| start == FIRST + PART).count(), 3);
    assert!(site.entry().await.body == body_of(LONG), "the next request works");
}

#[tokio::test]
async fn an_object_that_is_replaced_between_its_parts_is_fetched_again_and_then_given_up() {
    let site = Site::with(LONG, LONG).await;
    let replaced = || Fault::Refusal(412, "PreconditionFailed");
    let wholes = |site: &Site| site.server.requests().iter().filter(|asked| asked.range().is_none()).count();
    site.server.then_at(FIRST + PART, replaced());
    assert!(site.entry().await.body == body_of(LONG), "other bytes");
    assert_eq!(wholes(&site), 2);
    site.server.then_at(FIRST + PART, replaced()).then_at(FIRST + PART, replaced());
    let error = site.refusal().await;
    assert!(matches!(error, Error::Changed { .. }), "{error:?}");
    assert_eq!(wholes(&site), 2);
    // Gone is another version too.
    site.server.then_at(FIRST, Fault::NoSuchKey);
    assert!(site.entry().await.body == body_of(LONG), "other bytes");
}

/// "No byte is put where it does not belong": whatever a server takes no heed of.
#[tokio::test]
async fn an_answer_that_is_not_the_part_that_was_asked_for_is_an_error() {
    let site = Site::with(LONG, LONG).await;
    let lies = [
        Fault::With("content-range", format!("bytes {}-{}/{LONG}", FIRST + 1, FIRST + PART)),
        Fault::With("content-range", "nonsense".to_owned()),
        Fault::Without("content-range"),
        Fault::NoHeed("range"),
    ];
    for lie in lies {
        site.server.then_at(FIRST, lie.clone()).then_at(FIRST, lie.clone());
        let error = site.refusal().await;
        assert_eq!(error.to_string(), "`long.bin` arrived damaged: its answer is not the part that was asked for", "{lie:?}");
    }
    let others = [
        Fault::With("etag", "\"another\"".to_owned()),
        Fault::Without("etag"),
        Fault::With("last-modified", "Mon, 06 Jan 2025 10:00:01 GMT".to_owned()),
    ];
    for other in others {
        site.server.then_at(FIRST, other.clone()).then_at(FIRST, other.clone());
        let error = site.refusal().await;
        assert!(matches!(error, Error::Changed { .. }), "{other:?}: {error:?}");
    }
    let entry = site.entry().await;
    site.server.put("long.bin", vec![255; LONG as usize]);
    site.server.then(Fault::NoHeed("if-match"));
    let error = site.open(&entry.version, 0..10).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "another version than the condition names: {error:?}");
}

/// "The checksum of the whole is verified over its parts."
#[tokio::test]
async fn a_body_in_parts_that_does_not_fit_its_checksum_is_fetched_again_and_then_given_up() {
    let site = Site::with(FIRST + 1, LONG).await;
    site.server.then(Fault::WrongChecksum);
    assert!(site.entry().await.body == body_of(FIRST + 1), "other bytes");
    assert_eq!(site.server.requests().len(), 4);
    // CRC32C of "123456789", as it is written in the header.
    site.server.put_with(
        "long.bin",
        body_of(FIRST + 1),
        &[("x-amz-checksum-crc32c", "4waSgw=="), ("x-amz-checksum-crc64nvme", "-")],
    );
    let error = site.refusal().await;
    let expected = "`long.bin` arrived damaged: its body does not fit the checksum that came with it";
    assert_eq!((error.to_string().as_str(), site.server.requests().len()), (expected, 4));
}

#[tokio::test]
async fn a_checksum_of_parts_checksums_is_not_verified() {
    for headers in [
        [("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=-3"), ("x-amz-meta-a", "b")],
        [("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="), ("x-amz-checksum-type", "COMPOSITE")],
    ] {
        let site = Site::with(0, LONG).await;
        site.server.put_with("long.bin", body_of(FIRST + 1), &headers);
        assert!(site.entry().await.body == body_of(FIRST + 1), "other bytes");
        site.server.put_with("long.bin", body_of(LONG + 1), &headers);
        let fetched = site.fetch().await.unwrap();
        assert!(matches!(&fetched, Fetched::Large(head) if head.facts.checksum.is_none()), "{fetched:?}");
    }
    let site = Site::with(LONG + 1, LONG).await;
    let Ok(Fetched::Large(head)) = site.fetch().await else { panic!("not held") };
    assert_eq!(head.facts.checksum, Some(Checksum::of(&body_of(LONG + 1))), "that of the whole is told");
}

/// "A part that is slow holds up what comes after it and nothing else, and no more than four are on their way."
#[tokio::test]
async fn a_slow_part_is_waited_for_while_the_others_come_and_all_come_in_order() {
    let site = Site::with(4 * MIB + 1, MIB).await;
    let version = site.version().await;
    let free = site.budget.free_bytes();
    let permits = Arc::new(Semaphore::new(0));
    site.server.then_at(SMALL_PART, Fault::Hold(Arc::clone(&permits)));
    let mut opened = site.open(&version, 0..4 * MIB + 1).await.unwrap();
    assert_eq!(free - site.budget.free_bytes(), 4 * SMALL_PART);
    let first = opened.next().await.unwrap().unwrap();
    assert_eq!(first, body_of(SMALL_PART));
    assert!(futures_util::poll!(opened.next()).is_pending(), "the second is slow");
    let mut asked = Vec::new();
    while asked.len() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        asked.extend(starts(&site.server.requests()));
    }
    asked.sort_unstable();
    assert_eq!(asked, [0, 1, 2, 3, 4].map(|index| index * SMALL_PART));
    permits.add_permits(1);
    let rest = read(opened).await.unwrap();
    assert!(rest == body_of(4 * MIB + 1)[SMALL_PART as usize..], "other bytes");
    assert_eq!(site.server.requests().len(), 12, "17 parts in all");
    drop((first, rest));
    assert_eq!(site.budget.free_bytes(), free);
}

#[tokio::test]
async fn a_part_of_a_stream_that_breaks_goes_on_from_there_and_one_that_changes_ends_it() {
    let site = Site::with(4 * MIB, MIB).await;
    let version = site.version().await;
    site.server.then_at(SMALL_PART, Fault::CutBody(100_000)).then_at(0, Fault::CutBody(0));
    let opened = site.open(&version, 0..4 * MIB).await.unwrap();
    assert!(read(opened).await.is_ok_and(|read| read == body_of(4 * MIB)), "other bytes");
    assert_eq!(site.server.requests().len(), 16 + 2);
    for (fault, changed) in [
        (Fault::Refusal(412, "PreconditionFailed"), true),
        (Fault::NoSuchKey, true),
        (Fault::Refusal(416, "InvalidRange"), true),
        (Fault::NoHeed("range"), false),
        (Fault::AccessDenied, false),
    ] {
        site.server.then_at(6 * SMALL_PART, fault.clone());
        let mut opened = site.open(&version, 0..4 * MIB).await.unwrap();
        let (mut came, mut ended) = (Vec::new(), None);
        while let Some(chunk) = opened.next().await {
            match chunk {
                Ok(bytes) => came.extend_from_slice(&bytes),
                Err(error) => ended = Some(error),
            }
        }
        assert!(came == body_of(6 * SMALL_PART), "{fault:?}: what came before is right: {} bytes", came.len());
        assert_eq!(matches!(ended, Some(Error::Changed { .. })), changed, "{fault:?}: {ended:?}");
        assert!(ended.is_some(), "{fault:?}");
    }
}

/// "A version that is gone costs one request, and is said before any byte."
#[tokio::test]
async fn a_version_that_is_gone_cannot_be_opened() {
    let site = Site::with(4 * MIB, MIB).await;
    let version = site.version().await;
    site.server.put("long.bin", vec![255; 4 * MIB as usize]);
    let error = site.open(&version, 0..4 * MIB).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error:?}");
    assert_eq!(site.server.requests().len(), 1);
    site.server.remove("long.bin");
    let error = site.open(&version, 0..4 * MIB).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_part_that_pauses_is_lost_and_first_bytes_that_do_not_come_end_at_the_deadline() {
    let site = Site::with(4 * MIB, MIB).await;
    let version = site.version().await;
    site.server.then(Fault::StallBody(0));
    let late = site.record.open(&site.key, &version, 0..MIB, deadline() - Duration::from_millis(29_700)).await.map(|_| ());
    assert!(matches!(late, Err(Error::Deadline { .. })), "{late:?}");
    site.server.then_at(SMALL_PART, Fault::StallBody(10));
    let mut opened = site.open(&version, 0..2 * SMALL_PART).await.unwrap();
    assert_eq!(opened.next().await.unwrap().unwrap(), body_of(SMALL_PART));
    tokio::time::pause();
    let paused = opened.next().await.unwrap().unwrap_err();
    assert!(matches!(&paused, Error::Unreachable { cause, .. } if cause.to_string().contains("paused")), "{paused:?}");
}

#[tokio::test]
async fn a_stream_that_is_dropped_asks_for_nothing_more() {
    let site = Site::with(4 * MIB, MIB).await;
    let version = site.version().await;
    let permits = Arc::new(Semaphore::new(0));
    for index in 1..4 {
        site.server.then_at(index * SMALL_PART, Fault::Hold(Arc::clone(&permits)));
    }
    let opened = site.open(&version, 0..4 * MIB).await.unwrap();
    // The test has one, and each of three requests that wait.
    while site.server.requests().len() < 3 && Arc::strong_count(&permits) == 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(opened);
    let are_gone = async {
        while Arc::strong_count(&permits) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), are_gone).await.expect("the requests are gone");
    assert_eq!(site.budget.free_bytes(), 8 * MIB, "and so is what they had of the budget");
}

#[tokio::test]
async fn without_room_nothing_is_opened() {
    let site = Site::with(4 * MIB, MIB).await;
    let version = site.version().await;
    let _others = site.budget.room(8 * MIB - SMALL_PART).await.unwrap();
    assert!(read(site.open(&version, 7..7 + SMALL_PART).await.unwrap()).await.is_ok(), "a small part fits");
    site.server.requests();
    tokio::time::pause();
    let busy = site.open(&version, 0..MIB).await.map(|_| ());
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    assert_eq!(site.server.requests().len(), 0);
}

/// Where the ranges began that were asked for.
fn starts(asked: &[Asked]) -> Vec<u64> {
    asked.iter().filter_map(Asked::range).map(|(first, _)| first as u64).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}
