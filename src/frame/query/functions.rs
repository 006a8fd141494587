//! Which functions a query may call, and which of them may make much of little.
//!
//! Source: polars-sql 0.55.2, `functions.rs`. What it has and is not here is not called; `read_csv` and its like are no functions of
//! a value there, and are in no list here.

/// What a call makes of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// No more than the column, or one value of it.
    Bounded,
    /// What cannot be told before: longer texts, lists, more rows, a pattern's time.
    Unbounded,
}

/// Calls that work on values and make no more of them.
const BOUNDED: &[&str] = &[
    "abs",
    "acos",
    "acosd",
    "array_contains",
    "array_get",
    "array_length",
    "array_lower",
    "array_mean",
    "array_reverse",
    "array_sum",
    "array_unique",
    "array_upper",
    "asin",
    "asind",
    "atan",
    "atan2",
    "atan2d",
    "atand",
    "avg",
    "bit_and",
    "bit_length",
    "bit_not",
    "bit_or",
    "bit_xor",
    "bitand",
    "bitnot",
    "bitor",
    "bitxor",
    "cbrt",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "coalesce",
    "corr",
    "cos",
    "cosd",
    "cot",
    "cotd",
    "count",
    "covar",
    "covar_pop",
    "covar_samp",
    "date",
    "date_part",
    "datetime",
    "degrees",
    "dense_rank",
    "div",
    "ends_with",
    "exp",
    "first",
    "first_value",
    "floor",
    "greatest",
    "if",
    "ifnull",
    "initcap",
    "lag",
    "last",
    "last_value",
    "lead",
    "least",
    "left",
    "length",
    "ln",
    "log",
    "log10",
    "log1p",
    "log2",
    "lower",
    "ltrim",
    "max",
    "median",
    "min",
    "mod",
    "nullif",
    "octet_length",
    "pi",
    "pow",
    "power",
    "quantile_cont",
    "quantile_disc",
    "radians",
    "rank",
    "reverse",
    "right",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sind",
    "sqrt",
    "starts_with",
    "stddev",
    "stddev_samp",
    "stdev",
    "stdev_samp",
    "strpos",
    "strptime",
    "substr",
    "sum",
    "tan",
    "tand",
    "time",
    "timestamp",
    "total",
    "trunc",
    "truncate",
    "upper",
    "var",
    "var_samp",
    "variance",
    "xor",
];

/// Calls of which nobody knows before what they make.
const UNBOUNDED: &[&str] = &[
    "array_agg",
    "array_to_string",
    "columns",
    "concat",
    "concat_ws",
    "group_concat",
    "listagg",
    "lpad",
    "normalize",
    "regexp_like",
    "replace",
    "rpad",
    "split_part",
    "strftime",
    "string_agg",
    "string_to_array",
    "unnest",
];

/// The function that `name` calls, in whatever case, and what it makes; `None` where it may not be called.
pub(super) fn allowed(name: &str) -> Option<(&'static str, Growth)> {
    let find = |list: &'static [&'static str]| list.iter().copied().find(|known| name.eq_ignore_ascii_case(known));
    let bounded = find(BOUNDED).map(|name| (name, Growth::Bounded));
    bounded.or_else(|| find(UNBOUNDED).map(|name| (name, Growth::Unbounded)))
}

/// The name of a function that may be called and is nearest to `name`.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let known = BOUNDED.iter().chain(UNBOUNDED).copied();
    known
        .map(|known| (strsim::damerau_levenshtein(known, &name), known))
        .filter(|(edits, _)| *edits <= 2)
        .min()
        .map(|(_, known)| known)
}
