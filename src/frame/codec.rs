//! Bytes into frames and values. Never panics: what does not parse is an error that says why.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use polars::prelude::{JsonFormat, JsonReader, ParquetReader, PolarsResult, SerReader};

use crate::error::{Error, Result};
use crate::frame::{Format, Frame, parquet};
use crate::key::Key;
use crate::python_value::PythonValue;

/// What a parser says at most; polars may quote half a file.
const REASON_CHARS_MAX: usize = 200;

/// Parses a body into columns: a parquet file, or a JSON array of objects, an object a row.
///
/// Takes as long as the body is large: call it off the async workers. `frame_bytes_max` bounds what a small body may
/// claim to become: a parquet page of some bytes can say a billion times the same.
///
/// # Errors
/// `Unparsable`, and `TooLarge` where the frame would pass `frame_bytes_max`.
pub fn parse_frame(key: &Key, format: Format, body: &Bytes, frame_bytes_max: u64) -> Result<Frame> {
    let unparsable = |reason: &str| unparsable(key, format, reason);
    if body.is_empty() {
        return Err(unparsable("the body is empty"));
    }
    match format {
        Format::Parquet => {
            let size = parquet::check(body).map_err(|reason| unparsable(&reason))?;
            if size > frame_bytes_max {
                return Err(Error::TooLarge { key: key.clone(), size, size_max: frame_bytes_max });
            }
            guarded(|| parquet_frame(body)).map_err(|reason| unparsable(&reason))
        }
        Format::Json => {
            // The strict parser goes first: simd-json follows nesting until the stack ends, and panics are the least of it.
            let value = parse_json(key, body)?;
            let is_table = matches!(&value, PythonValue::List(rows) if !rows.is_empty() && rows.iter().all(is_record));
            if !is_table {
                return Err(unparsable("a table is an array of objects, at least one"));
            }
            drop(value);
            guarded(|| json_frame(body)).map_err(|reason| unparsable(&reason))
        }
    }
}

/// Parses a body as one JSON value, whatever its shape.
///
/// Takes as long as the body is large: call it off the async workers.
///
/// # Errors
/// `Unparsable`.
pub fn parse_json(key: &Key, body: &Bytes) -> Result<PythonValue> {
    PythonValue::from_json(body).map_err(|reason| unparsable(key, Format::Json, &reason.to_string()))
}

fn is_record(value: &PythonValue) -> bool {
    matches!(value, PythonValue::Dict(_))
}

fn parquet_frame(body: &Bytes) -> PolarsResult<Frame> {
    let mut reader = ParquetReader::new(Cursor::new(body.clone()));
    let metadata = reader.get_metadata()?;
    let notes = metadata.key_value_metadata().iter().flatten().find(|note| note.key == "pandas");
    let notes = notes.and_then(|note| serde_json::from_str(note.value.as_deref()?).ok());
    Ok(Frame::new(reader.set_rechunk(true).finish()?, notes))
}

fn json_frame(body: &Bytes) -> PolarsResult<Frame> {
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let reader = JsonReader::new(Cursor::new(text)).with_json_format(JsonFormat::Json).infer_schema_len(None);
    Ok(Frame::new(reader.set_rechunk(true).finish()?, None))
}

/// Runs a parser of polars and turns its panics into errors.
///
/// The only place that catches panics: polars trusts what a file says of itself, and indexes and unwraps on the way. What it works on is dropped with the panic, so that nothing half-made is seen.
fn guarded<T>(parse: impl FnOnce() -> PolarsResult<T>) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(parse)) {
        Ok(parsed) => parsed.map_err(|error| error.to_string()),
        Err(_) => Err("the file contradicts itself".to_owned()),
    }
}

fn unparsable(key: &Key, format: Format, reason: &str) -> Error {
    let one_line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let reason = match one_line.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &one_line[..end]),
        None => one_line,
    };
    Error::Unparsable { key: key.clone(), format: format.name(), reason }
}

#[cfg(test)]
mod tests;
