//! Tokens on disk: a nonce, and behind it a mark for as long as nothing was ever stored beside it.
//!
//! A directory may go without new epochs only while nobody's memory is vouched for that was filled in it. That is so of a token
//! with the mark, whoever reads it: an announcement made it together with its directory, and no store has taken the mark away.

use std::io;
use std::path::Path;

use crate::tier::directory::file::{self, Made};
use crate::tier::directory::nonce::{self, Placed};
use crate::tier::{Token, TokenMark};

/// What follows the 32 digits of a token that was announced, and no more than that.
const ANNOUNCED: &[u8] = b" announced";

/// Length of a token without the mark.
const TOKEN_BYTES: u64 = 32;

/// A token as its file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub token: Token,
    /// Whether it has the mark.
    pub is_first: bool,
}

/// Tokens go with their directories. Written in place, one could land in a file that a sweep has just moved aside.
impl Placed for TokenMark {
    fn put(path: &Path, content: &[u8]) -> io::Result<()> {
        file::replace(path, content)
    }

    fn get(path: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(file::read_named(path)?.map(|content| split(&content).0.to_vec()))
    }
}

/// The token that is there, or a new one where there is none; with the mark if `directory` was made for it.
pub(super) fn announce(path: &Path, directory: Made) -> io::Result<Token> {
    let mark = if directory == Made::Here { ANNOUNCED } else { b"" };
    nonce::have_with(path, mark)
}

/// Opens and reads the token; `None` where it is missing or illegible.
pub(super) fn read(path: &Path) -> io::Result<Option<Standing>> {
    let Some(content) = file::read_named(path)? else { return Ok(None) };
    let (digits, is_first) = split(&content);
    Ok(nonce::parse(digits).map(|token| Standing { token, is_first }))
}

/// Takes the mark away from whichever token is there by now: without it a directory stays for the sweep, and nothing else changes.
///
/// One that cannot be cut keeps the mark. Then what is stored beside it says as much, unless somebody removes that by hand.
pub(super) fn unmark(path: &Path) {
    if let Err(error) = file::cut(path, TOKEN_BYTES) {
        tracing::debug!(%error, "a token keeps its mark");
    }
}

/// What is before the mark, and whether there is one.
fn split(content: &[u8]) -> (&[u8], bool) {
    content.strip_suffix(ANNOUNCED).map_or((content, false), |digits| (digits, true))
}
