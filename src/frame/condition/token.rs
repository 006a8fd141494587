//! The words of a condition. Pure.

use std::fmt;

/// A word of a condition, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) what: What,
    /// Offset of its first character, in characters.
    pub(super) place: usize,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// A keyword, a column or a function: not known before it is seen where it stands.
    Word(String),
    /// A column's name in double quotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A number, as it is written.
    Number(String),
    /// An operator, a bracket or a comma.
    Symbol(&'static str),
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 15] = ["<>", "!=", "<=", ">=", "==", "=", "<", ">", "(", ")", ",", "+", "-", "*", "/"];

/// Takes a condition apart.
///
/// # Errors
/// What is no word, and where.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut place = 0;
    while let Some(&first) = characters.get(place) {
        if first.is_whitespace() {
            place += 1;
            continue;
        }
        let (what, length) = token(&characters[place..]).map_err(|what| format!("{what} at character {}", place + 1))?;
        tokens.push(Token { what, place });
        place += length;
    }
    Ok(tokens)
}

/// The word that `rest` begins with, and how many characters it has. `rest` has at least one.
fn token(rest: &[char]) -> Result<(What, usize), String> {
    let first = rest[0];
    match first {
        '\'' => quoted(rest, first).map(|(text, length)| (What::Text(text), length)).ok_or("a text is not closed".to_owned()),
        '"' => quoted(rest, first).map(|(name, length)| (What::Quoted(name), length)).ok_or("a name is not closed".to_owned()),
        _ if first.is_ascii_digit() || (first == '.' && rest.get(1).is_some_and(char::is_ascii_digit)) => Ok(number(rest)),
        _ if first.is_alphabetic() || first == '_' => {
            let length = rest.iter().take_while(|character| character.is_alphanumeric() || **character == '_').count();
            Ok((What::Word(rest[..length].iter().collect()), length))
        }
        '%' => Ok((What::Symbol("%"), 1)),
        _ => {
            let begins = |symbol: &&&str| symbol.chars().zip(rest).filter(|(one, other)| one == *other).count() == symbol.len();
            let symbol = SYMBOLS.iter().find(begins).ok_or_else(|| format!("`{first}` is not understood"))?;
            Ok((What::Symbol(symbol), symbol.len()))
        }
    }
}

/// What stands between quotes, of which two are one. `None` where it has no end.
fn quoted(rest: &[char], quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut place = 1;
    loop {
        match (rest.get(place)?, rest.get(place + 1)) {
            (first, Some(second)) if *first == quote && *second == quote => {
                text.push(quote);
                place += 2;
            }
            (first, _) if *first == quote => return Some((text, place + 1)),
            (other, _) => {
                text.push(*other);
                place += 1;
            }
        }
    }
}

fn number(rest: &[char]) -> (What, usize) {
    let mut length = 0;
    let mut before = ' ';
    for &character in rest {
        let is_exponents_sign = matches!(before, 'e' | 'E') && matches!(character, '+' | '-');
        if !(character.is_ascii_alphanumeric() || character == '.' || is_exponents_sign) {
            break;
        }
        before = character;
        length += 1;
    }
    (What::Number(rest[..length].iter().collect()), length)
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) | Self::Number(word) => write!(f, "`{word}`"),
            Self::Quoted(name) => write!(f, "`\"{name}\"`"),
            Self::Text(text) => write!(f, "`'{text}'`"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(text: &str) -> Vec<What> {
        tokens(text).unwrap().into_iter().map(|token| token.what).collect()
    }

    #[test]
    fn words_are_told_apart_without_spaces_between_them() {
        let word = |word: &str| What::Word(word.to_owned());
        let number = |number: &str| What::Number(number.to_owned());
        assert_eq!(whats("a<=.5"), [word("a"), What::Symbol("<="), number(".5")]);
        assert_eq!(whats("é_1>1e-3"), [word("é_1"), What::Symbol(">"), number("1e-3")]);
        assert_eq!(whats("'it''s'"), [What::Text("it's".to_owned())]);
        assert_eq!(whats("\"a \"\"b\"\"\""), [What::Quoted("a \"b\"".to_owned())]);
        assert_eq!(whats("1-2"), [number("1"), What::Symbol("-"), number("2")]);
    }

    #[test]
    fn what_is_no_word_is_named_with_its_place() {
        for (text, expected) in [
            ("a = 'b", "a text is not closed at character 5"),
            ("a = \"b", "a name is not closed at character 5"),
            ("a = 1; b", "`;` is not understood at character 6"),
            ("a = $1", "`$` is not understood at character 5"),
        ] {
            assert_eq!(tokens(text).unwrap_err(), expected);
        }
    }
}
