//! What a shared tier makes of damage: garbled files, a directory that is gone, fails, hangs or is full, writers that were killed.

use std::fs;
#[cfg(feature = "failpoints")]
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cache_api::error::Error;
use cache_api::freshness::Stopwatch;
use cache_api::tier::{Doubted, Looked, Removed, SharedTier, Stored, Tier};

use super::support::tier::{ASKED, LATER, all_files, base, entry, file_named, files_named, kept, key, looked, tier};

/// Pitfall 1: facts of version 1 served with the body of version 2, or a body cut short.
/// Promise 9: "What fails its checksum is not served: the record is asked."
#[tokio::test]
async fn a_damaged_body_is_a_miss_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    tier.put(&key, kept("1", "body")).await.unwrap();
    for (number, damaged) in ["bodies", "bod", "boby", ""].into_iter().enumerate() {
        let path = file_named(dir.path(), ".body");
        fs::remove_file(&path).unwrap();
        fs::write(&path, damaged).unwrap();
        assert_eq!(tier.get(&key).await.unwrap(), None, "{damaged}");
        assert_eq!(tier.health().damaged, number as u64 + 1);
    }
    assert_eq!((tier.health().failures, tier.health().breaker_open), (0, false), "of one file, not of the directory");
    tier.put(&key, kept("1", "body")).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), Some(kept("1", "body")), "the next fill mends it");
}

#[tokio::test]
async fn a_garbled_state_is_a_miss_and_the_next_fill_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    tier.put(&key, kept("1", "body")).await.unwrap();
    let path = file_named(dir.path(), "state.json");
    let whole = fs::read_to_string(&path).unwrap();
    let elsewhere = whole.replace(r#""body":""#, r#""body":"../../../../../../etc/passwd"#);
    for garbled in ["", "{", &whole[..whole.len() - 1], &whole.replace(r#""key":"a""#, r#""key":"b""#), &elsewhere] {
        fs::write(&path, garbled).unwrap();
        assert_eq!(tier.get(&key).await.unwrap(), None, "{garbled}");
        assert_eq!(tier.list().await.unwrap(), [], "{garbled}");
    }
    assert_eq!(tier.health().failures, 0);
    tier.put(&key, kept("2", "mended")).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), Some(kept("2", "mended")));
}

#[tokio::test]
async fn a_garbled_token_or_epoch_vouches_for_nothing_and_the_next_fill_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    tier.put(&key, kept("1", "body")).await.unwrap();
    for name in ["doubt", "epoch"] {
        files_named(dir.path(), name).iter().for_each(|path| fs::write(path, "half a tok").unwrap());
    }
    assert_eq!(tier.root_epoch().await.unwrap(), None);
    assert_eq!(tier.shard_epoch(key.hash().shard()).await.unwrap(), None);
    assert!(matches!(tier.look(&key, None).await.unwrap(), Looked::Other { token: None, .. }));
    assert_eq!(tier.get(&key).await.unwrap(), None);
    tier.put(&key, kept("1", "body")).await.unwrap();
    assert!(tier.root_epoch().await.unwrap().is_some() && tier.shard_epoch(key.hash().shard()).await.unwrap().is_some());
    assert_eq!(tier.get(&key).await.unwrap(), Some(kept("1", "body")));
}

/// Deleting everything that is kept loses time, never data.
#[tokio::test]
async fn a_directory_deleted_under_our_feet_is_made_again_by_the_next_fill() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let (tier, key) = (tier(&root).await, key("a/b"));
    tier.put(&key, kept("1", "body")).await.unwrap();
    let (token, epoch) = (looked(&tier, &key).await.0, tier.root_epoch().await.unwrap());
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(tier.root_epoch().await.unwrap(), None);
    assert_eq!(tier.get(&key).await.unwrap(), None);
    assert_eq!(tier.store(&key, &token, &entry("1", "late"), ASKED).await.unwrap(), Stored::Overtaken);
    assert_eq!(tier.list().await.unwrap(), []);
    tier.put(&key, kept("2", "again")).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), Some(kept("2", "again")));
    let again = tier.root_epoch().await.unwrap();
    assert!(again.is_some() && again != epoch);
    assert_eq!(fs::read_to_string(root.join("a/b")).unwrap(), "again");
    assert_eq!(tier.health().failures, 0);
}

#[tokio::test]
async fn a_directory_that_fails_is_left_alone_after_three_failures_but_for_doubts() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    let base = base(dir.path());
    fs::remove_dir_all(&base).unwrap();
    fs::write(&base, "a file in place of the directory").unwrap();
    for _ in 0..3 {
        assert!(matches!(tier.look(&key, None).await.unwrap_err(), Error::Tier { action: "read a state", .. }));
        assert!(matches!(tier.announce(&key).await.unwrap_err(), Error::Tier { action: "announce a fill", .. }));
    }
    assert_eq!((tier.health().failures, tier.health().breaker_open), (6, true));
    assert!(matches!(tier.root_epoch().await.unwrap_err(), Error::Tier { .. }));
    assert_eq!(tier.health().failures, 6, "not even tried");
    assert!(matches!(tier.doubt(&key).await.unwrap_err(), Error::NotWritten { .. }));
    fs::remove_file(&base).unwrap();
    assert_eq!(tier.doubt(&key).await.unwrap(), Doubted::NobodyHeld, "a doubt always tries");
    assert!(matches!(tier.get(&key).await.unwrap_err(), Error::Tier { .. }), "reads wait for the pause to end");
}

