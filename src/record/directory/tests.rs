//! What depends on the time, or on what happens while a file is read; the rest is tested from outside.

use std::cell::Cell;
use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use cap_std::fs::File;
use futures_util::StreamExt;
use tempfile::TempDir;

use super::root::{Failure, ReadFile};
use super::*;
use crate::entry::Entry;
use crate::freshness::Timestamp;
use crate::record::{Fetched, Head};

/// The longest file that is held whole.
const WHOLE_MAX: usize = 128 << 10;

/// Long after whatever a test does to its files.
const LATER: Duration = Duration::from_secs(60 * 60);

/// A root with one file in it.
struct Site {
    dir: TempDir,
    root: Arc<Root>,
    key: Key,
}

impl Site {
    fn with(body: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let record = DirectoryRecord::open(dir.path(), Budget::new(8 * WHOLE_MAX as u64)).unwrap();
        let site = Self { dir, root: record.root, key: Key::parse("prices.csv", &Prefix::default()).unwrap() };
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
        self.fetch_by(wait, known, &read_up_to).unwrap()
    }

    fn fetch_by(&self, wait: Duration, known: Option<&Version>, read: ReadFile) -> Result<Fetched> {
        match self.root.fetch(&self.key, known, question_in(wait), None, read)? {
            Step::Done(fetched) => Ok(fetched),
            Step::Wants(bytes) => panic!("no room for {bytes} bytes"),
        }
    }

    fn entry_in(&self, wait: Duration, known: Option<&Version>) -> Entry {
        match self.fetch_in(wait, known) {
            Fetched::Changed(entry) => entry,
            other => panic!("{other:?}"),
        }
    }
}

/// As if it were asked so long after now, with half a minute's time.
fn question_in(wait: Duration) -> Question {
    let Moment { wall, monotonic } = now();
    let asked = Timestamp::from_millis(wall.as_millis() + wait.as_millis() as u64);
    Question { asked, deadline: monotonic + Duration::from_secs(30) }
}

