//! The only place that names concrete tiers, records and functions: puts the parts together as the settings say.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use tower::Layer;

use crate::cache::{Ask, Cache, Head};
use crate::cli;
use crate::config::{Config, RecordConfig, Switch};
use crate::doctor::{self, Finding, Report, Scope};
use crate::entry::Budget;
use crate::error::Error;
use crate::freshness::Moment;
#[cfg(feature = "python")]
use crate::function::python::{Limits as FunctionLimits, Python};
use crate::function::{Compile, Directory, Engine, Language, Outside, Registry, Spec, builtin};
#[cfg(feature = "frames")]
use crate::function::{SqlCompiler, worker::Workers};
use crate::http::{self, Access, Api, Guard, Guarded, Reach, TokenDigest};
use crate::key::KeyPatterns;
use crate::record::{DirectoryRecord, FunctionDeploy, Presign, Record};
use crate::refresh::{Progress, Refresher, Warmed};
use crate::tier::{DirectoryTier, Limits, MemoryTier, SharedResults, SharedTier, SweepPlan, Swept};

#[cfg(feature = "aws")]
use crate::{
    config::ResponseMode,
    doctor::Level,
    http::{Oversize, Problem, RefusedBy},
    lambda::{self, Bucket, Chores, Events, LambdaDoor, Refusal, Undone},
    record::{S3Location, S3Record},
};
#[cfg(feature = "aws")]
use async_trait::async_trait;
#[cfg(feature = "aws")]
use axum::response::{IntoResponse, Response};
#[cfg(feature = "aws")]
use futures_util::FutureExt;
#[cfg(feature = "aws")]
use futures_util::future::BoxFuture;
#[cfg(feature = "aws")]
use serde_json::Value;

/// Why nothing can be served. Each is a setting to mend, but for the last.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The source directory cannot be opened.
    #[error("the source directory cannot be opened: {0}; name a directory that this process may read")]
    Source(#[source] std::io::Error),
    /// LOCAL_DATA_DIR can never be a directory tier.
    #[error("{}; name a directory, or a place where one can be made", .0.cause_text())]
    LocalDataDir(#[source] Error),
    /// The directory tier may take more than there is, and would never make room.
    #[error("CACHE_API_LOCAL_BUDGET is more than the disk of LOCAL_DATA_DIR has; write at most {}MiB, or leave it out", .disk_bytes >> 20)]
    LocalBudget {
        /// What the disk has.
        disk_bytes: u64,
    },
    /// This binary was built without what the settings ask for.
    #[error("this binary was built without the feature `aws`; build it with it, or name a source directory")]
    NotBuiltIn,
    /// Lambda's runtime ended.
    #[error("the Lambda runtime ended: {0}")]
    Runtime(String),
}

/// The service behind every front door.
pub type Service = Guarded<Router>;

/// How many requests a server answers at a time. Each mostly waits, for the disk or for the record; what its body takes of the
/// memory is counted elsewhere.
const REQUESTS_MAX: usize = 512;

/// What `serve` answers with.
///
/// # Errors
/// `Source`, `LocalDataDir`, `LocalBudget`, `NotBuiltIn`.
pub async fn service(config: &Config, reach: cli::Reach) -> Result<Service, StartError> {
    let parts = parts(config).await?;
    let reach = match reach {
        cli::Reach::Machine => Reach::Machine,
        cli::Reach::Network => Reach::Network,
    };
    Ok(service_over(parts, config, reach))
}

/// Answers Lambda's events until the process ends.
///
/// # Errors
/// As [`service`], and `Runtime`.
#[cfg(feature = "aws")]
pub async fn lambda(config: &Config) -> Result<(), StartError> {
    let parts = parts(config).await?;
    let cache = Arc::clone(&parts.cache);
    let mut door = LambdaDoor::new(service_over(parts, config, Reach::Gateway), refuse);
    // A directory sends no events.
    if let RecordConfig::S3 { bucket, prefix, .. } = &config.record {
        let refresher = || Refresher::new(Arc::clone(&cache), config.keep_warm.clone());
        door = door.with_events(Arc::new(Events {
            refresher: refresher(),
            bucket: Bucket { name: bucket.clone(), prefix: prefix.clone() },
            chores: Arc::new(Household { cache: Arc::clone(&cache), refresher: refresher(), config: config.clone() }),
        }));
    }
    let mode = match config.response_mode {
        ResponseMode::Buffered => lambda::Mode::Buffered,
        ResponseMode::Streamed => lambda::Mode::Streamed,
    };
    lambda::run(door, mode).await.map_err(|error| StartError::Runtime(error.to_string()))
}

/// This binary does not know Lambda.
///
/// # Errors
/// `NotBuiltIn`.
#[cfg(not(feature = "aws"))]
pub async fn lambda(_config: &Config) -> Result<(), StartError> {
    Err(StartError::NotBuiltIn)
}

#[cfg(feature = "aws")]
fn refuse(refusal: Refusal, attached: ::http::Extensions) -> BoxFuture<'static, Response> {
    let by = match refusal {
        Refusal::TooLarge { bytes, bytes_max } => {
            return async move { http::instead(Oversize { bytes, bytes_max }, &attached).await }.boxed();
        }
        Refusal::BadEvent | Refusal::BadTarget | Refusal::BadBase64 => RefusedBy::BadRequest,
        Refusal::TimedOut => RefusedBy::Deadline,
        Refusal::Failed => RefusedBy::Failure,
    };
    async move { Problem::refused(by, &refusal).into_response() }.boxed()
}

