//! The forms that values of settings are written in. Pure.

use std::time::Duration;

use bytesize::ByteSize;
use http::Uri;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Longest age that can be set. Longer is taken for a slip, and sums of ages stay far from overflowing.
const AGE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Parses a duration as `500ms`, `1s`, `15m`, `1h 30m`, `1d`; zero is one.
///
/// # Errors
/// What to write instead.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    const FORM: &str = "write a duration such as 500ms, 1s, 15m or 1d";
    if is_bare_number(text) {
        return Err(format!("a bare number has no unit; write {text}s, {text}ms or {text}m", text = text.trim()));
    }
    // A capital M would be months to humantime, and minutes to whoever wrote it.
    if text.chars().any(char::is_uppercase) {
        return Err(format!("units are ms, s, m, h and d, in lower case; {FORM}"));
    }
    let age = humantime::parse_duration(text).map_err(|_| format!("not a duration; {FORM}"))?;
    if age > AGE_MAX { Err("longer than a year; write at most 365d".to_owned()) } else { Ok(age) }
}

/// Parses a size as `256MiB`, `10GB`, `1.5GiB`, in bytes.
///
/// # Errors
/// What to write instead.
pub fn parse_size(text: &str) -> Result<u64, String> {
    if is_bare_number(text) {
        return Err(format!("a bare number has no unit; write {text}MiB or {text}GiB", text = text.trim()));
    }
    let size = text.trim().parse::<ByteSize>().map_err(|_| "not a size; write one such as 256MiB or 10GB")?;
    Ok(size.as_u64())
}

/// Parses what is to be logged: a level, or levels by module, as `info` or `warn,cache_api=debug`.
///
/// # Errors
/// What to write instead.
pub fn parse_log_filter(text: &str) -> Result<Targets, String> {
    const FORM: &str = "write off, error, warn, info, debug or trace, or levels by module: warn,cache_api=debug";
    // Targets takes a word that is no level for a module to be logged in full, so that `inof` would silence all others.
    let is_directive = |directive: &str| {
        let level = directive.split_once('=').map_or(directive, |(_, level)| level);
        level.trim().parse::<LevelFilter>().is_ok() && !level.trim().is_empty()
    };
    if !text.split(',').all(is_directive) {
        return Err(format!("not a log filter; {FORM}"));
    }
    text.parse().map_err(|_| format!("not a log filter; {FORM}"))
}

/// Checks the name of a bucket. Source: S3, "General purpose bucket naming rules".
///
/// # Errors
/// What to write instead.
pub fn parse_bucket(text: &str) -> Result<String, String> {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    let is_name = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && !text.contains("..");
    if is_name {
        Ok(text.to_owned())
    } else if text.contains('/') {
        Err("not the name of a bucket; write the name alone, and what comes after the slash into AWS_DATA_DIR".to_owned())
    } else {
        Err("not the name of a bucket; write 3 to 63 lower-case letters, digits, hyphens and dots, \
             with a letter or digit at either end"
            .to_owned())
    }
}

/// Checks the address of a server that speaks S3's protocol.
///
/// # Errors
/// What to write instead.
pub fn parse_endpoint(text: &str) -> Result<String, InvalidEndpoint> {
    let uri: Uri = text.parse().map_err(|_| InvalidEndpoint::Form)?;
    let authority = uri.authority().ok_or(InvalidEndpoint::Form)?;
    if authority.as_str().contains('@') {
        Err(InvalidEndpoint::Credentials)
    } else if !matches!(uri.scheme_str(), Some("http" | "https")) || authority.host().is_empty() || uri.query().is_some() {
        Err(InvalidEndpoint::Form)
    } else {
        Ok(text.trim_end_matches('/').to_owned())
    }
}

/// Parses origins with spaces or commas between them, as `https://example.com http://localhost:3000`, or `*`; each as a
/// browser writes it.
///
/// # Errors
/// What to write instead.
pub fn parse_origins(text: &str) -> Result<Vec<String>, String> {
    let words = text.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty());
    let origins: Vec<_> =
        words.map(|word| if word == "*" { Ok(word.to_owned()) } else { parse_origin(word) }).collect::<Result<_, _>>()?;
    if origins.len() > 1 && origins.iter().any(|origin| origin == "*") {
        return Err("`*` means the pages of all; write it alone".to_owned());
    }
    Ok(origins)
}

fn parse_origin(word: &str) -> Result<String, String> {
    let form =
        || format!("{word:?} is no origin; write one such as https://example.com or http://localhost:3000, without a path");
    let uri: Uri = word.parse().map_err(|_| form())?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(form()) };
    if authority.as_str().contains('@')
        || authority.host().is_empty()
        || word.trim_end_matches('/').len() != scheme.len() + 3 + authority.as_str().len()
    {
        return Err(form());
    }
    let default_port = if scheme == "http" { ":80" } else { ":443" };
    let authority = authority.as_str().to_ascii_lowercase();
    Ok(format!("{scheme}://{}", authority.strip_suffix(default_port).unwrap_or(&authority)))
}

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidEndpoint {
    /// It is not `http://host:port` or `https://host`.
    Form,
    /// It has a user or password in it, and is not to be repeated.
    Credentials,
}

fn is_bare_number(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
