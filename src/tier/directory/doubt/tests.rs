use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::entry::{Entry, Media, Version};
use crate::freshness::Timestamp;
use crate::key::Prefix;
use crate::key::RecordId;
use crate::tier::{Epoch, Looked, Stored};

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
    let key = Key::parse("dir/a", &Prefix::default()).unwrap();
    let place = disk.place(&key);
    Kit { dir, disk, key, place }
}

impl Kit {
    /// Stores a body as a fill does; answers the token.
    fn hold(&self, body: &'static [u8]) -> Token {
        let version = Version { etag: "\"v\"".into(), last_modified: Timestamp::from_millis(0) };
        let token = self.disk.announce(&self.key).unwrap();
        let entry = Entry::new(version, Media::default(), body.into());
        assert_eq!(self.disk.store(&self.key, &token, &entry, ASKED).unwrap(), Stored::Stored);
        token
    }

    fn epochs(&self) -> [Option<Epoch>; 2] {
        [self.disk.shard_epoch(self.place.shard).unwrap(), self.disk.root_epoch().unwrap()]
    }

    fn token(&self) -> Option<Token> {
        nonce::read(&self.place.doubt()).unwrap()
    }

    fn view(&self) -> PathBuf {
        self.dir.path().join("dir/a")
    }
}

/// All files below `dir`.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.extend([path]) }
    }
    found
}

#[test]
fn a_doubt_of_a_key_that_nobody_holds_leaves_nothing() {
    let kit = kit();
    assert_eq!(kit.disk.doubt(&kit.key).unwrap(), Doubted::NobodyHeld);
    assert_eq!(kit.disk.evict(&kit.key).unwrap(), Removed::NothingHeld);
    assert_eq!(files(kit.dir.path()), BTreeSet::new());
    assert!(!kit.place.dir.exists());
}

#[test]
fn a_doubt_replaces_token_and_epochs_and_nothing_else_each_time() {
    let kit = kit();
    let first = kit.hold(b"1");
    let state = kit.disk.state(&kit.key, &kit.place).unwrap();
    let (before, held) = (kit.epochs(), files(kit.dir.path()));
    for _ in 0..2 {
        let token = kit.token();
        let [shard, root] = kit.epochs();
        assert_eq!(kit.disk.doubt(&kit.key).unwrap(), Doubted::Written);
        assert_ne!(kit.token(), token);
        assert!(kit.epochs()[0] != shard && kit.epochs()[1] != root, "doubted already is no reason to skip it");
    }
    assert_ne!(kit.epochs(), before);
    assert_eq!(kit.disk.state(&kit.key, &kit.place).unwrap(), state);
    assert_eq!(state.unwrap().token, first);
    assert_eq!(files(kit.dir.path()), held);
}

#[test]
fn a_doubt_of_a_key_that_is_being_filled_is_written() {
    let kit = kit();
    let token = kit.disk.announce(&kit.key).unwrap();
    assert_eq!(kit.disk.doubt(&kit.key).unwrap(), Doubted::Written);
    assert_ne!(kit.token(), Some(token));
}

/// A doubt killed between any two steps has failed; what is left is read correctly, and whoever sees a new epoch sees the
/// new token.
#[test]
fn a_doubt_writes_token_then_shard_then_root() {
    let kit = kit();
    let token = kit.hold(b"1");
    let [shard, root] = kit.epochs();
    let blocked = |path: &Path| {
        let aside = path.with_extension("aside");
        fs::rename(path, &aside).unwrap();
        fs::create_dir_all(path.join("in the way")).unwrap();
        aside
    };
    let unblock = |path: &Path, aside: &Path| {
        fs::remove_dir_all(path).unwrap();
        fs::rename(aside, path).unwrap();
    };
    let shard_path = kit.disk.shard_epoch_path(kit.place.shard);
    let aside = blocked(&shard_path);
    kit.disk.doubt(&kit.key).unwrap_err();
    unblock(&shard_path, &aside);
    assert_eq!(kit.epochs(), [shard, root], "no epoch moved before the shard's");
    assert_ne!(kit.token(), Some(token), "the token moved first");

    let aside = blocked(&kit.disk.root_epoch_path());
    kit.disk.doubt(&kit.key).unwrap_err();
    unblock(&kit.disk.root_epoch_path(), &aside);
    assert_eq!(kit.epochs()[1], root);
    assert_ne!(kit.epochs()[0], shard, "the shard's moved before the root's");
}

