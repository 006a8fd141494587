//! Whether LOCAL_DATA_DIR can be stood on: it is a directory, and this process may write there.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::doctor::Finding;
use crate::tier::directory::survey::LAYOUT_DIR;

const CHECK: &str = "local-data-dir";

/// What the names of scratch directories begin with.
pub(super) const SCRATCH: &str = "doctor-";

/// A directory of the doctor's own beneath LOCAL_DATA_DIR, removed with all that is in it when this is dropped.
pub(in crate::doctor) struct Scratch {
    pub path: PathBuf,
    /// Our directory, where it was made for this.
    made: Option<PathBuf>,
}

impl Scratch {
    fn make(root: &Path) -> io::Result<Self> {
        let ours = root.join(LAYOUT_DIR);
        let made = match fs::create_dir(&ours) {
            Ok(()) => Some(ours.clone()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            Err(error) => return Err(error),
        };
        // Made first, so that what was made is removed again should the next fail.
        let scratch = Self { path: ours.join(format!("{SCRATCH}{:016x}", rand::random::<u64>())), made };
        fs::create_dir(&scratch.path)?;
        Ok(scratch)
    }
}

impl Scratch {
    /// Its name in our directory.
    pub fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is found by the next doctor.
        let _removed = fs::remove_dir_all(&self.path);
        if let Some(made) = &self.made {
            // Not empty: an instance has begun to use it.
            let _removed = fs::remove_dir(made);
        }
    }
}

/// What LOCAL_DATA_DIR itself turned out to be.
pub(super) enum Ground {
    /// A directory that can be written, with the doctor's own in it.
    Firm(Finding, Scratch),
    /// A directory in which nothing can be made.
    Unwritable(Finding),
    /// No directory, or none that answers.
    None(Finding),
}

/// Looks at `root` itself, and makes a scratch directory in it where that is possible.
pub(super) fn stand_on(root: &Path) -> Ground {
    let there = root.display();
    let metadata = match fs::metadata(root) {
        Ok(metadata) => metadata,
        Err(error) => return Ground::None(absent(root, &error)),
    };
    if !metadata.is_dir() {
        let fix = "name a directory, or move that file away";
        return Ground::None(Finding::problem(CHECK, format!("`{there}` is not a directory"), fix));
    }
    let process = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    match Scratch::make(root) {
        Ok(scratch) => {
            let whose = if owner == process { String::new() } else { format!("; it is user {owner}'s, this is user {process}") };
            Ground::Firm(Finding::ok(CHECK, format!("`{there}` can be written{whose}")), scratch)
        }
        Err(error) => Ground::Unwritable(unwritable(root, &error, owner, process)),
    }
}

fn absent(root: &Path, error: &io::Error) -> Finding {
    let there = root.display();
    match error.kind() {
        io::ErrorKind::NotFound if root.is_symlink() => {
            let what = format!("`{there}` is a symbolic link to something that does not exist");
            Finding::problem(CHECK, what, "make what it leads to, mount it, or name another directory")
        }
        io::ErrorKind::NotFound => {
            let above = root.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
            let may = rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from);
            missing(root, above, &may)
        }
        io::ErrorKind::NotADirectory => {
            let what = format!("`{there}` leads through something that is not a directory");
            Finding::problem(CHECK, what, "name a directory, or move that file away")
        }
        _ => Finding::problem(
            CHECK,
            format!("`{there}` cannot be looked at: {error}"),
            "look at who may enter the directories above it",
        ),
    }
}

/// `may` is whether this process may make names in `above`, the nearest directory that is there.
fn missing(root: &Path, above: &Path, may: &io::Result<()>) -> Finding {
    let there = root.display();
    match may {
        Ok(()) => {
            let what = format!("`{there}` is not there yet; the cache makes it when it starts");
            Finding::warning(CHECK, what, format!("mount it there first if it is to be shared, or mkdir -p '{there}'"))
        }
        Err(error) => {
            let what = format!("`{there}` is not there, and cannot be made in `{}`: {error}", above.display());
            Finding::problem(
                CHECK,
                what,
                "mount it (in Lambda: the function's FileSystemConfigs, its LocalMountPath), or name another",
            )
        }
    }
}

fn unwritable(root: &Path, error: &io::Error, owner: u32, process: u32) -> Finding {
    let there = root.display();
    let fix = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => "mount it so that it can be written".to_owned(),
        io::ErrorKind::PermissionDenied => format!(
            "let user {process} write there (it is user {owner}'s); on EFS give the access point that user and a root directory \
             it owns, and the role elasticfilesystem:ClientWrite"
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk".to_owned(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("move `{there}/{LAYOUT_DIR}` away: it is no directory")
        }
        _ => "look at the disk, and at its mount".to_owned(),
    };
    let what = format!("nothing can be made in `{there}`: {error}; reads go on without it, doubts and evictions fail");
    Finding::problem(CHECK, what, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[track_caller]
    fn no_directory(root: &Path) -> Finding {
        match stand_on(root) {
            Ground::None(finding) => finding,
            Ground::Firm(finding, _) | Ground::Unwritable(finding) => panic!("{finding:?}"),
        }
    }

    #[test]
    fn a_scratch_directory_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let Ground::Firm(found, scratch) = stand_on(dir.path()) else { panic!("it cannot be written") };
        assert_eq!(found.level, Level::Ok, "{found:?}");
        fs::write(scratch.path.join("file"), "").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::create_dir(dir.path().join(LAYOUT_DIR)).unwrap();
        drop(stand_on(dir.path()));
        assert_eq!(fs::read_dir(dir.path().join(LAYOUT_DIR)).unwrap().count(), 0, "what was there before stays");
    }

    #[test]
    fn what_is_no_directory_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("it");
        fs::write(&file, "").unwrap();
        let found = no_directory(&file);
        assert!(found.level == Level::Problem && found.what.ends_with("is not a directory"), "{found:?}");
        let found = no_directory(&file.join("beneath"));
        assert!(found.level == Level::Problem && found.what.contains("leads through"), "{found:?}");
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("nowhere", &file).unwrap();
        let found = no_directory(&file);
        assert!(found.level == Level::Problem && found.what.contains("symbolic link"), "{found:?}");
    }

    #[test]
    fn a_directory_that_can_be_made_is_no_problem() {
        let dir = tempfile::tempdir().unwrap();
        let found = no_directory(&dir.path().join("a/b"));
        assert_eq!(found.level, Level::Warning, "{found:?}");
        let may = Err(io::ErrorKind::ReadOnlyFilesystem.into());
        let found = missing(Path::new("/mnt/cache"), Path::new("/mnt"), &may);
        assert!(found.level == Level::Problem && found.what.contains("in `/mnt`"), "{found:?}");
    }

    #[test]
    fn each_reason_why_nothing_can_be_made_has_its_fix() {
        let table = [
            (io::ErrorKind::ReadOnlyFilesystem, "can be written"),
            (io::ErrorKind::PermissionDenied, "let user 7 write there (it is user 1000's)"),
            (io::ErrorKind::StorageFull, "make room"),
            (io::ErrorKind::NotADirectory, "no directory"),
            (io::ErrorKind::Other, "mount"),
        ];
        for (kind, fix) in table {
            let found = unwritable(Path::new("/mnt/cache"), &kind.into(), 1000, 7);
            assert!(found.level == Level::Problem && found.fix.as_ref().unwrap().contains(fix), "{found:?}");
        }
    }
}
