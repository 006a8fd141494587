//! Says where an answer came from and how old it is: `Age`, `Cache-Status`, `Server-Timing`, `Cache-Control`.

use std::fmt::{self, Write};
use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::utf8_percent_encode;

use crate::cache::{Read, Served};
use crate::error::Error;
use crate::http::target::ENCODED_IN_PATH;
use crate::key::Key;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Caches between us and the client may keep an answer, and ask each time whether it is still true: doubts reach us and not
/// them, and asking costs a 304. It is more than must-revalidate, which lets them wait until an answer is stale.
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");

/// Writes what a read of `key` says of itself; `more` is what was done with it besides, and how long that took.
pub(super) fn write(headers: &mut HeaderMap, key: &Key, read: &Read, more: &[(&'static str, Duration)]) {
    headers.insert(AGE, HeaderValue::from(read.age.as_secs()));
    let mut text = String::with_capacity(160);
    say_cache_status(&mut text, key, read);
    insert(headers, CACHE_STATUS, &text);
    text.clear();
    say_timings(&mut text, read, more);
    // What most answers say is not written anew.
    if text.is_empty() {
        headers.insert(SERVER_TIMING, HeaderValue::from_static("memory"));
    } else {
        insert(headers, SERVER_TIMING, &text);
    }
    headers.insert(CACHE_CONTROL, ASK_EACH_TIME);
}

/// Says why there is no answer of an object: its absence was remembered, the record was asked, or it was not to be.
pub(super) fn write_failure(headers: &mut HeaderMap, error: &Error) {
    let text = match error {
        Error::NotFound { remembered_for: Some(age), .. } => {
            headers.insert(AGE, HeaderValue::from(age.as_secs()));
            "cache-api; hit; detail=memory"
        }
        Error::NotFound { remembered_for: None, .. } => "cache-api; fwd=uri-miss; fwd-status=404",
        Error::NotCached { .. } => "cache-api; detail=not-cached",
        _ => return,
    };
    insert(headers, CACHE_STATUS, text);
}

/// Source: RFC 9211. `ttl` is in seconds, negative once stale; `key` is as it stands in a URL, since a text has to be ASCII here.
fn say_cache_status(text: &mut String, key: &Key, read: &Read) {
    text.push_str("cache-api; ");
    match read.served {
        Served::Hit(_) | Served::Stale(_) if !read.overdue.is_zero() => {
            say(text, format_args!("hit; ttl=-{}", read.overdue.as_secs().max(1)));
        }
        Served::Hit(_) => say(text, format_args!("hit; ttl={}", read.ttl.as_secs())),
        // Doubted, and so not fresh any more, however young it is.
        Served::Stale(_) => text.push_str("hit; ttl=0"),
        Served::Filled => text.push_str("fwd=uri-miss; fwd-status=200"),
        Served::Replaced if read.demanded => text.push_str("fwd=request; fwd-status=200"),
        Served::Replaced => text.push_str("fwd=stale; fwd-status=200"),
        Served::Confirmed(_) if read.demanded => text.push_str("fwd=request; fwd-status=304"),
        Served::Confirmed(_) => text.push_str("fwd=stale; fwd-status=304"),
    }
    let asked = matches!(read.served, Served::Filled | Served::Replaced | Served::Confirmed(_));
    if asked && read.stored {
        text.push_str("; stored");
    }
    if asked && read.collapsed {
        text.push_str("; collapsed");
    }
    text.push_str("; key=\"");
    text.extend(utf8_percent_encode(key.as_str(), ENCODED_IN_PATH));
    text.push('"');
    match read.served {
        Served::Hit(tier) | Served::Confirmed(tier) => say(text, format_args!("; detail={tier}")),
        Served::Stale(tier) => say(text, format_args!("; detail=stale-{tier}")),
        Served::Filled | Served::Replaced => {}
    }
}

/// In ms; nothing where memory had all. Source: Server Timing, W3C.
fn say_timings(text: &mut String, read: &Read, more: &[(&'static str, Duration)]) {
    let directory = read.timings.directory.map(|took| ("directory", took));
    let record = read.timings.record.map(|took| ("record", took));
    for (name, took) in directory.into_iter().chain(record).chain(more.iter().copied()) {
        say(text, format_args!("{}{name};dur={:.3}", if text.is_empty() { "" } else { ", " }, millis(took)));
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
