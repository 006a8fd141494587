//! Garbage in any file of the shared directory, whoever put it there: the record is asked, and no wrong byte is served.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cache_api::cache::Served;
use cache_api::error::Error;
use cache_api::tier::{SharedTier, Tier, TierName};

use super::support::instance::Source;
use super::support::tier::{all_files, file_named, files_named, kept, key, tier};

/// What garbage is, and how it comes to be in place of a file.
type Garbage = (&'static str, fn(&Path));

const GARBAGE: [Garbage; 9] = [
    ("nothing", |path| fs::remove_file(path).unwrap()),
    ("an empty file", |path| write(path, &[])),
    ("zeros", |path| write(path, &vec![0; fs::read(path).unwrap().len()])),
    ("half of it", |path| write(path, &fs::read(path).unwrap()[..fs::read(path).unwrap().len() / 2])),
    ("twice itself", |path| write(path, &fs::read(path).unwrap().repeat(2))),
    ("one bit flipped", |path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        write(path, &bytes);
    }),
    ("a megabyte of noise", |path| write(path, &(0..1 << 20).map(|_| rand::random()).collect::<Vec<u8>>())),
    ("a link to nothing", |path| link(path, "/nowhere/at all")),
    ("a link to another program's file", |path| link(path, foreign(path).to_str().unwrap())),
];

/// Replaces, since others may have the file open or a view of it.
fn write(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A file of another program, beside the directory that `path` is in.
fn foreign(path: &Path) -> PathBuf {
    path.ancestors().find(|dir| dir.join(".cache").exists()).unwrap().join("somebody's")
}

fn link(path: &Path, to: &str) {
    fs::remove_file(path).unwrap();
    symlink(to, path).unwrap();
}

#[tokio::test]
async fn garbage_in_any_file_costs_a_request_and_the_next_fill_mends_it() {
    for (garbage, put) in GARBAGE {
        let held = tempfile::tempdir().unwrap();
        let source = Source::new();
        let foreign = held.path().join("somebody's");
        fs::write(&foreign, "somebody's own").unwrap();
        for name in ["a", "b"] {
            source.put(name, "body of a version");
        }
        // All files that a look at `a` goes through: body, token, state, and the epochs of its shard and of the root.
        let files = async || {
            let one = source.instance(held.path()).await;
            one.read("a").await;
            // Also writes the epochs, which nothing else needs as long as `a` is believed.
            one.cache.doubt(&key("a")).await.unwrap();
            one.read("a").await;
            let (place, shard) = (key("a").hash().hex(), key("a").hash().shard().to_string());
            let is_of_it = |dir: &Path| dir.ends_with(&place) || dir.ends_with(&shard) || dir.parent().unwrap().ends_with("v2");
            let mut files = all_files(&held.path().join(".cache"));
            files.retain(|path| is_of_it(path.parent().unwrap()));
            let state = files.iter().find(|path| path.ends_with("state.json")).map(|path| fs::read_to_string(path).unwrap());
            // Bodies that nothing names any more wait for the sweep.
            let is_named = |path: &PathBuf| state.as_ref().unwrap().contains(path.file_name().unwrap().to_str().unwrap());
            files.retain(|path| path.extension().is_none_or(|extension| extension != "body") || is_named(path));
            assert_eq!(files.len(), 5, "{files:?}");
            files
        };
        for number in 0..5 {
            let path = files().await[number].clone();
            let when = format!("{garbage} in place of {}", path.file_name().unwrap().display());
            put(&path);
            let one = source.instance(held.path()).await;
            one.assert_reads("a", "body of a version", &when).await;
            one.assert_reads("b", "body of a version", &when).await;
            one.assert_absent("c", &when).await;
            if garbage == "a link to nothing" {
                // To a fill this is a name that somebody has just taken. A doubt puts its own in its place.
                one.cache.doubt(&key("a")).await.unwrap_or_else(|error| panic!("{when}: {error}"));
                one.assert_reads("a", "body of a version", &when).await;
            }
            let next = source.instance(held.path()).await;
            let read = next.assert_reads("a", "body of a version", &when).await;
            assert_eq!(read.served, Served::Hit(TierName::Directory), "{when}: not mended");
            assert_eq!(next.health().failures, 0, "{when}: {:?}", next.health());

            put(&files().await[number]);
            next.cache.doubt(&key("a")).await.unwrap_or_else(|error| panic!("{when}: {error}"));
            next.cache.evict(&key("a")).await.unwrap_or_else(|error| panic!("{when}: {error}"));
            next.assert_reads("a", "body of a version", &when).await;
        }
        assert_eq!(fs::read(&foreign).unwrap(), b"somebody's own", "nothing is written through a link");
    }
}

/// A directory where a file should be cannot be replaced by one: then nothing is kept of the key, and all of it is answered.
#[tokio::test]
async fn a_directory_in_place_of_any_file_costs_no_read() {
    for name in ["epoch", "doubt", "state.json", ".body"] {
        let held = tempfile::tempdir().unwrap();
        let source = Source::new();
        source.put("a", "1");
        source.instance(held.path()).await.read("a").await;
        for path in files_named(held.path(), name) {
            fs::remove_file(&path).unwrap();
            fs::create_dir_all(path.join("something")).unwrap();
        }
        let one = source.instance(held.path()).await;
        one.assert_reads("a", "1", name).await;
        source.put("a", "2");
        match one.cache.evict(&key("a")).await {
            Ok(_) => drop(one.assert_reads("a", "2", name).await),
            Err(error) => assert!(matches!(error, Error::NotWritten { .. }), "{name}: {error:?}"),
        }
    }
}

/// "View files are 0444; a body changed through the view fails its checksum and is a miss." They are one file.
#[tokio::test]
async fn a_body_that_is_changed_through_its_view_is_a_miss_and_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let (tier, key) = (tier(dir.path()).await, key("dir/a"));
    tier.put(&key, kept("1", "body")).await.unwrap();
    let view = dir.path().join("dir/a");
    assert_eq!(fs::metadata(&view).unwrap().permissions().mode() & 0o7777, 0o444);
    // Whoever owns it can.
    fs::set_permissions(&view, Permissions::from_mode(0o644)).unwrap();
    fs::write(&view, "BODY").unwrap();
    assert_eq!(fs::read_to_string(file_named(dir.path(), ".body")).unwrap(), "BODY", "one file");
    assert_eq!(tier.get(&key).await.unwrap(), None);
    assert_eq!(tier.health().damaged, 1);
    tier.put(&key, kept("1", "body")).await.unwrap();
    assert_eq!(tier.get(&key).await.unwrap(), Some(kept("1", "body")));
    assert_eq!(fs::read_to_string(&view).unwrap(), "body");
    assert_eq!(fs::metadata(&view).unwrap().permissions().mode() & 0o7777, 0o444);
}

