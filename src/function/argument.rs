//! Parameters, and the arguments of one call.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::function::Spec;
use crate::key::{InvalidKey, Key};

/// Something that a function takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name in calls.
    pub name: String,
    /// What is taken.
    pub kind: Kind,
    /// What is taken where a call gives nothing; `None` where it must give something.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub default: Option<Value>,
    /// One sentence on what it is.
    pub doc: String,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// Any text.
    Text,
    /// The name of an object.
    Key,
    /// A whole number from `min` to `max`.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A finite number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// Any value that JSON has; what comes as a text is that text.
    Any,
}

/// What a call gives for a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// As it stands in a query: whether it is a number is for the parameter to say.
    Text(String),
    /// As it stands in a JSON document.
    Value(Value),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text"),
            Self::Key => f.write_str("the name of an object"),
            Self::Integer { min: i64::MIN, max: i64::MAX } => f.write_str("a whole number"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Float => f.write_str("a finite number"),
            Self::Boolean => f.write_str("`true` or `false`"),
            Self::Any => f.write_str("any value"),
        }
    }
}

/// The arguments of one call: each of the function's parameters has one, of its kind.
#[derive(Clone, Debug)]
pub struct Arguments {
    declared: HashMap<String, Argument>,
    others: BTreeMap<String, Value>,
}

#[derive(Clone, Debug)]
enum Argument {
    Text(String),
    Key(Key),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Any(Value),
}

impl Arguments {
    /// Checks what a call gives against what the function takes. `parse_key` makes keys.
    ///
    /// # Errors
    /// `InvalidArgument` where something is missing, too much, given twice or not of its kind; it says what fits.
    pub fn parse(spec: &Spec, given: &[(String, Given)], parse_key: impl Fn(&str) -> Result<Key, InvalidKey>) -> Result<Self> {
        let invalid = |reason: String| Error::InvalidArgument { function: spec.name.clone(), reason };
        let mut others = BTreeMap::new();
        for (name, value) in given.iter().filter(|(name, _)| spec.parameters.iter().all(|parameter| parameter.name != *name)) {
            if spec.others.is_some() {
                let value = match value {
                    Given::Text(text) => text.as_str().into(),
                    Given::Value(value) => value.clone(),
                };
                if others.insert(name.clone(), value).is_some() {
                    return Err(invalid(format!("`{name}` is given twice")));
                }
                continue;
            }
            let names: Vec<String> = spec.parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
            let takes = if names.is_empty() { "no parameters".to_owned() } else { names.join(", ") };
            return Err(invalid(format!("it has no parameter `{name}`; it takes {takes}")));
        }
        let mut declared = HashMap::with_capacity(spec.parameters.len());
        for parameter in &spec.parameters {
            let Parameter { name, kind, default, .. } = parameter;
            let mut values = given.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
            let default = default.clone().map(Given::Value);
            let value = values.next().or(default.as_ref());
            let value = value.ok_or_else(|| invalid(format!("`{name}` is missing; it takes {kind}")))?;
            if values.next().is_some() {
                return Err(invalid(format!("`{name}` is given twice")));
            }
            let argument = match (kind, value) {
                (Kind::Key, Given::Text(text) | Given::Value(Value::String(text))) => {
                    Some(Argument::Key(parse_key(text).map_err(|rule| invalid(format!("`{name}`: {rule}")))?))
                }
                // What a parameter is where nothing is given may be said too, though it is not of the kind: `None`, of a number.
                (_, Given::Value(Value::Null)) if parameter.default == Some(Value::Null) => Some(Argument::Any(Value::Null)),
                _ => kind.take(value),
            };
            let argument = argument.ok_or_else(|| invalid(format!("`{name}` takes {kind}")))?;
            declared.insert(name.clone(), argument);
        }
        Ok(Self { declared, others })
    }

    /// The argument of a parameter of kind `Text`.
    pub fn text(&self, name: &str) -> &str {
        match self.of(name) {
            Argument::Text(text) => text,
            other => unfit(name, other),
        }
    }

    /// The argument of a parameter of kind `Key`.
    pub fn key(&self, name: &str) -> &Key {
        match self.of(name) {
            Argument::Key(key) => key,
            other => unfit(name, other),
        }
    }

    /// The argument of a parameter of kind `Integer`, within its bounds.
    pub fn integer(&self, name: &str) -> i64 {
        match self.of(name) {
            Argument::Integer(integer) => *integer,
            other => unfit(name, other),
        }
    }

    /// The argument of a parameter of kind `Float`.
    pub fn float(&self, name: &str) -> f64 {
        match self.of(name) {
            Argument::Float(float) => *float,
            other => unfit(name, other),
        }
    }

    /// The argument of a parameter of kind `Boolean`.
    pub fn boolean(&self, name: &str) -> bool {
        match self.of(name) {
            Argument::Boolean(boolean) => *boolean,
            other => unfit(name, other),
        }
    }

    /// The argument of any parameter as JSON has it.
    pub fn value(&self, name: &str) -> Value {
        match self.of(name) {
            Argument::Text(text) => text.as_str().into(),
            Argument::Key(key) => key.as_str().into(),
            Argument::Integer(integer) => (*integer).into(),
            Argument::Float(float) => (*float).into(),
            Argument::Boolean(boolean) => (*boolean).into(),
            Argument::Any(value) => value.clone(),
        }
    }

