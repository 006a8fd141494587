//! What a statement may cost, as far as its text says.

use std::collections::BTreeMap;

/// What a statement asks for, for whoever has to decide where it runs. An estimate above what is needed, never below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Expressions, tables and SELECTs in it.
    pub nodes: usize,
    /// How often each column is named, by its name. Names of nested values and aliases count too.
    pub columns: BTreeMap<String, usize>,
    /// Whether all columns are asked for somewhere (`*`).
    pub has_wildcard: bool,
    /// The bytes of all texts that stand in it.
    pub text_bytes: usize,
    /// How many of the nodes make a column of their own: neither names nor literals.
    pub makings: usize,
    /// Whether more than one table, another SELECT, or a call that makes much of little stands in it.
    pub is_unbounded: bool,
}

/// What one call may cost at most where it runs beside everything else: a second or two of all cores.
const WORK_MAX: u64 = 400_000_000;

/// What a value takes that an expression makes: a number, or the view of a text.
const VALUE_BYTES: u64 = 16;

impl Shape {
    /// Which columns of a table with `columns` are asked for; all where that is not known.
    pub fn needs<'a>(&self, mut columns: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
        if self.has_wildcard {
            return None;
        }
        // Polars takes some names in another case and in parts of theirs; what is named in no way is not needed.
        let is_named = |column: &&str| self.columns.keys().any(|name| name.eq_ignore_ascii_case(column));
        let first = columns.next();
        let named: Vec<String> = first.into_iter().chain(columns).filter(is_named).map(str::to_owned).collect();
        // How many rows there are, a table without columns does not say.
        if named.is_empty() { first.map(|first| vec![first.to_owned()]) } else { Some(named) }
    }

    /// What it may take of memory over a table of so many rows, whose columns take `column_bytes`; `None` where that cannot be
    /// told before, or takes longer than is waited for what nobody can stop.
    pub fn bounds<'a>(&self, rows: u64, column_bytes: impl Iterator<Item = (&'a str, u64)>) -> Option<u64> {
        let work = rows.saturating_mul(self.nodes as u64);
        if self.is_unbounded || work > WORK_MAX {
            return None;
        }
        let made = rows.saturating_mul(self.makings as u64).saturating_mul(VALUE_BYTES);
        let mut bytes = made.saturating_add(rows.saturating_mul(self.text_bytes as u64));
        for (name, size) in column_bytes {
            let times = self.columns.get(name).copied().unwrap_or(0) as u64 + u64::from(self.has_wildcard);
            bytes = bytes.saturating_add(size.saturating_mul(times));
        }
        Some(bytes)
    }
}
