//! A result as bytes, for all instances: a head in JSON with all that it rests on, then the answer.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::entry::Version;
use crate::error::{Cause, Result};
use crate::freshness::Timestamp;
use crate::function::result::Kept;
use crate::function::seen::{Inputs, Listing};
use crate::function::{Answer, Printed, Said, View};

#[cfg(feature = "frames")]
use crate::frame::encode::{Titles, encode};
#[cfg(feature = "frames")]
use crate::frame::{Form, Format, Frame, Source};

/// The most bytes of an answer: what is larger is for memory alone.
#[cfg(feature = "frames")]
const ANSWER_BYTES_MAX: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
struct Head {
    computed_at: Timestamp,
    objects: Vec<(String, Option<Version>)>,
    listings: Vec<(Listing, [u8; 32])>,
    answer: Shape,
}

/// What the bytes after the head are.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Shape {
    Text,
    Json,
    /// So many bytes are the text, the rest is JSON.
    Printed {
        text_bytes: usize,
    },
    /// An Arrow file.
    Table,
}

/// Writes down `kept`; `None` where it cannot be, so that it reads as it was. Takes as long as it is large.
pub(super) fn encoded(kept: &Kept) -> Option<Bytes> {
    let (shape, answer) = match &kept.answer {
        Answer::Text(text) => (Shape::Text, text.clone().into_bytes()),
        Answer::Json(value) => (Shape::Json, serde_json::to_vec(value).ok()?),
        Answer::Printed(printed) => {
            let said = match &printed.said {
                Said::Value(value) => serde_json::to_vec(&value.to_json()).ok()?.into(),
                Said::Json(body) => body.clone(),
            };
            let text = printed.text.as_bytes();
            (Shape::Printed { text_bytes: text.len() }, [text, &said].concat())
        }
        #[cfg(feature = "frames")]
        Answer::Table(frame) => (Shape::Table, table(frame)?),
    };
    let objects = kept.inputs.objects.iter().map(|(key, version)| (key.as_str().to_owned(), version.clone())).collect();
    let head = Head { computed_at: kept.computed_at, objects, listings: kept.inputs.listings.clone(), answer: shape };
    let head = serde_json::to_vec(&head).ok()?;
    let length = u32::try_from(head.len()).ok()?.to_le_bytes();
    Some([&length[..], &head, &answer].concat().into())
}

/// Reads back what [`encoded`] wrote; `None` for anything else. `view` makes keys and has room.
pub(super) async fn decoded(bytes: Bytes, view: &View) -> Option<Kept> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let head_bytes = u32::from_le_bytes(*length) as usize;
    let head: Head = serde_json::from_slice(rest.get(..head_bytes)?).ok()?;
    let answer = match head.answer {
        Shape::Text => Answer::Text(String::from_utf8(rest.get(head_bytes..)?.to_vec()).ok()?),
        Shape::Json => Answer::Json(serde_json::from_slice(rest.get(head_bytes..)?).ok()?),
        Shape::Printed { text_bytes } => {
            let (text, said) = rest.get(head_bytes..)?.split_at_checked(text_bytes)?;
            let text = String::from_utf8(text.to_vec()).ok()?;
            let printed = Printed { text, said: Said::Json(bytes.slice_ref(said)) };
            Answer::Printed(view.hold(printed).await.ok()?)
        }
        #[cfg(feature = "frames")]
        Shape::Table => read_table(bytes.slice(4 + head_bytes..), view).await?,
        #[cfg(not(feature = "frames"))]
        Shape::Table => return None,
    };
    let key = |(key, version): (String, Option<Version>)| Some((view.key(&key).ok()?, version));
    let objects = head.objects.into_iter().map(key).collect::<Option<_>>()?;
    Some(Kept { answer, inputs: Inputs { objects, listings: head.listings }, computed_at: head.computed_at })
}

/// Off the async workers.
pub(super) async fn encoded_elsewhere(kept: Arc<Kept>) -> Result<Option<Bytes>, Cause> {
    tokio::task::spawn_blocking(move || encoded(&kept)).await.map_err(Into::into)
}

/// `None` where columns would come back as others: then it is not the answer that it was.
#[cfg(feature = "frames")]
fn table(frame: &Frame) -> Option<Vec<u8>> {
    let titles = Titles { name: "", links: &[], note: "" };
    let bytes = encode(frame.table().clone(), Form::ArrowFile, titles, ANSWER_BYTES_MAX).ok()?;
    let same = parsed(&Bytes::copy_from_slice(&bytes))?;
    (same.table().schema() == frame.table().schema()).then_some(bytes)
}

#[cfg(feature = "frames")]
async fn read_table(bytes: Bytes, view: &View) -> Option<Answer> {
    let frame = tokio::task::spawn_blocking(move || parsed(&bytes)).await.ok()??;
    Some(Answer::Table(view.hold(frame).await.ok()?))
}

/// The bytes were verified, and are looked at as any file's are before polars sees them.
#[cfg(feature = "frames")]
fn parsed(body: &Bytes) -> Option<Frame> {
    let key = crate::key::Key::parse("result.arrow", &crate::key::Prefix::default()).ok()?;
    Source { key: &key, format: Format::Arrow, body, frame_bytes_max: ANSWER_BYTES_MAX.saturating_mul(4) }.frame().ok()
}
