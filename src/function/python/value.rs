//! Values on their way into Python and out of it. Pure.

use std::fmt;

use monty_types::{MontyDate, MontyDateTime, MontyObject, MontyTime};
use serde_json::Value;

use crate::python_value::PythonValue;

/// How deep an answer may nest: what is handed on can be read again.
const DEPTH_MAX: usize = 128;

/// A value in an answer that nothing can be made of.
#[derive(Debug, PartialEq)]
pub(super) struct Unsayable {
    /// Where: `answer['rates'][3]`.
    place: String,
    /// What it is, and what to return instead.
    what: String,
}

impl fmt::Display for Unsayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, what } = self;
        write!(f, "{place} is {what}")
    }
}

/// JSON as Python's `json.load` has it.
pub(super) fn of_json(value: &Value) -> MontyObject {
    match value {
        Value::Null => MontyObject::None,
        Value::Bool(boolean) => MontyObject::Bool(*boolean),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => MontyObject::Int(integer),
            (None, Some(integer)) => long(&integer.to_string()),
            (None, None) => MontyObject::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => MontyObject::String(text.clone()),
        Value::Array(values) => MontyObject::List(values.iter().map(of_json).collect()),
        Value::Object(items) => MontyObject::dict(
            items.iter().map(|(name, value)| (MontyObject::String(name.clone()), of_json(value))).collect::<Vec<_>>(),
        ),
    }
}

/// What Python's `json.load` makes of a text.
pub(super) fn of_python(value: PythonValue) -> MontyObject {
    match value {
        PythonValue::None => MontyObject::None,
        PythonValue::Bool(boolean) => MontyObject::Bool(boolean),
        PythonValue::Int(integer) => MontyObject::Int(integer),
        PythonValue::LongInt(digits) => long(&digits),
        PythonValue::Float(float) => MontyObject::Float(float),
        PythonValue::Str(text) => MontyObject::String(text.into()),
        PythonValue::List(values) => MontyObject::List(values.into_iter().map(of_python).collect()),
        PythonValue::Dict(items) => {
            let items = items.into_iter().map(|(name, value)| (MontyObject::String(name.into()), of_python(value)));
            MontyObject::dict(items.collect::<Vec<_>>())
        }
    }
}

/// A whole number that does not fit into 64 bits, of its digits.
pub(super) fn long(digits: &str) -> MontyObject {
    digits.parse().map_or(MontyObject::None, MontyObject::BigInt)
}

/// What `json.dumps` would write, dates and moments too, as ISO 8601 has them.
///
/// # Errors
/// The value in it that has no such form.
pub(super) fn to_python(value: &MontyObject) -> Result<PythonValue, Unsayable> {
    convert(value, &Place { outer: None, step: Step::Answer }, DEPTH_MAX)
}

