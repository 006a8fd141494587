//! S3 as the record, through `aws-sdk-s3`. An edge: it asks for the time.
//!
//! # How bytes come
//! A fetch is one GET. A body of more than 16 MiB is continued by ranges of 8 MiB, four at a time, while the first 16 MiB come
//! with the first answer, which is dropped then. What is too large to be held is not read by a fetch at all; it is opened, and comes
//! by ranges only. Each range is asked for under `If-Match`, and its answer's ETag, Last-Modified and Content-Range are looked
//! at: other servers take no heed of some. So what is put together is one version, or nothing.
//!
//! # What is verified
//! Of a body in one answer the SDK verifies the checksum that S3 keeps of the whole; of one that came by ranges we do, whichever
//! it is: CRC64NVME, CRC32C, CRC32, SHA-1, SHA-256. Of an object that was uploaded in parts S3 may keep a checksum of the parts'
//! checksums instead (`COMPOSITE`, `…-12`): that is not verified at all, for the answer does not say where its parts begin. Nor are the ranges of
//! what is only opened, by themselves: TCP and TLS have their own checksums, and whoever reads the whole has the CRC64NVME in its
//! head, where S3 keeps that.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::ChecksumMode;
use tokio::sync::OnceCell;
use tracing::warn;

use crate::entry::{Budget, Chunks, Version};
use crate::error::{Cause, Error, Result, Unlisted};
use crate::freshness::ClockBounds;
use crate::key::{Key, Prefix, RecordId};
use crate::record::s3::ahead::Ahead;
use crate::record::s3::answer::{Begun, Got};
use crate::record::s3::body::FIRST_BYTES;
use crate::record::s3::clock::ClockWatch;
use crate::record::s3::parts::Pinned;
use crate::record::{Answer, Fetched, Mark, Page, Presign, PresignedUrl, Record};

mod ahead;
mod answer;
mod body;
mod checksum;
mod client;
mod clock;
mod deploy;
mod listing;
mod parts;

/// What names the data in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// What stands before every key.
    pub prefix: Prefix,
    /// The URL of an S3-compatible server, which is then asked for `/bucket/key`; `None` for AWS, which is asked for
    /// `/key` at the bucket's own host.
    pub endpoint: Option<String>,
}

/// A bucket in S3, or in a server that speaks as S3 does.
///
/// Its client, with credentials and TLS, is made by the first fetch: what is served from a tier does without.
#[derive(Debug)]
pub struct S3Record {
    location: S3Location,
    id: RecordId,
    budget: Arc<Budget>,
    given: Option<SdkConfig>,
    client: OnceCell<Client>,
}

impl S3Record {
    /// A record whose bodies take their room in `budget` before they are read; credentials and region are found by the SDK's default chains.
    pub fn new(location: S3Location, budget: Arc<Budget>) -> Self {
        let endpoint = location.endpoint.as_deref().unwrap_or_default();
        let id = RecordId::of(&["s3", endpoint, &location.bucket, location.prefix.as_str()]);
        Self { location, id, budget, given: None, client: OnceCell::new() }
    }

    /// As [`S3Record::new`], with credentials and region from `given` instead of the environment.
    pub fn with_config(location: S3Location, budget: Arc<Budget>, given: SdkConfig) -> Self {
        Self { given: Some(given), ..Self::new(location, budget) }
    }

    /// Asks until there is an answer that can be used: conditionally, and then at most once more for each thing that
    /// may be wrong with an answer.
    async fn ask(&self, key: &Key, known: Option<&Version>) -> Result<Answer> {
        let mut condition = known;
        let (mut was_damaged, mut was_overtaken) = (false, false);
        loop {
            let (got, clock) = self.exchange(key, condition).await;
            let fetched = match (got, condition) {
                (Ok(Got::Object(entry)), _) => Fetched::Changed(entry),
                (Ok(Got::Large(head)), _) => Fetched::Large(head),
                (Ok(Got::Overtaken), _) if !was_overtaken => {
                    was_overtaken = true;
                    continue;
                }
                (Ok(Got::Overtaken), _) => return Err(Error::Changed { key: key.clone() }),
                (Ok(Got::Missing), _) => Fetched::Missing,
                // S3 says when. Other servers need not (RFC 9110, 15.4.5); then the entity tag is all there is to go by.
                (Ok(Got::Unmodified { last_modified }), Some(known))
                    if last_modified.is_none_or(|time| time == known.last_modified) =>
                {
                    Fetched::Unchanged
                }
                // The same bytes were written anew: only the object itself has all that changed.
                (Ok(Got::Unmodified { .. }), Some(_)) => {
                    condition = None;
                    continue;
                }
                (Ok(Got::Unmodified { .. }), None) => {
                    let cause = "S3 answered 304 to a request without a condition".into();
                    return Err(Error::Unreachable { key: key.clone(), cause });
                }
                (Err(error @ Error::Corrupted { .. }), _) if !was_damaged => {
                    warn!(%key, %error, "an object arrived damaged and is fetched once more");
                    was_damaged = true;
                    continue;
                }
                (Err(error), _) => return Err(error),
            };
            return Ok(Answer { fetched, clock });
        }
    }

