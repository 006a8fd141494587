//! A directory as the record: the suite, and what only a directory can hold.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cache_api::entry::Version;
use cache_api::error::{Error, Unlisted};
use cache_api::key::Key;
use cache_api::record::{DirectoryRecord, Fetched, Record};
use tempfile::TempDir;

use crate::record_conformance::{Site, WHOLE_MAX, a_record_keeps_its_promises, budget};

/// Changes the directory that a record stands on.
struct DirectorySite(PathBuf);

#[async_trait]
impl Site for DirectorySite {
    async fn put(&self, key: &Key, body: Bytes, _content_type: &str) {
        let path = self.0.join(key.as_str());
        let aside = self.0.join(".aside");
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        fs::write(&aside, body).expect("a file");
        fs::rename(aside, path).expect("in place");
    }

    async fn delete(&self, key: &Key) {
        match fs::remove_file(self.0.join(key.as_str())) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{key}: {error}"),
            _ => {}
        }
    }
}

/// As the suite's site, but writes over the bytes of the file that is there and puts its mtime back.
struct OverwritingSite(PathBuf);

#[async_trait]
impl Site for OverwritingSite {
    async fn put(&self, key: &Key, body: Bytes, _content_type: &str) {
        let path = self.0.join(key.as_str());
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        let mtime = fs::metadata(&path).and_then(|metadata| metadata.modified());
        fs::write(&path, body).expect("a file");
        if let Ok(mtime) = mtime {
            fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_modified(mtime)).expect("put back");
        }
    }

    async fn delete(&self, key: &Key) {
        DirectorySite(self.0.clone()).delete(key).await;
    }
}

#[tokio::test]
async fn a_directory_keeps_the_promises_of_a_record() {
    let dir = TempDir::new().unwrap();
    a_record_keeps_its_promises(&open(dir.path()), &DirectorySite(dir.path().to_owned())).await;
}

#[tokio::test]
async fn a_directory_keeps_them_when_files_are_written_in_place_and_their_mtime_is_put_back() {
    let dir = TempDir::new().unwrap();
    a_record_keeps_its_promises(&open(dir.path()), &OverwritingSite(dir.path().to_owned())).await;
}

#[tokio::test]
async fn only_regular_files_are_objects() {
    let dir = TempDir::new().unwrap();
    let record = open(dir.path());
    fs::create_dir(dir.path().join("directory")).unwrap();
    fs::write(dir.path().join("directory/file"), "in it").unwrap();
    let _listener = UnixListener::bind(dir.path().join("socket")).unwrap();
    let made = Command::new("mkfifo").arg(dir.path().join("fifo")).status().unwrap();
    assert!(made.success());
    for name in ["directory", "directory/", "socket", "fifo", "fifo/x", "directory//file", "directory/file/"] {
        assert_eq!(fetch(&record, name).await, Fetched::Missing, "{name}");
    }
    assert_eq!(body(&record, "directory/file").await, "in it");
}

#[tokio::test]
async fn a_name_that_no_file_can_have_is_missing() {
    let dir = TempDir::new().unwrap();
    let record = open(dir.path());
    assert_eq!(fetch(&record, &"k".repeat(256)).await, Fetched::Missing);
    assert_eq!(fetch(&record, &"k/".repeat(511)).await, Fetched::Missing);
}

#[tokio::test]
async fn nothing_outside_the_root_is_in_reach() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "not for you").unwrap();
    let dir = TempDir::new_in(outside.path()).unwrap();
    let record = open(dir.path());
    symlink("../secret", dir.path().join("relative")).unwrap();
    symlink(outside.path().join("secret"), dir.path().join("absolute")).unwrap();
    symlink(outside.path(), dir.path().join("way-out")).unwrap();
    symlink("/dev/null", dir.path().join("device")).unwrap();
    symlink("circle", dir.path().join("circle")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    for name in ["relative", "absolute", "way-out", "way-out/secret", "device", "circle", "dangling"] {
        assert_eq!(fetch(&record, name).await, Fetched::Missing, "{name}");
    }
}

#[tokio::test]
async fn a_link_within_the_root_is_followed() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("v1")).unwrap();
    fs::write(dir.path().join("v1/prices.csv"), "ibm,231.7\n").unwrap();
    symlink("v1", dir.path().join("current")).unwrap();
    assert_eq!(body(&open(dir.path()), "current/prices.csv").await, "ibm,231.7\n");
}

