//! Setting by setting: what each may be, and what it is where it is not given.

use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::key::{KeyPatterns, Prefix};

use super::values::{parse_age, parse_log_filter, parse_origins, parse_size};
use super::{ApiToken, Deployment, Environment, Problems, ResponseMode, RoleArn, Switch};

mod record;

/// What every name of our own begins with; a name that does and is not below is refused.
const OURS: &str = "CACHE_API_";

/// The names of our own.
const KNOWN: [&str; 23] = [
    "CACHE_API_ACCESS_POINT_ID",
    "CACHE_API_CORS_ORIGINS",
    "CACHE_API_FILE_SYSTEM_ID",
    "CACHE_API_FUNCTION_DEPLOY",
    "CACHE_API_FUNCTION_MEMORY",
    "CACHE_API_FUNCTION_TIMEOUT",
    "CACHE_API_KEEP_WARM",
    "CACHE_API_LOCAL_BUDGET",
    "CACHE_API_LOCAL_MAX_AGE",
    "CACHE_API_LOG",
    "CACHE_API_MEMORY_BUDGET",
    "CACHE_API_MEMORY_MAX_AGE",
    "CACHE_API_NEGATIVE_MAX_AGE",
    "CACHE_API_QUERY_MEMORY",
    "CACHE_API_QUEUE_ARN",
    "CACHE_API_REDIRECT",
    "CACHE_API_REFRESH_ROLE_ARN",
    "CACHE_API_RESPONSE_MODE",
    "CACHE_API_ROLE_ARN",
    "CACHE_API_SOURCE_DIR",
    "CACHE_API_STALE_IF_ERROR",
    "CACHE_API_SUBNET_IDS",
    "CACHE_API_TOKEN",
];

/// Least memory to serve from: below it the copies of one request's body alone may not fit.
const MEMORY_BUDGET_MIN: u64 = 16 << 20;

/// Least memory for a function: below it the interpreter has hardly room for itself.
const FUNCTION_MEMORY_MIN: u64 = 16 << 20;

/// What a function's values may take where nothing is said. Data is not among them: frames stay in the service.
const FUNCTION_MEMORY_UNTOLD_MAX: u64 = 256 << 20;

/// How long a function may take where nothing is said: a third of what API Gateway waits.
const FUNCTION_TIMEOUT_UNTOLD: Duration = Duration::from_secs(10);

/// As long as Lambda lets anything run.
const FUNCTION_TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);

/// Least memory for a query of its own: below it the columns of one file may not fit.
const QUERY_MEMORY_MIN: u64 = 64 << 20;

