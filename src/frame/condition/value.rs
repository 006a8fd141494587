//! Values of a condition as polars columns, and which kinds of them there are.

use polars::prelude::{DataType, NamedFrom, PolarsError, Series, StringChunked, TimeUnit};

use super::{Literal, number};
use crate::frame::moment::Moment;

/// A value a row, or one for all rows.
pub(super) struct Value {
    pub(super) series: Series,
    /// What stands in the condition; it takes the type of what it meets.
    pub(super) literal: Option<Literal>,
}

/// Kinds of values; only those of one kind meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Number,
    Text,
    Truth,
    Moment,
    Time,
    Span,
    Other,
}

pub(super) type Evaluated<T> = Result<T, String>;

impl Value {
    pub(super) fn kind(&self) -> Kind {
        match self.series.dtype() {
            DataType::Null => Kind::Null,
            DataType::Boolean => Kind::Truth,
            DataType::String | DataType::Categorical(..) | DataType::Enum(..) => Kind::Text,
            DataType::Date | DataType::Datetime(..) => Kind::Moment,
            DataType::Time => Kind::Time,
            DataType::Duration(_) => Kind::Span,
            dtype if dtype.is_numeric() => Kind::Number,
            _ => Kind::Other,
        }
    }

    /// What it is, for a message.
    pub(super) fn described(&self) -> String {
        match (&self.literal, self.kind()) {
            (Some(Literal::Text(text)), _) => format!("the text '{text}'"),
            (Some(_), kind) => format!("a {}", kind.word()),
            (None, _) if self.series.name().is_empty() => format!("a {}", self.kind().word()),
            (None, _) => format!("`{}`, which is {},", self.series.name(), self.series.dtype()),
        }
    }

    pub(super) fn text(&self, user: &str) -> Evaluated<StringChunked> {
        match self.kind() {
            Kind::Text | Kind::Null => {
                let series = self.series.cast(&DataType::String).map_err(said)?;
                Ok(series.str().map_err(said)?.clone())
            }
            _ => Err(format!("has {} where `{user}` wants a text", self.described())),
        }
    }

    /// As integers of 128 bits or fractions of 64.
    pub(super) fn number(&self, user: &str) -> Evaluated<Series> {
        match self.kind() {
            Kind::Number | Kind::Null => number::widened(&self.series).map_err(said),
            _ => Err(format!("has {} where {user} wants a number", self.described())),
        }
    }
}

impl From<Series> for Value {
    fn from(series: Series) -> Self {
        Self { series: series.with_name("".into()), literal: None }
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Number => "number",
            Self::Text => "text",
            Self::Truth => "truth value",
            Self::Moment => "date or time",
            Self::Time => "time of day",
            Self::Span => "duration",
            Self::Other => "value of its own kind",
        }
    }
}

/// One value, as a column of one row.
pub(super) fn literal_series(literal: &Literal) -> Evaluated<Series> {
    let series = match literal {
        Literal::Null => Series::new_null("".into(), 1),
        Literal::Truth(truth) => Series::new("".into(), [*truth]),
        Literal::Integer(number) => Series::new("".into(), [*number]),
        Literal::Float(number) => Series::new("".into(), [*number]),
        Literal::Text(text) => Series::new("".into(), [text.as_str()]),
        Literal::Moment(moment) => return moment_series(*moment),
    };
    Ok(series)
}

/// As coarse as it can be, so that it meets columns in their own unit.
fn moment_series(moment: Moment) -> Evaluated<Series> {
    let of = |number: Option<i128>| number.and_then(|number| i64::try_from(number).ok());
    if let Some(day) = moment.day().and_then(|day| i32::try_from(day).ok()) {
        return Series::new("".into(), [day]).cast(&DataType::Date).map_err(said);
    }
    for (unit, nanos) in [(TimeUnit::Milliseconds, 1_000_000), (TimeUnit::Microseconds, 1_000), (TimeUnit::Nanoseconds, 1)] {
        if let Some(count) = of(moment.in_units(nanos)) {
            return Series::new("".into(), [count]).cast(&DataType::Datetime(unit, None)).map_err(said);
        }
    }
    Err("has a moment that is too far away".to_owned())
}

/// What polars says where it can still refuse: our own mistake, said to whoever asked.
pub(super) fn said(error: PolarsError) -> String {
    format!("cannot be answered: {error}")
}