#[tokio::test]
async fn a_listing_has_what_a_fetch_finds_and_no_links_to_directories() {
    let dir = TempDir::new().unwrap();
    let record = open(dir.path());
    for name in ["v1", ".git", "a"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    for name in ["v1/prices.csv", "a/b", "a.b", ".env", ".git/config", "a/.hidden", "line\nbreak"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    fs::write(dir.path().join(OsStr::from_bytes(b"\xff")), "x").unwrap();
    symlink("v1/prices.csv", dir.path().join("latest")).unwrap();
    symlink("v1", dir.path().join("current")).unwrap();
    symlink(".", dir.path().join("a/circle")).unwrap();
    symlink("/etc/passwd", dir.path().join("way-out")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    let _listener = UnixListener::bind(dir.path().join("socket")).unwrap();
    let page = record.list("", None, deadline()).await.unwrap();
    let names: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(names, ["a.b", "a/b", "latest", "v1/prices.csv"]);
    assert_eq!((page.skipped, page.next), (2, None), "the line break and what is no text");
    for name in names {
        body(&record, name).await;
    }
    drop(dir);
    let gone = record.list("", None, deadline()).await;
    assert!(matches!(gone, Err(Error::NotListed { why: Unlisted::Unreachable, .. })), "{gone:?}");
}

#[tokio::test]
async fn names_that_begin_with_a_dot_are_not_served() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    for name in [".env", ".git/config", "a/.hidden", "...", "a/..b"] {
        fs::write(dir.path().join(name), "not for you").unwrap();
        assert_eq!(fetch(&open(dir.path()), name).await, Fetched::Missing, "{name}");
    }
}

/// No swap of a directory for a link, however it falls, leads out of the root.
#[tokio::test]
async fn a_race_of_links_does_not_lead_outside() {
    let outside = TempDir::new().unwrap();
    fs::create_dir(outside.path().join("way")).unwrap();
    fs::write(outside.path().join("way/prices.csv"), "not for you").unwrap();
    let dir = TempDir::new_in(outside.path()).unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    fs::write(dir.path().join("real/prices.csv"), "ibm,231.7\n").unwrap();
    let record = open(dir.path());
    let (aside, way) = (dir.path().join("aside"), dir.path().join("way"));
    let _swapping = Meddling::start(move |round| {
        symlink(["real", "../way"][round % 2], &aside).unwrap();
        fs::rename(&aside, &way).unwrap();
    });
    for _ in 0..500 {
        if let Fetched::Changed(entry) = fetch(&record, "way/prices.csv").await {
            assert_eq!(entry.body, "ibm,231.7\n");
        }
    }
}

/// Pitfall 1. "A body served is exactly one version, whole", while a writer replaces it all the time.
#[tokio::test]
async fn a_body_is_one_version_whole_while_it_is_replaced() {
    let dir = TempDir::new().unwrap();
    let record = open(dir.path());
    let content = |round: usize| format!("{round:09}\n").repeat(1000 + round % 7);
    let (aside, path) = (dir.path().join(".aside"), dir.path().join("prices.csv"));
    fs::write(&path, content(0)).unwrap();
    let _replacing = Meddling::start(move |round| {
        fs::write(&aside, content(round)).unwrap();
        fs::rename(&aside, &path).unwrap();
    });
    for _ in 0..300 {
        match try_fetch(&record, "prices.csv").await {
            Ok(Fetched::Changed(entry)) => {
                let body = entry.body.whole().unwrap();
                let round = std::str::from_utf8(&body[..9]).unwrap().parse().unwrap();
                assert!(entry.body == content(round), "not all of round {round}: {} bytes", body.len());
            }
            Err(Error::Changed { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// "What just changed is read to be named, and for no longer than there is time."
#[tokio::test]
async fn an_object_over_the_limit_is_not_held() {
    let dir = TempDir::new().unwrap();
    let file = fs::File::create(dir.path().join("large.bin")).unwrap();
    // All hole: were it held, no memory would do.
    file.set_len(1 << 50).unwrap_or_else(|_| file.set_len(1 << 40).unwrap());
    let record = open(dir.path());
    let key = Key::parse("large.bin", record.prefix()).unwrap();
    let late = record.fetch(&key, None, deadline() - Duration::from_millis(59_700)).await;
    assert!(matches!(late, Err(Error::Deadline { .. })), "{late:?}");
    file.set_len(WHOLE_MAX).unwrap();
    assert_eq!(body(&record, "large.bin").await.len() as u64, WHOLE_MAX, "the limit itself still fits");
}

/// "When the source directory is gone, nothing is said to be missing in it."
#[tokio::test]
async fn a_root_that_was_removed_cannot_be_reached() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("prices.csv"), "ibm,231.7\n").unwrap();
    let record = open(dir.path());
    dir.close().unwrap();
    let error = try_fetch(&record, "prices.csv").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.lets_stale_stand_in());
}

/// What `make run` serves, and small enough to be carried along.
#[tokio::test]
async fn the_sample_data_is_served_as_it_lies() {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data");
    let record = open(&site);
    for (name, media_type) in
        [("bonds.parquet", "application/vnd.apache.parquet"), ("prices.csv", "text/csv"), ("terms.json", "application/json")]
    {
        let Fetched::Changed(entry) = fetch(&record, name).await else { panic!("{name} is not there") };
        assert_eq!(entry.body, fs::read(site.join(name)).unwrap(), "{name}");
        assert_eq!(entry.facts.content_type.as_deref(), Some(media_type), "{name}");
        assert!(entry.facts.size < 100_000, "{name} has {} bytes", entry.facts.size);
    }
}

#[tokio::test]
async fn last_modified_is_the_mtime_in_whole_seconds() {
    let dir = TempDir::new().unwrap();
    let file = fs::File::create(dir.path().join("prices.csv")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999)).unwrap();
    assert_eq!(version(&open(dir.path()), "prices.csv").await.last_modified.as_millis(), 1_700_000_000_000);
    file.set_modified(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).unwrap();
    assert_eq!(version(&open(dir.path()), "prices.csv").await.last_modified.as_millis(), 0, "before 1970 is 1970");
}

#[tokio::test]
async fn a_version_tells_no_inode() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("prices.csv"), "ibm,231.7\n").unwrap();
    let inode = fs::metadata(dir.path().join("prices.csv")).unwrap().ino();
    let etag = version(&open(dir.path()), "prices.csv").await.etag;
    assert!(!etag.contains(&inode.to_string()) && !etag.contains(&format!("{inode:x}")), "{inode} in {etag}");
}

#[test]
fn a_record_is_named_by_the_directory_it_is_and_not_by_how_it_was_called() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    fs::create_dir(dir.path().join("b")).unwrap();
    symlink("a", dir.path().join("link")).unwrap();
    let a = open(&dir.path().join("a"));
    assert_eq!(a.id().as_str().len(), 32);
    assert_eq!(a.id(), open(&dir.path().join("b/../a/.")).id());
    assert_eq!(a.id(), open(&dir.path().join("link")).id());
    assert_ne!(a.id(), open(&dir.path().join("b")).id());
}

