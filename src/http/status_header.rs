//! Says where an answer came from and how old it is: `Age`, `Cache-Status`, `Server-Timing`.

use std::fmt::Write;
use std::time::Duration;

use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cache::{Read, Served};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Writes what a read says of itself.
pub(super) fn write(headers: &mut HeaderMap, read: &Read) {
    headers.insert(AGE, HeaderValue::from(read.age.as_secs()));
    insert(headers, CACHE_STATUS, &cache_status(read));
    let mut timing = String::new();
    for (name, took) in [("directory", read.timings.directory), ("record", read.timings.record)] {
        if let Some(took) = took {
            let _infallible = write!(timing, "{}{name};dur={:.3}", if timing.is_empty() { "" } else { ", " }, millis(took));
        }
    }
    if timing.is_empty() {
        timing.push_str("memory");
    }
    insert(headers, SERVER_TIMING, &timing);
}

/// Says that the absence of an object was remembered, or that the record was asked.
pub(super) fn write_absence(headers: &mut HeaderMap, remembered_for: Option<Duration>) {
    match remembered_for {
        Some(age) => {
            headers.insert(AGE, HeaderValue::from(age.as_secs()));
            insert(headers, CACHE_STATUS, "cache-api; hit; detail=memory");
        }
        None => insert(headers, CACHE_STATUS, "cache-api; fwd=uri-miss; fwd-status=404"),
    }
}

/// Source: RFC 9211. `ttl` is in seconds, negative once stale.
fn cache_status(read: &Read) -> String {
    let ttl = read.ttl.as_secs();
    let mut status = match read.served {
        Served::Hit(tier) => return format!("cache-api; hit; ttl={ttl}; detail={tier}"),
        Served::Filled => "cache-api; fwd=uri-miss; fwd-status=200".to_owned(),
        Served::Replaced => "cache-api; fwd=stale; fwd-status=200".to_owned(),
        Served::Confirmed(tier) => format!("cache-api; fwd=stale; fwd-status=304; detail={tier}"),
        Served::Stale(tier) => return format!("cache-api; hit; ttl=-{}; detail=stale-{tier}", read.overdue.as_secs()),
    };
    if read.stored {
        status.push_str("; stored");
    }
    if read.collapsed {
        status.push_str("; collapsed");
    }
    status
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("words and numbers of our own"));
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
