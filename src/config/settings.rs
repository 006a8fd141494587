//! Setting by setting: what each may be, and what it is where it is not given.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::key::Prefix;

use super::values::{InvalidEndpoint, parse_age, parse_bucket, parse_endpoint, parse_log_filter, parse_size};
use super::{Environment, Problems, RecordConfig};

/// What every name of our own begins with; a name that does and is not below is refused.
const OURS: &str = "CACHE_API_";

/// The names of our own.
const KNOWN: [&str; 7] = [
    "CACHE_API_LOCAL_MAX_AGE",
    "CACHE_API_LOG",
    "CACHE_API_MEMORY_BUDGET",
    "CACHE_API_MEMORY_MAX_AGE",
    "CACHE_API_NEGATIVE_MAX_AGE",
    "CACHE_API_SOURCE_DIR",
    "CACHE_API_STALE_IF_ERROR",
];

/// Least memory to serve from: below it the copies of one request's body alone may not fit.
const MEMORY_BUDGET_MIN: u64 = 16 << 20;

/// The budget where nothing says how much memory there is: half of what a small machine has.
const MEMORY_BUDGET_UNTOLD: u64 = 256 << 20;

/// Reads settings one by one, and takes down what is wrong instead of stopping at it.
pub struct Settings<'a> {
    environment: &'a Environment,
    problems: Problems,
}

impl<'a> Settings<'a> {
    /// Nothing is read yet.
    pub fn of(environment: &'a Environment) -> Self {
        Self { environment, problems: Problems::default() }
    }

    /// What was wrong so far; `None` where nothing was.
    pub fn into_problems(self) -> Option<Problems> {
        (!self.problems.is_empty()).then_some(self.problems)
    }

    /// Refuses every name that looks like ours and is not. Its value is not repeated: it may be a misspelt secret.
    pub fn refuse_unknown(&mut self) {
        for name in self.environment.names() {
            let name = name.to_string_lossy();
            // Compared in capitals, since `cache_api_log` is a slip too.
            let capitals = name.to_ascii_uppercase();
            if !capitals.starts_with(OURS) || KNOWN.contains(&&*name) {
                continue;
            }
            let edits = |known: &&&str| strsim::damerau_levenshtein(known, &capitals);
            let nearest = KNOWN.iter().min_by_key(edits).filter(|known| is_slip(edits(known), known));
            let name = name.escape_debug().to_string();
            match nearest {
                Some(nearest) => self.problems.add_bare(&name, format_args!("no such setting; did you mean {nearest}?")),
                None => self.problems.add_bare(&name, format_args!("no such setting; there are {}", KNOWN.join(", "))),
            }
        }
    }

    /// An age. Zero is one for each of them: to look, to ask or to fail at once.
    pub fn age(&mut self, name: &'static str, default: Duration) -> Duration {
        self.parsed(name, parse_age).unwrap_or(default)
    }

    /// The memory budget: half of the function's, the control group's or the host's memory where it is not given.
    pub fn memory_budget_bytes(&mut self) -> u64 {
        let memory_bytes = self.lambda_memory_bytes().or(self.environment.machine().memory_bytes);
        let default = memory_bytes.map_or(MEMORY_BUDGET_UNTOLD, |bytes| (bytes / 2).max(MEMORY_BUDGET_MIN));
        let within = |text: &str| {
            let budget = parse_size(text)?;
            let most = memory_bytes.unwrap_or(u64::MAX - 1);
            if budget < MEMORY_BUDGET_MIN {
                Err(format!("too little to serve from; write at least {}MiB", MEMORY_BUDGET_MIN >> 20))
            } else if budget > most {
                Err(format!("more memory than there is; write at most {}MiB", most >> 20))
            } else {
                Ok(budget)
            }
        };
        self.parsed("CACHE_API_MEMORY_BUDGET", within).unwrap_or(default)
    }

    /// What is logged; from `info` on where it is not given.
    pub fn log_filter(&mut self) -> Targets {
        let default = Targets::new().with_default(LevelFilter::INFO);
        self.parsed("CACHE_API_LOG", parse_log_filter).unwrap_or(default)
    }

    /// The directory tier's place. Empty means memory alone; not given means that in Lambda, where nothing else is shared,
    /// and a folder in the user's cache directory elsewhere.
    pub fn local_data_dir(&mut self) -> Option<PathBuf> {
        let machine = self.environment.machine();
        match self.text("LOCAL_DATA_DIR") {
            Some("") => None,
            Some(text) => Some(machine.current_dir.join(text)),
            None if self.environment.is_lambda() => None,
            None => machine.user_cache_dir.as_ref().map(|caches| caches.join("cache-api")),
        }
    }

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

    /// A value that is given; a problem where it is no text.
    fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.environment.var(name)?;
        if value.to_str().is_none() {
            self.problems.add(name, &value.to_string_lossy(), NOT_UTF8);
        }
        value.to_str()
    }

    /// The name of a place, where empty means that none is given: a template may have to set every variable.
    fn place(&mut self, name: &'static str) -> Option<&'a str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A value in a form of its own. Empty is none: it could mean zero as well as the default.
    fn parsed<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        let parsed = if text.trim().is_empty() { Err("empty; write a value, or leave it out".to_owned()) } else { parse(text) };
        parsed.map_err(|advice| self.problems.add(name, text, advice)).ok()
    }

    fn is_given(&self, name: &str) -> bool {
        self.environment.var(name).is_some_and(|value| !value.is_empty())
    }

    /// What Lambda gives the function. Written by Lambda, in MB that are MiB, so nothing to complain of.
    fn lambda_memory_bytes(&self) -> Option<u64> {
        let size = self.environment.var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").filter(|_| self.environment.is_lambda())?;
        size.to_str()?.parse::<u64>().ok()?.checked_mul(1 << 20)
    }
}

/// What is wrong with a value that is no text.
const NOT_UTF8: &str = "not UTF-8; write a value that is";

/// A directory that is named as the record, and what names it.
#[derive(Clone, Copy)]
struct Source<'a> {
    name: &'static str,
    text: &'a str,
}

/// Whether so many edits are a slip of the pen, and not another name: at most four, and half of what is ours to misspell.
fn is_slip(edits: usize, known: &str) -> bool {
    edits <= 4 && edits * 2 <= known.len() - OURS.len()
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
