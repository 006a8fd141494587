//! Large bodies on their way in: written as they come, read back meanwhile, and published as every other body.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::entry::Checksum;
use crate::error::Result;
use crate::key::Key;
use crate::tier::blocks::BlockDigest;
use crate::tier::directory::file::{Aside, found};
use crate::tier::directory::guard::Lane;
use crate::tier::directory::hands::Hands;
use crate::tier::directory::layout::{BodyName, Disk};
use crate::tier::directory::room::Room;
use crate::tier::directory::{FILL_LIMIT, LOOK_LIMIT, time_for};
use crate::tier::large::Publication;
use crate::tier::{Incoming, State, Stored};

/// After so many bytes the disk, or the server, is told to take them while more come: what is left for the end is what the last
/// byte waits for.
const SYNCED_EVERY_BYTES: u64 = 32 << 20;

/// How much is written by one call. Linux gives a call's bytes pages that lie side by side, and where memory is in many small
/// pieces moves others' away for them: from 256 KiB on that took a third of all our time, and seconds for some bodies.
const WRITTEN_AT_ONCE_BYTES: usize = 64 << 10;

/// A body that nothing names yet.
pub(super) struct Draft {
    hands: Hands,
    key: Key,
    size: u64,
    room: Arc<Room>,
    /// Shared with whatever call is under way.
    written: Arc<Written>,
    is_published: AtomicBool,
}

/// The file and what was written to it.
struct Written {
    aside: Aside,
    file: File,
    digest: Mutex<BlockDigest>,
    /// Bytes that were written since a sync began.
    unsynced: AtomicU64,
    /// Held while it is synced; why that failed. The system says so once, to whoever syncs first.
    synced: Mutex<io::Result<()>>,
}

impl Draft {
    /// Makes the file; `None` where the key's directory has gone, or the body is too long to be verified in parts. What it
    /// takes of the disk counts as held already.
    pub async fn begin(hands: &Hands, room: &Arc<Room>, key: &Key, size: u64) -> Result<Option<Self>> {
        let asked = key.clone();
        let begun = hands.run(Lane::Fill, "begin a body", FILL_LIMIT, move |disk| disk.begin(&asked, size)).await;
        let draft = |written| {
            let (hands, key, room) = (hands.clone(), key.clone(), Arc::clone(room));
            Self { hands, key, size, room, written: Arc::new(written), is_published: AtomicBool::new(false) }
        };
        if !matches!(begun, Ok(Some(_))) {
            room.give_back(size);
        }
        Ok(begun?.map(draft))
    }
}

#[async_trait]
impl Incoming for Draft {
    async fn append(&self, parts: Vec<Bytes>) -> Result<()> {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        let written = Arc::clone(&self.written);
        let job = move |_: &Disk| parts.iter().try_for_each(|part| written.append(part));
        self.hands.run(Lane::Fill, "store a body", FILL_LIMIT + time_for(bytes), job).await?;
        if self.written.unsynced.load(Ordering::Relaxed) >= SYNCED_EVERY_BYTES {
            let written = Arc::clone(&self.written);
            self.hands.guard.aside(Lane::Fill, Duration::ZERO, move || written.sync_unless_syncing()).await;
        }
        Ok(())
    }

    async fn read_back(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let written = Arc::clone(&self.written);
        let limit = LOOK_LIMIT + time_for(range.end - range.start);
        let job = move |_: &Disk| {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            written.file.read_exact_at(&mut bytes, range.start)?;
            Ok(bytes)
        };
        self.hands.run(Lane::Lift, "read a body", limit, job).await
    }

    fn checksum(&self) -> Checksum {
        self.written.digest().whole()
    }

