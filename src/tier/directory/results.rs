//! Results on disk: a file each, `results/<hh>/<call hash>.result`, written beside its place and renamed.
//!
//! A file is its head (a line with the layout's version, a line with the SHA-256 of its name and content) and the content. Another NFS
//! client may go on reading one that was replaced: it is as true as it was, and whoever reads it asks for the versions it rests on.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fail::fail_point;
use sha2::{Digest, Sha256};

use crate::entry::Room;
use crate::error::{Error, Result};
use crate::freshness::{Stopwatch, Timestamp};
use crate::tier::directory::file::{self, Aside, found};
use crate::tier::directory::fs;
use crate::tier::directory::guard::Lane;
use crate::tier::directory::layout::Disk;
use crate::tier::directory::listing::subdirectories;
use crate::tier::directory::sweep::walk::{blocks, modified};
use crate::tier::directory::{DirectoryTier, FILL_LIMIT, LOOK_LIMIT, is_full, time_for, touch};
use crate::tier::sweep::SweepPlan;
use crate::tier::{ResultName, SharedResults, Stored};

/// What a file begins with. Another layout is another line.
const MARK: &[u8] = b"cache-api result 1\n";

/// The mark, 64 hex digits, and the end of their line.
const HEAD_BYTES: usize = MARK.len() + 65;

/// Longest result that is kept: what takes longer to lift is mostly quicker to compute.
const RESULT_BYTES_MAX: u64 = 256 << 20;

/// How long a result is kept that nobody uses. Its function or its input has changed, or nobody wants it.
const UNUSED_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The part of the budget that results may take: bodies cannot be computed again.
const BUDGET_SHARE: u64 = 8;

/// How often its use is noted; see `touch`.
const TOUCHED_EVERY: Duration = Duration::from_secs(60 * 60);

/// A file of a result.
struct Kept {
    path: PathBuf,
    used: Timestamp,
    bytes: u64,
}

impl Disk {
    fn results(&self) -> PathBuf {
        self.base.join("results")
    }

    fn result(&self, name: &ResultName) -> PathBuf {
        self.results().join(&name.hex()[..2]).join(format!("{}.result", name.hex()))
    }

    /// How long the file of a result is; `None` where there is none that is believed.
    fn result_bytes(&self, name: &ResultName) -> io::Result<Option<u64>> {
        let length = found(file::once_more_if_stale(|| fs::open(&self.result(name))?.metadata()))?.map(|metadata| metadata.len());
        Ok(length.filter(|length| (HEAD_BYTES as u64..=RESULT_BYTES_MAX).contains(length)))
    }

    fn load_result(&self, name: &ResultName, room: Room) -> io::Result<Option<Bytes>> {
        let path = self.result(name);
        let read = || {
            let mut file = fs::open(&path)?;
            let mut bytes = Vec::with_capacity(room.bytes());
            // One that has grown since is another, and illegible here.
            (&mut file).take(room.bytes() as u64).read_to_end(&mut bytes)?;
            let now = Timestamp::from(touch::now());
            if now.since(modified(&file.metadata()?)) >= TOUCHED_EVERY {
                // That it is used is for the sweep alone.
                let _noted = file.set_modified(now.into());
            }
            Ok(bytes)
        };
        let Some(bytes) = found(file::once_more_if_stale(read))? else { return Ok(None) };
        if !is_whole(name, &bytes) {
            self.damaged.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        Ok(Some(room.hold(bytes).slice(HEAD_BYTES..)))
    }

    fn save_result(&self, name: &ResultName, content: &[u8]) -> io::Result<()> {
        let path = self.result(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.base))?;
        let head = [MARK, digest(name, content).as_bytes(), b"\n"].concat();
        let aside = Aside::beside(&path);
        aside.write(&[&head, content].concat())?;
        fail_point!("result-written", |_| std::process::abort());
        fs::rename(&aside.0, &path)?;
        aside.published();
        Ok(())
    }

