use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::entry::{Budget, Media, Version};
use crate::key::Prefix;
use crate::key::RecordId;
use crate::tier::{Epoch, Looked};

const ASKED: Timestamp = Timestamp::from_millis(1_700_000_100_000);

struct Kit {
    dir: tempfile::TempDir,
    disk: Disk,
    key: Key,
    place: Place,
}

fn kit() -> Kit {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), &RecordId::of(&["test"]));
    let key = Key::parse("a", &Prefix::default()).unwrap();
    let place = disk.place(&key);
    Kit { dir, disk, key, place }
}

fn entry(etag: &str, body: &'static [u8]) -> Entry {
    let version = Version { etag: etag.into(), last_modified: Timestamp::from_millis(1_700_000_000_000) };
    Entry::new(version, Media::default(), body.into())
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_announcement_makes_directory_epochs_and_token_once() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let first = disk.announce(&key).unwrap();
    let epochs: [Epoch; 2] = [disk.root_epoch().unwrap().unwrap(), disk.shard_epoch(place.shard).unwrap().unwrap()];
    assert_eq!(disk.announce(&key).unwrap(), first);
    assert_eq!(epochs, [disk.root_epoch().unwrap().unwrap(), disk.shard_epoch(place.shard).unwrap().unwrap()]);
    assert_eq!(names(&place.dir), ["doubt"]);
}

#[test]
fn a_body_is_immutable_dated_as_the_object_and_named_without_its_etag() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let token = disk.announce(&key).unwrap();
    assert_eq!(disk.store(&key, &token, &entry("\"../v1\"", b"body"), ASKED).unwrap(), Stored::Stored);
    let state = disk.state(&key, &place).unwrap().unwrap();
    assert_eq!(names(&place.dir), [&state.body, "doubt", "state.json"], "no temporary is left");
    let metadata = fs::metadata(place.dir.join(&state.body)).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o444);
    assert_eq!(Timestamp::from(metadata.modified().unwrap()), Timestamp::from_millis(1_700_000_000_000));
    assert_eq!(metadata.nlink(), 2, "the body and its view");
    assert_eq!((state.confirmed_at, state.token), (ASKED, token));
}

/// If this fails, the layout has changed: raise its version (`layout::LAYOUT`), or instances of two releases on one directory
/// misread each other.
#[test]
fn a_token_is_written_byte_for_byte_as_ever() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let written = || fs::read_to_string(place.doubt()).unwrap();
    let first = disk.announce(&key).unwrap();
    assert_eq!(written(), format!("{first} announced"));
    assert_eq!(disk.store(&key, &first, &entry("\"v1\"", b"1"), ASKED).unwrap(), Stored::Stored);
    assert_eq!(written(), first.to_string(), "something was stored beside it");
    disk.doubt(&key).unwrap();
    let second = disk.announce(&key).unwrap();
    assert_eq!(written(), second.to_string());
    fs::remove_file(place.doubt()).unwrap();
    let third = disk.announce(&key).unwrap();
    assert_eq!(written(), third.to_string(), "the directory was there before");
}

/// Pitfall 2: a fetch that races a change caches the old bytes again afterwards. A store under a moved token is overtaken.
#[test]
fn what_was_asked_for_under_an_older_token_is_not_stored() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let token = disk.announce(&key).unwrap();
    disk.store(&key, &token, &entry("\"v1\"", b"1"), ASKED).unwrap();
    let state = disk.state(&key, &place).unwrap().unwrap();
    disk.doubt(&key).unwrap();
    assert_eq!(disk.store(&key, &token, &entry("\"v2\"", b"2"), ASKED).unwrap(), Stored::Overtaken);
    assert_eq!(disk.confirm(&key, &token, &state, ASKED).unwrap(), Stored::Overtaken);
    assert_eq!(disk.state(&key, &place).unwrap(), Some(state.clone()), "untouched");
    assert_eq!(names(&place.dir), [&state.body, "doubt", "state.json"], "nothing is left behind");
}

/// Pitfall 17: who wakes after an hour finishes its write; the token shows that it is late.
#[test]
fn a_state_written_after_the_last_look_at_the_token_is_not_believed() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let token = disk.announce(&key).unwrap();
    disk.store(&key, &token, &entry("\"v1\"", b"1"), ASKED).unwrap();
    let late = disk.state(&key, &place).unwrap().unwrap();
    disk.doubt(&key).unwrap();
    // What `believe` does after it has looked.
    file::replace(&place.state(), &encode(&late).unwrap()).unwrap();
    let Looked::Other { token: Some(token), state: Some(state) } = disk.look(&key, None).unwrap() else { panic!("not held") };
    assert!(!state.is_believed_under(&token));
}

