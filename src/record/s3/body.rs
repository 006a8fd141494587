//! Reads a body that is held whole, within the room there is: as it comes or, past 16 MiB, by ranges side by side.

use std::future::ready;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::future::try_join;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use crate::entry::{Budget, Entry};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::record::PAUSE_MAX;
use crate::record::s3::answer::Begun;
use crate::record::s3::parts::{PART_BYTES, PARTS_AT_ONCE, Pinned};

/// How much of a long body is read from the first answer. Most objects are no longer, and cost one request.
pub(super) const FIRST_BYTES: u64 = 16 << 20;

/// Why no more of a body comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// Nothing came for too long.
    #[error("the body paused for more than {} s", PAUSE_MAX.as_secs())]
    Paused,
    /// The transfer broke, or the bytes do not fit the checksum of their answer: the SDK does not name its errors.
    #[error("the body broke off")]
    Broken,
}

/// What comes next of a body; `None` at its end.
pub(super) async fn next(body: &mut ByteStream) -> Result<Option<Bytes>, Stopped> {
    match timeout(PAUSE_MAX, body.try_next()).await {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(_unnamed)) => Err(Stopped::Broken),
        Err(_elapsed) => Err(Stopped::Paused),
    }
}

/// Reads the whole body of an answer; the SDK checks the checksum that came with it.
///
/// A checksum of parts (`…-12`, of an object uploaded in parts) is not one of the whole and is not checked.
///
/// # Errors
/// `TooLarge` where the length was not announced and is more than can be held; `Corrupted` where the body was cut or does not
/// fit its checksum; `Unreachable` where it stopped coming; `Busy` where there is no room for it.
pub(super) async fn read(key: &Key, mut begun: Begun, budget: &Budget) -> Result<Entry> {
    let size_max = begun.announced.unwrap_or_else(|| budget.whole_max());
    let room = budget.room(size_max).await.map_err(|_no_room| Error::Busy { key: key.clone() })?;
    let mut body = Vec::with_capacity(begun.announced.map_or(0, |_| room.bytes()));
    loop {
        match next(&mut begun.body).await {
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > size_max => {
                let size = (body.len() + chunk.len()) as u64;
                return Err(Error::TooLarge { key: key.clone(), size, size_max });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(stopped @ Stopped::Paused) => return Err(Error::Unreachable { key: key.clone(), cause: stopped.into() }),
            Err(Stopped::Broken) => return Err(damaged(key, damage(body.len() as u64, begun.announced))),
        }
    }
    body.shrink_to_fit();
    Ok(begun.into_entry(room.hold(body)))
}

/// Reads a body of `size` bytes, of which only the first come from the answer that began it: the others are asked for in ranges,
/// side by side, while those come. What the SDK then cannot verify is verified here.
///
/// # Errors
/// `Changed` where the object was replaced meanwhile; `Corrupted` where the whole does not fit its checksum; else as one part's.
pub(super) async fn read_in_parts(pinned: &Pinned, mut begun: Begun, size: u64, budget: &Budget) -> Result<Entry> {
    let key = &pinned.key;
    let room = budget.room(size).await.map_err(|_no_room| Error::Busy { key: key.clone() })?;
    let mut body = vec![0; room.bytes()];
    let (first, others) = body.split_at_mut(FIRST_BYTES as usize);
    let first = pinned.read_into(0, first, Some(std::mem::take(&mut begun.body)));
    let starts = (FIRST_BYTES..).step_by(PART_BYTES as usize);
    let parts = starts.zip(others.chunks_mut(PART_BYTES as usize));
    // Boxed, for the compiler cannot see through a stream of futures that borrow.
    let others: Vec<_> = parts.map(|(start, part)| pinned.read_into(start, part, None).boxed()).collect();
    let others = stream::iter(others).buffer_unordered(PARTS_AT_ONCE).try_for_each(|()| ready(Ok(())));
    try_join(first, others).await?;
    // Hundreds of MB take too long for an async worker.
    let verify = move || {
        let checksum = begun.checksum.take();
        let entry = begun.into_entry(room.hold(body));
        let fits = |bytes: &Bytes| checksum.is_none_or(|checksum| checksum.fits(bytes, entry.facts.checksum));
        entry.body.whole().is_some_and(fits).then_some(entry)
    };
    let verified = tokio::task::spawn_blocking(verify).await;
    let verified = verified.map_err(|cause| Error::Unreachable { key: key.clone(), cause: cause.into() })?;
    verified.ok_or_else(|| damaged(key, MISFIT.to_owned()))
}

const MISFIT: &str = "its body does not fit the checksum that came with it";

fn damaged(key: &Key, what: String) -> Error {
    Error::Corrupted { key: key.clone(), what }
}

/// Says what must have gone wrong with a body that ended in an error after `received` bytes.
///
/// Told by the count: the checksum is compared after the last byte only.
fn damage(received: u64, announced: Option<u64>) -> String {
    match announced {
        Some(announced) if received < announced => format!("its body ended after {received} of {announced} bytes"),
        Some(_) => MISFIT.to_owned(),
        None => format!("its body broke off after {received} bytes or does not fit its checksum"),
    }
}
