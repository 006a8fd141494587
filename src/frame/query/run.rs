//! Polars' part: a judged statement over tables.

use std::sync::Arc;

use bytes::Bytes;
use polars::prelude::{Column, DataFrame, IntoColumn, IntoLazy, PlSmallStr, Series};
use polars::sql::SQLContext;

use crate::error::{Error, Result};
use crate::frame::codec::guarded;
use crate::frame::condition::Condition;
use crate::frame::query::statement::on_deep_stack;
use crate::frame::query::{Bound, Shape};
use crate::frame::{Format, Frame, Source};
use crate::key::Key;
use crate::tier::memory::Derived;

/// What a table of a query is made of: an object, or several of one glob.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Whose.
    pub key: Key,
    /// What there is of it.
    pub part: Part,
}

/// A parsed object, or a body that is to be parsed.
#[derive(Clone, Debug)]
pub enum Part {
    /// All of it, parsed.
    Frame(Arc<Derived<Frame>>),
    /// Its bytes.
    Body(Format, Bytes),
}

/// A table of a query, in pieces.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is called in the statement: of a [`Bound`], one of its `tables`.
    pub table: String,
    /// Stacked in their order: columns go by their names, and what an object has no column for is null.
    pub pieces: Vec<Piece>,
}

/// Why a query over tables that are there has no answer here.
#[derive(Debug)]
pub enum Refused {
    /// Its answer cannot be bounded beforehand, or would take longer than is waited for what nobody can stop: it needs a process of
    /// its own.
    Unbounded,
    /// What to mend.
    Failed(Error),
}

/// Answers `bound` over `inputs`, one for each of its tables, in their order. With `bytes_max` only if it is known beforehand to
/// take no more; a frame that is parsed for it is no larger than `frame_bytes_max`.
///
/// Takes as long as it takes: call it off the async workers.
///
/// # Errors
/// `Unbounded` with `bytes_max` alone; `BadQuery`, and what parsing says.
pub fn run(bound: &Bound, inputs: &[Input], frame_bytes_max: u64, bytes_max: Option<u64>) -> Result<DataFrame, Refused> {
    let mut tables = Vec::with_capacity(inputs.len());
    for (input, name) in inputs.iter().zip(&bound.names) {
        let table = input.stacked(&bound.shape, bound.condition.as_ref(), frame_bytes_max).map_err(Refused::Failed)?;
        tables.push((name, table));
    }
    if let Some(bytes_max) = bytes_max {
        let rows = tables.iter().map(|(_, table)| table.height() as u64).sum();
        let columns = tables.iter().flat_map(|(_, table)| table.columns());
        let sizes = columns.map(|column| (column.name().as_str(), column.as_materialized_series().estimated_size() as u64));
        if bound.shape.bounds(rows, sizes).is_none_or(|bytes| bytes > bytes_max) {
            return Err(Refused::Unbounded);
        }
    }
    let answered = on_deep_stack(|| {
        let mut context = SQLContext::new();
        for (name, table) in tables {
            context.register(name, table.lazy());
        }
        context.execute(&bound.text)?.collect()
    });
    let refused = |reason: &str| Refused::Failed(Error::BadQuery { reason: one_line(reason) });
    // It panics where it counts more rows than it has numbers for, and elsewhere.
    let answered = answered.ok_or_else(|| refused("polars gave up on it; ask for less of it at a time"))?;
    answered.map_err(|error| refused(&error.to_string()))
}

impl Input {
    /// As much of the table as a query needs.
    fn stacked(&self, shape: &Shape, condition: Option<&Condition>, frame_bytes_max: u64) -> Result<DataFrame> {
        let mut stacked: Option<DataFrame> = None;
        for Piece { key, part } in &self.pieces {
            let table = match part {
                Part::Frame(frame) => frame.table().clone(),
                Part::Body(format, body) => Source { key, format: *format, body, frame_bytes_max }.part(shape, condition)?,
            };
            let differs = |reason: String| Error::BadQuery { reason: format!("`{}`: `{key}` {reason}", self.table) };
            stacked = Some(match stacked {
                None => table,
                Some(above) => stack(above, table).map_err(differs)?,
            });
        }
        stacked.ok_or_else(|| Error::BadQuery { reason: format!("no object matches `{}`", self.table) })
    }
}

/// Puts `below` under `above`: columns by their names, null where one has none of a name.
fn stack(mut above: DataFrame, mut below: DataFrame) -> Result<DataFrame, String> {
    fill(&mut above, &below)?;
    fill(&mut below, &above)?;
    let order: Vec<PlSmallStr> = above.get_column_names_owned();
    let below = guarded(|| below.select(order))?;
    guarded(|| {
        above.vstack_mut(&below)?;
        Ok(above)
    })
}

/// Adds to `table` what only `other` has, as nulls.
fn fill(table: &mut DataFrame, other: &DataFrame) -> Result<(), String> {
    let height = table.height();
    let mut missing: Vec<Column> = Vec::new();
    for column in other.columns() {
        match table.column(column.name()) {
            Ok(known) if known.dtype() == column.dtype() => {}
            Ok(known) => {
                let (name, one, other) = (column.name(), known.dtype(), column.dtype());
                return Err(format!("has another type in `{name}` than the objects before it: {one} and {other}"));
            }
            Err(_) => missing.push(Series::full_null(column.name().clone(), height, column.dtype()).into_column()),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    guarded(|| table.hstack_mut(&missing).map(|_| ()))
}

fn one_line(reason: &str) -> String {
    const CHARS_MAX: usize = 300;
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    // What follows tells of the plan, which is nobody's who asks.
    let line = line.split(" Resolved plan until failure").next().unwrap_or_default();
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
