//! What an Arrow file or stream says of itself, checked before polars believes it.
//!
//! Polars allocates what a buffer claims to unpack to, follows nested fields and dictionaries by recursion, and a failed
//! allocation or an exhausted stack ends the process: no panic that could be caught. So every message is looked at first; no
//! buffer is unpacked for it.
//! Source: the Arrow columnar format, "Serialization and Interprocess Communication"; Message.fbs, Schema.fbs, File.fbs.

use polars_arrow_format::ipc::planus::ReadAsRoot;
use polars_arrow_format::ipc::{FieldRef, FooterRef, MessageHeaderRef, MessageRef, RecordBatchRef, SchemaRef};

/// What a file begins and ends with; a stream does not.
const MAGIC: &[u8] = b"ARROW1";

const CONTINUATION: [u8; 4] = [0xff; 4];

/// How deep columns may nest: polars follows them by recursion.
const DEPTH_MAX: usize = 64;

/// The most fields, nested ones included. They are offsets into one buffer, so that a few bytes can claim a tree without end.
const FIELDS_MAX: usize = 20_000;

/// The most dictionaries in a row: polars goes one deeper for each.
const DICTIONARIES_MAX: usize = 1_000;

/// What a value takes on average once it is unpacked: an integer, a float, the view of a string.
const VALUE_BYTES: u64 = 8;

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// With a footer that says where what is; Feather V2 is this too.
    File,
    /// One message after the other.
    Stream,
}

/// Tells which of the two it is, checks that it does not contradict itself, and answers how many bytes of memory its columns take at least.
///
/// # Errors
/// What is wrong.
pub(super) fn check(body: &[u8]) -> Result<(Layout, u64), String> {
    if body.starts_with(MAGIC) {
        return Ok((Layout::File, check_file(body)?));
    }
    if body.starts_with(b"FEA1") {
        return Err("it is a Feather file of the first version; write it anew as Arrow".to_owned());
    }
    Ok((Layout::Stream, check_stream(body)?))
}

fn check_file(body: &[u8]) -> Result<u64, String> {
    let cut = "it does not end as an Arrow file does; it may be cut";
    let (before, magic) = body.split_last_chunk::<6>().ok_or(cut)?;
    let (before, length) = before.split_last_chunk::<4>().ok_or(cut)?;
    if magic != MAGIC {
        return Err(cut.to_owned());
    }
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| cut)?;
    let start = before.len().checked_sub(length).ok_or(cut)?;
    let footer = FooterRef::read_as_root(&before[start..]).map_err(unreadable)?;
    check_schema(footer.schema().map_err(unreadable)?.ok_or("it has no schema")?)?;
    let dictionaries = footer.dictionaries().map_err(unreadable)?;
    let batches = footer.record_batches().map_err(unreadable)?;
    let mut bytes = 0_u64;
    for block in dictionaries.into_iter().chain(batches).flatten() {
        let outside = "a block lies outside the file";
        let offset = usize::try_from(block.offset()).map_err(|_| outside)?;
        let metadata = usize::try_from(block.meta_data_length()).map_err(|_| outside)?;
        let data = offset.checked_add(metadata).and_then(|data| body.get(data..)).ok_or(outside)?;
        let message = message(body.get(offset..).ok_or(outside)?)?.ok_or("a block has no message")?;
        bytes = bytes.saturating_add(message.bytes(data)?.ok_or("a block has no rows")?);
    }
    Ok(bytes)
}

fn check_stream(body: &[u8]) -> Result<u64, String> {
    let first = message(body)?.ok_or("it has no schema")?;
    let MessageHeaderRef::Schema(schema) = first.header else {
        return Err("it begins neither as an Arrow file nor with the schema of a stream".to_owned());
    };
    check_schema(schema)?;
    let (mut rest, mut bytes, mut dictionaries) = (&body[first.length..], 0_u64, 0);
    // Without an end mark it ends with its bytes.
    while rest.len() >= CONTINUATION.len() {
        let Some(message) = message(rest)? else { break };
        let after = &rest[message.length..];
        let length = usize::try_from(message.body_length).ok().filter(|length| *length <= after.len());
        let (data, next) = after.split_at(length.ok_or("it is cut")?);
        dictionaries = if matches!(message.header, MessageHeaderRef::DictionaryBatch(_)) { dictionaries + 1 } else { 0 };
        if dictionaries > DICTIONARIES_MAX {
            return Err(format!("it has more than {DICTIONARIES_MAX} dictionaries in a row"));
        }
        bytes = bytes.saturating_add(message.bytes(data)?.ok_or("it has a message that is no rows")?);
        rest = next;
    }
    Ok(bytes)
}

