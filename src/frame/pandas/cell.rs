//! Single values as Python objects print, nested ones included: pandas' `pprint_thing`.

use polars::prelude::{AnyValue, DataType, Series, TimeUnit};

use super::{moment, text};
use crate::python_value::{bytes_repr, float_repr, narrow_float_repr, str_repr};

/// What pandas shows of a sequence or dict (`display.max_seq_items`).
const ITEMS_MAX: usize = 100;

/// How deep pandas goes itself (`display.pprint_nest_depth`); below that the objects print themselves.
const DEPTH_MAX: usize = 3;

/// What becomes of the parts of nested values. pyarrow decides it for a whole column: integers become floats
/// as soon as one of them is null.
#[derive(Debug)]
pub(super) enum Shape {
    Plain,
    Floats,
    IntegersAsFloats,
    Moments,
    List(Box<Shape>),
    Struct(Vec<(String, Shape)>),
}

impl Shape {
    pub(super) fn of(series: &Series) -> Self {
        match series.dtype() {
            DataType::List(_) => series.list().map_or(Self::Plain, |list| Self::List(Box::new(Self::of(&list.get_inner())))),
            DataType::Array(..) => series.array().map_or(Self::Plain, |array| Self::List(Box::new(Self::of(&array.get_inner())))),
            DataType::Struct(_) => series.struct_().map_or(Self::Plain, |parts| {
                let fields = parts.fields_as_series();
                Self::Struct(fields.iter().map(|field| (field.name().to_string(), Self::of(field))).collect())
            }),
            dtype if dtype.is_integer() && series.null_count() > 0 => Self::IntegersAsFloats,
            dtype if dtype.is_float() => Self::Floats,
            DataType::Datetime(..) | DataType::Duration(_) => Self::Moments,
            _ => Self::Plain,
        }
    }
}

/// What a value is part of, which decides how some kinds print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// A cell of its own.
    Cell,
    /// A numpy array.
    Array,
    /// A dict.
    Dict,
}

/// A cell of a column of objects; `None` for null.
pub(super) fn object(value: &AnyValue<'_>, shape: &Shape) -> String {
    Printer { escapes: true, quotes: false }.print(value, shape, Inside::Cell, 0)
}

/// A value that is not nested, without escapes; `None` for null.
pub(super) fn plain(value: &AnyValue<'_>) -> String {
    scalar(value, &Shape::Plain, Inside::Cell)
}

#[derive(Clone, Copy)]
struct Printer {
    escapes: bool,
    quotes: bool,
}

impl Printer {
    fn print(self, value: &AnyValue<'_>, shape: &Shape, inside: Inside, depth: usize) -> String {
        match (value, shape) {
            (AnyValue::List(items) | AnyValue::Array(items, _), Shape::List(shape)) if depth < DEPTH_MAX => {
                let shown = (0..items.len().min(ITEMS_MAX)).filter_map(|place| items.get(place).ok());
                let shown = shown.map(|item| self.print(&item, shape, Inside::Array, depth + 1)).collect::<Vec<_>>().join(", ");
                format!("[{shown}{}]", if items.len() > ITEMS_MAX { ", ..." } else { "" })
            }
            (AnyValue::Struct(..) | AnyValue::StructOwned(_), Shape::Struct(fields)) if depth < DEPTH_MAX => {
                // pandas hands quoting on to the values of a dict, and forgets the escapes.
                let printer = Self { escapes: false, quotes: true };
                let values =
                    value._iter_struct_av().zip(fields).take(ITEMS_MAX).map(|(value, (name, shape))| {
                        format!("'{name}': {}", printer.print(&value, shape, Inside::Dict, depth + 1))
                    });
                let shown = values.collect::<Vec<_>>().join(", ");
                format!("{{{shown}{}}}", if fields.len() > ITEMS_MAX { ", ..." } else { "" })
            }
            (AnyValue::List(_) | AnyValue::Array(..) | AnyValue::Struct(..) | AnyValue::StructOwned(_), _) => {
                self.escape(repr(value, shape, inside))
            }
            (value, shape) => {
                let text = self.escape(scalar(value, shape, inside));
                if self.quotes && is_text(value) { format!("'{text}'") } else { text }
            }
        }
    }

