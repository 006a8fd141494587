//! What the columns of a table are, as JSON.

use std::io::Write;

use polars::prelude::PolarsResult;
use serde_json::{Value, json};

use super::refused;
use crate::frame::codec::Said;

/// `{"rows": 781, "columns": [{"name": "price", "type": "f64", "nulls": 4}]}`, types by the names polars has for them.
pub(super) fn write(said: &Said, out: &mut impl Write) -> PolarsResult<()> {
    let columns = said
        .table
        .columns()
        .iter()
        .zip(&said.nulls)
        .map(|(column, nulls)| json!({"name": column.name().as_str(), "type": column.dtype().to_string(), "nulls": nulls}));
    let schema = json!({"rows": said.rows, "columns": columns.collect::<Vec<Value>>()});
    serde_json::to_writer(out, &schema).map_err(refused)
}
