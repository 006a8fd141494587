//! Doubting, evicting, and taking away what the record does not have. DESIGN part 6, "Doubt" and "Evict".

use std::io;
use std::path::Path;

use fail::fail_point;

use crate::key::Key;
use crate::tier::directory::file::{self, Aside, Made, found, once_more_if_gone};
use crate::tier::directory::fs;
use crate::tier::directory::layout::{BodyName, Disk, Place, unused_word};
use crate::tier::directory::listing::bodies;
use crate::tier::directory::look::decode;
use crate::tier::directory::{nonce, token, view};
use crate::tier::{Doubted, EpochMark, Forgotten, Removed, Token, TokenMark};

impl Disk {
    pub fn doubt(&self, key: &Key) -> io::Result<Doubted> {
        Ok(self.doubt_and(key, |_| Ok(()))?.map_or(Doubted::NobodyHeld, |()| Doubted::Written))
    }

    pub fn evict(&self, key: &Key) -> io::Result<Removed> {
        Ok(self.doubt_and(key, |place| self.take_away(key, place))?.unwrap_or(Removed::NothingHeld))
    }

    /// Takes away what is held of a key that the record, asked under `token`, did not have. What is believed under a newer token
    /// was asked for after a doubt that came later, and stays (pitfall 3); which of the two answers is the later one nobody knows.
    ///
    /// Else, whatever is found, the token that is looked at is not the current one afterwards: another may have asked under it when
    /// there was such an object, and stores nothing any more. Beyond DESIGN's text: what is held is evicted with new epochs, and the
    /// directory goes only where nobody has ever stored anything in it. A doubt that finds no directory writes nothing; so none
    /// may go while an epoch vouches for the key in somebody's memory.
    pub fn forget(&self, key: &Key, token: &Token) -> io::Result<Forgotten> {
        let place = self.place(key);
        // Who freezes after this look may evict a newer entry when it wakes. That costs a request and loses no doubt.
        let current = token::read(&place.doubt())?;
        if let Some(newer) = current.filter(|current| current.token != *token)
            && let Some(state) = file::read_small(&place.state())?.as_deref().and_then(decode)
            && state.is_believed_under(&newer.token)
        {
            return Ok(Forgotten::Overtaken);
        }
        match current {
            _ if is_held(&place)? => {}
            Some(current) if current.is_first => {
                return Ok(found(self.withdraw(&place, &current.token))?.unwrap_or(Forgotten::Gone));
            }
            // What was stored before that, and doubted since, has come since it was looked for.
            Some(_) if found(nonce::replace::<TokenMark>(&place.doubt()))?.is_some() && is_held(&place)? => {}
            _ => return Ok(Forgotten::Gone),
        }
        self.evict(key).map(|_| Forgotten::Gone)
    }

    /// Steps 0 to 3 of a doubt, with `then` after step 1; `None` where step 0 showed that nobody holds or is filling the key.
    ///
    /// In this order: a reader takes an epoch and then the token, so that an epoch it finds new comes with the new token.
    fn doubt_and<T>(&self, key: &Key, then: impl Fn(&Place) -> io::Result<T>) -> io::Result<Option<T>> {
        let place = self.place(key);
        once_more_if_gone(|| {
            if self.make(&place)? == Made::Here && fs::remove_dir(&place.dir).is_ok() {
                return Ok(None);
            }
            nonce::replace::<TokenMark>(&place.doubt())?;
            fail_point!("doubt-token-written", |_| std::process::abort());
            let outcome = then(&place)?;
            nonce::replace::<EpochMark>(&self.shard_epoch_path(place.shard))?;
            fail_point!("doubt-shard-written", |_| std::process::abort());
            nonce::replace::<EpochMark>(&self.root_epoch_path())?;
            Ok(Some(outcome))
        })
    }

    /// Removes the state and its view, and takes every body out of the directory. What a crash leaves the next eviction takes.
    ///
    /// Not only the body that the state names: whoever looked at the token before it was replaced, and froze, writes its state
    /// when it wakes. That is believed by nobody; but where the record gives no answer, a state that was doubted may stand in, and
    /// this one looks like it. Its body got its name before that look, and so before ours into the directory: it is gone, and
    /// who finds no body has nothing that could stand in. A fill that has asked since may lose its body too; that costs one
    /// more request, and at most one for each eviction.
    fn take_away(&self, key: &Key, place: &Place) -> io::Result<Removed> {
        let removed = unless_missing(fs::remove_file(place.state()))?;
        fail_point!("evict-state-removed", |_| std::process::abort());
        if let Err(error) = view::hide(&self.root, key, place) {
            tracing::warn!(%key, %error, "a view of an evicted body stays");
        }
        for body in bodies(&place.dir)? {
            self.trash_body(&body)?;
        }
        Ok(removed.map_or(Removed::NothingHeld, |()| Removed::Removed))
    }

    /// Moves a body where the sweep unlinks it after a grace: unlinked now, it could be lost to an NFS client that has it open.
    fn trash_body(&self, body: &Path) -> io::Result<()> {
        let trash = self.trash();
        match fs::create_dir(&trash) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let unused = trash.join(format!("{}{}", unused_word(), BodyName::SUFFIX));
        unless_missing(fs::rename(body, unused)).map(|_| ())
    }

    /// Takes back an announcement: the token, then the directory.
    fn withdraw(&self, place: &Place, token: &Token) -> io::Result<Forgotten> {
        // Taken by a rename and looked at then: between a look and an unlink a doubt could have replaced it.
        let taken = Aside::beside(&place.doubt());
        fs::rename(place.doubt(), &taken.0)?;
        if nonce::read(&taken.0)? != Some(*token) {
            // It was doubted meanwhile; and something stored before that, which may stand in.
            return match fs::hard_link(&taken.0, place.doubt()) {
                // A newer one still has come.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Forgotten::Overtaken),
                outcome => outcome.map(|()| Forgotten::Overtaken),
            };
        }
        // Of who looked at the token before it was taken, and writes its state late: as in an eviction.
        for body in bodies(&place.dir)? {
            self.trash_body(&body)?;
        }
        drop(taken);
        // Whose lease it is does not matter: there is nothing to ask under any more.
        let _released = fs::remove_file(place.lease());
        // Not empty: somebody else is at work in it, and finds the token gone.
        let _emptied = fs::remove_dir(&place.dir);
        Ok(Forgotten::Gone)
    }
}

/// Whether there is a state of the key, or a body: one without a state is of who is about to write that, and may have asked when
/// there was such an object.
fn is_held(place: &Place) -> io::Result<bool> {
    Ok(file::read_small(&place.state())?.is_some() || found(bodies(&place.dir))?.is_some_and(|bodies| !bodies.is_empty()))
}

/// `None` for what is not there. A stale handle is no such thing: it may lead to what could stand in for the record later.
fn unless_missing(outcome: io::Result<()>) -> io::Result<Option<()>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

#[cfg(test)]
mod tests;
