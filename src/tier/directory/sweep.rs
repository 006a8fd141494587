//! Sweeping: what nobody names goes, and over the budget what was used longest ago. DESIGN part 6, "Sweep".
//!
//! Any number of sweeps may run, freeze and die at any instruction; that one goes at a time only saves work. Nothing here fails a
//! read: who finds a file gone asks the record.

use std::io;
use std::time::Duration;

use fail::fail_point;

use crate::freshness::{Stopwatch, Timestamp};
use crate::key::{Key, KeyPatterns, Prefix};
use crate::tier::directory::file::{self, found};
use crate::tier::directory::fs::{self, File, TryLockError};
use crate::tier::directory::layout::Disk;
use crate::tier::directory::listing::bodies;
use crate::tier::directory::look::decode;
use crate::tier::directory::view;
use crate::tier::sweep::{Limits, SweepPlan, Swept};

use retire::Retirement;
use trash::Trash;
use walk::{HeldKey, modified};

mod retire;
mod trash;
mod views;
pub(super) mod walk;

/// Down to how much of the budget a sweep evicts, so that not every store after it has to evict again.
const LOW_WATER_PERCENT: u64 = 90;

/// The budget where none is set: what a small EFS file system costs little for.
const BUDGET_DEFAULT: u64 = 50 << 30;

/// Of the disk, where none is set.
const DISK_PERCENT_MAX: u64 = 80;

/// How long a lock is respected: as long as a Lambda function may run. A holder that is frozen for longer is not waited for.
const LOCK_TIME_MAX: Duration = Duration::from_secs(15 * 60);

impl Disk {
    /// What the directory may take of the disk, in bytes, where it takes `held` now: what is set, and no more than others have
    /// left of the disk. Of what is free a tenth stays so, for what a file takes besides its blocks.
    pub fn budget_bytes(&self, limits: &Limits, held: u64) -> u64 {
        let Ok(disk) = rustix::fs::statvfs(&self.base) else { return limits.budget_bytes.unwrap_or(BUDGET_DEFAULT) };
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        let default = || BUDGET_DEFAULT.min(bytes(disk.f_blocks) / 100 * DISK_PERCENT_MAX);
        limits.budget_bytes.unwrap_or_else(default).min(held.saturating_add(bytes(disk.f_bavail) / 10 * 9))
    }

    /// Bytes of the file system, whoever takes them.
    pub fn disk_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.base)?;
        Ok(disk.f_blocks.saturating_mul(disk.f_frsize))
    }

    /// Sweeps as `plan` says; `None` where somebody else is at it.
    pub fn sweep(&self, plan: &SweepPlan, limits: &Limits) -> io::Result<Option<Swept>> {
        let Some(_lock) = self.lock(plan.now)? else { return Ok(None) };
        let watch = Stopwatch::start();
        // The other half is for doing something about it.
        let mut survey = self.survey(plan, plan.time_max / 2)?;
        let seen = survey.seen;
        let mut trash = Trash::open(self)?;
        let taken = survey.bytes().saturating_add(trash.measure()?);
        let results = self.sweep_results(plan, self.budget_bytes(limits, taken))?;
        // What is left for bodies.
        let budget = self.budget_bytes(limits, taken.saturating_add(results)).saturating_sub(results);
        let room = budget.saturating_sub(plan.room_bytes);
        let mut sweep = Sweep {
            disk: self,
            plan,
            watch,
            swept: Swept { seen, ..Swept::default() },
            trash,
            retirement: Retirement::default(),
            held: survey.bytes_seen(),
        };
        for orphan in &survey.orphans {
            sweep.discard(orphan);
        }
        let share = |bytes: u64| (bytes as f64 * seen) as u64;
        if sweep.held > share(room) {
            survey.held.sort_unstable_by_key(|key| key.used);
            sweep.evict_down_to(share(room.min(budget / 100 * LOW_WATER_PERCENT)), &survey.held, &limits.keep_warm);
        }
        sweep.retirement.begin_stateless(self, plan, &survey.stateless);
        let (gone, failed) = std::mem::take(&mut sweep.retirement).finish(self, plan, &mut sweep.trash);
        sweep.swept.directories = gone;
        sweep.swept.failed += failed;
        let whole = |part: u64| (part as f64 / seen) as u64;
        sweep.swept.unlinked = sweep.trash.unlink(plan, room.saturating_sub(whole(sweep.held)))?;
        views::unlink(&self.root, sweep.trash.viewed(), plan.time_max.saturating_sub(watch.elapsed()));
        let keys = survey.held.len() as u64 - sweep.swept.evicted;
        let bytes = whole(sweep.held) + sweep.trash.bytes() + results;
        Ok(Some(Swept { keys: whole(keys), bytes, trashed: sweep.trash.moved(), ..sweep.swept }))
    }

    /// Takes the lock; `None` where another holds it. It saves work and no more, so that one that cannot be had stops nobody.
    fn lock(&self, now: Timestamp) -> io::Result<Option<File>> {
        fs::create_dir_all(&self.base)?;
        let lock = File::options().write(true).create(true).truncate(false).open(self.base.join("sweep.lock"))?;
        let since = modified(&lock.metadata()?);
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if now.since(since) < LOCK_TIME_MAX => return Ok(None),
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => lock.set_modified(now.into())?,
        }
        Ok(Some(lock))
    }
}

