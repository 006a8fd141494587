//! Which key a request names: by its path, decoded once with `+` a plus, or by `?path=`, decoded once as a form.

use std::borrow::Cow;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str};

use crate::cache::Cache;
use crate::http::form::{self, NotUtf8};
use crate::http::problem::Problem;
use crate::key::{InvalidKey, Key};

/// What a path segment may hold as it is. Source: RFC 3986, unreserved characters, and the slash.
pub(super) const ENCODED_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The key that a request names.
///
/// # Errors
/// A problem where it names none, two, or one that is no key.
pub(super) fn key(cache: &Cache, uri: &Uri) -> Result<Key, Problem> {
    let text = key_text(uri)?;
    cache.key(&text).map_err(|error| Problem::invalid_key(error, &text))
}

/// The text that a URL names a key with: what stands behind `/cache/`, decoded once, where a plus stays a plus; else the
/// value of `path` in the query, decoded once as a form.
///
/// # Errors
/// A problem where there is none, or two, or it is no UTF-8.
pub fn key_text(uri: &Uri) -> Result<Cow<'_, str>, Problem> {
    match uri.path().strip_prefix("/cache/") {
        Some(path) => percent_decode_str(path).decode_utf8().map_err(|_| Problem::invalid_key(InvalidKey::NotUtf8, path)),
        None => {
            let text = key_of_query(uri)?.ok_or_else(|| Problem::missing_parameter("path", "/cache?path=KEY or /cache/KEY"))?;
            Ok(text.into())
        }
    }
}

/// The value of `path` in the query; `None` where it is not there.
///
/// # Errors
/// A problem where it stands there twice or is no UTF-8.
pub(super) fn key_of_query(uri: &Uri) -> Result<Option<String>, Problem> {
    let pairs = form::pairs(uri.query().unwrap_or_default()).map_err(not_utf8)?;
    let mut values = pairs.into_iter().filter(|(name, _)| name == "path").map(|(_, value)| value);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Problem::bad_parameter("path", "is given more than once; name one key")),
        (value, None) => Ok(value),
    }
}

pub(super) fn not_utf8(refused: NotUtf8) -> Problem {
    Problem::bad_parameter(&refused.name, "is not UTF-8; percent-encode its UTF-8 bytes")
}
