//! Widths and padding as Python counts them: in characters, however wide they are drawn.

/// The longest text of a cell; longer ones end in `...` (pandas' `display.max_colwidth`).
const CELL_CHARS_MAX: usize = 50;

/// Which side of a text the padding is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Justify {
    Left,
    Right,
}

/// Python's `len`.
pub(super) fn len(text: &str) -> usize {
    text.chars().count()
}

/// The longest of `texts`; 0 for none.
pub(super) fn len_max<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    texts.into_iter().map(|text| len(text)).max().unwrap_or(0)
}

/// Python's `ljust` and `rjust`.
pub(super) fn pad(text: &str, width: usize, justify: Justify) -> String {
    match justify {
        Justify::Left => format!("{text:<width$}"),
        Justify::Right => format!("{text:>width$}"),
    }
}

/// pandas' `_make_fixed_width`: all of one width, cut where they are too long.
pub(super) fn make_fixed_width(texts: Vec<String>, justify: Justify, width_min: usize) -> Vec<String> {
    let width = len_max(&texts).max(width_min).min(CELL_CHARS_MAX);
    let cut = |text: String| match text.char_indices().nth(width.saturating_sub(3)) {
        Some((end, _)) if len(&text) > width => format!("{}...", &text[..end]),
        _ => text,
    };
    texts.into_iter().map(|text| pad(&cut(text), width, justify)).collect()
}

/// pandas' `trim_front`: takes a leading space away from all, as long as all have one.
pub(super) fn trim_front(mut texts: Vec<String>) -> Vec<String> {
    while !texts.is_empty() && texts.iter().all(|text| text.starts_with(' ')) {
        texts.iter_mut().for_each(|text| {
            text.remove(0);
        });
    }
    texts
}

/// pandas' escapes in cells and labels: what would break the line or the alignment.
pub(super) fn escape(text: &str) -> String {
    text.replace('\t', r"\t").replace('\r', r"\r").replace('\n', r"\n")
}

/// pandas' `adjoin`: sets columns of lines side by side, a space between.
pub(super) fn adjoin(columns: &[Vec<String>]) -> String {
    let lines = columns.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = columns.iter().map(len_max).collect();
    let line = |row: usize| {
        let cells = columns.iter().zip(&widths).enumerate().map(|(place, (column, width))| {
            let gap = usize::from(place + 1 < columns.len());
            pad(column.get(row).map_or("", String::as_str), width + gap, Justify::Left)
        });
        cells.collect::<String>()
    };
    (0..lines).map(line).collect::<Vec<_>>().join("\n")
}
