//! Which rows of a table meet a condition: the tree walked over polars columns.
//!
//! Three-valued, as SQL has it: what is compared with null is null, and a row stays only where the condition is true.
//! Integers are compared and reckoned with exactly, in 128 bits. NaN is the greatest number and equal to itself, as in
//! DuckDB and PostgreSQL.

use polars::prelude::{
    BooleanChunked, ChunkCompareEq, ChunkCompareIneq, ChunkFull, DataFrame, DataType, IntoSeries, NamedFrom, NewChunkedArray,
    Series, StringChunked, TimeUnit,
};

use super::number::{self, arithmetic};
use super::text::Pattern;
use super::value::{Evaluated, Kind, Value, literal_series, said};
use super::{BadCondition, Comparison, Condition, Function, Literal, Node};
use crate::frame::moment::Moment;
use crate::frame::slice::unknown_column;

/// Whether each row of `table` meets the condition; null where that cannot be said.
///
/// # Errors
/// A column that is not there, and values of kinds that do not fit each other.
pub(in crate::frame) fn rows(condition: &Condition, table: &DataFrame) -> Result<BooleanChunked, BadCondition> {
    let truth = Evaluation { table }.truth(condition.root()).map_err(BadCondition)?;
    Ok(match truth.len() {
        1 if table.height() != 1 => match truth.get(0) {
            Some(all) => BooleanChunked::full("".into(), all, table.height()),
            None => BooleanChunked::from_iter(std::iter::repeat_n(None, table.height())),
        },
        _ => truth,
    })
}

struct Evaluation<'a> {
    table: &'a DataFrame,
}

