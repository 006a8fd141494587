//! Parts of large bodies: block by block, each verified before a byte of it leaves.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::entry::{Budget, Checksum, Chunks, Room};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::tier::State;
use crate::tier::blocks::block_bytes;
use crate::tier::directory::file::{found, once_more_if_stale};
use crate::tier::directory::guard::Lane;
use crate::tier::directory::hands::Hands;
use crate::tier::directory::layout::{BodyName, Disk};
use crate::tier::directory::{LOOK_LIMIT, time_for};

/// Blocks that are in memory at once: one that is being read, and one in the hands of who asked for it.
const BLOCKS_IN_FLIGHT: u64 = 2;

/// The file of a body, and what its blocks have to be.
struct BodyFile {
    file: File,
    size: u64,
    block_bytes: u64,
    checksums: Vec<Checksum>,
}

/// A part on its way out.
struct Reading {
    hands: Hands,
    key: Key,
    body: Arc<BodyFile>,
    left: Range<u64>,
    room: Arc<Room>,
}

/// Opens a part of the body that `state` names; see [`LargeBodies::open`](crate::tier::LargeBodies::open).
pub(super) async fn open(hands: &Hands, budget: &Budget, key: &Key, state: &State, range: Range<u64>) -> Result<Option<Chunks>> {
    let opened = {
        let (key, state) = (key.clone(), state.clone());
        hands.run(Lane::Lift, "open a body", LOOK_LIMIT, move |disk| disk.open_body(&key, &state)).await?
    };
    let Some(body) = opened.filter(|body| range.end <= body.size) else { return Ok(None) };
    if range.is_empty() {
        return Ok(Some(stream::empty().boxed()));
    }
    let blocks = range.end.div_ceil(body.block_bytes) - range.start / body.block_bytes;
    let room = budget.room(body.block_bytes.min(body.size) * blocks.min(BLOCKS_IN_FLIGHT)).await;
    let room = Arc::new(room.map_err(|_| Error::Busy { key: key.clone() })?);
    let mut reading = Reading { hands: hands.clone(), key: key.clone(), body: Arc::new(body), left: range, room };
    let Some(first) = reading.next().await? else { return Ok(None) };
    let rest = stream::unfold(Some(reading), |reading| async {
        let mut reading = reading.filter(|reading| !reading.left.is_empty())?;
        Some(match reading.next().await {
            Ok(Some(part)) => (Ok(part), Some(reading)),
            Ok(None) => (Err(Error::Tier { action: "read a body", cause: "a block is damaged".into() }), None),
            Err(error) => (Err(error), None),
        })
    });
    Ok(Some(stream::iter([Ok(first)]).chain(rest).boxed()))
}

impl Reading {
    /// What is wanted of the next block; `None` where that is damaged.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let block_bytes = self.body.block_bytes;
        let index = self.left.start / block_bytes;
        let block = index * block_bytes..((index + 1) * block_bytes).min(self.body.size);
        let wanted = self.left.start..self.left.end.min(block.end);
        let (body, whole, key) = (Arc::clone(&self.body), block.clone(), self.key.clone());
        let limit = LOOK_LIMIT + time_for(block_bytes);
        let read = self.hands.run(Lane::Lift, "read a body", limit, move |disk| {
            let bytes = body.read(whole, index)?;
            if bytes.is_none() {
                disk.count_damage("body", &key);
            }
            Ok(bytes)
        });
        let Some(bytes) = read.await? else { return Ok(None) };
        self.left.start = wanted.end;
        let part = (wanted.start - block.start) as usize..(wanted.end - block.start) as usize;
        Ok(Some(self.room.lend(bytes).slice(part)))
    }
}

impl Disk {
    /// The body that `state` names, if it is there at its length and can be verified block by block.
    fn open_body(&self, key: &Key, state: &State) -> io::Result<Option<BodyFile>> {
        let Some(name) = BodyName::parse(&state.body).filter(|_| state.key == key.as_str()) else { return Ok(None) };
        let size = state.facts.size;
        let Some((block_bytes, checksums)) = block_bytes(size).zip(checksums(state)) else { return Ok(None) };
        let path = self.place(key).body(&name);
        let Some(file) = found(once_more_if_stale(|| File::open(&path)))? else { return Ok(None) };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() != size {
            self.count_damage("body", key);
            return Ok(None);
        }
        Ok(Some(BodyFile { file, size, block_bytes, checksums }))
    }
}

impl BodyFile {
    /// The block at `range`, the `index`th; `None` where it is damaged.
    fn read(&self, range: Range<u64>, index: u64) -> io::Result<Option<Vec<u8>>> {
        let mut block = vec![0; (range.end - range.start) as usize];
        match self.file.read_exact_at(&mut block, range.start) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let checksum = usize::try_from(index).ok().and_then(|index| self.checksums.get(index));
        Ok(checksum.is_some_and(|checksum| *checksum == Checksum::of(&block)).then_some(block))
    }
}

/// The checksums of all blocks; `None` where the state does not have them: it was written when nobody asked for parts.
fn checksums(state: &State) -> Option<Vec<Checksum>> {
    let size = state.facts.size;
    match &state.blocks {
        Some(blocks) => blocks.fit(size).then(|| blocks.checksums.clone()),
        None => (size <= block_bytes(size)?).then_some(state.facts.checksum).flatten().map(|checksum| vec![checksum]),
    }
}