    /// Bytes of disk that results take, as far as `time_max` lets one look.
    pub(super) fn results_bytes(&self, time_max: Duration) -> io::Result<u64> {
        let watch = Stopwatch::start();
        let mut bytes = 0;
        for dir in found(subdirectories(&self.results(), 2))?.unwrap_or_default() {
            if watch.elapsed() >= time_max {
                break;
            }
            bytes += files(&dir)?.iter().map(|kept| kept.bytes).sum::<u64>();
        }
        Ok(bytes)
    }

    /// Takes away results that nobody uses, what was left half written, and beyond their part of `budget` those that were used
    /// longest ago; answers the bytes of disk that remain.
    pub(super) fn sweep_results(&self, plan: &SweepPlan, budget: u64) -> io::Result<u64> {
        let watch = Stopwatch::start();
        let mut held = Vec::new();
        for dir in found(subdirectories(&self.results(), 2))?.unwrap_or_default() {
            for kept in files(&dir)? {
                let age = plan.now.since(kept.used);
                let is_aside = kept.path.as_os_str().as_encoded_bytes().ends_with(Aside::SUFFIX.as_bytes());
                if (is_aside && age >= plan.grace) || age >= UNUSED_MAX {
                    found(fs::remove_file(&kept.path))?;
                } else {
                    held.push(kept);
                }
            }
            // The rest of the time is for the bodies.
            if watch.elapsed() >= plan.time_max / 4 {
                break;
            }
        }
        held.sort_unstable_by_key(|kept| kept.used);
        let mut bytes: u64 = held.iter().map(|kept| kept.bytes).sum();
        for kept in held {
            if bytes <= budget / BUDGET_SHARE {
                break;
            }
            found(fs::remove_file(&kept.path))?;
            bytes -= kept.bytes;
        }
        Ok(bytes)
    }
}

#[async_trait]
impl SharedResults for DirectoryTier {
    async fn load(&self, name: &ResultName) -> Result<Option<Bytes>> {
        let asked = name.clone();
        let length = self.run(Lane::Look, "look for a result", LOOK_LIMIT, move |disk| disk.result_bytes(&asked)).await?;
        let Some(length) = length else { return Ok(None) };
        let no_room = |_| Error::Tier { action: "read a result", cause: "there is no room in memory for it now".into() };
        let room = self.budget.room(length).await.map_err(no_room)?;
        let name = name.clone();
        let limit = LOOK_LIMIT + time_for(length);
        self.run(Lane::Lift, "read a result", limit, move |disk| disk.load_result(&name, room)).await
    }

    async fn save(&self, name: &ResultName, content: Bytes) -> Result<Stored> {
        let bytes = (HEAD_BYTES + content.len()) as u64;
        if bytes > RESULT_BYTES_MAX || !self.has_room_for(bytes).await {
            return Ok(Stored::NoRoom);
        }
        let name = name.clone();
        let job = move |disk: &Disk| disk.save_result(&name, &content);
        let saved = self.run(Lane::Fill, "keep a result", FILL_LIMIT + time_for(bytes), job).await;
        if saved.as_ref().is_err_and(is_full) {
            self.room.forget();
        }
        saved.map(|()| Stored::Stored)
    }
}

fn is_whole(name: &ResultName, bytes: &[u8]) -> bool {
    let Some((head, content)) = bytes.split_at_checked(HEAD_BYTES) else { return false };
    head.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(b"\n")) == Some(digest(name, content).as_bytes())
}

