//! Queries as forms: `+` is a space, everything is decoded once, and what is no UTF-8 is refused and not replaced.

use percent_encoding::percent_decode;

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
}
