//! A shared directory that fails for real, by a file system that fails as it is told to: "a broken directory tier costs time and
//! never fails a read that the record can answer. A doubt or eviction that could not be written has failed, and says so."

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cache_api::cache::Served;
use cache_api::error::Error;
use cache_api::freshness::Stopwatch;
use cache_api::tier::{Doubted, Removed, SharedTier, TierName};
use http::Method;

use super::support::client::{get, send};
use super::support::faulty::{FaultyDirectory, SmallDirectory};
use super::support::instance::Source;
use super::support::serve::{Serve, vars};
use super::support::tier::{files_named, key};

/// Every operation that changes something.
const WRITES: [&str; 11] =
    ["chmod", "create", "fsync", "link", "mkdir", "rename", "rmdir", "truncate", "unlink", "utimens", "write"];

fn every(operations: &[&str], fault: &str) -> Vec<String> {
    operations.iter().map(|operation| format!("{operation} * {fault}")).collect()
}

/// What is behind of the state of `name`: nothing where none of its names is left.
fn states(held: &FaultyDirectory, name: &str) -> Vec<PathBuf> {
    let hash = key(name).hash().hex();
    let all = files_named(&held.behind(), "state.json");
    all.into_iter().filter(|path| path.parent().unwrap().ends_with(&hash)).collect()
}

/// Full, read-only, forbidden, stale, broken, cut off, vanished: whatever all operations say, and all that write.
#[tokio::test]
async fn a_directory_that_fails_costs_no_read_and_takes_no_doubt() {
    let Some(held) = FaultyDirectory::mount() else { return };
    let faults = [
        (&WRITES[..], "ENOSPC", "No space left on device"),
        (&WRITES[..], "EDQUOT", "Disk quota exceeded"),
        (&WRITES[..], "EROFS", "Read-only file system"),
        (&["*"][..], "EACCES", "Permission denied"),
        (&["*"][..], "EIO", "Input/output error"),
        (&["*"][..], "ESTALE", "Stale file handle"),
        (&["*"][..], "ENOTCONN", "Transport endpoint is not connected"),
        // In whatever words: what is missing is there when it is to be made.
        (&["*"][..], "ENOENT", ""),
    ];
    for (operations, fault, words) in faults {
        let source = Source::new();
        source.put("held", "1");
        source.put("new", "1");
        let [one, other] = [source.instance(&held.path()).await, source.instance(&held.path()).await];
        one.assert_reads("held", "1", "before").await;

        held.fail(&every(operations, fault));
        let read = other.assert_reads("held", "1", fault).await;
        let is_looked_at = operations.len() > 1;
        assert_eq!(read.served == Served::Hit(TierName::Directory), is_looked_at, "{fault}: {read:?}");
        let filled = other.assert_reads("new", "1", fault).await;
        assert!(!filled.stored, "{fault}");
        other.assert_absent("absent", fault).await;
        source.put("held", "2");
        one.assert_takes_no_doubt("held", fault).await;
        // The doubt has failed: where the directory can be looked at, what stands there still counts.
        one.assert_reads("held", if is_looked_at { "1" } else { "2" }, fault).await;
        let health = one.health();
        assert!(health.lanes.doubt.failures == 2 && health.failures >= 2, "{fault}: {health:?}");
        let last = other.health().last_failure.unwrap_or_else(|| panic!("{fault}: nothing has failed"));
        assert!(last.kind.starts_with(words), "{fault}: {last:?}");

        held.heal();
        assert_eq!(one.cache.doubt(&key("held")).await.unwrap(), Doubted::Written, "{fault} is over");
        let next = source.instance(&held.path()).await;
        next.assert_reads("held", "2", "after").await;
        assert!(next.assert_reads("new", "1", "after").await.stored, "{fault} is over");
        let last = source.instance(&held.path()).await;
        assert_eq!(last.assert_reads("held", "2", "after").await.served, Served::Hit(TierName::Directory), "{fault} is over");
    }
}

