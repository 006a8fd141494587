//! The lease of a key: a file beside its state. DESIGN part 6, "Lease".

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use fail::fail_point;

use crate::key::Key;
use crate::tier::directory::file::{self, found};
use crate::tier::directory::layout::Disk;
use crate::tier::{Lease, Leased, Nonce, Token};

impl Disk {
    /// Made exclusively, in two calls that a server answers; so it may be found empty for a moment. Making a file also has an
    /// NFS client ask again for names in this directory that it takes to be missing: a look that follows sees what others made.
    pub fn take_lease(&self, key: &Key, token: &Token) -> io::Result<Leased> {
        let path = self.place(key).lease();
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => {
                let lease = Lease::under(*token);
                write(file, &lease)?;
                fail_point!("lease-taken", |_| std::process::abort());
                Ok(Leased::Ours(lease))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Leased::Theirs(read(&path)?.flatten())),
            Err(error) => Err(error),
        }
    }

    pub fn lease(&self, key: &Key) -> io::Result<Option<Option<Lease>>> {
        read(&self.place(key).lease())
    }

    pub fn put_lease(&self, key: &Key, lease: &Lease) -> io::Result<()> {
        file::replace(&self.place(key).lease(), &encode(lease))
    }

    pub fn release_lease(&self, key: &Key, lease: &Lease) -> io::Result<()> {
        let path = self.place(key).lease();
        // Who freezes between the two takes a lease that is somebody else's by now; that one asks alone then.
        if read(&path)?.flatten() == Some(*lease) {
            found(fs::remove_file(&path))?;
        }
        Ok(())
    }
}

fn write(mut file: File, lease: &Lease) -> io::Result<()> {
    // It need not outlive the machine.
    file.write_all(&encode(lease))
}

fn encode(lease: &Lease) -> Vec<u8> {
    format!("{} {}", lease.token, lease.nonce).into_bytes()
}

fn read(path: &Path) -> io::Result<Option<Option<Lease>>> {
    Ok(file::read_named(path)?.map(|bytes| decode(&bytes)))
}

fn decode(bytes: &[u8]) -> Option<Lease> {
    let (token, nonce) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some(Lease { token: Token::parse(token)?, nonce: Nonce::parse(nonce)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Prefix, RecordId};
    use crate::tier::LeaseMark;

    struct Kit {
        disk: Disk,
        key: Key,
        token: Token,
        _directory: tempfile::TempDir,
    }

    fn announced() -> Kit {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path(), &RecordId::of(&["fake"]));
        fs::create_dir_all(&disk.base).unwrap();
        let key = Key::parse("a", &Prefix::default()).unwrap();
        let token = disk.announce(&key).unwrap().token;
        Kit { disk, key, token, _directory: directory }
    }

    #[test]
    fn one_takes_it_and_the_others_see_whose_it_is_until_it_is_released() {
        let Kit { disk, key, token, .. } = &announced();
        assert_eq!(disk.lease(key).unwrap(), None);
        let Leased::Ours(lease) = disk.take_lease(key, token).unwrap() else { panic!("nobody has it") };
        assert_eq!(disk.take_lease(key, token).unwrap(), Leased::Theirs(Some(lease)));
        disk.release_lease(key, &lease).unwrap();
        assert_eq!(disk.lease(key).unwrap(), None);
        let Leased::Ours(next) = disk.take_lease(key, token).unwrap() else { panic!("it was released") };
        assert_ne!(next.nonce, lease.nonce);
    }

    #[test]
    fn a_lease_that_another_has_taken_over_is_not_released() {
        let Kit { disk, key, token, .. } = &announced();
        let Leased::Ours(lost) = disk.take_lease(key, token).unwrap() else { panic!("nobody has it") };
        let taken = Lease::under(*token);
        disk.put_lease(key, &taken).unwrap();
        disk.release_lease(key, &lost).unwrap();
        assert_eq!(disk.lease(key).unwrap(), Some(Some(taken)));
    }

    #[test]
    fn what_is_not_legible_is_somebodys_all_the_same() {
        let Kit { disk, key, token, .. } = &announced();
        let nonce = Nonce::<LeaseMark>::random();
        for garbage in [String::new(), "x".repeat(100_000), token.to_string(), format!("{token} {nonce}\n")] {
            fs::write(disk.place(key).lease(), &garbage).unwrap();
            assert_eq!(disk.lease(key).unwrap(), Some(None));
            assert_eq!(disk.take_lease(key, token).unwrap(), Leased::Theirs(None));
        }
    }

    /// The doubt went, and with it the directory: there is nothing to take.
    #[test]
    fn there_is_no_lease_where_there_is_no_directory() {
        let Kit { disk, key, token, .. } = &announced();
        fs::remove_dir_all(&disk.place(key).dir).unwrap();
        assert_eq!(disk.take_lease(key, token).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.lease(key).unwrap(), None);
    }
}