fn convert(value: &MontyObject, place: &Place<'_>, depth: usize) -> Result<PythonValue, Unsayable> {
    let unsayable = |what: String| Unsayable { place: place.to_string(), what };
    let depth = depth.checked_sub(1).ok_or_else(|| unsayable(format!("nested deeper than {DEPTH_MAX}")))?;
    let list = |values: &[MontyObject]| {
        let values = values.iter().enumerate();
        let values = values.map(|(index, value)| convert(value, &Place { outer: Some(place), step: Step::Index(index) }, depth));
        values.collect::<Result<_, _>>().map(PythonValue::List)
    };
    match value {
        MontyObject::None => Ok(PythonValue::None),
        MontyObject::Bool(boolean) => Ok(PythonValue::Bool(*boolean)),
        MontyObject::Int(integer) => Ok(PythonValue::Int(*integer)),
        MontyObject::BigInt(integer) => Ok(PythonValue::LongInt(integer.to_string().into())),
        MontyObject::Float(float) => Ok(PythonValue::Float(*float)),
        MontyObject::String(text) | MontyObject::Path(text) => Ok(PythonValue::Str(text.as_str().into())),
        MontyObject::List(values) | MontyObject::Tuple(values) => list(values),
        MontyObject::NamedTuple { field_names, values, .. } => {
            let items = field_names.iter().map(String::as_str).zip(values);
            dict(items, place, depth)
        }
        MontyObject::Dict(items) => {
            let mut converted = Vec::with_capacity(items.len());
            for (key, value) in items.iter() {
                let name = name_of(key).ok_or_else(|| {
                    let what = format!("a dict with a key of type {}; make its keys texts or numbers", key.type_name());
                    unsayable(what)
                })?;
                let value = convert(value, &Place { outer: Some(place), step: Step::Key(key) }, depth)?;
                // Different keys may be one name: 1 and '1'. As in Python's json, both are written; here the last counts.
                converted.push((name, value));
            }
            Ok(PythonValue::Dict(converted))
        }
        MontyObject::Date(date) => Ok(PythonValue::Str(iso_date(date).into())),
        MontyObject::DateTime(moment) => Ok(PythonValue::Str(iso_moment(moment).into())),
        MontyObject::Time(time) => Ok(PythonValue::Str(iso_time(time).into())),
        MontyObject::TimeDelta(delta) => {
            let seconds = f64::from(delta.days) * 86_400.0 + f64::from(delta.seconds) + f64::from(delta.microseconds) / 1e6;
            Ok(PythonValue::Float(seconds))
        }
        MontyObject::ClassInstance(instance) if instance.class_type.is_dataclass => {
            let fields = instance.attrs.iter();
            let fields = fields.filter_map(|(name, value)| Some((text_of(name)?, value)));
            dict(fields, place, depth)
        }
        MontyObject::Bytes(_) => Err(unsayable("bytes; return a text of them, as `.decode()` or `.hex()` makes".to_owned())),
        MontyObject::Set(_) | MontyObject::FrozenSet(_) => {
            Err(unsayable("a set, which has no order; return `sorted(…)` of it".to_owned()))
        }
        MontyObject::Cycle(..) => Err(unsayable("part of itself".to_owned())),
        MontyObject::ClassInstance(instance) if instance.class_type.host_defined && instance.class_type.name == "Frame" => {
            Err(unsayable("a frame within something; return the frame alone, or its `rows()`".to_owned()))
        }
        MontyObject::Repr(shown) => Err(unsayable(format!("{shown}; return texts, numbers, lists and dicts of these"))),
        other => Err(unsayable(format!("of type {}; return texts, numbers, lists and dicts of these", other.type_name()))),
    }
}

fn dict<'a>(
    items: impl Iterator<Item = (&'a str, &'a MontyObject)>,
    place: &Place<'_>,
    depth: usize,
) -> Result<PythonValue, Unsayable> {
    let items = items
        .map(|(name, value)| Ok((name.into(), convert(value, &Place { outer: Some(place), step: Step::Name(name) }, depth)?)));
    items.collect::<Result<_, _>>().map(PythonValue::Dict)
}

/// What Python's json makes of a key.
fn name_of(key: &MontyObject) -> Option<Box<str>> {
    Some(match key {
        MontyObject::String(text) => text.as_str().into(),
        MontyObject::Int(integer) => integer.to_string().into(),
        MontyObject::BigInt(integer) => integer.to_string().into(),
        MontyObject::Bool(true) => "true".into(),
        MontyObject::Bool(false) => "false".into(),
        MontyObject::None => "null".into(),
        MontyObject::Float(_) => key.py_repr().into(),
        MontyObject::Date(date) => iso_date(date).into(),
        MontyObject::DateTime(moment) => iso_moment(moment).into(),
        _ => return None,
    })
}

