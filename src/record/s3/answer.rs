//! What the answers of S3 mean.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::Bytes;

use crate::entry::{Entry, Facts, Media, Version};
use crate::error::{Cause, Error, Result};
use crate::freshness::Timestamp;
use crate::key::Key;
use crate::record::Head;
use crate::record::s3::checksum::WholeChecksum;
use crate::record::s3::clock::parse_date;

/// The version id of what was put while the bucket kept no versions; the next such put replaces it.
///
/// Source: S3, "Working with objects in a versioning-suspended bucket".
const NO_VERSION: &str = "null";

/// What S3 gave, nothing included.
#[derive(Debug)]
pub(super) enum Got {
    /// The object.
    Object(Entry),
    /// The object, whose bytes are too many to be held.
    Large(Head),
    /// The object was replaced while its parts were read.
    Overtaken,
    /// The known entity tag is still the one.
    Unmodified {
        /// When the object was last modified; `None` where the answer does not say legibly.
        last_modified: Option<Timestamp>,
    },
    /// There is no such object in the bucket.
    Missing,
}

/// An answer of S3 that is no object. Of its body only code and message are kept: some errors repeat the token that
/// they were sent.
#[derive(Debug, thiserror::Error)]
#[error("S3 answered {status} {code}: {message} (request {request}){}", advice(code))]
struct Said {
    status: u16,
    code: String,
    message: String,
    request: String,
}

/// No credentials are configured.
#[derive(Debug, thiserror::Error)]
#[error(
    "no AWS credentials were found: give the function a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
     AWS_PROFILE"
)]
struct NoCredentials(#[source] Cause);

/// An object whose bytes have begun to come.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) version: Version,
    media: Media,
    version_id: Option<Box<str>>,
    /// How long the answer's head says that its body is, in bytes; `None` where it says nothing.
    pub(super) announced: Option<u64>,
    /// That of the whole, where there is one.
    pub(super) checksum: Option<WholeChecksum>,
    pub(super) body: ByteStream,
}

impl Begun {
    /// Reads the head of an answer.
    ///
    /// # Errors
    /// `Corrupted` where it does not say which version it is of.
    pub(super) fn of(key: &Key, output: GetObjectOutput) -> Result<Self> {
        let lacks = |what: &str| Error::Corrupted { key: key.clone(), what: format!("its answer has no {what}") };
        let checksum = WholeChecksum::of(&output);
        let etag = output.e_tag.ok_or_else(|| lacks("ETag"))?.into();
        let last_modified = timestamp(output.last_modified.ok_or_else(|| lacks("Last-Modified"))?);
        Ok(Self {
            version: Version { etag, last_modified },
            media: Media { content_type: output.content_type, content_encoding: output.content_encoding },
            version_id: output.version_id.filter(|id| !matches!(id.as_str(), "" | NO_VERSION)).map(Into::into),
            announced: output.content_length.and_then(|length| u64::try_from(length).ok()),
            checksum,
            body: output.body,
        })
    }

    /// The object with its `body`.
    pub(super) fn into_entry(self, body: Bytes) -> Entry {
        Entry::new(self.version, self.media, body).kept_as(self.version_id)
    }

    /// The object, of `size` bytes, without them.
    pub(super) fn into_head(self, size: u64) -> Head {
        let facts = Facts {
            size,
            content_type: self.media.content_type.map(Into::into),
            content_encoding: self.media.content_encoding.map(Into::into),
            checksum: self.checksum.and_then(|checksum| checksum.as_own()),
            version_id: self.version_id,
        };
        Head { version: self.version, facts }
    }
}

/// A time of S3's, which has whole seconds.
pub(super) fn timestamp(time: DateTime) -> Timestamp {
    Timestamp::from_millis(u64::try_from(time.secs()).unwrap_or(0).saturating_mul(1000))
}

/// Tells what it means that S3 gave no object.
///
/// # Errors
/// `Forbidden`, `Throttled`, `Changed`, `Corrupted`; `Unreachable` for all that says nothing about the object, a missing
/// bucket included.
pub(super) fn judge(key: &Key, refused: SdkError<GetObjectError, HttpResponse>) -> Result<Got> {
    match Refusal::of(refused) {
        Refusal::Unmodified { last_modified } => Ok(Got::Unmodified { last_modified }),
        Refusal::Missing(_) => Ok(Got::Missing),
        refusal => Err(refusal.of_part(key)),
    }
}

