//! Views: the last body stored of a key as LOCAL_DATA_DIR/<key>, for other programs. Never read here.
//!
//! Whatever is at a view's place and is no body of the key's is somebody else's, and is left alone.

use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt};

use crate::key::Key;
use crate::tier::directory::file::{Aside, found};
use crate::tier::directory::layout::{BodyName, Place, VIEWLESS, unused_word};

/// How showing a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The view is this body.
    Shown,
    /// The key has no name as a file, or something that is not ours has it.
    NotShown,
}

/// Makes `body` what the key's own name shows.
pub(super) fn show(root: &Path, key: &Key, place: &Place, body: &BodyName) -> io::Result<Shown> {
    let Some((dirs, name)) = segments(key) else { return Ok(Shown::NotShown) };
    let mut parent = Dir::open_ambient_dir(root, ambient_authority())?;
    for dir in dirs {
        parent = match open_beneath(&parent, dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                parent.create_dir(dir)?;
                open_beneath(&parent, dir)?
            }
            opened => opened?,
        };
    }
    let here = Dir::open_ambient_dir(&place.dir, ambient_authority())?;
    match here.hard_link(body.as_str(), &parent, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        outcome => return outcome.map(|()| Shown::Shown),
    }
    // A file that another program puts here between this look and the rename is lost: no call renames over one inode alone.
    if !is_body_of(&here, &parent.symlink_metadata(name)?)? {
        return Ok(Shown::NotShown);
    }
    let aside = format!("{}{}", unused_word(), Aside::SUFFIX);
    here.hard_link(body.as_str(), &here, &aside)?;
    let renamed = here.rename(&aside, &parent, name);
    // Pitfall 15: renaming a link over another of the same file does nothing, and leaves it.
    found(here.remove_file(&aside))?;
    renamed.map(|()| Shown::Shown)
}

/// Removes the view, if it is a body of the key's. To be called while that body is still in the key's directory.
pub(super) fn hide(root: &Path, key: &Key, place: &Place) -> io::Result<()> {
    let Some((dirs, name)) = segments(key) else { return Ok(()) };
    let hide = || -> io::Result<()> {
        let mut parent = Dir::open_ambient_dir(root, ambient_authority())?;
        for dir in dirs {
            parent = open_beneath(&parent, dir)?;
        }
        let here = Dir::open_ambient_dir(&place.dir, ambient_authority())?;
        if is_body_of(&here, &parent.symlink_metadata(name)?)? {
            parent.remove_file(name)?;
        }
        Ok(())
    };
    match hide() {
        // Something that is no directory is where one would be: it is not ours, and nothing of ours is behind it.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        outcome => found(outcome).map(|_| ()),
    }
}

/// The directories and the name that a key is shown as; `None` where it cannot be, as it would be another key's name too or
/// would lie among our own files.
pub(super) fn segments(key: &Key) -> Option<(Vec<&str>, &str)> {
    let mut dirs: Vec<&str> = key.as_str().split('/').collect();
    // Some file systems take `.Cache` for `.cache`.
    let hidden = dirs.first().is_some_and(|first| first.eq_ignore_ascii_case(VIEWLESS));
    if hidden || dirs.iter().any(|segment| segment.is_empty()) {
        return None;
    }
    let name = dirs.pop()?;
    Some((dirs, name))
}

/// Opens a directory that is one, and no link to one: a link could lead anywhere, and among our own files.
fn open_beneath(parent: &Dir, name: &str) -> io::Result<Dir> {
    let named = parent.symlink_metadata(name)?;
    let opened = parent.open_dir(name)?;
    if is_same(&named, &opened.dir_metadata()?) { Ok(opened) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

fn is_body_of(here: &Dir, view: &Metadata) -> io::Result<bool> {
    for entry in here.entries()? {
        let entry = entry?;
        let is_body = entry.file_name().as_encoded_bytes().ends_with(BodyName::SUFFIX.as_bytes());
        // What is removed while we look is no body any more.
        if is_body && found(entry.metadata())?.is_some_and(|metadata| is_same(&metadata, view)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests;
