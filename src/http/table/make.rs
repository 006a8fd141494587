//! The bytes of a table in a form: made once a version and request, off the async workers, kept under the memory budget.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use polars::prelude::DataFrame;
use tokio::time::timeout_at;

use crate::cache::Ask;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::frame::encode::{Titles, Unencoded, encode, encode_said};
use crate::frame::{Form, Format, Frame, Slice, Source, codec, seed};
use crate::http::Api;
use crate::http::coding::Coded;
use crate::http::negotiate::Coding;
use crate::http::table::{STORED, Wish};
use crate::key::Key;
use crate::tier::memory::{Derived, Kind, Weighed};

/// What a table takes as text at most, a multiple of what its columns do; what takes more is made all the same, up to the bound of frames.
const TEXT_FACTOR: u64 = 3;

/// The bytes of an answer.
#[derive(Debug)]
pub(super) struct Made(Bytes);

impl Weighed for Made {
    fn weight_bytes(&self) -> u64 {
        (size_of::<Self>() + self.0.len()) as u64
    }
}

/// An answer's bytes, and how long what took that was needed for them: `parse`, `query`.
pub(super) struct Making {
    pub(super) bytes: Bytes,
    pub(super) timings: Vec<(&'static str, Duration)>,
}

/// Which table of which object is made.
#[derive(Clone)]
struct Order {
    key: Key,
    format: Format,
    wish: Wish,
    seed: u64,
    frame_bytes_max: u64,
}

/// The bytes of what `wish` asks of `entry`; whoever sends them keeps their room taken.
///
/// # Errors
/// `Unparsable`, `BadSlice`, `TooLarge`, `Busy`, `Deadline`, and what the record says of a body that is not in memory.
pub(super) async fn made(api: &Api, key: &Key, entry: &Arc<Entry>, wish: &Wish, ask: Ask) -> Result<Making> {
    let mut timings = Vec::new();
    let made = timeout_at(ask.deadline.into(), make(api, key, entry, wish, ask, &mut timings)).await;
    let made = made.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }))?;
    Ok(Making { bytes: Bytes::from_owner(InMemory(made)), timings })
}

/// The same packed; `None` where that is not worth it.
///
/// # Errors
/// As [`made`].
pub(super) async fn packed(
    api: &Api,
    key: &Key,
    entry: &Entry,
    wish: &Wish,
    bytes: Bytes,
    coding: Coding,
) -> Result<Arc<Derived<Coded>>> {
    let kind = Kind { name: coding.name(), of: Some(wish.canonical().into()) };
    let room_bytes = bytes.len() as u64;
    api.cache.derive_in(room_bytes, kind, key, &entry.version, move || Coded::of(coding, &bytes)).await
}

