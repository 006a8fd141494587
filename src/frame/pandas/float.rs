//! Columns of floats: as many decimals as the longest needs, or all with an exponent.

/// pandas' `display.precision`.
const DECIMALS: usize = 6;

/// How wide the floats of a column are in memory; pandas judges "small" in that width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FloatWidth {
    Half,
    Single,
    Double,
}

impl FloatWidth {
    /// 1e-6, rounded to this width.
    fn small_below(self) -> f64 {
        match self {
            Self::Half => 17.0 / f64::from(1 << 24),
            Self::Single => f64::from(1e-6_f32),
            Self::Double => 1e-6,
        }
    }
}

/// pandas' `FloatArrayFormatter`: the texts of a column's values, NaN for nulls, before they are set to one width.
pub(super) fn format_floats(values: &[f64], width: FloatWidth, nan: &str) -> Vec<String> {
    let write = |how: fn(f64) -> String| {
        let texts = values.iter().map(|&value| if value.is_nan() { nan.to_owned() } else { how(value) });
        trim_zeros(texts.collect())
    };
    let plain = write(fixed);
    // Wider than this, large numbers go over to exponents.
    let is_long = plain.iter().any(|text| text.chars().count() > DECIMALS + 6);
    let has_large = values.iter().any(|value| value.abs() > 1e6);
    let has_small = values.iter().any(|value| value.abs() < width.small_below() && *value != 0.0);
    if has_small || (is_long && has_large) { write(scientific) } else { plain }
}

/// A float among values of other kinds: six decimals without the zeros at its end.
pub(super) fn format_single(value: f64) -> String {
    let text = fixed(value);
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}

/// Python's `f"{value: .6f}"`.
fn fixed(value: f64) -> String {
    format!("{}{value:.DECIMALS$}", sign_place(value))
}

/// Python's `f"{value: .6e}"`.
fn scientific(value: f64) -> String {
    let text = format!("{}{value:.DECIMALS$e}", sign_place(value));
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text,
    }
}

fn sign_place(value: f64) -> &'static str {
    if value.is_sign_negative() { "" } else { " " }
}

/// Takes zeros away from the end of all numbers, as long as all have one; leaves one behind the point.
fn trim_zeros(mut texts: Vec<String>) -> Vec<String> {
    let decimals: Vec<usize> = (0..texts.len()).filter(|&place| has_decimals(&texts[place])).collect();
    while !decimals.is_empty() && decimals.iter().all(|&place| texts[place].ends_with('0')) {
        decimals.iter().for_each(|&place| {
            texts[place].pop();
        });
    }
    for place in decimals {
        if texts[place].ends_with('.') {
            texts[place].push('0');
        }
    }
    texts
}

fn has_decimals(text: &str) -> bool {
    text.contains('.') && !text.contains('e')
}
