//! The header of an SQL file: comment lines before the statement. Pure.

use std::time::Duration;

use serde_json::Value;

use crate::frame::query::Scalar;
use crate::function::{Kind, Parameter, Retention};

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub doc: String,
    /// In the order of the lines.
    pub takes: Vec<(Parameter, Takes)>,
    pub retention: Retention,
}

/// What a parameter is in the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// A literal as JSON has it: a text, a number, a boolean.
    Literal,
    /// `2024-12-31`.
    Date,
    /// `2024-12-31 23:59:59`.
    Timestamp,
    /// Several, for IN.
    List,
    /// A table, or the name of an object as a text.
    Key,
}

/// How a line is written, for who wrote it otherwise.
const PARAM_FORM: &str = "`-- param: NAME KIND = DEFAULT -- What it is.`, of which the default and what it is may be left out";
const KINDS: &str = "text, key, integer, float, boolean, date, timestamp, list";
const KEEP_FORM: &str =
    "`-- keep: no`, `-- keep: memory`, `-- keep: memory 100` (calls), `-- keep: tiers` or `-- keep: tiers 10m`";

impl Header {
    /// Reads the comment lines before the statement. Lines of other words are comments and nothing else.
    ///
    /// # Errors
    /// The line that is none of ours and looks like one, and how it is written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut header = Self { doc: String::new(), takes: Vec::new(), retention: Retention::Memory { calls_max: None } };
        let mut is_kept = false;
        for (index, line) in text.lines().enumerate() {
            let Some(comment) = line.trim().strip_prefix("--") else {
                if line.trim().is_empty() {
                    continue;
                }
                break;
            };
            let at = |reason: String| format!("line {}: {reason}", index + 1);
            match comment.trim().split_once(':').map(|(word, rest)| (word.trim(), rest.trim())) {
                Some(("doc", doc)) => {
                    if !header.doc.is_empty() {
                        header.doc.push(' ');
                    }
                    header.doc.push_str(doc);
                }
                Some(("param", rest)) => {
                    let (parameter, takes) = param(rest).map_err(at)?;
                    if header.takes.iter().any(|(other, _)| other.name == parameter.name) {
                        return Err(at(format!("`{}` is declared twice", parameter.name)));
                    }
                    header.takes.push((parameter, takes));
                }
                Some(("keep", _)) if is_kept => return Err(at("there is a second `-- keep:`".to_owned())),
                Some(("keep", rest)) => {
                    is_kept = true;
                    header.retention = keep(rest).map_err(at)?;
                }
                Some((word @ ("params" | "parameter" | "parameters" | "arg" | "docs" | "cache" | "kept" | "retain"), _)) => {
                    return Err(at(format!("`{word}:` is none of `doc:`, `param:` and `keep:`")));
                }
                _ => {}
            }
        }
        Ok(header)
    }
}

