//! Media types that a client takes: only tables have more than one.

use http::HeaderMap;
use http::header::ACCEPT;

use super::{Weight, weighted};

/// The media types that a request takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Accept {
    /// In lower case; none where everything is taken.
    ranges: Vec<(String, Weight)>,
}

impl Accept {
    /// Reads the Accept headers. What is malformed in them is left out; where nothing is left everything is taken.
    pub fn of(headers: &HeaderMap) -> Self {
        let ranges = weighted(headers, &ACCEPT).filter(|(range, _)| range.split('/').count() == 2);
        Self { ranges: ranges.collect() }
    }

    /// How much a media type is wanted: as the most specific range says that admits it. Its parameters do not count.
    pub fn weight(&self, media_type: &str) -> Weight {
        if self.ranges.is_empty() {
            return Weight::FULL;
        }
        let wanted = essence(media_type);
        let family = wanted.split('/').next().unwrap_or_default();
        let of = |range: &str| self.ranges.iter().filter(|(known, _)| known == range).map(|(_, weight)| *weight).max();
        of(&wanted).or_else(|| of(&format!("{family}/*"))).or_else(|| of("*/*")).unwrap_or(Weight::NEVER)
    }

    /// Whether a media type is taken at all.
    pub fn admits(&self, media_type: &str) -> bool {
        self.weight(media_type) > Weight::NEVER
    }

    /// Whether a media type is named, and nothing is wanted more.
    pub fn prefers(&self, media_type: &str) -> bool {
        let wanted = essence(media_type);
        let named = self.ranges.iter().find(|(range, _)| *range == wanted);
        named.is_some_and(|(_, weight)| *weight > Weight::NEVER && self.ranges.iter().all(|(_, other)| other <= weight))
    }
}

/// Whether a person's browser asks for a page to show: it names HTML first, and goes there itself.
///
/// Source: Fetch Metadata Request Headers, W3C.
pub(in crate::http) fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") && Accept::of(headers).prefers("text/html")
}

/// A media type without its parameters, in lower case.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn the_most_specific_range_says_how_much_a_type_is_wanted() {
        let accept = Accept::of(&headers(ACCEPT, "text/*;q=0.3, Text/HTML ;q=0.7, text/csv;header=\"a,b\";Q=0, */*;q=0.5"));
        for (media_type, weight) in [
            ("text/html; charset=utf-8", 700),
            ("text/plain", 300),
            ("text/csv", 0),
            ("application/json", 500),
            ("TEXT/HTML", 700),
        ] {
            assert_eq!(accept.weight(media_type), Weight(weight), "{media_type}");
        }
        assert!(accept.prefers("text/html"));
        assert!(!accept.admits("text/csv"));
    }

    #[test]
    fn what_says_nothing_takes_everything() {
        for value in ["", ",", "json", "a/b/c", "a/b;q=2", "a/b;q=x", "a/b;q=0.1234"] {
            assert!(Accept::of(&headers(ACCEPT, value)).admits("x/y"), "{value}");
        }
        assert!(Accept::of(&HeaderMap::new()).admits("x/y"));
        assert!(!Accept::of(&headers(ACCEPT, "a/b")).admits("x/y"));
        assert!(!Accept::of(&headers(ACCEPT, "*/*;q=0")).admits("x/y"));
    }

    #[test]
    fn a_browser_that_goes_there_itself_wants_a_page() {
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        let mut there = headers(ACCEPT, chrome);
        assert!(!is_navigation(&there), "as curl could send it");
        there.insert("sec-fetch-mode", "cors".parse().unwrap());
        assert!(!is_navigation(&there), "a script asks");
        there.insert("sec-fetch-mode", "navigate".parse().unwrap());
        assert!(is_navigation(&there));
        there.insert(ACCEPT, "*/*".parse().unwrap());
        assert!(!is_navigation(&there));
    }
}