    /// The arguments that no parameter is named for, by name; none where the function takes none.
    pub fn others(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.others.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn of(&self, name: &str) -> &Argument {
        self.declared.get(name).expect("a function asks for the parameters that its spec names")
    }
}

impl Kind {
    /// Whether an argument may be `value`.
    #[cfg(feature = "python")]
    pub(super) fn fits(self, value: &Value) -> bool {
        self.take(&Given::Value(value.clone())).is_some()
    }

    /// The argument that `given` is; `None` where it is none of this kind. Keys are made elsewhere.
    fn take(self, given: &Given) -> Option<Argument> {
        match (self, given) {
            (Self::Text, Given::Text(text) | Given::Value(Value::String(text))) => Some(Argument::Text(text.clone())),
            // A text may look like a number: an original's caller wrote {"message": 5}.
            (Self::Text, Given::Value(Value::Number(number))) => Some(Argument::Text(number.to_string())),
            (Self::Text, Given::Value(Value::Bool(boolean))) => Some(Argument::Text(boolean.to_string())),
            (Self::Integer { .. }, Given::Text(text) | Given::Value(Value::String(text))) => self.integer(text.parse().ok()?),
            (Self::Integer { .. }, Given::Value(value)) => self.integer(value.as_i64()?),
            (Self::Float, Given::Text(text) | Given::Value(Value::String(text))) => float(text.parse().ok()?),
            (Self::Float, Given::Value(value)) => float(value.as_f64()?),
            (Self::Boolean, Given::Text(text) | Given::Value(Value::String(text))) => text.parse().ok().map(Argument::Boolean),
            (Self::Boolean, Given::Value(value)) => value.as_bool().map(Argument::Boolean),
            (Self::Any, Given::Text(text)) => Some(Argument::Any(text.as_str().into())),
            (Self::Any, Given::Value(value)) => Some(Argument::Any(value.clone())),
            (Self::Text | Self::Key, _) => None,
        }
    }

    fn integer(self, integer: i64) -> Option<Argument> {
        let Self::Integer { min, max } = self else { return None };
        (min..=max).contains(&integer).then_some(Argument::Integer(integer))
    }
}

/// A default that is written is one, `null` too.
fn given<'d, D: Deserializer<'d>>(default: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(default).map(Some)
}

fn float(float: f64) -> Option<Argument> {
    float.is_finite().then_some(Argument::Float(float))
}

fn unfit(name: &str, argument: &Argument) -> ! {
    unreachable!("a function asks for `{name}` as its spec declares it, not as {argument:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Prefix;

    fn parse(given: &[(&str, &str)]) -> Result<Arguments, String> {
        let spec = Spec::new("f", "For tests.")
            .takes("key", Kind::Key, "A key.")
            .takes("count", Kind::Integer { min: 1, max: 9 }, "A count.")
            .takes_or("part", Kind::Float, "0.5", "A part.")
            .takes_or("note", Kind::Text, "", "A note.");
        let given: Vec<(String, Given)> = given.iter().map(|&(name, value)| (name.into(), Given::Text(value.into()))).collect();
        let parsed = Arguments::parse(&spec, &given, |text| Key::parse(text, &Prefix::default()));
        parsed.map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_come_in_any_order_and_defaults_fill_the_rest() {
        let arguments = parse(&[("count", "3"), ("key", "a b/c")]).unwrap();
        assert_eq!(arguments.key("key").as_str(), "a b/c");
        assert_eq!(arguments.integer("count"), 3);
        assert_eq!(arguments.float("part"), 0.5);
        assert_eq!(arguments.text("note"), "");
        let arguments = parse(&[("note", "x"), ("part", "-1e3"), ("key", "a"), ("count", "9")]).unwrap();
        assert_eq!((arguments.float("part"), arguments.text("note")), (-1000.0, "x"));
    }

    #[test]
    fn a_call_that_does_not_fit_says_what_does() {
        let table: [(&[(&str, &str)], &str); 11] = [
            (&[], "`key` is missing; it takes the name of an object"),
            (&[("key", "a")], "`count` is missing; it takes a whole number from 1 to 9"),
            (&[("key", "a"), ("count", "0")], "`count` takes a whole number from 1 to 9"),
            (&[("key", "a"), ("count", "1.0")], "`count` takes a whole number from 1 to 9"),
            (&[("key", "a"), ("count", "99999999999999999999")], "`count` takes a whole number from 1 to 9"),
            (&[("key", "../a"), ("count", "1")], "`key`: a key must not have a segment `.` or `..`"),
            (&[("key", ""), ("count", "1")], "`key`: a key must not be empty"),
            (&[("key", "a"), ("count", "1"), ("part", "NaN")], "`part` takes a finite number"),
            (&[("key", "a"), ("count", "1"), ("part", "1e999")], "`part` takes a finite number"),
            (&[("key", "a"), ("count", "1"), ("count", "1")], "`count` is given twice"),
            (&[("key", "a"), ("kay", "b")], "it has no parameter `kay`; it takes `key`, `count`, `part`, `note`"),
        ];
        for (given, reason) in table {
            assert_eq!(parse(given).unwrap_err(), format!("function `f`: {reason}"));
        }
    }
}