#[test]
fn an_eviction_takes_state_and_view_and_moves_the_body_to_the_trash() {
    let kit = kit();
    let token = kit.hold(b"1");
    let epochs = kit.epochs();
    assert_eq!(fs::read(kit.view()).unwrap(), b"1");
    assert_eq!(kit.disk.evict(&kit.key).unwrap(), Removed::Removed);
    assert!(kit.token().is_some() && kit.token() != Some(token));
    assert!(kit.epochs()[0] != epochs[0] && kit.epochs()[1] != epochs[1]);
    let token = kit.token();
    assert_eq!(kit.disk.look(&kit.key, None).unwrap(), Looked::Other { token, state: None });
    assert_eq!(files(&kit.place.dir), BTreeSet::from([kit.place.doubt()]));
    assert!(!kit.view().exists());
    let trash: Vec<_> = files(&kit.disk.trash()).into_iter().collect();
    assert_eq!(trash.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(), [b"1"]);
    assert_eq!(kit.disk.evict(&kit.key).unwrap(), Removed::NothingHeld);
}

#[test]
fn an_eviction_of_a_garbled_state_takes_the_view_too() {
    let kit = kit();
    kit.hold(b"1");
    fs::write(kit.place.state(), "garbage").unwrap();
    assert_eq!(kit.disk.evict(&kit.key).unwrap(), Removed::Removed);
    assert!(!kit.view().exists());
}

/// Pitfall 3: a delete based on stale facts removes a newer entry.
#[test]
fn forgetting_leaves_what_is_under_a_newer_token() {
    let kit = kit();
    let asked_under = kit.hold(b"1");
    kit.disk.doubt(&kit.key).unwrap();
    let newer = kit.hold(b"2");
    let held = files(kit.dir.path());
    assert_eq!(kit.disk.forget(&kit.key, &asked_under).unwrap(), Forgotten::Overtaken);
    assert_eq!(files(kit.dir.path()), held);
    assert_eq!(kit.token(), Some(newer));
}

/// A doubt that finds no directory writes nothing. So while another instance's memory may be vouched for by the epoch, the
/// directory stays, or the epoch goes.
#[test]
fn forgetting_what_is_held_moves_the_epochs_and_leaves_the_directory() {
    let kit = kit();
    let token = kit.hold(b"1");
    let epochs = kit.epochs();
    kit.disk.forget(&kit.key, &token).unwrap();
    assert!(kit.epochs()[0] != epochs[0] && kit.epochs()[1] != epochs[1]);
    assert!(!kit.view().exists());
    assert_eq!(kit.disk.doubt(&kit.key).unwrap(), Doubted::Written);
}

/// Promise 20: "Asking for objects that do not exist leaves nothing in the directory."
#[test]
fn forgetting_takes_back_what_an_announcement_made_whoever_made_it() {
    let kit = kit();
    let (made, found) = (kit.disk.announce(&kit.key).unwrap(), kit.disk.announce(&kit.key).unwrap());
    let epochs = kit.epochs();
    for token in [found, made] {
        kit.disk.forget(&kit.key, &token).unwrap();
        assert!(!kit.place.dir.exists());
        assert_eq!(kit.epochs(), epochs, "nothing was held");
    }
}

