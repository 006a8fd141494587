//! Whether rows of JSON are a table, looked at before polars reads them: polars makes nulls or texts of values that are not of
//! their column's kind, and a column of every name for every row.

use std::collections::HashMap;

use crate::frame::csv::COLUMNS_MAX;
use crate::python_value::PythonValue;

/// What values of one place in all rows are.
#[derive(Debug, Default)]
pub(super) struct Shape {
    kind: Option<Kind>,
    /// In an object by their names.
    fields: HashMap<Box<str>, Shape>,
    /// Of a list.
    members: Option<Box<Shape>>,
    /// How many there are, of members in all lists.
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Truth,
    Number,
    Text,
    List,
    Object,
}

impl Shape {
    /// Takes in one more value; null is of every kind.
    ///
    /// # Errors
    /// Where in the value a kind does not fit those before.
    pub(super) fn take(&mut self, value: &PythonValue) -> Result<(), String> {
        self.count += 1;
        let Some(kind) = Kind::of(value) else { return Ok(()) };
        match self.kind {
            Some(before) if before != kind => {
                return Err(format!(" is {}, where those before are {}", kind.word(), before.word()));
            }
            _ => self.kind = Some(kind),
        }
        match value {
            PythonValue::List(members) => {
                let shape = self.members.get_or_insert_default();
                members.iter().try_for_each(|member| shape.take(member)).map_err(|what| format!("[]{what}"))
            }
            PythonValue::Dict(fields) => {
                for (name, field) in fields {
                    let within = |what| format!(".{name}{what}");
                    match self.fields.get_mut(name) {
                        Some(shape) => shape.take(field).map_err(within)?,
                        None => self.fields.entry(name.clone()).or_default().take(field).map_err(within)?,
                    }
                }
                if self.fields.len() > COLUMNS_MAX {
                    return Err(format!(" has more than {COLUMNS_MAX} names in all rows"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// How many values a table of them has, those that are not there included.
    pub(super) fn values(&self) -> u64 {
        self.values_of(self.count)
    }

    fn values_of(&self, count: u64) -> u64 {
        let members = self.members.iter().map(|members| members.values_of(members.count));
        let fields = self.fields.values().map(|field| field.values_of(count));
        members.chain(fields).fold(count, u64::saturating_add)
    }
}

impl Kind {
    fn of(value: &PythonValue) -> Option<Self> {
        match value {
            PythonValue::None => None,
            PythonValue::Bool(_) => Some(Self::Truth),
            PythonValue::Int(_) | PythonValue::LongInt(_) | PythonValue::Float(_) => Some(Self::Number),
            PythonValue::Str(_) => Some(Self::Text),
            PythonValue::List(_) => Some(Self::List),
            PythonValue::Dict(_) => Some(Self::Object),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Truth => "a truth value",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rows: &[&str]) -> Result<u64, String> {
        let mut shape = Shape::default();
        for row in rows {
            shape.take(&PythonValue::from_json(row.as_bytes()).unwrap())?;
        }
        Ok(shape.values())
    }

    #[test]
    fn a_value_of_another_kind_is_found_at_any_depth() {
        assert_eq!(shape(&["{\"a\": 1}", "{\"a\": null}", "{\"a\": 2.5, \"b\": []}"]), Ok(9));
        let text = " is a text, where those before are a number";
        assert_eq!(shape(&["{\"a\": 1}", "{\"a\": \"x\"}"]), Err(format!(".a{text}")));
        assert_eq!(shape(&["{\"a\": [{\"b\": 1}]}", "{\"a\": [{\"b\": \"x\"}]}"]), Err(format!(".a[].b{text}")));
    }

    #[test]
    fn values_that_are_not_there_count() {
        let rows: Vec<_> = (0..100).map(|row| format!("{{\"c{row}\": 1}}")).collect();
        let rows: Vec<_> = rows.iter().map(String::as_str).collect();
        assert_eq!(shape(&rows), Ok(100 + 100 * 100));
    }
}
