//! Settings: the only reader of the environment. What comes out is plain data that cannot be wrong.
//!
//! Every problem is found before the first is reported, and each says what to write instead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::filter::Targets;

use crate::freshness::Policy;
use crate::key::{KeyPatterns, Prefix};

use self::settings::Settings;

pub use self::api_token::ApiToken;
pub use self::environment::{Environment, Machine};
pub use self::problems::Problems;
pub use self::role_arn::RoleArn;

mod api_token;
mod environment;
mod problems;
mod role_arn;
mod settings;
mod values;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the objects are.
    pub record: RecordConfig,
    /// Where the directory tier is, an absolute path that need not exist yet; `None` for memory alone.
    pub local_data_dir: Option<PathBuf>,
    /// How long things may be believed.
    pub policy: Policy,
    /// What bodies, frames, results and bytes in flight may take of the memory.
    pub memory_budget_bytes: u64,
    /// What a query may take of the memory that runs in a process of its own.
    pub query_memory_bytes: u64,
    /// What the directory tier may take of its disk; `None` where that goes by the disk.
    pub local_budget_bytes: Option<u64>,
    /// What is fetched as soon as it changes, and evicted last.
    pub keep_warm: KeyPatterns,
    /// How answers leave a Lambda function.
    pub response_mode: ResponseMode,
    /// Whether what no front door carries is answered with a link to the record's own bytes.
    pub redirect: Switch,
    /// Whether the API may write the files of functions.
    pub function_deploy: Switch,
    /// Where users' functions are, below the data prefix; `None` where there are none.
    pub function_dir: Option<Prefix>,
    /// How long one call of a function may take.
    pub function_timeout: Duration,
    /// What the values of one call of a function may take of the memory, beside what this service keeps.
    pub function_memory_bytes: u64,
    /// What callers have to show; `None` where anybody may ask whom the front door lets through.
    pub api_token: Option<ApiToken>,
    /// Origins whose pages may ask from a browser, as `https://example.com`; `*` for the pages of all, which then may only read.
    pub cors_origins: Vec<String>,
    /// The names by which AWS knows what the template made.
    pub deployment: Deployment,
    /// What is logged.
    pub log_filter: Targets,
}

/// Which record, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordConfig {
    /// A bucket of S3 or of a server that speaks its protocol.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What stands before every key.
        prefix: Prefix,
        /// `http://host:port` of a server other than AWS, without credentials; `None` for AWS itself.
        endpoint: Option<String>,
    },
    /// A directory on this machine.
    Directory {
        /// The directory that keys are relative to; absolute, and no part of it is a symbolic link.
        root: PathBuf,
    },
}

/// How answers leave a Lambda function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// Whole, at most 6 MB.
    #[default]
    Buffered,
    /// As they come, where the front door takes that.
    Streamed,
}

/// Something that is on or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// It is not done.
    #[default]
    Off,
    /// It is done.
    On,
}

/// The names by which AWS knows what the template made. Only `doctor` asks for them; each that is missing is a check it cannot make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// CACHE_API_FILE_SYSTEM_ID: `fs-…`, what LOCAL_DATA_DIR is on.
    pub file_system_id: Option<String>,
    /// CACHE_API_ACCESS_POINT_ID: `fsap-…`, how the functions reach it.
    pub access_point_id: Option<String>,
    /// CACHE_API_SUBNET_IDS: `subnet-…`, where the functions are; none where it is not given.
    pub subnet_ids: Vec<String>,
    /// CACHE_API_QUEUE_ARN: `arn:…:sqs:…`, where the bucket's events arrive.
    pub queue_arn: Option<String>,
    /// CACHE_API_ROLE_ARN: the role of the function that answers.
    pub role_arn: Option<RoleArn>,
    /// CACHE_API_REFRESH_ROLE_ARN: the role of the function that takes the bucket's events.
    pub refresh_role_arn: Option<RoleArn>,
}

impl Config {
    /// Reads CACHE_API_TOKEN alone, for whoever asks another server.
    ///
    /// # Errors
    /// It is no token.
    pub fn read_token(environment: &Environment) -> Result<Option<ApiToken>, Problems> {
        let mut settings = Settings::of(environment);
        let token = settings.api_token();
        settings.into_problems().map_or(Ok(token), Err)
    }

    /// Reads the settings; `source_flag` is the directory that the command line names as the record, and it goes before
    /// CACHE_API_SOURCE_DIR.
    ///
    /// # Errors
    /// All that is misspelt, unreadable or impossible, at once.
    ///
    /// ```
    /// use cache_api::config::{Config, Environment, Machine};
    ///
    /// let machine = Machine { memory_bytes: None, user_cache_dir: None, current_dir: "/".into() };
    /// let environment = Environment::new([("AWS_BUCKET_NAME", "prices"), ("CACHE_API_LOCAL_MAX_AGE", "60")], machine);
    /// let problems = Config::read(&environment, None).unwrap_err().to_string();
    /// assert!(problems.contains("CACHE_API_LOCAL_MAX_AGE=\"60\": a bare number"), "{problems}");
    /// ```
    pub fn read(environment: &Environment, source_flag: Option<&Path>) -> Result<Self, Problems> {
        let mut settings = Settings::of(environment);
        settings.refuse_unknown();
        let default = Policy::default();
        let policy = Policy {
            memory_max_age: settings.age("CACHE_API_MEMORY_MAX_AGE", default.memory_max_age),
            local_max_age: settings.age("CACHE_API_LOCAL_MAX_AGE", default.local_max_age),
            stale_if_error: settings.age("CACHE_API_STALE_IF_ERROR", default.stale_if_error),
            negative_max_age: settings.age("CACHE_API_NEGATIVE_MAX_AGE", default.negative_max_age),
        };
        let memory_budget_bytes = settings.memory_budget_bytes();
        let query_memory_bytes = settings.query_memory_bytes(memory_budget_bytes);
        let log_filter = settings.log_filter();
        let local_data_dir = settings.local_data_dir();
        let local_budget_bytes = settings.local_budget_bytes();
        let keep_warm = settings.keep_warm();
        let response_mode = settings.response_mode();
        let redirect = settings.switch("CACHE_API_REDIRECT");
        let function_deploy = settings.switch("CACHE_API_FUNCTION_DEPLOY");
        let function_dir = settings.function_dir();
        let function_timeout = settings.function_timeout();
        let function_memory_bytes = settings.function_memory_bytes(memory_budget_bytes);
        let api_token = settings.api_token();
        let cors_origins = settings.cors_origins();
        let deployment = settings.deployment();
        let record = settings.record(source_flag, local_data_dir.as_deref());
        let record = match (record, settings.into_problems()) {
            (Some(record), None) => record,
            (_, problems) => return Err(problems.expect("where no record comes out, the reason is a problem")),
        };
        Ok(Self {
            record,
            local_data_dir,
            policy,
            memory_budget_bytes,
            query_memory_bytes,
            local_budget_bytes,
            keep_warm,
            response_mode,
            redirect,
            function_deploy,
            function_dir,
            function_timeout,
            function_memory_bytes,
            api_token,
            cors_origins,
            deployment,
            log_filter,
        })
    }
}

#[cfg(test)]
mod tests;
