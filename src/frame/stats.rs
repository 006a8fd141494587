//! Facts of a frame, as structured JSON gives them.

use serde_json::{Value, json};

use crate::frame::{Frame, pandas};
use crate::tier::memory::Weighed;

/// How many rows a frame has, and of what its columns are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Rows.
    pub rows: usize,
    /// The columns, without those that are row labels.
    pub columns: Vec<ColumnStats>,
}

/// Facts of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnStats {
    /// The column's name.
    pub name: String,
    /// Its type, by the name pandas has for it: `float64`, `object`.
    pub dtype: String,
    /// How many of its values are neither null nor NaN.
    pub non_null: usize,
}

impl Stats {
    /// Looks through a frame. Takes as long as the frame is large: call it off the async workers.
    pub fn of(frame: &Frame) -> Self {
        let table = pandas::Table::of(frame);
        let columns = table.columns().iter().map(|column| ColumnStats {
            name: column.label.clone(),
            dtype: column.dtype.clone(),
            non_null: column.non_null,
        });
        Self { rows: table.rows(), columns: columns.collect() }
    }

    /// `{"rows": 781, "columns": [{"name": "price", "dtype": "float64", "non_null": 777}]}`.
    pub fn to_json(&self) -> Value {
        let columns = self.columns.iter();
        let columns = columns.map(|column| json!({"name": column.name, "dtype": column.dtype, "non_null": column.non_null}));
        json!({"rows": self.rows, "columns": columns.collect::<Vec<_>>()})
    }
}

impl Weighed for Stats {
    fn weight_bytes(&self) -> u64 {
        let texts: usize = self.columns.iter().map(|column| column.name.len() + column.dtype.len()).sum();
        (size_of_val(self) + size_of_val(&*self.columns) + texts) as u64
    }
}
