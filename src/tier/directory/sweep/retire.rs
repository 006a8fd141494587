//! Taking the directories of keys away.
//!
//! A doubt that finds no directory writes nothing. So a directory may be missing only while no instance's memory is vouched for
//! that was filled under a token of it. Hence, in this order:
//!
//! 1. the token is moved aside, in the directory, which so does not get empty;
//! 2. the epochs of the shard and of the root are replaced;
//! 3. what was moved aside is unlinked, and the directory removed if it is empty: by rmdir, which the server decides.
//!
//! Whoever filled under a token read an epoch before it. A token that was taken in step 1 was read under an epoch that step 2
//! replaced: when the directory goes, nobody's memory is vouched for by it for longer than MEMORY_MAX_AGE. A token that was made
//! since lies in the directory, and keeps it. A sweep that woke late removes it only if it is empty, and who emptied it last has
//! replaced the epochs since; who died before that has left the token aside there. `docs/protocol/` has the model.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use fail::fail_point;

use crate::key::{KeyHash, Shard};
use crate::tier::EpochMark;
use crate::tier::directory::file::{Aside, found};
use crate::tier::directory::fs;
use crate::tier::directory::layout::{Disk, Place, unused_word};
use crate::tier::directory::nonce;
use crate::tier::directory::sweep::trash::Trash;
use crate::tier::directory::sweep::walk::{modified, read};
use crate::tier::sweep::SweepPlan;

/// Directories that are going.
#[derive(Default)]
pub struct Retirement(Vec<Going>);

struct Going {
    place: Place,
    /// The token, under another name; `None` where there was none.
    aside: Option<PathBuf>,
}

impl Retirement {
    /// Step 1. From here on nothing is believed, or stored, under the token that was there.
    pub fn begin(&mut self, place: &Place) -> io::Result<()> {
        let aside = place.dir.join(format!("{}{}", unused_word(), Aside::SUFFIX));
        let moved = found(fs::rename(place.doubt(), &aside))?;
        self.0.push(Going { place: place.clone(), aside: moved.map(|()| aside) });
        Ok(())
    }

    /// Step 1 for directories that had no state when they were looked at.
    pub fn begin_stateless(&mut self, disk: &Disk, plan: &SweepPlan, hashes: &[KeyHash]) {
        for hash in hashes {
            let place = disk.place_of(*hash);
            let is_quiet = fs::metadata(&place.dir).is_ok_and(|dir| plan.now.since(modified(&dir)) >= plan.stateless);
            if is_quiet {
                // What cannot be begun stays for the next sweep.
                let _begun = self.begin(&place);
            }
        }
    }

    /// Steps 2 and 3; answers how many directories went, and how many tries failed.
    pub fn finish(self, disk: &Disk, plan: &SweepPlan, trash: &mut Trash) -> (u64, u64) {
        if self.0.is_empty() {
            return (0, 0);
        }
        if let Err(error) = self.replace_epochs(disk) {
            tracing::warn!(%error, "the sweep could not replace the epochs of the shared directory; empty directories stay");
            return (0, self.0.len() as u64);
        }
        fail_point!("sweep-epochs-written", |_| std::process::abort());
        let (mut gone, mut failed) = (0, 0);
        for going in self.0 {
            match going.remove(plan, trash) {
                Ok(true) => gone += 1,
                Ok(false) => {}
                Err(_) => failed += 1,
            }
        }
        (gone, failed)
    }

    fn replace_epochs(&self, disk: &Disk) -> io::Result<()> {
        // The shard's before the root's, as in a doubt: an instance that finds the root unmoved does not look at the shard's.
        let shards: BTreeSet<u8> = self.0.iter().map(|going| going.place.shard.0).collect();
        for shard in shards {
            nonce::replace::<EpochMark>(&disk.shard_epoch_path(Shard(shard)))?;
        }
        fail_point!("sweep-shards-written", |_| std::process::abort());
        nonce::replace::<EpochMark>(&disk.root_epoch_path()).map(|_| ())
    }
}

impl Going {
    /// Whether it went. It stays where somebody is at work in it, or something is not ours.
    fn remove(&self, plan: &SweepPlan, trash: &mut Trash) -> io::Result<bool> {
        let files = found(read(&self.place.dir))?.unwrap_or_default();
        let is_in_use = files.iter().any(|file| file.name == "state.json" || file.name == "doubt");
        for file in files.iter().filter(|file| !is_in_use && file.is_bulky()) {
            let path = self.place.dir.join(&file.name);
            if self.aside.as_ref() != Some(&path) && plan.now.since(file.changed) >= plan.grace {
                trash.take(&path)?;
            }
        }
        if !is_in_use {
            // Of an instance that died. It saves work and keeps nobody from it.
            found(fs::remove_file(self.place.lease()))?;
        }
        if let Some(aside) = &self.aside {
            found(fs::remove_file(aside))?;
        }
        fail_point!("sweep-directory-emptied", |_| std::process::abort());
        match fs::remove_dir(&self.place.dir) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) => found(Err(error)).map(|_: Option<()>| false),
        }
    }
}
