//! Reads a source file as far as the rules of the house need it: which paths it names, on which lines, tests left out.
//!
//! Not a compiler: it follows `use` trees and paths, `self` and `super` included, but no alias and no macro's output.

use std::fs;
use std::path::Path;

/// A file of the crate without its comments, strings and tests.
#[derive(Debug)]
pub struct Source {
    /// From the crate's root: `src/http/v1.rs`.
    pub file: String,
    /// The module it is: `["http", "v1"]`; empty for lib.rs, `["main"]` for the binary.
    pub module: Vec<String>,
    /// The paths it names.
    pub paths: Vec<Named>,
    /// Its words and signs, each with its line.
    pub tokens: Vec<(usize, String)>,
    /// How many lines it has, tests left out.
    pub lines: usize,
    /// The files of its test modules, without `.rs`: `src/http/v1/tests`.
    test_files: Vec<String>,
}

/// A path as it is named in a line; `crate`, `self` and `super` are resolved, `["crate", "key", "Key"]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
}

impl Source {
    /// Reads what stands in `text`, as if it were `file`.
    pub fn parse(file: &str, text: &str) -> Self {
        let module = module_of(file);
        let masked = mask(text);
        let (code, tests) = cut_tests(&masked);
        let beside = file.trim_end_matches(".rs").trim_end_matches("/main").trim_end_matches("/lib");
        let tokens = tokenise(&code);
        Self {
            paths: Paths {
                tokens: &tokens,
                module: &module,
                is_binary: module_of(file).starts_with(&["main".to_owned()]),
                found: Vec::new(),
            }
            .collect(),
            lines: text.lines().count() - tests.lines,
            test_files: tests.modules.iter().map(|name| format!("{beside}/{name}")).collect(),
            file: file.to_owned(),
            module,
            tokens,
        }
    }

    /// The module right below the crate that this file belongs to; empty for lib.rs.
    pub fn room(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }
}

/// Every file below `src` that is not a test.
pub fn read_crate() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources: Vec<Source> = read_below(root, &root.join("src"));
    sources.sort_by(|one, other| one.file.cmp(&other.file));
    let test_files: Vec<String> = sources.iter().flat_map(|source| source.test_files.clone()).collect();
    sources.retain(|source| {
        let name = source.file.trim_end_matches(".rs");
        !test_files.iter().any(|test| name == test || name.starts_with(&format!("{test}/")))
    });
    sources
}

fn read_below(root: &Path, directory: &Path) -> Vec<Source> {
    let entries = fs::read_dir(directory).expect("the sources are here").map(|entry| entry.expect("an entry").path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let parse = |path: &Path| {
        let file = path.strip_prefix(root).expect("below the root").to_str().expect("a name in UTF-8");
        Source::parse(file, &fs::read_to_string(path).expect("a source file"))
    };
    let here = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    here.map(|path| parse(path)).chain(directories.iter().flat_map(|below| read_below(root, below))).collect()
}

fn module_of(file: &str) -> Vec<String> {
    match file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod") {
        "lib" => Vec::new(),
        name => name.split('/').map(str::to_owned).collect(),
    }
}

/// Puts blanks in place of comments, strings and characters; lines stay where they are.
fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let before = masked.chars().next_back();
        let skipped = literal_or_comment(rest, before);
        let (taken, left) = rest.split_at(skipped.max(rest.chars().next().map_or(1, char::len_utf8)));
        if skipped == 0 {
            masked.push_str(taken);
        } else {
            masked.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = left;
    }
    masked
}

