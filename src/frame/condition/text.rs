//! Patterns of LIKE. Pure.

/// Past this nobody writes by hand; a pattern is tried at every character of every value.
const PIECES_MAX: usize = 256;

/// A pattern of LIKE: `%` for any text, `_` for any character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::frame) struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    AnyText,
    AnyCharacter,
    Character(char),
}

impl Pattern {
    /// Parses a pattern, in which `escape` has the character after it stand for itself.
    pub(super) fn parse(text: &str, escape: Option<&str>) -> Result<Self, String> {
        let mut characters = text.chars();
        let escape = match escape.map(|escape| (escape.chars().next(), escape.chars().count())) {
            None => None,
            Some((Some(escape), 1)) => Some(escape),
            Some(_) => return Err("has an ESCAPE that is not one character".to_owned()),
        };
        let mut pieces = Vec::new();
        while let Some(character) = characters.next() {
            pieces.push(match character {
                _ if Some(character) == escape => {
                    Piece::Character(characters.next().ok_or("has a pattern that ends with its ESCAPE")?)
                }
                '%' => Piece::AnyText,
                '_' => Piece::AnyCharacter,
                _ => Piece::Character(character),
            });
        }
        pieces.dedup_by(|one, other| *one == Piece::AnyText && *other == Piece::AnyText);
        if pieces.len() > PIECES_MAX {
            return Err(format!("has a pattern of more than {PIECES_MAX} characters"));
        }
        Ok(Self(pieces))
    }

    /// Whether the whole of `text` is as the pattern says.
    ///
    /// Goes back to the last `%` only: that can always take more, and none before it needs to.
    pub(super) fn fits(&self, text: &str) -> bool {
        let (mut rest, mut piece) = (text.chars(), 0);
        // What follows the last `%`, and what it has not taken yet.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if let Some(Piece::AnyText) = self.0.get(piece) {
                piece += 1;
                retry = Some((piece, rest.clone()));
                if piece == self.0.len() {
                    return true;
                }
                continue;
            }
            let mut after = rest.clone();
            let fits = match (self.0.get(piece), after.next()) {
                (None, None) => return true,
                (Some(Piece::AnyCharacter), Some(_)) => true,
                (Some(Piece::Character(wanted)), Some(character)) => *wanted == character,
                _ => false,
            };
            if fits {
                (rest, piece) = (after, piece + 1);
                continue;
            }
            let Some((first, taken_up_to)) = &mut retry else { return false };
            if taken_up_to.next().is_none() {
                return false;
            }
            (rest, piece) = (taken_up_to.clone(), *first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern, Some("\\")).unwrap().fits(text)
    }

    #[test]
    fn a_pattern_is_of_the_whole_text() {
        for (pattern, text) in [
            ("", ""),
            ("%", ""),
            ("%", "a\nb"),
            ("a%", "abc"),
            ("%c", "abc"),
            ("%b%", "abc"),
            ("a_c", "aéc"),
            ("%a%b%", "xxaxxbxxabx"),
            ("%ab", "abab"),
            ("50\\%", "50%"),
            ("%_", "é"),
        ] {
            assert!(fits(pattern, text), "{text} is like {pattern}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("a", "A"),
            ("a%", "ba"),
            ("a_c", "ac"),
            ("_", ""),
            ("%ab", "aba"),
            ("50\\%", "500"),
            ("%_", ""),
        ] {
            assert!(!fits(pattern, text), "{text} is not like {pattern}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_is_refused() {
        assert!(Pattern::parse("a\\", Some("\\")).is_err());
        assert!(Pattern::parse("a", Some("")).is_err());
        assert!(Pattern::parse("a", Some("ab")).is_err());
        assert!(Pattern::parse(&"a".repeat(PIECES_MAX + 1), None).is_err());
        assert!(Pattern::parse(&"%".repeat(10_000), None).is_ok(), "one is as good as many");
    }
}
