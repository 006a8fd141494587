//! What is wrong with the settings, a line each.

use std::fmt;

/// Longest value that is repeated in full, in characters; the end of a longer one helps nobody.
const VALUE_CHARS_MAX: usize = 120;

/// All that is wrong with the settings, in the order it was found; never empty where it is an error.
///
/// Shown to whoever starts the program, never to a caller: values and local paths are in it, secrets are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Takes down what is wrong with the value of a setting, and what to write.
    pub(super) fn add(&mut self, setting: &str, value: &str, advice: impl fmt::Display) {
        let more = if value.chars().count() > VALUE_CHARS_MAX { "…" } else { "" };
        let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
        self.0.push(format!("{setting}={value:?}{more}: {advice}"));
    }

    /// Takes down what is wrong without repeating a value, because there is none or it may be a secret.
    pub(super) fn add_bare(&mut self, setting: &str, advice: impl fmt::Display) {
        self.0.push(format!("{setting}: {advice}"));
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines, each naming the setting, its value unless that may be secret, and what to write.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used:")?;
        self.lines().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Problems {}
