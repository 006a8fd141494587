use polars::prelude::{DataType, IntoColumn, NamedFrom, Series, TimeUnit};

use super::*;

fn table() -> DataFrame {
    let moments = Series::new("at".into(), [Some(0_i64), Some(1_500), None, Some(86_400_000), Some(-1)]);
    let moments = moments.cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap().into_column();
    let days = Series::new("day".into(), [0_i32, 1, 2, 3, 19_723]).cast(&DataType::Date).unwrap().into_column();
    let columns = vec![
        Series::new("n".into(), [Some(1_i64), Some(2), None, Some(-4), Some(i64::MAX)]).into_column(),
        Series::new("x".into(), [0.5, f64::NAN, -0.0, 1e300, 2.0]).into_column(),
        Series::new("narrow".into(), [0.1_f32, 0.2, 0.3, 0.4, 0.5]).into_column(),
        Series::new("word".into(), [Some("bond"), Some("Bond"), None, Some(""), Some("été")]).into_column(),
        Series::new("yes".into(), [Some(true), Some(false), None, Some(true), Some(false)]).into_column(),
        Series::new("small".into(), [0_u8, 1, 2, 3, 255]).into_column(),
        moments,
        days,
    ];
    DataFrame::new(5, columns).unwrap()
}

/// The rows, numbered from 0, that meet a condition.
fn rows(condition: &str) -> Vec<usize> {
    let mut slice = Slice::default();
    slice.take("where", condition).unwrap();
    let numbered = table().with_row_index("row".into(), None).unwrap();
    let cut = cut(&slice, &numbered, 0).unwrap_or_else(|uncut| panic!("{condition}: {uncut}"));
    cut.column("row").unwrap().u32().unwrap().iter().flatten().map(|row| row as usize).collect()
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    let mut slice = Slice::default();
    for (name, value) in pairs {
        slice.take(name, value).unwrap();
    }
    cut(&slice, &table(), 0).unwrap_err().to_string()
}

#[test]
fn a_row_stays_where_the_condition_is_true_and_not_where_it_is_null() {
    for (condition, expected) in [
        ("n > 1", vec![1, 4]),
        ("NOT n > 1", vec![0, 3]),
        ("n = NULL", vec![]),
        ("n IS NULL", vec![2]),
        ("n IS NOT NULL AND n <> 2", vec![0, 3, 4]),
        ("n > 1 OR word IS NULL", vec![1, 2, 4]),
        ("n IN (1, 2, NULL)", vec![0, 1]),
        ("n NOT IN (1, 2, NULL)", vec![]),
        ("n NOT IN (1, 2)", vec![3, 4]),
        ("n BETWEEN 1 AND 2", vec![0, 1]),
        ("n = 9223372036854775807", vec![4]),
        ("n > 9223372036854775806.5", vec![]),
        ("n < 99999999999999999999", vec![0, 1, 3, 4]),
        ("small = 255 OR small = 256 OR small = -1", vec![4]),
        ("small > 1.5", vec![2, 3, 4]),
        ("yes", vec![0, 3]),
        ("NOT yes", vec![1, 4]),
        ("yes IS TRUE", vec![0, 3]),
        ("yes IS NOT TRUE", vec![1, 2, 4]),
        ("yes = FALSE", vec![1, 4]),
        ("TRUE", vec![0, 1, 2, 3, 4]),
        ("NULL", vec![]),
        ("1 = 1", vec![0, 1, 2, 3, 4]),
        ("1 = 2", vec![]),
    ] {
        assert_eq!(rows(condition), expected, "{condition}");
    }
}

#[test]
fn fractions_have_nan_as_the_greatest_and_narrow_ones_are_compared_as_narrow() {
    for (condition, expected) in [
        ("x > 2", vec![1, 3]),
        ("x = nan", vec![1]),
        ("isnan(x)", vec![1]),
        ("x = 0", vec![2]),
        ("x >= 2.0", vec![1, 3, 4]),
        ("narrow = 0.1", vec![0]),
        ("narrow <= 0.2", vec![0, 1]),
    ] {
        assert_eq!(rows(condition), expected, "{condition}");
    }
}

#[test]
fn texts_are_compared_and_searched_as_they_are() {
    for (condition, expected) in [
        ("word = 'bond'", vec![0]),
        ("word < 'a'", vec![1, 3]),
        ("lower(word) = 'bond'", vec![0, 1]),
        ("word LIKE '%ond'", vec![0, 1]),
        ("word LIKE '_t_'", vec![4]),
        ("word NOT LIKE '%o%'", vec![3, 4]),
        ("length(word) = 3", vec![4]),
        ("starts_with(word, 'bo')", vec![0]),
        ("ends_with(upper(word), 'ND')", vec![0, 1]),
        ("contains(word, '')", vec![0, 1, 3, 4]),
        ("coalesce(word, 'none') = 'none'", vec![2]),
        ("trim(word) = ''", vec![3]),
    ] {
        assert_eq!(rows(condition), expected, "{condition}");
    }
}

/// Issue 5, bad input: "divides by zero".
#[test]
fn numbers_are_reckoned_with_exactly_and_a_division_by_zero_is_null() {
    for (condition, expected) in [
        ("n + 1 > 9223372036854775807", vec![4]),
        ("n * n * n * n IS NULL", vec![2, 4]),
        ("n / 2 = 0.5", vec![0]),
        ("n / 0 IS NULL", vec![0, 1, 2, 3, 4]),
        ("n % 0 IS NULL", vec![0, 1, 2, 3, 4]),
        ("x / 0.0 IS NULL", vec![0, 1, 2, 3, 4]),
        ("n % 3 = -1", vec![3]),
        ("-n = 4", vec![3]),
        ("abs(n) = 4", vec![3]),
        ("round(x) = 1 OR floor(x) = 2", vec![0, 4]),
        ("small - 1 < 0", vec![0]),
    ] {
        assert_eq!(rows(condition), expected, "{condition}");
    }
}

