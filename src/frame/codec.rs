//! Bytes into frames and values. Never panics: what does not parse is an error that says why.

use std::io::Cursor;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use polars::prelude::{
    CsvReadOptions, DataFrame, IpcReader, IpcStreamReader, JsonFormat, JsonReader, ParquetReader, PolarsResult, SerReader,
};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::frame::arrow::{self, Layout};
use crate::frame::condition::Condition;
use crate::frame::cut::{Uncut, cut};
use crate::frame::parquet::{Outline, Part};
use crate::frame::shape::Shape;
use crate::frame::slice::{Slice, unknown_column};
use crate::frame::{Format, Frame, csv, query};
use crate::key::Key;
use crate::python_value::{InvalidJson, Member, PythonValue};

/// What a parser says at most; polars may quote half a file.
const REASON_CHARS_MAX: usize = 200;

/// What a value takes on average: an integer, a float, the view of a string.
const VALUE_BYTES: u64 = 8;

/// What parsing text takes of memory while it goes on, as a multiple of the text.
const TEXT_FACTOR: u64 = 6;

/// What unpacking columns takes, as a multiple of what they are in the end.
const UNPACKING_FACTOR: u64 = 3;

/// What a JSON value takes that is no list, as a multiple of its text: it is made whole before it is printed.
const VALUE_FACTOR: u64 = 14;

/// What printing takes, as a multiple of the text.
const PRINTING_FACTOR: u64 = 3;

/// A body to be parsed, and the bounds of that.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Whose body it is, for errors.
    pub key: &'a Key,
    /// What it is.
    pub format: Format,
    /// Its bytes.
    pub body: &'a Bytes,
    /// What a small body may claim to become: a parquet page of some bytes can say a billion times the same.
    pub frame_bytes_max: u64,
}

/// What a file says of its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The columns, without their rows.
    pub table: DataFrame,
    /// How many rows there are.
    pub rows: u64,
    /// How many nulls each column has.
    pub nulls: Vec<u64>,
}

impl Said {
    /// What a table says of itself.
    pub fn of(table: &DataFrame) -> Self {
        let nulls = table.columns().iter().map(|column| column.null_count() as u64).collect();
        Self { table: table.clone(), rows: table.height() as u64, nulls }
    }
}

