//! What every tier must do, and what the shared one must besides: DESIGN part 6, step by step.

use std::fs;
#[cfg(feature = "failpoints")]
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cache_api::entry::{Entry, Media, Version};
use cache_api::error::Error;
use cache_api::freshness::{Stopwatch, Timestamp};
use cache_api::key::RecordId;
use cache_api::key::{Key, Prefix};
use cache_api::tier::{
    DirectoryTier, Doubted, Kept, Looked, MemoryTier, Removed, SharedTier, State, Stored, Tier, TierName, Token, Usage,
};

const ASKED: Timestamp = Timestamp::from_millis(1_700_000_100_000);
const LATER: Timestamp = Timestamp::from_millis(1_700_000_160_000);

#[tokio::test]
async fn the_directory_tier_is_a_tier() {
    let dir = tempfile::tempdir().unwrap();
    conforms(&tier(dir.path()).await).await;
}

#[tokio::test]
async fn the_memory_tier_is_a_tier() {
    conforms(&MemoryTier::new(64 << 20)).await;
}

/// What every tier must do. To be called with an empty one that has room for some megabytes.
pub async fn conforms(tier: &dyn Tier) {
    keeps_replaces_and_removes(tier).await;
    keeps_every_key_apart(tier).await;
    keeps_bodies_of_any_size(tier).await;
}

async fn keeps_replaces_and_removes(tier: &dyn Tier) {
    let key = key("prices/2024.csv");
    assert_eq!(tier.get(&key).await.unwrap(), None);
    assert_eq!(tier.remove(&key).await.unwrap(), Removed::NothingHeld);
    let media = Media { content_type: Some("text/csv".into()), content_encoding: Some("gzip".into()) };
    let first = Kept { entry: Arc::new(Entry::new(version("1"), media, "first".into())), confirmed_at: ASKED };
    let second = kept("2", "second");
    tier.put(&key, first.clone()).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), Some(first), "whole: body, version, facts, time");
    tier.put(&key, second.clone()).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), Some(second.clone()));
    let [line] = &tier.list().await.unwrap()[..] else { panic!("one key is one line") };
    assert_eq!((line.key.as_str(), &line.version, line.size, line.confirmed_at), (key.as_str(), &version("2"), 6, ASKED));
    assert_eq!(tier.remove(&key).await.unwrap(), Removed::Removed);
    assert_eq!(tier.get(&key).await.unwrap(), None);
    assert_eq!(tier.list().await.unwrap(), []);
    assert_eq!(tier.remove(&key).await.unwrap(), Removed::NothingHeld);
    tier.put(&key, second.clone()).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), Some(second), "what was removed may come back");
    tier.remove(&key).await.unwrap();
}

/// Pitfall 13: a key makes a file name that is too long, or two keys make the same file.
async fn keeps_every_key_apart(tier: &dyn Tier) {
    let (longest, long_segments) = ("k".repeat(1024), format!("{}/{}", "é".repeat(127), "n".repeat(256)));
    let mut names = vec![
        "a",
        "A",
        "a/",
        "a//b",
        "a/b",
        "a/b/",
        r"a\b",
        "a b",
        "a+b",
        "a%2Fb",
        "a%20b",
        ".cache/x",
        ".cache/v1/epoch",
        ".Cache/x",
        ".hidden",
        "...",
        "e\u{301}",
        "\u{e9}",
        "日本/価格.parquet",
        "~",
        "'\"<>#?&=|*:",
        "trash/a",
        "con",
        longest.as_str(),
        long_segments.as_str(),
    ];
    let body = |name: &str| kept("1", &format!("body of {name}"));
    for name in &names {
        tier.put(&key(name), body(name)).await.unwrap();
    }
    for name in &names {
        assert_eq!(tier.get(&key(name)).await.unwrap(), Some(body(name)), "{name}");
    }
    let mut listed: Vec<_> = tier.list().await.unwrap().into_iter().map(|line| line.key).collect();
    listed.sort();
    names.sort_unstable();
    assert_eq!(listed, names);
    for name in &names {
        assert_eq!(tier.remove(&key(name)).await.unwrap(), Removed::Removed, "{name}");
        assert_eq!(tier.get(&key(name)).await.unwrap(), None, "{name}");
    }
    assert_eq!(tier.list().await.unwrap(), []);
}