    async fn client(&self) -> Result<&Client, Cause> {
        self.client.get_or_try_init(|| client::connect(&self.location, self.given.as_ref())).await
    }

    /// What the bucket calls `key`.
    fn name_of(&self, key: &Key) -> String {
        format!("{}{}", self.location.prefix.as_str(), key.as_str())
    }

    /// One GET, retried by the SDK where there was no answer or "try again"; and what it shows of the record's clock.
    async fn exchange(&self, key: &Key, condition: Option<&Version>) -> (Result<Got>, Option<ClockBounds>) {
        let client = match self.client().await {
            Ok(client) => client,
            Err(cause) => return (Err(Error::Unreachable { key: key.clone(), cause }), None),
        };
        let watch = ClockWatch::default();
        let sent = client
            .get_object()
            .bucket(&self.location.bucket)
            .key(self.name_of(key))
            .set_if_none_match(condition.map(|version| version.etag.to_string()))
            .checksum_mode(ChecksumMode::Enabled)
            .customize()
            .interceptor(watch.clone())
            .send()
            .await;
        let got = match sent {
            Ok(output) => self.take(client, key, output).await,
            Err(refused) => answer::judge(key, refused),
        };
        (got, watch.bounds())
    }
}

impl S3Record {
    /// Reads the body of an answer, all of it or nothing.
    async fn take(&self, client: &Client, key: &Key, output: GetObjectOutput) -> Result<Got> {
        let begun = Begun::of(key, output)?;
        match begun.announced {
            Some(size) if size > self.budget.whole_max() => Ok(Got::Large(begun.into_head(size))),
            Some(size) if size > FIRST_BYTES => {
                let pinned = self.pinned(client, key, &begun.version);
                match body::read_in_parts(&pinned, begun, size, &self.budget).await {
                    Err(Error::Changed { .. }) => Ok(Got::Overtaken),
                    read => read.map(Got::Object),
                }
            }
            _ => body::read(key, begun, &self.budget).await.map(Got::Object),
        }
    }

    fn pinned(&self, client: &Client, key: &Key, version: &Version) -> Pinned {
        let (bucket, name) = (self.location.bucket.clone(), self.name_of(key));
        Pinned { client: client.clone(), bucket, name, key: key.clone(), version: version.clone() }
    }

    async fn begin(&self, key: &Key, version: &Version, range: Range<u64>) -> Result<Chunks> {
        let client = self.client().await.map_err(|cause| Error::Unreachable { key: key.clone(), cause })?;
        let part_bytes = ahead::part_bytes(self.budget.whole_max());
        let room = self.budget.room(ahead::room_bytes(&range, part_bytes)).await;
        let room = room.map_err(|_no_room| Error::Busy { key: key.clone() })?;
        Ahead::new(self.pinned(client, key, version), range, part_bytes, room).begin().await
    }
}

#[async_trait]
impl Record for S3Record {
    fn id(&self) -> &RecordId {
        &self.id
    }

    fn prefix(&self) -> &Prefix {
        &self.location.prefix
    }

    async fn fetch(&self, key: &Key, known: Option<&Version>, deadline: Instant) -> Result<Answer> {
        // The timer counts whole milliseconds, and an answer may take less.
        if clock::has_passed(deadline) {
            return Err(Error::Deadline { key: key.clone() });
        }
        let answer = tokio::time::timeout_at(deadline.into(), self.ask(key, known)).await;
        answer.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }))
    }

    async fn open(&self, key: &Key, version: &Version, range: Range<u64>, deadline: Instant) -> Result<Chunks> {
        if clock::has_passed(deadline) {
            return Err(Error::Deadline { key: key.clone() });
        }
        let begun = tokio::time::timeout_at(deadline.into(), self.begin(key, version, range)).await;
        begun.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }))
    }

    async fn list(&self, below: &str, mark: Option<&Mark>, deadline: Instant) -> Result<Page> {
        let late = || Error::NotListed { why: Unlisted::Deadline, cause: "S3 did not answer in that time".into() };
        if clock::has_passed(deadline) {
            return Err(late());
        }
        let page = async {
            let client = self.client().await.map_err(|cause| Error::NotListed { why: Unlisted::Unreachable, cause })?;
            listing::Listing { client, location: &self.location, below, mark }.page().await
        };
        tokio::time::timeout_at(deadline.into(), page).await.unwrap_or_else(|_| Err(late()))
    }
}

#[async_trait]
impl Presign for S3Record {
    async fn presign(&self, key: &Key, version_id: &str, valid_for: Duration) -> Result<PresignedUrl> {
        let cannot = |cause| Error::Unreachable { key: key.clone(), cause };
        let config = PresigningConfig::expires_in(valid_for).map_err(|error| cannot(error.into()))?;
        let client = self.client().await.map_err(cannot)?;
        let request = client.get_object().bucket(&self.location.bucket).key(self.name_of(key)).version_id(version_id);
        match request.presigned(config).await {
            Ok(presigned) => Ok(PresignedUrl::new(presigned.uri().to_owned())),
            Err(refused) => Err(answer::unsigned(key.clone(), refused)),
        }
    }
}