impl Source<'_> {
    /// What parsing as much of it as `slice` needs takes of memory besides the body, about, in bytes: what the file says of these
    /// columns, thrice, for they are unpacked and then put together; of text several times what it has. Nothing of what will not be
    /// parsed.
    pub fn making_bytes(&self, slice: &Slice) -> u64 {
        let columns = slice.needs().map(|names| names.into_iter().map(str::to_owned).collect());
        let part = Part { columns, groups: None };
        let unpacked = match self.format {
            Format::Parquet => Outline::of(self.body).and_then(|outline| outline.check(self.body, &part)).unwrap_or(0),
            Format::Arrow => arrow::check(self.body).map_or(0, |(_, bytes)| bytes),
            Format::Csv | Format::Json | Format::Ndjson => return (self.body.len() as u64).saturating_mul(TEXT_FACTOR),
        };
        if unpacked > self.frame_bytes_max { 0 } else { unpacked.saturating_mul(UNPACKING_FACTOR) }
    }

    /// Parses a body into columns: a table in one of the formats; of JSON an array of objects, an object a row.
    ///
    /// Takes as long as the body is large: call it off the async workers.
    ///
    /// # Errors
    /// `Unparsable`, and `TooLarge` where the frame would pass `frame_bytes_max`.
    pub fn frame(&self) -> Result<Frame> {
        if self.body.is_empty() {
            return Err(self.unparsable("the body is empty"));
        }
        match self.format {
            Format::Parquet => {
                let outline = self.checked(Outline::of(self.body))?;
                self.bounded(outline.check(self.body, &Part::default()))?;
                self.checked(guarded(|| parquet_frame(self.body)))
            }
            Format::Arrow => {
                let (layout, size) = self.checked(arrow::check(self.body))?;
                self.bounded(Ok(size))?;
                self.checked(guarded(|| arrow_frame(self.body, layout)))
            }
            Format::Csv => {
                self.bounded(csv::check(self.body).map(|values| values.saturating_mul(VALUE_BYTES)))?;
                self.checked(guarded(|| csv_frame(self.body)))
            }
            Format::Json => {
                let lines = self.lines()?;
                self.checked(guarded(|| json_frame(&lines)))
            }
            Format::Ndjson => {
                self.bounded(shape_of_lines(self.body).map(|shape| table_bytes(&shape)))?;
                if lines_are_blank(self.body) {
                    return Err(self.unparsable("a table is an object a line, at least one"));
                }
                self.checked(guarded(|| json_frame(self.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(self.body))))
            }
        }
    }

    /// Parses as much of a body as `slice` needs, and cuts that out of it. Of parquet no other column is unpacked, and no row
    /// group that cannot have a row of it. `seed` belongs to the version.
    ///
    /// # Errors
    /// As [`Source::frame`], and `BadSlice`.
    pub fn slice(&self, slice: &Slice, seed: u64) -> Result<DataFrame> {
        if self.format != Format::Parquet || self.body.is_empty() {
            return cut_frame(self.key, self.format, self.frame()?.table(), slice, seed);
        }
        let outline = self.checked(Outline::of(self.body))?;
        let known = outline.columns();
        if let Some(name) = slice.needs().into_iter().flatten().find(|name| !known.contains(name)) {
            return Err(self.unknown(slice, name, &known));
        }
        let mut slice = slice.clone();
        let groups = if let Some(condition) = &slice.condition {
            Some(outline.groups(condition))
        } else if slice.sample.is_none() && slice.order.is_empty() {
            let (groups, before) = outline.groups_of_rows(slice.offset, slice.limit);
            slice.offset -= before;
            Some(groups)
        } else {
            None
        };
        let part = Part { columns: slice.needs().map(|names| names.into_iter().map(str::to_owned).collect()), groups };
        self.bounded(outline.check(self.body, &part))?;
        let table = self.checked(guarded(|| parquet_part(self.body, &part)))?;
        cut_frame(self.key, self.format, &table, &slice, seed)
    }

    /// Parses as much of a body as a query of this `shape` needs. Of parquet no other column is unpacked, and no row group that cannot
    /// have a row that meets `condition`.
    ///
    /// # Errors
    /// As [`Source::frame`].
    pub fn part(&self, shape: &query::Shape, condition: Option<&Condition>) -> Result<DataFrame> {
        if self.format != Format::Parquet || self.body.is_empty() {
            return Ok(self.frame()?.table().clone());
        }
        let outline = self.checked(Outline::of(self.body))?;
        let columns = shape.needs(outline.columns().into_iter());
        let groups =
            condition.filter(|condition| !outline.has_clocks(condition.columns())).map(|condition| outline.groups(condition));
        let part = Part { columns, groups };
        self.bounded(outline.check(self.body, &part))?;
        self.checked(guarded(|| parquet_part(self.body, &part)))
    }

    /// What a parquet file says of these columns, or of all, with none of their values unpacked; `None` where it does not say it of
    /// all of them.
    ///
    /// # Errors
    /// As [`Source::slice`].
    pub fn said(&self, slice: &Slice) -> Result<Option<Said>> {
        let outline = self.checked(Outline::of(self.body))?;
        let known = outline.columns();
        let names: Vec<&str> = slice.needs().unwrap_or_else(|| known.clone());
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(self.unknown(slice, name, &known));
        }
        let Some(nulls) = names.iter().map(|name| outline.nulls(name)).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        // What a read of it would begin with is looked at all the same: of a file that is cut, nothing is said.
        self.bounded(outline.check(self.body, &Part { columns: Some(names.clone()), groups: None }))?;
        let none = Part { columns: Some(names.clone()), groups: Some(Vec::new()) };
        let table = self.checked(guarded(|| parquet_part(self.body, &none)?.select(&names)))?;
        Ok(Some(Said { table, rows: outline.rows(), nulls }))
    }

    /// Says which parameter names a column that is not there.
    fn unknown(&self, slice: &Slice, name: &str, known: &[&str]) -> Error {
        let is_shown = slice.columns.iter().flatten().any(|column| column == name);
        let is_sorted_by = slice.order.iter().any(|order| order.column == name);
        let parameter = match (is_shown, is_sorted_by) {
            (true, _) => "columns",
            (false, true) => "order_by",
            (false, false) => "where",
        };
        Error::BadSlice { key: self.key.clone(), parameter, reason: unknown_column(name, known.iter().copied()) }
    }

    /// The rows of an array of objects, a line each. Polars makes a tree of all of an array, nine times what it has; of lines it
    /// takes one at a time, and so is it here: no more than one row is a value. The strict parser goes first, for simd-json follows
    /// nesting until the stack ends, and panics are the least of it.
    fn lines(&self) -> Result<Vec<u8>> {
        let no_table = || self.unparsable("a table is an array of objects, at least one");
        let invalid = |reason: InvalidJson| self.unparsable(&reason.to_string());
        let members = PythonValue::members_of_json(self.body).map_err(invalid)?;
        let Some(members) = members else {
            // What is no JSON at all is said first.
            parse_json(self.key, self.body)?;
            return Err(no_table());
        };
        let mut lines = Vec::with_capacity(self.body.len());
        let mut shape = Shape::default();
        for (place, member) in members.enumerate() {
            let Member { value, text } = member.map_err(invalid)?;
            if !is_record(&value) {
                return Err(no_table());
            }
            shape.take(&value).map_err(|what| self.unparsable(&format!("row {}{what}", place + 1)))?;
            // In a string there is no line break that is not escaped.
            lines.extend(text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return Err(no_table());
        }
        self.bounded(Ok(table_bytes(&shape)))?;
        Ok(lines)
    }

    fn checked<T>(&self, parsed: std::result::Result<T, String>) -> Result<T> {
        parsed.map_err(|reason| self.unparsable(&reason))
    }

    fn bounded(&self, bytes: std::result::Result<u64, String>) -> Result<()> {
        let size = self.checked(bytes)?;
        if size > self.frame_bytes_max {
            return Err(Error::TooLarge { key: self.key.clone(), size, size_max: self.frame_bytes_max });
        }
        Ok(())
    }

    fn unparsable(&self, reason: &str) -> Error {
        unparsable(self.key, self.format, reason)
    }
}

