//! Ranges, by tables.

use super::*;

fn selection(value: &str, size: u64) -> Selection {
    Selection::of(&HeaderMap::from_iter([(RANGE, value.parse().unwrap())]), size)
}

/// Both included, as they are written.
fn part(first: u64, last: u64) -> Selection {
    Selection::Part(first..last + 1)
}

fn parts(parts: &[(u64, u64)]) -> Selection {
    Selection::Parts(parts.iter().map(|(first, last)| *first..last + 1).collect())
}

#[test]
fn a_range_is_cut_to_the_body() {
    let cases = [
        ("bytes=0-0", part(0, 0)),
        ("bytes=0-9", part(0, 9)),
        ("bytes=0-10", part(0, 9)),
        ("bytes=9-", part(9, 9)),
        ("bytes=3-5", part(3, 5)),
        ("Bytes = 3-5", part(3, 5)),
        ("bytes= , 3-5 ,", part(3, 5)),
        ("bytes=3-99999999999999999999999999", part(3, 9)),
        ("bytes=0-18446744073709551615", part(0, 9)),
        ("bytes=-1", part(9, 9)),
        ("bytes=-10", part(0, 9)),
        ("bytes=-99999999999999999999999999", part(0, 9)),
        ("bytes=10-", Selection::Unsatisfiable),
        ("bytes=10-11", Selection::Unsatisfiable),
        ("bytes=99999999999999999999999999-", Selection::Unsatisfiable),
        ("bytes=-0", Selection::Unsatisfiable),
        ("bytes=10-,-0,99-100", Selection::Unsatisfiable),
    ];
    for (value, expected) in cases {
        assert_eq!(selection(value, 10), expected, "{value}");
    }
}

#[test]
fn of_nothing_there_is_no_part() {
    assert_eq!(selection("bytes=0-", 0), Selection::Unsatisfiable);
    assert_eq!(selection("bytes=-5", 0), Selection::Whole);
    assert_eq!(selection("bytes=0-,-5", 0), Selection::Whole);
    assert_eq!(selection("bytes=-0", 0), Selection::Unsatisfiable);
}

#[test]
fn several_ranges_come_in_their_order_and_no_byte_twice() {
    let cases = [
        ("bytes=0-9,500-509", parts(&[(0, 9), (500, 509)])),
        ("bytes=500-509,0-9", parts(&[(500, 509), (0, 9)])),
        ("bytes=-10, 0-0 , 400-400", parts(&[(990, 999), (0, 0), (400, 400)])),
        // What begins past the end is left out; what is left is no list.
        ("bytes=0-9,1000-", part(0, 9)),
        ("bytes=0-9,1000-,500-509", parts(&[(0, 9), (500, 509)])),
        // Overlapping, reversed, the same, one in the other, touching, nearly touching.
        ("bytes=0-200,100-300", part(0, 300)),
        ("bytes=100-300,0-200", part(0, 300)),
        ("bytes=5-9,5-9,5-9", part(5, 9)),
        ("bytes=0-,-1", part(0, 999)),
        ("bytes=400-600,500-510", part(400, 600)),
        ("bytes=0-9,10-19", part(0, 19)),
        ("bytes=0-9,138-140", part(0, 140)),
        ("bytes=0-9,139-140", parts(&[(0, 9), (139, 140)])),
        ("bytes=900-,0-9,5-20", parts(&[(900, 999), (0, 20)])),
        ("bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-", part(0, 999)),
    ];
    for (value, expected) in cases {
        assert_eq!(selection(value, 1000), expected, "{value}");
    }
}

#[test]
fn thousands_of_ranges_are_answered_by_the_whole() {
    let list = |count: u64| (0..count).map(|number| format!("{0}-{0}", number * 1000)).collect::<Vec<_>>().join(",");
    for (count, is_whole) in [(2, false), (64, false), (65, true), (1000, true), (100_000, true)] {
        let selected = selection(&format!("bytes={}", list(count)), u64::MAX);
        assert_eq!(selected == Selection::Whole, is_whole, "{count} ranges");
    }
    // Empty elements are no ranges, however many.
    assert_eq!(selection(&format!("bytes={}0-1", ",".repeat(10_000)), 10), part(0, 1));
}

#[test]
fn what_is_no_range_of_bytes_is_ignored() {
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
        "bytes=0-1;3-4",
        // One that is none spoils the list.
        "bytes=0-1,5-2",
        "bytes=0-1,x",
        "bytes=0-1,-",
    ];
    for value in ignored {
        assert_eq!(selection(value, 10), Selection::Whole, "{value}");
    }
    assert_eq!(Selection::of(&HeaderMap::new(), 10), Selection::Whole);
    let mut twice = HeaderMap::from_iter([(RANGE, "bytes=0-1".parse().unwrap())]);
    twice.append(RANGE, "bytes=3-4".parse().unwrap());
    assert_eq!(Selection::of(&twice, 10), Selection::Whole, "given twice");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is asked for of the body is what is sent, each byte once; what is sent besides lies between two ranges that
        /// nearly touch.
        #[test]
        fn each_byte_that_is_asked_for_is_sent_once(
            size in 1_u64..2000,
            asked in prop::collection::vec((0_u64..2200, prop::option::of(0_u64..300)), 1..20),
        ) {
            let list: Vec<_> = asked.iter().map(|(first, more)| match more {
                Some(more) => format!("{first}-{}", first + more),
                None => format!("{first}-"),
            }).collect();
            let is_asked = |byte: u64| {
                asked.iter().any(|(first, more)| byte >= *first && more.is_none_or(|more| byte <= first + more))
            };
            let sent = match selection(&format!("bytes={}", list.join(",")), size) {
                Selection::Whole => panic!("ignored"),
                Selection::Part(range) => vec![range],
                Selection::Parts(ranges) => ranges,
                Selection::Unsatisfiable => Vec::new(),
            };
            for byte in 0..size {
                let times = sent.iter().filter(|range| range.contains(&byte)).count();
                prop_assert!(times <= 1, "byte {} is sent {} times", byte, times);
                prop_assert!(times == 1 || !is_asked(byte), "byte {} is missing", byte);
            }
            for range in &sent {
                prop_assert!(range.start < range.end && range.end <= size, "{:?} of {}", range, size);
                prop_assert!(is_asked(range.start) && is_asked(range.end - 1), "{:?} is wider than what is asked for", range);
            }
        }
    }
}