/// Least disk to keep objects on: below it the sweep would take away what was just stored.
const LOCAL_BUDGET_MIN: u64 = 64 << 20;

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

    /// What a query may take that runs in a process of its own: a quarter of the memory budget where it is not given. Two may
    /// run, and the budget wants half as much again beside it.
    pub fn query_memory_bytes(&mut self, memory_budget_bytes: u64) -> u64 {
        let within = |text: &str| {
            let bytes = parse_size(text)?;
            let is_enough = bytes >= QUERY_MEMORY_MIN;
            is_enough
                .then_some(bytes)
                .ok_or_else(|| format!("too little to parse a table; write at least {}MiB", QUERY_MEMORY_MIN >> 20))
        };
        let default = (memory_budget_bytes / 4).max(QUERY_MEMORY_MIN);
        self.parsed("CACHE_API_QUERY_MEMORY", within).unwrap_or(default)
    }

    /// What the directory tier may take of its disk; `None` where it is not given.
    pub fn local_budget_bytes(&mut self) -> Option<u64> {
        let within = |text: &str| {
            let budget = parse_size(text)?;
            let is_enough = budget >= LOCAL_BUDGET_MIN;
            is_enough
                .then_some(budget)
                .ok_or_else(|| format!("too little to keep objects in; write at least {}MiB", LOCAL_BUDGET_MIN >> 20))
        };
        self.parsed("CACHE_API_LOCAL_BUDGET", within)
    }

    /// Globs with white space between them; none where it is not given.
    pub fn keep_warm(&mut self) -> KeyPatterns {
        let Some(text) = self.place("CACHE_API_KEEP_WARM") else { return KeyPatterns::default() };
        KeyPatterns::parse(text.split_whitespace()).unwrap_or_else(|error| {
            let advice = format_args!("{error}; write globs with spaces between them, as prices/*.parquet rates/**");
            self.problems.add("CACHE_API_KEEP_WARM", text, advice);
            KeyPatterns::default()
        })
    }

    /// How answers leave a Lambda function; whole where it is not given.
    pub fn response_mode(&mut self) -> ResponseMode {
        let parse = |text: &str| match text {
            "buffered" => Ok(ResponseMode::Buffered),
            "streamed" => Ok(ResponseMode::Streamed),
            _ => Err("write buffered or streamed".to_owned()),
        };
        self.parsed("CACHE_API_RESPONSE_MODE", parse).unwrap_or_default()
    }

    /// Something that is off where it is not given.
    pub fn switch(&mut self, name: &'static str) -> Switch {
        let parse = |text: &str| match text {
            "on" => Ok(Switch::On),
            "off" => Ok(Switch::Off),
            _ => Err("write on or off".to_owned()),
        };
        self.parsed(name, parse).unwrap_or_default()
    }

    /// Where users' functions are; `None` where there are none.
    pub fn function_dir(&mut self) -> Option<Prefix> {
        let text = self.place("AWS_FUNCTION_DIR")?;
        let invalid = |error| self.problems.add("AWS_FUNCTION_DIR", text, format_args!("keys cannot begin with it: {error}"));
        Prefix::normalise(text).map_err(invalid).ok()
    }

    /// How long one call of a function may take.
    pub fn function_timeout(&mut self) -> Duration {
        let within = |text: &str| {
            let timeout = parse_age(text)?;
            if timeout.is_zero() {
                Err("no time at all; write a duration such as 10s".to_owned())
            } else if timeout > FUNCTION_TIMEOUT_MAX {
                Err("longer than Lambda lets anything run; write at most 15m".to_owned())
            } else {
                Ok(timeout)
            }
        };
        self.parsed("CACHE_API_FUNCTION_TIMEOUT", within).unwrap_or(FUNCTION_TIMEOUT_UNTOLD)
    }

    /// What the values of one call of a function may take of the memory.
    pub fn function_memory_bytes(&mut self, memory_budget_bytes: u64) -> u64 {
        let within = |text: &str| {
            let bytes = parse_size(text)?;
            let is_enough = bytes >= FUNCTION_MEMORY_MIN;
            is_enough
                .then_some(bytes)
                .ok_or_else(|| format!("too little to run in; write at least {}MiB", FUNCTION_MEMORY_MIN >> 20))
        };
        let untold = (memory_budget_bytes / 8).clamp(FUNCTION_MEMORY_MIN, FUNCTION_MEMORY_UNTOLD_MAX);
        self.parsed("CACHE_API_FUNCTION_MEMORY", within).unwrap_or(untold)
    }

    /// What callers have to show; `None` where nothing is. Empty is refused: whoever wrote it believes that there is one.
    pub fn api_token(&mut self) -> Option<ApiToken> {
        let value = self.environment.var("CACHE_API_TOKEN")?;
        let token = value.to_str().ok_or(ApiToken::FORM).and_then(ApiToken::parse);
        token.map_err(|advice| self.problems.add_bare("CACHE_API_TOKEN", advice)).ok()
    }

    /// The origins whose pages may ask from a browser; none where it is not given.
    pub fn cors_origins(&mut self) -> Vec<String> {
        let Some(text) = self.place("CACHE_API_CORS_ORIGINS") else { return Vec::new() };
        parse_origins(text).unwrap_or_else(|advice| {
            self.problems.add("CACHE_API_CORS_ORIGINS", text, advice);
            Vec::new()
        })
    }

    /// The names by which AWS knows what the template made.
    pub fn deployment(&mut self) -> Deployment {
        let [role_arn, refresh_role_arn] = ["CACHE_API_ROLE_ARN", "CACHE_API_REFRESH_ROLE_ARN"].map(|name| self.role_arn(name));
        let mut id = |name, prefix: &str| {
            let text = self.place(name)?;
            let is_id = text.starts_with(prefix) && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_id {
                self.problems.add(name, text, format_args!("no such id; write the one that begins with {prefix}"));
            }
            is_id.then(|| text.to_owned())
        };
        let subnet_ids = id("CACHE_API_SUBNET_IDS", "subnet-");
        Deployment {
            file_system_id: id("CACHE_API_FILE_SYSTEM_ID", "fs-"),
            access_point_id: id("CACHE_API_ACCESS_POINT_ID", "fsap-"),
            subnet_ids: subnet_ids.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect(),
            queue_arn: id("CACHE_API_QUEUE_ARN", "arn:"),
            role_arn,
            refresh_role_arn,
        }
    }

    fn role_arn(&mut self, name: &'static str) -> Option<RoleArn> {
        let text = self.place(name)?;
        let arn = RoleArn::parse(text);
        if arn.is_none() {
            self.problems.add(name, text, format_args!("not a role's; write one such as arn:aws:iam::123456789012:role/NAME"));
        }
        arn
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

/// Whether so many edits are a slip of the pen, and not another name: at most four, and half of what is ours to misspell.
fn is_slip(edits: usize, known: &str) -> bool {
    edits <= 4 && edits * 2 <= known.len() - OURS.len()
}
