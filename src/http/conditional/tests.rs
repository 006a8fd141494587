//! The order of conditions, against a table of every combination; tags and dates, by tables.

use http::HeaderValue;

use super::*;

/// 1994-11-06 08:49:37 and some milliseconds, which no header shows.
const MODIFIED: Timestamp = Timestamp::from_millis(784_111_777_345);

const CURRENT: Validators<'static> =
    Validators { etag: "\"a\"", last_modified: MODIFIED, confirmed_at: Timestamp::from_millis(784_111_790_000) };

fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn judged(method: &Method, fields: &[(HeaderName, &str)]) -> Condition {
    judge(method, &headers(fields), Some(CURRENT))
}

/// A field's value, and whether the condition that it makes is true of [`CURRENT`], read or not; `None` where it is to be ignored.
type Case = (Option<&'static str>, Option<bool>);

const IF_MATCHES: [Case; 6] = [
    (None, None),
    (Some("\"a\""), Some(true)),
    (Some("W/\"a\""), Some(false)),
    (Some("\"b\", \"a\""), Some(true)),
    (Some("\"b\""), Some(false)),
    (Some("*"), Some(true)),
];

const IF_UNMODIFIEDS: [Case; 5] = [
    (None, None),
    (Some("Sun, 06 Nov 1994 08:49:36 GMT"), Some(false)),
    (Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(true)),
    (Some("Sunday, 06-Nov-94 08:49:38 GMT"), Some(true)),
    (Some("yesterday"), None),
];

const IF_NONE_MATCHES: [Case; 6] = [
    (None, None),
    (Some("\"a\""), Some(false)),
    (Some("W/\"a\""), Some(false)),
    (Some("\"b\", W/\"a\""), Some(false)),
    (Some("\"b\""), Some(true)),
    (Some("*"), Some(false)),
];

const IF_MODIFIEDS: [Case; 5] = [
    (None, None),
    (Some("Sun, 06 Nov 1994 08:49:36 GMT"), Some(true)),
    (Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(false)),
    (Some("Sun Nov  6 08:49:38 1994"), Some(false)),
    (Some("yesterday"), None),
];

/// RFC 9110, section 13.2.2, steps 1 to 4, word for word.
fn by_the_rfc(method: &Method, conditions: [Option<bool>; 4], is_none_match_sent: bool, is_match_sent: bool) -> Condition {
    let [if_match, if_unmodified, if_none_match, if_modified] = conditions;
    let is_get_or_head = [Method::GET, Method::HEAD].contains(method);
    // 1. When recipient is the origin server and If-Match is present: if true, continue to step 3; if false, respond 412.
    if is_match_sent {
        if if_match == Some(false) {
            return Condition::Failed;
        }
    // 2. If-Match is not present, and If-Unmodified-Since is present: if true, continue to step 3; if false, respond 412.
    } else if if_unmodified == Some(false) {
        return Condition::Failed;
    }
    // 3. When If-None-Match is present: if true, continue to step 5; if false for GET/HEAD, respond 304; if false for other
    // methods, respond 412.
    if is_none_match_sent {
        return match (if_none_match, is_get_or_head) {
            (Some(false), true) => Condition::NotModified,
            (Some(false), false) => Condition::Failed,
            _ => Condition::Met,
        };
    }
    // 4. When the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present: if true, continue to
    // step 5; if false, respond 304.
    if is_get_or_head && if_modified == Some(false) { Condition::NotModified } else { Condition::Met }
}

#[test]
fn every_combination_is_judged_in_the_order_of_the_rfc() {
    let mut combinations = 0;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::POST] {
        for (match_value, match_holds) in IF_MATCHES {
            for (unmodified_value, unmodified_holds) in IF_UNMODIFIEDS {
                for (none_match_value, none_match_holds) in IF_NONE_MATCHES {
                    for (modified_value, modified_holds) in IF_MODIFIEDS {
                        let fields = [
                            (IF_MATCH, match_value),
                            (IF_UNMODIFIED_SINCE, unmodified_value),
                            (IF_NONE_MATCH, none_match_value),
                            (IF_MODIFIED_SINCE, modified_value),
                        ];
                        let fields: Vec<_> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                        let conditions = [match_holds, unmodified_holds, none_match_holds, modified_holds];
                        let expected = by_the_rfc(&method, conditions, none_match_value.is_some(), match_value.is_some());
                        assert_eq!(judged(&method, &fields), expected, "{method} {fields:?}");
                        combinations += 1;
                    }
                }
            }
        }
    }
    assert_eq!(combinations, 5 * 6 * 5 * 6 * 5);
}

