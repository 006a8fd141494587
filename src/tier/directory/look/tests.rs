use std::fs;

use super::*;
use crate::entry::{Budget, Facts, Media, Version};
use crate::freshness::Timestamp;
use crate::key::Prefix;
use crate::key::RecordId;
use crate::tier::directory::layout::LAYOUT;
use crate::tier::{Blocks, Nonce, Stored};

struct Held {
    dir: tempfile::TempDir,
    disk: Disk,
    key: Key,
    state: State,
}

/// A directory that holds `body` under `a`.
fn holding(body: &'static [u8]) -> Held {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), &RecordId::of(&["test"]));
    let key = Key::parse("a", &Prefix::default()).unwrap();
    let version = Version { etag: "\"v1\"".into(), last_modified: Timestamp::from_millis(1_700_000_000_000) };
    let entry = Entry::new(version, Media::default(), body.into());
    let token = disk.announce(&key).unwrap();
    assert_eq!(disk.store(&key, &token, &entry, Timestamp::from_millis(5)).unwrap(), Stored::Stored);
    let state = disk.state(&key, &disk.place(&key)).unwrap().unwrap();
    Held { dir, disk, key, state }
}

impl Held {
    fn write_state(&self, bytes: impl AsRef<[u8]>) {
        fs::write(self.disk.place(&self.key).state(), bytes).unwrap();
    }

    fn lift(&self, key: &Key, state: &State) -> io::Result<Option<Entry>> {
        self.disk.lift(key, state, Budget::unbounded().room_now(state.facts.size.min(1 << 20)).unwrap())
    }

    fn damaged(&self) -> u64 {
        self.disk.damaged.load(Ordering::Relaxed)
    }
}

/// If this fails, the layout has changed: raise its version (`layout::LAYOUT`), or instances of two releases on one directory
/// misread each other.
#[test]
fn a_state_is_written_byte_for_byte_as_ever() {
    let state = State {
        key: "prices/\"2024\".parquet".into(),
        version: Version { etag: "\"abc\"".into(), last_modified: Timestamp::from_millis(1_700_000_000_000) },
        facts: Facts {
            size: 9,
            content_type: Some("application/vnd.apache.parquet".into()),
            content_encoding: None,
            checksum: Some(Checksum::of(b"123456789")),
            version_id: None,
        },
        blocks: None,
        body: "0123456789abcdef.0123456789abcdef0123456789abcdef.body".into(),
        confirmed_at: Timestamp::from_millis(1_700_000_001_234),
        token: Nonce::parse("00000000000000000000000000000abc").unwrap(),
    };
    let written = concat!(
        r#"{"key":"prices/\"2024\".parquet","version":{"etag":"\"abc\"","last_modified":1700000000000},"#,
        r#""facts":{"size":9,"content_type":"application/vnd.apache.parquet","content_encoding":null,"#,
        r#""checksum":"ae8b14860a799888"},"body":"0123456789abcdef.0123456789abcdef0123456789abcdef.body","#,
        r#""confirmed_at":1700000001234,"token":"00000000000000000000000000000abc"}"#,
    );
    assert_pinned(&state, written, "5323688db6bafd4c");

    // What only some records say is left out where it is not said.
    let kept = State { facts: Facts { version_id: Some("L4kq".into()), ..state.facts.clone() }, ..state };
    let written = written.replace(r#""ae8b14860a799888"}"#, r#""ae8b14860a799888","version_id":"L4kq"}"#);
    assert_pinned(&kept, &written, "65612fae039472e3");

    // And what only a body of several blocks has.
    let checksums = vec![Checksum::of(b"123456789"), Checksum::of(b"")];
    let long = State { blocks: Some(Blocks { bytes: 1 << 20, checksums }), ..kept };
    let blocks = r#""version_id":"L4kq"},"blocks":{"bytes":1048576,"checksums":["ae8b14860a799888","0000000000000000"]},"#;
    let written = written.replace(r#""version_id":"L4kq"},"#, blocks);
    assert_pinned(&long, &written, "15f89ac0a5b4d338");
}

#[track_caller]
fn assert_pinned(state: &State, written: &str, checksum: &str) {
    const CHANGED: &str = "layout changed: raise its version";
    let written = format!(r#"{{"state":{written},"checksum":"{checksum}"}}"#);
    assert_eq!(String::from_utf8(encode(state).unwrap()).unwrap(), written, "{CHANGED}");
    assert_eq!(decode(written.as_bytes()), Some(state.clone()), "{CHANGED}");
    assert_eq!(LAYOUT, "v2", "{CHANGED}");
}

/// Pitfall 1: what a state says is served as truth. Whatever is not what was written is no state: no bit of it may be another,
/// nothing of it missing, nothing more.
#[test]
fn a_state_with_any_bit_flipped_or_cut_anywhere_is_no_state() {
    let held = holding(b"body");
    let path = held.disk.place(&held.key).state();
    let whole = fs::read(&path).unwrap();
    assert_eq!(decode(&whole), Some(held.state.clone()));
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode(&flipped), None, "bit {bit}: {}", String::from_utf8_lossy(&flipped));
    }
    for length in 0..whole.len() {
        assert_eq!(decode(&whole[..length]), None, "cut after {length}");
        assert_eq!(decode(&whole[whole.len() - length..]), None, "the last {length}");
    }
    for more in [" ", "\n", "}", "\0"] {
        assert_eq!(decode(&[&whole, more.as_bytes()].concat()), None, "{more:?} after it");
        assert_eq!(decode(&[more.as_bytes(), &whole].concat()), None, "{more:?} before it");
    }
    let upper = String::from_utf8(whole).unwrap();
    let (state, checksum) = upper.split_at(upper.len() - 18);
    assert_eq!(decode(format!("{state}{}", checksum.to_uppercase()).as_bytes()), None, "in other digits");
}

#[test]
fn what_was_stored_is_found_and_lifted() {
    let held = holding(b"body");
    let token = held.state.token;
    assert_eq!(held.disk.look(&held.key, Some(&token)).unwrap(), Looked::Same);
    let other = Looked::Other { token: Some(token), state: Some(held.state.clone()) };
    assert_eq!(held.disk.look(&held.key, None).unwrap(), other);
    assert_eq!(held.disk.look(&held.key, Some(&Token::random())).unwrap(), other);
    assert_eq!(held.lift(&held.key, &held.state).unwrap().unwrap().body, b"body");
}

#[test]
fn garbage_in_place_of_a_state_is_no_state_and_no_failure() {
    let held = holding(b"body");
    let whole = encode(&held.state).unwrap();
    let of_another_key = encode(&State { key: "b".into(), ..held.state.clone() }).unwrap();
    let elsewhere = encode(&State { body: "../../../../../../etc/passwd".into(), ..held.state.clone() }).unwrap();
    let too_long = vec![b' '; 1 << 20];
    let cases: [&[u8]; 7] = [b"", b"\0\0\0\0", b"{}", &whole[..whole.len() / 2], &of_another_key, &elsewhere, &too_long];
    for (number, garbage) in cases.into_iter().enumerate() {
        held.write_state(garbage);
        let looked = held.disk.look(&held.key, None).unwrap();
        assert_eq!(looked, Looked::Other { token: Some(held.state.token), state: None }, "case {number}");
        assert_eq!(held.damaged(), number as u64 + 1);
    }
    held.write_state(&whole);
    assert!(matches!(held.disk.look(&held.key, None).unwrap(), Looked::Other { state: Some(_), .. }));
}

/// Pitfall 15: names are remembered for up to a minute. Opening the directory has an NFS client ask for them again.
#[cfg(target_os = "linux")]
#[test]
fn a_look_opens_the_directory_before_the_token_and_the_token_before_the_state() {
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

    let held = holding(b"body");
    let watch = inotify::init(CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &held.disk.place(&held.key).dir, WatchFlags::OPEN).unwrap();
    held.disk.look(&held.key, None).unwrap();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 1024];
    let mut events = Reader::new(&watch, &mut buffer);
    let opened = std::iter::from_fn(|| {
        events.next().ok().map(|event| {
            let name = event.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
            (event.events().contains(ReadFlags::ISDIR), name)
        })
    });
    let expected = [(true, ""), (false, "doubt"), (false, "state.json")];
    assert_eq!(opened.collect::<Vec<_>>(), expected.map(|(is_dir, name)| (is_dir, name.to_owned())));
}