/// Cuts `slice` out of `table`, which was parsed of the body of `key`. `seed` belongs to the version.
///
/// # Errors
/// `BadSlice`; `Unparsable` where polars refuses.
pub fn cut_frame(key: &Key, format: Format, table: &DataFrame, slice: &Slice, seed: u64) -> Result<DataFrame> {
    let cut = catch(|| cut(slice, table, seed)).unwrap_or_else(|reason| Err(Uncut::Refused(reason)));
    cut.map_err(|uncut| match uncut {
        Uncut::Bad(bad) => Error::BadSlice { key: key.clone(), parameter: bad.parameter, reason: bad.reason },
        Uncut::Refused(reason) => unparsable(key, format, &reason),
    })
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

/// What Python's `str` makes of a body that is one JSON value. Takes as long as the body is large.
///
/// # Errors
/// `Unparsable`.
pub fn print_json(key: &Key, body: &Bytes) -> Result<String> {
    PythonValue::str_of_json(body).map_err(|reason| unparsable(key, Format::Json, &reason.to_string()))
}

/// What [`print_json`] takes of memory besides the body, about, in bytes.
pub fn printing_bytes(body: &Bytes) -> u64 {
    let is_list = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start().starts_with(b"[");
    (body.len() as u64).saturating_mul(if is_list { PRINTING_FACTOR } else { PRINTING_FACTOR + VALUE_FACTOR })
}

fn is_record(value: &PythonValue) -> bool {
    matches!(value, PythonValue::Dict(_))
}

/// What rows take at least, those that have not all names included.
fn table_bytes(rows: &Shape) -> u64 {
    rows.values().saturating_mul(VALUE_BYTES)
}

fn shape_of_lines(body: &[u8]) -> std::result::Result<Shape, String> {
    let mut shape = Shape::default();
    for (place, (number, line)) in lines(body).enumerate() {
        let row = PythonValue::from_json(line).map_err(|reason| format!("line {number}: {reason}"))?;
        if !is_record(&row) {
            return Err(format!("line {number} is no object"));
        }
        shape.take(&row).map_err(|what| format!("row {}{what}", place + 1))?;
    }
    Ok(shape)
}

/// The lines that have something, numbered from 1.
fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    lines.map(|(place, line)| (place + 1, line.trim_ascii())).filter(|(_, line)| !line.is_empty())
}