/// Each operation by itself, so that every step of a fill, a doubt and an eviction fails once: what has been reported as done is
/// done, and what is read is right.
#[tokio::test]
async fn whichever_step_fails_what_is_reported_as_done_is_done() {
    let Some(held) = FaultyDirectory::mount() else { return };
    let source = Source::new();
    let reads = ["access", "getattr", "open", "read", "readdir", "statfs"];
    let mut failed = 0;
    for fault in ["EIO", "ESTALE"] {
        for operation in WRITES.into_iter().chain(reads) {
            let when = format!("{operation} {fault}");
            let [evicted, doubted] = [format!("evicted-{operation}-{fault}"), format!("doubted-{operation}-{fault}")];
            let one = source.instance(&held.path()).await;
            for name in [&evicted, &doubted] {
                source.put(name, "1");
                one.assert_reads(name, "1", "before").await;
                source.put(name, "2");
            }
            let state = states(&held, &doubted);
            let token = state[0].with_file_name("doubt");
            let before = fs::read(&token).unwrap();

            held.fail(&[format!("{operation} /.cache/* {fault}")]);
            let eviction = one.cache.evict(&key(&evicted)).await;
            let left = states(&held, &evicted);
            let doubt = one.cache.doubt(&key(&doubted)).await;
            for (name, has_failed) in [(&evicted, eviction.is_err()), (&doubted, doubt.is_err())] {
                let body = one.read(name).await.entry.body.clone();
                assert!(body == "2" || (has_failed && body == "1"), "{when}: {name}: {body:?}");
            }
            failed += usize::from(eviction.is_err()) + usize::from(doubt.is_err());
            held.heal();

            match doubt {
                Ok(written) => {
                    assert_eq!(written, Doubted::Written, "{when}");
                    assert_ne!(fs::read(&token).unwrap(), before, "{when}: the doubt was reported as written");
                }
                Err(error) => assert!(matches!(error, Error::NotWritten { .. }), "{when}: {error:?}"),
            }
            match eviction {
                Ok(removed) => assert_eq!((removed, left), (Removed::Removed, vec![]), "{when}"),
                Err(error) => assert!(matches!(error, Error::NotWritten { .. }), "{when}: {error:?}"),
            }
            let next = source.instance(&held.path()).await;
            for name in [&evicted, &doubted] {
                next.cache.doubt(&key(name)).await.unwrap();
                next.assert_reads(name, "2", &when).await;
            }
        }
    }
    assert!(failed > 20, "only {failed} doubts and evictions have failed: the faults do not bite");
}

/// Seconds a call: each limit is a tenth of the real one, and so is the pause.
#[tokio::test]
async fn a_directory_that_takes_seconds_a_call_costs_its_limits_and_then_nothing() {
    let Some(held) = FaultyDirectory::mount() else { return };
    let source = Source::new();
    for name in ["a", "b", "c", "d"] {
        source.put(name, "1");
    }
    let one = source.hurried_instance(&held.path(), 0.1).await;
    held.fail(&["* * 3"]);
    let watch = Stopwatch::start();
    for name in ["a", "b", "c"] {
        one.assert_reads(name, "1", "while it is slow").await;
    }
    let slow = watch.elapsed();
    let watch = Stopwatch::start();
    assert!(!one.assert_reads("d", "1", "while it is slow").await.stored);
    assert!(watch.elapsed() < Duration::from_millis(90), "it is left alone: {:?}", watch.elapsed());
    assert!(slow < Duration::from_secs(1), "three reads, at most 100 ms for a look: {slow:?}");
    let health = one.health();
    assert!(health.lanes.look.closed && health.breaker_open && health.lanes.look.not_tried > 0, "{health:?}");
    assert!(health.lanes.look.mean_millis >= 90, "{health:?}");
    assert_eq!(health.last_failure.unwrap().kind, "timed out");
    // The limit of a doubt is ten times that of a look.
    let watch = Stopwatch::start();
    assert!(matches!(one.cache.doubt(&key("a")).await, Err(Error::NotWritten { .. })));
    assert!((Duration::from_millis(900)..Duration::from_secs(2)).contains(&watch.elapsed()), "{:?}", watch.elapsed());
}

