//! Values as Python has them, printed as Python prints them. Pure; knows no cache, no frames, no HTTP.
//!
//! The original printed dicts with `str`, so its answers to the letter need Python's rules for quotes, floats and `None`.

use std::fmt::{self, Write};

use serde_json::Value;

mod json;
mod repr;

pub use json::{InvalidJson, Member, Members};
pub use repr::{bytes_repr, float_repr, narrow_float_repr, str_repr};

/// A value that Python's `json.load` could have made. [`fmt::Display`] writes its `repr`.
///
/// ```
/// use cache_api::python_value::PythonValue;
///
/// let value = PythonValue::from_json(br#"{"a": 1, "b": null, "c": 1e22}"#).unwrap();
/// assert_eq!(value.to_string(), "{'a': 1, 'b': None, 'c': 1e+22}");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum PythonValue {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` that fits.
    Int(i64),
    /// An `int` that does not fit: its digits, with a minus where it is negative, without leading zeros.
    LongInt(Box<str>),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Str(Box<str>),
    /// A `list`.
    List(Vec<PythonValue>),
    /// A `dict`, in the order the keys came; each key once.
    Dict(Vec<(Box<str>, PythonValue)>),
}

impl PythonValue {
    /// Reads JSON as Python's `json.load` does: `NaN` and `Infinity` are numbers, integers keep all digits, of a key
    /// that comes twice the last value counts. Unlike there, a byte order mark is skipped.
    ///
    /// # Errors
    /// What is wrong and where, in bytes from 0. Nesting deeper than 128 is refused.
    pub fn from_json(text: &[u8]) -> Result<Self, InvalidJson> {
        json::parse(text)
    }

    /// Reads the members of a JSON list one at a time; `None` where the text is no list. The whole is checked as
    /// [`PythonValue::from_json`] checks it, as far as it is read.
    ///
    /// # Errors
    /// The text is not UTF-8.
    pub fn members_of_json(text: &[u8]) -> Result<Option<Members<'_>>, InvalidJson> {
        json::members(text)
    }

    /// What `str` makes of the value of a JSON text. Of a list no more than one member is in memory beside what is written.
    ///
    /// # Errors
    /// As [`PythonValue::from_json`].
    pub fn str_of_json(text: &[u8]) -> Result<String, InvalidJson> {
        let Some(members) = Self::members_of_json(text)? else { return Ok(Self::from_json(text)?.to_str()) };
        let mut written = "[".to_owned();
        for (place, member) in members.enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(written, "{comma}{}", member?.value).expect("a String takes all");
        }
        written.push(']');
        Ok(written)
    }

    /// What `str` makes of it: a `str` as it is, all else as `repr`.
    pub fn to_str(&self) -> String {
        match self {
            Self::Str(text) => text.to_string(),
            other => other.to_string(),
        }
    }

    /// The same as JSON. What JSON has no word for becomes `null` (NaN, infinities); integers past 64 bits become the
    /// nearest float.
    pub fn to_json(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Int(int) => Value::from(*int),
            Self::LongInt(digits) => digits.parse::<u64>().map_or_else(|_| Value::from(digits.parse::<f64>().ok()), Value::from),
            Self::Float(float) => Value::from(*float),
            Self::Str(text) => Value::from(&**text),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Dict(items) => Value::Object(items.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect()),
        }
    }

    /// Bytes on the heap, this value's own place included, and what an allocator takes besides for each piece.
    pub fn weight_bytes(&self) -> u64 {
        let heap: u64 = match self {
            Self::None | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
            Self::LongInt(text) | Self::Str(text) => piece_bytes(text.len()),
            Self::List(values) => piece_bytes(0) + values.iter().map(Self::weight_bytes).sum::<u64>(),
            Self::Dict(items) => {
                let weight =
                    |(key, value): &(Box<str>, Self)| size_of_val(key) as u64 + piece_bytes(key.len()) + value.weight_bytes();
                piece_bytes(0) + items.iter().map(weight).sum::<u64>()
            }
        };
        size_of::<Self>() as u64 + heap
    }
}

/// What a piece of so many bytes takes of the heap: texts of a few bytes take many times their length.
///
/// Source: glibc, `malloc.c`, `request2size`: a word besides, multiples of two words, four at least.
fn piece_bytes(bytes: usize) -> u64 {
    (bytes as u64 + 8).next_multiple_of(16).max(32)
}

impl From<Value> for PythonValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Bool(bool) => Self::Bool(bool),
            Value::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None if number.is_u64() => Self::LongInt(number.to_string().into()),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Str(text.into()),
            Value::Array(values) => Self::List(values.into_iter().map(Self::from).collect()),
            Value::Object(items) => Self::Dict(items.into_iter().map(|(key, value)| (key.into(), value.into())).collect()),
        }
    }
}

impl fmt::Display for PythonValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(int) => int.fmt(f),
            Self::LongInt(digits) => f.write_str(digits),
            Self::Float(float) => f.write_str(&float_repr(*float)),
            Self::Str(text) => f.write_str(&str_repr(text)),
            Self::List(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Dict(items) => {
                f.write_str("{")?;
                for (place, (key, value)) in items.iter().enumerate() {
                    write!(f, "{}{}: {value}", if place == 0 { "" } else { ", " }, str_repr(key))?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
