//! Row labels: a range, a column, or several.

use polars::prelude::{AnyValue, DataFrame};

use super::cell;
use super::column::{self, Column, Kind};
use super::notes::{LevelNote, Notes};
use super::text::{self, Justify};
use crate::python_value::str_repr;

/// The row labels of a table.
pub(super) enum Index {
    /// `start`, `start + step` and so on.
    Range { name: Option<String>, start: i64, step: i64, len: usize },
    /// One column, or several, the outermost first.
    Levels(Vec<Level>),
}

/// A column of row labels.
pub(super) struct Level {
    name: Option<String>,
    /// What the file calls the column.
    field: String,
    column: Column,
}

impl Index {
    pub(super) fn of(table: &DataFrame, notes: &Notes) -> Self {
        let len = table.height();
        let mut levels = Vec::new();
        for note in &notes.levels {
            match note {
                // A file cut by other hands may have other rows than its notes say; then they count from 0.
                LevelNote::Range { name, start, stop, step } if range_len(*start, *stop, *step) == len as i128 => {
                    return Self::Range { name: name.clone(), start: *start, step: *step, len };
                }
                LevelNote::Range { .. } => {}
                LevelNote::Column(field) => levels.extend(table.column(field).ok().map(|column| Level {
                    name: notes.column(field).and_then(|note| note.name.clone()),
                    field: field.clone(),
                    column: Column::of(column.as_materialized_series(), notes.column(field)),
                })),
            }
        }
        if levels.is_empty() { Self::Range { name: None, start: 0, step: 1, len } } else { Self::Levels(levels) }
    }

    /// Whether the labels are in the column `field`.
    pub(super) fn is_of(&self, field: &str) -> bool {
        matches!(self, Self::Levels(levels) if levels.iter().any(|level| level.field == field))
    }

    pub(super) fn has_name(&self) -> bool {
        match self {
            Self::Range { name, .. } => name.is_some(),
            Self::Levels(levels) => levels.iter().any(|level| level.name.is_some()),
        }
    }

    /// The labels of some rows as one column of lines, their names first where they have some.
    pub(super) fn lines(&self, rows: &[usize]) -> Vec<String> {
        let names = |name: &Option<String>| self.has_name().then(|| text::escape(name.as_deref().unwrap_or_default()));
        let mut columns: Vec<Vec<String>> = match self {
            Self::Range { name, len, .. } => vec![names(name).into_iter().chain(self.range_texts(rows, *len)).collect()],
            Self::Levels(levels) => {
                let texts = levels.iter().map(|level| names(&level.name).into_iter().chain(level.texts(rows)).collect());
                texts.collect()
            }
        };
        if columns.len() > 1 {
            leave_out_repeats(&mut columns, usize::from(self.has_name()));
        }
        let columns: Vec<_> = columns.into_iter().map(|column| text::make_fixed_width(column, Justify::Left, 0)).collect();
        text::adjoin(&columns).split('\n').map(str::to_owned).collect()
    }

    /// pandas' `Index._summary`: `RangeIndex: 781 entries, 0 to 780`.
    pub(super) fn summary(&self) -> String {
        let (class, len, ends) = match self {
            Self::Range { start, step, len, .. } => {
                ("RangeIndex", *len, [0, len.saturating_sub(1)].map(|place| range_at(*start, *step, place).to_string()))
            }
            Self::Levels(levels) => match &levels[..] {
                [level] => (level.class(), level.column.len(), level.ends()),
                levels => {
                    let len = levels.first().map_or(0, |level| level.column.len());
                    let tuple = |row: usize| {
                        let parts: Vec<String> = levels.iter().map(|level| level.repr(row)).collect();
                        format!("({})", parts.join(", "))
                    };
                    ("MultiIndex", len, if len == 0 { Default::default() } else { [tuple(0), tuple(len - 1)] })
                }
            },
        };
        let [first, last] = ends;
        if len == 0 { format!("{class}: 0 entries") } else { format!("{class}: {len} entries, {first} to {last}") }
    }

    /// pandas' `pprint_thing` of the labels.
    pub(super) fn list(&self) -> String {
        const ITEMS_MAX: usize = 100;
        let (len, label): (usize, Box<dyn Fn(usize) -> String + '_>) = match self {
            Self::Range { start, step, len, .. } => (*len, Box::new(move |row| range_at(*start, *step, row).to_string())),
            Self::Levels(levels) => (
                levels.first().map_or(0, |level| level.column.len()),
                Box::new(move |row| levels.iter().map(|level| level.column.str(row)).collect::<Vec<_>>().join(", ")),
            ),
        };
        let labels: Vec<String> = (0..len.min(ITEMS_MAX)).map(label).collect();
        format!("[{}{}]", labels.join(", "), if len > ITEMS_MAX { ", ..." } else { "" })
    }