#[tokio::test]
async fn a_directory_that_works_again_is_used_again_after_a_pause() {
    let Some(held) = FaultyDirectory::mount() else { return };
    let source = Source::new();
    source.put("a", "1");
    let one = source.hurried_instance(&held.path(), 0.2).await;
    held.fail(&["* * EIO"]);
    for _ in 0..5 {
        one.assert_reads("a", "1", "while it fails").await;
    }
    let failing = one.health();
    assert!(failing.lanes.look.closed && failing.lanes.look.failures == 3, "{failing:?}");
    held.heal();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(one.assert_reads("a", "1", "after the pause").await.stored);
    let working = one.health();
    assert!(!working.breaker_open && working.failures == failing.failures, "{working:?}");
    assert_eq!(source.instance(&held.path()).await.read("a").await.served, Served::Hit(TierName::Directory));
}

/// Of one key's state alone: the others are read from the directory as ever.
#[tokio::test]
async fn a_file_that_cannot_be_read_costs_its_own_key_a_request() {
    let Some(held) = FaultyDirectory::mount() else { return };
    let source = Source::new();
    let one = source.instance(&held.path()).await;
    for name in ["bad", "good"] {
        source.put(name, "1");
        one.read(name).await;
    }
    held.fail(&[format!("read */{}/state.json EIO", key("bad").hash().hex())]);
    let other = source.instance(&held.path()).await;
    for _ in 0..4 {
        assert_ne!(other.assert_reads("bad", "1", "").await.served, Served::Hit(TierName::Directory));
        // From memory after the first time, of which the directory says that nothing has happened.
        assert!(matches!(other.assert_reads("good", "1", "").await.served, Served::Hit(_)));
    }
    let health = other.health();
    assert!(health.lanes.look.failures >= 1 && !health.breaker_open, "{health:?}");
}

/// A file system of a quarter of a megabyte, told by the kernel itself: full, then read-only, then gone.
#[tokio::test]
async fn a_file_system_that_is_full_then_read_only_then_gone_costs_no_read() {
    let Some(held) = SmallDirectory::mount(256 << 10, 64) else { return };
    let source = Source::new();
    let large = "large".repeat(100_000);
    source.put("small", "1");
    source.put("large", &large);
    let one = source.instance(held.path()).await;
    assert!(one.assert_reads("small", "1", "with room").await.stored);
    assert!(!one.assert_reads("large", &large, "without room").await.stored);
    let other = source.instance(held.path()).await;
    assert_eq!(other.assert_reads("small", "1", "without room").await.served, Served::Hit(TierName::Directory));
    assert!(files_named(held.path(), ".tmp").is_empty(), "nothing is left over");

    // Every inode is taken.
    let filler = held.path().join("somebody else's");
    fs::create_dir(&filler).unwrap();
    while fs::File::create(filler.join(rand::random::<u64>().to_string())).is_ok() {}
    source.put("small", "2");
    one.assert_takes_no_doubt("small", "without room for a file").await;
    one.assert_reads("small", "1", "the doubt has failed").await;
    fs::remove_dir_all(&filler).unwrap();
    assert_eq!(one.cache.doubt(&key("small")).await.unwrap(), Doubted::Written);

    held.make_read_only();
    one.assert_takes_no_doubt("small", "read-only").await;
    let read_only = source.instance(held.path()).await;
    read_only.assert_reads("small", "2", "read-only").await;
    assert!(read_only.health().last_failure.unwrap().kind.starts_with("Read-only file system"));

    held.take_away();
    let gone = source.instance(held.path()).await;
    for instance in [&one, &read_only, &gone] {
        instance.assert_reads("small", "2", "gone").await;
        instance.assert_absent("absent", "gone").await;
    }
}

