//! The name of an object under the data root, and the hash that names it on disk.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

mod pattern;

pub use pattern::{InvalidPattern, KeyPatterns};

/// Longest key in bytes, the record's prefix included. Source: S3, "Naming Amazon S3 objects".
pub const KEY_BYTES_MAX: usize = 1024;

/// The name of an object under the data root: `prices/2024.parquet`.
///
/// Invariants, kept by [`Key::parse`], the only maker:
/// - 1 to 1024 bytes of UTF-8, the record's prefix included;
/// - no leading `/`, no segment `.` or `..`, no control character.
///
/// All else is kept byte for byte: `//`, a trailing `/`, spaces, `%`, `+`, `\`, any Unicode, unnormalised.
///
/// ```
/// use cache_api::key::{Key, Prefix};
///
/// let key = Key::parse("a b//c%2F+é/", &Prefix::default())?;
/// assert_eq!(key.as_str(), "a b//c%2F+é/");
/// assert!(Key::parse("../etc/passwd", &Prefix::default()).is_err());
/// # Ok::<(), cache_api::key::InvalidKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// Parses the name of an object below `prefix`.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str, prefix: &Prefix) -> Result<Self, InvalidKey> {
        let bytes_max = KEY_BYTES_MAX - prefix.as_str().len();
        if text.is_empty() {
            Err(InvalidKey::Empty)
        } else if text.len() > bytes_max {
            Err(InvalidKey::TooLong { bytes: text.len(), bytes_max })
        } else if text.starts_with('/') {
            Err(InvalidKey::Absolute)
        } else if text.chars().any(char::is_control) {
            Err(InvalidKey::ControlCharacter)
        } else if text.split('/').any(|segment| matches!(segment, "." | "..")) {
            Err(InvalidKey::Traversal)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The key as it was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The lower-cased letters after the last dot of the last segment; `None` where there is no dot.
    pub fn extension(&self) -> Option<String> {
        let name = self.0.rsplit('/').next()?;
        name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
    }

    /// The hash that names this key on disk, where any key may be a file name.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What the record puts before every key: nothing, or a path that ends in one `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// Normalises a setting: slashes around it are taken away, one is put behind it.
    ///
    /// # Errors
    /// [`InvalidKey`] where the prefix itself could not be the start of a key, or leaves no byte for one.
    ///
    /// ```
    /// use cache_api::key::Prefix;
    ///
    /// assert_eq!(Prefix::normalise("/data//")?.as_str(), "data/");
    /// assert_eq!(Prefix::normalise("/")?.as_str(), "");
    /// # Ok::<(), cache_api::key::InvalidKey>(())
    /// ```
    pub fn normalise(text: &str) -> Result<Self, InvalidKey> {
        let trimmed = text.trim_matches('/');
        if trimmed.is_empty() {
            return Ok(Self::default());
        }
        Key::parse(trimmed, &Self::default())?;
        if trimmed.len() + 2 > KEY_BYTES_MAX {
            return Err(InvalidKey::TooLong { bytes: trimmed.len(), bytes_max: KEY_BYTES_MAX - 2 });
        }
        Ok(Self(format!("{trimmed}/")))
    }

    /// The prefix, empty or ending in `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a key's bytes, in lower-case hex on disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// All 64 hex digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads back what [`KeyHash::hex`] wrote; `None` for anything else.
    pub fn parse(hex: &str) -> Option<Self> {
        let is_written = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let byte = |index: usize| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap_or_default();
        is_written.then(|| Self(std::array::from_fn(byte)))
    }

    /// The shard: the first byte, two hex digits on disk.
    pub fn shard(&self) -> Shard {
        Shard(self.0[0])
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// Names a record on disk: 32 lower-case hex digits of SHA-256.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecordId(String);

impl RecordId {
    /// Hashes what names a record, part by part, so that `("a", "bc")` and `("ab", "c")` differ.
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the 256 groups of keys that share an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard(pub u8);

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

/// The rule of [`Key`] that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Nothing was given.
    #[error("a key must not be empty")]
    Empty,
    /// It does not fit S3's limit.
    #[error("a key has at most {bytes_max} bytes here, this one has {bytes}")]
    TooLong {
        /// What the text has.
        bytes: usize,
        /// What is left beside the record's prefix.
        bytes_max: usize,
    },
    /// It begins with `/`.
    #[error("a key must not begin with `/`")]
    Absolute,
    /// It has a segment `.` or `..`.
    #[error("a key must not have a segment `.` or `..`")]
    Traversal,
    /// It has a NUL, a line break or another control character.
    #[error("a key must not have a control character")]
    ControlCharacter,
    /// Its bytes are no text.
    #[error("a key must be UTF-8")]
    NotUtf8,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Key, InvalidKey> {
        Key::parse(text, &Prefix::default())
    }

    #[test]
    fn a_key_keeps_every_byte_that_s3_allows() {
        for text in ["a", "a//b", "a/", "a b", "a+b", "100%", "a%2Fb", r"a\b", "é", "e\u{301}", "...", "a/..b", "~'\"<>#?&="] {
            assert_eq!(parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_key_that_could_leave_the_root_is_refused() {
        assert_eq!(parse(""), Err(InvalidKey::Empty));
        assert_eq!(parse("/a"), Err(InvalidKey::Absolute));
        for text in [".", "..", "../a", "a/../b", "a/..", "./a"] {
            assert_eq!(parse(text), Err(InvalidKey::Traversal), "{text}");
        }
        for text in ["a\0b", "a\nb", "\u{7f}", "a\u{85}"] {
            assert_eq!(parse(text), Err(InvalidKey::ControlCharacter), "{text:?}");
        }
    }

    #[test]
    fn the_prefix_counts_into_the_longest_key() {
        let prefix = Prefix::normalise("/data/").unwrap();
        assert!(Key::parse(&"k".repeat(1019), &prefix).is_ok());
        assert_eq!(Key::parse(&"k".repeat(1020), &prefix), Err(InvalidKey::TooLong { bytes: 1020, bytes_max: 1019 }));
        assert!(Prefix::normalise("a/../b").is_err());
    }

    #[test]
    fn the_extension_is_of_the_last_segment() {
        assert_eq!(parse("a.b/file1.snappy.PARQUET").unwrap().extension().as_deref(), Some("parquet"));
        assert_eq!(parse("a.b/file").unwrap().extension(), None);
    }
}