/// Looks for what is wrong with what the settings name, until `deadline` where there is one.
pub async fn examine(config: &Config, scope: Scope, deadline: Option<Instant>) -> Report {
    match record(config, &Budget::new(config.memory_budget_bytes)) {
        Ok(opened) => doctor::examine(config, Some(opened.record.id()), scope, deadline).await,
        Err(error) => {
            let mut report = doctor::examine(config, None, scope, deadline).await;
            report.findings.insert(0, Finding::problem("record", error.to_string(), "set what names the record right"));
            report
        }
    }
}

/// Does the tasks of a function.
#[cfg(feature = "aws")]
struct Household {
    cache: Arc<Cache>,
    refresher: Refresher,
    config: Config,
}

/// What the answer of a task is left after a sweep: it ends on time by itself, but for the call it is in.
#[cfg(feature = "aws")]
const SWEEP_MARGIN: Duration = Duration::from_secs(5);

#[cfg(feature = "aws")]
#[async_trait]
impl Chores for Household {
    async fn warm(&self, patterns: Option<KeyPatterns>, ask: Ask) -> Result<Value, Undone> {
        let warmed = self.refresher.warm(patterns.as_ref(), ask.deadline, now).await;
        done("warm", warmed)
    }

    async fn sweep(&self, ask: Ask) -> Result<Value, Undone> {
        let time = ask.deadline.saturating_duration_since(ask.now.monotonic);
        let time_max = time.saturating_sub(SWEEP_MARGIN).max(time / 2);
        done("sweep", self.cache.sweep(&SweepPlan::new(ask.now.wall, time_max)).await)
    }

    async fn doctor(&self, ask: Ask) -> Result<Value, Undone> {
        // Past its deadline an invocation is killed with nothing said (pitfall 28).
        let report = examine(&self.config, Scope::Everything, Some(ask.deadline)).await;
        // Whoever reads the log is not whoever scheduled the task.
        for finding in report.findings.iter().filter(|finding| finding.level > Level::Ok) {
            let fix = finding.fix.as_deref().unwrap_or_default();
            tracing::warn!(level = %finding.level, check = finding.check, fix, "the doctor found: {}", finding.what);
        }
        Ok(serde_json::json!(report))
    }
}

