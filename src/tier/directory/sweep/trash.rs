//! The trash: what was taken away keeps its bytes there until the grace has passed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::tier::directory::file::found;
use crate::tier::directory::layout::{BodyName, Disk, unused_word};
use crate::tier::directory::sweep::walk::{blocks, read};
use crate::tier::sweep::SweepPlan;

pub struct Trash {
    dir: PathBuf,
    moved: u64,
    bytes: u64,
    /// Inodes that have another name still, which can only be a view.
    viewed: HashSet<(u64, u64)>,
}

impl Trash {
    pub fn open(disk: &Disk) -> io::Result<Self> {
        let dir = disk.trash();
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Self { dir, moved: 0, bytes: 0, viewed: HashSet::new() }),
        }
    }

    /// Bytes of disk that are here now.
    pub fn measure(&mut self) -> io::Result<u64> {
        self.bytes = read(&self.dir)?.iter().filter(|file| file.is_trash()).map(|file| blocks(file.length)).sum();
        Ok(self.bytes)
    }

    /// Moves a file here. Who has it open reads on; who has only learnt its name asks the record.
    pub fn take(&mut self, path: &Path) -> io::Result<()> {
        let unused = self.dir.join(format!("{}{}", unused_word(), BodyName::SUFFIX));
        if found(unless_busy(fs::rename(path, &unused)))?.is_some() {
            self.moved += 1;
            if let Some(metadata) = found(fs::metadata(&unused))?.filter(|metadata| metadata.nlink() > 1) {
                self.viewed.insert((metadata.dev(), metadata.ino()));
            }
        }
        Ok(())
    }

    /// Unlinks what has been here for the grace; and where that leaves more than `room` bytes, the oldest of the rest as well: a
    /// full disk costs more than a read that has to ask the record. Answers how many went.
    pub fn unlink(&mut self, plan: &SweepPlan, room: u64) -> io::Result<u64> {
        let mut files = read(&self.dir)?;
        files.retain(|file| file.is_trash() || file.is_silly());
        files.sort_unstable_by_key(|file| file.changed);
        // What has another name takes no less when this one goes.
        self.bytes = files.iter().map(|file| blocks(file.length)).sum();
        let mut unlinked = 0;
        for file in files {
            let is_due = plan.now.since(file.changed) >= plan.grace;
            if !is_due && self.bytes <= room {
                break;
            }
            if found(unless_busy(fs::remove_file(self.dir.join(&file.name))))?.is_some() {
                unlinked += 1;
            }
            self.bytes -= blocks(file.length);
        }
        Ok(unlinked)
    }

    /// How many files this sweep moved here.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Bytes of disk that are here.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn viewed(&self) -> &HashSet<(u64, u64)> {
        &self.viewed
    }
}

/// What an NFS client has removed, and still has open, it does not move or remove again: not found, as it goes by itself.
fn unless_busy(outcome: io::Result<()>) -> io::Result<()> {
    outcome.map_err(|error| if error.kind() == io::ErrorKind::ResourceBusy { io::ErrorKind::NotFound.into() } else { error })
}
