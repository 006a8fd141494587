//! What tells one content of a file from another.

use std::io;
use std::sync::Arc;

use cap_std::fs::{File, Metadata, MetadataExt};
use sha2::{Digest, Sha256};

use crate::entry::Version;
use crate::freshness::Timestamp;

const BY_STAMP: &str = "s-";
const BY_CONTENT: &str = "c-";

/// What the file system says of a file's content without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    size: u64,
    mtime: FileTime,
    ctime: FileTime,
    inode: u64,
}

impl Stamp {
    /// The stamp of an open file; a path may be another file's at any time.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When the file was last modified, cut to whole seconds; 1970 for anything before.
    ///
    /// A header says no more than seconds, nor does S3: a client that sends back what it was told names the version.
    pub fn last_modified(&self) -> Timestamp {
        Timestamp::from_millis(self.mtime.at().as_millis() / 1000 * 1000)
    }

    /// Whether, at `asked`, the file had not changed for so long that any later change shows in its stamp.
    pub fn is_quiet_at(&self, asked: Timestamp) -> bool {
        asked.is_surely_after(self.mtime.at()) && asked.is_surely_after(self.ctime.at())
    }

    /// Whether a file with this stamp may have `version`, which is by content: only reading it can tell.
    pub fn may_be(&self, version: &Version) -> bool {
        version.last_modified == self.last_modified()
            && version.etag.strip_prefix('"').is_some_and(|tag| tag.starts_with(BY_CONTENT))
    }

    /// The version that a quiet file has.
    pub fn version(&self) -> Version {
        let mut hash = Sha256::new();
        for number in [self.mtime.seconds, self.mtime.nanos, self.ctime.seconds, self.ctime.nanos] {
            hash.update(number.to_be_bytes());
        }
        for number in [self.size, self.inode] {
            hash.update(number.to_be_bytes());
        }
        // Hashed, since an inode's number is nobody's business (CVE-2003-1418).
        Version { etag: etag(BY_STAMP, &hash.finalize()), last_modified: self.last_modified() }
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            mtime: FileTime { seconds: metadata.mtime(), nanos: metadata.mtime_nsec() },
            ctime: FileTime { seconds: metadata.ctime(), nanos: metadata.ctime_nsec() },
            inode: metadata.ino(),
        }
    }
}

/// The entity tag of a file that just changed, by the hash of its content.
pub fn content_etag(content: Sha256) -> Arc<str> {
    etag(BY_CONTENT, &content.finalize())
}

/// A time as the file system keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileTime {
    /// Since 1970-01-01 UTC; negative before.
    seconds: i64,
    /// On top of the seconds.
    nanos: i64,
}

impl FileTime {
    fn at(self) -> Timestamp {
        let millis = self.seconds.saturating_mul(1000).saturating_add(self.nanos / 1_000_000);
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

/// A strong tag: half of a SHA-256 in hex, and before it which kind of thing was hashed.
fn etag(kind: &str, hash: &[u8]) -> Arc<str> {
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{kind}{digits}\"").into()
}
