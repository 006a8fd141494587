//! LOCAL_DATA_DIR as this process finds it: each step on a thread of its own and within a time, as any of them may hang.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::Config;
use crate::doctor::promises::{self, Peers};
use crate::doctor::space::{self, Room};
use crate::doctor::{Finding, latency};
use crate::key::RecordId;
use crate::tier::directory::survey::{Scratches, SurveyLimits, look_around, survey};

use self::ground::{Ground, Scratch};

mod findings;
mod ground;

/// Longest that a step is waited for which does some few operations.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

/// What of the directory is walked: enough for some thousand keys on EFS, and soon done for somebody who waits.
const SURVEY_LIMITS: SurveyLimits = SurveyLimits { time_max: Duration::from_secs(10), body_bytes_max: 2 << 30 };

/// Longest that the walk is waited for: its own limit, and the body that it is reading then.
const SURVEY_TIME_MAX: Duration = Duration::from_secs(20);

/// Looks at LOCAL_DATA_DIR; each step's findings are there when it is done.
pub(super) async fn examine(config: &Config, record: Option<&RecordId>, findings: &mut Vec<Finding>) {
    let Some(root) = config.local_data_dir.clone() else {
        let what = "LOCAL_DATA_DIR is not set: each instance keeps objects in its own memory alone";
        return findings.push(Finding::ok("local-data-dir", what));
    };
    let ground = {
        let root = root.clone();
        step("local-data-dir", STEP_TIME_MAX, move || ground::stand_on(&root)).await
    };
    let (found, scratch) = match ground {
        Ok(Ground::Firm(found, scratch)) => (found, Some(Arc::new(scratch))),
        // It may still be read.
        Ok(Ground::Unwritable(found)) => (found, None),
        Ok(Ground::None(found)) | Err(found) => return findings.push(found),
    };
    findings.push(found);
    let kept_bytes = match record {
        Some(record) => held(&root, record, scratch.clone(), findings).await,
        None => 0,
    };
    if let Some(scratch) = scratch {
        performance(&root, scratch, kept_bytes, config.local_budget_bytes, findings).await;
    }
}

/// What is held there; answers how many bytes the walk met of it.
async fn held(root: &Path, record: &RecordId, own: Option<Arc<Scratch>>, findings: &mut Vec<Finding>) -> u64 {
    let (there, record) = (root.to_owned(), record.clone());
    let walked = step("states", SURVEY_TIME_MAX, move || {
        let around = look_around(&there, &record, Scratches { prefix: ground::SCRATCH, own: own.as_deref().map(Scratch::name) });
        (survey(&there, &record, SURVEY_LIMITS), around)
    });
    match walked.await {
        Ok((survey, around)) => {
            findings.extend(findings::of_survey(&survey));
            findings.extend(match &around {
                Ok(around) => findings::of_around(around),
                Err(error) => vec![findings::unlisted(error)],
            });
            survey.kept_bytes
        }
        Err(hangs) => {
            findings.push(hangs);
            0
        }
    }
}

/// What the scratch directory tells of all of it: promises, room, speed.
async fn performance(
    root: &Path,
    scratch: Arc<Scratch>,
    kept_bytes: u64,
    budget_bytes: Option<u64>,
    findings: &mut Vec<Finding>,
) {
    findings.extend(kept_promises(Arc::clone(&scratch)).await);
    let there = root.to_owned();
    findings.extend(match step("space", STEP_TIME_MAX, move || Room::of(&there)).await {
        Ok(Ok(room)) => space::judge(room, kept_bytes, budget_bytes),
        Ok(Err(error)) => vec![failed("space", &error)],
        Err(hangs) => vec![hangs],
    });
    let measured = step("latency", STEP_TIME_MAX, move || latency::measure(&scratch.path)).await;
    findings.push(match measured {
        Ok(Ok(measured)) => latency::judge(measured),
        Ok(Err(error)) => failed("latency", &error),
        Err(hangs) => hangs,
    });
}

async fn kept_promises(scratch: Arc<Scratch>) -> Vec<Finding> {
    /// Ends the peers, which frees the step that waits for one of them, when nobody waits for the step any more.
    struct Ending(Arc<Peers>);
    impl Drop for Ending {
        fn drop(&mut self) {
            self.0.end();
        }
    }
    let ending = Ending(Arc::default());
    let peers = Arc::clone(&ending.0);
    step("promises", STEP_TIME_MAX, move || promises::examine(&scratch.path, &peers)).await.unwrap_or_else(|hangs| vec![hangs])
}

/// Runs `job` aside; what takes longer than `limit` is left behind.
async fn step<T: Send + 'static>(
    check: &'static str,
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Finding> {
    let fix = "look at the mount: the file system behind it, its mount targets and its security groups (`doctor --aws`)";
    match timeout(limit, spawn_blocking(job)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            Err(Finding::problem(check, format!("this check failed: {error}"), "report this, with what is printed"))
        }
        Err(_) => Err(Finding::problem(check, format!("LOCAL_DATA_DIR did not answer within {} s", limit.as_secs()), fix)),
    }
}

fn failed(check: &'static str, error: &std::io::Error) -> Finding {
    Finding::problem(check, format!("this could not be tried: {error}"), "look at the disk, and at who may write there")
}