async fn keeps_bodies_of_any_size(tier: &dyn Tier) {
    let mega: Vec<u8> = (0..1_000_003_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for body in [Bytes::new(), Bytes::from_static(b"\0"), mega.into()] {
        let kept = Kept { entry: Arc::new(Entry::new(version("1"), Media::default(), body)), confirmed_at: ASKED };
        tier.put(&key("sized"), kept.clone()).await.unwrap();
        assert!(tier.get(&key("sized")).await.unwrap() == Some(kept), "a body came back as another");
    }
    tier.remove(&key("sized")).await.unwrap();
}

/// Pitfall 2: a fetch that races a change caches the old bytes again afterwards.
#[tokio::test]
async fn a_store_under_a_moved_token_is_overtaken_and_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    let token = tier.announce(&key).await.unwrap();
    assert_eq!(tier.doubt(&key).await.unwrap(), Doubted::Written);
    assert_eq!(tier.store(&key, &token, &entry("1", "old"), ASKED).await.unwrap(), Stored::Overtaken);
    let (current, state) = looked(&tier, &key).await;
    assert_ne!(current, token);
    assert_eq!(state, None);
    assert_eq!(tier.get(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_doubted_entry_is_kept_until_it_is_confirmed_and_believed_after() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    tier.put(&key, kept("1", "body")).await.unwrap();
    tier.doubt(&key).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), None, "not believed");
    let (token, state) = looked(&tier, &key).await;
    let state = state.expect("still held");
    assert!(!state.is_believed_under(&token));
    assert_eq!(tier.lift(&key, &state).await.unwrap(), Some(entry("1", "body")), "in hand, to ask about");
    assert_eq!(tier.confirm(&key, &token, &state, LATER).await.unwrap(), Stored::Stored);
    assert_eq!(tier.get(&key).await.unwrap(), Some(Kept { confirmed_at: LATER, ..kept("1", "body") }));
}

#[tokio::test]
async fn a_look_at_a_token_that_has_not_moved_reads_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    assert_eq!(tier.look(&key, None).await.unwrap(), Looked::Other { token: None, state: None });
    tier.put(&key, kept("1", "body")).await.unwrap();
    let (token, _) = looked(&tier, &key).await;
    fs::write(file_named(dir.path(), "state.json"), "garbage that would be counted").unwrap();
    assert_eq!(tier.look(&key, Some(&token)).await.unwrap(), Looked::Same);
    assert_eq!(tier.health().damaged, 0);
}

/// Pitfall 24: one event reaches one instance; the others learn by looking.
#[tokio::test]
async fn instances_on_one_directory_see_each_others_doubts_by_the_epochs() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (tier(dir.path()).await, tier(dir.path()).await);
    let (key, shard) = (key("a"), key("a").hash().shard());
    one.put(&key, kept("1", "body")).await.unwrap();
    assert_eq!(other.get(&key).await.unwrap(), Some(kept("1", "body")));
    let (token, _) = looked(&other, &key).await;
    let (root, shards) = (other.root_epoch().await.unwrap().unwrap(), other.shard_epoch(shard).await.unwrap().unwrap());
    assert_eq!(one.root_epoch().await.unwrap(), Some(root), "the second to open leaves the first's epoch");

    one.doubt(&key).await.unwrap();
    assert_ne!(other.root_epoch().await.unwrap(), Some(root));
    assert_ne!(other.shard_epoch(shard).await.unwrap(), Some(shards));
    assert!(matches!(other.look(&key, Some(&token)).await.unwrap(), Looked::Other { .. }), "the token moved");
    assert_eq!(other.get(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_doubt_of_a_key_that_nobody_holds_moves_no_epoch_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let tier = tier(dir.path()).await;
    let (epoch, files) = (tier.root_epoch().await.unwrap(), all_files(dir.path()));
    assert_eq!(tier.doubt(&key("a")).await.unwrap(), Doubted::NobodyHeld);
    assert_eq!(tier.evict(&key("a")).await.unwrap(), Removed::NothingHeld);
    assert_eq!((tier.root_epoch().await.unwrap(), all_files(dir.path())), (epoch, files));
}

#[tokio::test]
async fn an_eviction_takes_the_entry_and_its_view_from_every_instance() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (tier(dir.path()).await, tier(dir.path()).await);
    let key = key("dir/a");
    one.put(&key, kept("1", "body")).await.unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("dir/a")).unwrap(), "body");
    let (root, (_, state)) = (one.root_epoch().await.unwrap(), looked(&one, &key).await);
    assert_eq!(other.evict(&key).await.unwrap(), Removed::Removed);
    assert_ne!(one.root_epoch().await.unwrap(), root);
    assert_eq!(looked(&one, &key).await.1, None);
    assert_eq!(one.lift(&key, &state.unwrap()).await.unwrap(), None, "moved away, whoever learnt its name before");
    assert!(!dir.path().join("dir/a").exists());
    assert_eq!(other.usage().await.unwrap(), Usage::default());
}

/// Pitfall 3: a delete based on stale facts removes a newer entry.
#[tokio::test]
async fn forgetting_under_an_older_token_leaves_the_newer_entry() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    let older = tier.announce(&key).await.unwrap();
    tier.doubt(&key).await.unwrap();
    tier.put(&key, kept("2", "newer")).await.unwrap();
    tier.forget(&key, &older).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), Some(kept("2", "newer")));
}