/// Pitfall 1: facts of one version served with the body of another, or a body cut short.
#[test]
fn a_body_that_is_not_the_one_the_state_describes_is_none() {
    let held = holding(b"body of version 1");
    let path = held.disk.place(&held.key).body(&BodyName::parse(&held.state.body).unwrap());
    let cases: [&[u8]; 4] = [b"", b"body of vers", b"body of version 2", b"body of version 1 and more"];
    for (number, other) in cases.into_iter().enumerate() {
        fs::remove_file(&path).unwrap();
        fs::write(&path, other).unwrap();
        assert_eq!(held.lift(&held.key, &held.state).unwrap(), None, "{other:?}");
        assert_eq!(held.damaged(), number as u64 + 1);
    }
}

/// Pitfall 14: a missing file means "ask the record"; it is neither an error nor damage.
#[test]
fn a_body_that_is_missing_is_none() {
    let held = holding(b"body");
    fs::remove_file(held.disk.place(&held.key).body(&BodyName::parse(&held.state.body).unwrap())).unwrap();
    assert_eq!(held.lift(&held.key, &held.state).unwrap(), None);
    fs::remove_dir_all(&held.dir).unwrap();
    assert_eq!(held.lift(&held.key, &held.state).unwrap(), None);
    assert_eq!(held.disk.look(&held.key, None).unwrap(), Looked::Other { token: None, state: None });
    assert_eq!(held.disk.root_epoch().unwrap(), None);
    assert_eq!(held.damaged(), 0);
}

#[test]
fn a_state_that_names_an_impossible_size_takes_no_memory() {
    let held = holding(b"body");
    let mut state = held.state.clone();
    for size in [0, 5, u64::MAX] {
        state.facts.size = size;
        assert_eq!(held.lift(&held.key, &state).unwrap(), None);
    }
}

#[test]
fn a_state_of_another_key_lifts_nothing() {
    let held = holding(b"body");
    let other = Key::parse("b", &Prefix::default()).unwrap();
    assert_eq!(held.lift(&other, &held.state).unwrap(), None);
    let state = State { body: format!("../{}/{}", held.key.hash().hex(), held.state.body), ..held.state.clone() };
    assert_eq!(held.lift(&held.key, &state).unwrap(), None);
}
