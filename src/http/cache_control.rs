//! What a request demands of the freshness of its answer. Source: RFC 9111, sections 5.2.1 and 5.4.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

use crate::freshness::{Demand, Keeping, Source};

/// Reads Cache-Control, and Pragma where there is none.
///
/// Directives that are unknown, or whose value is none, are ignored; of those that come twice the stricter counts.
pub(super) fn demand(headers: &HeaderMap) -> Demand {
    let mut demand = Demand::default();
    let mut is_given = false;
    for value in headers.get_all(CACHE_CONTROL) {
        is_given = true;
        for directive in value.to_str().unwrap_or_default().split(',') {
            let (name, value) = directive.split_once('=').map_or((directive, None), |(name, value)| (name, Some(value)));
            take(&mut demand, name.trim(), value.map(str::trim));
        }
    }
    if !is_given && headers.get_all(PRAGMA).iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"no-cache")) {
        demand.source = Source::Record;
    }
    demand
}

fn take(demand: &mut Demand, name: &str, value: Option<&str>) {
    let is = |directive: &str| name.eq_ignore_ascii_case(directive);
    let secs = value.and_then(seconds);
    if is("no-cache") {
        demand.source = without_what_is_held(demand.source);
    } else if is("only-if-cached") {
        demand.source = without_the_record(demand.source);
    } else if is("no-store") {
        demand.keeping = Keeping::Dropped;
    } else if is("max-age") {
        demand.age_secs_max = secs.map(|secs| demand.age_secs_max.map_or(secs, |most| most.min(secs))).or(demand.age_secs_max);
    } else if is("min-fresh") {
        demand.ttl_secs_min = demand.ttl_secs_min.max(secs.unwrap_or(0));
    } else if is("max-stale") {
        let secs = if value.is_none() { Some(u32::MAX) } else { secs };
        let stricter = |secs: u32| if demand.overdue_secs_max == 0 { secs } else { demand.overdue_secs_max.min(secs) };
        demand.overdue_secs_max = secs.map_or(demand.overdue_secs_max, stricter);
    }
}

fn without_what_is_held(source: Source) -> Source {
    match source {
        Source::Nearest | Source::Record => Source::Record,
        Source::Tiers | Source::Nobody => Source::Nobody,
    }
}

fn without_the_record(source: Source) -> Source {
    match source {
        Source::Nearest | Source::Tiers => Source::Tiers,
        Source::Record | Source::Nobody => Source::Nobody,
    }
}

/// Whole seconds, in quotes or not; what is more than fits is as much as fits (RFC 9111, section 1.2.2).
fn seconds(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;

    use super::*;

    fn demanded(fields: &[(HeaderName, &'static str)]) -> Demand {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value.parse().unwrap());
        }
        demand(&headers)
    }

    #[test]
    fn every_directive_is_a_demand() {
        let plain = Demand::default();
        let cases = [
            ("", plain),
            ("no-cache", Demand { source: Source::Record, ..plain }),
            ("No-Cache", Demand { source: Source::Record, ..plain }),
            ("no-store", Demand { keeping: Keeping::Dropped, ..plain }),
            ("only-if-cached", Demand { source: Source::Tiers, ..plain }),
            ("only-if-cached, no-cache", Demand { source: Source::Nobody, ..plain }),
            ("no-cache, only-if-cached", Demand { source: Source::Nobody, ..plain }),
            ("max-age=0", Demand { age_secs_max: Some(0), ..plain }),
            (" max-age = 10 ", Demand { age_secs_max: Some(10), ..plain }),
            ("max-age=\"10\"", Demand { age_secs_max: Some(10), ..plain }),
            ("max-age=99999999999999999999", Demand { age_secs_max: Some(u32::MAX), ..plain }),
            ("min-fresh=20", Demand { ttl_secs_min: 20, ..plain }),
            ("max-stale=30", Demand { overdue_secs_max: 30, ..plain }),
            ("max-stale", Demand { overdue_secs_max: u32::MAX, ..plain }),
            (
                "max-age=5,max-stale=7, min-fresh=9",
                Demand { age_secs_max: Some(5), ttl_secs_min: 9, overdue_secs_max: 7, ..plain },
            ),
            // The stricter counts.
            ("max-age=10, max-age=20", Demand { age_secs_max: Some(10), ..plain }),
            ("max-age=20, max-age=10", Demand { age_secs_max: Some(10), ..plain }),
            ("max-age=20, max-age=soon", Demand { age_secs_max: Some(20), ..plain }),
            ("min-fresh=1, min-fresh=2", Demand { ttl_secs_min: 2, ..plain }),
            ("max-stale, max-stale=3", Demand { overdue_secs_max: 3, ..plain }),
        ];
        for (value, expected) in cases {
            assert_eq!(demanded(&[(CACHE_CONTROL, value)]), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_demand_is_ignored() {
        let ignored = [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=+1",
            "max-age=1.5",
            "max-age=ten",
            "max-age=\"1",
            "min-fresh",
            "max-stale=",
            "max-stale=x",
            "no-transform",
            "no-cachet",
            "public, max-aged=1",
            ",,,=,",
            "=1",
        ];
        for value in ignored {
            assert_eq!(demanded(&[(CACHE_CONTROL, value)]), Demand::default(), "{value}");
        }
    }

    #[test]
    fn several_lines_are_one_list_and_pragma_counts_only_alone() {
        let both = [(CACHE_CONTROL, "no-cache"), (CACHE_CONTROL, "max-age=3")];
        assert_eq!(demanded(&both), Demand { source: Source::Record, age_secs_max: Some(3), ..Demand::default() });
        assert_eq!(demanded(&[(PRAGMA, "no-cache")]), Demand { source: Source::Record, ..Demand::default() });
        assert_eq!(demanded(&[(PRAGMA, "x")]), Demand::default());
        let both = [(PRAGMA, "no-cache"), (CACHE_CONTROL, "max-age=3")];
        assert_eq!(demanded(&both), Demand { age_secs_max: Some(3), ..Demand::default() });
    }
}
