//! Says where an answer came from and how old it is: `Age`, `Cache-Status`, `Server-Timing`.

use std::fmt::{self, Write};
use std::time::Duration;

use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cache::{Read, Served};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Writes what a read says of itself.
pub(super) fn write(headers: &mut HeaderMap, read: &Read) {
    // One text for all: every answer goes through here.
    let mut text = String::with_capacity(128);
    for (name, say) in [(AGE, say_age as fn(&mut String, &Read)), (CACHE_STATUS, say_cache_status), (SERVER_TIMING, say_timings)]
    {
        text.clear();
        say(&mut text, read);
        insert(headers, name, &text);
    }
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

/// In seconds. Source: RFC 9111, section 5.1.
fn say_age(text: &mut String, read: &Read) {
    say(text, format_args!("{}", read.age.as_secs()));
}

/// Source: RFC 9211. `ttl` is in seconds, negative once stale.
fn say_cache_status(text: &mut String, read: &Read) {
    let ttl = read.ttl.as_secs();
    match read.served {
        Served::Hit(tier) => say(text, format_args!("cache-api; hit; ttl={ttl}; detail={tier}")),
        Served::Filled => text.push_str("cache-api; fwd=uri-miss; fwd-status=200"),
        Served::Replaced => text.push_str("cache-api; fwd=stale; fwd-status=200"),
        Served::Confirmed(tier) => say(text, format_args!("cache-api; fwd=stale; fwd-status=304; detail={tier}")),
        Served::Stale(tier) => say(text, format_args!("cache-api; hit; ttl=-{}; detail=stale-{tier}", read.overdue.as_secs())),
    }
    let asked = matches!(read.served, Served::Filled | Served::Replaced | Served::Confirmed(_));
    if asked && read.stored {
        text.push_str("; stored");
    }
    if asked && read.collapsed {
        text.push_str("; collapsed");
    }
}

/// In ms. Source: Server Timing, W3C.
fn say_timings(text: &mut String, read: &Read) {
    for (name, took) in [("directory", read.timings.directory), ("record", read.timings.record)] {
        if let Some(took) = took {
            say(text, format_args!("{}{name};dur={:.3}", if text.is_empty() { "" } else { ", " }, millis(took)));
        }
    }
    if text.is_empty() {
        text.push_str("memory");
    }
}

fn say(text: &mut String, words: fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a text takes all");
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("words and numbers of our own"));
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
