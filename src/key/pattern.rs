//! Globs over keys.

use std::fmt;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::key::KEY_BYTES_MAX;

/// Most patterns in one set: each is tried on every key that comes by.
const PATTERNS_MAX: usize = 1000;

/// Which keys are meant: those that match one of some globs.
///
/// `*` and `?` stay within a segment, `**` goes through any number of them, `[ab]` and `{a,b}` choose; `\` takes what follows as it
/// is. Upper and lower case differ, as they do in keys; `?` is one byte of UTF-8.
///
/// ```
/// use cache_api::key::KeyPatterns;
///
/// let patterns = KeyPatterns::parse(["prices/*.parquet", "rates/**"])?;
/// assert!(patterns.matches("prices/2024.parquet") && patterns.matches("rates/eur/2024.json"));
/// assert!(!patterns.matches("prices/old/2023.parquet"));
/// # Ok::<(), cache_api::key::InvalidPattern>(())
/// ```
#[derive(Clone, Default)]
pub struct KeyPatterns {
    globs: GlobSet,
    texts: Vec<String>,
}

impl KeyPatterns {
    /// Parses a glob from each text; none match nothing.
    ///
    /// # Errors
    /// The first text that is no glob, and why; or too many of them.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPattern> {
        let mut globs = GlobSetBuilder::new();
        let mut parsed = Vec::new();
        for text in texts {
            if parsed.len() == PATTERNS_MAX {
                return Err(InvalidPattern::TooMany);
            }
            let invalid = |reason: String| InvalidPattern::Glob { pattern: text.to_owned(), reason };
            if text.is_empty() || text.len() > KEY_BYTES_MAX {
                return Err(invalid(format!("write 1 to {KEY_BYTES_MAX} bytes")));
            }
            let glob =
                GlobBuilder::new(text).literal_separator(true).build().map_err(|error| invalid(error.kind().to_string()))?;
            globs.add(glob);
            parsed.push(text.to_owned());
        }
        let globs = globs.build().map_err(|error| InvalidPattern::Glob {
            pattern: error.glob().unwrap_or_default().to_owned(),
            reason: error.kind().to_string(),
        })?;
        Ok(Self { globs, texts: parsed })
    }

    /// Whether one of them matches the whole of `key`.
    pub fn matches(&self, key: &str) -> bool {
        self.globs.is_match(key)
    }

    /// Whether there is none, so that nothing matches.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The globs, as they were parsed.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The longest text that all keys that match begin with; empty where they have nothing in common. Saves a listing of the rest.
    pub fn literal_prefix(&self) -> &str {
        let mut literals = self.texts.iter().map(|text| &text[..text.find(['*', '?', '[', '{', '\\']).unwrap_or(text.len())]);
        let first = literals.next().unwrap_or_default();
        literals.fold(first, |common, literal| {
            let shared = common.char_indices().zip(literal.chars()).find(|((_, one), other)| one != other);
            let end = shared.map_or(common.len().min(literal.len()), |((end, _), _)| end);
            &common[..end]
        })
    }
}

impl fmt::Debug for KeyPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.texts, f)
    }
}

impl PartialEq for KeyPatterns {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for KeyPatterns {}

/// Why texts are no patterns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// One of them is no glob.
    #[error("`{pattern}` is no pattern: {reason}")]
    Glob {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There are more than [`PATTERNS_MAX`].
    #[error("more than {PATTERNS_MAX} patterns; write fewer and wider ones")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_keys() {
        for (pattern, matching, others) in [
            ("a.json", &["a.json"][..], &["b/a.json", "a.json/", "A.json", "a.jsonl"][..]),
            ("*.json", &["a.json", ".json"], &["b/a.json"]),
            ("**", &["a", "a/b//c/", "é"], &[]),
            ("**/*.json", &["a.json", "b/a.json", "c/b/a.json"], &["a.csv"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "b/a/c"]),
            ("{a,b}/[0-9].csv", &["a/1.csv", "b/9.csv"], &["a/10.csv", "c/1.csv"]),
            (r"a\*", &["a*"], &["ab"]),
            ("a?c", &["abc", "a c"], &["a/c", "ac"]),
        ] {
            let patterns = KeyPatterns::parse([pattern]).unwrap();
            for key in matching {
                assert!(patterns.matches(key), "{pattern} should match {key}");
            }
            for key in others {
                assert!(!patterns.matches(key), "{pattern} should not match {key}");
            }
        }
        assert!(!KeyPatterns::default().matches(""), "no pattern matches nothing");
    }

    #[test]
    fn what_all_matches_begin_with_is_known() {
        for (patterns, prefix) in [
            (&["a/b.json"][..], "a/b.json"),
            (&["a/*"], "a/"),
            (&["prices/2024/*", "prices/2025/**"], "prices/202"),
            (&["a/*", "**"], ""),
            (&["é/*", "è/*"], ""),
            (&["a", "a/b"], "a"),
            (&[], ""),
        ] {
            assert_eq!(KeyPatterns::parse(patterns.iter().copied()).unwrap().literal_prefix(), prefix, "{patterns:?}");
        }
    }

    #[test]
    fn what_is_no_glob_is_refused_by_name() {
        for pattern in ["", "[", "{a", "a[z-a]", &"a".repeat(KEY_BYTES_MAX + 1)] {
            let error = KeyPatterns::parse(["fine", pattern]).unwrap_err();
            assert!(matches!(&error, InvalidPattern::Glob { pattern: named, .. } if named == pattern), "{error:?}");
        }
        assert_eq!(KeyPatterns::parse(["a"; PATTERNS_MAX + 1]), Err(InvalidPattern::TooMany));
    }
}
