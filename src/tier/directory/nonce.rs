//! Tokens and epochs on disk: a file that holds one random value, replaced blindly and made exclusively.
//!
//! They have no checksum. A flipped bit is another value or none at all, which does no more than a doubt does; it cannot make one
//! current again that was before, for two random values differ in half of their bits.

use std::io;
use std::path::Path;

use crate::tier::directory::file::{self, Made};
use crate::tier::{EpochMark, Nonce};

/// How a value is put in place, and read there, so that another NFS client sees the new one with its next look whoever still has
/// the old file open (docs/NFS.md).
pub(super) trait Placed: Copy {
    fn put(path: &Path, content: &[u8]) -> io::Result<()>;
    fn get(path: &Path) -> io::Result<Option<Vec<u8>>>;
}

/// Epochs stay where they are. Read while it is written one may be a mixture, which vouches for nothing, as it was never there
/// before.
impl Placed for EpochMark {
    fn put(path: &Path, content: &[u8]) -> io::Result<()> {
        file::overwrite(path, content)
    }

    fn get(path: &Path) -> io::Result<Option<Vec<u8>>> {
        file::read_small(path)
    }
}

/// Opens and reads the value; `None` where it is missing or illegible, and then it vouches for nothing.
pub(super) fn read<Mark: Placed>(path: &Path) -> io::Result<Option<Nonce<Mark>>> {
    Ok(Mark::get(path)?.and_then(|bytes| parse(&bytes)))
}

/// Puts a new value in place of the one that is there, whatever it is.
///
/// Safe at any time and by anyone: all it can do is make others look, or ask, once more.
pub(super) fn replace<Mark: Placed>(path: &Path) -> io::Result<Nonce<Mark>> {
    let nonce = Nonce::random();
    Mark::put(path, nonce.to_string().as_bytes())?;
    Ok(nonce)
}

/// The value that is there, or a new one where there is none. Of several that make it at the same time one does.
pub(super) fn have<Mark: Placed>(path: &Path) -> io::Result<Nonce<Mark>> {
    have_with(path, b"")
}

/// As [`have`]; a new one is followed by `mark` in its file.
pub(super) fn have_with<Mark: Placed>(path: &Path, mark: &[u8]) -> io::Result<Nonce<Mark>> {
    // A name may be found taken and then missing once: it was just removed. Twice is a directory that contradicts itself.
    for _ in 0..2 {
        match Mark::get(path)?.map(|bytes| parse(&bytes)) {
            Some(Some(nonce)) => return Ok(nonce),
            // Nobody can use what nobody can read.
            Some(None) => return replace(path),
            None => {}
        }
        let nonce = Nonce::random();
        if file::create(path, &[nonce.to_string().as_bytes(), mark].concat())? == Made::Here {
            return Ok(nonce);
        }
    }
    read(path)?.ok_or_else(|| io::Error::other("a name is taken by a file that is not there"))
}

pub(super) fn parse<Mark: Copy>(bytes: &[u8]) -> Option<Nonce<Mark>> {
    Nonce::parse(std::str::from_utf8(bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;

    use super::*;
    use crate::tier::{Epoch, Token, TokenMark};

    #[test]
    fn a_value_is_made_once_and_replaced_by_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        assert_eq!(read::<EpochMark>(&path).unwrap(), None);
        let first = have::<EpochMark>(&path).unwrap();
        assert_eq!(have(&path).unwrap(), first);
        let second: Epoch = replace(&path).unwrap();
        assert_ne!(second, first);
        assert_eq!(read(&path).unwrap(), Some(second));
    }

    /// An NFS client that knows a file by its name opens that very file for as long as anybody has it open.
    #[test]
    fn a_new_epoch_is_in_the_file_that_others_have_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        have::<EpochMark>(&path).unwrap();
        let mut open = File::open(&path).unwrap();
        let replaced: Epoch = replace(&path).unwrap();
        let mut text = String::new();
        open.read_to_string(&mut text).unwrap();
        assert_eq!(text, replaced.to_string());
    }

    #[test]
    fn a_new_token_is_not_in_a_file_that_may_have_been_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("doubt");
        let old = have::<TokenMark>(&path).unwrap();
        let mut open = File::open(&path).unwrap();
        let _new: Token = replace(&path).unwrap();
        let mut text = String::new();
        open.read_to_string(&mut text).unwrap();
        assert_eq!(text, old.to_string());
    }

    #[test]
    fn an_illegible_value_vouches_for_nothing_and_is_replaced_when_one_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        for garbage in ["", "0123", "not a nonce", "0123456789abcdef0123456789abcdef\n", "0123456789ABCDEF0123456789ABCDEF"] {
            fs::write(&path, garbage).unwrap();
            assert_eq!(read::<EpochMark>(&path).unwrap(), None, "{garbage}");
            let epoch = have::<EpochMark>(&path).unwrap();
            assert_eq!(read(&path).unwrap(), Some(epoch));
        }
    }

    #[test]
    fn all_who_make_a_value_at_the_same_time_get_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("doubt");
        let values: Vec<Epoch> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| have(&path).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
    }
}