    fn escape(self, text: String) -> String {
        if self.escapes { text::escape(&text) } else { text }
    }
}

/// How numpy arrays and dicts print themselves.
fn repr(value: &AnyValue<'_>, shape: &Shape, inside: Inside) -> String {
    match (value, shape) {
        (AnyValue::List(items) | AnyValue::Array(items, _), Shape::List(shape)) => {
            let items = (0..items.len()).filter_map(|place| items.get(place).ok());
            let items: Vec<String> = items.map(|item| repr(&item, shape, Inside::Array)).collect();
            format!("[{}]", items.join(" "))
        }
        (AnyValue::Struct(..) | AnyValue::StructOwned(_), Shape::Struct(fields)) => {
            let items = value._iter_struct_av().zip(fields);
            let items = items.map(|(value, (name, shape))| format!("{}: {}", str_repr(name), repr(&value, shape, Inside::Dict)));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
        (value, shape) if is_text(value) => str_repr(&scalar(value, shape, inside)),
        (value, shape) => scalar(value, shape, inside),
    }
}

fn is_text(value: &AnyValue<'_>) -> bool {
    value.get_str().is_some()
}

/// `str` of a value that is not nested.
fn scalar(value: &AnyValue<'_>, shape: &Shape, inside: Inside) -> String {
    if let Some(text) = value.get_str() {
        return text.to_owned();
    }
    match value {
        AnyValue::Null if inside == Inside::Array && matches!(shape, Shape::Floats | Shape::IntegersAsFloats) => "nan".to_owned(),
        AnyValue::Null if inside == Inside::Array && matches!(shape, Shape::Moments) => "NaT".to_owned(),
        AnyValue::Null => "None".to_owned(),
        AnyValue::Boolean(true) => "True".to_owned(),
        AnyValue::Boolean(false) => "False".to_owned(),
        AnyValue::Float64(float) => float_repr(*float),
        AnyValue::Float32(float) if inside == Inside::Dict => float_repr((*float).into()),
        AnyValue::Float32(float) => narrow_float_repr(*float),
        AnyValue::Float16(_) => narrow_float_repr(value.extract().unwrap_or(f32::NAN)),
        AnyValue::Binary(bytes) => bytes_repr(bytes),
        AnyValue::BinaryOwned(bytes) => bytes_repr(bytes),
        AnyValue::Date(days) => moment::date((*days).into()),
        AnyValue::Time(nanoseconds) => moment::time(*nanoseconds),
        AnyValue::Datetime(value, unit, _) | AnyValue::DatetimeOwned(value, unit, _) if inside == Inside::Array => {
            moment::datetime64(*value, *unit)
        }
        AnyValue::Datetime(value, unit, zone) => moment::timestamp(moment::nanoseconds(*value, *unit), zone.map(|_| 0)),
        AnyValue::DatetimeOwned(value, unit, zone) => {
            moment::timestamp(moment::nanoseconds(*value, *unit), zone.as_ref().map(|_| 0))
        }
        AnyValue::Duration(value, unit) if inside == Inside::Array => {
            let unit = match unit {
                TimeUnit::Nanoseconds => "nanoseconds",
                TimeUnit::Microseconds => "microseconds",
                TimeUnit::Milliseconds => "milliseconds",
            };
            format!("{value} {unit}")
        }
        AnyValue::Duration(value, unit) => moment::timedelta(moment::nanoseconds(*value, *unit)),
        AnyValue::Decimal(value, _, scale) => decimal(*value, *scale),
        integer if matches!(shape, Shape::IntegersAsFloats) => float_repr(integer.extract().unwrap_or(f64::NAN)),
        other => other.to_string(),
    }
}

/// `str` of a Python `Decimal`, `value` times ten to the minus `scale`.
fn decimal(value: i128, scale: usize) -> String {
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    // Python writes an exponent where there would be more than five zeros before the first digit.
    if scale == 0 {
        format!("{sign}{digits}")
    } else if scale >= digits.len() + 6 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{point}{rest}E-{}", scale + 1 - digits.len())
    } else {
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        format!("{sign}{whole}.{fraction}")
    }
}
