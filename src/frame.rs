//! Bodies parsed into columns, and what there is to say of them. Knows bodies, not where they come from.

use polars::prelude::DataFrame;
use serde_json::Value;

use crate::tier::memory::Weighed;

mod arrow;
pub mod codec;
pub mod condition;
mod csv;
mod cut;
pub mod encode;
pub mod form;
pub mod format;
mod moment;
pub mod pandas;
mod parquet;
pub mod query;
mod shape;
pub mod slice;
pub mod stats;

pub use codec::Source;
pub use cut::seed;
pub use form::Form;
pub use format::Format;
pub use slice::Slice;

/// A body parsed into columns. Immutable.
#[derive(Debug)]
pub struct Frame {
    table: DataFrame,
    notes: Option<Value>,
}

impl Frame {
    /// The kind of derived value that a frame is.
    pub const KIND: &'static str = "frame";

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
