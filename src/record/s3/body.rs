//! Reads a body as it arrives, within the memory there is.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};

use crate::error::{Error, Result};
use crate::key::Key;

/// How long a body may pause. S3 sends without pausing; what pauses this long is lost.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long a body is, as far as was said before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    /// What the answer's head says, in bytes; `None` where it says nothing.
    pub(super) announced: Option<u64>,
    /// The most that fits, in bytes.
    pub(super) size_max: u64,
}

/// The body stopped coming.
#[derive(Debug, thiserror::Error)]
#[error("the body paused for more than {} s after {received} bytes", PAUSE_MAX.as_secs())]
struct Paused {
    received: usize,
}

/// Reads a whole body; the SDK checks the checksum that came with it.
///
/// A checksum of parts (`…-12`, of an object uploaded in parts) is not one of the whole and is not checked.
///
/// # Errors
/// `TooLarge`, before anything is read where the length was announced; `Corrupted` where the body was cut or does not
/// fit its checksum; `Unreachable` where it stopped coming.
pub(super) async fn read(key: &Key, mut stream: ByteStream, lengths: Lengths) -> Result<Bytes> {
    let Lengths { announced, size_max } = lengths;
    let too_large = |size| Error::TooLarge { key: key.clone(), size, size_max };
    if let Some(size) = announced.filter(|size| *size > size_max) {
        return Err(too_large(size));
    }
    let mut body = BytesMut::with_capacity(announced.map_or(0, |size| usize::try_from(size).unwrap_or(0)));
    loop {
        let Ok(next) = tokio::time::timeout(PAUSE_MAX, stream.try_next()).await else {
            return Err(Error::Unreachable { key: key.clone(), cause: Paused { received: body.len() }.into() });
        };
        match next {
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > size_max => {
                return Err(too_large((body.len() + chunk.len()) as u64));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(_) => return Err(Error::Corrupted { key: key.clone(), what: damage(body.len() as u64, announced) }),
        }
    }
}

/// Says what must have gone wrong with a body that ended in an error after `received` bytes.
///
/// Told by the count, since the SDK does not name its errors: the checksum is compared after the last byte only.
fn damage(received: u64, announced: Option<u64>) -> String {
    match announced {
        Some(announced) if received < announced => format!("its body ended after {received} of {announced} bytes"),
        Some(_) => "its body does not fit the checksum that came with it".to_owned(),
        None => format!("its body broke off after {received} bytes or does not fit its checksum"),
    }
}