/// The text that a value is.
pub(super) fn text_of(value: &MontyObject) -> Option<&str> {
    match value {
        MontyObject::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn iso_date(date: &MontyDate) -> String {
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

pub(super) fn iso_moment(moment: &MontyDateTime) -> String {
    let MontyDateTime { year, month, day, hour, minute, second, microsecond, offset_seconds, .. } = moment;
    let offset = iso_offset(*offset_seconds);
    format!("{year:04}-{month:02}-{day:02}T{}{offset}", iso_clock(*hour, *minute, *second, *microsecond))
}

fn iso_time(time: &MontyTime) -> String {
    format!("{}{}", iso_clock(time.hour, time.minute, time.second, time.microsecond), iso_offset(time.offset_seconds))
}

fn iso_clock(hour: u8, minute: u8, second: u8, microsecond: u32) -> String {
    let fraction = if microsecond == 0 { String::new() } else { format!(".{microsecond:06}") };
    format!("{hour:02}:{minute:02}:{second:02}{fraction}")
}

fn iso_offset(seconds: Option<i32>) -> String {
    let Some(seconds) = seconds else { return String::new() };
    let (sign, ahead) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let rest = if ahead % 60 == 0 { String::new() } else { format!(":{:02}", ahead % 60) };
    format!("{sign}{:02}:{:02}{rest}", ahead / 3600, ahead / 60 % 60)
}

/// Where in an answer, for whom to say so.
struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Answer,
    Index(usize),
    Key(&'a MontyObject),
    Name(&'a str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            outer.fmt(f)?;
        }
        match &self.step {
            Step::Answer => f.write_str("what it returned"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{}]", key.py_repr()),
            Step::Name(name) => write!(f, ".{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> MontyObject {
        MontyObject::String(text.to_owned())
    }

    #[test]
    fn what_python_can_say_in_json_is_said() {
        let date = MontyDate { year: 2024, month: 2, day: 29 };
        let moment = MontyDateTime {
            year: 2024,
            month: 2,
            day: 29,
            hour: 1,
            minute: 2,
            second: 3,
            microsecond: 4,
            offset_seconds: Some(-5400),
            timezone_name: None,
        };
        let value = MontyObject::dict(vec![
            (text("list"), MontyObject::Tuple(vec![MontyObject::Int(1), MontyObject::Float(f64::NAN), MontyObject::None])),
            (MontyObject::Int(2), MontyObject::Date(date)),
            (MontyObject::Bool(true), MontyObject::DateTime(moment)),
            (text("long"), MontyObject::BigInt("100000000000000000000".parse().unwrap())),
        ]);
        let said = to_python(&value).unwrap();
        let printed = "{'list': [1, nan, None], '2': '2024-02-29', 'true': '2024-02-29T01:02:03.000004-01:30', \
                       'long': 100000000000000000000}";
        assert_eq!(said.to_string(), printed);
    }

    #[test]
    fn what_does_not_convert_is_named() {
        let list = |value| MontyObject::List(vec![MontyObject::Int(1), value]);
        let set = MontyObject::dict(vec![(text("rates"), list(MontyObject::Set(vec![])))]);
        let place = "what it returned['rates'][1]";
        assert_eq!(
            to_python(&set).unwrap_err().to_string(),
            format!("{place} is a set, which has no order; return `sorted(…)` of it")
        );
        let key = MontyObject::dict(vec![(MontyObject::Tuple(vec![]), MontyObject::None)]);
        assert!(to_python(&key).unwrap_err().to_string().contains("a key of type tuple"));
        let mut deep = MontyObject::None;
        for _ in 0..200 {
            deep = MontyObject::List(vec![deep]);
        }
        assert!(to_python(&deep).unwrap_err().to_string().ends_with("nested deeper than 128"));
    }

    #[test]
    fn json_comes_as_python_loads_it() {
        let json = serde_json::json!({"a": [1, 2.5, null, true, u64::MAX], "b": {"c": "d"}});
        assert_eq!(of_json(&json).py_repr(), "{'a': [1, 2.5, None, True, 18446744073709551615], 'b': {'c': 'd'}}");
        let python = PythonValue::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(of_python(python).py_repr(), of_json(&json).py_repr());
    }
}