/// Of two who ask at the same time one is told that the object is there, and then the other that it is gone.
/// Promise 5: "Nothing stands in for [...] what the record said is absent"
#[test]
fn what_another_asked_for_under_a_forgotten_token_is_not_stored() {
    for was_evicted in [false, true] {
        let kit = kit();
        if was_evicted {
            kit.hold(b"1");
            kit.disk.evict(&kit.key).unwrap();
        }
        let (token, epochs) = (kit.disk.announce(&kit.key).unwrap(), kit.epochs());
        kit.disk.forget(&kit.key, &token).unwrap();
        let entry = Entry::new(Version { etag: "\"v\"".into(), last_modified: ASKED }, Media::default(), "2".into());
        assert_eq!(kit.disk.store(&kit.key, &token, &entry, ASKED).unwrap(), Stored::Overtaken);
        assert_eq!(kit.epochs(), epochs, "nothing was held");
        let doubted = if was_evicted { Doubted::Written } else { Doubted::NobodyHeld };
        assert_eq!(kit.disk.doubt(&kit.key).unwrap(), doubted, "only who has a directory to itself takes it away");
    }
}

/// It was doubted meanwhile, and who asks under the newer token is told that the object is there before the record says otherwise.
/// Promise 5: "Nothing stands in for [...] what the record said is absent"
#[test]
fn what_another_asked_for_under_a_newer_token_is_not_stored() {
    for was_evicted in [false, true] {
        let kit = kit();
        if was_evicted {
            kit.hold(b"1");
            kit.disk.evict(&kit.key).unwrap();
        }
        let older = Token::random();
        let newer = kit.disk.announce(&kit.key).unwrap();
        assert_eq!(kit.disk.forget(&kit.key, &older).unwrap(), Forgotten::Gone);
        let entry = Entry::new(Version { etag: "\"v\"".into(), last_modified: ASKED }, Media::default(), "2".into());
        assert_eq!(kit.disk.store(&kit.key, &newer, &entry, ASKED).unwrap(), Stored::Overtaken);
        assert_eq!(kit.place.dir.exists(), was_evicted, "it goes where nothing was ever stored in it");
    }
}

/// Promise 5: "Nothing stands in for [...] what the record said is absent"
#[test]
fn forgetting_takes_what_was_doubted_before_the_answer() {
    let kit = kit();
    let token = kit.hold(b"1");
    kit.disk.doubt(&kit.key).unwrap();
    kit.disk.forget(&kit.key, &token).unwrap();
    assert_eq!(files(&kit.place.dir), BTreeSet::from([kit.place.doubt()]));
}

/// Somebody's memory may be vouched for by what is not there any more.
#[test]
fn what_was_stored_and_removed_by_hand_keeps_its_directory() {
    let kit = kit();
    let token = kit.hold(b"1");
    for path in files(&kit.place.dir).into_iter().filter(|path| *path != kit.place.doubt()) {
        fs::remove_file(path).unwrap();
    }
    kit.disk.forget(&kit.key, &token).unwrap();
    assert!(kit.token().is_some() && kit.token() != Some(token));
    assert_eq!(kit.disk.doubt(&kit.key).unwrap(), Doubted::Written);
}

#[test]
fn a_token_taken_back_by_mistake_is_put_where_it_was() {
    let kit = kit();
    kit.disk.announce(&kit.key).unwrap();
    kit.disk.doubt(&kit.key).unwrap();
    let newer = kit.token();
    assert_eq!(kit.disk.withdraw(&kit.place, &Token::random()).unwrap(), Forgotten::Overtaken, "what was doubted may stand in");
    assert_eq!(kit.token(), newer);
    assert_eq!(files(&kit.place.dir), BTreeSet::from([kit.place.doubt()]));
}

#[test]
fn taking_back_leaves_the_directory_of_somebody_at_work() {
    let kit = kit();
    let token = kit.disk.announce(&kit.key).unwrap();
    fs::write(kit.place.dir.join("body.tmp"), "half a bo").unwrap();
    kit.disk.forget(&kit.key, &token).unwrap();
    assert_eq!(kit.token(), None);
    assert_eq!(kit.disk.doubt(&kit.key).unwrap(), Doubted::Written);
}

