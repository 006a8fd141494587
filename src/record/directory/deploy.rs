//! Writing a function's file into the source directory: beside its place, and renamed into it.

use std::io::{self, Write};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions};
use tokio::time::timeout_at;

use crate::error::{Error, Result};
use crate::key::Key;
use crate::record::{DirectoryRecord, FunctionDeploy};

#[async_trait]
impl FunctionDeploy for DirectoryRecord {
    async fn put_function(&self, key: &Key, text: Bytes, deadline: Instant) -> Result<()> {
        let (root, place) = (std::sync::Arc::clone(&self.root), key.clone());
        let writing = tokio::task::spawn_blocking(move || put(&root.dir, place.as_str(), &text));
        let written = timeout_at(deadline.into(), writing).await.map_err(|_| Error::Deadline { key: key.clone() })?;
        let cause = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.into(),
            Err(cause) => cause.into(),
        };
        Err(Error::NotDeployed { key: key.clone(), cause })
    }
}

fn put(root: &Dir, path: &str, text: &[u8]) -> io::Result<()> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    if !parent.is_empty() {
        root.create_dir_all(parent)?;
    }
    // What begins with a dot is no key.
    let aside = format!("{parent}{}.{name}.{:016x}", if parent.is_empty() { "" } else { "/" }, rand::random::<u64>());
    let write = || {
        let mut file = root.open_with(&aside, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(text)?;
        file.sync_all()?;
        root.rename(&aside, root, path)
    };
    write().inspect_err(|_| {
        let _removed = root.remove_file(&aside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Budget;
    use crate::key::Prefix;

    async fn put_at(record: &DirectoryRecord, key: &str) -> Result<()> {
        let key = Key::parse(key, &Prefix::default()).unwrap();
        let deadline = super::super::now().monotonic + std::time::Duration::from_secs(20);
        record.put_function(&key, Bytes::from_static(b"SELECT 1"), deadline).await
    }

    #[tokio::test]
    async fn a_file_is_written_whole_and_nothing_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let record = DirectoryRecord::open(root.path(), Budget::unbounded()).unwrap();
        for _ in 0..2 {
            put_at(&record, "functions/deep/one.sql").await.unwrap();
        }
        put_at(&record, "two.sql").await.unwrap();
        assert_eq!(std::fs::read(root.path().join("functions/deep/one.sql")).unwrap(), b"SELECT 1");
        assert_eq!(std::fs::read_dir(root.path().join("functions/deep")).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn nothing_is_written_through_a_link_out_of_the_root() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(other.path(), root.path().join("functions")).unwrap();
        let record = DirectoryRecord::open(root.path(), Budget::unbounded()).unwrap();
        let error = put_at(&record, "functions/one.sql").await.unwrap_err();
        assert!(matches!(error, Error::NotDeployed { .. }), "{error:?}");
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
    }
}