impl Takes {
    /// What the statement gets for an argument.
    pub fn scalar(self, value: &Value) -> Result<Scalar, String> {
        let typed = |name: &str| match value {
            Value::Null => Ok(Scalar::Null),
            _ => Scalar::of_json(&serde_json::json!({ name: value })).map_err(|_| format!("is no {name}")),
        };
        match self {
            Self::Date => typed("date"),
            Self::Timestamp => typed("timestamp"),
            Self::List => match value {
                // As it stands in a query.
                Value::String(text) => {
                    let members = serde_json::from_str(text).ok().filter(Value::is_array);
                    let members = members.ok_or(r#"is no list; write one as JSON, such as ["a", "b"]"#)?;
                    Scalar::of_json(&members).map_err(|bad| bad.to_string())
                }
                Value::Array(_) => Scalar::of_json(value).map_err(|bad| bad.to_string()),
                _ => Err("is no list".to_owned()),
            },
            Self::Literal | Self::Key => Scalar::of_json(value).map_err(|bad| bad.to_string()),
        }
    }
}

/// `NAME KIND = DEFAULT -- What it is.`
fn param(rest: &str) -> Result<(Parameter, Takes), String> {
    let misshapen = || format!("write {PARAM_FORM}");
    let (name, rest) = rest.split_once(char::is_whitespace).ok_or_else(misshapen)?;
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || name.len() > 64 {
        return Err(format!("`{name}` is no name of a parameter: letters, digits and `_`, no digit first"));
    }
    if name == "format" {
        return Err("`format` is what an answer's form is called; choose another name".to_owned());
    }
    let rest = rest.trim_start();
    let end = rest.find(|other: char| other.is_whitespace() || other == '=').unwrap_or(rest.len());
    let (word, rest) = rest.split_at(end);
    let (kind, takes) = kind(word).ok_or_else(|| format!("`{word}` is no kind; these are: {KINDS}"))?;
    let (default, rest) = match rest.trim_start().strip_prefix('=') {
        Some(rest) => {
            let (literal, rest) = literal(rest.trim_start()).ok_or_else(|| {
                format!("the default of `{name}` is no literal: write 'a text' with each ' twice, a number, true, false, or ['a', 'b']")
            })?;
            (Some(literal), rest)
        }
        None => (None, rest),
    };
    let doc = match rest.trim().strip_prefix("--") {
        Some(doc) => doc.trim().to_owned(),
        None if rest.trim().is_empty() => String::new(),
        None => return Err(misshapen()),
    };
    if let Some(default) = &default {
        let fits = match (kind, default) {
            (Kind::Text | Kind::Key, Value::String(_)) | (Kind::Boolean, Value::Bool(_)) => true,
            (Kind::Integer { .. }, Value::Number(number)) => number.is_i64(),
            (Kind::Float, Value::Number(_)) => true,
            (Kind::Any, default) => takes.scalar(default).is_ok(),
            _ => false,
        };
        if !fits {
            return Err(format!("the default of `{name}` is not of its kind, {word}"));
        }
    }
    Ok((Parameter { name: name.to_owned(), kind, default, doc }, takes))
}

fn kind(word: &str) -> Option<(Kind, Takes)> {
    Some(match word {
        "text" => (Kind::Text, Takes::Literal),
        // Not `Kind::Key`: it may be a glob, which is a key only by chance. The query makes the key of it.
        "key" => (Kind::Text, Takes::Key),
        "integer" => (Kind::Integer { min: i64::MIN, max: i64::MAX }, Takes::Literal),
        "float" => (Kind::Float, Takes::Literal),
        "boolean" => (Kind::Boolean, Takes::Literal),
        "date" => (Kind::Any, Takes::Date),
        "timestamp" => (Kind::Any, Takes::Timestamp),
        "list" => (Kind::Any, Takes::List),
        _ => return None,
    })
}

/// The literal that `text` begins with, and what follows it.
fn literal(text: &str) -> Option<(Value, &str)> {
    if let Some(mut rest) = text.strip_prefix('\'') {
        let mut value = String::new();
        loop {
            let end = rest.find('\'')?;
            value.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('\'') {
                Some(more) => {
                    value.push('\'');
                    rest = more;
                }
                None => return Some((Value::String(value), rest)),
            }
        }
    }
    if let Some(mut rest) = text.strip_prefix('[') {
        let mut members = Vec::new();
        loop {
            let (member, after) = literal(rest.trim_start())?;
            members.push(member);
            let after = after.trim_start();
            match after.strip_prefix(']') {
                Some(after) => return Some((Value::Array(members), after)),
                None => rest = after.strip_prefix(',')?,
            }
        }
    }
    let end = text.find(|other: char| other.is_whitespace() || other == ',' || other == ']').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let value: Value = serde_json::from_str(word).ok()?;
    (value.is_number() || value.is_boolean()).then_some((value, rest))
}

/// How answers are kept.
fn keep(rest: &str) -> Result<Retention, String> {
    let misshapen = || format!("write {KEEP_FORM}");
    let mut words = rest.split_whitespace();
    let (place, bound) = (words.next().ok_or_else(misshapen)?, words.next());
    if words.next().is_some() {
        return Err(misshapen());
    }
    match (place, bound) {
        ("no", None) => Ok(Retention::Nowhere),
        ("memory", bound) => {
            Ok(Retention::Memory { calls_max: bound.map(|calls| calls.parse().map_err(|_| misshapen())).transpose()? })
        }
        ("tiers", bound) => Ok(Retention::Tiers { max_age: bound.map(duration).transpose()? }),
        _ => Err(misshapen()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("`{text}` is no duration; write 500ms, 1s, 15m or 1d"))
}
