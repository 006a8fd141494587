//! Whether a csv is a table, looked at before polars reads it: polars fills up rows that are too short with nulls, and takes a
//! quote for the start of a text wherever it stands.
//!
//! Source: RFC 4180.

/// The most columns: each costs a kilobyte before it has a value.
pub(super) const COLUMNS_MAX: usize = 10_000;

/// Checks that every row has as many fields as the first, which has the names; answers how many fields there are in all.
///
/// Rows end with a line feed, or with a carriage return before it. A field that begins with a quote goes on to the next one that
/// stands alone.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn check(body: &[u8]) -> Result<u64, String> {
    let mut rest = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let (mut columns, mut rows) = (0, 0_u64);
    // Counts line feeds in quoted fields too, as an editor does.
    let mut line = 1_u64;
    while !rest.is_empty() {
        let row = row(rest).map_err(|what| format!("{what} in line {line}"))?;
        if rows == 0 {
            columns = row.fields;
            if columns > COLUMNS_MAX {
                return Err(format!("it has more than {COLUMNS_MAX} columns"));
            }
        } else if row.fields != columns {
            return Err(format!("line {line} has {} fields, where the first has {columns}", row.fields));
        }
        rows += 1;
        line += row.line_feeds;
        rest = &rest[row.bytes..];
    }
    Ok(rows.saturating_mul(columns as u64))
}

/// A row, as far as it counts here.
struct Row {
    fields: usize,
    bytes: usize,
    line_feeds: u64,
}

fn row(rest: &[u8]) -> Result<Row, &'static str> {
    let mut row = Row { fields: 1, bytes: 0, line_feeds: 0 };
    loop {
        let field = &rest[row.bytes..];
        if field.first() == Some(&b'"') {
            let length = quoted(field).ok_or("a quote is not closed")?;
            row.line_feeds += field[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
            row.bytes += length;
        } else {
            let length = field.iter().position(|byte| matches!(byte, b',' | b'\n' | b'"')).unwrap_or(field.len());
            row.bytes += length;
        }
        match &rest[row.bytes..] {
            [b',', ..] => {
                row.bytes += 1;
                row.fields += 1;
            }
            [b'\n', ..] => {
                row.bytes += 1;
                row.line_feeds += 1;
                return Ok(row);
            }
            [b'\r', b'\n', ..] => {
                row.bytes += 2;
                row.line_feeds += 1;
                return Ok(row);
            }
            [] => return Ok(row),
            _ => return Err("a quote stands amid a field"),
        }
    }
}

/// How many bytes a field has that begins with a quote, its quotes included; `None` where it does not end.
fn quoted(field: &[u8]) -> Option<usize> {
    let mut place = 1;
    loop {
        place += field.get(place..)?.iter().position(|byte| *byte == b'"')? + 1;
        match field.get(place) {
            Some(b'"') => place += 1,
            _ => return Some(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_length_are_a_table() {
        for (body, fields) in [
            ("a,b\n1,2\n", 4),
            ("a,b\r\n1,2", 4),
            ("\u{feff}a\n1\n2\n", 3),
            ("a,b\n\"x,\n\"\"y\"\"\",\n", 4),
            ("a\n\n1\n", 3),
            ("a,b", 2),
            (",\n,\n", 4),
        ] {
            assert_eq!(check(body.as_bytes()), Ok(fields), "{body:?}");
        }
    }

    #[test]
    fn a_ragged_row_is_named_by_its_line() {
        for (body, expected) in [
            ("a,b\n1,2\n3\n", "line 3 has 1 fields, where the first has 2"),
            ("a,b\n\"1\n\",2\n3,4,5\n", "line 4 has 3 fields, where the first has 2"),
            ("a,b\n1,2\n\n", "line 3 has 1 fields, where the first has 2"),
            ("a,b\n1,\"2\n", "a quote is not closed in line 2"),
            ("a,b\n1,2\"x\n", "a quote stands amid a field in line 2"),
            ("a,b\n1,\"2\"x\n", "a quote stands amid a field in line 2"),
        ] {
            assert_eq!(check(body.as_bytes()).unwrap_err(), expected, "{body:?}");
        }
        assert!(check(",".repeat(COLUMNS_MAX).as_bytes()).is_err());
    }
}