/// Why S3 did not give what it was asked for.
pub(super) enum Refusal {
    /// What is known is still so.
    Unmodified {
        /// When the object was last modified; `None` where the answer does not say legibly.
        last_modified: Option<Timestamp>,
    },
    /// There is no such object.
    Missing(Cause),
    /// It may not be had with these credentials, or without any.
    Forbidden(Cause),
    /// Fewer requests are asked for.
    Throttled(Cause),
    /// Somebody is changing it.
    Changed(Cause),
    /// It was given, and cannot be read.
    Illegible(Cause),
    /// All else, silence included.
    Other(Cause),
}

impl Refusal {
    /// What it means for a part of `key`, of which another part was there before.
    pub(super) fn of_part(self, key: &Key) -> Error {
        let key = key.clone();
        match self {
            Self::Unmodified { .. } => {
                Error::Unreachable { key, cause: "S3 answered 304 to a request without such a condition".into() }
            }
            Self::Missing(_) | Self::Changed(_) => Error::Changed { key },
            Self::Forbidden(cause) => Error::Forbidden { key, cause },
            Self::Throttled(cause) => Error::Throttled { key, cause },
            Self::Illegible(_) => Error::Corrupted { key, what: "the head of its answer is not legible".to_owned() },
            Self::Other(cause) => Error::Unreachable { key, cause },
        }
    }

    pub(super) fn of<E>(refused: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let Some(raw) = refused.raw_response() else {
            return match Unsent::of(refused) {
                Unsent::NoCredentials(cause) => Self::Forbidden(cause),
                Unsent::NoAnswer(cause) => Self::Other(cause),
            };
        };
        let said = Said {
            status: raw.status().as_u16(),
            code: refused.code().unwrap_or("without a code").to_owned(),
            message: refused.message().unwrap_or("nothing").to_owned(),
            request: raw.request_id().unwrap_or("without an id").to_owned(),
        };
        match (said.status, said.code.as_str()) {
            (304, _) => Self::Unmodified { last_modified: raw.headers().get("last-modified").and_then(parse_date) },
            // Nothing less than this code is an absence: other servers between here and S3 say 404 as well.
            (404, "NoSuchKey") => Self::Missing(said.into()),
            (429, _) | (_, "SlowDown" | "RequestLimitExceeded" | "BandwidthLimitExceeded" | "TooManyRequests") => {
                Self::Throttled(said.into())
            }
            (401 | 403, _) | (400, "ExpiredToken" | "InvalidToken") => Self::Forbidden(said.into()),
            (409 | 412 | 416, _) => Self::Changed(said.into()),
            (200..=299, _) => Self::Illegible(said.into()),
            _ => Self::Other(said.into()),
        }
    }
}

/// Why nothing came back.
enum Unsent {
    /// There was nothing to sign with, and will not be until somebody mends that.
    NoCredentials(Cause),
    /// All else, silence included.
    NoAnswer(Cause),
}

impl Unsent {
    fn of<E>(failed: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let cause: Cause = match failed.into_source() {
            Ok(source) => source.into(),
            Err(failed) => failed.into(),
        };
        let mut causes = std::iter::successors(Some(&*cause as &(dyn std::error::Error + 'static)), |cause| cause.source());
        // Only what stays wrong until somebody mends it: a provider that failed may be back for the next request.
        let is_unconfigured = causes.find_map(|cause| cause.downcast_ref()).is_some_and(|error: &CredentialsError| {
            matches!(error, CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
        });
        if is_unconfigured { Self::NoCredentials(NoCredentials(cause).into()) } else { Self::NoAnswer(cause) }
    }
}

/// Tells what it means that no link to `key` could be signed.
pub(super) fn unsigned(key: Key, failed: SdkError<GetObjectError, HttpResponse>) -> Error {
    match Unsent::of(failed) {
        Unsent::NoCredentials(cause) => Error::Forbidden { key, cause },
        Unsent::NoAnswer(cause) => Error::Unreachable { key, cause },
    }
}

/// What to do about an answer whose words do not say it.
fn advice(code: &str) -> &'static str {
    match code {
        "InvalidObjectState" => "; the object is archived: restore it to a storage class that can be read",
        "NoSuchBucket" => "; look at AWS_BUCKET_NAME and at the endpoint",
        "AccessDenied" => "; the role needs s3:GetObject, and s3:ListBucket to list and to be told of absent objects",
        "PermanentRedirect" | "AuthorizationHeaderMalformed" => "; look at AWS_REGION: the bucket is in another region",
        _ => "",
    }
}
