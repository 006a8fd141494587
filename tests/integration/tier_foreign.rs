//! Somebody else's directory full of files as LOCAL_DATA_DIR: nothing that is not ours is changed, replaced or removed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cache_api::tier::sweep::STATELESS;
use cache_api::tier::{DirectoryTier, Doubted, Limits, Removed, SharedTier, SweepPlan, Tier};

use super::support::tier::{LATER, kept, key, looked, record};

/// What is theirs: bytes, or where a link leads.
const FILES: [(&str, &str); 12] = [
    ("notes.txt", "theirs"),
    ("prices/2024.csv", "theirs, where a key's view would be"),
    ("prices/old/2023.csv", "theirs"),
    ("taken", "a file where a key has a directory"),
    (".hidden", "theirs"),
    (".cache/pip/selfcheck.json", "theirs"),
    (".cache/v0/epoch", "of another layout"),
    (".cache/v2/somebody/epoch", "of another record"),
    (".cache/v1/epoch", "of another layout"),
    ("0123456789abcdef.0123456789abcdef0123456789abcdef.body", "named as a body of ours"),
    ("0123456789abcdef0123456789abcdef.tmp", "named as a temporary of ours"),
    ("state.json", "named as a state of ours"),
];
const LINKS: [(&str, &str); 3] = [("link", "notes.txt"), ("dangling", "nowhere"), ("dir-link", "prices")];

/// What anybody could see of a file.
#[derive(Debug, PartialEq)]
struct Seen {
    inode: u64,
    links: u64,
    mode: u32,
    modified: (i64, i64),
    content: Vec<u8>,
}

fn look(path: &Path) -> Seen {
    let metadata = fs::symlink_metadata(path).unwrap();
    let content = if metadata.is_symlink() {
        fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()
    } else if metadata.is_dir() {
        Vec::new()
    } else {
        fs::read(path).unwrap()
    };
    Seen {
        inode: metadata.ino(),
        // A directory's change with what is made in it.
        links: if metadata.is_dir() { 0 } else { metadata.nlink() },
        mode: metadata.mode(),
        modified: if metadata.is_dir() { (0, 0) } else { (metadata.mtime(), metadata.mtime_nsec()) },
        content,
    }
}

/// Everything below `root` but what is below `ours`.
fn digest(root: &Path, ours: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path == ours {
                continue;
            }
            seen.insert(path.clone(), look(&path));
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            }
        }
    }
    seen
}

fn fill_with_theirs(root: &Path) {
    for (name, content) in FILES {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        // Far older than any grace.
        fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    }
    for (name, to) in LINKS {
        symlink(to, root.join(name)).unwrap();
    }
    fs::create_dir(root.join("empty")).unwrap();
}

/// "Nothing foreign is ever deleted or overwritten": by no fill, view, confirmation, doubt, eviction, removal or sweep.
#[tokio::test]
async fn somebody_elses_directory_is_left_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    fill_with_theirs(root.path());
    let ours = root.path().join(".cache/v2").join(record().as_str());
    let before = digest(root.path(), &ours);
    assert!(before.len() >= FILES.len() + LINKS.len());

    let limits = Limits { budget_bytes: Some(0), ..Limits::default() };
    let tier = DirectoryTier::open(root.path(), &record()).await.unwrap();
    let sweeper = DirectoryTier::open(root.path(), &record()).await.unwrap().within(limits);
    let names = [
        // Each is theirs, leads through what is theirs, or is beside it.
        "notes.txt",
        "prices/2024.csv",
        "prices/2025.csv",
        "prices/old/2023.csv",
        "taken/below",
        "empty",
        "link",
        "dangling",
        "dir-link/2024.csv",
        "dir-link",
        ".hidden",
        ".cache/pip/selfcheck.json",
        ".cache/v2/somebody/epoch",
        ".cache/v1/epoch",
        ".Cache/pip/selfcheck.json",
        "state.json",
        "new/dir/a",
        "new",
    ];
    for round in ["evicted", "forgotten", "swept"] {
        for name in names {
            tier.put(&key(name), kept("1", "ours")).await.unwrap();
            tier.put(&key(name), kept("2", "ours too")).await.unwrap();
            assert_eq!(tier.doubt(&key(name)).await.unwrap(), Doubted::Written, "{name}");
            let (token, state) = looked(&tier, &key(name)).await;
            tier.confirm(&key(name), &token, &state.unwrap(), LATER).await.unwrap();
            assert_eq!(tier.get(&key(name)).await.unwrap().unwrap().entry, kept("2", "ours too").entry, "{name}");
        }
        let during = digest(root.path(), &ours);
        for (path, seen) in &before {
            assert_eq!(during.get(path), Some(seen), "{round}: {}", path.display());
        }
        assert!(during.contains_key(&root.path().join("prices/2025.csv")), "where nobody is there is a view");
        match round {
            "evicted" => {
                for name in names {
                    assert_eq!(tier.evict(&key(name)).await.unwrap(), Removed::Removed, "{name}");
                }
            }
            "forgotten" => {
                for name in names {
                    let (token, _) = looked(&tier, &key(name)).await;
                    tier.forget(&key(name), &token).await.unwrap();
                }
            }
            _ => {
                let later = SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap() + STATELESS * 3;
                let swept = sweeper.sweep(&SweepPlan::new(later.into(), Duration::from_secs(60))).await.unwrap().unwrap();
                assert_eq!((swept.evicted, swept.failed), (names.len() as u64, 0), "{swept:?}");
            }
        }
        let mut after = digest(root.path(), &ours);
        // Directories that were made for views stay: another program may be at work in them.
        after.retain(|path, _| !path.starts_with(root.path().join("new")));
        assert_eq!(after, before, "after all were {round}");
    }
}
