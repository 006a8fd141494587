//! Bodies parsed into columns, and what there is to say of them. Knows bodies, not where they come from.

use polars::prelude::DataFrame;
use serde_json::Value;

use crate::tier::memory::Weighed;

pub mod codec;
pub mod format;
pub mod pandas;
mod parquet;
pub mod stats;

pub use format::Format;

/// A body parsed into columns. Immutable.
#[derive(Debug)]
pub struct Frame {
    table: DataFrame,
    notes: Option<Value>,
}

impl Frame {
    /// Takes columns as they are, and what pandas noted beside them in the file: which columns are row labels, and the like.
    pub fn new(table: DataFrame, notes: Option<Value>) -> Self {
        Self { table, notes }
    }

    /// The columns, in the order of the file.
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// What pandas noted in a parquet file; `None` where it did not write the file.
    ///
    /// Source: pandas, "Storing pandas DataFrame objects in Apache Parquet format".
    pub fn notes(&self) -> Option<&Value> {
        self.notes.as_ref()
    }
}

impl Weighed for Frame {
    fn weight_bytes(&self) -> u64 {
        // A column costs its names, types and chunks beside its values.
        const COLUMN_BYTES: usize = 512;
        (self.table.estimated_size() + self.table.width() * COLUMN_BYTES) as u64
    }
}
