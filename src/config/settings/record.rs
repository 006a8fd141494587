//! Which record, and where it is.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use crate::config::RecordConfig;
use crate::config::values::{InvalidEndpoint, parse_bucket, parse_endpoint};
use crate::key::Prefix;

use super::{NOT_UTF8, Settings};

impl<'a> Settings<'a> {
    /// The record; `None` where a problem says why. `source_flag` is what the command line names.
    pub fn record(&mut self, source_flag: Option<&'a Path>, local_data_dir: Option<&Path>) -> Option<RecordConfig> {
        let is_given = source_flag.is_some() || self.is_given("AWS_BUCKET_NAME") || self.is_given("CACHE_API_SOURCE_DIR");
        let bucket = self.place("AWS_BUCKET_NAME");
        let source = self.source(source_flag);
        match (bucket, source) {
            (Some(bucket), None) => self.bucket(bucket),
            (None, Some(source)) => self.directory(source, local_data_dir),
            (Some(bucket), Some(Source { name, text })) => {
                let advice = format!("AWS_BUCKET_NAME={bucket:?} names a record too, and there is one; leave out either");
                self.problems.add(name, text, advice);
                None
            }
            (None, None) if is_given => None,
            (None, None) => {
                let advice = "none is given; write AWS_BUCKET_NAME for a bucket, \
                              or CACHE_API_SOURCE_DIR (`serve --source`) for a directory";
                self.problems.add_bare("the record", advice);
                None
            }
        }
    }

    fn bucket(&mut self, name: &str) -> Option<RecordConfig> {
        let bucket = parse_bucket(name).map_err(|advice| self.problems.add("AWS_BUCKET_NAME", name, advice)).ok();
        let prefix = self.prefix();
        let endpoint = self.endpoint();
        Some(RecordConfig::S3 { bucket: bucket?, prefix, endpoint })
    }

    /// What stands before every key of a bucket; nothing where it is not given.
    fn prefix(&mut self) -> Prefix {
        let Some(text) = self.place("AWS_DATA_DIR") else { return Prefix::default() };
        Prefix::normalise(text).unwrap_or_else(|error| {
            self.problems.add("AWS_DATA_DIR", text, format_args!("keys cannot begin with it: {error}"));
            Prefix::default()
        })
    }

    /// The SDK's own variables, the more special one first. Source: AWS SDKs, "Service-specific endpoints".
    fn endpoint(&mut self) -> Option<String> {
        if self.place("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return None;
        }
        let mut names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].into_iter();
        let (name, text) = names.find_map(|name| self.place(name).map(|text| (name, text)))?;
        match parse_endpoint(text) {
            Ok(endpoint) => return Some(endpoint),
            Err(InvalidEndpoint::Form) => {
                self.problems.add(name, text, "not the address of a server; write one such as http://127.0.0.1:8333");
            }
            Err(InvalidEndpoint::Credentials) => {
                let advice = "an address must not have credentials in it; \
                              write those into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
                self.problems.add_bare(name, advice);
            }
        }
        None
    }

    fn source(&mut self, flag: Option<&'a Path>) -> Option<Source<'a>> {
        let Some(flag) = flag else {
            let name = "CACHE_API_SOURCE_DIR";
            return self.place(name).map(|text| Source { name, text });
        };
        let name = "--source";
        if flag.to_str().is_none() {
            self.problems.add(name, &flag.to_string_lossy(), NOT_UTF8);
        }
        flag.to_str().map(|text| Source { name, text })
    }

    fn directory(&mut self, source: Source<'_>, local_data_dir: Option<&Path>) -> Option<RecordConfig> {
        let Source { name, text } = source;
        if self.environment.is_lambda() {
            self.problems.add(name, text, "a function has no directory of its own to serve; write AWS_BUCKET_NAME");
        }
        if let Some(prefix) = self.place("AWS_DATA_DIR") {
            let advice = "a directory has no prefix; leave this out, and name the folder itself as the record";
            self.problems.add("AWS_DATA_DIR", prefix, advice);
        }
        let root = real_path(&self.environment.machine().current_dir.join(text));
        if let Err(error) = fs::read_dir(&root) {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => "there is no such directory; make it, or write another".to_owned(),
                io::ErrorKind::NotADirectory => "not a directory; write the one it is in".to_owned(),
                _ => format!("the directory cannot be listed ({error}); let this user read it, or write another"),
            };
            self.problems.add(name, text, advice);
        }
        if let Some(held) = local_data_dir.filter(|held| overlap(&real_path(held), &root)) {
            let advice = format!("lies inside LOCAL_DATA_DIR={held:?} or around it; write LOCAL_DATA_DIR outside of it");
            self.problems.add(name, text, advice);
        }
        Some(RecordConfig::Directory { root })
    }
}

/// A directory that is named as the record, and what names it.
#[derive(Clone, Copy)]
struct Source<'a> {
    name: &'static str,
    text: &'a str,
}

/// Whether one is the other or lies inside it.
fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Where an absolute path leads: links followed, `..` taken as the file system takes it, what is not there kept as written.
fn real_path(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut real, component| {
        match component {
            Component::ParentDir => drop(real.pop()),
            Component::CurDir => {}
            component => real.push(component),
        }
        fs::canonicalize(&real).unwrap_or(real)
    })
}