/// A FIFO that nobody writes to hangs whoever opens it, as a mount does whose server is gone.
#[tokio::test]
async fn a_directory_that_hangs_costs_a_second_and_then_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tier = tier(dir.path()).await;
    let epoch = base(dir.path()).join("epoch");
    fs::remove_file(&epoch).unwrap();
    assert!(Command::new("mkfifo").arg(&epoch).status().unwrap().success());
    let stopwatch = Stopwatch::start();
    let (one, two, three) = tokio::join!(tier.root_epoch(), tier.root_epoch(), tier.root_epoch());
    assert!(one.is_err() && two.is_err() && three.is_err());
    let hung = stopwatch.elapsed();
    assert!(tier.root_epoch().await.is_err());
    assert!((Duration::from_millis(900)..Duration::from_secs(2)).contains(&hung), "{hung:?}");
    assert!(stopwatch.elapsed() < hung + Duration::from_millis(500), "at once");
    assert!(tier.health().breaker_open);
    // Lets the three threads go, which would otherwise hold up the end of the test.
    drop(fs::OpenOptions::new().write(true).open(&epoch).unwrap());
}

/// A full disk, told by the kernel: the process may write no file longer than a few KB.
#[tokio::test]
async fn a_body_that_the_disk_does_not_take_costs_the_store_and_leaves_no_half() {
    let name = "a_body_that_the_disk_does_not_take_costs_the_store_and_leaves_no_half";
    if told("limited").is_none() {
        // Without the trap the kernel would kill the process instead of failing its write. 16 blocks are 8 or 16 KB.
        let output = alone(name, "trap '' XFSZ; ulimit -f 16", &["limited=yes"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    tier.put(&key, kept("1", "small")).await.unwrap();
    let held = all_files(dir.path());
    let (token, _) = looked(&tier, &key).await;
    let large = entry("2", &"large".repeat(100_000));
    let error = tier.store(&key, &token, &large, LATER).await.unwrap_err();
    assert!(matches!(error, Error::Tier { action: "store a body", .. }), "{error}");
    assert_eq!(all_files(dir.path()), held, "nothing is left over");
    assert_eq!(tier.get(&key).await.unwrap(), Some(kept("1", "small")), "what was believed is believed");
    assert_eq!(tier.doubt(&key).await.unwrap(), Doubted::Written);
}

/// "Killing any instance at any instruction leaves a directory that every other instance reads correctly."
/// Promise 11: "Killing any process at any instruction leaves a directory that every other process reads right."
#[cfg(feature = "failpoints")]
#[tokio::test]
async fn whoever_is_killed_leaves_a_directory_that_others_read_correctly() {
    let name = "whoever_is_killed_leaves_a_directory_that_others_read_correctly";
    let key = key("dir/a");
    if let (Some(point), Some(root)) = (told("killed-at"), told("in")) {
        let tier = tier(Path::new(&root)).await;
        fail::cfg(point.as_str(), "return").unwrap();
        match point.split_once('-').unwrap().0 {
            "fill" => tier.put(&key, kept("2", "two")).await.unwrap(),
            "doubt" => drop(tier.doubt(&key).await.unwrap()),
            _ => drop(tier.evict(&key).await.unwrap()),
        }
        panic!("went past `{point}`");
    }
    let one = Some(kept("1", "one"));
    let points = [
        ("fill-body-written", one.clone()),
        ("fill-before-link", one.clone()),
        ("fill-body-linked", one.clone()),
        ("fill-token-checked", one),
        ("fill-state-written", Some(kept("2", "two"))),
        ("doubt-token-written", None),
        ("doubt-shard-written", None),
        ("evict-state-removed", None),
    ];
    for (point, believed) in points {
        let dir = tempfile::tempdir().unwrap();
        let before = tier(dir.path()).await;
        before.put(&key, kept("1", "one")).await.unwrap();
        let epochs = (before.shard_epoch(key.hash().shard()).await.unwrap(), before.root_epoch().await.unwrap());
        let output = alone(name, "ulimit -c 0", &[&format!("killed-at={point}"), &format!("in={}", dir.path().display())]);
        const ABORTED: i32 = 6;
        assert_eq!(output.status.signal(), Some(ABORTED), "{point}: {}", String::from_utf8_lossy(&output.stdout));

        let next = tier(dir.path()).await;
        assert_eq!(next.get(&key).await.unwrap(), believed, "{point}");
        assert_eq!(next.health().damaged, 0, "{point}");
        let is_doubt = !point.starts_with("fill");
        if is_doubt {
            // It has failed, so that the event comes again; what it left makes no difference.
            assert_eq!(next.doubt(&key).await.unwrap(), Doubted::Written, "{point}");
            let (shard, root) = (next.shard_epoch(key.hash().shard()).await.unwrap(), next.root_epoch().await.unwrap());
            assert!(shard != epochs.0 && root != epochs.1, "{point}");
        }
        next.put(&key, kept("3", "three")).await.unwrap();
        assert_eq!(next.get(&key).await.unwrap(), Some(kept("3", "three")), "{point}");
        assert_eq!(fs::read_to_string(dir.path().join("dir/a")).unwrap(), "three", "{point}");
        assert_eq!(next.evict(&key).await.unwrap(), Removed::Removed, "{point}");
        assert!(!dir.path().join("dir/a").exists(), "{point}");
    }
}

/// Runs the test of this file that is called `name` in a process of its own: after `setup`, a line of shell, and `told` what to do.
fn alone(name: &str, setup: &str, told: &[&str]) -> Output {
    let test = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
    let mut process = Command::new("bash");
    process.args(["-c", &format!(r#"{setup}; exec "$0" "$@""#)]).arg(std::env::current_exe().unwrap());
    // To the test harness the words are further filters, which fit no test.
    process.args(["--exact", &test]).args(told);
    process.stdin(Stdio::null()).output().unwrap()
}

/// What [`alone`] told this process under `name=`.
fn told(name: &str) -> Option<String> {
    std::env::args().find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}
