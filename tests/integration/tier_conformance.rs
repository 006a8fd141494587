//! What every tier must do.

use std::sync::Arc;

use bytes::Bytes;
use cache_api::entry::{Entry, Media};
use cache_api::tier::{Kept, MemoryTier, Removed, Tier};

use super::support::tier::{ASKED, kept, key, tier, version};

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
        ".cache/v2/epoch",
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
