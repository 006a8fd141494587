//! A column: its pandas type, its count of values, and the texts of its cells.

use polars::prelude::{
    AnyValue, DataType, Int64Chunked, NewChunkedArray, NonExistent, Series, StringChunked, TimeUnit, TimeZone, replace_time_zone,
};

use super::cell::{self, Shape};
use super::float::{self, FloatWidth};
use super::moment;
use super::notes::ColumnNote;
use super::text::{self, Justify};
use crate::python_value::float_repr;

/// A column as pandas has it after reading the file.
pub struct Column {
    /// Its header.
    pub label: String,
    /// The name of its type in pandas.
    pub dtype: String,
    /// How many of its values are not missing: neither null nor, among floats, NaN.
    pub non_null: usize,
    pub(super) kind: Kind,
    series: Series,
}

/// Which of pandas' formatters writes a column's cells.
#[derive(Debug)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Float(FloatWidth),
    /// Moments without a zone.
    Moment,
    /// Moments in the column's zone.
    Zoned(TimeZone),
    Span,
    /// Text of which each value is kept once.
    Category,
    /// One of pandas' types that know "missing": `Int64`, `boolean`, `string`.
    Masked,
    /// Python objects.
    Object(Shape),
}

impl Column {
    pub(super) fn of(series: &Series, note: Option<&ColumnNote>) -> Self {
        let (dtype, kind) = kind_of(series, note.map_or("", |note| &note.numpy_type));
        let nans = match kind {
            Kind::Float(_) if series.dtype().is_float() => series.is_nan().ok().and_then(|nans| nans.sum()).unwrap_or(0) as usize,
            _ => 0,
        };
        let label = match note {
            Some(ColumnNote { name, .. }) => name.clone().unwrap_or_else(|| "None".to_owned()),
            None => series.name().to_string(),
        };
        let non_null = series.len() - series.null_count() - nans;
        Self { label, dtype, non_null, kind, series: series.clone() }
    }

    /// Whether pandas' `is_numeric_dtype` holds; such a column's header gets a space before it.
    pub(super) fn is_numeric(&self) -> bool {
        match self.kind {
            Kind::Boolean | Kind::Integer | Kind::Float(_) => true,
            Kind::Masked => !self.dtype.starts_with("string"),
            _ => false,
        }
    }

    /// Bytes a value takes in pandas, without what an object points to.
    pub(super) fn value_bytes(&self) -> usize {
        let masked = usize::from(matches!(self.kind, Kind::Masked) && self.is_numeric());
        masked
            + match self.dtype.to_ascii_lowercase().trim_start_matches('u') {
                "bool" | "boolean" | "int8" | "category" => 1,
                "int16" | "float16" => 2,
                "int32" | "float32" => 4,
                _ => 8,
            }
    }

    /// pandas' `format_array` of some rows, before they are set to one width.
    pub(super) fn cells(&self, rows: &[usize], justify: Justify) -> Vec<String> {
        let values: Vec<AnyValue<'_>> = rows.iter().map(|&row| self.value(row)).collect();
        let texts = |write: &dyn Fn(&AnyValue<'_>) -> String| values.iter().map(|value| format!(" {}", write(value))).collect();
        match &self.kind {
            Kind::Boolean => texts(&cell::plain),
            Kind::Integer => values.iter().map(integer).collect(),
            Kind::Float(width) => {
                let floats: Vec<f64> = values.iter().map(|value| value.extract().unwrap_or(f64::NAN)).collect();
                float::format_floats(&floats, *width, if justify == Justify::Left { " NaN" } else { "NaN" })
            }
            Kind::Moment => moment::format_moments(&values.iter().map(nanoseconds).collect::<Vec<_>>()),
            Kind::Zoned(zone) => zoned(&values, zone),
            Kind::Span => moment::format_spans(&values.iter().map(nanoseconds).collect::<Vec<_>>()),
            Kind::Category => texts(&category),
            Kind::Masked => values.iter().map(masked).collect(),
            Kind::Object(shape) => texts(&|value| cell::object(value, shape)),
        }
    }

    /// Whether pandas shows moments as dates and durations as days: none has a time of day.
    pub(super) fn is_dates_only(&self) -> bool {
        matches!(self.kind, Kind::Moment | Kind::Span)
            && moment::are_dates_only((0..self.series.len()).map(|row| nanoseconds(&self.value(row))))
    }

    /// `str` of a single value.
    pub(super) fn str(&self, row: usize) -> String {
        let value = self.value(row);
        match (&self.kind, nanoseconds(&value)) {
            (Kind::Moment, Some(moment)) => moment::timestamp(moment, None),
            (Kind::Span, Some(span)) => moment::timedelta64(span),
            (Kind::Moment | Kind::Span | Kind::Zoned(_), _) => self.cells(&[row], Justify::Left).concat(),
            (Kind::Float(_), _) => float_repr(value.extract().unwrap_or(f64::NAN)),
            (Kind::Category, _) if value.is_null() => "nan".to_owned(),
            (Kind::Masked, _) if value.is_null() => "<NA>".to_owned(),
            _ => cell::plain(&value),
        }
    }

    pub(super) fn value(&self, row: usize) -> AnyValue<'_> {
        self.series.get(row).unwrap_or(AnyValue::Null)
    }

    /// How many values there are, missing ones included.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }
}