#[test]
fn a_quiet_file_has_a_version_by_its_stamp_and_is_confirmed_unread() {
    let site = Site::with("ibm,231.7\n");
    let entry = site.entry_in(LATER, None);
    assert!(entry.version.etag.starts_with("\"s-"), "{:?}", entry.version);
    assert_eq!(entry.body, "ibm,231.7\n");
    let never = |_: &mut File, _| panic!("the file was read");
    let confirmed = site.fetch_by(Duration::ZERO, Some(&entry.version), &never).unwrap();
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
    for _ in 0..3 {
        let confirmed = site.fetch_by(LATER, Some(&by_content), &counted).unwrap();
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
    let fetched = site.fetch_by(Duration::ZERO, None, &meddled_once).unwrap();
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
    let error = site.fetch_by(Duration::ZERO, None, &grows).unwrap_err();
    assert!(matches!(&error, Error::Changed { key } if *key == site.key), "{error:?}");
}

#[test]
fn a_file_replaced_while_it_is_read_is_served_as_one_of_the_two() {
    let site = Site::with("ibm,231.7\n");
    let replaced = |file: &mut File, size| {
        site.replace("ibm,999.9\n");
        read_up_to(file, size)
    };
    // Each attempt finds its file unlinked by the next, for losing its name is a change too.
    let error = site.fetch_by(Duration::ZERO, None, &replaced).unwrap_err();
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
    assert_eq!(site.fetch_by(Duration::ZERO, None, &removed).unwrap(), Fetched::Missing);
}

#[test]
fn each_refusal_of_the_file_system_is_the_failure_it_means() {
    let raw = |errno| Failure::from(io::Error::from_raw_os_error(errno));
    let (enoent, eio, eacces, enotdir, eisdir, enametoolong, estale) = (2, 5, 13, 20, 21, 36, 116);
    for errno in [enoent, enotdir, eisdir, enametoolong, super::root::ELOOP] {
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
        site.fetch_by(Duration::ZERO, None, &read).unwrap_err()
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

/// A body of one more byte than is held whole, of a period that is no power of two.
fn large_body() -> String {
    (0..=WHOLE_MAX).map(|index| char::from(b'a' + (index % 23) as u8)).collect()
}

fn head(fetched: Fetched) -> Head {
    match fetched {
        Fetched::Large(head) => head,
        other => panic!("{other:?}"),
    }
}

impl Site {
    /// The bytes that leave of a file that was asked for so long after now, and what ended them; `meddle` comes between the blocks.
    async fn read_in(&self, wait: Duration, version: &Version, range: Range<u64>, meddle: impl Fn()) -> (String, Result<()>) {
        let opened = match self.root.begin(&self.key, version, question_in(wait)) {
            Ok(opened) => opened,
            Err(error) => return (String::new(), Err(error)),
        };
        let room = self.root.room(&self.key, large::room_bytes(&range, self.root.block_bytes())).await.unwrap();
        let (mut blocks, mut bytes) = (opened.read(self.key.clone(), range, room), Vec::new());
        while let Some(block) = blocks.next().await {
            match block {
                Ok(block) => bytes.extend(block),
                Err(error) => return (String::from_utf8(bytes).unwrap(), Err(error)),
            }
            meddle();
        }
        (String::from_utf8(bytes).unwrap(), Ok(()))
    }
}

#[test]
fn a_large_file_that_is_quiet_is_named_and_confirmed_unread() {
    let site = Site::with(&large_body());
    // A hole: were it read, neither memory nor the deadline would do.
    fs::File::options().write(true).open(site.path()).unwrap().set_len(1 << 42).unwrap();
    let found = head(site.fetch_in(LATER, None));
    assert_eq!((found.facts.size, found.facts.content_type.as_deref(), found.facts.checksum), (1 << 42, Some("text/csv"), None));
    assert!(found.version.etag.starts_with("\"s-"), "{found:?}");
    assert_eq!(site.fetch_in(Duration::ZERO, Some(&found.version)), Fetched::Unchanged);
    assert_eq!(head(site.fetch_in(LATER, Some(&Version { etag: "\"s-0\"".into(), ..found.version.clone() }))), found);
    let late = Question { deadline: now().monotonic, ..question_in(Duration::ZERO) };
    let error = site.root.fetch(&site.key, None, late, None, &read_up_to).unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "what just changed is read, but no longer than there is time: {error:?}");
}

#[tokio::test]
async fn a_large_file_that_just_changed_is_named_by_its_content_and_known_by_it_when_it_is_quiet() {
    let site = Site::with(&large_body());
    let by_content = head(site.fetch_in(Duration::ZERO, None)).version;
    assert!(by_content.etag.starts_with("\"c-"), "{by_content:?}");
    assert_eq!(site.fetch_in(Duration::ZERO, Some(&by_content)), Fetched::Unchanged);
    for wait in [Duration::ZERO, LATER] {
        let (read, ended) = site.read_in(wait, &by_content, 0..large_body().len() as u64, || ()).await;
        assert!(ended.is_ok() && read == large_body(), "{ended:?}, {} bytes", read.len());
    }
    assert_eq!(site.fetch_in(LATER, Some(&by_content)), Fetched::Unchanged, "settled");
    let by_stamp = head(site.fetch_in(LATER, None)).version;
    assert!(by_stamp.etag.starts_with("\"s-"), "{by_stamp:?}");
    let (read, ended) = site.read_in(Duration::ZERO, &by_stamp, 70_000..70_007, || ()).await;
    assert!(ended.is_ok() && read == large_body()[70_000..70_007], "{ended:?}: {read}");
}

/// "Only bytes of this version leave": whoever writes over them, and puts the mtime back, in the same tick or not.
#[tokio::test]
async fn no_other_bytes_leave_than_those_of_the_version_that_was_opened() {
    let (old, new) = (large_body(), large_body().to_uppercase());
    let whole = 0..old.len() as u64;
    for round in 0..60 {
        let site = Site::with(&old);
        let wait = [Duration::ZERO, LATER][round % 2];
        let version = head(site.fetch_in(wait, None)).version;
        if wait == LATER {
            site.let_the_clock_tick();
        }
        let (read, ended) = match round % 3 {
            0 => {
                site.overwrite_unnoticed(&new);
                site.read_in(wait, &version, whole.clone(), || ()).await
            }
            1 => site.read_in(wait, &version, whole.clone(), || site.overwrite_unnoticed(&new)).await,
            _ => site.read_in(wait, &version, whole.clone(), || site.replace(&new)).await,
        };
        assert!(old.starts_with(&read) && read.len() < old.len(), "round {round}: {} bytes", read.len());
        assert!(matches!(ended, Err(Error::Changed { .. })), "round {round}: {ended:?}");
    }
}

/// What the file system's clock may hide, if it ticks slowly enough: the same stamp for other bytes.
#[tokio::test]
async fn a_change_that_no_stamp_shows_is_seen_by_the_checksums_of_the_blocks() {
    let site = Site::with(&large_body());
    let version = head(site.fetch_in(Duration::ZERO, None)).version;
    let mut opened = site.root.begin(&site.key, &version, question_in(Duration::ZERO)).unwrap();
    site.overwrite_unnoticed(&large_body().replace('w', "W"));
    opened.stamp = stamp::Stamp::of(&opened.file).unwrap();
    let room = site.root.room(&site.key, 10).await.unwrap();
    let mut blocks = opened.read(site.key.clone(), 0..10, room);
    let read = blocks.next().await;
    assert!(matches!(read, Some(Err(Error::Changed { .. }))), "{read:?}");
    assert!(blocks.next().await.is_none());
}

#[tokio::test]
async fn a_large_file_that_is_gone_has_changed_and_a_root_that_is_gone_cannot_be_reached() {
    let site = Site::with(&large_body());
    let version = head(site.fetch_in(LATER, None)).version;
    fs::remove_file(site.path()).unwrap();
    let (_, ended) = site.read_in(LATER, &version, 0..1, || ()).await;
    assert!(matches!(ended, Err(Error::Changed { .. })), "{ended:?}");
    fs::remove_dir_all(site.dir.path()).unwrap();
    let (_, ended) = site.read_in(LATER, &version, 0..1, || ()).await;
    assert!(matches!(ended, Err(Error::Unreachable { .. })), "{ended:?}");
}

#[tokio::test]
async fn a_body_waits_for_its_room_and_counts_until_it_is_gone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("prices.csv"), vec![7; WHOLE_MAX]).unwrap();
    let budget = Budget::new(8 * WHOLE_MAX as u64);
    let record = DirectoryRecord::open(dir.path(), Arc::clone(&budget)).unwrap();
    let key = Key::parse("prices.csv", &Prefix::default()).unwrap();
    let others = budget.room(budget.free_bytes() - 1024).await.unwrap();
    let deadline = now().monotonic + Duration::from_secs(30);
    let room_comes = async {
        tokio::task::yield_now().await;
        drop(others);
    };
    let (answer, ()) = tokio::join!(record.fetch(&key, None, deadline), room_comes);
    let fetched = answer.unwrap().fetched;
    assert!(matches!(fetched, Fetched::Changed(_)), "{fetched:?}");
    assert_eq!(budget.free_bytes(), 7 * WHOLE_MAX as u64);
    drop(fetched);
    assert_eq!(budget.free_bytes(), 8 * WHOLE_MAX as u64);
    let _others = budget.room(budget.free_bytes() - 1024).await.unwrap();
    tokio::time::pause();
    let error = record.fetch(&key, None, deadline).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
}