/// A sweep under way.
struct Sweep<'a> {
    disk: &'a Disk,
    plan: &'a SweepPlan,
    watch: Stopwatch,
    swept: Swept,
    trash: Trash,
    retirement: Retirement,
    /// Bytes that are held in what was seen.
    held: u64,
}

/// What became of a key that was to be evicted.
enum Evicted {
    /// Nothing is believed of it any more.
    Gone,
    /// It was used or replaced since it was looked at.
    InUse,
    /// Others go first.
    KeptWarm,
}

impl Sweep<'_> {
    fn discard(&mut self, orphan: &walk::Orphan) {
        match self.trash.take(&orphan.path) {
            Ok(()) => self.held = self.held.saturating_sub(orphan.bytes),
            Err(_) => self.swept.failed += 1,
        }
    }

    /// Evicts the keys that were used longest ago, those to be kept warm after all others.
    fn evict_down_to(&mut self, low_water: u64, by_use: &[HeldKey], keep_warm: &KeyPatterns) {
        let mut kept_warm = Vec::new();
        for key in by_use {
            if self.held <= low_water || self.is_late() {
                return;
            }
            if let Evicted::KeptWarm = self.evict_or_count(key, keep_warm) {
                kept_warm.push(key);
            }
        }
        for key in kept_warm {
            if self.held <= low_water || self.is_late() {
                return;
            }
            self.evict_or_count(key, &KeyPatterns::default());
        }
    }

    fn is_late(&self) -> bool {
        self.watch.elapsed() >= self.plan.time_max
    }

    fn evict_or_count(&mut self, key: &HeldKey, keep_warm: &KeyPatterns) -> Evicted {
        match self.evict(key, keep_warm) {
            Ok(Evicted::Gone) => {
                self.swept.evicted += 1;
                self.held = self.held.saturating_sub(key.bytes);
                Evicted::Gone
            }
            Ok(other) => other,
            Err(error) => {
                tracing::debug!(%error, "a key could not be evicted from the shared directory");
                self.swept.failed += 1;
                Evicted::InUse
            }
        }
    }

    /// Takes away what is held of a key, unless it was used or replaced since it was looked at. What a fill stores in the very
    /// moment may go as well: that costs one request.
    fn evict(&mut self, key: &HeldKey, keep_warm: &KeyPatterns) -> io::Result<Evicted> {
        let place = self.disk.place_of(key.hash);
        let Some(metadata) = found(fs::metadata(place.state()))? else { return Ok(Evicted::InUse) };
        if modified(&metadata) != key.used {
            return Ok(Evicted::InUse);
        }
        let state = file::read_small(&place.state())?.and_then(|bytes| decode(&bytes));
        let named = state.as_ref().and_then(|state| Key::parse(&state.key, &Prefix::default()).ok());
        if named.as_ref().is_some_and(|key| keep_warm.matches(key.as_str())) {
            return Ok(Evicted::KeptWarm);
        }
        // The token first: a fill or a 404 that asked under it is overtaken from here on.
        self.retirement.begin(&place)?;
        fail_point!("sweep-token-taken", |_| std::process::abort());
        found(fs::remove_file(place.state()))?;
        fail_point!("sweep-state-removed", |_| std::process::abort());
        if let Some(key) = named {
            // A view that stays is found by its inode below.
            let _hidden = view::hide(&self.disk.root, &key, &place);
        }
        // All of them, as an eviction does that somebody asked for: a state that is written late brings nothing back.
        for body in found(bodies(&place.dir))?.unwrap_or_default() {
            self.trash.take(&body)?;
        }
        fail_point!("sweep-body-trashed", |_| std::process::abort());
        Ok(Evicted::Gone)
    }
}

#[cfg(test)]
mod tests;
