//! Walking the directory as a doctor does: what is held is read and checked, what is not ours is counted. Changes nothing.
//!
//! Others work in the directory meanwhile: what has moved on while it was looked at is neither counted nor blamed.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rand::seq::SliceRandom;

use crate::entry::Checksum;
use crate::freshness::Stopwatch;
use crate::key::{Key, Prefix, RecordId};
use crate::tier::directory::file::{self, Aside, found};
use crate::tier::directory::layout::{BodyName, Disk, Place};
use crate::tier::directory::listing::subdirectories;
use crate::tier::directory::look::decode;
use crate::tier::directory::{nonce, view};
use crate::tier::{State, TokenMark};

mod around;

pub use around::{Around, LAYOUT_DIR, Scratches, look_around};

/// How much is looked at; what is beyond is not, and the survey says so.
#[derive(Clone, Copy, Debug)]
pub struct SurveyLimits {
    /// How long the walk may take.
    pub time_max: Duration,
    /// How many bytes of bodies are read.
    pub body_bytes_max: u64,
}

/// What was found in the part of a directory that belongs to one record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Shards that were walked whole, of those there are. Taken in random order: some of them are a fair sample.
    pub shards: Part,
    /// Keys whose state was read.
    pub keys: u64,
    /// Of these, those whose state is under another token than the current one: the next read asks the record.
    pub doubted: u64,
    /// Bodies that were read and checked, of those that a state names.
    pub bodies: Part,
    /// States that nothing here has written so, or that are in another key's directory; by directory.
    pub illegible: Sample,
    /// Keys whose body is not there.
    pub missing: Sample,
    /// Keys whose body does not pass its checksum.
    pub damaged: Sample,
    /// Names that could not be read, each with its reason.
    pub unreadable: Sample,
    /// Bytes of all bodies, those that no state names too.
    pub kept_bytes: u64,
    /// What other programs find under the keys' own names.
    pub views: Views,
    /// Bodies that no state names.
    pub superseded: Pile,
    /// Files that were being written, or were left so.
    pub temporaries: Pile,
    /// What waits to be removed.
    pub trash: Pile,
    /// Names among ours that nothing here makes.
    pub foreign: Sample,
    /// Whether the root's epoch is there and legible; without, nothing vouches for any memory.
    pub has_epoch: bool,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How many were looked at.
    pub looked_at: u64,
    /// How many there are, as far as the walk went.
    pub of: u64,
}

/// Files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pile {
    /// How many.
    pub files: u64,
    /// Their lengths in sum.
    pub bytes: u64,
}

/// How many there are of something, and the first few by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many.
    pub count: u64,
    /// Up to three of them.
    pub examples: Vec<String>,
}

/// What is at the places of views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// The body that the state names.
    pub ours: u64,
    /// Keys whose view is an older body of theirs.
    pub older: Sample,
    /// Keys at whose place somebody else's file is.
    pub others: Sample,
    /// Nothing.
    pub none: u64,
}

impl Sample {
    const EXAMPLES_MAX: usize = 3;

    /// Takes one more down.
    pub fn add(&mut self, example: impl Into<String>) {
        self.count += 1;
        if self.examples.len() < Self::EXAMPLES_MAX {
            self.examples.push(example.into());
        }
    }
}

impl Pile {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Walks what `record` has beneath `root`. Blocks; what cannot be read is part of the answer.
pub fn survey(root: &Path, record: &RecordId, limits: SurveyLimits) -> Survey {
    let walk =
        Walk { disk: &Disk::new(root, record), limits, watch: Stopwatch::start(), body_bytes: 0, found: Survey::default() };
    walk.walk()
}

struct Walk<'a> {
    disk: &'a Disk,
    limits: SurveyLimits,
    watch: Stopwatch,
    body_bytes: u64,
    found: Survey,
}

/// A key's directory as it was listed: its bodies with lengths and inodes.
#[derive(Default)]
struct Bodies(Vec<(String, u64, (u64, u64))>);

