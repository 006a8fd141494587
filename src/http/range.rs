//! Which part of a body a request asks for. Source: RFC 9110, section 14.

use http::HeaderMap;
use http::header::RANGE;

/// What is to be answered of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: no range is asked for, or one that may be ignored. So is a header that is malformed, names another unit or several
    /// ranges (14.2: a server may ignore it).
    Whole,
    /// The bytes from `first` to `last`, both included and both in the body.
    Bytes {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte.
        last: u64,
    },
    /// None of it: the range begins past the end, or asks for no byte.
    Unsatisfiable,
}

impl Part {
    /// Reads the Range header for a body of `size` bytes.
    pub fn of(headers: &HeaderMap, size: u64) -> Self {
        let mut values = headers.get_all(RANGE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Self::Whole };
        value.to_str().ok().and_then(|value| Self::parse(value, size)).unwrap_or(Self::Whole)
    }

    /// `None` for what is to be ignored.
    fn parse(value: &str, size: u64) -> Option<Self> {
        let (unit, ranges) = value.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        // A list may have empty elements (5.6.1).
        let mut ranges = ranges.split(',').map(str::trim).filter(|range| !range.is_empty());
        let (range, None) = (ranges.next()?, ranges.next()) else { return None };
        match range.split_once('-')? {
            ("", length) => Some(Self::suffix(number(length)?, size)),
            (first, "") => Some(Self::between(number(first)?, u64::MAX, size)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then(|| Self::between(first, last, size))
            }
        }
    }

    fn between(first: u64, last: u64, size: u64) -> Self {
        if first < size { Self::Bytes { first, last: last.min(size - 1) } } else { Self::Unsatisfiable }
    }

    fn suffix(length: u64, size: u64) -> Self {
        match (length, size) {
            (0, _) => Self::Unsatisfiable,
            // The last bytes of nothing are all of it, and there is no way to number them.
            (_, 0) => Self::Whole,
            (length, size) => Self::Bytes { first: size.saturating_sub(length), last: size - 1 },
        }
    }
}

/// A number of any length; what is past all bodies is past the end.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(value: &'static str, size: u64) -> Part {
        Part::of(&HeaderMap::from_iter([(RANGE, value.parse().unwrap())]), size)
    }

    fn bytes(first: u64, last: u64) -> Part {
        Part::Bytes { first, last }
    }

    #[test]
    fn a_range_is_cut_to_the_body() {
        let cases = [
            ("bytes=0-0", bytes(0, 0)),
            ("bytes=0-9", bytes(0, 9)),
            ("bytes=0-10", bytes(0, 9)),
            ("bytes=9-", bytes(9, 9)),
            ("bytes=3-5", bytes(3, 5)),
            ("Bytes = 3-5", bytes(3, 5)),
            ("bytes= , 3-5 ,", bytes(3, 5)),
            ("bytes=3-99999999999999999999999999", bytes(3, 9)),
            ("bytes=-1", bytes(9, 9)),
            ("bytes=-10", bytes(0, 9)),
            ("bytes=-99999999999999999999999999", bytes(0, 9)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=10-11", Part::Unsatisfiable),
            ("bytes=99999999999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
        ];
        for (value, expected) in cases {
            assert_eq!(part(value, 10), expected, "{value}");
        }
    }

    #[test]
    fn of_nothing_there_is_no_part() {
        assert_eq!(part("bytes=0-", 0), Part::Unsatisfiable);
        assert_eq!(part("bytes=-5", 0), Part::Whole);
        assert_eq!(part("bytes=-0", 0), Part::Unsatisfiable);
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_ignored() {
        let ignored = [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=1",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1- 2",
            "bytes=0x1-2",
            "bytes=1-2-3",
            "bytes=--1",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes=0-1;3-4",
        ];
        for value in ignored {
            assert_eq!(part(value, 10), Part::Whole, "{value}");
        }
        assert_eq!(Part::of(&HeaderMap::new(), 10), Part::Whole);
        let twice = HeaderMap::from_iter([(RANGE, "bytes=0-1".parse().unwrap())]);
        let mut twice = twice.clone();
        twice.append(RANGE, "bytes=3-4".parse().unwrap());
        assert_eq!(Part::of(&twice, 10), Part::Whole, "given twice");
    }
}
