//! `DataFrame.info()`.

use std::collections::BTreeMap;

use super::Table;
use super::text::{self, Justify};

/// With more columns they are counted instead of listed (pandas' `display.max_info_columns`).
const COLUMNS_MAX: usize = 100;

/// With more rows values are not counted (pandas' `display.max_info_rows`).
const COUNTED_ROWS_MAX: usize = 1_690_785;

pub(super) fn info(table: &Table) -> String {
    let head = format!("<class 'pandas.core.frame.DataFrame'>\n{}\n", table.index.summary());
    let ([first, .., last] | [first @ last]) = &table.columns[..] else {
        return format!("{head}Empty DataFrame\n");
    };
    let body = if table.columns.len() > COLUMNS_MAX {
        format!("Columns: {} entries, {} to {}\n", table.columns.len(), first.label, last.label)
    } else {
        listed(table)
    };
    let mut dtypes = BTreeMap::<&str, usize>::new();
    for column in &table.columns {
        *dtypes.entry(&column.dtype).or_default() += 1;
    }
    let dtypes: Vec<String> = dtypes.into_iter().map(|(dtype, count)| format!("{dtype}({count})")).collect();
    format!("{head}{body}dtypes: {}\nmemory usage: {}\n", dtypes.join(", "), memory(table))
}

fn listed(table: &Table) -> String {
    let is_counted = table.rows <= COUNTED_ROWS_MAX;
    let headers: &[&str] = if is_counted { &[" # ", "Column", "Non-Null Count", "Dtype"] } else { &[" # ", "Column", "Dtype"] };
    let rows: Vec<Vec<String>> = table
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let count = is_counted.then(|| format!("{} non-null", column.non_null));
            [format!(" {place}"), column.label.clone()].into_iter().chain(count).chain([column.dtype.clone()]).collect()
        })
        .collect();
    let width = |place: usize| rows.iter().map(|row| text::len(&row[place])).max().unwrap_or(0).max(headers[place].len());
    let line = |texts: &mut dyn Iterator<Item = String>| {
        let padded: Vec<String> = texts.enumerate().map(|(place, text)| text::pad(&text, width(place), Justify::Left)).collect();
        padded.join("  ")
    };
    let mut lines = vec![
        format!("Data columns (total {} columns):", table.columns.len()),
        line(&mut headers.iter().map(|header| (*header).to_owned())),
        line(&mut headers.iter().map(|header| "-".repeat(header.len()))),
    ];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().cloned())));
    lines.join("\n") + "\n"
}

/// What pandas would hold, more or less: `+` says that objects were not followed.
fn memory(table: &Table) -> String {
    let columns: usize = table.columns.iter().map(|column| column.value_bytes() * table.rows).sum();
    let has_objects = table.index.has_objects() || table.columns.iter().any(|column| column.dtype == "object");
    let plus = if has_objects { "+" } else { "" };
    let mut size = (columns + table.index.bytes()) as f64;
    for unit in ["bytes", "KB", "MB", "GB"] {
        if size < 1024.0 {
            return format!("{size:.1}{plus} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.1}{plus} TB")
}
