//! Bytes of a large body on their way out: what goes on where a tier fails, and what ends in an error where they are wrong.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::cache::large::Source;
use crate::entry::{Chunks, Digest};
use crate::error::Error;

/// How long the record may take for the first bytes where it goes on for a shared tier that fails.
const RESUME_TIME_MAX: Duration = Duration::from_secs(10);

impl Source {
    /// Goes on from the record where the shared tier fails amid `range`: that costs time, and no read.
    pub(super) fn resumed(self: &Arc<Self>, bytes: Chunks, range: Range<u64>) -> Chunks {
        let begun = Some((Arc::clone(self), bytes, range));
        let resumed = stream::unfold(begun, |reading| async {
            let (source, mut bytes, mut left) = reading.filter(|(.., left)| !left.is_empty())?;
            let next = match bytes.next().await {
                Some(Err(Error::Tier { .. })) => {
                    let deadline = tokio::time::Instant::now() + RESUME_TIME_MAX;
                    match source.asked_of_record(left.clone(), deadline.into_std()).await {
                        Ok(rest) => bytes = rest,
                        Err(error) => return Some((Err(error), None)),
                    }
                    bytes.next().await
                }
                next => next,
            };
            match next {
                Some(Ok(part)) => {
                    left.start += part.len() as u64;
                    Some((Ok(part), Some((source, bytes, left))))
                }
                Some(Err(error)) => Some((Err(error), None)),
                None => Some((Err(source.ended_at(left.start)), None)),
            }
        });
        resumed.boxed()
    }

    /// Gives the last of the whole body's bytes only if all of them are the right ones.
    pub(super) fn verified(self: &Arc<Self>, bytes: Chunks) -> Chunks {
        let begun = Some((Arc::clone(self), bytes, Digest::default(), 0));
        let verified = stream::unfold(begun, |reading| async {
            let (source, mut bytes, mut digest, mut come) = reading?;
            let part = match bytes.next().await {
                Some(Ok(part)) => part,
                Some(Err(error)) => return Some((Err(error), None)),
                None => return source.judge(come, digest.checksum()).err().map(|error| (Err(error), None)),
            };
            digest.update(&part);
            come += part.len() as u64;
            let judged = if come < source.size() { Ok(()) } else { source.judge(come, digest.checksum()) };
            Some(match judged {
                Ok(()) => (Ok(part), Some((source, bytes, digest, come))),
                Err(error) => (Err(error), None),
            })
        });
        verified.boxed()
    }
}