#[cfg(feature = "aws")]
fn done<T: serde::Serialize>(task: &'static str, done: Result<T, Error>) -> Result<Value, Undone> {
    match done {
        Ok(done) => Ok(serde_json::to_value(done).expect("numbers under names")),
        Err(error) => {
            tracing::error!(%error, cause = error.cause_text(), task, "a task failed");
            Err(Undone::Failed { task, why: error.to_string() })
        }
    }
}

/// Fetches what matches `patterns`, or what is to be kept warm where there are none, for `time_max` at most; `watch` sees each
/// step.
///
/// # Errors
/// Why nothing can be fetched at all.
pub async fn warm(
    config: &Config,
    patterns: Option<&KeyPatterns>,
    time_max: Duration,
    watch: impl FnMut(&Progress),
) -> Result<Warmed, ChoreError> {
    let refresher = Refresher::new(parts(config).await?.cache, config.keep_warm.clone());
    Ok(refresher.warm_watched(patterns, now().monotonic + time_max, now, watch).await?)
}

/// What the shared directory holds, as a server over it would say.
///
/// # Errors
/// Why nothing can be looked at.
pub async fn stats(config: &Config) -> Result<Head, ChoreError> {
    Ok(parts(config).await?.cache.head().await)
}

/// Sweeps the shared directory; `None` where somebody else is at it.
///
/// # Errors
/// Why it cannot be swept.
pub async fn sweep(config: &Config, time_max: Duration) -> Result<Option<Swept>, ChoreError> {
    Ok(parts(config).await?.cache.sweep(&SweepPlan::new(now().wall, time_max)).await?)
}

/// Compiles the function `name` and, unless it is only to be checked, writes it to the record. Whoever runs this has the rights that
/// it takes, so that no setting is asked.
///
/// # Errors
/// Why it does not compile, or is not written.
pub async fn deploy(
    config: &Config,
    name: &str,
    language: Language,
    text: &str,
    deploying: Deploying,
) -> Result<Spec, ChoreError> {
    let parts = parts(config).await?;
    let engine = engine(&parts, config, deploying == Deploying::Written);
    let ask = Ask::new(now(), now().monotonic + DEPLOY_TIME_MAX);
    Ok(match deploying {
        Deploying::Checked => engine.compile(name, language, text, ask).await?.spec().clone(),
        Deploying::Written => engine.deploy(name, language, text, ask).await?,
    })
}

/// What is done with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deploying {
    /// It is compiled.
    Checked,
    /// It is compiled and written.
    Written,
}

/// Longest that deploying one takes.
const DEPLOY_TIME_MAX: Duration = Duration::from_secs(60);

