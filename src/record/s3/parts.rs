//! Ranges of one version of an object, each asked for until it is there.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use tracing::warn;

use crate::entry::Version;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::record::s3::answer::{Refusal, timestamp};
use crate::record::s3::body::{self, Stopped};

/// How long a range is. S3 advises 8 to 16 MB: long enough that asking costs little, and short enough that what breaks and what
/// waits in memory is little too.
pub(super) const PART_BYTES: u64 = 8 << 20;

/// How many ranges are on their way at once. One connection to S3 carries some 90 MB/s.
pub(super) const PARTS_AT_ONCE: usize = 4;

/// How often a range is asked for in all, each time from where its transfer broke off. Refusals that may pass are asked again by
/// the SDK besides.
const ATTEMPTS_MAX: usize = 3;

/// One version of an object, and where it is.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) client: Client,
    pub(super) bucket: String,
    /// What the bucket calls `key`.
    pub(super) name: String,
    pub(super) key: Key,
    pub(super) version: Version,
}

impl Pinned {
    /// Fills `part` with the bytes from `start` on; `begun` gives the first of them.
    pub(super) async fn read_into(&self, start: u64, part: &mut [u8], begun: Option<ByteStream>) -> Result<()> {
        let range = start..start + part.len() as u64;
        let mut filled = 0;
        let fill = |bytes: &[u8]| {
            part[filled..filled + bytes.len()].copy_from_slice(bytes);
            filled += bytes.len();
        };
        self.read(range, begun, fill).await
    }

    /// Gives the bytes of `range` to `take` as they come, no more and no less; `begun` gives the first of them, or else they are
    /// asked for.
    ///
    /// # Errors
    /// `Changed` where the object is gone or another; `Unreachable` where its bytes paused or broke off again and again;
    /// `Corrupted` where the answer is not that range; what S3 refuses with.
    pub(super) async fn read(&self, range: Range<u64>, mut begun: Option<ByteStream>, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut left = range.clone();
        for _ in 0..ATTEMPTS_MAX {
            let mut body = match begun.take() {
                Some(body) => body,
                None => self.ask(&left).await?,
            };
            loop {
                match body::next(&mut body).await {
                    Ok(Some(chunk)) => {
                        let wanted = usize::try_from(left.end - left.start).map_or(chunk.len(), |left| left.min(chunk.len()));
                        take(&chunk[..wanted]);
                        left.start += wanted as u64;
                        if left.is_empty() {
                            return Ok(());
                        }
                    }
                    Ok(None) | Err(Stopped::Broken) => break,
                    Err(stopped @ Stopped::Paused) => return Err(self.unreachable(stopped)),
                }
            }
            warn!(key = %self.key, ?range, at = left.start, "a part of an object broke off and is asked for again from there");
        }
        Err(self.unreachable(Stopped::Broken))
    }

    /// Asks for `range`, of this version alone.
    async fn ask(&self, range: &Range<u64>) -> Result<ByteStream> {
        let request = self.client.get_object().bucket(&self.bucket).key(&self.name).if_match(&*self.version.etag);
        // A checksum that comes with a part need not be that part's.
        let unverified = Builder::new().response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        let request = request.range(format!("bytes={}-{}", range.start, range.end - 1)).customize().config_override(unverified);
        let output = request.send().await.map_err(|refused| Refusal::of(refused).of_part(&self.key))?;
        self.check(range, &output)?;
        Ok(output.body)
    }

    /// Notices a server that does not do as it is asked: some take no heed of a range, some of a condition.
    fn check(&self, range: &Range<u64>, output: &GetObjectOutput) -> Result<()> {
        let is_this_version = output.e_tag.as_deref() == Some(&*self.version.etag)
            && output.last_modified.is_none_or(|time| timestamp(time) == self.version.last_modified);
        if !is_this_version {
            return Err(Error::Changed { key: self.key.clone() });
        }
        let asked_for = format!("bytes {}-{}/", range.start, range.end - 1);
        if !output.content_range.as_ref().is_some_and(|given| given.starts_with(&asked_for)) {
            let what = "its answer is not the part that was asked for".to_owned();
            return Err(Error::Corrupted { key: self.key.clone(), what });
        }
        Ok(())
    }

    fn unreachable(&self, stopped: Stopped) -> Error {
        Error::Unreachable { key: self.key.clone(), cause: stopped.into() }
    }
}
