//! A part of an object as a stream: in order, and read ahead of whoever takes it, in bounded memory.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::entry::{Chunks, Room};
use crate::error::{Error, Result};
use crate::record::s3::parts::{PART_BYTES, PARTS_AT_ONCE, Pinned};

/// How much is handed over at once: a part is not waited for to its end.
const BLOCK_BYTES: usize = 256 << 10;

/// A part of an object on its way.
pub(super) struct Ahead {
    pinned: Arc<Pinned>,
    room: Arc<Room>,
    part_bytes: u64,
    unasked: Range<u64>,
    asked: VecDeque<Part>,
}

/// A range that was asked for, by a task of its own that ends when this is dropped.
struct Part {
    // Without a bound of its own, for no more comes than the part is long.
    blocks: UnboundedReceiver<Result<Bytes>>,
    /// How many bytes of it are still to be taken.
    left: u64,
}

/// Puts chunks of whatever length together to blocks.
struct Blocks {
    to: UnboundedSender<Result<Bytes>>,
    room: Arc<Room>,
    block: Vec<u8>,
    /// How many bytes are still to be handed over, those in `block` among them.
    left: usize,
}

/// How long a part is where a body of `whole_max` bytes is held whole.
pub(super) fn part_bytes(whole_max: u64) -> u64 {
    (whole_max / PARTS_AT_ONCE as u64).clamp(1, PART_BYTES)
}

/// The room that reading `range` takes.
pub(super) fn room_bytes(range: &Range<u64>, part_bytes: u64) -> u64 {
    (range.end - range.start).min(PARTS_AT_ONCE as u64 * part_bytes)
}

impl Ahead {
    pub(super) fn new(pinned: Pinned, range: Range<u64>, part_bytes: u64, room: Room) -> Self {
        Self { pinned: Arc::new(pinned), room: Arc::new(room), part_bytes, unasked: range, asked: VecDeque::new() }
    }

    /// Waits for the first bytes, and asks for more only then: a version that is gone costs one request.
    ///
    /// # Errors
    /// Those of a part.
    pub(super) async fn begin(mut self) -> Result<Chunks> {
        self.ask_for(1);
        let Some(first) = self.next().await.transpose()? else { return Ok(stream::empty().boxed()) };
        self.ask_for(PARTS_AT_ONCE);
        let others = stream::unfold(Some(self), async |ahead| {
            let mut ahead = ahead?;
            let next = ahead.next().await?;
            ahead.ask_for(PARTS_AT_ONCE);
            let is_well = next.is_ok();
            Some((next, is_well.then_some(ahead)))
        });
        Ok(stream::iter([Ok(first)]).chain(others).boxed())
    }

    /// What comes next; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes>> {
        let part = self.asked.front_mut()?;
        let block = part.blocks.recv().await.unwrap_or_else(|| {
            let cause = "a part ended before its last byte".into();
            Err(Error::Unreachable { key: self.pinned.key.clone(), cause })
        });
        part.left -= block.as_ref().map_or(0, |block| block.len() as u64);
        if part.left == 0 {
            self.asked.pop_front();
        }
        Some(block)
    }

    /// Asks for what comes next until so many parts are on their way.
    fn ask_for(&mut self, parts: usize) {
        while self.asked.len() < parts && !self.unasked.is_empty() {
            let end = self.unasked.end.min(self.unasked.start + self.part_bytes);
            let part = self.ask(self.unasked.start..end);
            self.asked.push_back(part);
            self.unasked.start = end;
        }
    }

    fn ask(&self, range: Range<u64>) -> Part {
        let (to, blocks) = unbounded_channel();
        let left = range.end - range.start;
        let mut gathered = Blocks::new(to.clone(), Arc::clone(&self.room), left as usize);
        let pinned = Arc::clone(&self.pinned);
        tokio::spawn(async move {
            let read = pinned.read(range, None, |bytes| gathered.take(bytes));
            tokio::select! {
                () = to.closed() => {}
                // Nobody may be there any more to be told.
                read = read => if let Err(error) = read { let _ = to.send(Err(error)); }
            }
        });
        Part { blocks, left }
    }
}

impl Blocks {
    fn new(to: UnboundedSender<Result<Bytes>>, room: Arc<Room>, left: usize) -> Self {
        Self { to, room, block: Vec::with_capacity(left.min(BLOCK_BYTES)), left }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let missing = self.left.min(BLOCK_BYTES) - self.block.len();
            let (now, then) = bytes.split_at(missing.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = then;
            if now.len() == missing {
                self.left -= self.block.len();
                let next = Vec::with_capacity(self.left.min(BLOCK_BYTES));
                let _ = self.to.send(Ok(self.room.lend(std::mem::replace(&mut self.block, next))));
            }
        }
    }
}
