//! A page of what the bucket holds: one `ListObjectsV2`.

use std::borrow::Cow;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};
use aws_sdk_s3::types::{EncodingType, Object as Listed};
use percent_encoding::percent_decode_str;

use crate::error::{Cause, Error, Result, Unlisted};
use crate::freshness::Timestamp;
use crate::key::Key;
use crate::record::s3::S3Location;
use crate::record::s3::answer::Refusal;
use crate::record::{Mark, Object, PAGE_OBJECTS_MAX, Page};

/// What is asked for.
pub(super) struct Listing<'a> {
    pub(super) client: &'a Client,
    pub(super) location: &'a S3Location,
    pub(super) below: &'a str,
    pub(super) mark: Option<&'a Mark>,
}

impl Listing<'_> {
    /// # Errors
    /// `NotListed`.
    pub(super) async fn page(&self) -> Result<Page> {
        // Plainly at first: servers do not agree on what a plus stands for in an encoded name. XML cannot say a few characters,
        // though, and one such name would hide the page.
        let output = match self.ask(None).await {
            Err(refused) => match Refusal::of(refused) {
                Refusal::Illegible(_) => {
                    self.ask(Some(EncodingType::Url)).await.map_err(|refused| judge(Refusal::of(refused)))?
                }
                other => return Err(judge(other)),
            },
            Ok(output) => output,
        };
        self.read(output)
    }

    async fn ask(
        &self,
        encoding: Option<EncodingType>,
    ) -> Result<ListObjectsV2Output, SdkError<ListObjectsV2Error, HttpResponse>> {
        let prefix = self.location.prefix.as_str();
        self.client
            .list_objects_v2()
            .bucket(&self.location.bucket)
            .prefix(format!("{prefix}{}", self.below))
            .set_start_after(self.mark.map(|mark| format!("{prefix}{}", mark.name())))
            .max_keys(PAGE_OBJECTS_MAX as i32)
            .set_encoding_type(encoding)
            .send()
            .await
    }

    fn read(&self, output: ListObjectsV2Output) -> Result<Page> {
        let is_encoded = output.encoding_type == Some(EncodingType::Url);
        let mut page = Page::default();
        let mut last = None;
        for listed in output.contents.unwrap_or_default() {
            let name = listed.key.as_deref().and_then(|name| self.name(name, is_encoded));
            match name.as_deref().and_then(|name| self.object(name, listed)) {
                Some(object) => page.objects.push(object),
                None => page.skipped += 1,
            }
            last = name.or(last);
        }
        if output.is_truncated == Some(true) {
            // A server that does not get on would be asked for ever. Not by order: SeaweedFS has one of its own.
            let goes_on = last.filter(|last| self.mark.is_none_or(|mark| last != mark.name()));
            let stands = || failed(Unlisted::Unreachable, "S3 says that there is more, and does not get on".into());
            page.next = Some(Mark(goes_on.ok_or_else(stands)?));
        }
        Ok(page)
    }

    /// What follows the record's prefix in a name; `None` where it cannot be read or does not begin so.
    fn name(&self, text: &str, is_encoded: bool) -> Option<String> {
        let name = if is_encoded { decode(text)? } else { text.to_owned() };
        name.strip_prefix(self.location.prefix.as_str()).map(str::to_owned)
    }

    fn object(&self, name: &str, listed: Listed) -> Option<Object> {
        let key = Key::parse(name, &self.location.prefix).ok().filter(|key| key.as_str().starts_with(self.below))?;
        let seconds = u64::try_from(listed.last_modified?.secs()).unwrap_or(0);
        Some(Object {
            key,
            size: u64::try_from(listed.size?).ok()?,
            last_modified: Timestamp::from_millis(seconds.saturating_mul(1000)),
            etag: listed.e_tag.map(Into::into),
        })
    }
}

fn judge(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Forbidden(cause) => failed(Unlisted::Forbidden, cause),
        Refusal::Throttled(cause) => failed(Unlisted::Throttled, cause),
        Refusal::Missing(cause) | Refusal::Changed(cause) | Refusal::Illegible(cause) | Refusal::Other(cause) => {
            failed(Unlisted::Unreachable, cause)
        }
        Refusal::Unmodified { .. } => failed(Unlisted::Unreachable, "S3 answered 304 to a listing".into()),
    }
}

fn failed(why: Unlisted, cause: Cause) -> Error {
    Error::NotListed { why, cause }
}

/// Reads a name that was encoded as S3 does it, as in a form: a plus is a space.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}