/// A disk that others fill: what we hold makes room for what is read, and what they hold stays.
#[tokio::test]
async fn on_a_disk_that_others_have_filled_what_was_used_longest_ago_makes_room() {
    let Some(held) = SmallDirectory::mount(8 << 20, 4096) else { return };
    let source = Source::new();
    let body = |number: u32| number.to_string().repeat(300_000);
    let one = source.instance(held.path()).await;
    for number in 0..10 {
        source.put(&number.to_string(), &body(number));
        assert!(one.assert_reads(&number.to_string(), &body(number), "with room").await.stored);
    }
    let theirs = held.path().join("somebody else's");
    let left = rustix::fs::statvfs(held.path()).unwrap();
    fs::write(&theirs, vec![7; usize::try_from(left.f_bavail * left.f_frsize - (64 << 10)).unwrap()]).unwrap();
    for (name, stored) in [("first", false), ("second", true), ("third", true)] {
        source.put(name, &body(7));
        let read = one.assert_reads(name, &body(7), "without room").await;
        assert_eq!(read.stored, stored, "{name}: {:?} {:?}", one.tier.upkeep(), one.health());
    }
    assert!(fs::read(&theirs).unwrap().iter().all(|&byte| byte == 7));
}

/// What somebody sees who looks at three in the morning: which steps fail, how, and since when; and one line of log for each.
#[tokio::test]
async fn a_failing_directory_is_shown_in_stats_and_logged_once() {
    let Some(held) = FaultyDirectory::mount() else { return };
    let source = Source::new();
    source.put("a", "1");
    let settings = vars([("LOCAL_DATA_DIR", held.path().as_os_str()), ("CACHE_API_MEMORY_MAX_AGE", "0s".as_ref())]);
    let server = Serve::start(&["--source", source.path().to_str().unwrap()], settings).await;
    let sound = get(server.address(), "/stats").await.json()["directory_health"].clone();
    assert_eq!((&sound["failures"], &sound["last_failure"]), (&0.into(), &serde_json::Value::Null), "{sound}");

    held.fail(&["* /.cache/* EIO"]);
    for _ in 0..8 {
        assert_eq!(get(server.address(), "/cache/a").await.text(), "1");
    }
    for method in [Method::PUT, Method::DELETE] {
        let refused = send(server.address(), method.clone(), "/cache/a", &[], "").await;
        assert_eq!(refused.status, 503, "{method}: {refused:?}");
        assert_eq!(refused.json()["type"], "/problems/not-written", "{method}: {refused:?}");
    }
    let stats = get(server.address(), "/stats").await;
    let health = stats.json()["directory_health"].clone();
    let (look, doubt) = (&health["lanes"]["look"], &health["lanes"]["doubt"]);
    assert_eq!(
        (&look["failures"], &look["closed"], &health["breaker_open"]),
        (&3.into(), &true.into(), &true.into()),
        "{health}"
    );
    assert!(look["not_tried"].as_u64() >= Some(5), "{health}");
    assert_eq!((&doubt["calls"], &doubt["failures"]), (&2.into(), &2.into()), "{health}");
    assert_eq!(health["last_failure"]["kind"], "Input/output error (os error 5)", "{health}");
    assert!(health["last_failure"]["seconds_ago"].as_u64() < Some(60), "{health}");
    let secret = held.path().display().to_string();
    assert!(!stats.text().contains(&secret), "{}", stats.text());

    let end = server.terminate().await;
    let said = |what: &str| end.stderr.matches(what).count();
    assert_eq!(said("the shared directory fails, reads go on without it"), 1, "{}", end.stderr);
    assert_eq!(said("a request failed"), 2, "each doubt that failed: {}", end.stderr);
    assert!(!end.stderr.contains(&secret), "{}", end.stderr);
}