/// The head of what is sent: a schema, a dictionary, rows.
struct Message<'a> {
    header: MessageHeaderRef<'a>,
    /// How many bytes follow it.
    body_length: i64,
    /// How many it has itself, with what says so.
    length: usize,
}

/// The message that `bytes` begin with; `None` at the end mark.
fn message(bytes: &[u8]) -> Result<Option<Message<'_>>, String> {
    let cut = "a message is cut";
    let marker = if bytes.starts_with(&CONTINUATION) { CONTINUATION.len() } else { 0 };
    let (length, rest) = bytes[marker..].split_first_chunk::<4>().ok_or(cut)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| "a message is shorter than nothing")?;
    if length == 0 {
        return Ok(None);
    }
    let message = MessageRef::read_as_root(rest.get(..length).ok_or(cut)?).map_err(unreadable)?;
    let header = message.header().map_err(unreadable)?.ok_or("a message is empty")?;
    let body_length = message.body_length().map_err(unreadable)?;
    Ok(Some(Message { header, body_length, length: marker + 4 + length }))
}

impl Message<'_> {
    /// What its rows take, of which `data` has the buffers; `None` where it has no rows.
    fn bytes(&self, data: &[u8]) -> Result<Option<u64>, String> {
        let data = usize::try_from(self.body_length).ok().and_then(|length| data.get(..length)).ok_or("rows are cut")?;
        match self.header {
            MessageHeaderRef::RecordBatch(batch) => batch_bytes(batch, data).map(Some),
            MessageHeaderRef::DictionaryBatch(dictionary) => {
                let batch = dictionary.data().map_err(unreadable)?.ok_or("a dictionary is empty")?;
                batch_bytes(batch, data).map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn batch_bytes(batch: RecordBatchRef<'_>, data: &[u8]) -> Result<u64, String> {
    let rows = u64::try_from(batch.length().map_err(unreadable)?).map_err(|_| "it has less than no rows")?;
    let is_packed = batch.compression().map_err(unreadable)?.is_some();
    let mut unpacked = 0_u64;
    for buffer in batch.buffers().map_err(unreadable)?.into_iter().flatten() {
        let outside = "a buffer lies outside its rows";
        let offset = usize::try_from(buffer.offset()).map_err(|_| outside)?;
        let length = usize::try_from(buffer.length()).map_err(|_| outside)?;
        let bytes = offset.checked_add(length).and_then(|end| data.get(offset..end)).ok_or(outside)?;
        unpacked = unpacked.saturating_add(if is_packed { unpacked_bytes(bytes)? } else { length as u64 });
    }
    let mut values = rows;
    for node in batch.nodes().map_err(unreadable)?.into_iter().flatten() {
        let length = u64::try_from(node.length()).map_err(|_| "a column has less than no values")?;
        values = values.saturating_add(length);
    }
    Ok(unpacked.max(values.saturating_mul(VALUE_BYTES)))
}

/// What a packed buffer says that it unpacks to; -1 for one that is not packed after all.
fn unpacked_bytes(buffer: &[u8]) -> Result<u64, String> {
    match buffer.split_first_chunk::<8>() {
        None if buffer.is_empty() => Ok(0),
        None => Err("a packed buffer is cut".to_owned()),
        Some((length, packed)) => match i64::from_le_bytes(*length) {
            -1 => Ok(packed.len() as u64),
            length => u64::try_from(length).map_err(|_| "a buffer unpacks to less than nothing".to_owned()),
        },
    }
}

/// Walks over all fields without recursion.
fn check_schema(schema: SchemaRef<'_>) -> Result<(), String> {
    let mut fields: Vec<(FieldRef<'_>, usize)> = Vec::new();
    let mut count = 0_usize;
    let mut next = schema.fields().map_err(unreadable)?.map(|children| (children, 1));
    loop {
        if let Some((children, depth)) = next.take() {
            count = count.saturating_add(children.len());
            if depth > DEPTH_MAX && !children.is_empty() {
                return Err(format!("its columns nest deeper than {DEPTH_MAX}"));
            }
            if count > FIELDS_MAX {
                return Err(format!("it has more than {FIELDS_MAX} columns, nested ones included"));
            }
            for child in children {
                fields.push((child.map_err(unreadable)?, depth));
            }
        }
        let Some((field, depth)) = fields.pop() else { return Ok(()) };
        let children = field.children().map_err(unreadable)?;
        let is_nested = children.is_some_and(|children| !children.is_empty());
        if is_nested && field.dictionary().map_err(unreadable)?.is_some() {
            // Unpacked, a long value would be there as often as it is named.
            return Err("it has a dictionary of nested values".to_owned());
        }
        next = children.map(|children| (children, depth + 1));
    }
}

fn unreadable(cause: impl std::fmt::Display) -> String {
    format!("a message cannot be read: {cause}")
}
