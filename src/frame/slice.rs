//! A part of a table: which columns and rows, in which order. Parsed here, from the words of a query; done in [`super::cut`].

use std::fmt::Write;

use crate::frame::condition::{BadCondition, Condition};

/// What an unknown column's message names at most of those that there are.
const NAMED_MAX: usize = 40;

/// The most columns that can be named: more than that is all of them.
const COLUMNS_MAX: usize = 1_000;

/// A part of a table. Its steps, in their order: the condition, the sample, the order, offset and limit, the columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    /// Which columns, in this order; all where none is named.
    pub columns: Option<Vec<String>>,
    /// Which rows.
    pub condition: Option<Condition>,
    /// So many rows of these, chosen by chance and in their order: the same ones as long as the version is.
    pub sample: Option<u64>,
    /// By which columns they are sorted, the first before the others; nulls last. Rows that are alike keep their order.
    pub order: Vec<Order>,
    /// How many rows are left out before the first.
    pub offset: u64,
    /// How many rows at most.
    pub limit: Option<u64>,
}

/// A column to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub column: String,
    /// Which way.
    pub direction: Direction,
}

/// Which way rows are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// Why a parameter of a slice does not fit: `where` "names no column".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}` {reason}")]
pub struct BadSlice {
    /// The parameter's name.
    pub parameter: &'static str,
    /// What is wrong with it, to be read after its name.
    pub reason: String,
}

/// The names of the parameters that make a slice.
pub const PARAMETERS: [&str; 6] = ["columns", "where", "sample", "order_by", "offset", "limit"];

impl Slice {
    /// Takes in one parameter of a query; whether it is one of a slice's.
    ///
    /// # Errors
    /// What does not fit.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, BadSlice> {
        let Some(parameter) = PARAMETERS.into_iter().find(|parameter| *parameter == name) else { return Ok(false) };
        let bad = |reason: String| BadSlice { parameter, reason };
        match parameter {
            "columns" => self.columns = Some(columns(value).map_err(bad)?),
            "where" => self.condition = Some(Condition::parse(value).map_err(|BadCondition(reason)| bad(reason))?),
            "sample" => self.sample = Some(rows(value).map_err(bad)?),
            "order_by" => self.order = order(value).map_err(bad)?,
            "offset" => self.offset = rows(value).map_err(bad)?,
            _ => self.limit = Some(rows(value).map_err(bad)?),
        }
        Ok(true)
    }

    /// Whether it is the table as it is.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// The columns that must be there to make it; `None` for all.
    pub fn needs(&self) -> Option<Vec<&str>> {
        let mut needs: Vec<&str> = self.columns.as_ref()?.iter().map(String::as_str).collect();
        let sorted_by = self.order.iter().map(|order| order.column.as_str());
        let asked = self.condition.iter().flat_map(Condition::columns).map(String::as_str);
        for name in sorted_by.chain(asked) {
            if !needs.contains(&name) {
                needs.push(name);
            }
        }
        Some(needs)
    }
}

/// Says that there is no such column, and which there are.
pub(in crate::frame) fn unknown_column<'a>(name: &str, known: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = known.len();
    let mut text = format!("names the column `{name}`, which is not there; there are: ");
    for (place, known) in known.take(NAMED_MAX).enumerate() {
        let _written = write!(text, "{}{known}", if place == 0 { "" } else { ", " });
    }
    if count > NAMED_MAX {
        let _written = write!(text, " and {} more", count - NAMED_MAX);
    }
    text
}

fn rows(text: &str) -> Result<u64, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(format!("is `{}`; write a number of rows, 0 or more", shown(text)));
    }
    // More rows than can be counted are all of them.
    Ok(text.parse().unwrap_or(u64::MAX))
}

fn columns(text: &str) -> Result<Vec<String>, String> {
    let mut columns: Vec<String> = Vec::new();
    for part in parts(text)? {
        let (name, rest) = name(&part)?;
        if !rest.is_empty() {
            return Err(format!("has `{}`; separate names by commas", shown(&part)));
        }
        if columns.contains(&name) {
            return Err(format!("names `{}` twice", shown(&name)));
        }
        columns.push(name);
    }
    Ok(columns)
}

fn order(text: &str) -> Result<Vec<Order>, String> {
    let mut orders: Vec<Order> = Vec::new();
    for part in parts(text)? {
        let (quoted, rest) = name(&part)?;
        let (column, direction) = if part.trim_start().starts_with('"') {
            (quoted, direction(rest).ok_or_else(|| format!("has `{}`; write `asc` or `desc`", shown(rest)))?)
        } else {
            // Names have spaces too; what is no direction belongs to the name.
            match part.trim().rsplit_once(char::is_whitespace) {
                Some((name, last)) if direction(last).is_some() => {
                    (name.trim_end().to_owned(), direction(last).unwrap_or(Direction::Ascending))
                }
                _ => (part.trim().to_owned(), Direction::Ascending),
            }
        };
        if orders.iter().any(|order| order.column == column) {
            return Err(format!("names `{}` twice", shown(&column)));
        }
        orders.push(Order { column, direction });
    }
    Ok(orders)
}

