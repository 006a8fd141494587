//! Functions in files of the record: found, read, doubted and refreshed as any other key, and compiled once a version.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::function::compile::SOURCE_BYTES_MAX;
use crate::function::{Compile, Function, Language, SourceFile, View};
use crate::key::{Key, Prefix};
use crate::tier::memory::Weighed;

/// Longest name of a function.
const NAME_BYTES_MAX: usize = 64;

/// Where files of functions are, and what compiles them.
pub struct Directory {
    /// What stands before their names.
    pub below: Prefix,
    /// One for each language.
    pub compilers: Vec<Arc<dyn Compile>>,
}

/// Whether `name` may be the name of a function in a file: `[a-z][a-z0-9_]{0,63}`.
pub fn is_function_name(name: &str) -> bool {
    let is_within = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    name.len() <= NAME_BYTES_MAX && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(is_within)
}

pub(super) struct Files(Directory);

/// What became of a file: remembered whichever way it went, for the same text compiles to the same.
struct Compiled {
    function: Result<Arc<dyn Function>, Error>,
    source_bytes: u64,
}

impl Weighed for Compiled {
    fn weight_bytes(&self) -> u64 {
        // A tree takes several times what its text does.
        const TREE_FACTOR: u64 = 8;
        self.source_bytes * TREE_FACTOR
    }
}

/// A file that there is.
struct Found<'a> {
    compiler: &'a Arc<dyn Compile>,
    key: Key,
    entry: Arc<Entry>,
}

impl Files {
    pub(super) fn of(directory: Directory) -> Self {
        Self(directory)
    }

    /// The names of all files that are functions, in no order.
    pub(super) async fn names(&self, view: &View) -> Result<Vec<String>> {
        let keys = view.below(self.0.below.as_str()).await?;
        let name = |key: &Key| {
            let file = key.as_str().strip_prefix(self.0.below.as_str())?;
            let (name, extension) = file.rsplit_once('.')?;
            let is_function = is_function_name(name) && self.0.compilers.iter().any(|compiler| compiler.extension() == extension);
            is_function.then(|| name.to_owned())
        };
        Ok(keys.iter().filter_map(name).collect())
    }

    /// The function of this name; `None` where no file has it.
    pub(super) async fn find(&self, name: &str, view: &View) -> Result<Option<Arc<dyn Function>>> {
        let Some(Found { compiler, key, entry }) = self.file(name, view).await? else { return Ok(None) };
        let (compiler, name, text) = (Arc::clone(compiler), name.to_owned(), text(name, &key, &entry, view).await?);
        let version = version_of(&text);
        let compile = async move {
            let source_bytes = text.len() as u64;
            let function = match compiler.compile(&SourceFile { name, version, text }).await {
                Err(error) if !matches!(error, Error::BadFunction { .. }) => return Err(error),
                function => function,
            };
            Ok(Compiled { function, source_bytes })
        };
        let compiled = view.derive_elsewhere("function", &key, &entry, compile).await?;
        compiled.function.clone().map(Some)
    }

    /// The text of the file of this name; `None` where there is none.
    pub(super) async fn source(&self, name: &str, view: &View) -> Result<Option<Arc<str>>> {
        let Some(Found { key, entry, .. }) = self.file(name, view).await? else { return Ok(None) };
        text(name, &key, &entry, view).await.map(Some)
    }

    /// Compiles `text` as the file that it would be, unless a file of another language has the name.
    pub(super) async fn compile(
        &self,
        name: &str,
        language: Language,
        text: &str,
        view: &View,
    ) -> Result<(Key, Arc<dyn Function>)> {
        let invalid = |reason: String| Error::InvalidArgument { function: name.to_owned(), reason };
        let compiler = self.0.compilers.iter().find(|compiler| compiler.language() == language);
        let compiler = compiler.ok_or_else(|| invalid(format!("this service has no {} functions", language.name())))?;
        if text.len() as u64 > SOURCE_BYTES_MAX {
            return Err(invalid(format!("it has {} bytes, and a function has at most {SOURCE_BYTES_MAX}", text.len())));
        }
        let key = self.key(name, compiler, view).ok_or_else(|| invalid("its file's name is too long for a key".to_owned()))?;
        if let Some(found) = self.file(name, view).await?.filter(|found| found.key != key) {
            return Err(invalid(format!("`{}` has that name already; delete it first", found.key)));
        }
        let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(text).into();
        let function = compiler.compile(&SourceFile { name: name.to_owned(), version: version_of(&text), text }).await?;
        Ok((key, function))
    }

    fn key(&self, name: &str, compiler: &Arc<dyn Compile>, view: &View) -> Option<Key> {
        view.key(&format!("{}{name}.{}", self.0.below.as_str(), compiler.extension())).ok()
    }

    /// The one file of this name. All that it could be are read: it may be written anew in another language.
    async fn file(&self, name: &str, view: &View) -> Result<Option<Found<'_>>> {
        if !is_function_name(name) {
            return Ok(None);
        }
        let looks = self.0.compilers.iter().map(|compiler| async move {
            let Some(key) = self.key(name, compiler, view) else { return Ok(None) };
            match view.read(&key).await {
                Ok(read) => Ok(Some(Found { compiler, key, entry: read.entry })),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let mut found = try_join_all(looks).await?.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(one), Some(other)) => {
                let reason = format!("both `{}` and `{}` have its name; delete one", one.key, other.key);
                Err(Error::BadFunction { function: name.to_owned(), reason })
            }
            (file, _) => Ok(file),
        }
    }
}

async fn text(name: &str, key: &Key, entry: &Arc<Entry>, view: &View) -> Result<Arc<str>> {
    let bad = |reason| Error::BadFunction { function: name.to_owned(), reason };
    let size = entry.facts.size;
    if size > SOURCE_BYTES_MAX {
        return Err(bad(format!("`{key}` has {size} bytes, and a function has at most {SOURCE_BYTES_MAX}")));
    }
    parse_text(&view.body(key, entry).await?).ok_or_else(|| bad(format!("`{key}` is not UTF-8")))
}

fn parse_text(body: &Bytes) -> Option<Arc<str>> {
    let text = std::str::from_utf8(body).ok()?;
    // Windows' editors put a mark before it.
    Some(text.strip_prefix('\u{feff}').unwrap_or(text).into())
}

/// The version of a function is its text and nothing else: saved again as it was, it is the same.
fn version_of(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::is_function_name;

    #[test]
    fn names_are_such_as_every_language_has() {
        for name in ["a", "top_movers", "f2", &"a".repeat(64)] {
            assert!(is_function_name(name), "{name}");
        }
        for name in ["", "A", "2f", "_f", "top-movers", "top.movers", "../f", "f/g", "é", "f\n", &"a".repeat(65)] {
            assert!(!is_function_name(name), "{name}");
        }
    }
}
