//! Answers in the form the front doors take: a JSON document, its body as text or base64.

use std::io;

use aws_lambda_events::alb::AlbTargetGroupResponse;
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body as EventBody;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, SET_COOKIE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde_json::Value;

use crate::lambda::{Door, Refusal, Values};

/// Longest answer in bytes that Lambda takes from a function at once, JSON and base64 included.
///
/// Source: Lambda, "Lambda quotas" says 6 MB. What is meant is 6 MiB and 100 bytes: AWS's emulator takes 6,291,556 bytes, and
/// says of one more what Lambda says, "exceeded maximum allowed payload size (6291556 bytes)".
pub const PAYLOAD_BYTES_MAX: u64 = 6 * 1024 * 1024 + 100;

/// What the head of an answer with a part of a body may have more than that of one with the whole: Content-Range, and ages and
/// times with more digits.
const PART_ROOM_BYTES: u64 = 1024;

/// An answer as it goes to Lambda, at most [`Door::payload_bytes_max`] long.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Payload {
    /// For a REST API: every header with all its values.
    Format1(ApiGatewayProxyResponse),
    /// For an HTTP API or a Function URL: values joined by commas, cookies apart.
    Format2(ApiGatewayV2httpResponse),
    /// For a load balancer.
    LoadBalancer(AlbTargetGroupResponse),
    /// For whoever sent what is no request.
    Event(Value),
}

impl Payload {
    /// Collects a response's body and puts it into the form that `door` takes.
    ///
    /// A body goes as text if it is of a textual type, in no coding, and UTF-8; else, and where the text's escapes would make
    /// it too long, as base64. Either way the client gets the very bytes.
    ///
    /// # Errors
    /// `TooLarge`, known before the answer is given (a longer one dies inside Lambda with a 413 that nobody sees); `Failed`
    /// where the body broke off.
    pub async fn of(door: Door, response: Response<Body>) -> Result<Self, Refusal> {
        let (parts, body) = response.into_parts();
        let body = collect(door, body).await.map_err(|uncollected| uncollected.into_refusal(door, &parts))?;
        if body.is_empty() {
            return Self::new(door, &parts, None).within_limit(door).ok_or_else(|| too_large(0, door, &parts));
        }
        text(&parts.headers, &body)
            .and_then(|text| Self::new(door, &parts, Some(EventBody::Text(text.to_owned()))).within_limit(door))
            .or_else(|| Self::new(door, &parts, Some(EventBody::Binary(body.to_vec()))).within_limit(door))
            .ok_or_else(|| too_large(body.len() as u64, door, &parts))
    }

    fn new(door: Door, parts: &Parts, body: Option<EventBody>) -> Self {
        let is_base64_encoded = matches!(body, Some(EventBody::Binary(_)));
        let status_code = i64::from(parts.status.as_u16());
        match door {
            Door::RestApi => {
                let mut answer = ApiGatewayProxyResponse::default();
                answer.status_code = status_code;
                answer.multi_value_headers = legible(&parts.headers);
                answer.body = body;
                answer.is_base64_encoded = is_base64_encoded;
                Self::Format1(answer)
            }
            Door::HttpApi | Door::FunctionUrl => {
                let mut answer = ApiGatewayV2httpResponse::default();
                answer.status_code = status_code;
                (answer.headers, answer.cookies) = joined(legible(&parts.headers));
                answer.body = body;
                answer.is_base64_encoded = is_base64_encoded;
                Self::Format2(answer)
            }
            Door::LoadBalancer(values) => {
                let mut answer = AlbTargetGroupResponse::default();
                answer.status_code = status_code;
                answer.status_description = Some(parts.status.to_string());
                match values {
                    Values::All => answer.multi_value_headers = legible(&parts.headers),
                    Values::One => answer.headers = single(legible(&parts.headers)),
                }
                answer.body = body;
                answer.is_base64_encoded = is_base64_encoded;
                Self::LoadBalancer(answer)
            }
        }
    }

    fn within_limit(self, door: Door) -> Option<Self> {
        // All but the longest answers fit by far, and writing one only to count it would cost as much as sending it does.
        let bytes_max = door.payload_bytes_max();
        let fits = self.bytes_at_most() <= bytes_max || bytes_of(&self) <= bytes_max;
        fits.then_some(self)
    }

    /// What its JSON cannot be longer than.
    fn bytes_at_most(&self) -> u64 {
        let (headers, cookies, body) = match self {
            Self::Format1(answer) => (&answer.multi_value_headers, &[][..], &answer.body),
            Self::Format2(answer) => (&answer.headers, &answer.cookies[..], &answer.body),
            // One of the two maps is empty.
            Self::LoadBalancer(answer) if answer.headers.is_empty() => (&answer.multi_value_headers, &[][..], &answer.body),
            Self::LoadBalancer(answer) => (&answer.headers, &[][..], &answer.body),
            // Short, and bounded by the event that it answers.
            Self::Event(_) => return bytes_of(self),
        };
        let headers = headers.iter().map(|(name, value)| written_at_most(name.as_str().len()) + written_at_most(value.len()));
        let cookies = cookies.iter().map(|cookie| written_at_most(cookie.len()));
        let body = match body {
            Some(EventBody::Text(text)) => written_at_most(text.len()),
            // As base64, 4 for 3, it stays below what a text of its length might take.
            Some(EventBody::Binary(bytes)) => written_at_most(bytes.len()),
            // Empty, or of a kind that is made nowhere here.
            Some(_) | None => 0,
        };
        FRAME_BYTES_MAX + headers.chain(cookies).sum::<u64>() + body
    }
}

