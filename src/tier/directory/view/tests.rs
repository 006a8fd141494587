use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::entry::{Entry, Media, Version};
use crate::freshness::Timestamp;
use crate::key::Prefix;
use crate::key::RecordId;
use crate::tier::Stored;
use crate::tier::directory::layout::Disk;

struct Kit {
    dir: tempfile::TempDir,
    disk: Disk,
}

fn kit() -> Kit {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), &RecordId::of(&["test"]));
    Kit { dir, disk }
}

impl Kit {
    /// Stores a body as a fill does.
    fn store(&self, key: &str, body: &'static str) -> Key {
        let key = Key::parse(key, &Prefix::default()).unwrap();
        let version = Version { etag: "\"v\"".into(), last_modified: Timestamp::from_millis(0) };
        let token = self.disk.announce(&key).unwrap();
        let entry = Entry::new(version, Media::default(), body.into());
        let stored = self.disk.store(&key, &token, &entry, Timestamp::from_millis(1)).unwrap();
        assert_eq!(stored, Stored::Stored, "no view is a reason not to store");
        key
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir.path().join(key)
    }

    /// What other programs read under the key's name.
    fn shows(&self, key: &str) -> Option<String> {
        fs::read_to_string(self.path(key)).ok()
    }
}

fn temporaries(dir: &Path) -> usize {
    let is_temporary = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".tmp");
    fs::read_dir(dir).unwrap().filter(|entry| is_temporary(entry.as_ref().unwrap())).count()
}

#[test]
fn a_view_shows_the_last_body_and_keeps_the_one_before_readable() {
    let kit = kit();
    kit.store("prices/2024.csv", "one");
    let open = fs::File::open(kit.path("prices/2024.csv")).unwrap();
    kit.store("prices/2024.csv", "two");
    assert_eq!(kit.shows("prices/2024.csv").unwrap(), "two");
    assert_eq!(std::io::read_to_string(open).unwrap(), "one");
    assert_eq!(fs::metadata(kit.path("prices/2024.csv")).unwrap().mode() & 0o7777, 0o444);
}

/// Pitfall 15: a hard link renamed over itself does nothing, and the left-over stays.
#[test]
fn showing_the_same_body_twice_leaves_nothing_over() {
    let kit = kit();
    let key = kit.store("a", "one");
    let place = kit.disk.place(&key);
    let state = kit.disk.state(&key, &place).unwrap().unwrap();
    let body = BodyName::parse(&state.body).unwrap();
    assert_eq!(show(kit.dir.path(), &key, &place, &body).unwrap(), Shown::Shown);
    assert_eq!(temporaries(&place.dir) + temporaries(kit.dir.path()), 0);
    assert_eq!(fs::metadata(kit.path("a")).unwrap().nlink(), 2);
}

#[test]
fn somebody_elses_file_directory_or_link_is_left_alone() {
    let kit = kit();
    fs::write(kit.path("file"), "theirs").unwrap();
    fs::create_dir(kit.path("dir")).unwrap();
    symlink(kit.path("file"), kit.path("link")).unwrap();
    for name in ["file", "dir", "link"] {
        let key = kit.store(name, "ours");
        kit.store(name, "ours too");
        assert_eq!(temporaries(&kit.disk.place(&key).dir), 0);
        kit.disk.evict(&key).unwrap();
    }
    assert_eq!(kit.shows("file").unwrap(), "theirs");
    assert!(kit.path("dir").is_dir());
    assert_eq!(fs::read_link(kit.path("link")).unwrap(), kit.path("file"));
}

#[test]
fn no_view_leads_through_a_link() {
    let kit = kit();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(kit.path("inside")).unwrap();
    symlink(outside.path(), kit.path("out")).unwrap();
    symlink("inside", kit.path("in")).unwrap();
    for name in ["out/a", "in/a", "in/b/c"] {
        let key = kit.store(name, "ours");
        kit.disk.evict(&key).unwrap();
    }
    for dir in [outside.path(), &kit.path("inside")] {
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0, "{dir:?}");
    }
}

