//! Preconditions of a request. Source: RFC 9110, section 13.

use http::HeaderMap;
use http::header::IF_NONE_MATCH;

/// Whether `If-None-Match` names the version with `etag`: then the client has it, and the answer is 304.
pub(super) fn client_has(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = strong(etag);
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        // Entity tags may hold commas, so that the list is read tag by tag.
        value.trim() == "*" || tags(value).any(|tag| tag == opaque)
    })
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
}
