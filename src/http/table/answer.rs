//! A table as an answer.

use std::sync::Arc;

use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, IF_NONE_MATCH, RANGE};
use http::{HeaderMap, HeaderValue};

use super::make::{made, packed};
use super::{Choice, Wish};
use crate::cache::Read;
use crate::entry::Body;
use crate::error::{Error, Result};
use crate::frame::Form;
use crate::http::conditional::Condition;
use crate::http::negotiate::{Chosen, Coding, vary};
use crate::http::oversize::Source;
use crate::http::representation::{Call, Ranges, Representation, refuse};
use crate::http::{coding, etag, stored};

/// A page has a style of its own, and what it links to may be saved; it runs nothing and loads nothing.
const PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'");

/// Answers a GET or HEAD with the table that `wish` says.
///
/// # Errors
/// `Unparsable`, `BadSlice`, `TooLarge`, `Busy`, `Deadline`, `Changed`, and what the record says of a body that is not in memory.
pub(in crate::http) async fn answer(call: Call<'_>, read: &mut Read, choice: &Choice, wish: &Wish) -> Result<Response> {
    let entry = Arc::clone(&read.entry);
    let media_type = wish.form.media_type();
    let is_text_like = coding::is_text_like(media_type);
    // Who asks for a part is sent that of the bytes.
    let coding = Coding::of(&call.request.headers).filter(|_| is_text_like && !call.request.headers.contains_key(RANGE));
    let tag = etag::derived(&entry.version, &wish.canonical(), coding);
    let mut form = Representation::stored(&entry, read.age, call.ask.now.wall);
    form.validators.etag = &tag;
    form.content_type = Some(media_type);
    form.content_encoding = None;
    // A date says nothing of the build that has made it: If-Range goes by the tag alone.
    form.validators.confirmed_at = form.validators.last_modified;
    form.vary = vary(choice.format, if is_text_like { Chosen::ByRequest } else { Chosen::Always });
    let condition = call.judge(Some(&form));
    // Who names the tag was sent it; all else is judged of what can be made.
    if condition == Condition::NotModified && names(&call.request.headers, &tag) {
        return Ok(form.described(refuse(call.key, condition), call, read, &[]));
    }
    let made = match made(call.api, call.key, &entry, wish, call.ask).await {
        Ok(made) => made,
        // A browser wants to see the object, in whatever form it has.
        Err(Error::Unparsable { .. } | Error::TooLarge { .. }) if is_mere_page(choice, wish) => {
            return stored::answer(call, read, choice.format).await;
        }
        Err(error) => return Err(error),
    };
    let mut body = made.bytes;
    if let Some(coding) = coding.filter(|_| coding::may_help(media_type, body.len() as u64)) {
        // Without room for it there is no answer: one tag is never of two codings.
        let coded = packed(call.api, call.key, &entry, wish, body.clone(), coding).await?;
        if let Some(packed) = stored::in_memory(coded) {
            body = packed;
            form.content_encoding = Some(coding.name());
            form.ranges = Ranges::Refused;
        }
    }
    let size = body.len() as u64;
    let mut response = match condition {
        Condition::Met => form.send(call, read, &Body::Whole(body), size).await?,
        unmet => refuse(call.key, unmet),
    };
    // What does not fit its front door is not the object, and no link to that stands for it.
    Source::detach(&mut response);
    if wish.form == Form::Html {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    }
    Ok(form.described(response, call, read, &made.timings))
}

/// Whether If-None-Match names `tag`.
fn names(headers: &HeaderMap, tag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains(tag))
}

/// Whether a page is wanted of all rows, and only because a browser asks.
fn is_mere_page(choice: &Choice, wish: &Wish) -> bool {
    choice.format == Chosen::ByRequest && wish.form == Form::Html && wish.query.iter().all(|(name, _)| *name == "path")
}
