//! Whether a request is to be carried out at all, given what is there. Source: RFC 9110, section 13.
//!
//! Judged of what a read has just answered, so that a condition is never answered by what is held and no longer true.

use std::time::SystemTime;

use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, Method};

use crate::freshness::{CLOCK_SLACK, Timestamp};

/// What conditions compare: which representation this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'a> {
    /// The entity tag with its quotes, of this representation alone.
    pub etag: &'a str,
    /// When the object was last modified; compared to the second, as it is written.
    pub last_modified: Timestamp,
    /// When the record said that this is the current version.
    pub confirmed_at: Timestamp,
}

/// What a request's conditions let happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// The request is carried out.
    Met,
    /// The client of a GET or HEAD has this representation: 304.
    NotModified,
    /// What the client takes for granted is not so: 412.
    Failed,
}

/// Judges the conditions of a request with `method`; `current` is what is there, `None` where nothing is.
///
/// Source: RFC 9110, section 13.2.2, whose steps 1 to 4 these are. Step 5 is [`Validators::allow_part`].
pub(super) fn judge(method: &Method, headers: &HeaderMap, current: Option<Validators<'_>>) -> Condition {
    // Conditions are rare, and looking for each of them costs a hash.
    if !has_any(headers) {
        return Condition::Met;
    }
    let is_read = *method == Method::GET || *method == Method::HEAD;
    let holds = match tags_of(headers, IF_MATCH) {
        Some(tags) => tags.any_is(current, strongly),
        // Of what is not there no date is known, and the field is to be ignored (13.1.4).
        None => date(headers, IF_UNMODIFIED_SINCE).zip(current).is_none_or(|(date, current)| current.modified_at() <= date),
    };
    if !holds {
        return Condition::Failed;
    }
    let client_has = match tags_of(headers, IF_NONE_MATCH) {
        Some(tags) => tags.any_is(current, weakly),
        None if is_read => {
            date(headers, IF_MODIFIED_SINCE).zip(current).is_some_and(|(date, current)| current.modified_at() <= date)
        }
        None => false,
    };
    match client_has {
        false => Condition::Met,
        true if is_read => Condition::NotModified,
        true => Condition::Failed,
    }
}

/// Whether a request has a condition, and so asks what is there before it is carried out.
pub(super) fn has_any(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("if-") && *name != IF_RANGE)
}

impl Validators<'_> {
    /// Whether a Range may be answered with a part: there is no `If-Range`, or it names this very representation. A weak tag names
    /// none; a date only one that was old enough not to have had another in its second.
    ///
    /// Source: RFC 9110, sections 13.1.5 and 8.8.2.2.
    pub fn allow_part(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(IF_RANGE) else { return true };
        let Ok(value) = value.to_str() else { return false };
        match Tag::parse(value) {
            Some((tag, "")) => strongly(tag, self.etag),
            Some(_) => false,
            None => {
                let is_settled = self.confirmed_at.since(self.last_modified) >= CLOCK_SLACK;
                is_settled && parse_date(value) == Some(self.modified_at())
            }
        }
    }

    /// In whole seconds since 1970, as it is written.
    fn modified_at(&self) -> u64 {
        self.last_modified.as_millis() / 1000
    }
}

/// An entity tag that a client sent.
#[derive(Clone, Copy)]
struct Tag<'a> {
    is_weak: bool,
    /// With its quotes.
    opaque: &'a str,
}

impl<'a> Tag<'a> {
    /// The tag that `text` begins with, and what follows it. Source: RFC 9110, section 8.8.3.
    fn parse(text: &'a str) -> Option<(Self, &'a str)> {
        let (is_weak, quoted) = text.strip_prefix("W/").map_or((false, text), |quoted| (true, quoted));
        // Tags may hold commas, backslashes and anything else that prints, so that only the quote ends one.
        let length = quoted.strip_prefix('"')?.find('"')? + 2;
        let (opaque, rest) = quoted.split_at(length);
        let is_tag = opaque.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        is_tag.then_some((Self { is_weak, opaque }, rest))
    }
}

/// The strong comparison (8.8.3.2).
fn strongly(tag: Tag<'_>, etag: &str) -> bool {
    !tag.is_weak && tag.opaque == etag
}

/// The weak comparison.
fn weakly(tag: Tag<'_>, etag: &str) -> bool {
    tag.opaque == etag.strip_prefix("W/").unwrap_or(etag)
}

/// The values of a field of tags, as they came.
struct Tags<'a> {
    headers: &'a HeaderMap,
    name: HeaderName,
}

fn tags_of(headers: &HeaderMap, name: HeaderName) -> Option<Tags<'_>> {
    headers.contains_key(&name).then_some(Tags { headers, name })
}

impl Tags<'_> {
    /// Whether any of them is what is there. What is no tag is none, and ends its list.
    fn any_is(&self, current: Option<Validators<'_>>, is: fn(Tag<'_>, &str) -> bool) -> bool {
        let Some(current) = current else { return false };
        let values = self.headers.get_all(&self.name).iter().filter_map(|value| value.to_str().ok());
        values.into_iter().any(|value| value.trim() == "*" || list(value).any(|tag| is(tag, current.etag)))
    }
}

/// The tags of a list, which may have empty elements. Source: RFC 9110, section 5.6.1.
fn list(value: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let (tag, after) = Tag::parse(rest.trim_start_matches([' ', '\t', ',']))?;
        rest = after.trim_start_matches([' ', '\t']);
        (rest.is_empty() || rest.starts_with(',')).then_some(tag)
    })
}

/// The date of a field, in seconds since 1970; `None` where it is to be ignored: it is no date, or there are two.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    parse_date(value.to_str().ok()?)
}

/// In any of the three forms. Source: RFC 9110, section 5.6.7.
fn parse_date(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests;
