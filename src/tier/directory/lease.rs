//! The leases of a key: files beside its state. DESIGN part 6, "Lease".

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fail::fail_point;

use crate::key::Key;
use crate::tier::directory::file::{self, Aside, found};
use crate::tier::directory::fs::{self, File, OpenOptions};
use crate::tier::directory::layout::Disk;
use crate::tier::{Errand, Lease, Leased, Nonce, Token};

impl Disk {
    /// Made exclusively, in two calls that a server answers; so it may be found empty for a moment. Making a file also has an
    /// NFS client ask again for names in this directory that it takes to be missing: a look that follows sees what others made.
    pub fn take_lease(&self, key: &Key, token: &Token, errand: Errand) -> io::Result<Leased> {
        let path = self.lease_path(key, token, errand);
        match fs::open_as(OpenOptions::new().write(true).create_new(true), &path) {
            Ok(file) => {
                let lease = Lease::under(*token, errand);
                write(file, &lease)?;
                fail_point!("lease-taken", |_| std::process::abort());
                Ok(Leased::Ours(lease))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Leased::Theirs(read(&path, errand)?.flatten())),
            Err(error) => Err(error),
        }
    }

    pub fn lease(&self, key: &Key, token: &Token, errand: Errand) -> io::Result<Option<Option<Lease>>> {
        read(&self.lease_path(key, token, errand), errand)
    }

    pub fn put_lease(&self, key: &Key, lease: &Lease) -> io::Result<()> {
        let path = self.lease_path(key, &lease.token, lease.errand);
        // It need not outlive the machine; and a disk that is busy with a large body would take longer than a lease may.
        file::replace_unsynced(&path, &encode(lease))
    }

    pub fn release_lease(&self, key: &Key, lease: &Lease) -> io::Result<()> {
        let path = self.lease_path(key, &lease.token, lease.errand);
        // Who freezes between the two takes a lease that is somebody else's by now; that one asks alone then.
        if read(&path, lease.errand)?.flatten() == Some(*lease) {
            found(fs::remove_file(&path))?;
        }
        Ok(())
    }

    fn lease_path(&self, key: &Key, token: &Token, errand: Errand) -> PathBuf {
        let place = self.place(key);
        match errand {
            Errand::Ask => place.lease(),
            // A temporary by its name, as the body that it is about: what a dead instance leaves of both goes to the sweep.
            Errand::Fill => place.dir.join(format!("{token}{}", Aside::SUFFIX)),
        }
    }
}

fn write(mut file: File, lease: &Lease) -> io::Result<()> {
    // It need not outlive the machine.
    file.write_all(&encode(lease))
}

fn encode(lease: &Lease) -> Vec<u8> {
    format!("{} {}", lease.token, lease.nonce).into_bytes()
}

fn read(path: &Path, errand: Errand) -> io::Result<Option<Option<Lease>>> {
    Ok(file::read_named(path)?.map(|bytes| decode(&bytes, errand)))
}

fn decode(bytes: &[u8], errand: Errand) -> Option<Lease> {
    let (token, nonce) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some(Lease { errand, token: Token::parse(token)?, nonce: Nonce::parse(nonce)? })
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let token = disk.announce(&key).unwrap();
        Kit { disk, key, token, _directory: directory }
    }

    #[test]
    fn one_takes_it_and_the_others_see_whose_it_is_until_it_is_released() {
        let Kit { disk, key, token, .. } = &announced();
        for errand in [Errand::Ask, Errand::Fill] {
            assert_eq!(disk.lease(key, token, errand).unwrap(), None);
            let Leased::Ours(lease) = disk.take_lease(key, token, errand).unwrap() else { panic!("nobody has it") };
            assert_eq!(disk.take_lease(key, token, errand).unwrap(), Leased::Theirs(Some(lease)));
            disk.release_lease(key, &lease).unwrap();
            assert_eq!(disk.lease(key, token, errand).unwrap(), None);
            let Leased::Ours(next) = disk.take_lease(key, token, errand).unwrap() else { panic!("it was released") };
            assert_ne!(next.nonce, lease.nonce);
        }
    }

    #[test]
    fn who_fills_keeps_nobody_from_asking_and_nobody_from_filling_under_another_token() {
        let Kit { disk, key, token, .. } = &announced();
        for (token, errand) in [(*token, Errand::Fill), (*token, Errand::Ask), (Token::random(), Errand::Fill)] {
            assert!(matches!(disk.take_lease(key, &token, errand).unwrap(), Leased::Ours(_)), "{errand:?}");
        }
        assert!(matches!(disk.take_lease(key, &Token::random(), Errand::Ask).unwrap(), Leased::Theirs(Some(_))));
    }

    #[test]
    fn a_lease_that_another_has_taken_over_is_not_released() {
        let Kit { disk, key, token, .. } = &announced();
        let Leased::Ours(lost) = disk.take_lease(key, token, Errand::Ask).unwrap() else { panic!("nobody has it") };
        let taken = Lease::under(*token, Errand::Ask);
        disk.put_lease(key, &taken).unwrap();
        disk.release_lease(key, &lost).unwrap();
        assert_eq!(disk.lease(key, token, Errand::Ask).unwrap(), Some(Some(taken)));
    }

    #[test]
    fn what_is_not_legible_is_somebodys_all_the_same() {
        let Kit { disk, key, token, .. } = &announced();
        let nonce = Nonce::<LeaseMark>::random();
        for garbage in [String::new(), "x".repeat(100_000), token.to_string(), format!("{token} {nonce}\n")] {
            fs::write(disk.place(key).lease(), &garbage).unwrap();
            assert_eq!(disk.lease(key, token, Errand::Ask).unwrap(), Some(None));
            assert_eq!(disk.take_lease(key, token, Errand::Ask).unwrap(), Leased::Theirs(None));
        }
    }

    /// The doubt went, and with it the directory: there is nothing to take.
    #[test]
    fn there_is_no_lease_where_there_is_no_directory() {
        let Kit { disk, key, token, .. } = &announced();
        fs::remove_dir_all(&disk.place(key).dir).unwrap();
        assert_eq!(disk.take_lease(key, token, Errand::Ask).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.lease(key, token, Errand::Ask).unwrap(), None);
    }
}
