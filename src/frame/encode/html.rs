//! A table as a page. Whatever comes from a body is escaped, and there is no script.

use std::io::{self, Write};

use polars::prelude::{DataFrame, JsonFormat, JsonWriter, PolarsResult, SerWriter};
use serde_json::{Map, Value};

use super::{Titles, plain, refused};

/// What a cell shows at most; the rest is in the bytes.
const CELL_CHARS_MAX: usize = 300;

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#222;background:#fff}h1{font-size:1.3em;\
overflow-wrap:anywhere}nav a{margin-right:1em}table{border-collapse:collapse;margin-top:1em}th,td{border:1px solid #ccc;padding:.2em \
.6em;text-align:left;vertical-align:top}th small{display:block;font-weight:normal;color:#666}td.n{text-align:right;\
font-variant-numeric:tabular-nums}td i{color:#999}";

pub(super) fn write(table: &DataFrame, titles: Titles<'_>, out: &mut impl Write) -> PolarsResult<()> {
    let mut lines = Vec::new();
    JsonWriter::new(&mut lines).with_json_format(JsonFormat::JsonLines).finish(&mut plain::values(table)?)?;
    let rows = serde_json::Deserializer::from_slice(&lines).into_iter::<Map<String, Value>>();
    let rows = rows.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    head(titles, out)?;
    write!(out, "<table><thead><tr>")?;
    for column in table.columns() {
        write!(out, "<th>")?;
        escaped(column.name(), out)?;
        write!(out, "<small>")?;
        escaped(&column.dtype().to_string(), out)?;
        write!(out, "</small></th>")?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for row in &rows {
        write!(out, "<tr>")?;
        for value in row.values() {
            cell(value, out)?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table>\n</body>\n</html>")?;
    Ok(())
}

fn head(titles: Titles<'_>, out: &mut impl Write) -> io::Result<()> {
    write!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>")?;
    escaped(titles.name, out)?;
    write!(out, "</title><style>{STYLE}</style></head>\n<body>\n<h1>")?;
    escaped(titles.name, out)?;
    write!(out, "</h1>\n<nav>")?;
    for (name, address) in titles.links {
        write!(out, "<a href=\"")?;
        escaped(address, out)?;
        write!(out, "\">")?;
        escaped(name, out)?;
        write!(out, "</a>")?;
    }
    write!(out, "</nav>\n<p>")?;
    escaped(titles.note, out)?;
    writeln!(out, "</p>")
}

fn cell(value: &Value, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => return write!(out, "<td><i>null</i></td>"),
        Value::Number(_) => write!(out, "<td class=\"n\">")?,
        _ => write!(out, "<td>")?,
    }
    let text = if let Value::String(text) = value { text.clone() } else { value.to_string() };
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => {
            escaped(&text[..end], out)?;
            write!(out, "…")?;
        }
        None => escaped(&text, out)?,
    }
    write!(out, "</td>")
}

/// These five are all that can end a text or an attribute in quotes. Source: HTML, "Serializing HTML fragments".
fn escaped(text: &str, out: &mut impl Write) -> io::Result<()> {
    let mut rest = text;
    while let Some(place) = rest.find(['&', '<', '>', '"', '\'']) {
        out.write_all(&rest.as_bytes()[..place])?;
        out.write_all(match rest.as_bytes()[place] {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            _ => b"&#39;",
        })?;
        rest = &rest[place + 1..];
    }
    out.write_all(rest.as_bytes())
}