fn too_large(bytes: u64, door: Door, parts: &Parts) -> Refusal {
    // The JSON around an empty body, and the name and quotes that a body brings.
    let frame_bytes = bytes_of(&Payload::new(door, parts, None)) + r#","body":"""#.len() as u64 + PART_ROOM_BYTES;
    Refusal::TooLarge { bytes, bytes_max: door.payload_bytes_max().saturating_sub(frame_bytes) / 4 * 3 }
}

/// Why a body was not collected.
enum Uncollected {
    /// It has this many bytes or more.
    TooLong(u64),
    /// It broke off.
    Broken,
}

impl Uncollected {
    fn into_refusal(self, door: Door, parts: &Parts) -> Refusal {
        match self {
            Self::TooLong(bytes) => too_large(bytes, door, parts),
            Self::Broken => Refusal::Failed,
        }
    }
}

/// Takes no more than could go through as text, where a byte may stay a byte.
async fn collect(door: Door, body: Body) -> Result<Bytes, Uncollected> {
    let bytes_max = door.payload_bytes_max();
    let announced_bytes = body.size_hint().lower();
    if announced_bytes > bytes_max {
        return Err(Uncollected::TooLong(announced_bytes));
    }
    match Limited::new(body, bytes_max as usize).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Uncollected::TooLong(bytes_max)),
        Err(error) => {
            tracing::error!(%error, "the body of an answer broke off");
            Err(Uncollected::Broken)
        }
    }
}

/// The body as text, if it is text to whoever reads its headers.
fn text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<&'a str> {
    if headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
    let is_text = media_type.starts_with("text/")
        || matches!(media_type.as_str(), "application/json" | "application/xml" | "application/yaml")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml");
    is_text.then(|| std::str::from_utf8(body).ok()).flatten()
}

/// The headers with what is not UTF-8 replaced, since JSON cannot carry it.
pub(super) fn legible(headers: &HeaderMap) -> HeaderMap {
    let legible = |value: &HeaderValue| {
        HeaderValue::from_str(&String::from_utf8_lossy(value.as_bytes()))
            .expect("the replacement character may stand in a header")
    };
    headers.iter().map(|(name, value)| (name.clone(), legible(value))).collect()
}

/// One value per name, as format 2.0 has it, and the cookies, which must not be joined.
pub(super) fn joined(mut headers: HeaderMap) -> (HeaderMap, Vec<String>) {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let cookies = headers.get_all(SET_COOKIE).iter().map(text).collect();
    headers.remove(SET_COOKIE);
    (join(&headers), cookies)
}

/// One value per name, as a load balancer has it whose multi-value headers are off. Of several cookies it has room for the last.
fn single(mut headers: HeaderMap) -> HeaderMap {
    let cookie = headers.get_all(SET_COOKIE).iter().next_back().cloned();
    headers.remove(SET_COOKIE);
    let mut single = join(&headers);
    single.extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    single
}

fn join(headers: &HeaderMap) -> HeaderMap {
    let joined = headers.keys().map(|name| {
        let values: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        (name.clone(), HeaderValue::from_bytes(&values.join(&b", "[..])).expect("values joined by commas are a value"))
    });
    joined.collect()
}

/// The names of an answer's parts, its status and the signs between them; they have about 130 bytes.
const FRAME_BYTES_MAX: u64 = 256;

/// What a text of so many bytes cannot be longer than as JSON: `\u001f` for each byte, and the signs around it.
fn written_at_most(text_bytes: usize) -> u64 {
    6 * text_bytes as u64 + 8
}

/// Length of the JSON that `lambda_runtime` will send.
fn bytes_of(payload: &Payload) -> u64 {
    let mut count = Count(0);
    serde_json::to_writer(&mut count, payload).expect("numbers, texts and maps of texts can be written");
    count.0
}

/// Counts what is written to it.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payload that is longer than it was thought to be would die inside Lambda.
    #[test]
    fn no_answer_is_longer_than_what_it_was_said_to_be_at_most() {
        let mut response = Response::new(());
        for (name, value) in [("a", ""), ("a", "\\\"\t"), ("set-cookie", "\"\\\""), ("set-cookie", "b"), ("x", "é")] {
            response.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let (parts, ()) = response.into_parts();
        let bare = Response::new(()).into_parts().0;
        for door in [Door::RestApi, Door::HttpApi] {
            for length in [0, 1, 2, 3, 1000] {
                let bodies = [
                    None,
                    Some(EventBody::Empty),
                    Some(EventBody::Text("\u{1f}".repeat(length))),
                    Some(EventBody::Text("\u{1f980}".repeat(length))),
                    Some(EventBody::Binary(vec![255; length])),
                ];
                for (parts, body) in [&bare, &parts].into_iter().flat_map(|parts| bodies.clone().map(|body| (parts, body))) {
                    let payload = Payload::new(door, parts, body);
                    assert!(bytes_of(&payload) <= payload.bytes_at_most(), "{payload:?}");
                }
            }
        }
    }
}
