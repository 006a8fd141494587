//! Numbers of columns and conditions, reckoned with exactly: integers in 128 bits, fractions in 64.

use polars::prelude::{
    ChunkedArray, DataType, Float64Chunked, Int128Chunked, IntoSeries, NamedFrom, PolarsNumericType, PolarsResult, Series,
};

use super::{Function, Literal, Operator};

/// The same numbers as 128-bit integers if they are integers, else as 64-bit fractions.
pub(super) fn widened(series: &Series) -> PolarsResult<Series> {
    match series.dtype() {
        // Half of what it holds does not fit; as fractions they keep their size, if not their last digits.
        DataType::UInt128 => series.cast(&DataType::Float64),
        dtype if dtype.is_integer() || *dtype == DataType::Null => series.cast(&DataType::Int128),
        _ => series.cast(&DataType::Float64),
    }
}

/// Two columns of numbers in one type. A number of the condition takes the column's type where it fits.
pub(super) fn aligned(left: (&Series, Option<&Literal>), right: (&Series, Option<&Literal>)) -> PolarsResult<(Series, Series)> {
    if left.0.dtype() == right.0.dtype() {
        return Ok((left.0.clone(), right.0.clone()));
    }
    let taken = match (left.1, right.1) {
        (None, Some(literal)) => taking(literal, left.0.dtype()).map(|right| (left.0.clone(), right)),
        (Some(literal), None) => taking(literal, right.0.dtype()).map(|left| (left, right.0.clone())),
        _ => None,
    };
    if let Some(both) = taken {
        return Ok(both);
    }
    let (left, right) = (widened(left.0)?, widened(right.0)?);
    if left.dtype() == right.dtype() {
        return Ok((left, right));
    }
    Ok((left.cast(&DataType::Float64)?, right.cast(&DataType::Float64)?))
}

/// A number of the condition in a column's own type; `None` where that cannot hold it.
fn taking(literal: &Literal, dtype: &DataType) -> Option<Series> {
    let is_float = matches!(dtype, DataType::Float16 | DataType::Float32 | DataType::Float64);
    let series = match literal {
        Literal::Integer(number) => Series::new("".into(), [*number]),
        Literal::Float(number) if is_float => Series::new("".into(), [*number]),
        _ => return None,
    };
    if is_float || dtype.is_integer() { series.strict_cast(dtype).ok() } else { None }
}

/// Two columns of [`widened`] numbers, combined.
pub(super) fn arithmetic(left: &Series, operator: Operator, right: &Series) -> PolarsResult<Series> {
    let are_integers = *left.dtype() == DataType::Int128 && *right.dtype() == DataType::Int128;
    if are_integers && operator != Operator::DividedBy {
        let (left, right) = (left.i128()?, right.i128()?);
        let combined: Int128Chunked = each(left, right, |one, other| match operator {
            Operator::Plus => one.checked_add(other),
            Operator::Minus => one.checked_sub(other),
            Operator::Times => one.checked_mul(other),
            Operator::DividedBy | Operator::Modulo => one.checked_rem(other),
        })
        .collect();
        return Ok(combined.into_series());
    }
    let (left, right) = (left.cast(&DataType::Float64)?, right.cast(&DataType::Float64)?);
    let combined: Float64Chunked = each(left.f64()?, right.f64()?, |one, other| match operator {
        Operator::Plus => Some(one + other),
        Operator::Minus => Some(one - other),
        Operator::Times => Some(one * other),
        Operator::DividedBy => (other != 0.0).then(|| one / other),
        Operator::Modulo => (other != 0.0).then(|| one % other),
    })
    .collect();
    Ok(combined.into_series())
}

/// Whole numbers multiplied; what passes 128 bits is null.
pub(super) fn times(series: &Series, factor: i128) -> PolarsResult<Series> {
    arithmetic(&widened(series)?, Operator::Times, &Series::new("".into(), [factor]))
}

/// `abs`, `ceil`, `floor` and `round` of [`widened`] numbers.
pub(super) fn rounded(series: &Series, function: Function) -> PolarsResult<Series> {
    if *series.dtype() == DataType::Int128 {
        let numbers = series.i128()?.iter();
        let numbers = numbers.map(|number| if function == Function::Abs { number?.checked_abs() } else { number });
        return Ok(numbers.collect::<Int128Chunked>().into_series());
    }
    let rounded = series.f64()?.iter().map(|number| {
        number.map(|number| match function {
            Function::Ceil => number.ceil(),
            Function::Floor => number.floor(),
            Function::Round => number.round(),
            _ => number.abs(),
        })
    });
    Ok(rounded.collect::<Float64Chunked>().into_series())
}

/// Row by row; where one side has one value it is that of every row.
fn each<'a, T: PolarsNumericType>(
    left: &'a ChunkedArray<T>,
    right: &'a ChunkedArray<T>,
    combine: impl Fn(T::Native, T::Native) -> Option<T::Native> + 'a,
) -> impl Iterator<Item = Option<T::Native>> + 'a {
    let height = if left.len() == 1 { right.len() } else { left.len() };
    let at = |column: &ChunkedArray<T>, row: usize| if column.len() == 1 { 0 } else { row };
    (0..height).map(move |row| combine(left.get(at(left, row))?, right.get(at(right, row))?))
}
