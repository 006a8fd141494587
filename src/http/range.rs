//! Which parts of a body a request asks for. Source: RFC 9110, section 14.

use std::ops::Range;

use http::HeaderMap;
use http::header::RANGE;

/// The most ranges that are answered one by one; who asks for more is sent the whole. Nobody who computes on columns needs more, and
/// each of a body that is not in memory is a request to the record.
const RANGES_MAX: usize = 64;

/// Ranges with fewer bytes between them are sent as one: a boundary and the head of a part take about as many.
const GAP_BYTES: u64 = 128;

/// What is to be answered of a body. Ranges are from the first byte up to and without the last, lie in the body and hold a byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// All of it: no range is asked for, or one that may be ignored. So is a header that is malformed, names another unit or too
    /// many ranges (14.2: a server may ignore it).
    Whole,
    /// One part.
    Part(Range<u64>),
    /// Several, none of which touches another, in the order in which they are asked for.
    Parts(Vec<Range<u64>>),
    /// None of it: every range begins past the end, or asks for no byte.
    Unsatisfiable,
}

impl Selection {
    /// Reads the Range header for a body of `size` bytes.
    pub fn of(headers: &HeaderMap, size: u64) -> Self {
        let mut values = headers.get_all(RANGE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Self::Whole };
        value.to_str().ok().and_then(|value| Self::parse(value, size)).unwrap_or(Self::Whole)
    }

    /// Where the first part begins; `None` where no part is asked for.
    pub fn first(&self) -> Option<u64> {
        match self {
            Self::Part(range) => Some(range.start),
            Self::Parts(ranges) => ranges.first().map(|range| range.start),
            Self::Whole | Self::Unsatisfiable => None,
        }
    }

    /// `None` for what is to be ignored.
    fn parse(value: &str, size: u64) -> Option<Self> {
        let (unit, ranges) = value.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let mut found = Vec::new();
        let mut is_any_asked = false;
        // A list may have empty elements (5.6.1).
        for (place, range) in ranges.split(',').map(str::trim).filter(|range| !range.is_empty()).enumerate() {
            if place == RANGES_MAX {
                return None;
            }
            is_any_asked = true;
            match Asked::parse(range)?.within(size) {
                Some(range) => found.push(range),
                // The last bytes of nothing are all of it, and there is no way to number them.
                None if size == 0 && Asked::parse(range)?.is_suffix_of_something() => return None,
                None => {}
            }
        }
        is_any_asked.then(|| Self::merged(found))
    }

    /// Puts together what overlaps or nearly touches, so that no byte is sent twice (14.2, and 17.15 on why).
    fn merged(asked: Vec<Range<u64>>) -> Self {
        let mut by_start: Vec<(usize, Range<u64>)> = asked.into_iter().enumerate().collect();
        by_start.sort_by_key(|(_, range)| range.start);
        let mut merged = Vec::<(usize, Range<u64>)>::with_capacity(by_start.len());
        for (place, range) in by_start {
            match merged.last_mut() {
                Some((first_place, last)) if range.start <= last.end.saturating_add(GAP_BYTES) => {
                    last.end = last.end.max(range.end);
                    *first_place = place.min(*first_place);
                }
                _ => merged.push((place, range)),
            }
        }
        merged.sort_by_key(|(place, _)| *place);
        let mut ranges: Vec<_> = merged.into_iter().map(|(_, range)| range).collect();
        match (ranges.pop(), ranges.is_empty()) {
            (None, _) => Self::Unsatisfiable,
            (Some(only), true) => Self::Part(only),
            (Some(last), false) => {
                ranges.push(last);
                Self::Parts(ranges)
            }
        }
    }
}

/// One range, as it was asked for.
#[derive(Clone, Copy)]
enum Asked {
    /// From the first byte to the last, both included.
    Between(u64, u64),
    /// So many bytes at the end.
    Suffix(u64),
}

impl Asked {
    /// `None` for what is no range.
    fn parse(range: &str) -> Option<Self> {
        match range.split_once('-')? {
            ("", length) => Some(Self::Suffix(number(length)?)),
            (first, "") => Some(Self::Between(number(first)?, u64::MAX)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// What of it lies in a body of `size` bytes; `None` where nothing does.
    fn within(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::Suffix(length) => size.saturating_sub(length)..size,
        };
        (range.start < range.end).then_some(range)
    }

    fn is_suffix_of_something(self) -> bool {
        matches!(self, Self::Suffix(1..))
    }
}

/// A number of any length; what is past all bodies is past the end.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
