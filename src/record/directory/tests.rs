//! What depends on the time, or on what happens while a file is read; the rest is tested from outside.

use std::cell::Cell;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// Long after whatever a test does to its files.
const LATER: Duration = Duration::from_secs(60 * 60);

/// A root with one file in it.
struct Site {
    dir: TempDir,
    root: Root,
    key: Key,
}

impl Site {
    fn with(body: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let record = DirectoryRecord::open(dir.path(), Budget::new(1 << 20)).unwrap();
        let root = Arc::into_inner(record.root).unwrap();
        let site = Self { dir, root, key: Key::parse("prices.csv", &Prefix::default()).unwrap() };
        site.replace(body);
        site
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join(self.key.as_str())
    }

    /// Another file takes the name.
    fn replace(&self, body: &str) {
        let aside = self.dir.path().join(".aside");
        fs::write(&aside, body).unwrap();
        fs::rename(aside, self.path()).unwrap();
    }

    /// Writes over the bytes of the file, and puts its mtime back.
    fn overwrite_unnoticed(&self, body: &str) {
        let mut file = fs::OpenOptions::new().write(true).open(self.path()).unwrap();
        let mtime = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(body.as_bytes()).unwrap();
        file.set_modified(mtime).unwrap();
    }

    /// Waits for what a file is called quiet for: that the file system's clock has moved since its last change. It moves
    /// every few milliseconds, so that a test may call a file quiet long before the 2 s that no clock takes.
    fn let_the_clock_tick(&self) {
        let changed = |path: &Path| fs::metadata(path).map(|metadata| (metadata.ctime(), metadata.ctime_nsec())).unwrap();
        let tick = self.dir.path().join(".tick");
        fs::write(&tick, "").unwrap();
        while changed(&tick) <= changed(&self.path()) {
            fs::write(&tick, "tick").unwrap();
        }
    }

    /// What an answer is that was asked for so long after now.
    fn fetch_in(&self, wait: Duration, known: Option<&Version>) -> Fetched {
        let asked = Timestamp::from_millis(now().wall.as_millis() + wait.as_millis() as u64);
        self.root.fetch(&self.key, known, asked, &read_up_to).unwrap()
    }

