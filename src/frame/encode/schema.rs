//! What the columns of a table are, as JSON.

use std::io::Write;

use polars::prelude::{DataFrame, PolarsResult};
use serde_json::{Value, json};

use super::refused;

/// `{"rows": 781, "columns": [{"name": "price", "type": "f64", "nulls": 4}]}`, types by the names polars has for them.
pub(super) fn write(table: &DataFrame, out: &mut impl Write) -> PolarsResult<()> {
    let columns = table
        .columns()
        .iter()
        .map(|column| json!({"name": column.name().as_str(), "type": column.dtype().to_string(), "nulls": column.null_count()}));
    let schema = json!({"rows": table.height(), "columns": columns.collect::<Vec<Value>>()});
    serde_json::to_writer(out, &schema).map_err(refused)
}
