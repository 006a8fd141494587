//! Values and names as polars reads them again. Nothing here is left to sqlparser's own printer, which takes two quotes in a row
//! for one that is escaped already, and a quote behind a backslash too: a text with either would come back as another, or end early.

use serde_json::Value;

use crate::frame::moment::Moment;
use crate::frame::query::BadQuery;

/// What a parameter of a query may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// SQL's NULL.
    Null,
    /// TRUE or FALSE.
    Boolean(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A finite number.
    Float(f64),
    /// A text of any characters.
    Text(String),
    /// A day, as `2024-12-31`.
    Date(String),
    /// A moment without a zone, as `2024-12-31 23:59:59`.
    Timestamp(String),
    /// The members of an IN, none of them a list; at least one.
    List(Vec<Scalar>),
}

impl Scalar {
    /// What a JSON value says: a day and a moment are `{"date": "2024-12-31"}` and `{"timestamp": "2024-12-31 23:59:59"}`.
    ///
    /// # Errors
    /// What is none of these.
    pub fn of_json(value: &Value) -> Result<Self, BadQuery> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(boolean) => Self::Boolean(*boolean),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, Some(float)) if float.is_finite() && !number.is_u64() => Self::Float(float),
                _ => return Err(BadQuery::new(format_args!("{number} is more than a number of 64 bits takes"))),
            },
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(members) => {
                let members: Vec<_> = members.iter().map(Self::of_json).collect::<Result<_, _>>()?;
                if members.is_empty() || members.iter().any(|member| matches!(member, Self::List(_))) {
                    return Err(BadQuery::new("a list has members, and none of them is a list"));
                }
                Self::List(members)
            }
            Value::Object(named) => {
                let only = named.iter().next().filter(|_| named.len() == 1);
                let typed = only.and_then(|(name, value)| Self::typed(name, value.as_str()?));
                typed.ok_or_else(|| {
                    BadQuery::new(
                        "an object is {\"date\": \"2024-12-31\"} or {\"timestamp\": \"2024-12-31 23:59:59\"}, and no other",
                    )
                })?
            }
        })
    }

    fn typed(name: &str, text: &str) -> Option<Self> {
        Moment::parse(text)?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"-: .T".contains(&byte));
        match name {
            "date" if is_plain && text.len() == 10 => Some(Self::Date(text.to_owned())),
            "timestamp" if is_plain && text.len() > 10 => Some(Self::Timestamp(text.replacen('T', " ", 1))),
            _ => None,
        }
    }

    /// As a member of a list: polars takes no brackets there.
    pub(super) fn write_member(&self, to: &mut String) -> Result<(), BadQuery> {
        match self {
            Self::Null => to.push_str("NULL"),
            Self::Boolean(true) => to.push_str("TRUE"),
            Self::Boolean(false) => to.push_str("FALSE"),
            // Its digits alone are more than 64 bits take.
            Self::Integer(i64::MIN) => to.push_str("CAST('-9223372036854775808' AS BIGINT)"),
            Self::Integer(integer) => to.push_str(&integer.to_string()),
            Self::Float(float) if float.is_finite() => to.push_str(&with_point(&format!("{float:?}"))),
            Self::Float(_) => return Err(BadQuery::new("a number is finite")),
            Self::Text(text) => text_literal(text, to),
            Self::Date(text) => {
                to.push_str("DATE ");
                text_literal(text, to);
            }
            Self::Timestamp(text) => {
                to.push_str("TIMESTAMP ");
                text_literal(text, to);
            }
            Self::List(_) => return Err(BadQuery::new("a list stands in brackets behind IN, and nowhere else")),
        }
        Ok(())
    }

    /// As a value: two signs in a row would begin a comment.
    pub(super) fn write(&self, to: &mut String) -> Result<(), BadQuery> {
        let is_negative = match self {
            Self::Integer(integer) => *integer < 0,
            Self::Float(float) => float.is_sign_negative(),
            _ => false,
        };
        if is_negative {
            to.push('(');
        }
        self.write_member(to)?;
        if is_negative {
            to.push(')');
        }
        Ok(())
    }
}

/// A text in quotes.
pub(super) fn text_literal(text: &str, to: &mut String) {
    quoted(text, '\'', to);
}

/// A name in quotes.
pub(super) fn name(text: &str, to: &mut String) {
    quoted(text, '"', to);
}

fn quoted(text: &str, quote: char, to: &mut String) {
    to.push(quote);
    for character in text.chars() {
        to.push(character);
        if character == quote {
            to.push(quote);
        }
    }
    to.push(quote);
}

/// A number in the form by which polars knows a fraction: it looks for a point, and takes `1e5` for nothing.
pub(super) fn with_point(number: &str) -> String {
    match number.find(['e', 'E']) {
        Some(exponent) if !number.contains('.') => format!("{}.0{}", &number[..exponent], &number[exponent..]),
        _ => number.to_owned(),
    }
}