/// Of the name too: a file under another name is no result of that.
fn digest(name: &ResultName, content: &[u8]) -> String {
    let hash = Sha256::new().chain_update(name.hex()).chain_update(content).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of a directory of results. What goes meanwhile is left out.
fn files(dir: &Path) -> io::Result<Vec<Kept>> {
    let mut files = Vec::new();
    for entry in found(std::fs::read_dir(dir))?.into_iter().flatten() {
        let entry = entry?;
        if let Some(metadata) = found(entry.metadata())?.filter(std::fs::Metadata::is_file) {
            files.push(Kept { path: entry.path(), used: modified(&metadata), bytes: blocks(metadata.len()) });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::entry::Budget;
    use crate::key::RecordId;

    fn name(byte: u8) -> ResultName {
        ResultName::of(&[byte; 32])
    }

    async fn tier(dir: &Path) -> DirectoryTier {
        DirectoryTier::open(dir, &RecordId::of(&["test"])).await.unwrap()
    }

    fn age(disk: &Disk, byte: u8, age: Duration) {
        let file = std::fs::File::options().write(true).open(disk.result(&name(byte))).unwrap();
        file.set_modified(touch::now() - age).unwrap();
    }

    #[tokio::test]
    async fn what_is_kept_is_read_by_another_process_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (tier(dir.path()).await, tier(dir.path()).await);
        assert_eq!(two.load(&name(1)).await.unwrap(), None);
        for content in ["first", "", "third"] {
            assert_eq!(one.save(&name(1), content.into()).await.unwrap(), Stored::Stored);
            assert_eq!(two.load(&name(1)).await.unwrap().unwrap(), content);
        }
        assert_eq!(two.load(&name(2)).await.unwrap(), None);
    }

    /// "Checksummed": whatever is not as it was written is none.
    #[tokio::test]
    async fn a_damaged_cut_longer_or_misplaced_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let tier = tier(dir.path()).await;
        tier.save(&name(1), "content".into()).await.unwrap();
        let path = tier.hands.disk.result(&name(1));
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(&whole[..MARK.len()], MARK, "the layout is pinned");
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(tier.load(&name(1)).await.unwrap(), None, "a bit at {place}");
            std::fs::write(&path, &whole[..place]).unwrap();
            assert_eq!(tier.load(&name(1)).await.unwrap(), None, "cut at {place}");
        }
        std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert_eq!(tier.load(&name(1)).await.unwrap(), None);
        let other = tier.hands.disk.result(&name(2));
        std::fs::create_dir_all(other.parent().unwrap()).unwrap();
        std::fs::write(&other, &whole).unwrap();
        assert_eq!(tier.load(&name(2)).await.unwrap(), None, "another's");
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(tier.load(&name(1)).await.unwrap().unwrap(), "content");
    }

    #[tokio::test]
    async fn what_nobody_uses_and_what_is_half_written_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let tier = tier(dir.path()).await;
        for byte in 1..4 {
            tier.save(&name(byte), vec![byte; 10_000].into()).await.unwrap();
        }
        let disk = &tier.hands.disk;
        let half = disk.result(&name(1)).with_file_name(format!("half{}", Aside::SUFFIX));
        std::fs::write(&half, "half").unwrap();
        std::fs::File::options().write(true).open(&half).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        age(disk, 1, UNUSED_MAX + Duration::from_secs(60));
        let plan = SweepPlan::new(touch::now().into(), Duration::from_secs(60));
        assert_eq!(disk.sweep_results(&plan, 1 << 30).unwrap(), 2 * 12_288);
        assert!(!half.exists() && !disk.result(&name(1)).exists());
        assert_eq!(disk.results_bytes(Duration::from_secs(60)).unwrap(), 2 * 12_288);
    }

    /// "Counted in the budget": results have an eighth of it, and those that were used longest ago go.
    #[tokio::test]
    async fn beyond_their_part_of_the_budget_the_results_used_longest_ago_go() {
        let dir = tempfile::tempdir().unwrap();
        let tier = tier(dir.path()).await.sharing(Budget::new(1 << 20));
        for byte in 1..5 {
            tier.save(&name(byte), vec![byte; 10_000].into()).await.unwrap();
            age(&tier.hands.disk, byte, Duration::from_secs(10_000 * u64::from(byte)));
        }
        assert!(tier.load(&name(4)).await.unwrap().is_some(), "used now");
        let plan = SweepPlan::new(touch::now().into(), Duration::from_secs(60));
        tier.hands.disk.sweep_results(&plan, 2 * 12_288 * BUDGET_SHARE).unwrap();
        let are_there = [1, 2, 3, 4].map(|byte| tier.hands.disk.result(&name(byte)).exists());
        assert_eq!(are_there, [true, false, false, true]);
    }
}
