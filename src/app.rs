//! The only place that names concrete tiers, records and functions: puts the parts together as the settings say.

use std::sync::Arc;

use axum::Router;

use crate::cache::Cache;
use crate::config::{Config, RecordConfig};
use crate::error::Error;
use crate::function::{Registry, builtin};
use crate::http::{self, Api};
use crate::record::{DirectoryRecord, Record};
use crate::tier::{DirectoryTier, MemoryTier, SharedTier};

#[cfg(feature = "aws")]
use crate::{
    cache::Ask,
    http::{Problem, RefusedBy},
    key::KeyPatterns,
    lambda::{self, Bucket, Chores, Events, LambdaDoor, Refusal, Undone},
    record::{S3Location, S3Record},
    refresh::Refresher,
};
#[cfg(feature = "aws")]
use async_trait::async_trait;
#[cfg(feature = "aws")]
use axum::response::IntoResponse;
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
    /// This binary was built without what the settings ask for.
    #[error("this binary was built without the feature `aws`; build it with it, or name a source directory")]
    NotBuiltIn,
    /// Lambda's runtime ended.
    #[error("the Lambda runtime ended: {0}")]
    Runtime(String),
}

/// The service that all front doors answer with.
///
/// # Errors
/// `Source`, `LocalDataDir`, `NotBuiltIn`.
pub async fn router(config: &Config) -> Result<Router, StartError> {
    Ok(router_over(cache(config).await?, config))
}

/// Answers Lambda's events until the process ends.
///
/// # Errors
/// As [`router`], and `Runtime`.
#[cfg(feature = "aws")]
pub async fn lambda(config: &Config) -> Result<(), StartError> {
    let cache = cache(config).await?;
    let mut door = LambdaDoor::new(router_over(Arc::clone(&cache), config), refuse);
    // A directory sends no events.
    if let RecordConfig::S3 { bucket, prefix, .. } = &config.record {
        door = door.with_events(Arc::new(Events {
            refresher: Refresher::new(cache, config.keep_warm.clone()),
            bucket: Bucket { name: bucket.clone(), prefix: prefix.clone() },
            chores: Arc::new(Household),
        }));
    }
    lambda::run(door).await.map_err(|error| StartError::Runtime(error.to_string()))
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
fn refuse(refusal: &Refusal) -> ::http::Response<axum::body::Body> {
    let by = match refusal {
        Refusal::BadEvent | Refusal::BadTarget | Refusal::BadBase64 => RefusedBy::BadRequest,
        Refusal::TooLarge { .. } => RefusedBy::TooLarge,
        Refusal::TimedOut => RefusedBy::Deadline,
        Refusal::Failed => RefusedBy::Failure,
    };
    Problem::refused(by, refusal).into_response()
}

/// Does the tasks of a function.
#[cfg(feature = "aws")]
struct Household;

#[cfg(feature = "aws")]
#[async_trait]
impl Chores for Household {
    async fn warm(&self, _patterns: Option<KeyPatterns>, _ask: Ask) -> Result<Value, Undone> {
        Err(Undone::NotBuiltIn { task: "warm" })
    }

    async fn sweep(&self, _ask: Ask) -> Result<Value, Undone> {
        Err(Undone::NotBuiltIn { task: "sweep" })
    }

    async fn doctor(&self, _ask: Ask) -> Result<Value, Undone> {
        Err(Undone::NotBuiltIn { task: "doctor" })
    }
}

async fn cache(config: &Config) -> Result<Arc<Cache>, StartError> {
    let record = record(config)?;
    let shared: Option<Arc<dyn SharedTier>> = match &config.local_data_dir {
        Some(root) => Some(Arc::new(DirectoryTier::open(root, record.id()).await.map_err(StartError::LocalDataDir)?)),
        None => None,
    };
    Ok(Cache::new(MemoryTier::new(config.memory_budget_bytes), shared, record, config.policy))
}

fn router_over(cache: Arc<Cache>, config: &Config) -> Router {
    let functions = Arc::new(Registry::new(builtin::all()));
    http::router(Api { cache, functions, frame_bytes_max: config.memory_budget_bytes })
}

fn record(config: &Config) -> Result<Arc<dyn Record>, StartError> {
    // A body that fills more than the budget cannot be served from memory.
    let size_max = config.memory_budget_bytes;
    match &config.record {
        RecordConfig::Directory { root } => Ok(Arc::new(DirectoryRecord::open(root, size_max).map_err(StartError::Source)?)),
        #[cfg(feature = "aws")]
        RecordConfig::S3 { bucket, prefix, endpoint } => {
            let location = S3Location { bucket: bucket.clone(), prefix: prefix.clone(), endpoint: endpoint.clone() };
            Ok(Arc::new(S3Record::new(location, size_max)))
        }
        #[cfg(not(feature = "aws"))]
        RecordConfig::S3 { .. } => Err(StartError::NotBuiltIn),
    }
}
