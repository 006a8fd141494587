//! Forms: names and values in the order they came in, a name that came twice still there twice.
//!
//! In a query `+` is a space, everything is decoded once, and what is no UTF-8 is refused and not replaced.

use std::fmt;
use std::marker::PhantomData;

use percent_encoding::percent_decode;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// The pairs of a query, in their order.
///
/// # Errors
/// The name (as it was sent) whose value, or which itself, is no UTF-8.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, NotUtf8> {
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

/// A name or value of a query that is no UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotUtf8 {
    pub(super) name: String,
}

/// The members of a JSON object. A map would keep the last of those of one name, and nobody would notice.
#[derive(Debug, PartialEq)]
pub(super) struct Members<V>(pub(super) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for MembersVisitor<V> {
    type Value = Members<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

fn pair(pair: &str) -> Result<(String, String), NotUtf8> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let refuse = || NotUtf8 { name: name.to_owned() };
    Ok((decode(name).ok_or_else(refuse)?, decode(value).ok_or_else(refuse)?))
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_decoded_once_and_as_a_form() {
        let expected = [("path", "a b+c%2F=é"), ("x", ""), ("y", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs("path=a+b%2Bc%252F=%C3%A9&&x&y=").unwrap(), expected);
    }

    #[test]
    fn what_is_no_utf8_is_refused() {
        assert_eq!(pairs("a=1&path=%ff"), Err(NotUtf8 { name: "path".to_owned() }));
    }

    #[test]
    fn a_member_that_came_twice_is_there_twice() {
        let expected = [("b", 1), ("a", 2), ("b", 3)].map(|(name, value)| (name.to_owned(), value)).to_vec();
        assert_eq!(serde_json::from_str::<Members<u8>>(r#"{"b": 1, "a": 2, "b": 3}"#).unwrap(), Members(expected));
        assert!(serde_json::from_str::<Members<u8>>("[1]").is_err());
    }
}