#[test]
fn of_what_is_not_there_no_tag_holds_and_no_date_counts() {
    let cases = [
        ((IF_MATCH, "*"), Condition::Failed),
        ((IF_MATCH, "\"a\""), Condition::Failed),
        ((IF_NONE_MATCH, "*"), Condition::Met),
        ((IF_NONE_MATCH, "\"a\""), Condition::Met),
        ((IF_UNMODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT"), Condition::Met),
        ((IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:38 GMT"), Condition::Met),
    ];
    for (field, expected) in cases {
        assert_eq!(judge(&Method::DELETE, &headers(std::slice::from_ref(&field)), None), expected, "{field:?}");
    }
}

#[test]
fn tags_are_read_one_by_one_and_what_is_none_names_nothing() {
    let has = |value| judged(&Method::GET, &[(IF_NONE_MATCH, value)]) == Condition::NotModified;
    for value in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"x,y\",W/\"a\"", "*", ", ,\"b\" ,\t\"a\",", "\"\", \"a\"", " * "] {
        assert!(has(value), "{value}");
    }
    for value in ["\"b\"", "a", "\"A\"", "\"a", "", "w/\"a\"", "W/ \"a\"", "\"b\" \"a\"", "a, \"a\"", "\"b\"x, \"a\"", "** "] {
        assert!(!has(value), "{value}");
    }
    // A field may come in several lines; together they are one list.
    assert_eq!(judged(&Method::GET, &[(IF_NONE_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")]), Condition::NotModified);
    assert_eq!(judged(&Method::PUT, &[(IF_MATCH, "\"b\""), (IF_MATCH, "\"a\"")]), Condition::Met);
    let list = format!("{}\"a\"", "\"b\", ".repeat(10_000));
    assert!(has(&list), "a long list");
}

#[test]
fn a_weak_tag_of_the_record_is_no_strong_one() {
    let weak = Validators { etag: "W/\"a\"", ..CURRENT };
    let judged = |name, value| judge(&Method::GET, &headers(&[(name, value)]), Some(weak));
    assert_eq!(judged(IF_NONE_MATCH, "\"a\""), Condition::NotModified);
    assert_eq!(judged(IF_MATCH, "W/\"a\""), Condition::Failed);
    assert_eq!(judged(IF_MATCH, "\"a\""), Condition::Failed);
    assert!(!weak.allow_part(&headers(&[(IF_RANGE, "W/\"a\"")])));
}

#[test]
fn a_date_in_any_form_counts_and_what_is_none_is_ignored() {
    let is_modified = |value| judged(&Method::GET, &[(IF_MODIFIED_SINCE, value)]) == Condition::Met;
    for value in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert!(!is_modified(value), "{value}");
    }
    // None of these is a date; were it taken for one, it would be a late one.
    let none = [
        "",
        "0",
        "tomorrow",
        "2030-01-01T00:00:00Z",
        "Sun, 06 Nov 2094 08:49:37 GMT",
        "Sat, 06 Nov 2094 08:49:37",
        "Sat, 06 Nov 2094 08:49:37 CET",
        "Sat, 06 Nov 2094 25:49:37 GMT",
        "Sat, 31 Feb 2094 08:49:37 GMT",
        "Sat, 06 nov 2094 08:49:37 GMT",
        "Sat, 06 Nov 12094 08:49:37 GMT",
        "Sat, 06 Nov 2094 08:49:37 GMT, Sat, 06 Nov 2094 08:49:37 GMT",
    ];
    assert!(!is_modified("Sat, 06 Nov 2094 08:49:37 GMT"), "this is one");
    for value in none {
        assert!(is_modified(value), "{value}");
    }
    let twice = ["Sat, 06 Nov 2094 08:49:37 GMT"; 2].map(|value| (IF_MODIFIED_SINCE, value));
    assert_eq!(judged(&Method::GET, &twice), Condition::Met, "two dates");
}

#[test]
fn a_part_is_of_the_version_that_if_range_names() {
    let allows = |current: &Validators<'_>, value| current.allow_part(&headers(&[(IF_RANGE, value)]));
    let just_modified = Validators { confirmed_at: MODIFIED, ..CURRENT };
    assert!(just_modified.allow_part(&HeaderMap::new()));
    assert!(allows(&just_modified, "\"a\""));
    for value in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert!(allows(&CURRENT, value), "{value}");
        assert!(!allows(&just_modified, value), "there may be another of the same second");
    }
    for value in
        ["\"b\"", "W/\"a\"", "a", "Sun, 06 Nov 1994 08:49:38 GMT", "Sun, 06 Nov 1994", "*", "", "\"b\", \"a\"", "\"a\", \"b\""]
    {
        assert!(!allows(&CURRENT, value), "{value}");
    }
}