fn direction(word: &str) -> Option<Direction> {
    match word.to_ascii_lowercase().as_str() {
        "" | "asc" => Some(Direction::Ascending),
        "desc" => Some(Direction::Descending),
        _ => None,
    }
}

/// What stands between commas, but for those in double quotes.
fn parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    for character in text.chars() {
        is_quoted ^= character == '"';
        match (character, parts.last_mut()) {
            (',', _) if !is_quoted => parts.push(String::new()),
            (_, Some(part)) => part.push(character),
            (_, None) => {}
        }
        if parts.len() > COLUMNS_MAX {
            return Err(format!("names more than {COLUMNS_MAX} columns"));
        }
    }
    match parts.iter().any(|part| part.trim().is_empty()) {
        true => Err("has a name that is empty; write names separated by commas".to_owned()),
        false => Ok(parts),
    }
}

/// A name, in double quotes or as it stands, and what follows the quotes.
fn name(part: &str) -> Result<(String, &str), String> {
    let part = part.trim();
    let Some(quoted) = part.strip_prefix('"') else { return Ok((part.to_owned(), "")) };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"').ok_or("has a name whose quotes are not closed")?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Ok((name, after.trim())),
        }
    }
}

/// As much of what was sent as a reader needs to know it again.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(pairs: &[(&str, &str)]) -> Result<Slice, String> {
        let mut slice = Slice::default();
        for (name, value) in pairs {
            assert!(slice.take(name, value).map_err(|bad| bad.to_string())?);
        }
        Ok(slice)
    }

    #[test]
    fn names_may_have_spaces_and_in_quotes_commas() {
        let columns = slice(&[("columns", "a, unit price ,\"b,c\",\"say \"\"d\"\"\"")]).unwrap().columns.unwrap();
        assert_eq!(columns, ["a", "unit price", "b,c", "say \"d\""]);
        let order = |column: &str, direction| Order { column: column.to_owned(), direction };
        let orders = slice(&[("order_by", "n DESC, unit price, \"x desc\" asc")]).unwrap().order;
        let expected =
            [order("n", Direction::Descending), order("unit price", Direction::Ascending), order("x desc", Direction::Ascending)];
        assert_eq!(orders, expected);
    }

    #[test]
    fn what_does_not_fit_says_which_parameter_and_why() {
        for (name, value, expected) in [
            ("limit", "-1", "`limit` is `-1`; write a number of rows, 0 or more"),
            ("limit", "", "`limit` is ``; write a number of rows, 0 or more"),
            ("offset", "1e3", "`offset` is `1e3`; write a number of rows, 0 or more"),
            ("sample", "ten", "`sample` is `ten`; write a number of rows, 0 or more"),
            ("columns", "a,,b", "`columns` has a name that is empty; write names separated by commas"),
            ("columns", "a,a", "`columns` names `a` twice"),
            ("columns", "\"a", "`columns` has a name whose quotes are not closed"),
            ("columns", "\"a\" b", "`columns` has `\"a\" b`; separate names by commas"),
            ("order_by", "\"a\" up", "`order_by` has `up`; write `asc` or `desc`"),
            ("order_by", "a,a desc", "`order_by` names `a` twice"),
            ("where", "", "`where` is empty; write a condition, as in `price > 2 AND type = 'bond'`"),
        ] {
            assert_eq!(slice(&[(name, value)]).unwrap_err(), expected);
        }
        assert_eq!(slice(&[("columns", &"a,".repeat(2_000))]).unwrap_err(), "`columns` names more than 1000 columns");
    }

    #[test]
    fn a_number_past_all_counting_is_all_rows() {
        assert_eq!(slice(&[("limit", "99999999999999999999999")]).unwrap().limit, Some(u64::MAX));
    }

    #[test]
    fn what_is_needed_is_what_is_shown_sorted_by_and_asked_of() {
        let sliced = slice(&[("columns", "a"), ("order_by", "b"), ("where", "c > 1 and a > 2")]).unwrap();
        assert_eq!(sliced.needs(), Some(vec!["a", "b", "c"]));
        assert_eq!(slice(&[("where", "c > 1")]).unwrap().needs(), None);
        assert!(!Slice::default().take("format", "csv").unwrap());
    }
}
