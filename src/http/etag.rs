//! Entity tags of what is made of stored bytes.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::entry::Version;
use crate::http::negotiate::Coding;

/// What makes the bytes: another build may make others of the same body.
#[cfg(feature = "frames")]
const BUILD: [&str; 2] = [env!("CARGO_PKG_VERSION"), crate::frame::encode::ENCODER];
#[cfg(not(feature = "frames"))]
const BUILD: [&str; 1] = [env!("CARGO_PKG_VERSION")];

/// Sixteen bytes: two representations have one tag with a chance of one in 2^128.
const TAG_BYTES: usize = 16;

/// The strong tag, with its quotes, of what this build makes of a version for `request`, in `coding`.
pub(super) fn derived(version: &Version, request: &str, coding: Option<Coding>) -> String {
    let mut hash = Sha256::new();
    let modified = version.last_modified.as_millis().to_string();
    let parts = [&*version.etag, &modified, request, coding.map_or("", Coding::name)];
    for part in BUILD.into_iter().chain(parts) {
        // Lengths keep neighbours apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut tag = String::from("\"");
    for byte in &hash.finalize()[..TAG_BYTES] {
        write!(tag, "{byte:02x}").expect("a text takes all");
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::Timestamp;

    #[test]
    fn what_differs_in_anything_has_another_tag() {
        let version = |etag: &str, millis| Version { etag: etag.into(), last_modified: Timestamp::from_millis(millis) };
        let tags = [
            derived(&version("\"a\"", 1), "csv", None),
            derived(&version("\"b\"", 1), "csv", None),
            derived(&version("\"a\"", 2), "csv", None),
            derived(&version("\"a\"", 1), "json", None),
            derived(&version("\"a\"", 1), "csv", Some(Coding::Gzip)),
            derived(&version("\"a\"1", 1), "sv", None),
        ];
        for (place, tag) in tags.iter().enumerate() {
            assert_eq!(tag.len(), 2 + 2 * TAG_BYTES);
            assert!(!tags[..place].contains(tag), "{tag}");
        }
        assert_eq!(tags[0], derived(&version("\"a\"", 1), "csv", None));
    }
}
