//! What the cache holds: a key's body and facts at one version.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::freshness::Timestamp;

mod body;
mod budget;

pub use body::{Body, Ceiling, Chunks, Part, Parts, Whence};
pub use budget::{Budget, NoRoom, Room};

/// Which content of a key, in the record's own words. Opaque: compared, never interpreted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The entity tag with its quotes, as the record gave it. Not an MD5.
    pub etag: Arc<str>,
    /// When the record says the object was last modified.
    pub last_modified: Timestamp,
}

/// What the record was seen to hold under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// This version.
    Present(Version),
    /// No such object.
    Absent,
}

/// What is known of a body besides its bytes and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Length of the body in bytes.
    pub size: u64,
    /// The media type the record gave; `None` where it gave none.
    pub content_type: Option<Box<str>>,
    /// The coding the object is stored in (`gzip`), as the record gave it; `None` for none.
    pub content_encoding: Option<Box<str>>,
    /// Checksum of the body; `None` of a large one that nobody has read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// The name by which the record gives these very bytes after the key has changed; `None` where it keeps no old versions.
    // Left out where there is none: a state that was written before there was such a field reads the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<Box<str>>,
}

/// A key's body and facts at one version. Immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which content this is.
    pub version: Version,
    /// What is known of the body.
    pub facts: Facts,
    /// The bytes as they are in the record.
    pub body: Body,
}

impl Entry {
    /// Makes the entry of a body that was just fetched; its size and checksum are taken from the bytes.
    pub fn new(version: Version, media: Media, body: Bytes) -> Self {
        let facts = Facts {
            size: body.len() as u64,
            content_type: media.content_type.map(Into::into),
            content_encoding: media.content_encoding.map(Into::into),
            checksum: Some(Checksum::of(&body)),
            version_id: None,
        };
        Self { version, facts, body: body.into() }
    }

    /// Adds the name by which the record keeps this version.
    pub fn kept_as(mut self, version_id: Option<Box<str>>) -> Self {
        self.facts.version_id = version_id;
        self
    }
}

/// How the record describes the form of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// The media type; `None` where the record gave none.
    pub content_type: Option<String>,
    /// The coding; `None` for none.
    pub content_encoding: Option<String>,
}

/// CRC-64/NVME of a body, S3's default checksum, in lower-case hex where it is written.
///
/// It finds damage and half-written files, not malice.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(u64);

impl Checksum {
    /// Computes the checksum of `body`.
    ///
    /// ```
    /// use cache_api::entry::Checksum;
    ///
    /// assert_eq!(Checksum::of(b"123456789").to_string(), "ae8b14860a799888");
    /// ```
    pub fn of(body: &[u8]) -> Self {
        Self(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, body))
    }

    /// Computes the checksum of what `body` reads, and its length in bytes, without holding it all.
    ///
    /// # Errors
    /// Where it cannot be read to its end.
    pub fn of_reader(mut body: impl Read) -> io::Result<(Self, u64)> {
        let mut digest = Digest::default();
        let mut part = vec![0; 256 * 1024];
        let mut bytes = 0;
        loop {
            match body.read(&mut part)? {
                0 => return Ok((digest.checksum(), bytes)),
                read => {
                    digest.update(&part[..read]);
                    bytes += read as u64;
                }
            }
        }
    }
}

/// Computes a checksum of bytes as they come.
#[derive(Debug)]
pub struct Digest(crc_fast::Digest);

impl Digest {
    /// Goes on with `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that came.
    pub fn checksum(&self) -> Checksum {
        Checksum(self.0.finalize())
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<u64> for Checksum {
    fn from(checksum: u64) -> Self {
        Self(checksum)
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

impl TryFrom<String> for Checksum {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}
