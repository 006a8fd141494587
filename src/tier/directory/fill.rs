//! Filling: announcing it, publishing a body, believing it. DESIGN part 6, "Confirm / fill", steps 1 and 3 to 6.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fail::fail_point;

use crate::entry::Entry;
use crate::freshness::Timestamp;
use crate::key::Key;
use crate::tier::directory::file::{self, Aside, Made, is_gone, once_more_if_gone};
use crate::tier::directory::fs::{self, File, Permissions};
use crate::tier::directory::layout::{BodyName, Disk, Place};
use crate::tier::directory::look::encode;
use crate::tier::directory::{nonce, token, view};
use crate::tier::{Blocks, EpochMark, State, Stored, Token};

impl Disk {
    /// Step 1: the key's directory tells a doubt that somebody is filling the key, its token is what the fill is stored under.
    pub fn announce(&self, key: &Key) -> io::Result<Token> {
        let place = self.place(key);
        once_more_if_gone(|| {
            let directory = self.make(&place)?;
            nonce::have::<EpochMark>(&self.shard_epoch_path(place.shard))?;
            nonce::have::<EpochMark>(&self.root_epoch_path())?;
            token::announce(&place.doubt(), directory)
        })
    }

    /// Makes the key's directory. A mkdir is answered by the server, never from what a client remembers.
    pub fn make(&self, place: &Place) -> io::Result<Made> {
        match fs::create_dir(&place.dir) {
            Ok(()) => Ok(Made::Here),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Made::Before),
            Err(error) if is_gone(&error) => {
                fs::create_dir_all(self.base.join(place.shard.to_string()))?;
                match fs::create_dir(&place.dir) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Made::Before),
                    outcome => outcome.map(|()| Made::Here),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Steps 3 to 6 for a new body.
    pub fn store(&self, key: &Key, token: &Token, entry: &Entry, confirmed_at: Timestamp) -> io::Result<Stored> {
        let bytes = entry.body.whole().ok_or(io::ErrorKind::FileTooLarge)?;
        let state = State {
            key: key.as_str().to_owned(),
            version: entry.version.clone(),
            facts: entry.facts.clone(),
            blocks: Blocks::of(bytes),
            body: BodyName::unused(&entry.version).as_str().to_owned(),
            confirmed_at,
            token: *token,
        };
        overtaken_if_gone((|| {
            let aside = Aside::beside(&self.place(key).state());
            let mut file = aside.create()?;
            file.write_all(bytes)?;
            self.publish(key, &aside, &file, &state)
        })())
    }

    /// Steps 3 to 6 for a new body that was written to `file`, which is `aside`, in the key's directory.
    pub fn publish(&self, key: &Key, aside: &Aside, file: &File, state: &State) -> io::Result<Stored> {
        let place = self.place(key);
        let body = BodyName::parse(&state.body).ok_or(io::ErrorKind::InvalidFilename)?;
        overtaken_if_gone((|| {
            name_body(aside, file, state, &place.body(&body))?;
            fail_point!("fill-body-linked", |_| std::process::abort());
            let believed = believe(&place, state);
            match believed {
                Ok(Stored::Stored) => self.show(key, &place, body),
                // No state names it, and none ever will.
                Ok(Stored::Overtaken | Stored::NoRoom) | Err(_) => drop(fs::remove_file(place.body(&body))),
            }
            believed
        })())
    }

    /// Steps 4 and 5 for a body that is there already.
    pub fn confirm(&self, key: &Key, token: &Token, state: &State, confirmed_at: Timestamp) -> io::Result<Stored> {
        let state = State { key: key.as_str().to_owned(), confirmed_at, token: *token, ..state.clone() };
        overtaken_if_gone(believe(&self.place(key), &state))
    }

    /// Step 6. A view that fails costs the view.
    ///
    /// Looks at the state again after: whoever froze before this may wake when another body has been stored, or all evicted.
    fn show(&self, key: &Key, place: &Place, mut body: BodyName) {
        // More often than this only if another stores meanwhile each time, who then shows its own.
        for _ in 0..3 {
            let shown = view::show(&self.root, key, place, &body).and_then(|_| self.state(key, place));
            let named = match shown {
                Ok(state) => state.and_then(|state| BodyName::parse(&state.body)),
                Err(error) => return tracing::debug!(%key, %error, "no view"),
            };
            match named {
                Some(named) if named == body => return,
                Some(named) => body = named,
                None => {
                    if let Err(error) = view::hide(&self.root, key, place) {
                        tracing::debug!(%key, %error, "a view of what was evicted stays");
                    }
                    return;
                }
            }
        }
    }
}

/// Step 3: whole, on the disk, read-only, and then under a name that was never used.
fn name_body(aside: &Aside, file: &File, state: &State, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fail_point!("fill-body-written", |_| std::process::abort());
    file.set_permissions(Permissions::from_mode(0o444))?;
    file.set_modified(state.version.last_modified.into())?;
    fail_point!("fill-before-link", |_| std::process::abort());
    fs::hard_link(&aside.0, path)
}

/// Steps 4 and 5: believed only under the token it was asked under; who is late says so by that token. So that it does not stand
/// in for a record that is not there either, its body has its name before this: an eviction meanwhile takes that away.
fn believe(place: &Place, state: &State) -> io::Result<Stored> {
    let current = token::read(&place.doubt())?.filter(|current| current.token == state.token);
    let Some(current) = current else { return Ok(Stored::Overtaken) };
    if current.is_first {
        token::unmark(&place.doubt());
    }
    fail_point!("fill-token-checked", |_| std::process::abort());
    file::replace(&place.state(), &encode(state)?)?;
    fail_point!("fill-state-written", |_| std::process::abort());
    Ok(Stored::Stored)
}

/// The directory is made before the record is asked: where it has gone, the key was doubted or evicted since.
fn overtaken_if_gone(stored: io::Result<Stored>) -> io::Result<Stored> {
    match stored {
        Err(error) if is_gone(&error) => Ok(Stored::Overtaken),
        stored => stored,
    }
}

#[cfg(test)]
mod tests;
