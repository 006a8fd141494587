//! A page of what a tier keeps: the first lines after a name, in the order of the names' bytes. Takes the memory of one page,
//! however many keys there are.

use std::collections::BTreeMap;

use crate::tier::Listed;

/// Which lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What all keys begin with.
    pub prefix: String,
    /// Keys that have this after the prefix are one line together, up to its end; `None` where each is a line of its own.
    pub delimiter: Option<String>,
    /// Lines after this name, be there such a line or not; from the first on where it is empty.
    pub after: String,
    /// How many lines at most.
    pub lines_max: usize,
}

/// A line of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A key.
    Key(Listed),
    /// There are keys that begin with this, which ends in the delimiter.
    Below(String),
}

impl Line {
    /// What the line is called: lines go by its bytes.
    pub fn name(&self) -> &str {
        match self {
            Self::Key(listed) => &listed.key,
            Self::Below(name) => name,
        }
    }
}

impl Wanted {
    /// The name of the line that `key` is on; `None` where it is on none of those that are wanted.
    ///
    /// ```
    /// use cache_api::tier::Wanted;
    ///
    /// let wanted = Wanted { prefix: "a/".into(), delimiter: Some("/".into()), after: "a/b".into(), lines_max: 10 };
    /// assert_eq!([wanted.line("a/c"), wanted.line("a/c/d"), wanted.line("a/b"), wanted.line("b/c")], [Some("a/c"), Some("a/c/"), None, None]);
    /// ```
    pub fn line<'a>(&self, key: &'a str) -> Option<&'a str> {
        let rest = key.strip_prefix(&*self.prefix)?;
        let end = self.delimiter.as_ref().and_then(|delimiter| rest.find(&**delimiter).map(|at| at + delimiter.len()));
        let name = end.map_or(key, |end| &key[..self.prefix.len() + end]);
        (name > &*self.after).then_some(name)
    }
}

/// Keeps the first of the lines that come in any order.
#[derive(Debug)]
pub struct Lines {
    wanted: Wanted,
    first: BTreeMap<String, Line>,
}

impl Lines {
    /// None yet.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, first: BTreeMap::new() }
    }

    /// Whether a line of `key` would be kept, so that it is worth the making.
    pub fn wants(&self, key: &str) -> bool {
        self.wanted.line(key).is_some_and(|name| {
            let is_full = self.first.len() >= self.wanted.lines_max;
            !is_full || self.first.last_key_value().is_some_and(|(last, _)| name <= &**last)
        })
    }

    /// Takes in a key that is kept.
    pub fn add(&mut self, listed: Listed) {
        if !self.wants(&listed.key) {
            return;
        }
        let name = self.wanted.line(&listed.key).unwrap_or_default().to_owned();
        let line = if name == listed.key { Line::Key(listed) } else { Line::Below(name.clone()) };
        self.first.insert(name, line);
        if self.first.len() > self.wanted.lines_max {
            self.first.pop_last();
        }
    }

    /// The first lines, by name.
    pub fn into_lines(self) -> Vec<Line> {
        self.first.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Version;
    use crate::freshness::Timestamp;

    fn page(wanted: Wanted, keys: &[&str]) -> Vec<String> {
        let mut lines = Lines::new(wanted);
        for key in keys {
            let version = Version { etag: "\"v\"".into(), last_modified: Timestamp::from_millis(0) };
            lines.add(Listed { key: (*key).to_owned(), version, size: 1, confirmed_at: Timestamp::from_millis(0) });
            assert!(lines.first.len() <= lines.wanted.lines_max, "more is kept than a page");
        }
        lines.into_lines().iter().map(|line| line.name().to_owned()).collect()
    }

    #[test]
    fn pages_one_after_the_other_are_all_lines_in_order() {
        let keys = ["b", "a/2", "a/1", "c/x/1", "c/x/2", "c/y", "a0", "a.csv", "é"];
        for (delimiter, expected) in [
            (None, &["a.csv", "a/1", "a/2", "a0", "b", "c/x/1", "c/x/2", "c/y", "é"][..]),
            (Some("/"), &["a.csv", "a/", "a0", "b", "c/", "é"]),
        ] {
            for lines_max in 1..=keys.len() + 1 {
                let mut all = Vec::new();
                loop {
                    let after = all.last().cloned().unwrap_or_default();
                    let delimiter = delimiter.map(str::to_owned);
                    let next = page(Wanted { delimiter, after, lines_max, ..Wanted::default() }, &keys);
                    if next.is_empty() {
                        break;
                    }
                    all.extend(next);
                }
                assert_eq!(all, expected, "{lines_max} a page");
            }
        }
    }

    #[test]
    fn a_page_below_a_prefix_has_what_is_below_it() {
        let wanted = Wanted { prefix: "c/".into(), delimiter: Some("/".into()), lines_max: 9, ..Wanted::default() };
        assert_eq!(page(wanted, &["c", "c/", "c/x/1", "c/x/2", "c/y", "d/z"]), ["c/", "c/x/", "c/y"]);
    }
}
