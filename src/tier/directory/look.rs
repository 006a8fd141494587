//! Looking: epochs, a key's token and state, its body. Always by opening, never by stat, which NFS answers from memory.

use std::io::{self, Read};
use std::sync::atomic::Ordering;

use fail::fail_point;

use crate::entry::{Checksum, Entry, Room};
use crate::key::{Key, Shard};
use crate::tier::directory::file::{self, found, once_more_if_stale};
use crate::tier::directory::fs::{self, File};
use crate::tier::directory::layout::{BodyName, Disk, Place};
use crate::tier::directory::nonce;
use crate::tier::{Epoch, Looked, State, Token};

impl Disk {
    pub fn root_epoch(&self) -> io::Result<Option<Epoch>> {
        nonce::read(&self.root_epoch_path())
    }

    pub fn shard_epoch(&self, shard: Shard) -> io::Result<Option<Epoch>> {
        nonce::read(&self.shard_epoch_path(shard))
    }

    /// The token first: a state that was written after a doubt may be read under the token before it, and is not believed;
    /// the other way round a state from before the doubt would be.
    pub fn look(&self, key: &Key, held: Option<&Token>) -> io::Result<Looked> {
        let place = self.place(key);
        let token = nonce::read(&place.doubt())?;
        if token.is_some() && token.as_ref() == held {
            return Ok(Looked::Same);
        }
        Ok(Looked::Other { token, state: self.state(key, &place)? })
    }

    /// The state of `key`; `None` where there is none, or one that nothing here has written so.
    pub fn state(&self, key: &Key, place: &Place) -> io::Result<Option<State>> {
        let Some(bytes) = file::read_small(&place.state())? else { return Ok(None) };
        let state = decode(&bytes).filter(|state| state.key == key.as_str());
        if state.is_none() {
            self.count_damage("state", key);
        }
        Ok(state)
    }

    /// The body that `state` names, read whole into `room` and verified; `None` where it is missing or is not that body.
    pub fn lift(&self, key: &Key, state: &State, room: Room) -> io::Result<Option<Entry>> {
        let Some(name) = BodyName::parse(&state.body).filter(|_| state.key == key.as_str()) else { return Ok(None) };
        let path = self.place(key).body(&name);
        let read = || {
            let file = fs::open(&path)?;
            fail_point!("lift-body-opened");
            read_exactly(file, state.facts.size)
        };
        let Some(read) = found(once_more_if_stale(read))? else { return Ok(None) };
        let Some(body) = read.filter(|body| state.facts.checksum == Some(Checksum::of(body))) else {
            self.count_damage("body", key);
            return Ok(None);
        };
        Ok(Some(Entry { version: state.version.clone(), facts: state.facts.clone(), body: room.hold(body).into() }))
    }

    /// Said of the first, the second, the fourth: where the directory takes no writes either, every read finds the same file.
    pub fn count_damage(&self, what: &'static str, key: &Key) {
        let damaged = self.damaged.fetch_add(1, Ordering::Relaxed) + 1;
        if damaged.is_power_of_two() {
            tracing::warn!(%key, what, damaged, "a file in the shared directory is damaged, the record is asked instead");
        }
    }
}

/// The bytes of `file`, if there are `size` of them. Memory is taken only once the file itself says so: a damaged state may
/// name any size.
fn read_exactly(file: File, size: u64) -> io::Result<Option<Vec<u8>>> {
    let metadata = file.metadata()?;
    let Some(length) = usize::try_from(size).ok().filter(|_| metadata.is_file() && metadata.len() == size) else {
        return Ok(None);
    };
    let mut body = Vec::new();
    // One more than is wanted, so that the end of the file is seen without growing.
    body.try_reserve_exact(length.saturating_add(1))?;
    file.take(size.saturating_add(1)).read_to_end(&mut body)?;
    Ok((body.len() == length).then_some(body))
}

/// What is around a state in its file, `{"state":…,"checksum":"…"}`: a JSON object for who looks into it. The checksum is of the
/// state's bytes as they stand there.
const AROUND: [&[u8]; 3] = [b"{\"state\":", b",\"checksum\":\"", b"\"}"];

/// The state as it is written.
pub(super) fn encode(state: &State) -> io::Result<Vec<u8>> {
    let state = serde_json::to_vec(state)?;
    let [before, between, after] = AROUND;
    Ok([before, &state, between, Checksum::of(&state).to_string().as_bytes(), after].concat())
}

/// The state that was written; `None` for anything that [`encode`] does not write: a flipped bit is found, wherever it is.
pub(super) fn decode(bytes: &[u8]) -> Option<State> {
    let [before, between, after] = AROUND;
    let (rest, checksum) = bytes.strip_prefix(before)?.strip_suffix(after)?.split_last_chunk::<16>()?;
    let state = rest.strip_suffix(between)?;
    // As text, for the digits of a number could be written in other ways.
    let is_whole = Checksum::of(state).to_string().as_bytes() == checksum;
    let state: State = is_whole.then(|| serde_json::from_slice(state).ok())??;
    BodyName::parse(&state.body).map(|_| state)
}

#[cfg(test)]
mod tests;