#[tokio::test]
async fn forgetting_a_key_takes_what_was_held_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    tier.put(&key, kept("1", "body")).await.unwrap();
    let token = looked(&tier, &key).await.0;
    tier.forget(&key, &token).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), None);
    assert_eq!(tier.list().await.unwrap(), []);
    assert!(!dir.path().join("a").exists());
}

#[tokio::test]
async fn asking_for_keys_that_do_not_exist_leaves_no_files_and_moves_no_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let tier = tier(dir.path()).await;
    tier.announce(&key("a")).await.unwrap();
    let token = tier.announce(&key("b")).await.unwrap();
    let (epoch, files) = (tier.root_epoch().await.unwrap(), all_files(dir.path()));
    for name in ["c", "d", "b"] {
        let token = tier.announce(&key(name)).await.unwrap();
        tier.forget(&key(name), &token).await.unwrap();
        assert_eq!(tier.look(&key(name), None).await.unwrap(), Looked::Other { token: None, state: None });
    }
    assert_ne!(tier.announce(&key("b")).await.unwrap(), token, "a token is never used twice");
    assert_eq!(tier.root_epoch().await.unwrap(), epoch);
    let left: Vec<_> = all_files(dir.path()).into_iter().filter(|path| !files.contains(path)).collect();
    assert!(left.iter().all(|path| path.ends_with("epoch")), "{left:?}");
}

/// Pitfall 1: facts of version 1 served with the body of version 2, or a body cut short.
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
async fn two_records_on_one_directory_never_see_each_others_entries() {
    let dir = tempfile::tempdir().unwrap();
    let one = tier(dir.path()).await;
    let other = DirectoryTier::open(dir.path(), &RecordId::of(&["another bucket"])).await.unwrap();
    let key = key("a");
    one.put(&key, kept("1", "of one")).await.unwrap();
    assert_eq!(other.get(&key).await.unwrap(), None);
    assert_eq!(other.list().await.unwrap(), []);
    other.put(&key, kept("1", "of the other")).await.unwrap();
    assert_eq!(other.evict(&key).await.unwrap(), Removed::Removed);
    assert_eq!(one.get(&key).await.unwrap(), Some(kept("1", "of one")));
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "of one", "who came first is shown");
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
        ("fill-body-linked", one),
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

#[tokio::test]
async fn a_use_is_noted_by_the_mtime_of_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("a"));
    tier.touch(&key).await;
    tier.put(&key, kept("1", "body")).await.unwrap();
    let state = file_named(dir.path(), "state.json");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    fs::File::options().write(true).open(&state).unwrap().set_modified(long_ago).unwrap();
    let other = DirectoryTier::open(dir.path(), &record()).await.unwrap();
    other.touch(&key).await;
    // On a machine this busy it may come after the 50 ms that a touch waits.
    let noted = async {
        while fs::metadata(&state).unwrap().modified().unwrap() == long_ago {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), noted).await.expect("noted");
    assert_eq!(tier.get(&key).await.unwrap(), Some(kept("1", "body")));
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

fn record() -> RecordId {
    RecordId::of(&["the bucket"])
}

async fn tier(root: &Path) -> DirectoryTier {
    let tier = DirectoryTier::open(root, &record()).await.unwrap();
    assert_eq!(tier.name(), TierName::Directory);
    tier
}

fn base(root: &Path) -> PathBuf {
    root.join(".cache/v1").join(record().as_str())
}

fn key(text: &str) -> Key {
    Key::parse(text, &Prefix::default()).unwrap()
}

fn version(etag: &str) -> Version {
    Version { etag: format!("\"{etag}\"").into(), last_modified: Timestamp::from_millis(1_700_000_000_000) }
}

fn entry(etag: &str, body: &str) -> Entry {
    Entry::new(version(etag), Media::default(), body.to_owned().into())
}

fn kept(etag: &str, body: &str) -> Kept {
    Kept { entry: Arc::new(entry(etag, body)), confirmed_at: ASKED }
}

/// The token and the state of a key that has a token.
async fn looked(tier: &DirectoryTier, key: &Key) -> (Token, Option<State>) {
    match tier.look(key, None).await.unwrap() {
        Looked::Other { token: Some(token), state } => (token, state),
        looked => panic!("no token: {looked:?}"),
    }
}

/// All files below `dir`, in order.
fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(all_files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn files_named(root: &Path, end: &str) -> Vec<PathBuf> {
    let is_named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().ends_with(end);
    all_files(&root.join(".cache")).into_iter().filter(is_named).collect()
}

fn file_named(root: &Path, end: &str) -> PathBuf {
    files_named(root, end).into_iter().next().unwrap()
}
