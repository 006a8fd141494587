//! What the shared tier must do besides: the protocol of DESIGN part 6, step by step.

use std::fs;
use std::time::{Duration, SystemTime};

use cache_api::entry::Checksum;
use cache_api::key::RecordId;
use cache_api::tier::{DirectoryTier, Doubted, Kept, Looked, Removed, SharedTier, Stored, Tier, Usage};

use super::support::tier::{ASKED, LATER, all_files, entry, file_named, kept, key, looked, record, tier};

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

/// Promise 20: "Asking for objects that do not exist leaves nothing in the directory."
#[tokio::test]
async fn several_who_ask_for_a_key_that_does_not_exist_leave_nothing_whoever_is_told_first() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (tier(dir.path()).await, tier(dir.path()).await);
    let key = key("a");
    let token = one.announce(&key).await.unwrap();
    let files = all_files(dir.path());
    assert_eq!(other.announce(&key).await.unwrap(), token);
    other.forget(&key, &token).await.unwrap();
    assert_eq!(one.look(&key, None).await.unwrap(), Looked::Other { token: None, state: None });
    one.forget(&key, &token).await.unwrap();
    let left: Vec<_> = all_files(dir.path()).into_iter().filter(|path| files.contains(path)).collect();
    assert!(left.iter().all(|path| path.ends_with("epoch")), "{left:?}");
}

/// Promise 20: "Asking for objects that do not exist leaves nothing in the directory."
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

/// Every file, its name and its bytes, with what is random in them marked. If this fails, instances of two releases on one
/// directory misread each other until `layout::LAYOUT` is another.
#[tokio::test]
async fn the_files_of_a_key_are_named_and_written_as_ever() {
    let dir = tempfile::tempdir().unwrap();
    let tier = tier(dir.path()).await;
    tier.put(&key("a"), kept("1", "body")).await.unwrap();
    let token = fs::read_to_string(file_named(dir.path(), "doubt")).unwrap();
    let body = file_named(dir.path(), ".body").file_name().unwrap().to_str().unwrap().to_owned();
    // Of the state as it stands there.
    let whole = fs::read_to_string(file_named(dir.path(), "state.json")).unwrap();
    let checksum =
        Checksum::of(&whole.as_bytes()[r#"{"state":"#.len()..whole.len() - r#","checksum":"0123456789abcdef"}"#.len()]);
    let files = all_files(dir.path()).into_iter().map(|path| {
        let name = path.strip_prefix(dir.path()).unwrap().to_str().unwrap().replace(&body, "BODY");
        let text = fs::read_to_string(&path).unwrap().replace(&token, "TOKEN").replace(&body, "BODY");
        let text = text.replace(&checksum.to_string(), "CHECKSUM");
        let is_nonce = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (name, if is_nonce { "NONCE".to_owned() } else { text })
    });
    // The record's id is the hash of "the bucket", the key's is SHA-256 of "a".
    let base = ".cache/v2/da02833b19677bb9e5ba0b66e9bfe72b";
    let place = format!("{base}/ca/ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
    let state = concat!(
        r#"{"state":{"key":"a","version":{"etag":"\"1\"","last_modified":1700000000000},"#,
        r#""facts":{"size":4,"content_type":null,"content_encoding":null,"checksum":"988f898b53473fcd"},"body":"BODY","#,
        r#""confirmed_at":1700000100000,"token":"TOKEN"},"checksum":"CHECKSUM"}"#,
    );
    let expected = [
        (format!("{place}/BODY"), "body"),
        (format!("{place}/doubt"), "TOKEN"),
        (format!("{place}/state.json"), state),
        (format!("{base}/ca/epoch"), "NONCE"),
        (format!("{base}/epoch"), "NONCE"),
        ("a".to_owned(), "body"),
    ];
    let expected: Vec<_> = expected.map(|(name, text)| (name, text.to_owned())).into();
    assert_eq!(files.collect::<Vec<_>>(), expected, "layout changed: raise its version");
    let (id, word) = body.strip_suffix(".body").unwrap().split_once('.').unwrap();
    assert_eq!((id, word.len(), token.len()), ("bc5fac6c5293d393", 32, 32), "layout changed: raise its version");
}
