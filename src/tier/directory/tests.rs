use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn record() -> RecordId {
    RecordId::of(&["test"])
}

async fn refused(root: &Path) -> Unusable {
    let Err(Error::Tier { cause, .. }) = DirectoryTier::open(root, &record()).await else { panic!("opened") };
    *cause.downcast_ref().expect("an Unusable")
}

#[tokio::test]
async fn a_root_that_is_missing_is_made_with_all_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("a/b");
    let tier = DirectoryTier::open(&root, &record()).await.unwrap();
    assert!(tier.root_epoch().await.unwrap().is_some());
    assert_eq!((tier.health().failures, tier.health().last_failure), (0, None));
}

#[tokio::test]
async fn what_can_never_be_a_directory_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let [file, link] = ["file", "link"].map(|name| dir.path().join(name));
    fs::write(&file, "").unwrap();
    symlink(dir.path().join("nothing"), &link).unwrap();
    assert_eq!(refused(&file).await, Unusable::NotADirectory);
    assert_eq!(refused(&file.join("below")).await, Unusable::NotADirectory);
    assert_eq!(refused(&link).await, Unusable::DanglingLink);
    assert_eq!(refused(Path::new("")).await, Unusable::Empty);
    fs::create_dir(dir.path().join("real")).unwrap();
    fs::write(dir.path().join("real/.cache"), "").unwrap();
    assert_eq!(refused(&dir.path().join("real")).await, Unusable::NotADirectory);
}

/// Nobody may make files below `/proc`, not even root.
#[tokio::test]
async fn what_cannot_be_written_now_opens_and_fails_in_use() {
    let tier = DirectoryTier::open(Path::new("/proc/self/cache-api"), &record()).await.unwrap();
    assert_eq!(tier.health().failures, 1);
    let key = Key::parse("a", &crate::key::Prefix::default()).unwrap();
    assert_eq!(tier.root_epoch().await.unwrap(), None);
    assert!(matches!(tier.announce(&key).await.unwrap_err(), Error::Tier { .. }));
    assert!(matches!(tier.doubt(&key).await.unwrap_err(), Error::NotWritten { verb: "doubted", .. }));
    assert!(matches!(tier.evict(&key).await.unwrap_err(), Error::NotWritten { verb: "evicted", .. }));
}

#[tokio::test]
async fn an_error_names_no_path() {
    let tier = DirectoryTier::open(Path::new("/proc/self/cache-api"), &record()).await.unwrap();
    let key = Key::parse("a", &crate::key::Prefix::default()).unwrap();
    let error = tier.announce(&key).await.unwrap_err();
    assert_eq!(error.to_string(), "the shared directory failed to announce a fill");
    let error = tier.doubt(&key).await.unwrap_err();
    assert_eq!(error.to_string(), "the shared directory could not take down that `a` is doubted");
}

#[tokio::test]
async fn a_body_has_the_time_its_size_needs() {
    assert_eq!(time_for(0), Duration::ZERO);
    assert_eq!(time_for(80 * 1024 * 1024), Duration::from_secs(10));
}
