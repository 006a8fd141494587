//! What pandas noted beside the columns of a parquet file.

use std::collections::HashMap;

use serde_json::Value;

/// The notes, as far as they change what is shown. Whatever is not as pandas writes it counts as not written.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Where the row labels are, a level each.
    pub(super) levels: Vec<LevelNote>,
    /// The name of the row of headers.
    pub(super) columns_name: Option<String>,
    /// Headers were numbers before parquet made them text.
    pub(super) has_integer_headers: bool,
    columns: HashMap<String, ColumnNote>,
}

/// Where a level of row labels is.
#[derive(Debug)]
pub(super) enum LevelNote {
    /// In this column.
    Column(String),
    /// Nowhere: the labels are `start`, `start + step`, up to before `stop`.
    Range {
        /// The level's name.
        name: Option<String>,
        /// The first label.
        start: i64,
        /// The end, itself no label.
        stop: i64,
        /// From label to label.
        step: i64,
    },
}

/// What is noted of one column.
#[derive(Debug)]
pub(super) struct ColumnNote {
    /// Its name in pandas; `None` for a nameless level of row labels.
    pub(super) name: Option<String>,
    /// Its type in pandas: `Int64` where whole numbers may be missing.
    pub(super) numpy_type: String,
}

impl Notes {
    pub(super) fn parse(notes: &Value) -> Option<Self> {
        let header = &notes["column_indexes"][0];
        let pandas_type = header["pandas_type"].as_str().unwrap_or_default();
        let columns = notes["columns"].as_array()?.iter().filter_map(|note| {
            let name = note["name"].as_str();
            let field = note["field_name"].as_str().or(name)?;
            // pyarrow names a column of a nameless level so.
            let is_generated = field.starts_with("__index_level_") && name == Some(field);
            let name = name.filter(|_| !is_generated).map(str::to_owned);
            let numpy_type = note["numpy_type"].as_str().unwrap_or_default().to_owned();
            Some((field.to_owned(), ColumnNote { name, numpy_type }))
        });
        Some(Self {
            levels: notes["index_columns"].as_array()?.iter().filter_map(LevelNote::parse).collect(),
            columns_name: header["name"].as_str().map(str::to_owned),
            has_integer_headers: pandas_type.starts_with("int") || pandas_type.starts_with("uint"),
            columns: columns.collect(),
        })
    }

    pub(super) fn column(&self, field: &str) -> Option<&ColumnNote> {
        self.columns.get(field)
    }
}

impl LevelNote {
    fn parse(note: &Value) -> Option<Self> {
        match note {
            Value::String(column) => Some(Self::Column(column.clone())),
            Value::Object(range) if range.get("kind")? == "range" => Some(Self::Range {
                name: range.get("name")?.as_str().map(str::to_owned),
                start: range.get("start")?.as_i64()?,
                stop: range.get("stop")?.as_i64()?,
                step: range.get("step")?.as_i64().filter(|&step| step != 0)?,
            }),
            _ => None,
        }
    }
}
