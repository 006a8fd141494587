//! Tokens and epochs on disk: a file that holds one random value, replaced blindly and made exclusively.

use std::io;
use std::path::Path;

use crate::tier::Nonce;
use crate::tier::directory::file::{self, Made};

/// Opens and reads the value; `None` where it is missing or illegible, and then it vouches for nothing.
pub(super) fn read<Mark: Copy>(path: &Path) -> io::Result<Option<Nonce<Mark>>> {
    Ok(file::read_small(path)?.and_then(|bytes| parse(&bytes)))
}

/// Puts a new value in place of the one that is there, whatever it is.
///
/// Safe at any time and by anyone: all it can do is make others look, or ask, once more.
pub(super) fn replace<Mark: Copy>(path: &Path) -> io::Result<Nonce<Mark>> {
    let nonce = Nonce::random();
    file::replace(path, nonce.to_string().as_bytes())?;
    Ok(nonce)
}

/// The value that is there, or a new one where there is none. Of several that make it at the same time one does.
pub(super) fn have<Mark: Copy>(path: &Path) -> io::Result<(Nonce<Mark>, Made)> {
    // A name may be found taken and then missing once: it was just removed. Twice is a directory that contradicts itself.
    for _ in 0..2 {
        match file::read_small(path)?.map(|bytes| parse(&bytes)) {
            Some(Some(nonce)) => return Ok((nonce, Made::Before)),
            // Nobody can use what nobody can read.
            Some(None) => return Ok((replace(path)?, Made::Before)),
            None => {}
        }
        let nonce = Nonce::random();
        if file::create(path, nonce.to_string().as_bytes())? == Made::Here {
            return Ok((nonce, Made::Here));
        }
    }
    match read(path)? {
        Some(nonce) => Ok((nonce, Made::Before)),
        None => Err(io::Error::other("a name is taken by a file that is not there")),
    }
}

fn parse<Mark: Copy>(bytes: &[u8]) -> Option<Nonce<Mark>> {
    Nonce::parse(std::str::from_utf8(bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tier::{Epoch, EpochMark};

    #[test]
    fn a_value_is_made_once_and_replaced_by_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        assert_eq!(read::<EpochMark>(&path).unwrap(), None);
        let (first, made) = have::<EpochMark>(&path).unwrap();
        assert_eq!(made, Made::Here);
        assert_eq!(have(&path).unwrap(), (first, Made::Before));
        let second: Epoch = replace(&path).unwrap();
        assert_ne!(second, first);
        assert_eq!(read(&path).unwrap(), Some(second));
    }

    #[test]
    fn an_illegible_value_vouches_for_nothing_and_is_replaced_when_one_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        for garbage in ["", "0123", "not a nonce", "0123456789abcdef0123456789abcdef\n", "0123456789ABCDEF0123456789ABCDEF"] {
            fs::write(&path, garbage).unwrap();
            assert_eq!(read::<EpochMark>(&path).unwrap(), None, "{garbage}");
            let (epoch, _) = have::<EpochMark>(&path).unwrap();
            assert_eq!(read(&path).unwrap(), Some(epoch));
        }
    }

    #[test]
    fn all_who_make_a_value_at_the_same_time_get_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("doubt");
        let values: Vec<(Epoch, Made)> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| have(&path).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(values.iter().all(|(value, _)| *value == values[0].0), "{values:?}");
        assert_eq!(values.iter().filter(|(_, made)| *made == Made::Here).count(), 1);
    }
}
