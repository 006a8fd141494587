//! What a client takes: media types and content codings, by their weights. Pure.
//!
//! Source: RFC 9110, sections 12.4.2, 12.5.1 and 12.5.3.

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue};

#[cfg(feature = "frames")]
mod accept;

#[cfg(feature = "frames")]
pub(super) use accept::{Accept, is_navigation};

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
}
