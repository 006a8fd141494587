use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::entry::{Budget, Entry, Media, Version};
use crate::key::{KeyHash, RecordId, Shard};
use crate::tier::directory::touch;
use crate::tier::sweep::{GRACE, STATELESS};
use crate::tier::{Doubted, Epoch, Looked, Stored, Token, Usage};

const ASKED: Timestamp = Timestamp::from_millis(1_700_000_100_000);
const BLOCK: u64 = 4096;

struct Kit {
    dir: tempfile::TempDir,
    disk: Disk,
}

fn kit() -> Kit {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), &RecordId::of(&["test"]));
    Kit { dir, disk }
}

fn key(name: &str) -> Key {
    Key::parse(name, &Prefix::default()).unwrap()
}

fn now() -> Timestamp {
    touch::now().into()
}

/// A sweep so long after now.
fn plan(later: Duration) -> SweepPlan {
    let now = Timestamp::from_millis(now().as_millis() + u64::try_from(later.as_millis()).unwrap());
    SweepPlan { first: Shard(0x80), ..SweepPlan::new(now, Duration::from_secs(60)) }
}

fn budget(bytes: u64) -> Limits {
    Limits { budget_bytes: Some(bytes), ..Limits::default() }
}

impl Kit {
    fn announce(&self, name: &str) -> Token {
        self.disk.announce(&key(name)).unwrap()
    }

    fn store(&self, name: &str, token: &Token, body: &str) -> Stored {
        let version = Version { etag: format!("\"{body}\"").into(), last_modified: Timestamp::from_millis(0) };
        let entry = Entry::new(version, Media::default(), body.to_owned().into());
        self.disk.store(&key(name), token, &entry, ASKED).unwrap()
    }

    /// Stores a body as a fill does, last used so long before now.
    fn hold(&self, name: &str, body: &str, ago: Duration) -> Token {
        let token = self.announce(name);
        assert_eq!(self.store(name, &token, body), Stored::Stored);
        self.use_at(name, Timestamp::from_millis(now().as_millis() - u64::try_from(ago.as_millis()).unwrap()));
        token
    }

    fn use_at(&self, name: &str, at: Timestamp) {
        File::open(self.place(name).state()).unwrap().set_modified(at.into()).unwrap();
    }

    fn place(&self, name: &str) -> crate::tier::directory::layout::Place {
        self.disk.place(&key(name))
    }

    fn sweep(&self, plan: &SweepPlan, limits: &Limits) -> Swept {
        self.disk.sweep(plan, limits).unwrap().expect("nobody else sweeps")
    }

    fn held(&self) -> Vec<String> {
        let mut names: Vec<_> = self.disk.list().unwrap().into_iter().map(|line| line.key).collect();
        names.sort();
        names
    }

    fn epochs(&self, name: &str) -> [Option<Epoch>; 2] {
        [self.disk.shard_epoch(self.place(name).shard).unwrap(), self.disk.root_epoch().unwrap()]
    }

    fn trash(&self) -> usize {
        fs::read_dir(self.disk.trash()).map_or(0, Iterator::count)
    }