    /// Bytes the labels take in pandas.
    pub(super) fn bytes(&self) -> usize {
        match self {
            // A range keeps three numbers and itself.
            Self::Range { .. } => 132,
            Self::Levels(levels) => levels.iter().map(|level| level.column.len() * 8).sum(),
        }
    }

    /// Whether the labels are Python objects, whose memory pandas does not count.
    pub(super) fn has_objects(&self) -> bool {
        matches!(self, Self::Levels(levels) if levels.iter().any(|level| matches!(level.column.kind, Kind::Object(_))))
    }

    fn range_texts(&self, rows: &[usize], len: usize) -> Vec<String> {
        let Self::Range { start, step, .. } = self else { return Vec::new() };
        let labels = rows.iter().map(|&row| range_at(*start, *step, row));
        if rows.len() == len {
            return labels.map(|label| label.to_string()).collect();
        }
        // Head and tail of a range are no range any more: pandas prints them as any integers.
        text::trim_front(labels.map(|label| format!("{}{label}", if label < 0 { "" } else { " " })).collect())
    }
}

impl Level {
    /// pandas' `Index.format`.
    fn texts(&self, rows: &[usize]) -> Vec<String> {
        match &self.column.kind {
            Kind::Moment | Kind::Zoned(_) | Kind::Span => self.column.cells(rows, Justify::Left),
            Kind::Object(shape) => rows.iter().map(|&row| cell::object(&self.column.value(row), shape)).collect(),
            Kind::Category => rows.iter().map(|&row| column::category(&self.column.value(row))).collect(),
            Kind::Boolean | Kind::Integer | Kind::Float(_) | Kind::Masked => {
                let cells = text::make_fixed_width(self.column.cells(rows, Justify::Left), Justify::Left, 0);
                text::trim_front(cells)
            }
        }
    }

    fn class(&self) -> &'static str {
        match self.column.kind {
            Kind::Integer if self.column.dtype.starts_with('u') => "UInt64Index",
            Kind::Integer => "Int64Index",
            Kind::Float(_) => "Float64Index",
            Kind::Moment | Kind::Zoned(_) => "DatetimeIndex",
            Kind::Span => "TimedeltaIndex",
            Kind::Category => "CategoricalIndex",
            Kind::Boolean | Kind::Masked | Kind::Object(_) => "Index",
        }
    }

    /// The first and the last label as the summary has them: moments as dates where all of them are.
    fn ends(&self) -> [String; 2] {
        let len = self.column.len();
        if len == 0 {
            return Default::default();
        }
        if self.column.is_dates_only() {
            return [0, len - 1].map(|row| self.column.cells(&[row], Justify::Left).concat());
        }
        [0, len - 1].map(|row| self.column.str(row))
    }

    /// `repr` of a label, as a part of a tuple.
    fn repr(&self, row: usize) -> String {
        match self.column.value(row) {
            value if value.get_str().is_some() => str_repr(&cell::plain(&value)),
            AnyValue::Null => "nan".to_owned(),
            _ if matches!(self.column.kind, Kind::Moment) => format!("Timestamp('{}')", self.column.str(row)),
            _ => self.column.str(row),
        }
    }
}

/// pandas' `sparsify_labels`: of labels that repeat those above, only the innermost is shown.
fn leave_out_repeats(columns: &mut [Vec<String>], rows_before: usize) {
    let innermost = columns.len() - 1;
    let rows = columns[innermost].len();
    for row in (rows_before + 1..rows).rev() {
        for column in columns.iter_mut().take(innermost) {
            if column[row] != column[row - 1] {
                break;
            }
            column[row].clear();
        }
    }
}

fn range_at(start: i64, step: i64, place: usize) -> i128 {
    i128::from(start) + i128::from(step) * place as i128
}

fn range_len(start: i64, stop: i64, step: i64) -> i128 {
    let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
    let (distance, step) = if step > 0 { (stop - start, step) } else { (start - stop, -step) };
    if distance <= 0 { 0 } else { (distance + step - 1) / step }
}
