//! The walk: what is held, what nobody names, and what is a directory without a state.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::freshness::{Stopwatch, Timestamp};
use crate::key::KeyHash;
use crate::tier::directory::file::{self, Aside, found};
use crate::tier::directory::layout::{BodyName, Disk};
use crate::tier::directory::listing::subdirectories;
use crate::tier::directory::look::decode;
use crate::tier::sweep::SweepPlan;

/// What a file takes is a multiple of this, on EFS and on most disks.
const BLOCK_BYTES: u64 = 4096;

/// What a key takes besides its body: a directory, a token, a state.
const KEY_BYTES: u64 = 3 * BLOCK_BYTES;

/// Bytes of disk that a body of this length takes, with all that belongs to its key.
pub fn weight(body_bytes: u64) -> u64 {
    KEY_BYTES + blocks(body_bytes)
}

pub fn blocks(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(BLOCK_BYTES).unwrap_or(u64::MAX)
}

/// What a walk saw.
#[derive(Default)]
pub struct Survey {
    /// The part of the directory that was seen: 1 for all of it, never 0.
    pub seen: f64,
    pub held: Vec<HeldKey>,
    pub orphans: Vec<Orphan>,
    pub stateless: Vec<KeyHash>,
}

/// A key with a state.
pub struct HeldKey {
    pub hash: KeyHash,
    /// The mtime of its state.
    pub used: Timestamp,
    /// What its eviction makes room for, besides its orphans.
    pub bytes: u64,
}

/// A file that nobody has named for the grace.
pub struct Orphan {
    pub path: PathBuf,
    /// What it counts for in what is held; 0 where it is another name of what is counted, or belongs to no key.
    pub bytes: u64,
}

impl Survey {
    /// Bytes that are held in the whole directory, as far as one can tell from what was seen.
    pub fn bytes(&self) -> u64 {
        (self.bytes_seen() as f64 / self.seen) as u64
    }

    /// Bytes that are held in what was seen: those of keys and of orphans, each once.
    pub fn bytes_seen(&self) -> u64 {
        self.held.iter().map(|key| key.bytes).chain(self.orphans.iter().map(|orphan| orphan.bytes)).sum()
    }
}

impl Disk {
    /// Walks the directory, for `time_max` at most. Reads only the states of keys with several bodies.
    pub fn survey(&self, plan: &SweepPlan, time_max: Duration) -> io::Result<Survey> {
        let watch = Stopwatch::start();
        let mut survey = Survey::default();
        survey.take_orphans(&self.base, plan)?;
        let mut shards = subdirectories(&self.base, 2)?;
        shards.sort_unstable();
        let first = plan.first.to_string();
        let middle = shards.partition_point(|shard| shard.file_name().is_some_and(|name| *name < *first));
        shards.rotate_left(middle);
        let shards_count = shards.len();
        for (index, shard) in shards.into_iter().enumerate() {
            survey.take_orphans(&shard, plan)?;
            let dirs = subdirectories(&shard, 64)?;
            let dirs_count = dirs.len();
            for (place, dir) in dirs.into_iter().enumerate() {
                if watch.elapsed() >= time_max && !(survey.held.is_empty() && survey.stateless.is_empty()) {
                    // Keys are spread evenly over the shards, being placed by a hash.
                    survey.seen = (index as f64 + place as f64 / dirs_count as f64) / shards_count as f64;
                    return Ok(survey);
                }
                let hash = dir.file_name().and_then(|name| KeyHash::parse(name.to_str()?));
                if let Some(hash) = hash {
                    survey.visit(&dir, hash, plan)?;
                }
            }
        }
        survey.seen = 1.0;
        Ok(survey)
    }
}