    fn body(&self, name: &str) -> PathBuf {
        let state = self.disk.state(&key(name), &self.place(name)).unwrap().unwrap();
        self.place(name).dir.join(state.body)
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn a_body_that_no_state_names_goes_to_the_trash_after_the_grace_and_from_there_after_another() {
    let kit = kit();
    let token = kit.hold("a", "old", Duration::ZERO);
    kit.store("a", &token, "new");
    let nothing = Swept { seen: 1.0, keys: 1, bytes: 5 * BLOCK, ..Swept::default() };
    assert_eq!(kit.sweep(&plan(GRACE / 2), &Limits::default()), nothing, "a fill might be about to name it");
    let swept = kit.sweep(&plan(GRACE + HOUR), &Limits::default());
    // The trash is there a moment and looked at an hour later: its grace is over too.
    assert_eq!((swept.trashed, swept.unlinked, swept.evicted), (1, 1, 0), "{swept:?}");
    assert_eq!((kit.held(), kit.disk.usage().unwrap().files), (vec!["a".to_owned()], 1));
    assert_eq!(fs::read(kit.body("a")).unwrap(), b"new");
}

#[test]
fn what_is_in_the_trash_is_unlinked_when_the_grace_has_passed_and_sooner_where_there_is_no_room() {
    let kit = kit();
    kit.hold("a", "1", Duration::ZERO);
    kit.disk.evict(&key("a")).unwrap();
    assert_eq!(kit.trash(), 1);
    assert_eq!(kit.sweep(&plan(GRACE / 2), &budget(10 * BLOCK)).unlinked, 0);
    assert_eq!(kit.sweep(&plan(GRACE / 2), &budget(0)).unlinked, 1);
    kit.hold("a", "1", Duration::ZERO);
    kit.disk.evict(&key("a")).unwrap();
    assert_eq!(kit.sweep(&plan(GRACE * 2), &budget(10 * BLOCK)).unlinked, 1);
    assert_eq!(kit.trash(), 0);
}

/// Whoever looked at the token before it was taken writes its state when it wakes. It is not believed, and has no body.
#[test]
fn a_sweep_evicts_all_bodies_of_a_key_and_not_only_the_one_that_is_named() {
    let kit = kit();
    let token = kit.hold("a", "old", HOUR);
    kit.store("a", &token, "new");
    kit.use_at("a", Timestamp::from_millis(now().as_millis() - 3_600_000));
    let place = kit.place("a");
    let late = place.dir.join("late.tmp");
    fs::copy(place.state(), &late).unwrap();
    let swept = kit.sweep(&plan(Duration::ZERO), &budget(0));
    assert_eq!((swept.evicted, swept.trashed, swept.directories, swept.failed), (1, 2, 0, 0), "{swept:?}");
    fs::rename(&late, place.state()).unwrap();
    assert_eq!(fs::read_dir(&place.dir).unwrap().count(), 1, "the state alone");
    let Looked::Other { token: None, state: Some(state) } = kit.disk.look(&key("a"), None).unwrap() else { panic!("no state") };
    assert_eq!(kit.disk.lift(&key("a"), &state, Budget::unbounded().room_now(3).unwrap()).unwrap(), None);
}

/// "Least recently used first, down to the low-water mark; what is to be kept warm goes last."
#[test]
fn over_the_budget_goes_what_was_used_longest_ago_and_what_is_kept_warm_last() {
    let kit = kit();
    for (name, hours) in [("warm/oldest", 50), ("old", 40), ("older", 45), ("young", 2), ("youngest", 1)] {
        kit.hold(name, name, HOUR * hours);
    }
    // Five keys of four blocks each.
    let limits = |blocks| Limits { budget_bytes: Some(blocks * BLOCK), keep_warm: KeyPatterns::parse(["warm/*"]).unwrap() };
    assert_eq!(kit.sweep(&plan(Duration::ZERO), &limits(20)).evicted, 0, "not over the budget");
    let swept = kit.sweep(&plan(Duration::ZERO), &limits(19));
    assert_eq!((swept.evicted, swept.keys, swept.directories), (1, 4, 1), "down to 17.1 blocks");
    assert_eq!(kit.held(), ["old", "warm/oldest", "young", "youngest"]);
    assert!(!kit.dir.path().join("older").exists() && kit.dir.path().join("old").exists(), "its view goes with it");
    assert_eq!(kit.sweep(&plan(Duration::ZERO), &limits(5)).evicted, 3);
    assert_eq!(kit.held(), ["warm/oldest"]);
    let swept = kit.sweep(&plan(Duration::ZERO), &limits(3));
    assert_eq!((swept.evicted, swept.keys), (1, 0), "the budget is the budget");
    assert!(swept.bytes <= 3 * BLOCK, "the trash too: {swept:?}");
    assert_eq!(kit.disk.usage().unwrap(), Usage::default());
}

#[test]
fn a_key_that_was_used_or_replaced_since_it_was_looked_at_stays() {
    let kit = kit();
    kit.hold("a", "1", HOUR);
    let plan = plan(Duration::ZERO);
    let survey = kit.disk.survey(&plan, plan.time_max).unwrap();
    kit.use_at("a", now());
    let mut sweep = Sweep {
        disk: &kit.disk,
        plan: &plan,
        watch: Stopwatch::start(),
        swept: Swept::default(),
        trash: Trash::open(&kit.disk).unwrap(),
        retirement: Retirement::default(),
        held: survey.held[0].bytes,
    };
    sweep.evict_down_to(0, &survey.held, &KeyPatterns::default());
    assert_eq!((sweep.swept.evicted, kit.held()), (0, vec!["a".to_owned()]));
}

/// "A doubt that finds no directory writes nothing": so none goes without new epochs.
#[test]
fn a_directory_without_a_state_goes_after_a_day_and_the_epochs_are_replaced() {
    let kit = kit();
    kit.hold("a", "1", Duration::ZERO);
    kit.disk.evict(&key("a")).unwrap();
    let before = kit.epochs("a");
    assert_eq!(kit.sweep(&plan(STATELESS / 2), &Limits::default()).directories, 0);
    assert_eq!(kit.epochs("a"), before, "nothing went");
    assert_eq!(kit.sweep(&plan(STATELESS + HOUR), &Limits::default()).directories, 1);
    let after = kit.epochs("a");
    assert!(!kit.place("a").dir.exists() && before[0] != after[0] && before[1] != after[1], "{before:?} {after:?}");
    assert_eq!(kit.disk.doubt(&key("a")).unwrap(), Doubted::NobodyHeld);
}

/// Pitfall 17, the frozen filler: it wakes when its token is gone, and what it writes is not believed.
#[test]
fn a_fill_that_sleeps_through_a_sweep_is_overtaken() {
    let kit = kit();
    let token = kit.announce("a");
    assert_eq!(kit.sweep(&plan(STATELESS * 2), &Limits::default()).directories, 1);
    assert_eq!(kit.store("a", &token, "1"), Stored::Overtaken);
    let other = kit.announce("a");
    assert_ne!(other, token, "a token is never used twice");
    assert_eq!(kit.store("a", &token, "1"), Stored::Overtaken);
    assert_eq!(kit.disk.look(&key("a"), None).unwrap(), Looked::Other { token: Some(other), state: None });
}

#[test]
fn a_directory_in_which_somebody_begins_meanwhile_stays() {
    let kit = kit();
    let _old = kit.announce("a");
    let plan = plan(STATELESS * 2);
    let mut retirement = Retirement::default();
    retirement.begin(&kit.place("a")).unwrap();
    assert!(kit.place("a").dir.exists());
    assert_eq!(kit.disk.doubt(&key("a")).unwrap(), Doubted::Written, "what is being taken away is still there for a doubt");
    let token = kit.announce("a");
    kit.store("a", &token, "1");
    assert_eq!(retirement.finish(&kit.disk, &plan, &mut Trash::open(&kit.disk).unwrap()), (0, 0));
    let looked = kit.disk.look(&key("a"), None).unwrap();
    assert!(matches!(&looked, Looked::Other { token: Some(found), state: Some(_) } if *found == token), "{looked:?}");
    assert!(fs::read(kit.body("a")).is_ok());
}

/// A sweep that died left the token aside: the directory is not empty, so that no late one takes it before a whole sweep does.
#[test]
fn a_sweep_that_died_before_the_epochs_leaves_a_directory_that_only_a_whole_one_takes() {
    let kit = kit();
    kit.announce("a");
    let mut died = Retirement::default();
    died.begin(&kit.place("a")).unwrap();
    assert!(fs::remove_dir(&kit.place("a").dir).is_err(), "not empty");
    let before = kit.epochs("a");
    assert_eq!(kit.sweep(&plan(GRACE * 2), &Limits::default()).trashed, 0, "not as an orphan");
    let swept = kit.sweep(&plan(STATELESS * 2), &Limits::default());
    assert_eq!(swept.directories, 1, "{swept:?}");
    assert_ne!(kit.epochs("a"), before);
    assert_eq!(died.finish(&kit.disk, &plan(STATELESS * 2), &mut Trash::open(&kit.disk).unwrap()), (0, 0), "it wakes");
}

/// A client that dies with a file open leaves it under a name of its own, which would keep the directory for good.
#[test]
fn what_a_dead_nfs_client_had_open_goes_after_the_grace() {
    let kit = kit();
    let silly = ".nfs00000000000a2c5600000001";
    kit.hold("a", "1", Duration::ZERO);
    kit.announce("stateless");
    fs::create_dir(kit.disk.trash()).unwrap();
    for dir in [kit.place("a").dir, kit.place("stateless").dir, kit.disk.trash()] {
        fs::write(dir.join(silly), "old").unwrap();
        fs::write(dir.join(".nfs is not the name of one"), "").unwrap();
    }
    let swept = kit.sweep(&plan(GRACE / 2), &Limits::default());
    assert_eq!((swept.trashed, swept.unlinked, swept.failed), (0, 0, 0), "somebody may have it open");
    fs::remove_file(kit.place("stateless").dir.join(".nfs is not the name of one")).unwrap();
    let swept = kit.sweep(&plan(STATELESS * 2), &Limits::default());
    assert_eq!((swept.trashed, swept.unlinked, swept.directories, swept.failed), (2, 3, 1, 0), "{swept:?}");
    assert!(!kit.place("a").dir.join(silly).exists());
    assert_eq!((kit.held(), kit.trash()), (vec!["a".to_owned()], 1), "what is not ours stays");
}

/// Pitfall 12: several instances count the same bytes several times and evict too much.
#[test]
fn an_inode_is_counted_once_whatever_its_names_and_whoever_sweeps() {
    let kit = kit();
    let other = Disk::new(kit.dir.path(), &RecordId::of(&["test"]));
    for name in ["a", "b"] {
        kit.hold(name, "1", Duration::ZERO);
        assert_eq!(fs::metadata(kit.body(name)).unwrap().nlink(), 2, "a view is another name of the body");
    }
    // Killed between the link and the end: the temporary is the body.
    let body = kit.body("a");
    fs::hard_link(&body, body.with_file_name(format!("{:032x}.tmp", 7))).unwrap();
    for disk in [&kit.disk, &other] {
        let swept = disk.sweep(&plan(Duration::ZERO), &budget(8 * BLOCK)).unwrap().unwrap();
        assert_eq!((swept.bytes, swept.evicted, swept.trashed), (8 * BLOCK, 0, 0), "{swept:?}");
    }
    let swept = kit.sweep(&plan(GRACE * 2), &budget(8 * BLOCK));
    assert_eq!((swept.trashed, swept.evicted), (1, 0), "the temporary goes");
    assert!(fs::read(body).is_ok() && kit.dir.path().join("b").exists(), "and neither the body nor another's view");
}

/// Pitfall 12, within one sweep: what goes to the trash as superseded does not count once more when its key is evicted.
#[test]
fn a_superseded_body_makes_room_once() {
    let kit = kit();
    for name in ["a", "b", "c", "d"] {
        let token = kit.hold(name, "1", HOUR);
        for body in ["2", "3", "4", "5"] {
            kit.store(name, &token, body);
        }
    }
    let swept = kit.sweep(&plan(GRACE * 2), &budget(0));
    assert_eq!((swept.trashed, swept.evicted, swept.keys, swept.bytes), (20, 4, 0, 0), "{swept:?}");
    assert_eq!(kit.held(), [""; 0]);
}

/// A clock that is wrong by a minute, either way.
#[test]
fn a_sweep_by_a_clock_that_is_wrong_by_a_minute_takes_nothing_that_is_in_use() {
    let kit = kit();
    let token = kit.hold("a", "1", Duration::ZERO);
    kit.store("a", &token, "2");
    kit.announce("being filled");
    let minute = Duration::from_secs(60);
    let wrong = [plan(minute), SweepPlan { now: Timestamp::from_millis(now().as_millis() - 60_000), ..plan(Duration::ZERO) }];
    for plan in wrong {
        let swept = kit.sweep(&plan, &budget(100 * BLOCK));
        let idle = Swept { seen: 1.0, keys: 1, bytes: 5 * BLOCK, ..Swept::default() };
        assert_eq!(swept, idle);
    }
    assert_eq!(fs::read(kit.body("a")).unwrap(), b"2");
}

/// Promise 13: "of what others keep in LOCAL_DATA_DIR nothing is changed or removed."
#[test]
fn nothing_that_is_not_ours_is_touched() {
    let kit = kit();
    let other = Disk::new(kit.dir.path(), &RecordId::of(&["another bucket"]));
    kit.hold("a", "1", Duration::ZERO);
    let token = other.announce(&key("theirs")).unwrap();
    fs::create_dir_all(kit.disk.trash()).unwrap();
    let place = kit.place("a");
    let outside = tempfile::tempdir().unwrap();
    let linked = outside.path().join("ab".repeat(32));
    fs::create_dir(&linked).unwrap();
    symlink(outside.path(), kit.disk.base.join("00")).unwrap();
    let foreign = [
        kit.dir.path().join("mine.csv"),
        kit.disk.base.join("notes.txt"),
        kit.disk.trash().join("notes.txt"),
        place.dir.join("notes.txt"),
        place.dir.join("x.body"),
        place.dir.join("x.tmp"),
        linked.join(format!("{:032x}.tmp", 7)),
    ];
    for path in &foreign {
        fs::write(path, "not yours").unwrap();
    }
    let swept = kit.sweep(&plan(STATELESS * 3), &budget(0));
    assert_eq!((swept.evicted, swept.directories, swept.failed), (1, 0, 0), "{swept:?}");
    for path in &foreign {
        assert_eq!(fs::read(path).unwrap(), b"not yours", "{}", path.display());
    }
    assert_eq!(other.announce(&key("theirs")).unwrap(), token);
}

/// Killed between the state and the view: nothing names the key any more, the inode does.
#[test]
fn a_view_that_a_crash_left_is_found_by_its_inode() {
    let kit = kit();
    kit.hold("dir/a", "1", Duration::ZERO);
    kit.hold("dir/b", "1", Duration::ZERO);
    fs::remove_file(kit.place("dir/a").state()).unwrap();
    fs::write(kit.dir.path().join("dir/other"), "1").unwrap();
    kit.sweep(&plan(STATELESS * 2), &Limits::default());
    let left: Vec<_> = fs::read_dir(kit.dir.path().join("dir")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(kit.dir.path().join("dir/b").exists() && kit.dir.path().join("dir/other").exists());
    assert!(!kit.place("dir/a").dir.exists());
}

/// Pitfalls 15 and 17: a lock may hold within one host only, and its holder may be frozen; all that it does is save work.
#[test]
fn one_sweeps_at_a_time_and_a_frozen_one_is_not_waited_for() {
    let kit = kit();
    kit.hold("a", "1", Duration::ZERO);
    let held = kit.disk.lock(now()).unwrap().unwrap();
    assert_eq!(kit.disk.sweep(&plan(Duration::ZERO), &budget(0)).unwrap(), None);
    assert_eq!(kit.held(), ["a"]);
    assert_eq!(kit.sweep(&plan(LOCK_TIME_MAX), &budget(0)).evicted, 1);
    drop(held);
}

/// A sweep without time looks at one key, and judges by that what its share is.
#[test]
fn a_sweep_that_is_cut_short_does_its_part() {
    let kit = kit();
    for index in 0..64 {
        kit.hold(&format!("key {index}"), "1", HOUR);
    }
    let mut plan = plan(Duration::ZERO);
    plan.time_max = Duration::ZERO;
    let survey = kit.disk.survey(&plan, plan.time_max).unwrap();
    assert!(survey.held.len() == 1 && survey.seen > 0.0 && survey.seen < 0.2, "{} of {}", survey.held.len(), survey.seen);
    let swept = kit.sweep(&plan, &budget(0));
    assert!(swept.seen < 0.2 && kit.held().len() >= 63, "{swept:?}");
}

#[test]
fn the_budget_is_what_is_set_or_what_the_disk_allows() {
    let kit = kit();
    fs::create_dir_all(&kit.disk.base).unwrap();
    assert_eq!(kit.disk.budget_bytes(&budget(7), 0), 7);
    let by_disk = kit.disk.budget_bytes(&Limits::default(), 0);
    assert!(by_disk > 0 && by_disk <= BUDGET_DEFAULT, "{by_disk}");
    let disk_bytes = kit.disk.disk_bytes().unwrap();
    let left = kit.disk.budget_bytes(&budget(u64::MAX), 0);
    assert!(left > 0 && left < disk_bytes, "{left} of {disk_bytes}: never more than others leave");
}

#[test]
fn hashes_are_read_back_as_they_were_written() {
    let hash = key("a").hash();
    assert_eq!(KeyHash::parse(&hash.hex()), Some(hash));
    for text in ["", "ca", &"g".repeat(64), &"A".repeat(64), &"é".repeat(32)] {
        assert_eq!(KeyHash::parse(text), None, "{text}");
    }
}