    fn entry_in(&self, wait: Duration, known: Option<&Version>) -> Entry {
        match self.fetch_in(wait, known) {
            Fetched::Changed(entry) => entry,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_quiet_file_has_a_version_by_its_stamp_and_is_confirmed_unread() {
    let site = Site::with("ibm,231.7\n");
    let entry = site.entry_in(LATER, None);
    assert!(entry.version.etag.starts_with("\"s-"), "{:?}", entry.version);
    assert_eq!(entry.body, "ibm,231.7\n");
    let never = |_: &mut File, _| panic!("the file was read");
    let asked = Timestamp::from_millis(now().wall.as_millis());
    let confirmed = site.root.fetch(&site.key, Some(&entry.version), asked, &never).unwrap();
    assert_eq!(confirmed, Fetched::Unchanged);
}

#[test]
fn a_file_that_just_changed_has_a_version_by_its_content() {
    let site = Site::with("ibm,231.7\n");
    let entry = site.entry_in(Duration::ZERO, None);
    assert!(entry.version.etag.starts_with("\"c-"), "{:?}", entry.version);
    assert_eq!(site.fetch_in(Duration::ZERO, Some(&entry.version)), Fetched::Unchanged);
    // A file from the future never becomes quiet: its mtime says nothing of when it changed.
    let future = now().wall.as_millis() + 2 * LATER.as_millis() as u64;
    let file = fs::OpenOptions::new().write(true).open(site.path()).unwrap();
    file.set_modified(Timestamp::from_millis(future).into()).unwrap();
    let entry = site.entry_in(LATER, None);
    assert!(entry.version.etag.starts_with("\"c-"), "{:?}", entry.version);
}

#[test]
fn a_file_that_becomes_quiet_is_unchanged_to_who_knows_its_content_and_read_for_that_once() {
    let site = Site::with("ibm,231.7\n");
    let by_content = site.entry_in(Duration::ZERO, None).version;
    let reads = Cell::new(0);
    let counted = |file: &mut File, size| {
        reads.set(reads.get() + 1);
        read_up_to(file, size)
    };
    let asked = Timestamp::from_millis(now().wall.as_millis() + LATER.as_millis() as u64);
    for _ in 0..3 {
        let confirmed = site.root.fetch(&site.key, Some(&by_content), asked, &counted).unwrap();
        assert_eq!(confirmed, Fetched::Unchanged);
    }
    assert_eq!(reads.get(), 1);
    let touched = Version { last_modified: Timestamp::from_millis(0), ..by_content.clone() };
    assert_eq!(site.entry_in(LATER, Some(&touched)).body, "ibm,231.7\n", "the same bytes at another time are another version");
    let by_stamp = site.entry_in(LATER, None).version;
    assert!(by_stamp.etag.starts_with("\"s-"), "who knows nothing learns the stamp: {by_stamp:?}");
    assert_eq!(site.fetch_in(LATER, Some(&by_stamp)), Fetched::Unchanged);
    // What is remembered of the quiet file is not believed of what comes after it.
    site.let_the_clock_tick();
    site.overwrite_unnoticed("ibm,231.8\n");
    assert_eq!(site.entry_in(Duration::ZERO, Some(&by_content)).body, "ibm,231.8\n");
    assert_eq!(site.entry_in(LATER, Some(&by_content)).body, "ibm,231.8\n");
}

/// "Never unchanged for other bytes": same size, mtime put back, in the same second, written in place; whenever the file was
/// read before, and whenever one asks again.
#[test]
fn other_bytes_are_never_unchanged_whatever_is_put_back() {
    let site = Site::with("ibm,231.0\n");
    for round in 0..200 {
        let waits = [Duration::ZERO, LATER];
        let known = site.entry_in(waits[round % 2], None).version;
        let body = format!("ibm,231.{}\n", (round + 1) % 10);
        let mtime = fs::metadata(site.path()).unwrap().mtime_nsec();
        if known.etag.starts_with("\"s-") {
            site.let_the_clock_tick();
        }
        site.overwrite_unnoticed(&body);
        assert_eq!(fs::metadata(site.path()).unwrap().mtime_nsec(), mtime, "the mtime was put back");
        let entry = site.entry_in(waits[round / 2 % 2], Some(&known));
        assert_eq!(entry.body, body, "round {round}");
        assert_ne!(entry.version.etag, known.etag, "round {round}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_again() {
    let site = Site::with("ibm,231.7\n");
    let reads = Cell::new(0);
    let meddled_once = |file: &mut File, size| {
        let body = read_up_to(file, size);
        if reads.replace(reads.get() + 1) == 0 {
            fs::write(site.path(), "ibm,231.8\nibm,231.9\n").unwrap();
        }
        body
    };
    let fetched = site.root.fetch(&site.key, None, now().wall, &meddled_once).unwrap();
    assert!(matches!(&fetched, Fetched::Changed(entry) if entry.body == "ibm,231.8\nibm,231.9\n"), "{fetched:?}");
    assert_eq!(reads.get(), 2);
}

#[test]
fn a_file_that_never_holds_still_is_an_error_and_no_body() {
    let site = Site::with("ibm,231.7\n");
    let grows = |file: &mut File, size| {
        let mut log = fs::OpenOptions::new().append(true).open(site.path()).unwrap();
        log.write_all(b"ibm,231.8\n").unwrap();
        read_up_to(file, size)
    };
    let error = site.root.fetch(&site.key, None, now().wall, &grows).unwrap_err();
    assert!(matches!(&error, Error::Changed { key } if *key == site.key), "{error:?}");
}

#[test]
fn a_file_replaced_while_it_is_read_is_served_as_one_of_the_two() {
    let site = Site::with("ibm,231.7\n");
    let replaced = |file: &mut File, size| {
        site.replace("ibm,999.9\n");
        read_up_to(file, size)
    };
    let asked = now().wall;
    // Each attempt finds its file unlinked by the next, for losing its name is a change too.
    let error = site.root.fetch(&site.key, None, asked, &replaced).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error:?}");
    assert_eq!(site.entry_in(Duration::ZERO, None).body, "ibm,999.9\n");
}

#[test]
fn a_file_that_goes_while_it_is_read_is_missing() {
    let site = Site::with("ibm,231.7\n");
    let removed = |file: &mut File, size| {
        let body = read_up_to(file, size);
        fs::remove_file(site.path()).unwrap();
        body
    };
    assert_eq!(site.root.fetch(&site.key, None, now().wall, &removed).unwrap(), Fetched::Missing);
}

#[test]
fn each_refusal_of_the_file_system_is_the_failure_it_means() {
    let raw = |errno| Failure::from(io::Error::from_raw_os_error(errno));
    let (enoent, eio, eacces, enotdir, eisdir, enametoolong, estale) = (2, 5, 13, 20, 21, 36, 116);
    for errno in [enoent, enotdir, eisdir, enametoolong, ELOOP] {
        assert!(matches!(raw(errno), Failure::NoFile), "{errno}: {:?}", raw(errno));
    }
    assert!(matches!(raw(eacces), Failure::Denied(_)), "{:?}", raw(eacces));
    assert!(matches!(raw(eio), Failure::Io(_)), "{:?}", raw(eio));
    assert!(matches!(raw(estale), Failure::Overtaken), "{:?}", raw(estale));
}

#[test]
fn a_failing_disk_and_a_forbidden_file_are_said_without_a_path() {
    let site = Site::with("ibm,231.7\n");
    let fails = |errno| {
        let read = move |_: &mut File, _| Err(io::Error::from_raw_os_error(errno));
        site.root.fetch(&site.key, None, now().wall, &read).unwrap_err()
    };
    let (eio, eacces) = (5, 13);
    assert!(matches!(fails(eio), Error::Unreachable { .. }), "{:?}", fails(eio));
    assert!(matches!(fails(eacces), Error::Forbidden { .. }), "{:?}", fails(eacces));
    assert_eq!(fails(eio).to_string(), "the record cannot be reached for `prices.csv`");
}

#[test]
fn a_share_that_does_not_answer_is_given_up_at_the_deadline() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("prices.csv"), "ibm,231.7\n").unwrap();
    let record = DirectoryRecord::open(dir.path(), Budget::new(1 << 20)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    // The only thread that may wait for disks waits for this test, as for a share that does not answer.
    let (share_answers, share) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || share.recv());
    let key = Key::parse("prices.csv", &Prefix::default()).unwrap();
    let answer = runtime.block_on(record.fetch(&key, None, now().monotonic + Duration::from_millis(20)));
    assert!(matches!(answer, Err(Error::Deadline { .. })), "{answer:?}");
    drop(share_answers);
    let answer = runtime.block_on(record.fetch(&key, None, now().monotonic + LATER)).unwrap();
    assert!(matches!(answer.fetched, Fetched::Changed(_)), "the next request works: {answer:?}");
}