impl Survey {
    fn visit(&mut self, dir: &Path, hash: KeyHash, plan: &SweepPlan) -> io::Result<()> {
        let Some(files) = found(read(dir))? else { return Ok(()) };
        let state = files.iter().find(|file| file.is("state.json"));
        let has_token = files.iter().any(|file| file.is("doubt"));
        let bulky: Vec<_> = files.iter().filter(|file| file.is_bulky()).collect();
        let is_old = |file: &&&Named| plan.now.since(file.changed) >= plan.grace;
        let mut orphans: Vec<_> = bulky.iter().filter(is_old).copied().collect();
        match state {
            Some(_) => {
                // A key's only body is the one its state names, or there is none of that name and the next fill brings another.
                let named = match bulky.len() {
                    0 | 1 => None,
                    _ => file::read_small(&dir.join("state.json"))?.and_then(|bytes| decode(&bytes)).map(|state| state.body),
                };
                orphans.retain(|file| file.is_temporary() || named.as_ref().is_some_and(|named| !file.is(named)));
            }
            None => {
                let times = files.iter().map(|file| file.changed);
                let quiet_since = times.chain(found(fs::metadata(dir))?.map(|dir| modified(&dir))).max().unwrap_or_default();
                if plan.now.since(quiet_since) >= plan.stateless {
                    self.stateless.push(hash);
                }
                // Without a token it is what keeps the directory from being empty: only `retire` may take that.
                if !has_token || plan.now.since(quiet_since) >= plan.stateless {
                    orphans.clear();
                }
            }
        }
        let orphans: Vec<_> = orphans
            .into_iter()
            .map(|orphan| {
                // A temporary that has become a body is one file under two names.
                let is_counted =
                    state.is_some() && !bulky.iter().any(|file| file.inode == orphan.inode && file.name != orphan.name);
                Orphan { path: dir.join(&orphan.name), bytes: if is_counted { blocks(orphan.length) } else { 0 } }
            })
            .collect();
        if let Some(state) = state {
            let all = KEY_BYTES + distinct(&bulky);
            let bytes = all - orphans.iter().map(|orphan| orphan.bytes).sum::<u64>();
            self.held.push(HeldKey { hash, used: state.modified, bytes });
        }
        self.orphans.extend(orphans);
        Ok(())
    }

    /// Temporaries of epochs, which lie beside them.
    fn take_orphans(&mut self, dir: &Path, plan: &SweepPlan) -> io::Result<()> {
        for file in found(read(dir))?.into_iter().flatten() {
            if file.is_temporary() && plan.now.since(file.changed) >= plan.grace {
                self.orphans.push(Orphan { path: dir.join(&file.name), bytes: 0 });
            }
        }
        Ok(())
    }
}

/// A file in a directory of ours.
pub struct Named {
    pub name: String,
    pub modified: Timestamp,
    /// The last change of anything about it, its name included.
    pub changed: Timestamp,
    pub length: u64,
    pub inode: (u64, u64),
}

impl Named {
    fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Whether this was being written, or goes with the NFS client that has it open.
    pub fn is_temporary(&self) -> bool {
        let word = self.name.strip_suffix(Aside::SUFFIX);
        word.is_some_and(|word| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit())) || self.is_silly()
    }

    /// Whether an NFS client has removed this while it had it open.
    pub fn is_silly(&self) -> bool {
        file::is_silly(&self.name)
    }

    /// Whether this is the name of something in the trash.
    pub fn is_trash(&self) -> bool {
        let word = self.name.strip_suffix(BodyName::SUFFIX);
        word.is_some_and(|word| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    pub fn is_bulky(&self) -> bool {
        self.is_temporary() || BodyName::parse(&self.name).is_some()
    }
}

/// The regular files in `dir`; links, directories and names that are no text are not ours.
pub fn read(dir: &Path) -> io::Result<Vec<Named>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !entry.file_type()?.is_file() {
            continue;
        }
        let Some(metadata) = found(entry.metadata())? else { continue };
        files.push(Named {
            name,
            modified: modified(&metadata),
            changed: millis(metadata.ctime(), metadata.ctime_nsec()),
            length: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
        });
    }
    Ok(files)
}

pub fn modified(metadata: &Metadata) -> Timestamp {
    millis(metadata.mtime(), metadata.mtime_nsec())
}

fn millis(seconds: i64, nanos: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)).unwrap_or(0))
}

/// Bytes of disk of these files, each once however many names it has (pitfall 12).
fn distinct(files: &[&Named]) -> u64 {
    let first = |(index, file): &(usize, &&Named)| files[..*index].iter().all(|other| other.inode != file.inode);
    files.iter().enumerate().filter(first).map(|(_, file)| blocks(file.length)).sum()
}
