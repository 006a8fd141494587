//! What rename, link, mkdir and exclusive creation promise across processes: tried with this binary as several processes.
//!
//! The protocol rests on them (DESIGN part 6). All peers are on one machine, so that what two machines see of each other is
//! not tried here.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::doctor::Finding;

use self::peer::{Ask, Told};
use self::peers::Peer;

pub use self::peer::{PEER_COMMAND, peer};
pub(super) use self::peers::Peers;

mod peer;
mod peers;

const CHECK: &str = "promises";

/// Processes that race for a name.
const PEERS: usize = 4;

/// How often they race for each.
const ROUNDS: u32 = 16;

/// How often a file is replaced while it is read, and how long it is: many pages, so that half of one would show.
const REPLACEMENTS: u8 = 16;
const REPLACED_BYTES: usize = 256 * 1024;

/// What is wrong with a promise, in words; an error is one of trying it.
type Kept = io::Result<Result<(), String>>;

/// Tries each promise in `scratch`, with processes that `peers` can end.
pub(super) fn examine(scratch: &Path, peers: &Peers) -> Vec<Finding> {
    let mut started = match (0..PEERS).map(|_| peers.start(scratch)).collect::<io::Result<Vec<_>>>() {
        Ok(started) => started,
        Err(error) => {
            let what = format!("not tried: this program could not be started a second time: {error}");
            return vec![Finding::warning(CHECK, what, "let this process start processes, and read its own program")];
        }
    };
    let raced = races(&mut started, scratch);
    let first = &mut started[0];
    let tried = [
        ("one of several processes makes a directory, a link or an exclusive file", raced),
        ("a file that is replaced is read whole, old or new", replaced_whole(first, scratch)),
        ("a file that is open keeps its content when it is replaced", held_open(first, scratch)),
        ("a lock excludes another process", locked(first, scratch)),
    ];
    judge(tried)
}

fn judge<const N: usize>(tried: [(&str, Kept); N]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (promise, kept) in &tried {
        match kept {
            Ok(Ok(())) => {}
            Ok(Err(broken)) => {
                let fix =
                    "put LOCAL_DATA_DIR on EFS, another NFSv4.1 server or a local disk; mounted buckets and SMB do not keep this";
                findings.push(Finding::problem(CHECK, format!("this does not hold here: {promise}: {broken}"), fix));
            }
            Err(error) => {
                let fix = "look at the disk, and at its mount";
                findings.push(Finding::warning(CHECK, format!("could not be tried: {promise}: {error}"), fix));
            }
        }
    }
    if findings.is_empty() {
        let kept = "rename, link, mkdir, exclusive creation and locks hold between processes of this machine";
        findings.push(Finding::ok(CHECK, kept));
    }
    findings
}

/// All peers try to make the same names at once.
fn races(peers: &mut [Peer], scratch: &Path) -> Kept {
    for round in 0..ROUNDS {
        for peer in &mut *peers {
            peer.ask(&Ask::Race { round })?;
        }
        let mut won = Vec::new();
        for peer in &mut *peers {
            match peer.told()? {
                Told::Raced(outcome) => won.push(outcome),
                other => return Err(other.unexpected()),
            }
        }
        let winners: [(&str, usize); 3] = [
            ("mkdir", won.iter().filter(|won| won.mkdir).count()),
            ("link", won.iter().filter(|won| won.link).count()),
            ("exclusive creation", won.iter().filter(|won| won.exclusive).count()),
        ];
        if let Some(broken) = not_one_each(&winners) {
            return Ok(Err(broken));
        }
        // Its name aside and the one that was raced for.
        let names = fs::metadata(scratch.join(format!("link-{round}")))?.nlink();
        if names != 2 {
            return Ok(Err(format!("a file with two names says that it has {names}")));
        }
    }
    Ok(Ok(()))
}

fn not_one_each(winners: &[(&str, usize)]) -> Option<String> {
    let (what, count) = winners.iter().find(|(_, count)| *count != 1)?;
    Some(format!("{count} of {PEERS} processes were told that their {what} had made the same name"))
}

