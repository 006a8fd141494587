//! What a bad file system, or somebody with an editor, does to a file of the shared directory.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug)]
pub enum Damage {
    /// Half of it is gone.
    Half,
    /// Other bytes, and as many.
    Garbage,
    /// One bit of it is another; which, if there are so many.
    Flip(usize),
    /// It is empty.
    Empty,
    /// It is gone. A token goes alone: nobody keeps to a directory from which others take directories.
    Gone,
}

/// Damages one of the files below `root`, chosen by a number; views are read by nobody here.
pub fn damage(root: &Path, number: usize, damage: Damage) {
    let ours = files(&root.join(".cache"));
    let Some(path) = ours.get(number % ours.len().max(1)) else { return };
    // It may have gone since, as files do.
    let _ = spoil(path, damage);
}

/// The files below `directory` in the order of their names, but for those that come and go meanwhile.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    files.sort_unstable();
    files
}

fn spoil(path: &Path, damage: Damage) -> std::io::Result<()> {
    let length = fs::metadata(path)?.len();
    match damage {
        Damage::Gone => return fs::remove_file(path),
        Damage::Half | Damage::Empty => {}
        Damage::Flip(bit) => {
            let mut bytes = fs::read(path)?;
            if let Some(byte) = bytes.get_mut(bit / 8 % usize::try_from(length).unwrap().max(1)) {
                *byte ^= 1 << (bit % 8);
            }
            fs::write(path, bytes)?;
        }
        Damage::Garbage => fs::write(path, vec![b'#'; usize::try_from(length).unwrap()])?,
    }
    let left = match damage {
        Damage::Half => length / 2,
        Damage::Empty => 0,
        Damage::Garbage | Damage::Flip(_) | Damage::Gone => length,
    };
    fs::File::options().write(true).open(path)?.set_len(left)
}