/// Files of another layout, with our names and other bytes, beside and below ours.
#[tokio::test]
async fn another_layout_beside_ours_is_neither_read_nor_touched() {
    let held = tempfile::tempdir().unwrap();
    let source = Source::new();
    source.put("a", "1");
    source.instance(held.path()).await.read("a").await;
    let ours = held.path().join(".cache/v2");
    for other in ["v0", "v1", "v10"] {
        let (ours, theirs) = (ours.clone(), held.path().join(".cache").join(other));
        for path in all_files(&ours) {
            let copy = theirs.join(path.strip_prefix(&ours).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::write(copy, format!("of layout {other}")).unwrap();
        }
    }
    let theirs = || -> Vec<(PathBuf, Vec<u8>)> {
        let all = all_files(&held.path().join(".cache")).into_iter().filter(|path| !path.starts_with(&ours));
        all.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let before = theirs();
    assert_eq!(before.len(), 15);
    let one = source.instance(held.path()).await;
    assert_eq!(one.assert_reads("a", "1", "beside others").await.served, Served::Hit(TierName::Directory));
    assert_eq!(one.tier.list().await.unwrap().len(), 1);
    assert_eq!(one.tier.usage().await.unwrap().keys, 1);
    one.cache.evict(&key("a")).await.unwrap();
    one.assert_reads("a", "1", "again").await;
    assert_eq!(theirs(), before);
    assert_eq!(one.health().damaged, 0);
}