fn kind_of(series: &Series, numpy_type: &str) -> (String, Kind) {
    let has_nulls = series.null_count() > 0;
    let kind = match series.dtype() {
        dtype if is_masked(dtype, numpy_type) => {
            let name = if numpy_type.starts_with("string") { "string" } else { numpy_type };
            return (name.to_owned(), Kind::Masked);
        }
        DataType::Boolean if !has_nulls => Kind::Boolean,
        DataType::Float16 => Kind::Float(FloatWidth::Half),
        DataType::Float32 => Kind::Float(FloatWidth::Single),
        DataType::Float64 => Kind::Float(FloatWidth::Double),
        dtype if is_machine_integer(dtype) && has_nulls => return ("float64".to_owned(), Kind::Float(FloatWidth::Double)),
        dtype if is_machine_integer(dtype) => Kind::Integer,
        DataType::Datetime(_, None) => return ("datetime64[ns]".to_owned(), Kind::Moment),
        DataType::Datetime(_, Some(zone)) => {
            return (format!("datetime64[ns, {}]", zone_name(zone)), Kind::Zoned(zone.clone()));
        }
        DataType::Duration(_) => return ("timedelta64[ns]".to_owned(), Kind::Span),
        DataType::Categorical(..) | DataType::Enum(..) => return ("category".to_owned(), Kind::Category),
        _ => return ("object".to_owned(), Kind::Object(Shape::of(series))),
    };
    let name = match series.dtype() {
        DataType::Boolean => "bool",
        DataType::UInt8 => "uint8",
        DataType::UInt16 => "uint16",
        DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Int8 => "int8",
        DataType::Int16 => "int16",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::Float16 => "float16",
        DataType::Float32 => "float32",
        _ => "float64",
    };
    (name.to_owned(), kind)
}

fn is_machine_integer(dtype: &DataType) -> bool {
    dtype.is_integer() && !matches!(dtype, DataType::Int128 | DataType::UInt128)
}

/// Whether pandas noted one of its types that know "missing", and the column can have it.
fn is_masked(dtype: &DataType, numpy_type: &str) -> bool {
    match numpy_type {
        "Int8" | "Int16" | "Int32" | "Int64" | "UInt8" | "UInt16" | "UInt32" | "UInt64" => dtype.is_integer(),
        "Float32" | "Float64" => dtype.is_float(),
        "boolean" => dtype.is_bool(),
        other => other.starts_with("string") && matches!(dtype, DataType::String),
    }
}

/// Polars keeps a fixed offset as the zone of the same name, whose sign is the other way round.
fn zone_name(zone: &TimeZone) -> String {
    match zone.strip_prefix("Etc/GMT").and_then(|hours| hours.parse::<i32>().ok()) {
        Some(hours) => format!("pytz.FixedOffset({})", -60 * hours),
        None => zone.to_string(),
    }
}

/// Python's `f"{value: d}"`.
fn integer(value: &AnyValue<'_>) -> String {
    let text = cell::plain(value);
    if text.starts_with('-') { text } else { format!(" {text}") }
}

/// A value of which each is kept once, as a cell and as a row label.
pub(super) fn category(value: &AnyValue<'_>) -> String {
    if value.is_null() { "NaN".to_owned() } else { text::escape(&cell::plain(value)) }
}

fn masked(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => " <NA>".to_owned(),
        AnyValue::Float32(_) | AnyValue::Float64(_) => match value.extract::<f64>() {
            Some(float) if !float.is_nan() => float::format_single(float),
            _ => " NaN".to_owned(),
        },
        value => format!(" {}", cell::plain(value)),
    }
}

fn nanoseconds(value: &AnyValue<'_>) -> Option<i128> {
    ticks(value).map(|(ticks, unit)| moment::nanoseconds(ticks, unit))
}

fn ticks(value: &AnyValue<'_>) -> Option<(i64, TimeUnit)> {
    match value {
        AnyValue::Datetime(value, unit, _) | AnyValue::DatetimeOwned(value, unit, _) | AnyValue::Duration(value, unit) => {
            Some((*value, *unit))
        }
        _ => None,
    }
}

/// Moments with the offset that `zone` has at each.
fn zoned(values: &[AnyValue<'_>], zone: &TimeZone) -> Vec<String> {
    let unit = values.iter().find_map(|value| ticks(value).map(|(_, unit)| unit)).unwrap_or(TimeUnit::Nanoseconds);
    let utc: Vec<Option<i64>> = values.iter().map(|value| ticks(value).map(|(ticks, _)| ticks)).collect();
    let moments = Int64Chunked::from_slice_options("".into(), &utc).into_datetime(unit, Some(zone.clone()));
    let local = replace_time_zone(&moments, None, &StringChunked::from_slice("".into(), &["raise"]), NonExistent::Raise);
    let local: Vec<Option<i64>> = local.map_or_else(|_| utc.clone(), |local| local.physical().iter().collect());
    let write = |(utc, local): (&Option<i64>, Option<i64>)| match (utc, local) {
        (Some(utc), Some(local)) => {
            // Local mean times have odd seconds; pytz, and so pandas, has whole minutes.
            const MINUTE: i128 = 60_000_000_000;
            let offset = moment::nanoseconds(local - utc, unit);
            let offset = (offset + MINUTE / 2).div_euclid(MINUTE) * MINUTE;
            moment::timestamp(moment::nanoseconds(*utc, unit), Some(offset))
        }
        _ => "NaT".to_owned(),
    };
    utc.iter().zip(local).map(write).collect()
}
