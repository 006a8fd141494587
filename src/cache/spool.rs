//! A large body on its way from the record into the shared tier, and who reads it meanwhile.

use std::ops::Range;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::cache::large::{Source, Stage};
use crate::cache::lease::Turn;
use crate::entry::{Chunks, Room};
use crate::error::{Error, Result};
use crate::tier::Incoming;

mod recent;

use recent::Recent;

/// How much is read back at once, in bytes.
const READ_BYTES: u64 = 256 << 10;

/// Such pieces that are in memory at once: one that is being read, and one in the hands of who asked for it.
const READS_IN_FLIGHT: u64 = 2;

/// Pieces of the record's answer that are written at once, if they are there: readers have none of them before.
const WRITTEN_AT_ONCE: usize = 4;

/// One body on its way. It goes on as long as somebody has this, and then ends: nothing may go on after an answer.
pub(super) struct Spool {
    written: Arc<Written>,
    progress: watch::Receiver<Progress>,
    task: AbortHandle,
}

/// What has come.
struct Written {
    incoming: Arc<dyn Incoming>,
    recent: Recent,
}

/// How far it has come.
#[derive(Clone)]
enum Progress {
    /// So many bytes may be read; never all.
    Come(u64),
    /// All has come, is what it should be, and was published if it could be.
    Whole,
    /// No more will come.
    Failed(Error),
}

/// A part on its way out.
struct Reading {
    spool: Arc<Spool>,
    source: Arc<Source>,
    progress: watch::Receiver<Progress>,
    left: Range<u64>,
    room: Arc<Room>,
}

impl Spool {
    /// Has `chunks`, the whole body of `source`, written to `incoming` and published, all of it in one `turn`; without one,
    /// where the shared tier does not say whose it is.
    pub(super) fn begin(source: Arc<Source>, incoming: Arc<dyn Incoming>, chunks: Chunks, turn: Option<Turn>) -> Arc<Self> {
        let (sender, progress) = watch::channel(Progress::Come(0));
        let written = Arc::new(Written { incoming, recent: Recent::within(source.budget()) });
        let filled = Arc::clone(&written);
        let task = tokio::spawn(async move {
            let filling = fill(&source, &filled, chunks, &sender);
            let (stage, end) = match turn {
                Some(mut turn) => {
                    let ended = turn.during(filling).await;
                    turn.end().await;
                    ended
                }
                None => filling.await,
            };
            // Before anybody hears of the end: who does may ask again at once, and nothing goes on after the last byte.
            source.be(stage);
            filled.recent.end();
            sender.send_replace(end);
        });
        Arc::new(Self { written, progress, task: task.abort_handle() })
    }

    /// How many bytes have come.
    pub(super) fn come(&self) -> u64 {
        match *self.progress.borrow() {
            Progress::Come(bytes) => bytes,
            Progress::Whole => u64::MAX,
            Progress::Failed(_) => 0,
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Why it did not end well.
    pub(super) async fn end(&self) -> Result<()> {
        let mut progress = self.progress.clone();
        let end = progress.wait_for(|progress| !matches!(progress, Progress::Come(_))).await;
        match end.as_deref() {
            Ok(Progress::Failed(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(cut_short()),
        }
    }

    /// Reads a part of what comes, as it comes.
    ///
    /// # Errors
    /// `Busy`, and amid the bytes why no more come.
    pub(super) async fn read(self: Arc<Self>, source: &Arc<Source>, range: Range<u64>) -> Result<Chunks> {
        let bytes = (range.end - range.start).min(READ_BYTES * READS_IN_FLIGHT);
        let room = source.budget().room(bytes).await.map_err(|_| Error::Busy { key: source.key().clone() })?;
        let progress = self.progress.clone();
        let reading = Reading { spool: self, source: Arc::clone(source), progress, left: range, room: Arc::new(room) };
        let pieces = stream::unfold(Some(reading), |reading| async {
            let mut reading = reading.filter(|reading| !reading.left.is_empty())?;
            Some(match reading.next().await {
                Ok(piece) => (Ok(reading.room.lend(piece)), Some(reading)),
                Err(error) => (Err(error), None),
            })
        });
        Ok(pieces.boxed())
    }
}

/// Nobody reads it any more.
impl Drop for Spool {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Vec<u8>> {
        let start = self.left.start;
        let end = self.left.end.min(self.come_past(start).await?).min(start + READ_BYTES);
        let Written { incoming, recent } = &*self.spool.written;
        let piece = match recent.copy(start..end) {
            Some(piece) => piece,
            None => incoming.read_back(start..end).await?,
        };
        self.left.start = start + piece.len() as u64;
        Ok(piece)
    }

    /// Waits until more than `start` bytes have come, and answers how many have.
    async fn come_past(&mut self, start: u64) -> Result<u64> {
        let come = self.progress.wait_for(|progress| !matches!(progress, Progress::Come(bytes) if *bytes <= start)).await;
        match come.as_deref() {
            Ok(Progress::Come(bytes)) => Ok(*bytes),
            Ok(Progress::Whole) => Ok(self.source.size()),
            Ok(Progress::Failed(error)) => Err(error.clone()),
            Err(_) => Err(cut_short()),
        }
    }
}

/// Answers where the body is from then on, and how it ended.
async fn fill(source: &Source, written: &Written, chunks: Chunks, progress: &watch::Sender<Progress>) -> (Stage, Progress) {
    match write(source, written, chunks, progress).await {
        Ok(()) => (source.publish(&*written.incoming).await.map_or(Stage::InRecord, Stage::Stored), Progress::Whole),
        Err(error) => {
            tracing::warn!(key = %source.key(), %error, cause = error.cause_text(), "a large body did not come whole");
            (Stage::InRecord, Progress::Failed(error))
        }
    }
}

async fn write(source: &Source, written: &Written, chunks: Chunks, progress: &watch::Sender<Progress>) -> Result<()> {
    let mut batches = chunks.ready_chunks(WRITTEN_AT_ONCE);
    let mut come = 0;
    while let Some(batch) = batches.next().await {
        let parts = batch.into_iter().collect::<Result<Vec<_>>>()?;
        come += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        if come > source.size() {
            break;
        }
        written.incoming.append(parts.clone()).await?;
        written.recent.add(parts);
        // The last byte waits for the verdict on all of them.
        progress.send_replace(Progress::Come(come.min(source.size().saturating_sub(1))));
    }
    source.judge(come, written.incoming.checksum())
}

/// The runtime is shutting down, or the task panicked.
fn cut_short() -> Error {
    Error::Tier { action: "store a body", cause: "the fill was cut short".into() }
}
