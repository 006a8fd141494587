//! What a client takes: media types and content codings, by their weights. Pure.
//!
//! Source: RFC 9110, sections 12.4.2, 12.5.1 and 12.5.3.

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A weight between 0, for never, and 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight(u16);

impl Weight {
    const NEVER: Self = Self(0);
    const FULL: Self = Self(1_000);

    /// Parses `0`, `0.8`, `1.000`; `None` for what is no weight.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_fraction = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let thousandths = format!("{fraction:0<3}").parse().ok().filter(|_| is_fraction)?;
        match whole {
            "0" => Some(Self(thousandths)),
            "1" if thousandths == 0 => Some(Self::FULL),
            _ => None,
        }
    }
}

/// The media types that a request takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accept {
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

/// A content coding that is applied here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// In the order they are chosen among those that are wanted alike: the quickest to make and unmake first.
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in Content-Encoding.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The coding that a request wants most; `None` where that is none at all. Without a header none is wanted: what does
    /// not ask may not know any.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(ACCEPT_ENCODING) {
            return None;
        }
        let codings: Vec<_> = weighted(headers, &ACCEPT_ENCODING).collect();
        let named = |name: &str| codings.iter().find(|(coding, _)| coding == name).map(|(_, weight)| *weight);
        let weight = |name: &str| named(name).or_else(|| named("*")).unwrap_or(Weight::NEVER);
        let best = Self::ALL.into_iter().rev().max_by_key(|coding| weight(coding.name()))?;
        let best_weight = weight(best.name());
        let is_wanted = best_weight > Weight::NEVER && best_weight >= named("identity").unwrap_or(Weight::NEVER);
        is_wanted.then_some(best)
    }
}

/// Whether something of an answer depends on the request's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Other headers could have had another answer.
    ByRequest,
    /// It is the same whatever they say.
    Always,
}

/// The headers by which the format and the coding of an answer were chosen. Source: RFC 9110, section 12.5.5.
pub(super) fn vary(format: Chosen, coding: Chosen) -> Option<HeaderValue> {
    let names = match (format, coding) {
        (Chosen::ByRequest, Chosen::ByRequest) => "accept, accept-encoding, sec-fetch-mode",
        (Chosen::ByRequest, Chosen::Always) => "accept, sec-fetch-mode",
        (Chosen::Always, Chosen::ByRequest) => "accept-encoding",
        (Chosen::Always, Chosen::Always) => return None,
    };
    Some(HeaderValue::from_static(names))
}

/// Whether a person's browser asks for a page to show: it names HTML first, and goes there itself.
///
/// Source: Fetch Metadata Request Headers, W3C.
pub(super) fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") && Accept::of(headers).prefers("text/html")
}

/// A media type without its parameters, in lower case.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The members of a list and their weights, names in lower case, other parameters left out.
fn weighted(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = (String, Weight)> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(members).filter_map(|member| {
        let mut parameters = member.split(';');
        let name = parameters.next()?.trim().to_ascii_lowercase();
        let weight = parameters.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| Weight::parse(value.trim()))
        });
        (!name.is_empty()).then_some((name, weight.unwrap_or(Some(Weight::FULL))?))
    })
}

/// What stands between commas, but for those in quotes.
fn members(list: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    list.split(move |character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
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
    fn the_coding_is_the_one_that_is_wanted_most() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, deflate, br", Some(Coding::Brotli)),
            ("gzip, deflate", Some(Coding::Gzip)),
            ("GZIP;q=0.5, br;q=0.4", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("*;q=0.1, zstd;q=0", Some(Coding::Brotli)),
            ("gzip;q=0", None),
            ("identity", None),
            ("gzip;q=0.5, identity;q=0.6", None),
            ("gzip;q=0.5, identity;q=0.5", Some(Coding::Gzip)),
            ("deflate", None),
            ("", None),
        ] {
            assert_eq!(Coding::of(&headers(ACCEPT_ENCODING, value)), expected, "{value}");
        }
        assert_eq!(Coding::of(&HeaderMap::new()), None);
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