/// A peer replaces a file again and again while this process reads it.
fn replaced_whole(peer: &mut Peer, scratch: &Path) -> Kept {
    let name = "replaced";
    let path = scratch.join(name);
    publish(peer, name, 0)?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if let Err(broken) = one_version(&read(&path)?) {
                    return Ok(Err(broken));
                }
            }
            Ok(Ok(()))
        });
        let replacing = (1..=REPLACEMENTS).try_fold(Ok(()), |kept: Result<(), String>, version| {
            publish(peer, name, version)?;
            // Whoever opens a file after another has closed it sees what that one wrote.
            let seen = read(&path)?.first().copied();
            io::Result::Ok(kept.and(if seen == Some(version) {
                Ok(())
            } else {
                Err(format!("after version {version} was in place, {seen:?} was read"))
            }))
        });
        done.store(true, Ordering::Relaxed);
        let read: Kept = reader.join().unwrap_or_else(|_| Err(io::Error::other("the reader ended early")));
        Ok(read?.and(replacing?))
    })
}

fn held_open(peer: &mut Peer, scratch: &Path) -> Kept {
    let name = "open";
    publish(peer, name, 1)?;
    let mut held = File::open(scratch.join(name))?;
    publish(peer, name, 2)?;
    let mut content = Vec::new();
    held.rewind()?;
    held.read_to_end(&mut content)?;
    Ok(one_version(&content).and_then(|version| {
        if version == 1 { Ok(()) } else { Err(format!("version {version} is read where version 1 was opened")) }
    }))
}

fn locked(peer: &mut Peer, scratch: &Path) -> Kept {
    let name = "lock";
    let file = File::create(scratch.join(name))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Err("a new file is locked".to_owned())),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut is_free = || {
        peer.ask(&Ask::Lock { name: name.to_owned() })?;
        match peer.told()? {
            Told::Locked(locked) => Ok(locked),
            other => Err(other.unexpected()),
        }
    };
    if is_free()? {
        return Ok(Err("two processes hold one lock".to_owned()));
    }
    file.unlock()?;
    Ok(if is_free()? { Ok(()) } else { Err("a lock that was let go is still held".to_owned()) })
}

fn publish(peer: &mut Peer, name: &str, version: u8) -> io::Result<()> {
    peer.ask(&Ask::Publish { name: name.to_owned(), version, bytes: REPLACED_BYTES })?;
    match peer.told()? {
        Told::Published => Ok(()),
        other => Err(other.unexpected()),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let read = || fs::read(path);
    // NFS forgets a file that was replaced while it was read; the name leads to the new one.
    read().or_else(|error| if error.kind() == io::ErrorKind::StaleNetworkFileHandle { read() } else { Err(error) })
}

/// Which version `content` is, if it is one and whole.
fn one_version(content: &[u8]) -> Result<u8, String> {
    let version = content.first().copied().unwrap_or_default();
    if content.len() != REPLACED_BYTES {
        Err(format!("{} of {REPLACED_BYTES} bytes were there", content.len()))
    } else if content.iter().any(|&byte| byte != version) {
        Err("two versions were read as one".to_owned())
    } else {
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_promise_that_does_not_hold_is_a_problem_and_one_not_tried_a_warning() {
        let found = judge([("a", Ok(Ok(()))), ("b", Ok(Err("two winners".into()))), ("c", Err(io::ErrorKind::TimedOut.into()))]);
        assert_eq!(found.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Level::Problem, Level::Warning]);
        assert!(found[0].what.contains("b: two winners"), "{found:?}");
        assert_eq!(judge([("a", Ok(Ok(())))]).iter().map(|finding| finding.level).collect::<Vec<_>>(), [Level::Ok]);
    }

    #[test]
    fn a_race_has_one_winner() {
        assert_eq!(not_one_each(&[("mkdir", 1), ("link", 1)]), None);
        let broken = not_one_each(&[("mkdir", 1), ("link", 2)]).unwrap();
        assert!(broken.starts_with("2 of 4") && broken.contains("link"), "{broken}");
        assert!(not_one_each(&[("mkdir", 0)]).unwrap().starts_with("0 of 4"));
    }

    #[test]
    fn a_version_is_whole_and_of_one_piece() {
        let mut content = vec![7; REPLACED_BYTES];
        assert_eq!(one_version(&content), Ok(7));
        content[REPLACED_BYTES - 1] = 8;
        one_version(&content).unwrap_err();
        one_version(&content[..10]).unwrap_err();
        one_version(&[]).unwrap_err();
    }
}
