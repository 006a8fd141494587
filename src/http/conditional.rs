//! Preconditions of a request. Source: RFC 9110, section 13.

use http::HeaderMap;
use http::header::{IF_NONE_MATCH, IF_RANGE};

use crate::entry::Version;
use crate::freshness::{CLOCK_SLACK, Timestamp};

/// Whether `If-None-Match` names the version with `etag`: then the client has it, and the answer is 304.
pub(super) fn client_has(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = strong(etag);
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        // Entity tags may hold commas, so that the list is read tag by tag.
        value.trim() == "*" || tags(value).any(|tag| tag == opaque)
    })
}

/// Whether a Range may be answered with a part of `version`, which the record had at `confirmed_at`: there is no `If-Range`, or
/// it names this very version. A weak tag names none; a date only one that was old enough not to have had another in its second.
///
/// Source: RFC 9110, sections 13.1.5 and 8.8.2.2.
pub(super) fn allows_part(headers: &HeaderMap, version: &Version, confirmed_at: Timestamp) -> bool {
    let Some(value) = headers.get(IF_RANGE) else { return true };
    let Ok(validator) = value.to_str() else { return false };
    if validator.contains('"') {
        return !validator.starts_with("W/") && validator == &*version.etag;
    }
    let is_settled = confirmed_at.since(version.last_modified) >= CLOCK_SLACK;
    // As it is written in Last-Modified: to the second.
    is_settled && validator == httpdate::fmt_http_date(version.last_modified.into())
}

/// The opaque part of each tag in a list; If-None-Match compares weakly.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.find('"')?;
        let length = rest[start + 1..].find('"')?;
        let tag = &rest[start..start + length + 2];
        rest = &rest[start + length + 2..];
        Some(tag)
    })
}

fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &'static str, etag: &str) -> bool {
        client_has(&HeaderMap::from_iter([(IF_NONE_MATCH, value.parse().unwrap())]), etag)
    }

    #[test]
    fn any_tag_of_the_list_counts_and_compares_weakly() {
        for value in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"x,y\",W/\"a\"", "*"] {
            assert!(has(value, "\"a\""), "{value}");
        }
        for value in ["\"b\"", "a", "\"A\"", "\"a", ""] {
            assert!(!has(value, "\"a\""), "{value}");
        }
        assert!(!client_has(&HeaderMap::new(), "\"a\""));
    }

    #[test]
    fn a_part_is_of_the_version_that_if_range_names() {
        let modified = Timestamp::from_millis(784_111_777_000);
        let version = Version { etag: "\"a\"".into(), last_modified: modified };
        let settled = Timestamp::from_millis(784_111_780_000);
        let allows = |value: &'static str, confirmed_at| {
            allows_part(&HeaderMap::from_iter([(IF_RANGE, value.parse().unwrap())]), &version, confirmed_at)
        };
        assert!(allows_part(&HeaderMap::new(), &version, modified));
        assert!(allows("\"a\"", modified));
        assert!(allows("Sun, 06 Nov 1994 08:49:37 GMT", settled));
        assert!(!allows("Sun, 06 Nov 1994 08:49:37 GMT", modified), "there may be another of the same second");
        for value in ["\"b\"", "W/\"a\"", "a", "Sun, 06 Nov 1994 08:49:38 GMT", "Sun, 06 Nov 1994", "*", ""] {
            assert!(!allows(value, settled), "{value}");
        }
        let weak = Version { etag: "W/\"a\"".into(), last_modified: modified };
        assert!(!allows_part(&HeaderMap::from_iter([(IF_RANGE, "W/\"a\"".parse().unwrap())]), &weak, settled));
    }
}
