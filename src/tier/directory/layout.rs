//! Names on disk: where everything is. Touches nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use sha2::{Digest, Sha256};

use crate::entry::Version;
use crate::key::RecordId;
use crate::key::{Key, KeyHash, Shard};

/// The layout's version, and so a directory's name: instances that disagree on the layout never see each other's files.
pub(super) const LAYOUT: &str = "v2";

/// The directory as this process sees it. Its methods are the steps of DESIGN part 6, one file an idea; all of them block.
///
/// Paths, not open directories: who deletes the whole directory and makes it again gets a working one.
pub(super) struct Disk {
    /// LOCAL_DATA_DIR, where the views are.
    pub root: PathBuf,
    /// `.cache/v2/<record id>` beneath it, where everything else is.
    pub base: PathBuf,
    /// How many files were found that nothing here has written so.
    pub damaged: AtomicU64,
}

impl Disk {
    pub fn new(root: &Path, record: &RecordId) -> Self {
        let base = root.join(VIEWLESS).join(LAYOUT).join(record.as_str());
        Self { root: root.to_owned(), base, damaged: AtomicU64::new(0) }
    }

    /// The file that vouches for every shard's epoch.
    pub fn root_epoch_path(&self) -> PathBuf {
        self.base.join("epoch")
    }

    /// The file that vouches for what instances hold in memory of the keys of `shard`.
    pub fn shard_epoch_path(&self, shard: Shard) -> PathBuf {
        self.base.join(shard.to_string()).join("epoch")
    }

    /// Where bodies that were taken away wait for the sweep.
    pub fn trash(&self) -> PathBuf {
        self.base.join("trash")
    }

    /// Where everything about `key` is.
    pub fn place(&self, key: &Key) -> Place {
        self.place_of(key.hash())
    }

    /// Where everything about the key of this hash is.
    pub fn place_of(&self, hash: KeyHash) -> Place {
        let shard = hash.shard();
        Place { dir: self.base.join(shard.to_string()).join(hash.hex()), shard }
    }
}

/// The first segment of the keys that have no view: our own directory.
pub(super) const VIEWLESS: &str = ".cache";

/// A key's directory, named by the key's hash: any key makes a short name, and no two the same.
#[derive(Clone)]
pub(super) struct Place {
    pub dir: PathBuf,
    pub shard: Shard,
}

impl Place {
    /// The token.
    pub fn doubt(&self) -> PathBuf {
        self.dir.join("doubt")
    }

    /// What is believed under the token.
    pub fn state(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// Who is filling the key.
    pub fn lease(&self) -> PathBuf {
        self.dir.join("lease")
    }

    pub fn body(&self, name: &BodyName) -> PathBuf {
        self.dir.join(&name.0)
    }
}

/// The name of a body's file, `<version id>.<random>.body`. Never used twice, so that what it names never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BodyName(String);

impl BodyName {
    pub const SUFFIX: &str = ".body";

    /// A name for a body of `version` that no file ever had.
    pub fn unused(version: &Version) -> Self {
        let mut hash = Sha256::new();
        hash.update(version.last_modified.as_millis().to_be_bytes());
        hash.update(version.etag.as_bytes());
        let id: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{id}.{}{}", unused_word(), Self::SUFFIX))
    }

    /// Accepts the names that [`BodyName::unused`] makes, and so no path out of the key's directory; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, word) = text.strip_suffix(Self::SUFFIX)?.split_once('.')?;
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (id.len() == 16 && word.len() == 32 && is_hex(id) && is_hex(word)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 32 hex digits that name no file yet.
pub(super) fn unused_word() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::Timestamp;
    use crate::key::Prefix;

    /// Pitfall 13: a key makes a file name that is too long, or two keys make the same file.
    #[test]
    fn every_key_has_a_short_name_of_its_own() {
        let disk = Disk::new(Path::new("/data"), &RecordId::of(&["bucket"]));
        let longest = "é".repeat(512);
        let names = ["a", "A", "a/", "a//b", "a/b", "a\\b", "e\u{301}", "\u{e9}", ".cache/v2", longest.as_str()];
        let dirs: std::collections::HashSet<_> =
            names.iter().map(|name| disk.place(&Key::parse(name, &Prefix::default()).unwrap()).dir).collect();
        assert_eq!(dirs.len(), names.len());
        assert!(dirs.iter().all(|dir| dir.starts_with(&disk.base) && dir.file_name().unwrap().len() == 64), "{dirs:?}");
    }

    #[test]
    fn the_layout_is_where_design_says() {
        let disk = Disk::new(Path::new("/data"), &RecordId::of(&["bucket"]));
        let base = format!("/data/.cache/v2/{}", RecordId::of(&["bucket"]).as_str());
        let place = disk.place(&Key::parse("a", &Prefix::default()).unwrap());
        // SHA-256 of "a".
        let dir = format!("{base}/ca/ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        assert_eq!(disk.root_epoch_path(), Path::new(&format!("{base}/epoch")));
        assert_eq!(disk.shard_epoch_path(place.shard), Path::new(&format!("{base}/ca/epoch")));
        assert_eq!(place.doubt(), Path::new(&format!("{dir}/doubt")));
        assert_eq!(place.state(), Path::new(&format!("{dir}/state.json")));
    }

    #[test]
    fn only_a_name_that_was_made_here_names_a_body() {
        let version = Version { etag: "\"../x\"".into(), last_modified: Timestamp::from_millis(7) };
        let name = BodyName::unused(&version);
        assert_eq!(BodyName::parse(name.as_str()), Some(name.clone()));
        assert_ne!(BodyName::unused(&version), name, "a name is never used twice");
        for text in ["", ".body", "../../etc/passwd", "../x.body", "state.json", "a/b.body", "a.b.body", "/etc/x.body"] {
            assert_eq!(BodyName::parse(text), None, "{text}");
        }
    }
}