    async fn publish(&self, publication: Publication) -> Result<Option<State>> {
        let (written, key) = (Arc::clone(&self.written), self.key.clone());
        let job = move |disk: &Disk| {
            written.was_synced()?;
            let state = written.state(&key, publication);
            let stored = disk.publish(&key, &written.aside, &written.file, &state)?;
            Ok((stored == Stored::Stored).then_some(state))
        };
        let published = self.hands.run(Lane::Fill, "store a body", FILL_LIMIT + time_for(self.size), job).await?;
        self.is_published.store(published.is_some(), Ordering::SeqCst);
        Ok(published)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_published.load(Ordering::SeqCst) {
            self.room.give_back(self.size);
        }
        // Its other name goes, and EFS takes milliseconds for that: too long for an async worker.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let written = Arc::clone(&self.written);
            runtime.spawn_blocking(move || drop(written));
        }
    }
}

impl Written {
    fn append(&self, part: &[u8]) -> io::Result<()> {
        for part in part.chunks(WRITTEN_AT_ONCE_BYTES) {
            (&self.file).write_all(part)?;
            self.digest().update(part);
        }
        self.unsynced.fetch_add(part.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Syncs what has come so far, unless that is going on already.
    fn sync_unless_syncing(&self) {
        let Ok(mut synced) = self.synced.try_lock() else { return };
        self.unsynced.store(0, Ordering::Relaxed);
        if synced.is_ok() {
            *synced = self.file.sync_data();
        }
    }

    /// Waits for a sync that is going on.
    ///
    /// # Errors
    /// What one has failed with.
    fn was_synced(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *synced, Ok(()))
    }

    fn state(&self, key: &Key, publication: Publication) -> State {
        let Publication { version, facts, token, confirmed_at } = publication;
        let body = BodyName::unused(&version).as_str().to_owned();
        State { key: key.as_str().to_owned(), version, facts, blocks: self.digest().end(), body, confirmed_at, token }
    }

    fn digest(&self) -> MutexGuard<'_, BlockDigest> {
        self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn begin(&self, key: &Key, size: u64) -> io::Result<Option<Written>> {
        let Some(digest) = BlockDigest::of(size) else { return Ok(None) };
        let aside = Aside::beside(&self.place(key).state());
        let file = found(aside.create())?;
        let (digest, unsynced, synced) = (Mutex::new(digest), AtomicU64::default(), Mutex::new(Ok(())));
        Ok(file.map(|file| Written { aside, file, digest, unsynced, synced }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Media, Version};
    use crate::freshness::Timestamp;
    use crate::key::{Prefix, RecordId};
    use crate::tier::directory::DirectoryTier;

    async fn publish(draft: &Draft) -> Result<Option<State>> {
        let asked = Timestamp::from_millis(1_700_000_100_000);
        let version = Version { etag: "\"1\"".into(), last_modified: asked };
        let facts = Entry::new(version.clone(), Media::default(), Bytes::from_static(b"body")).facts;
        let token = draft.hands.disk.announce(&draft.key).unwrap();
        draft.publish(Publication { version, facts, token, confirmed_at: asked }).await
    }

    #[tokio::test]
    async fn a_long_body_is_synced_while_it_comes_and_not_published_if_that_failed() {
        let root = tempfile::tempdir().unwrap();
        let tier = DirectoryTier::open(root.path(), &RecordId::of(&["test"])).await.unwrap();
        let key = Key::parse("a", &Prefix::default()).unwrap();
        tier.hands.disk.announce(&key).unwrap();
        for fails in [true, false] {
            let draft = Draft::begin(&tier.hands, &tier.room, &key, 4).await.unwrap().unwrap();
            draft.written.unsynced.store(SYNCED_EVERY_BYTES - 4, Ordering::Relaxed);
            draft.append(vec![Bytes::from_static(b"body")]).await.unwrap();
            while draft.written.unsynced.load(Ordering::Relaxed) > 0 {
                tokio::task::yield_now().await;
            }
            if fails {
                *draft.written.synced.lock().unwrap() = Err(io::ErrorKind::StorageFull.into());
            }
            let published = publish(&draft).await;
            assert_eq!(published.map(|state| state.is_some()).ok(), (!fails).then_some(true));
        }
    }
}