impl Walk<'_> {
    fn walk(mut self) -> Survey {
        self.found.has_epoch = matches!(self.disk.root_epoch(), Ok(Some(_)));
        self.base();
        let mut shards = self.or_nothing(&self.disk.base.clone(), subdirectories(&self.disk.base, 2));
        self.found.shards.of = shards.len() as u64;
        shards.shuffle(&mut rand::rng());
        for shard in shards {
            self.strays(&shard, |name| name == "epoch" || is_hex(name, 64));
            for dir in self.or_nothing(&shard, subdirectories(&shard, 64)) {
                if self.watch.elapsed() >= self.limits.time_max {
                    return self.found;
                }
                if let Err(error) = self.key(&dir) {
                    self.unreadable(&dir, &error);
                }
            }
            self.found.shards.looked_at += 1;
        }
        self.found
    }

    fn base(&mut self) {
        let base = self.disk.base.clone();
        // `sweep…` is what sweeps exclude each other by.
        let is_ours = |name: &str| matches!(name, "epoch" | "trash" | "results") || is_hex(name, 2) || name.starts_with("sweep");
        self.strays(&base, is_ours);
        let trash = self.disk.trash();
        for entry in self.or_nothing(&trash, entries(&trash)) {
            if let Ok(metadata) = entry.metadata() {
                self.found.trash.add(metadata.len());
            }
        }
    }

    /// Takes down what is in `dir` besides what is ours.
    fn strays(&mut self, dir: &Path, is_ours: impl Fn(&str) -> bool) {
        for entry in self.or_nothing(dir, entries(dir)) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !is_ours(&name) {
                self.stray(&name, &entry);
            }
        }
    }

    fn stray(&mut self, name: &str, entry: &fs::DirEntry) {
        if name.ends_with(Aside::SUFFIX) || file::is_silly(name) {
            self.found.temporaries.add(entry.metadata().map_or(0, |metadata| metadata.len()));
        } else {
            self.found.foreign.add(self.within(&entry.path()));
        }
    }

    fn key(&mut self, dir: &Path) -> io::Result<()> {
        let mut bodies = Bodies::default();
        for entry in entries(dir)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.as_str() {
                "doubt" | "state.json" | "lease" => {}
                _ if BodyName::parse(&name).is_some() => {
                    if let Some(metadata) = found(entry.metadata())? {
                        bodies.0.push((name, metadata.len(), (metadata.dev(), metadata.ino())));
                    }
                }
                _ => self.stray(&name, &entry),
            }
        }
        let state = match file::read_small(&dir.join("state.json"))? {
            None => None,
            Some(bytes) => match legible(dir, &bytes) {
                Some(state) => Some(state),
                None => {
                    self.found.illegible.add(self.within(dir));
                    None
                }
            },
        };
        let named = state.as_ref().map(|(_, state)| state.body.as_str());
        for (name, bytes, _) in &bodies.0 {
            self.found.kept_bytes += bytes;
            if Some(name.as_str()) != named {
                self.found.superseded.add(*bytes);
            }
        }
        match state {
            Some((key, state)) => self.held(&key, &state, &bodies),
            None => Ok(()),
        }
    }

    fn held(&mut self, key: &Key, state: &State, bodies: &Bodies) -> io::Result<()> {
        let place = self.disk.place(key);
        self.found.keys += 1;
        if nonce::read::<TokenMark>(&place.doubt())? != Some(state.token) {
            self.found.doubted += 1;
        }
        let Some(body) = bodies.0.iter().find(|(name, ..)| *name == state.body) else {
            if self.is_still(key, &place, state)? {
                self.found.missing.add(key.as_str());
            }
            return Ok(());
        };
        self.found.bodies.of += 1;
        self.view(key, body.2, bodies)?;
        if self.body_bytes.saturating_add(body.1) > self.limits.body_bytes_max {
            return Ok(());
        }
        self.body_bytes += body.1;
        let read = found(File::open(place.dir.join(&state.body)).and_then(Checksum::of_reader))?;
        self.found.bodies.looked_at += 1;
        if read.map(|(checksum, size)| (Some(checksum), size)) != Some((state.facts.checksum, state.facts.size))
            && self.is_still(key, &place, state)?
        {
            let faults = if read.is_none() { &mut self.found.missing } else { &mut self.found.damaged };
            faults.add(key.as_str());
        }
        Ok(())
    }

    /// Whether the state is still the one: what another instance has replaced meanwhile is no fault.
    fn is_still(&self, key: &Key, place: &Place, state: &State) -> io::Result<bool> {
        Ok(self.disk.state(key, place)?.is_some_and(|now| now.body == state.body))
    }

    fn view(&mut self, key: &Key, body: (u64, u64), bodies: &Bodies) -> io::Result<()> {
        let views = &mut self.found.views;
        if view::segments(key).is_none() {
            return Ok(());
        }
        let place = match fs::symlink_metadata(self.disk.root.join(key.as_str())) {
            // A name that leads through another key's view, or is too long for a file.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename) => None,
            metadata => found(metadata)?.map(|metadata| (metadata.dev(), metadata.ino())),
        };
        let older: HashSet<_> = bodies.0.iter().map(|(.., inode)| *inode).collect();
        match place {
            None => views.none += 1,
            Some(inode) if inode == body => views.ours += 1,
            Some(inode) if older.contains(&inode) => views.older.add(key.as_str()),
            Some(_) => views.others.add(key.as_str()),
        }
        Ok(())
    }

    fn or_nothing<T>(&mut self, dir: &Path, listed: io::Result<Vec<T>>) -> Vec<T> {
        listed.unwrap_or_else(|error| {
            self.unreadable(dir, &error);
            Vec::new()
        })
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let name = self.within(path);
        self.found.unreadable.add(format!("{name}: {error}"));
    }

    /// The path below LOCAL_DATA_DIR.
    fn within(&self, path: &Path) -> String {
        path.strip_prefix(&self.disk.root).unwrap_or(path).display().to_string()
    }
}

/// What is in `dir`; nothing where it is missing.
fn entries(dir: &Path) -> io::Result<Vec<fs::DirEntry>> {
    found(fs::read_dir(dir))?.into_iter().flatten().collect()
}

/// The state and its key, if it is in the directory of its key.
fn legible(dir: &Path, bytes: &[u8]) -> Option<(Key, State)> {
    let state = decode(bytes)?;
    let key = Key::parse(&state.key, &Prefix::default()).ok()?;
    let is_in_place = dir.file_name().is_some_and(|name| *name == *key.hash().hex());
    is_in_place.then_some((key, state))
}

fn is_hex(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