/// How many bytes at the start of `rest` are a comment, a string or a character; zero where something else starts.
fn literal_or_comment(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return if rest.starts_with('"') { string(rest) } else { 0 };
    }
    let after_prefix = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - after_prefix.len();
    let raw = after_prefix.strip_prefix('r').map(|raw| (raw, raw.len() - raw.trim_start_matches('#').len()));
    match raw {
        Some((raw, hashes)) if raw[hashes..].starts_with('"') => {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &raw[hashes + 1..];
            rest.len() - body.len() + body.find(&end).map_or(body.len(), |at| at + end.len())
        }
        _ if prefix <= 1 && after_prefix.starts_with('"') => prefix + string(after_prefix),
        _ => 0,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let left = &rest.as_bytes()[at..];
        if left.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if left.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character's length with its quotes; zero for a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest.char_indices().skip(1);
    match inside.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some((_, _)) => inside.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// What was cut out as tests.
#[derive(Default)]
struct Tests {
    lines: usize,
    /// The modules that are files of their own.
    modules: Vec<String>,
}

/// Puts blanks in place of every item under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn cut_tests(masked: &str) -> (String, Tests) {
    let mut tests = Tests::default();
    let (mut code, mut rest) = (String::with_capacity(masked.len()), masked);
    while let Some(start) = ["#[cfg(test)]", "#[cfg(all(test,"].iter().filter_map(|mark| rest.find(mark)).min() {
        let item = &rest[start..];
        let length = item_length(item);
        code.push_str(&rest[..start]);
        code.extend(item[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        tests.lines += item[..length].lines().count();
        tests
            .modules
            .extend(item[..length].strip_suffix(';').and_then(|item| item.rsplit_once("mod ")).map(|(_, name)| name.into()));
        rest = &item[length..];
    }
    code.push_str(rest);
    (code, tests)
}

/// The length of the item that `text` begins with: to its `;` or to the end of its braces.
fn item_length(text: &str) -> usize {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => others += 1,
            ')' | ']' => others = others.saturating_sub(1),
            '{' => braces += 1,
            '}' if braces <= 1 => return at + 1,
            '}' => braces -= 1,
            ';' if braces == 0 && others == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Words and numbers, `::`, and every other sign by itself.
fn tokenise(code: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                length => length,
            };
            tokens.push((index + 1, rest[..length].to_owned()));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Finds the paths among the tokens.
struct Paths<'a> {
    tokens: &'a [(usize, String)],
    module: &'a [String],
    is_binary: bool,
    found: Vec<Named>,
}

impl Paths<'_> {
    fn collect(mut self) -> Vec<Named> {
        // The modules within the file that are open here, each with the depth of braces it ends at.
        let mut open: Vec<(usize, String)> = Vec::new();
        let (mut depth, mut at) = (0_usize, 0);
        while at < self.tokens.len() {
            match self.token(at) {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    open.retain(|(end, _)| *end < depth);
                }
                "mod" if self.token(at + 2) == "{" => open.push((depth, self.token(at + 1).to_owned())),
                word if is_word(word) && self.starts_path(at) => {
                    let within: Vec<String> = open.iter().map(|(_, name)| name.clone()).collect();
                    at = self.path(at, &[], &within);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        self.found
    }

    fn token(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |(_, token)| token)
    }

    /// A word that nothing leads to and that leads on, or that a `use` begins with.
    fn starts_path(&self, at: usize) -> bool {
        let before = if at == 0 { "" } else { self.token(at - 1) };
        let is_led_to = before == "::" && at >= 2 && (is_word(self.token(at - 2)) || self.token(at - 2) == ">");
        !is_led_to && (self.token(at + 1) == "::" || before == "use")
    }

    /// Takes down the path, or tree of paths, that goes on at `at` after `led`; answers where it ends.
    fn path(&mut self, mut at: usize, led: &[String], within: &[String]) -> usize {
        let line = self.tokens[at].0;
        let mut segments = led.to_vec();
        loop {
            match self.token(at) {
                "{" => return self.branches(at + 1, &segments, within),
                segment if is_word(segment) || segment == "*" => segments.push(segment.to_owned()),
                // What follows `::` here is a generic argument: the path is over.
                _ => break,
            }
            at += 1;
            if self.token(at) != "::" {
                break;
            }
            at += 1;
        }
        let segments = self.resolve(&segments, within);
        self.found.push(Named { line, segments });
        at
    }

    /// Takes down the branches of a tree, each behind `led`.
    fn branches(&mut self, mut at: usize, led: &[String], within: &[String]) -> usize {
        while !matches!(self.token(at), "}" | "") {
            at = self.path(at, led, within);
            // Past a new name (`as F`) and the comma.
            while !matches!(self.token(at), "," | "}" | "") {
                at += 1;
            }
            at += usize::from(self.token(at) == ",");
        }
        at + 1
    }

    /// The path from the crate's root, where it begins with `self`, `super` or, in the binary, the library's name.
    fn resolve(&self, segments: &[String], within: &[String]) -> Vec<String> {
        let ups = segments.iter().take_while(|segment| *segment == "super").count();
        let here = self.module.iter().chain(within);
        let from_crate = |base: Vec<String>, rest: &[String]| {
            std::iter::once("crate".to_owned()).chain(base).chain(rest.iter().cloned()).collect::<Vec<_>>()
        };
        match segments.first().map(String::as_str) {
            Some("crate") if self.is_binary => from_crate(vec!["main".to_owned()], &segments[1..]),
            Some("cache_api") if self.is_binary => from_crate(Vec::new(), &segments[1..]),
            Some("self") if segments.len() > 1 => from_crate(here.cloned().collect(), &segments[1..]),
            Some("super") => {
                let kept = (self.module.len() + within.len()).saturating_sub(ups);
                from_crate(here.take(kept).cloned().collect(), &segments[ups..])
            }
            _ => segments.to_vec(),
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[test]
fn a_source_is_read_without_its_comments_strings_and_tests() {
    let text = r###"
//! use crate::comment;
/* crate::block /* crate::nested */ crate::block */
use crate::{entry::{Entry, Facts as F}, key::Key};
fn f<'a>(c: char, s: &'a str) -> crate::error::Result<()> {
    let (quote, escaped, name) = ('"', '\'', "crate::string \" crate::string");
    let raw = (r#"crate::raw " crate::raw"#, br"crate::bytes", b"crate::bytes");
    super::outer::call::<crate::freshness::Timestamp>();
}
#[cfg(test)]
mod faults;
mod inner { use super::super::up; }
#[cfg(test)]
mod tests {
    use crate::test_only;
}
"###;
    let source = Source::parse("src/http/v1.rs", text);
    let named: Vec<(usize, String)> = source.paths.iter().map(|path| (path.line, path.segments.join("::"))).collect();
    let expected = [
        (4, "crate::entry::Entry"),
        (4, "crate::entry::Facts"),
        (4, "crate::key::Key"),
        (5, "crate::error::Result"),
        (8, "crate::http::outer::call"),
        (8, "crate::freshness::Timestamp"),
        (12, "crate::http::up"),
    ];
    assert_eq!(named, expected.map(|(line, path)| (line, path.to_owned())));
    assert_eq!((source.room(), source.lines), ("http", 10));
    assert_eq!(source.test_files, ["src/http/v1/faults"]);
}

#[test]
fn a_binary_calls_the_crate_by_its_name() {
    let source = Source::parse("src/main.rs", "use cache_api::app;\nuse std as s;\nmod m;\nfn main() { self::x(); }");
    let named: Vec<String> = source.paths.iter().map(|path| path.segments.join("::")).collect();
    assert_eq!(named, ["crate::app", "std", "crate::main::x"]);
}
