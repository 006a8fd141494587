//! A frame as pandas 1.5.3 shows it, to the letter: what the original's `cache_item_stats` answered.
//!
//! The modules follow pandas' own: [`layout`] its `DataFrameFormatter`, [`column`] and below its array formatters,
//! [`info`] its `DataFrame.info`. Where pandas does something odd, so do they, and a comment says so.
//! Source: pandas 1.5.3, `pandas/io/formats/` and pyarrow 15, `pandas_compat.py`.

use crate::frame::Frame;
use crate::python_value::str_repr;

mod cell;
mod column;
mod float;
mod index;
mod info;
mod layout;
mod moment;
mod notes;
mod text;

pub use column::Column;

use index::Index;
use notes::Notes;

/// A frame's columns and row labels, as pandas has them after reading the file.
pub struct Table {
    columns: Vec<Column>,
    index: Index,
    /// The name of the row of headers, `DataFrame.columns.name`.
    columns_name: Option<String>,
    /// Headers are numbers, which pandas pads.
    has_integer_headers: bool,
    rows: usize,
}

impl Table {
    /// Sorts a frame's columns into row labels and others. Counts nulls: takes as long as the frame is large.
    pub fn of(frame: &Frame) -> Self {
        let notes = frame.notes().and_then(Notes::parse).unwrap_or_default();
        let rows = frame.table().height();
        let index = Index::of(frame.table(), &notes);
        let columns = frame.table().columns().iter().map(polars::prelude::Column::as_materialized_series);
        let columns = columns.filter(|series| !index.is_of(series.name()));
        Self {
            columns: columns.map(|series| Column::of(series, notes.column(series.name()))).collect(),
            index,
            columns_name: notes.columns_name,
            has_integer_headers: notes.has_integer_headers,
            rows,
        }
    }

    /// The columns, without those that are row labels.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// `repr(frame)`, on a terminal of 80 columns.
    pub fn repr(&self) -> String {
        layout::repr(self)
    }

    /// What `frame.info()` writes.
    pub fn info(&self) -> String {
        info::info(self)
    }
}

/// `str((frame, info))`, where `info` is what `frame.info()` writes.
pub fn item_stats(frame: &Frame) -> String {
    let table = Table::of(frame);
    format!("({}, {})", table.repr(), str_repr(&table.info()))
}
