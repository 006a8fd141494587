//! The secret that callers show.

use std::fmt;

/// Shortest token, in characters: 16 random ones of 64 are 96 bits, and a word is none.
const CHARS_MIN: usize = 16;

/// Longest token, in characters: it has to pass through every front door's limit on headers.
const CHARS_MAX: usize = 1024;

/// What callers have to show in `Authorization: Bearer …`. Only [`ApiToken::reveal`] shows it, so that no log does.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(String);

impl ApiToken {
    pub(super) const FORM: &'static str =
        "write 16 to 1024 letters, digits and -._~+/ with `=` at the end alone; `openssl rand -hex 32` makes one";

    /// Parses what a header can carry. Source: RFC 6750, section 2.1, `b64token`.
    ///
    /// # Errors
    /// What to write instead; it does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let is_form = text.trim_end_matches('=').bytes().all(is_letter) && (CHARS_MIN..=CHARS_MAX).contains(&text.len());
        if is_form { Ok(Self(text.to_owned())) } else { Err(Self::FORM) }
    }

    /// The token itself, for whoever compares or sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_a_header_carries_and_nobody_guesses() {
        for text in ["0123456789abcdef", "AZaz09-._~+/0123==", &"a".repeat(CHARS_MAX)] {
            assert_eq!(ApiToken::parse(text).map(|token| token.reveal().to_owned()), Ok(text.to_owned()));
        }
        for text in
            ["", "secret", "0123456789abcde", "0123456789 abcdef", "0123456789=abcdef", "0123456789abcdéf", "0123456789abcdef\n"]
        {
            assert_eq!(ApiToken::parse(text), Err(ApiToken::FORM), "{text:?}");
        }
        assert!(ApiToken::parse(&"a".repeat(CHARS_MAX + 1)).is_err());
    }

    #[test]
    fn it_is_printed_by_nobody() {
        assert_eq!(format!("{:?}", ApiToken::parse("0123456789abcdef").unwrap()), "ApiToken(hidden)");
    }
}
