//! Cuts a slice out of a table.

use polars::prelude::{DataFrame, IdxCa, IdxSize, PolarsError, SortMultipleOptions};
use rand::rngs::StdRng;
use rand::{SeedableRng, seq};
use sha2::{Digest, Sha256};

use crate::entry::Version;
use crate::frame::condition;
use crate::frame::slice::{BadSlice, Direction, Order, Slice, unknown_column};

/// Why a slice cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncut {
    /// A parameter does not fit the table.
    #[error(transparent)]
    Bad(#[from] BadSlice),
    /// Polars refuses.
    #[error("{0}")]
    Refused(String),
}

/// What chance begins with for a version: the same for all instances, so that they choose the same rows.
pub fn seed(version: &Version) -> u64 {
    let digest = Sha256::digest(version.etag.as_bytes());
    digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// Cuts `slice` out of `table`. `seed` belongs to the version, so that a sample is the same as long as that is.
///
/// # Errors
/// What does not fit the table's columns.
pub(in crate::frame) fn cut(slice: &Slice, table: &DataFrame, seed: u64) -> Result<DataFrame, Uncut> {
    // Names first: a condition over many rows takes long.
    check_names("columns", slice.columns.iter().flatten().map(String::as_str), table)?;
    check_names("order_by", slice.order.iter().map(|order| order.column.as_str()), table)?;
    let mut cut = table.clone();
    if let Some(condition) = &slice.condition {
        let rows = condition::rows(condition, &cut);
        let rows = rows.map_err(|condition::BadCondition(reason)| BadSlice { parameter: "where", reason })?;
        cut = cut.filter(&rows)?;
    }
    if let Some(rows) = slice.sample {
        cut = sampled(&cut, rows, seed)?;
    }
    if !slice.order.is_empty() {
        cut = sorted(&cut, &slice.order)?;
    }
    if slice.offset > 0 || slice.limit.is_some() {
        let height = cut.height();
        let offset = usize::try_from(slice.offset).unwrap_or(usize::MAX).min(height);
        let limit = slice.limit.map_or(height, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        cut = cut.slice(offset as i64, limit.min(height - offset));
    }
    if let Some(columns) = &slice.columns {
        cut = cut.select(columns.iter().map(String::as_str))?;
    }
    Ok(cut)
}

fn check_names<'a>(parameter: &'static str, names: impl Iterator<Item = &'a str>, table: &DataFrame) -> Result<(), BadSlice> {
    for name in names {
        if table.column(name).is_err() {
            let known = table.get_column_names();
            let reason = unknown_column(name, known.iter().map(|name| name.as_str()));
            return Err(BadSlice { parameter, reason });
        }
    }
    Ok(())
}

fn sampled(table: &DataFrame, rows: u64, seed: u64) -> Result<DataFrame, Uncut> {
    let (height, rows) = (table.height(), usize::try_from(rows).unwrap_or(usize::MAX));
    if rows >= height {
        return Ok(table.clone());
    }
    let chosen = seq::index::sample(&mut StdRng::seed_from_u64(seed), height, rows);
    let mut chosen: Vec<IdxSize> = chosen.into_iter().map(|row| row as IdxSize).collect();
    chosen.sort_unstable();
    Ok(table.take(&IdxCa::from_vec("".into(), chosen))?)
}

fn sorted(table: &DataFrame, order: &[Order]) -> Result<DataFrame, Uncut> {
    for Order { column, .. } in order {
        let dtype = table.column(column)?.dtype();
        if dtype.is_nested() || dtype.is_object() {
            let reason = format!("names `{column}`, which is {dtype} and has no order");
            return Err(BadSlice { parameter: "order_by", reason }.into());
        }
    }
    let descending: Vec<bool> = order.iter().map(|order| order.direction == Direction::Descending).collect();
    let options =
        SortMultipleOptions::default().with_order_descending_multi(descending).with_nulls_last(true).with_maintain_order(true);
    Ok(table.sort(order.iter().map(|order| order.column.as_str()), options)?)
}

impl From<PolarsError> for Uncut {
    fn from(error: PolarsError) -> Self {
        Self::Refused(error.to_string())
    }
}

#[cfg(test)]
mod tests;