#[test]
fn moments_are_compared_in_whatever_unit_they_are() {
    for (condition, expected) in [
        ("at = '1970-01-01'", vec![0]),
        ("at > '1970-01-01 00:00:01'", vec![1, 3]),
        ("at = '1970-01-01 00:00:01.5'", vec![1]),
        ("at > '1970-01-01 00:00:01.4999999'", vec![1, 3]),
        ("at < DATE '1970-01-01'", vec![4]),
        ("at >= TIMESTAMP '1970-01-02 00:00:00Z'", vec![3]),
        ("day = '2024-01-01'", vec![4]),
        ("day < '1970-01-02 12:00'", vec![0, 1]),
        ("day BETWEEN '1970-01-02' AND '1970-01-03'", vec![1, 2]),
        ("at < day", vec![1, 3, 4]),
    ] {
        assert_eq!(rows(condition), expected, "{condition}");
    }
}

/// Issue 5, bad input: "names no column", and type mismatches.
#[test]
fn what_does_not_fit_the_table_is_refused_and_says_what_would() {
    let known = "there are: n, x, narrow, word, yes, small, at, day";
    for (pairs, expected) in [
        (vec![("where", "price > 2")], format!("`where` names the column `price`, which is not there; {known}")),
        (vec![("where", "N > 2")], format!("`where` names the column `N`, which is not there; {known}")),
        (vec![("columns", "n,m")], format!("`columns` names the column `m`, which is not there; {known}")),
        (vec![("order_by", "m desc")], format!("`order_by` names the column `m`, which is not there; {known}")),
        (vec![("where", "n > 'a'")], "`where` compares `n`, which is i64 with the text 'a'".to_owned()),
        (vec![("where", "word > 2")], "`where` compares `word`, which is str with a number".to_owned()),
        (
            vec![("where", "at > 'soon'")],
            "`where` compares a date with 'soon'; write '2024-12-31' or '2024-12-31 23:59:59'".to_owned(),
        ),
        (vec![("where", "n")], "`where` has `n`, which is i64, where a condition should be".to_owned()),
        (vec![("where", "n AND yes")], "`where` has `n`, which is i64, where a condition should be".to_owned()),
        (vec![("where", "word + 1 = 2")], "`where` has `word`, which is str, where an operator wants a number".to_owned()),
        (vec![("where", "lower(n) = 'a'")], "`where` has `n`, which is i64, where `lower` wants a text".to_owned()),
        (vec![("where", "n LIKE '1%'")], "`where` has `n`, which is i64, where `LIKE` wants a text".to_owned()),
    ] {
        assert_eq!(refusal(&pairs), expected);
    }
}

fn cut_of(pairs: &[(&str, &str)], seed: u64) -> DataFrame {
    let mut slice = Slice::default();
    for (name, value) in pairs {
        slice.take(name, value).unwrap();
    }
    cut(&slice, &table(), seed).unwrap()
}

fn numbers(table: &DataFrame) -> Vec<Option<i64>> {
    table.column("n").unwrap().i64().unwrap().iter().collect()
}

#[test]
fn rows_are_chosen_then_sorted_then_counted_and_columns_come_last() {
    let cut =
        cut_of(&[("where", "small < 200"), ("order_by", "n desc"), ("offset", "1"), ("limit", "2"), ("columns", "word,n")], 0);
    assert_eq!(numbers(&cut), [Some(1), Some(-4)]);
    assert_eq!(cut.get_column_names().into_iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["word", "n"]);
    assert_eq!(numbers(&cut_of(&[("order_by", "n")], 0)), [Some(-4), Some(1), Some(2), Some(i64::MAX), None], "nulls are last");
    assert_eq!(numbers(&cut_of(&[("order_by", "yes desc, n")], 0)), [Some(-4), Some(1), Some(2), Some(i64::MAX), None]);
}

/// Issue 5, bad input: "limits and offsets beyond the end".
#[test]
fn beyond_the_end_there_are_no_rows() {
    for pairs in
        [[("offset", "5")], [("offset", "99999999999999999999999")], [("limit", "0")], [("sample", "0")], [("where", "1 = 2")]]
    {
        assert_eq!(cut_of(&pairs, 0).shape(), (0, 8), "{pairs:?}");
    }
    assert_eq!(cut_of(&[("offset", "4"), ("limit", "99999999999999999999999")], 0).height(), 1);
    assert_eq!(cut_of(&[("sample", "99999999999999999999999")], 0).height(), 5);
}

#[test]
fn a_sample_is_the_same_as_long_as_the_version_is() {
    let sample = |seed| numbers(&cut_of(&[("sample", "2")], seed));
    assert_eq!(sample(7), sample(7));
    assert_eq!(sample(7).len(), 2);
    assert!((0..20).any(|seed| sample(seed) != sample(7)), "another version, another sample");
}

#[test]
fn a_table_without_rows_has_slices_too() {
    let empty = table().head(Some(0));
    let mut slice = Slice::default();
    slice.take("where", "n / 2 > 1 AND word LIKE 'a%' AND at > '2024-01-01' OR n IN (1, 2) OR coalesce(n, 1) = 1").unwrap();
    slice.take("order_by", "n").unwrap();
    slice.take("sample", "3").unwrap();
    assert_eq!(cut(&slice, &empty, 0).unwrap().height(), 0);
}
