//! Tables into bytes, in each of the forms that are answered.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use polars::prelude::{
    CompatLevel, CsvWriter, DataFrame, IntoColumn, IpcStreamWriter, IpcWriter, JsonFormat, JsonWriter, ParquetWriter,
    PolarsError, PolarsResult, SerWriter,
};

use crate::frame::Form;
use crate::frame::codec::{Said, guarded};

mod html;
mod plain;
mod schema;

/// What writes the bytes: another version may write others of the same table.
pub const ENCODER: &str = polars::VERSION;

/// Why a table is not answered in a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unencoded {
    /// It takes more bytes than may be held.
    #[error("it takes more than {bytes_max} bytes")]
    TooLong {
        /// What may be held.
        bytes_max: u64,
    },
    /// The form has no word for what is in it.
    #[error("{0}")]
    Refused(String),
}

/// What is said on a page beside the table.
#[derive(Clone, Copy, Debug)]
pub struct Titles<'a> {
    /// What the table is called.
    pub name: &'a str,
    /// Names and addresses of what is one step away, in their order.
    pub links: &'a [(String, String)],
    /// A line above the table.
    pub note: &'a str,
}

/// Writes `table` in `form`, at most `bytes_max` of it. Takes as long as the table is large: call it off the async workers.
///
/// # Errors
/// Where it does not fit, or the form cannot say it.
pub fn encode(table: DataFrame, form: Form, titles: Titles<'_>, bytes_max: u64) -> Result<Vec<u8>, Unencoded> {
    bounded(form, bytes_max, |out| write(table, form, titles, out))
}

/// Writes what a file says of its columns, as [`Form::Schema`] does of a table.
///
/// # Errors
/// Where it does not fit.
pub fn encode_said(said: &Said, bytes_max: u64) -> Result<Vec<u8>, Unencoded> {
    bounded(Form::Schema, bytes_max, |out| schema::write(said, out))
}

/// Has bytes written in `form`, at most so many.
fn bounded(form: Form, bytes_max: u64, write: impl FnOnce(&mut Bounded) -> PolarsResult<()>) -> Result<Vec<u8>, Unencoded> {
    let mut out = Bounded { bytes: Vec::new(), bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX), is_full: false };
    match guarded(|| write(&mut out)) {
        _ if out.is_full => Err(Unencoded::TooLong { bytes_max }),
        Ok(()) => Ok(out.bytes),
        Err(reason) => Err(Unencoded::Refused(format!("it cannot be written as {}: {reason}", form.name()))),
    }
}

fn write(mut table: DataFrame, form: Form, titles: Titles<'_>, out: &mut Bounded) -> PolarsResult<()> {
    match form {
        Form::Parquet => ParquetWriter::new(out).finish(&mut table).map(|_bytes| ()),
        // As other readers know it, older ones too: texts as large strings, and not as views.
        Form::ArrowFile => IpcWriter::new(out).with_compat_level(CompatLevel::oldest()).finish(&mut table),
        Form::ArrowStream => IpcStreamWriter::new(out).with_compat_level(CompatLevel::oldest()).finish(&mut table),
        Form::Csv => {
            let mut table = plain::fields(&table)?;
            let batch = NonZeroUsize::new(16 * 1024).unwrap_or(NonZeroUsize::MIN);
            CsvWriter::new(out).with_batch_size(batch).finish(&mut table)
        }
        Form::Json if table.height() == 0 => Ok(out.write_all(b"[]")?),
        Form::Json => JsonWriter::new(out).with_json_format(JsonFormat::Json).finish(&mut plain::values(&table)?),
        Form::JsonColumns => {
            let values = plain::values(&table)?;
            let lists = values.columns().iter().map(|column| {
                let list = column.as_materialized_series().implode()?;
                Ok(polars::prelude::IntoSeries::into_series(list).with_name(column.name().clone()).into_column())
            });
            let mut lists = DataFrame::new(1, lists.collect::<PolarsResult<_>>()?)?;
            JsonWriter::new(out).with_json_format(JsonFormat::JsonLines).finish(&mut lists)
        }
        Form::Ndjson => JsonWriter::new(out).with_json_format(JsonFormat::JsonLines).finish(&mut plain::values(&table)?),
        Form::Html => html::write(&table, titles, out),
        Form::Schema => schema::write(&Said::of(&table), out),
    }
}

/// Bytes up to a bound; what would pass it is an error and is not kept.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.bytes_max - self.bytes.len() {
            self.is_full = true;
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of ours as one of polars, within which we write.
fn refused(error: impl std::error::Error) -> PolarsError {
    PolarsError::ComputeError(error.to_string().into())
}

#[cfg(test)]
mod tests;