/// Another has its body in place and has looked at the token, and writes its state when the record has said that there is nothing.
/// Promise 5: "Nothing stands in for [...] what the record said is absent"
#[test]
fn forgetting_takes_the_body_of_a_state_that_is_not_written_yet() {
    let kit = kit();
    let token = kit.disk.announce(&kit.key).unwrap();
    let body = kit.place.body(&BodyName::unused(&Version { etag: "\"v\"".into(), last_modified: ASKED }));
    fs::write(&body, "late").unwrap();
    kit.disk.forget(&kit.key, &token).unwrap();
    assert!(!body.exists() && kit.token() != Some(token));
    assert_eq!(kit.disk.doubt(&kit.key).unwrap(), Doubted::Written, "somebody may be at work");
}

/// One that has come since it was looked for.
#[test]
fn taking_back_takes_the_body_of_a_state_that_is_not_written_yet() {
    let kit = kit();
    let token = kit.disk.announce(&kit.key).unwrap();
    let body = kit.place.body(&BodyName::unused(&Version { etag: "\"v\"".into(), last_modified: ASKED }));
    fs::write(&body, "late").unwrap();
    kit.disk.withdraw(&kit.place, &token).unwrap();
    assert!(!body.exists() && !kit.place.dir.exists());
}

/// Nothing that is not ours goes; a directory is no body, whatever its name.
#[test]
fn an_eviction_takes_all_bodies_and_nothing_else() {
    let kit = kit();
    kit.hold(b"1");
    kit.hold(b"2");
    let body = || kit.place.body(&BodyName::unused(&Version { etag: "\"v\"".into(), last_modified: ASKED }));
    let (linked, directory) = (body(), body());
    fs::write(&linked, "of who has not written its state yet").unwrap();
    fs::create_dir(&directory).unwrap();
    let others = ["being written.tmp", "somebody's"].map(|name| kit.place.dir.join(name));
    for path in &others {
        fs::write(path, "").unwrap();
    }
    kit.disk.evict(&kit.key).unwrap();
    assert_eq!(files(&kit.place.dir), BTreeSet::from_iter(others.into_iter().chain([kit.place.doubt()])));
    assert!(directory.exists());
    assert_eq!(files(&kit.disk.trash()).len(), 3);
}

/// What could still stand in was not taken away.
#[test]
fn an_eviction_that_cannot_take_the_bodies_away_has_failed() {
    let kit = kit();
    kit.hold(b"1");
    fs::write(kit.disk.trash(), "a file in place of the trash").unwrap();
    kit.disk.evict(&kit.key).unwrap_err();
    fs::remove_file(kit.disk.trash()).unwrap();
    kit.disk.evict(&kit.key).unwrap();
    assert_eq!(files(&kit.disk.trash()).len(), 1, "the next takes them");
}

/// One makes the directory, the other finds it made, the first removes it, the other stands in the empty.
#[test]
fn doubts_of_a_key_that_nobody_holds_do_not_trip_over_each_other() {
    let kit = kit();
    let together = std::sync::Barrier::new(4);
    let keys: Vec<_> = (0..1000).map(|number| Key::parse(&format!("{number}"), &Prefix::default()).unwrap()).collect();
    let doubt = |key| {
        together.wait();
        kit.disk.doubt(key)
    };
    std::thread::scope(|scope| {
        let doubters: Vec<_> = (0..4).map(|_| scope.spawn(|| keys.iter().map(doubt).collect::<Vec<_>>())).collect();
        for doubter in doubters {
            for doubted in doubter.join().unwrap() {
                doubted.unwrap();
            }
        }
    });
}

#[test]
fn announcements_and_doubts_of_one_key_at_the_same_time_all_succeed() {
    let kit = kit();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    kit.disk.doubt(&kit.key).unwrap();
                }
            });
            scope.spawn(|| {
                for _ in 0..200 {
                    let token = kit.disk.announce(&kit.key).unwrap();
                    kit.disk.forget(&kit.key, &token).unwrap();
                }
            });
        }
    });
    let left = files(kit.dir.path());
    assert!(left.iter().all(|path| path.extension().is_none()), "temporaries are left: {left:?}");
}