/// Between the two calls of [`believe`] an eviction may begin and return. Nothing may stand in for what it took away, and that
/// the state written then is not believed does not keep its body from standing in: so that has to be gone.
#[test]
fn a_state_written_after_an_eviction_names_a_body_that_is_gone() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let token = disk.announce(&key).unwrap();
    disk.store(&key, &token, &entry("\"v1\"", b"1"), ASKED).unwrap();
    let confirmed = disk.state(&key, &place).unwrap().unwrap();
    let stored = State { body: BodyName::unused(&confirmed.version).as_str().to_owned(), ..confirmed.clone() };
    for late in [confirmed, stored] {
        let body = place.body(&BodyName::parse(&late.body).unwrap());
        if !body.exists() {
            fs::write(&body, b"1").unwrap();
        }
        let read = File::open(&body).unwrap();
        disk.evict(&key).unwrap();
        file::replace(&place.state(), &encode(&late).unwrap()).unwrap();
        let Looked::Other { token: Some(token), state: Some(state) } = disk.look(&key, None).unwrap() else { panic!("not held") };
        assert!(!state.is_believed_under(&token));
        assert_eq!(disk.lift(&key, &state, Budget::unbounded().room_now(1).unwrap()).unwrap(), None);
        assert_eq!(io::read_to_string(read).unwrap(), "1", "who reads it reads on");
    }
}

#[test]
fn a_fill_whose_directory_went_is_overtaken_and_makes_nothing() {
    let Kit { disk, key, place, dir } = kit();
    let token = disk.announce(&key).unwrap();
    disk.store(&key, &token, &entry("\"v1\"", b"1"), ASKED).unwrap();
    let state = disk.state(&key, &place).unwrap().unwrap();
    fs::remove_dir_all(dir.path().join(".cache")).unwrap();
    assert_eq!(disk.store(&key, &token, &entry("\"v2\"", b"2"), ASKED).unwrap(), Stored::Overtaken);
    assert_eq!(disk.confirm(&key, &token, &state, ASKED).unwrap(), Stored::Overtaken);
    assert!(!dir.path().join(".cache").exists());
    assert_ne!(disk.announce(&key).unwrap(), token, "announcing makes it all again, under another token");
}

#[test]
fn a_state_that_cannot_be_written_leaves_no_body() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let token = disk.announce(&key).unwrap();
    fs::create_dir_all(place.state().join("in the way")).unwrap();
    disk.store(&key, &token, &entry("\"v1\"", b"1"), ASKED).unwrap_err();
    assert_eq!(names(&place.dir), ["doubt", "state.json"]);
}

#[test]
fn a_confirmation_moves_the_time_and_the_token_and_keeps_the_body() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let token = disk.announce(&key).unwrap();
    disk.store(&key, &token, &entry("\"v1\"", b"1"), ASKED).unwrap();
    let before = disk.state(&key, &place).unwrap().unwrap();
    disk.doubt(&key).unwrap();
    let Looked::Other { token: Some(token), state: Some(state) } = disk.look(&key, None).unwrap() else { panic!("not held") };
    let later = Timestamp::from_millis(ASKED.as_millis() + 60_000);
    assert_eq!(disk.confirm(&key, &token, &state, later).unwrap(), Stored::Stored);
    assert_eq!(disk.state(&key, &place).unwrap(), Some(State { confirmed_at: later, token, ..before }));
}

#[test]
fn a_body_of_any_age_is_stored() {
    let Kit { disk, key, place, dir: _dir } = kit();
    let token = disk.announce(&key).unwrap();
    for millis in [0, 253_402_300_800_000] {
        let mut entry = entry("\"v1\"", b"1");
        entry.version.last_modified = Timestamp::from_millis(millis);
        assert_eq!(disk.store(&key, &token, &entry, ASKED).unwrap(), Stored::Stored);
        assert_eq!(disk.state(&key, &place).unwrap().unwrap().version, entry.version);
        assert!(SystemTime::from(entry.version.last_modified) >= SystemTime::UNIX_EPOCH);
    }
}