async fn make(
    api: &Api,
    key: &Key,
    entry: &Arc<Entry>,
    wish: &Wish,
    ask: Ask,
    timings: &mut Vec<(&'static str, Duration)>,
) -> Result<Arc<Derived<Made>>> {
    let (cache, version) = (&api.cache, &entry.version);
    let kind = Kind { name: "table", of: Some(wish.canonical().into()) };
    if let Some(made) = cache.already_derived(kind.clone(), key, version) {
        return Ok(made);
    }
    let format = Format::of(key, &entry.facts)?;
    let frame_bytes_max = api.frame_bytes_max;
    let order = Order { key: key.clone(), format, wish: wish.clone(), seed: seed(version), frame_bytes_max };
    let begun = ask.now.monotonic.elapsed();
    let mut took = |name, since: Duration| timings.push((name, ask.now.monotonic.elapsed().saturating_sub(since)));
    let held = cache.already_derived::<Frame>(Frame::KIND, key, version);
    let frame = match held {
        // A part of parquet is cheaper than all of it, and what it says of itself cheaper still.
        None if format == Format::Parquet && (wish.form == Form::Schema || !order.slice().is_whole()) => {
            let (takes, order) = (order.takes(order.slice()), order);
            let made = cache.derive_of_body(kind, key, entry, ask.deadline, takes, move |body| order.of_body(body)).await;
            took("query", begun);
            return made;
        }
        None => {
            let (takes, order) = (order.takes(Slice::default()), order.clone());
            let parse = move |body: &Bytes| order.source(body).frame();
            let frame = cache.derive_of_body(Frame::KIND, key, entry, ask.deadline, takes, parse).await?;
            took("parse", begun);
            frame
        }
        Some(frame) => frame,
    };
    let room_bytes = frame.weight_bytes().saturating_mul(TEXT_FACTOR);
    let parsed = ask.now.monotonic.elapsed();
    let made = cache.derive_in(room_bytes, kind, key, version, move || order.of_frame(&frame)).await;
    took("query", parsed);
    made
}

impl Order {
    fn source<'a>(&'a self, body: &'a Bytes) -> Source<'a> {
        Source { key: &self.key, format: self.format, body, frame_bytes_max: self.frame_bytes_max }
    }

    /// What parsing as much of a body as `slice` needs takes of memory.
    fn takes(&self, slice: Slice) -> impl FnOnce(&Bytes) -> u64 + Send + 'static {
        let order = self.clone();
        move |body| order.source(body).making_bytes(&slice)
    }

    fn slice(&self) -> Slice {
        let mut slice = self.wish.slice.clone();
        if self.wish.form == Form::Html {
            // One more than is shown tells whether there is more.
            slice.limit = slice.limit.map(|limit| limit.saturating_add(1));
        }
        slice
    }

    fn of_body(&self, body: &Bytes) -> Result<Made> {
        let (source, slice) = (self.source(body), self.slice());
        let is_of_all_rows = slice == Slice { columns: slice.columns.clone(), ..Slice::default() };
        if self.wish.form == Form::Schema
            && is_of_all_rows
            && let Some(said) = source.said(&slice)?
        {
            return self.checked(encode_said(&said, self.frame_bytes_max));
        }
        self.encode(source.slice(&slice, self.seed)?)
    }

    fn of_frame(&self, frame: &Frame) -> Result<Made> {
        self.encode(codec::cut_frame(&self.key, self.format, frame.table(), &self.slice(), self.seed)?)
    }

    fn encode(&self, table: DataFrame) -> Result<Made> {
        let form = self.wish.form;
        let page = Page::of(&self.wish, table.height());
        let table = if form == Form::Html { table.head(Some(page.rows)) } else { table };
        let titles = Titles { name: self.key.as_str(), links: &page.links, note: &page.note };
        self.checked(encode(table, form, titles, self.frame_bytes_max))
    }

    fn checked(&self, encoded: std::result::Result<Vec<u8>, Unencoded>) -> Result<Made> {
        match encoded {
            Ok(bytes) => Ok(Made(bytes.into())),
            Err(Unencoded::TooLong { bytes_max }) => {
                Err(Error::TooLarge { key: self.key.clone(), size: bytes_max.saturating_add(1), size_max: bytes_max })
            }
            Err(Unencoded::Refused(reason)) => {
                Err(Error::Unparsable { key: self.key.clone(), format: self.format.name(), reason })
            }
        }
    }
}

/// What stands on a page beside the table.
struct Page {
    rows: usize,
    note: String,
    links: Vec<(String, String)>,
}

impl Page {
    /// `height` has one row more than fit where there are more.
    fn of(wish: &Wish, height: usize) -> Self {
        let slice = &wish.slice;
        let rows = slice.limit.map_or(height, |limit| usize::try_from(limit).unwrap_or(usize::MAX)).min(height);
        let note = match rows {
            0 => "No rows.".to_owned(),
            _ => format!("Rows {} to {}.", slice.offset + 1, slice.offset + rows as u64),
        };
        let mut links = vec![("the bytes".to_owned(), address(wish, &[("format", Some(STORED))], Keep::Object))];
        for form in Form::ALL.into_iter().filter(|form| *form != Form::Html) {
            links.push((
                form.name().to_owned(),
                address(wish, &[("format", Some(form.name())), ("limit", None), ("offset", None)], Keep::Slice),
            ));
        }
        links.push(("schema".to_owned(), address(wish, &[("format", None), ("schema", Some(""))], Keep::Object)));
        let page_rows = slice.limit.unwrap_or(rows as u64);
        if slice.offset > 0 {
            let before = slice.offset.saturating_sub(page_rows).to_string();
            links.push((
                "previous".to_owned(),
                address(wish, &[("format", Some("html")), ("offset", Some(&before))], Keep::Slice),
            ));
        }
        if height > rows {
            let next = (slice.offset + rows as u64).to_string();
            links.push(("next".to_owned(), address(wish, &[("format", Some("html")), ("offset", Some(&next))], Keep::Slice)));
        }
        Self { rows, note, links }
    }
}

/// Which parameters of the request a link keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// Those that name the object.
    Object,
    /// Those that say which part of it, too.
    Slice,
}

/// Relative, so that it holds behind every front door: the same path with another query.
fn address(wish: &Wish, changes: &[(&str, Option<&str>)], keep: Keep) -> String {
    let mut query = Serializer::for_suffix("?".to_owned(), 1);
    let kept = wish.query.iter().filter(|(name, _)| keep == Keep::Slice || *name == "path");
    for (name, value) in kept.filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name)) {
        query.append_pair(name, value);
    }
    for (name, value) in changes {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// Bytes that keep their room taken as long as they are on their way.
struct InMemory(Arc<Derived<Made>>);

impl AsRef<[u8]> for InMemory {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}