/// Why a chore of the command line was not done.
#[derive(Debug, thiserror::Error)]
pub enum ChoreError {
    /// There is nothing to do it with.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It failed.
    #[error("{}: {}", .0, .0.cause_text())]
    Failed(#[from] Error),
}

#[expect(clippy::disallowed_methods, reason = "the command line is an edge: what it does is done now")]
fn now() -> Moment {
    Moment { wall: SystemTime::now().into(), monotonic: Instant::now() }
}

/// What makes links to the record, where that is on and it can.
type Links = Option<Arc<dyn Presign>>;

/// What everything is made of.
struct Parts {
    cache: Arc<Cache>,
    presign: Links,
    deploys: Arc<dyn FunctionDeploy>,
    results: Option<Arc<dyn SharedResults>>,
}

async fn parts(config: &Config) -> Result<Parts, StartError> {
    let budget = Budget::new(config.memory_budget_bytes);
    let Opened { record, presign, deploys } = record(config, &budget)?;
    let directory = match &config.local_data_dir {
        Some(root) => {
            let limits = Limits { budget_bytes: config.local_budget_bytes, keep_warm: config.keep_warm.clone() };
            let tier = DirectoryTier::open(root, record.id()).await.map_err(StartError::LocalDataDir)?;
            if let (Some(most), Some(disk_bytes)) = (limits.budget_bytes, tier.disk_bytes().await)
                && most > disk_bytes
            {
                return Err(StartError::LocalBudget { disk_bytes });
            }
            Some(Arc::new(tier.within(limits).sharing(Arc::clone(&budget))))
        }
        None => None,
    };
    let shared = directory.clone().map(|directory| directory as Arc<dyn SharedTier>);
    let results = directory.map(|directory| directory as Arc<dyn SharedResults>);
    Ok(Parts { cache: Cache::new(MemoryTier::within(budget), shared, record, config.policy), presign, deploys, results })
}

/// Functions on the cache; `deploys` where it may write others.
fn engine(parts: &Parts, config: &Config, deploys: bool) -> Arc<Engine> {
    let registry = Registry::new(builtin::all());
    let registry = match &config.function_dir {
        Some(below) => registry.with_files(Directory { below: below.clone(), compilers: compilers(config) }),
        None => registry,
    };
    let deploys = deploys.then(|| Arc::clone(&parts.deploys));
    let outside = Outside {
        deploys,
        results: parts.results.clone(),
        // Where nobody says what this program is, nothing is run in processes of its own.
        #[cfg(feature = "frames")]
        workers: std::env::current_exe().ok().map(|program| Workers::new(program, config.query_memory_bytes)),
    };
    Engine::with(Arc::clone(&parts.cache), registry, config.memory_budget_bytes, outside)
}

/// One for each language that this binary was built with.
#[cfg_attr(not(feature = "python"), expect(unused_variables, reason = "only Python's limits are settings"))]
fn compilers(config: &Config) -> Vec<Arc<dyn Compile>> {
    vec![
        #[cfg(feature = "frames")]
        Arc::new(SqlCompiler),
        #[cfg(feature = "python")]
        Arc::new(Python::new(
            // Whatever has become of the file since: this program, as it runs.
            "/proc/self/exe".into(),
            FunctionLimits { time: config.function_timeout, memory_bytes: config.function_memory_bytes },
        )),
    ]
}

fn service_over(parts: Parts, config: &Config, reach: Reach) -> Service {
    let engine = engine(&parts, config, config.function_deploy == Switch::On);
    let Parts { cache, presign, .. } = parts;
    let access = Access {
        reach,
        token: config.api_token.as_ref().map(|token| TokenDigest::of(token.reveal())),
        origins: config.cors_origins.clone(),
        requests_max: (reach != Reach::Gateway).then_some(REQUESTS_MAX),
    };
    let router = http::router(Api { cache, engine, frame_bytes_max: config.memory_budget_bytes, presign });
    Guard::new(access).layer(router)
}

/// A record, and what else it does.
struct Opened {
    record: Arc<dyn Record>,
    presign: Links,
    deploys: Arc<dyn FunctionDeploy>,
}

/// Bodies take their room in `budget` before they are read.
fn record(config: &Config, budget: &Arc<Budget>) -> Result<Opened, StartError> {
    match &config.record {
        RecordConfig::Directory { root } => {
            let record = Arc::new(DirectoryRecord::open(root, Arc::clone(budget)).map_err(StartError::Source)?);
            Ok(Opened { deploys: Arc::clone(&record) as _, record, presign: None })
        }
        #[cfg(feature = "aws")]
        RecordConfig::S3 { bucket, prefix, endpoint } => {
            let location = S3Location { bucket: bucket.clone(), prefix: prefix.clone(), endpoint: endpoint.clone() };
            let record = Arc::new(S3Record::new(location, Arc::clone(budget)));
            let presign = (config.redirect == Switch::On).then(|| Arc::clone(&record) as Arc<dyn Presign>);
            Ok(Opened { deploys: Arc::clone(&record) as _, record, presign })
        }
        #[cfg(not(feature = "aws"))]
        RecordConfig::S3 { .. } => Err(StartError::NotBuiltIn),
    }
}