fn lines_are_blank(body: &[u8]) -> bool {
    lines(body).next().is_none()
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

fn parquet_frame(body: &Bytes) -> PolarsResult<Frame> {
    let mut reader = ParquetReader::new(Cursor::new(body.clone()));
    let metadata = reader.get_metadata()?;
    let notes = metadata.key_value_metadata().iter().flatten().find(|note| note.key == "pandas");
    let notes = notes.and_then(|note| pandas_notes(note.value.as_deref()));
    Ok(Frame::new(reader.set_rechunk(true).finish()?, notes))
}

fn parquet_part(body: &Bytes, part: &Part) -> PolarsResult<DataFrame> {
    let mut reader = ParquetReader::new(Cursor::new(body.clone())).with_columns(part.columns.clone());
    if let Some(groups) = &part.groups {
        let mut metadata = (**reader.get_metadata()?).clone();
        let chosen = metadata.row_groups.into_iter().enumerate().filter(|(place, _)| groups.contains(place));
        metadata.row_groups = chosen.map(|(_, group)| group).collect();
        metadata.num_rows = metadata.row_groups.iter().map(|group| group.num_rows()).sum();
        reader.set_metadata(Arc::new(metadata));
    }
    reader.set_rechunk(true).finish()
}

fn arrow_frame(body: &Bytes, layout: Layout) -> PolarsResult<Frame> {
    let (table, notes) = match layout {
        Layout::File => {
            let mut reader = IpcReader::new(Cursor::new(body.clone()));
            let notes = reader.custom_metadata()?.and_then(|notes| pandas_notes(notes.get("pandas").map(|note| note.as_str())));
            (reader.set_rechunk(true).finish()?, notes)
        }
        Layout::Stream => {
            let mut reader = IpcStreamReader::new(Cursor::new(body.clone()));
            let notes = reader.custom_metadata()?.and_then(|notes| pandas_notes(notes.get("pandas").map(|note| note.as_str())));
            (reader.set_rechunk(true).finish()?, notes)
        }
    };
    Ok(Frame::new(table, notes))
}

fn pandas_notes(text: Option<&str>) -> Option<Value> {
    serde_json::from_str(text?).ok()
}

/// The types are those of all rows, and not of the first hundred: what fits none becomes text, and nothing is lost.
fn csv_frame(body: &Bytes) -> PolarsResult<Frame> {
    let options = CsvReadOptions::default().with_infer_schema_length(None).with_rechunk(true);
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let mut table = options.into_reader_with_file_handle(Cursor::new(text)).finish()?;
    // Polars leaves the quotes of a name doubled; elsewhere than in quotes there are none.
    let names: Vec<_> = table.get_column_names().into_iter().map(|name| name.as_str().replace("\"\"", "\"")).collect();
    table.set_column_names(&names)?;
    Ok(Frame::new(table, None))
}

/// Of an object a line.
fn json_frame(lines: &[u8]) -> PolarsResult<Frame> {
    let all: Option<NonZeroUsize> = None;
    let reader = JsonReader::new(Cursor::new(lines)).with_json_format(JsonFormat::JsonLines).infer_schema_len(all);
    Ok(Frame::new(reader.set_rechunk(true).finish()?, None))
}

/// Runs polars and turns its panics into errors.
pub(in crate::frame) fn guarded<T>(work: impl FnOnce() -> PolarsResult<T>) -> std::result::Result<T, String> {
    catch(work)?.map_err(|error| error.to_string())
}

/// The only place that catches panics: polars trusts what a file says of itself, and indexes and unwraps on the way. What it
/// works on is dropped with the panic, so that nothing half-made is seen.
fn catch<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| "the file contradicts itself".to_owned())
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
