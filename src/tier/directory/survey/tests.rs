use super::*;
use crate::entry::{Entry, Media, Version};
use crate::freshness::Timestamp;

const LIMITS: SurveyLimits = SurveyLimits { time_max: Duration::from_secs(60), body_bytes_max: u64::MAX };

const SCRATCHES: Scratches<'_> = Scratches { prefix: "doctor-", own: None };

struct World {
    dir: tempfile::TempDir,
    record: RecordId,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), record: RecordId::of(&["test"]) }
    }

    fn disk(&self) -> Disk {
        Disk::new(self.dir.path(), &self.record)
    }

    fn store(&self, name: &str, body: &'static str) -> Place {
        let key = key(name);
        let version = Version { etag: format!("\"{body}\"").into(), last_modified: Timestamp::from_millis(0) };
        let token = self.disk().announce(&key).unwrap();
        let entry = Entry::new(version, Media::default(), body.into());
        self.disk().store(&key, &token, &entry, Timestamp::from_millis(1)).unwrap();
        self.disk().place(&key)
    }

    fn body(&self, name: &str) -> std::path::PathBuf {
        let place = self.disk().place(&key(name));
        place.dir.join(self.disk().state(&key(name), &place).unwrap().unwrap().body)
    }

    fn survey(&self) -> Survey {
        survey(self.dir.path(), &self.record, LIMITS)
    }
}

fn key(name: &str) -> Key {
    Key::parse(name, &Prefix::default()).unwrap()
}

fn sample(examples: &[&str]) -> Sample {
    Sample { count: examples.len() as u64, examples: examples.iter().map(|&example| example.to_owned()).collect() }
}

#[test]
fn a_sound_directory_has_nothing_to_blame() {
    let world = World::new();
    world.store("a", "1");
    world.store("b/c", "22");
    world.store("b/c", "333");
    let expected = Survey {
        shards: Part { looked_at: 2, of: 2 },
        keys: 2,
        bodies: Part { looked_at: 2, of: 2 },
        views: Views { ours: 2, ..Views::default() },
        superseded: Pile { files: 1, bytes: 2 },
        kept_bytes: 6,
        has_epoch: true,
        ..Survey::default()
    };
    assert_eq!(world.survey(), expected);
    assert_eq!(look_around(world.dir.path(), &world.record, SCRATCHES).unwrap(), Around::default());
}

#[test]
fn a_directory_that_is_not_there_holds_nothing() {
    let world = World::new();
    assert_eq!(survey(&world.dir.path().join("gone"), &world.record, LIMITS), Survey::default());
}

#[test]
fn every_damage_is_found_and_named() {
    let world = World::new();
    for name in ["flipped", "cut", "gone", "garbage", "doubted", "moved"] {
        world.store(name, "body of it");
    }
    let flipped = world.body("flipped");
    fs::remove_file(&flipped).unwrap();
    fs::write(&flipped, "body of If").unwrap();
    let cut = world.body("cut");
    fs::remove_file(&cut).unwrap();
    fs::write(&cut, "body").unwrap();
    fs::remove_file(world.body("gone")).unwrap();
    let garbage = world.disk().place(&key("garbage")).dir;
    fs::write(garbage.join("state.json"), "{").unwrap();
    fs::write(garbage.join("0123.tmp"), "12345").unwrap();
    fs::write(garbage.join(".nfs00000000000a2c5600000001"), "12").unwrap();
    fs::write(garbage.join("notes.txt"), "x").unwrap();
    world.disk().doubt(&key("doubted")).unwrap();
    let moved = world.disk().place(&key("moved")).dir;
    fs::copy(world.disk().place(&key("doubted")).state(), moved.join("state.json")).unwrap();
    fs::write(world.disk().root_epoch_path(), "").unwrap();
    let mut found = world.survey();
    found.illegible.examples.sort();
    found.damaged.examples.sort();
    let within = |dir: &Path| dir.strip_prefix(world.dir.path()).unwrap().display().to_string();
    let (garbage, moved) = (within(&garbage), within(&moved));
    let mut illegible = [garbage.as_str(), moved.as_str()];
    illegible.sort_unstable();
    assert_eq!((found.keys, found.doubted, found.bodies), (4, 1, Part { looked_at: 3, of: 3 }));
    assert_eq!(found.illegible, sample(&illegible));
    assert_eq!(found.missing, sample(&["gone"]));
    assert_eq!(found.damaged, sample(&["cut", "flipped"]));
    assert_eq!(found.foreign, sample(&[&format!("{garbage}/notes.txt")]));
    assert_eq!(found.temporaries, Pile { files: 2, bytes: 7 });
    assert!(!found.has_epoch);
}

#[test]
fn views_are_told_by_their_inode() {
    let world = World::new();
    for name in ["ours", "copied", "older", "none", "linked"] {
        world.store(name, "1");
    }
    let at = |name: &str| world.dir.path().join(name);
    fs::remove_file(at("copied")).unwrap();
    fs::copy(world.body("copied"), at("copied")).unwrap();
    let old = world.body("older");
    world.store("older", "2");
    fs::remove_file(at("older")).unwrap();
    fs::hard_link(old, at("older")).unwrap();
    fs::remove_file(at("none")).unwrap();
    fs::remove_file(at("linked")).unwrap();
    std::os::unix::fs::symlink(world.body("linked"), at("linked")).unwrap();
    let mut views = world.survey().views;
    views.others.examples.sort();
    assert_eq!(views, Views { ours: 1, older: sample(&["older"]), others: sample(&["copied", "linked"]), none: 1 });
    let mut others = look_around(world.dir.path(), &world.record, SCRATCHES).unwrap().others;
    others.examples.sort();
    assert_eq!(others, sample(&["copied", "linked"]));
}

#[test]
fn bodies_beyond_the_limit_are_not_read_and_that_is_said() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.store(name, "12345");
    }
    let found = survey(world.dir.path(), &world.record, SurveyLimits { body_bytes_max: 10, ..LIMITS });
    assert_eq!((found.keys, found.bodies), (3, Part { looked_at: 2, of: 3 }));
    let found = survey(world.dir.path(), &world.record, SurveyLimits { time_max: Duration::ZERO, ..LIMITS });
    assert_eq!((found.keys, found.shards), (0, Part { looked_at: 0, of: 3 }));
}

#[test]
fn what_is_beside_our_part_is_told_apart() {
    let world = World::new();
    world.store("a", "1");
    let root = world.dir.path();
    fs::create_dir_all(root.join(".cache/v0/other")).unwrap();
    fs::create_dir_all(root.join(".cache/v2/other")).unwrap();
    fs::create_dir_all(root.join(".cache/doctor-1")).unwrap();
    fs::write(root.join(".cache/notes"), "").unwrap();
    fs::write(root.join("theirs.csv"), "").unwrap();
    let expected = Around {
        other_layouts: sample(&["v0"]),
        other_records: sample(&["other"]),
        scratches: sample(&["doctor-1"]),
        foreign: sample(&["notes"]),
        others: sample(&["theirs.csv"]),
    };
    assert_eq!(look_around(root, &world.record, SCRATCHES).unwrap(), expected);
}