#[test]
fn what_is_no_directory_does_not_open() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let refused = |name: &str| DirectoryRecord::open(&dir.path().join(name), budget()).unwrap_err().kind();
    assert_eq!(refused("absent"), std::io::ErrorKind::NotFound);
    assert_eq!(refused("file"), std::io::ErrorKind::NotADirectory);
}

/// Does something to a directory, round after round, until it is dropped.
struct Meddling {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Meddling {
    fn start(meddle: impl Fn(usize) + Send + 'static) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        let rounds = move || (1..).take_while(|_| !seen.load(Ordering::Relaxed)).for_each(meddle);
        Self { done, thread: Some(std::thread::spawn(rounds)) }
    }
}

impl Drop for Meddling {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the meddling itself failed");
    }
}

fn open(root: &Path) -> DirectoryRecord {
    DirectoryRecord::open(root, budget()).expect("a directory")
}

async fn try_fetch(record: &DirectoryRecord, name: &str) -> Result<Fetched, Error> {
    let key = Key::parse(name, record.prefix()).expect("a key");
    record.fetch(&key, None, deadline()).await.map(|answer| answer.fetched)
}

async fn fetch(record: &DirectoryRecord, name: &str) -> Fetched {
    try_fetch(record, name).await.unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

async fn body(record: &DirectoryRecord, name: &str) -> Bytes {
    match fetch(record, name).await {
        Fetched::Changed(entry) => entry.body.whole().expect("in memory").clone(),
        other => panic!("{name}: {other:?}"),
    }
}

async fn version(record: &DirectoryRecord, name: &str) -> Version {
    match fetch(record, name).await {
        Fetched::Changed(entry) => entry.version,
        other => panic!("{name}: {other:?}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