impl Evaluation<'_> {
    fn truth(&self, node: &Node) -> Evaluated<BooleanChunked> {
        match node {
            Node::All(parts) => self.join(parts, |one, other| one & other),
            Node::Any(parts) => self.join(parts, |one, other| one | other),
            Node::Not(part) => Ok(!&self.truth(part)?),
            Node::Compare(comparison, left, right) => compare(*comparison, &self.value(left)?, &self.value(right)?),
            Node::Between(value, bounds) => {
                let value = self.value(value)?;
                let from = compare(Comparison::GreaterOrEqual, &value, &self.value(&bounds[0])?)?;
                Ok(&from & &compare(Comparison::LessOrEqual, &value, &self.value(&bounds[1])?)?)
            }
            Node::IsNull(part) => Ok(self.value(part)?.series.is_null()),
            Node::In(value, members) => {
                let value = self.value(value)?;
                let mut any = BooleanChunked::from_slice("".into(), &[false]);
                for member in members {
                    any = &any | &compare(Comparison::Equal, &value, &self.value(member)?)?;
                }
                Ok(any)
            }
            Node::Like(value, pattern) => like(&self.value(value)?.text("LIKE")?, pattern),
            Node::Column(_) | Node::Literal(_) | Node::Arithmetic(..) | Node::Negative(_) | Node::Call(..) => {
                let value = self.value(node)?;
                match value.kind() {
                    Kind::Null => {
                        Ok(value.series.cast(&DataType::Boolean).and_then(|series| Ok(series.bool()?.clone())).map_err(said)?)
                    }
                    Kind::Truth => Ok(value.series.bool().map_err(said)?.clone()),
                    _ => Err(format!("has {} where a condition should be", value.described())),
                }
            }
        }
    }

    fn join(&self, parts: &[Node], join: fn(&BooleanChunked, &BooleanChunked) -> BooleanChunked) -> Evaluated<BooleanChunked> {
        let (first, rest) = parts.split_first().expect("a chain has at least two parts");
        let mut joined = self.truth(first)?;
        for part in rest {
            joined = join(&joined, &self.truth(part)?);
        }
        Ok(joined)
    }

    fn value(&self, node: &Node) -> Evaluated<Value> {
        match node {
            Node::Column(name) => {
                let column = self.table.column(name).map_err(|_| self.unknown(name))?;
                Ok(Value { series: column.as_materialized_series().clone(), literal: None })
            }
            Node::Literal(literal) => Ok(Value { series: literal_series(literal)?, literal: Some(literal.clone()) }),
            Node::Arithmetic(first, rest) => {
                let mut result = self.value(first)?.number("an operator")?;
                for (operator, node) in rest {
                    result = arithmetic(&result, *operator, &self.value(node)?.number("an operator")?).map_err(said)?;
                }
                Ok(result.into())
            }
            Node::Negative(part) => {
                let number = self.value(part)?.number("a minus")?;
                let zero = literal_series(&Literal::Integer(0))?;
                Ok(arithmetic(&zero, super::Operator::Minus, &number).map_err(said)?.into())
            }
            Node::Call(function, arguments) => self.call(*function, arguments),
            _ => Ok(self.truth(node)?.into_series().into()),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let known = self.table.get_column_names();
        unknown_column(name, known.iter().map(|known| known.as_str()))
    }

    fn call(&self, function: Function, arguments: &[Node]) -> Evaluated<Value> {
        let name = function.name();
        let first = self.value(&arguments[0])?;
        let text = |value: &Value| value.text(name);
        let series = match function {
            Function::Abs | Function::Ceil | Function::Floor | Function::Round => {
                number::rounded(&first.number(name)?, function).map_err(said)?
            }
            Function::IsNan => {
                first.number(name)?.cast(&DataType::Float64).and_then(|series| series.is_nan()).map_err(said)?.into_series()
            }
            Function::Length => text(&first)?.iter().map(|text| text.map(|text| text.chars().count() as i64)).collect::<Series>(),
            Function::Lower => map_text(&text(&first)?, str::to_lowercase),
            Function::Upper => map_text(&text(&first)?, str::to_uppercase),
            Function::Trim => map_text(&text(&first)?, |text| text.trim().to_owned()),
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                let of = text(&self.value(&arguments[1])?)?;
                let test: fn(&str, &str) -> bool = match function {
                    Function::StartsWith => |text, of| text.starts_with(of),
                    Function::EndsWith => |text, of| text.ends_with(of),
                    _ => |text, of| text.contains(of),
                };
                test_text(&text(&first)?, &of, test)
            }
            Function::Coalesce => return self.coalesce(first, &arguments[1..]),
        };
        Ok(series.into())
    }

    fn coalesce(&self, first: Value, rest: &[Node]) -> Evaluated<Value> {
        let mut result = first;
        for node in rest {
            let other = self.value(node)?;
            let (one, two) = aligned(&result, &other)?;
            let height = if one.len() == 1 { two.len() } else { one.len() };
            let (one, two) = (stretched(&one, height), stretched(&two, height));
            result = one.zip_with(&one.is_not_null(), &two).map_err(said)?.into();
        }
        Ok(result)
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Evaluated<BooleanChunked> {
    let (left, right) = aligned(left, right)?;
    let compared = match comparison {
        Comparison::Equal => left.equal(&right),
        Comparison::NotEqual => left.not_equal(&right),
        Comparison::Less => left.lt(&right),
        Comparison::LessOrEqual => left.lt_eq(&right),
        Comparison::Greater => left.gt(&right),
        Comparison::GreaterOrEqual => left.gt_eq(&right),
    };
    compared.map_err(said)
}

/// Both of one type, so that they can be compared as they are.
fn aligned(left: &Value, right: &Value) -> Evaluated<(Series, Series)> {
    let (one, other) = (left.kind(), right.kind());
    match (one, other) {
        (Kind::Null, Kind::Null) => Ok((
            Series::full_null("".into(), left.series.len(), &DataType::Boolean),
            Series::full_null("".into(), right.series.len(), &DataType::Boolean),
        )),
        (Kind::Null, _) => Ok((Series::full_null("".into(), left.series.len(), right.series.dtype()), right.series.clone())),
        (_, Kind::Null) => Ok((left.series.clone(), Series::full_null("".into(), right.series.len(), left.series.dtype()))),
        (Kind::Number, Kind::Number) => {
            number::aligned((&left.series, left.literal.as_ref()), (&right.series, right.literal.as_ref())).map_err(said)
        }
        (Kind::Truth, Kind::Truth) => Ok((left.series.clone(), right.series.clone())),
        (Kind::Text, Kind::Text) => Ok((left.text("=")?.into_series(), right.text("=")?.into_series())),
        (Kind::Moment | Kind::Time, _) if matches!(right.literal, Some(Literal::Text(_))) => {
            let right = parsed(right, one)?;
            aligned(left, &right)
        }
        (_, Kind::Moment | Kind::Time) if matches!(left.literal, Some(Literal::Text(_))) => {
            let left = parsed(left, other)?;
            aligned(&left, right)
        }
        (Kind::Moment, Kind::Moment) => moments(&left.series, &right.series),
        (Kind::Time, Kind::Time) => Ok((left.series.clone(), right.series.clone())),
        (Kind::Span, Kind::Span) => {
            let unit = DataType::Duration(TimeUnit::Nanoseconds);
            Ok((left.series.cast(&unit).map_err(said)?, right.series.cast(&unit).map_err(said)?))
        }
        _ => Err(format!("compares {} with {}", left.described().trim_end_matches(','), right.described().trim_end_matches(','))),
    }
}

/// A text as the kind it meets.
fn parsed(value: &Value, kind: Kind) -> Evaluated<Value> {
    let Some(Literal::Text(text)) = &value.literal else { return Err("has no text to parse".to_owned()) };
    if kind == Kind::Time {
        let time = Moment::parse_time(text).ok_or_else(|| format!("compares a time of day with '{text}'; write '23:59:59'"))?;
        let series = Series::new("".into(), [time]).cast(&DataType::Time).map_err(said)?;
        return Ok(Value { series, literal: Some(Literal::Text(text.clone())) });
    }
    let moment = Moment::parse(text)
        .ok_or_else(|| format!("compares a date with '{text}'; write '2024-12-31' or '2024-12-31 23:59:59'"))?;
    let literal = Literal::Moment(moment);
    Ok(Value { series: literal_series(&literal)?, literal: Some(literal) })
}

/// Two columns of dates, or of moments in the finer unit of the two, as numbers.
fn moments(left: &Series, right: &Series) -> Evaluated<(Series, Series)> {
    let unit = |series: &Series| match series.dtype() {
        DataType::Datetime(unit, _) => Some(*unit),
        _ => None,
    };
    let finer = match (unit(left), unit(right)) {
        (None, None) => return Ok((left.clone(), right.clone())),
        (Some(TimeUnit::Nanoseconds), _) | (_, Some(TimeUnit::Nanoseconds)) => 1,
        (Some(TimeUnit::Microseconds), _) | (_, Some(TimeUnit::Microseconds)) => 1_000,
        _ => 1_000_000,
    };
    let count = |series: &Series| {
        let factor = match series.dtype() {
            DataType::Datetime(TimeUnit::Nanoseconds, _) => 1,
            DataType::Datetime(TimeUnit::Microseconds, _) => 1_000,
            DataType::Datetime(TimeUnit::Milliseconds, _) => 1_000_000,
            _ => 86_400_000_000_000,
        };
        let series = series.to_physical_repr().into_owned();
        if factor == finer { Ok(series) } else { number::times(&series, factor / finer) }
    };
    let (left, right) = (count(left).map_err(said)?, count(right).map_err(said)?);
    number::aligned((&left, None), (&right, None)).map_err(said)
}

fn like(texts: &StringChunked, pattern: &Pattern) -> Evaluated<BooleanChunked> {
    Ok(texts.iter().map(|text| text.map(|text| pattern.fits(text))).collect())
}

fn map_text(texts: &StringChunked, map: impl Fn(&str) -> String) -> Series {
    texts.iter().map(|text| text.map(&map)).collect::<StringChunked>().into_series()
}

fn test_text(texts: &StringChunked, of: &StringChunked, test: fn(&str, &str) -> bool) -> Series {
    let height = if texts.len() == 1 { of.len() } else { texts.len() };
    let at = |column: &StringChunked, row: usize| if column.len() == 1 { 0 } else { row };
    let tested = (0..height).map(|row| Some(test(texts.get(at(texts, row))?, of.get(at(of, row))?)));
    tested.collect::<BooleanChunked>().into_series()
}

fn stretched(series: &Series, height: usize) -> Series {
    if series.len() == 1 && height != 1 { series.new_from_index(0, height) } else { series.clone() }
}
