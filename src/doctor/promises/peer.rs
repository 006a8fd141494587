//! The other process: does as it is asked in the scratch directory, a line in, a line out, until its input ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The subcommand by which this binary is started as a peer; it is listed nowhere.
pub const PEER_COMMAND: &str = "doctor-peer";

/// What a peer is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// To make each of a round's names.
    Race {
        /// Which round.
        round: u32,
    },
    /// To write a file of one byte, again and again, beside its place and rename it there.
    Publish {
        /// The name of the file.
        name: String,
        /// The byte.
        version: u8,
        /// How many.
        bytes: usize,
    },
    /// To lock a file without waiting, and let go of it again.
    Lock {
        /// The name of the file.
        name: String,
    },
}

/// What a peer answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// What it won.
    Raced(Won),
    /// The file is in place.
    Published,
    /// Whether it had the lock.
    Locked(bool),
    /// Why it could not.
    Failed(String),
}

/// Which names of a round a peer has made.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Won {
    pub mkdir: bool,
    pub link: bool,
    pub exclusive: bool,
}

impl Told {
    /// This answer as the error that it is to whoever asked for another.
    pub fn unexpected(self) -> io::Error {
        match self {
            Self::Failed(why) => io::Error::other(why),
            other => io::Error::other(format!("a peer answered {other:?}")),
        }
    }
}

/// Is a peer in `scratch`: answers `asks` line by line.
///
/// # Errors
/// Where it cannot be asked or answer any more.
pub fn peer(scratch: &Path, asks: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    for line in asks.lines() {
        let told = match serde_json::from_str(&line?) {
            Ok(ask) => obey(scratch, &ask).unwrap_or_else(|error| Told::Failed(error.to_string())),
            Err(error) => Told::Failed(error.to_string()),
        };
        writeln!(answers, "{}", serde_json::to_string(&told)?)?;
        answers.flush()?;
    }
    Ok(())
}

fn obey(scratch: &Path, ask: &Ask) -> io::Result<Told> {
    match ask {
        Ask::Race { round } => race(scratch, *round).map(Told::Raced),
        Ask::Publish { name, version, bytes } => {
            let aside = scratch.join(format!("{name}.tmp"));
            write(&aside, &vec![*version; *bytes])?;
            fs::rename(aside, scratch.join(name))?;
            Ok(Told::Published)
        }
        Ask::Lock { name } => {
            let file = OpenOptions::new().write(true).open(scratch.join(name))?;
            match file.try_lock() {
                Ok(()) => Ok(Told::Locked(true)),
                Err(TryLockError::WouldBlock) => Ok(Told::Locked(false)),
                Err(TryLockError::Error(error)) => Err(error),
            }
        }
    }
}

fn race(scratch: &Path, round: u32) -> io::Result<Won> {
    let name = |what: &str| scratch.join(format!("{what}-{round}"));
    let aside = scratch.join(format!("aside-{round}-{}", std::process::id()));
    write(&aside, b"whole")?;
    Ok(Won {
        mkdir: made(fs::create_dir(name("mkdir")))?,
        link: made(fs::hard_link(&aside, name("link")))?,
        exclusive: made(OpenOptions::new().write(true).create_new(true).open(name("exclusive")))?,
    })
}

fn made<T>(outcome: io::Result<T>) -> io::Result<bool> {
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converse(scratch: &Path, asks: &str) -> Vec<String> {
        let mut answers = Vec::new();
        peer(scratch, asks.as_bytes(), &mut answers).unwrap();
        String::from_utf8(answers).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_peer_does_as_it_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let race = r#"{"Race":{"round":3}}"#;
        let all = r#"{"Raced":{"mkdir":true,"link":true,"exclusive":true}}"#;
        let none = r#"{"Raced":{"mkdir":false,"link":false,"exclusive":false}}"#;
        assert_eq!(converse(dir.path(), &format!("{race}\n{race}\n")), [all, none]);
        let publish = r#"{"Publish":{"name":"a","version":7,"bytes":3}}"#;
        assert_eq!(converse(dir.path(), publish), [r#""Published""#]);
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), [7, 7, 7]);
        assert_eq!(converse(dir.path(), r#"{"Lock":{"name":"a"}}"#), [r#"{"Locked":true}"#]);
    }

    #[test]
    fn a_peer_says_what_it_cannot_do_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let told = converse(dir.path(), "nonsense\n{\"Lock\":{\"name\":\"gone\"}}\n{\"Race\":{\"round\":0}}\n");
        assert!(told[0].starts_with(r#"{"Failed":"#) && told[1].contains("No such file"), "{told:?}");
        assert!(told[2].starts_with(r#"{"Raced":"#), "{told:?}");
    }
}
