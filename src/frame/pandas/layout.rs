//! `repr(DataFrame)`: which rows and columns are shown, and where the dots stand.

use std::collections::HashMap;

use super::Table;
use super::text::{self, Justify};

/// The terminal that pandas believes in where there is none.
const TERMINAL_COLUMNS: usize = 80;

/// With more rows only the ends are shown (pandas' `display.max_rows`).
const ROWS_MAX: usize = 60;

/// How many rows of each end are shown then (half of pandas' `display.min_rows`).
const END_ROWS: usize = 5;

pub(super) fn repr(table: &Table) -> String {
    let mut view = View::of(table);
    let text = if table.rows == 0 || table.columns.is_empty() { empty(table) } else { view.fitted() };
    if view.is_cut() { format!("{text}\n\n[{} rows x {} columns]", table.rows, table.columns.len()) } else { text }
}

/// What is shown of a table.
struct View<'a> {
    table: &'a Table,
    columns: Vec<usize>,
    /// How many columns are left of the dots; `None` where all are shown.
    columns_before: Option<usize>,
    rows: Vec<usize>,
    /// How many rows are above the dots; `None` where all are shown.
    rows_before: Option<usize>,
}

impl<'a> View<'a> {
    /// All, but for the rows in the middle of a long table, and the columns that could not fit even if each were empty.
    fn of(table: &'a Table) -> Self {
        let is_long = table.rows > ROWS_MAX;
        let rows =
            if is_long { (0..END_ROWS).chain(table.rows - END_ROWS..table.rows).collect() } else { (0..table.rows).collect() };
        let columns = (0..table.columns.len()).collect();
        let mut view = Self { table, columns, columns_before: None, rows, rows_before: is_long.then_some(END_ROWS) };
        if table.columns.len() > TERMINAL_COLUMNS {
            view.keep_columns(TERMINAL_COLUMNS);
        }
        view
    }

    fn is_cut(&self) -> bool {
        self.columns_before.is_some() || self.rows_before.is_some()
    }

    fn keep_columns(&mut self, count: usize) {
        let ends = count / 2;
        self.columns.drain(ends..self.columns.len() - ends);
        self.columns_before = Some(ends);
    }

    /// pandas' `_fit_strcols_to_terminal_width`: takes columns from the middle until the lines should fit.
    fn fitted(&mut self) -> String {
        let columns = self.columns_of_lines();
        let whole = text::adjoin(&columns);
        let width = whole.split('\n').map(text::len).max().unwrap_or(0);
        let mut widths: Vec<usize> = columns.iter().map(text::len_max).collect();
        // One less than the terminal has, so that no cursor wraps.
        let mut excess = (width + 1) as i64 - TERMINAL_COLUMNS as i64;
        while excess > 0 && widths.len() > 1 {
            // Python rounds halves to the even neighbour.
            let half = widths.len() / 2;
            let middle = if widths.len() % 2 == 1 && half % 2 == 1 { half + 1 } else { half };
            excess -= widths.remove(middle) as i64 + 1;
        }
        // Without the row labels, and never fewer than two.
        let fitting = (widths.len() - 1).max(2);
        if self.table.columns.len() <= fitting {
            return whole;
        }
        self.keep_columns(fitting);
        text::adjoin(&self.columns_of_lines())
    }

    /// The row labels and the shown columns, each with its header, dots included.
    fn columns_of_lines(&self) -> Vec<Vec<String>> {
        let index = self.index_lines();
        let (lines, header_lines) = (index.len(), index.len() - self.rows.len());
        let headers = self.headers();
        let mut columns = vec![index];
        columns.extend(self.columns.iter().zip(headers).map(|(&column, header)| self.column_lines(column, header)));
        let dots_at = self.columns_before.map(|before| before + 1);
        if let Some(at) = dots_at {
            columns.insert(at, vec![" ...".to_owned(); lines]);
        }
        if let Some(before) = self.rows_before {
            for (place, column) in columns.iter_mut().enumerate() {
                let is_dots = Some(place) == dots_at;
                let width = text::len(&column[before]);
                let dots = if width > 3 || is_dots { "..." } else { ".." };
                let justify = if place == 0 { Justify::Left } else { Justify::Right };
                column.insert(before + header_lines, text::pad(dots, if is_dots { 4 } else { width }, justify));
            }
        }
        columns
    }

    fn index_lines(&self) -> Vec<String> {
        let header = self.table.columns_name.clone().unwrap_or_default();
        [header].into_iter().chain(self.table.index.lines(&self.rows)).collect()
    }

    fn column_lines(&self, column: usize, header: String) -> Vec<String> {
        let mut header = vec![header];
        if self.table.index.has_name() {
            header.push(String::new());
        }
        let header_width = text::len_max(&header);
        let cells = self.table.columns[column].cells(&self.rows, Justify::Right);
        let cells = text::make_fixed_width(cells, Justify::Right, 0);
        let cells = text::make_fixed_width(cells, Justify::Right, header_width);
        let width = text::len_max(&cells).max(header_width);
        header.iter().map(|line| text::pad(line, width, Justify::Right)).chain(cells).collect()
    }

    fn headers(&self) -> Vec<String> {
        let columns = &self.table.columns;
        let labels: Vec<String> = self.columns.iter().map(|&column| text::escape(&columns[column].label)).collect();
        let labels = if self.table.has_integer_headers {
            let signed = labels.iter().map(|label| format!("{}{label}", if label.starts_with('-') { "" } else { " " }));
            text::trim_front(text::make_fixed_width(signed.collect(), Justify::Left, 0))
        } else {
            labels
        };
        // pandas looks the types up by place among all columns, though the labels are of those shown.
        let is_numeric: HashMap<&String, bool> =
            labels.iter().zip(columns).map(|(label, column)| (label, column.is_numeric())).collect();
        labels.iter().map(|label| format!("{}{label}", if is_numeric[label] { " " } else { "" })).collect()
    }
}

fn empty(table: &Table) -> String {
    const ITEMS_MAX: usize = 100;
    let labels: Vec<&str> = table.columns.iter().take(ITEMS_MAX).map(|column| column.label.as_str()).collect();
    let more = if table.columns.len() > ITEMS_MAX { ", ..." } else { "" };
    format!("Empty DataFrame\nColumns: [{}{more}]\nIndex: {}", labels.join(", "), table.index.list())
}
