//! A directory tier, what is put into it, and a look at its files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_api::entry::{Entry, Media, Version};
use cache_api::freshness::Timestamp;
use cache_api::key::{Key, Prefix, RecordId};
use cache_api::tier::{DirectoryTier, Kept, Looked, SharedTier, State, Tier, TierName, Token};

pub const ASKED: Timestamp = Timestamp::from_millis(1_700_000_100_000);
pub const LATER: Timestamp = Timestamp::from_millis(1_700_000_160_000);

/// The record that the tiers keep entries of.
pub fn record() -> RecordId {
    RecordId::of(&["the bucket"])
}

/// A directory tier below `root`.
pub async fn tier(root: &Path) -> DirectoryTier {
    let tier = DirectoryTier::open(root, &record()).await.unwrap();
    assert_eq!(tier.name(), TierName::Directory);
    tier
}

/// Where its files are.
pub fn base(root: &Path) -> PathBuf {
    root.join(".cache/v2").join(record().as_str())
}

pub fn key(text: &str) -> Key {
    Key::parse(text, &Prefix::default()).unwrap()
}

pub fn version(etag: &str) -> Version {
    Version { etag: format!("\"{etag}\"").into(), last_modified: Timestamp::from_millis(1_700_000_000_000) }
}

pub fn entry(etag: &str, body: &str) -> Entry {
    Entry::new(version(etag), Media::default(), body.to_owned().into())
}

pub fn kept(etag: &str, body: &str) -> Kept {
    Kept { entry: Arc::new(entry(etag, body)), confirmed_at: ASKED }
}

/// The token and the state of a key that has a token.
pub async fn looked(tier: &DirectoryTier, key: &Key) -> (Token, Option<State>) {
    match tier.look(key, None).await.unwrap() {
        Looked::Other { token: Some(token), state } => (token, state),
        looked => panic!("no token: {looked:?}"),
    }
}

/// All files below `dir`, in order.
pub fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(all_files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// The files of the tier whose names end so.
pub fn files_named(root: &Path, end: &str) -> Vec<PathBuf> {
    let is_named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().ends_with(end);
    all_files(&root.join(".cache")).into_iter().filter(is_named).collect()
}

pub fn file_named(root: &Path, end: &str) -> PathBuf {
    files_named(root, end).into_iter().next().unwrap()
}
