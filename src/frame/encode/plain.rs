//! Columns as text formats can say them: bytes in hexadecimal, and in csv what is nested as JSON.

use std::fmt::Write;

use polars::prelude::{
    BinaryChunked, Column, DataFrame, DataType, IntoColumn, IntoSeries, JsonFormat, JsonWriter, NamedFrom, PolarsResult,
    SerWriter, Series, StringChunked,
};

use super::refused;

/// The table as JSON can say it.
pub(super) fn values(table: &DataFrame) -> PolarsResult<DataFrame> {
    map(table, |column| match column.dtype() {
        DataType::Binary => Ok(hexadecimal(column.binary()?).with_name(column.name().clone()).into_column()),
        _ => Ok(column.clone()),
    })
}

/// The table as csv can say it.
pub(super) fn fields(table: &DataFrame) -> PolarsResult<DataFrame> {
    map(&values(table)?, |column| if column.dtype().is_nested() { json(column) } else { Ok(column.clone()) })
}

fn map(table: &DataFrame, each: impl Fn(&Column) -> PolarsResult<Column>) -> PolarsResult<DataFrame> {
    let columns = table.columns().iter().map(each).collect::<PolarsResult<_>>()?;
    DataFrame::new(table.height(), columns)
}

fn hexadecimal(values: &BinaryChunked) -> Series {
    let texts = values.iter().map(|bytes| {
        bytes.map(|bytes| {
            bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
                let _written = write!(text, "{byte:02x}");
                text
            })
        })
    });
    texts.collect::<StringChunked>().into_series()
}

/// Each value as JSON, null as null.
fn json(column: &Column) -> PolarsResult<Column> {
    let mut lines = Vec::new();
    let named = column.clone().with_name("v".into());
    let mut table = DataFrame::new(column.len(), vec![named])?;
    JsonWriter::new(&mut lines).with_json_format(JsonFormat::JsonLines).finish(&mut table)?;
    let lines = String::from_utf8(lines).map_err(refused)?;
    let texts = lines.lines().map(|line| {
        let value = line.strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}'));
        value.filter(|value| *value != "null")
    });
    let texts: Vec<Option<&str>> = texts.collect();
    Ok(Series::new(column.name().clone(), texts).into_column())
}