#[test]
fn of_two_keys_that_cannot_both_be_files_one_is_shown() {
    let kit = kit();
    kit.store("a", "file");
    kit.store("a/b", "below");
    kit.store("c/d", "below");
    kit.store("c", "file");
    assert_eq!(kit.shows("a").unwrap(), "file");
    assert_eq!(kit.shows("c/d").unwrap(), "below");
}

/// On a file system that does not tell `A` from `a`, the one's view is found where the other's would be.
#[test]
fn of_two_keys_that_differ_in_case_alone_who_came_first_is_shown() {
    let kit = kit();
    kit.store("dir/a", "first");
    fs::hard_link(kit.path("dir/a"), kit.path("dir/A")).unwrap();
    let second = kit.store("dir/A", "second");
    kit.store("dir/A", "second again");
    assert_eq!(kit.shows("dir/A").unwrap(), "first");
    kit.disk.evict(&second).unwrap();
    assert_eq!((kit.shows("dir/A").as_deref(), kit.shows("dir/a").as_deref()), (Some("first"), Some("first")));
    // Where they are two, both are shown.
    kit.store("other/a", "lower");
    kit.store("other/A", "upper");
    assert_eq!((kit.shows("other/a").as_deref(), kit.shows("other/A").as_deref()), (Some("lower"), Some("upper")));
}

#[test]
fn a_key_of_1024_bytes_is_shown_where_its_segments_are_file_names() {
    let kit = kit();
    let longest = ["s".repeat(204).as_str(); 5].join("/");
    assert_eq!(longest.len(), 1024);
    kit.store(&longest, "deep");
    assert_eq!(kit.shows(&longest).unwrap(), "deep");
    kit.store(&"k".repeat(1024), "stored, and not shown");
}

#[test]
fn keys_that_are_no_file_names_have_no_view_and_are_stored() {
    let kit = kit();
    let long = "n".repeat(256);
    for name in ["a//b", "a/", ".cache/x", ".CACHE/v2/x", ".cache", long.as_str()] {
        kit.store(name, "ours");
    }
    let shown: Vec<_> = fs::read_dir(kit.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(shown, [".cache"]);
    let ours: Vec<_> = fs::read_dir(kit.path(".cache")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(ours, ["v2"]);
}

#[test]
fn a_view_that_lags_behind_is_recognised_by_any_body_of_its_key() {
    let kit = kit();
    let key = kit.store("a", "one");
    let aside = kit.path("aside");
    fs::hard_link(kit.path("a"), &aside).unwrap();
    kit.store("a", "two");
    // As if the process had been killed between state and view.
    fs::rename(&aside, kit.path("a")).unwrap();
    kit.store("a", "three");
    assert_eq!(kit.shows("a").unwrap(), "three");
    kit.disk.evict(&key).unwrap();
    assert_eq!(kit.shows("a"), None);
}

#[test]
fn two_records_on_one_directory_leave_each_others_views_alone() {
    let kit = kit();
    let other = Disk::new(kit.dir.path(), &RecordId::of(&["another"]));
    kit.store("a", "first");
    let token = other.announce(&Key::parse("a", &Prefix::default()).unwrap()).unwrap();
    let version = Version { etag: "\"v\"".into(), last_modified: Timestamp::from_millis(0) };
    let entry = Entry::new(version, Media::default(), "second".into());
    let key = Key::parse("a", &Prefix::default()).unwrap();
    assert_eq!(other.store(&key, &token, &entry, Timestamp::from_millis(1)).unwrap(), Stored::Stored);
    assert_eq!(kit.shows("a").unwrap(), "first");
    other.evict(&key).unwrap();
    assert_eq!(kit.shows("a").unwrap(), "first");
}
