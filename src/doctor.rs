//! The doctor: looks at what the cache rests on, and says what is wrong and what to do about it.
//!
//! Whatever it meets becomes a finding; it ends in no error. It changes nothing but a scratch directory of its own beneath
//! LOCAL_DATA_DIR, which it removes, and never writes to the record.

use std::fmt;
use std::time::Instant;

use serde::Serialize;
use tokio::time::timeout_at;

use crate::config::Config;
use crate::key::RecordId;

#[cfg(feature = "aws")]
mod aws;
mod directory;
mod latency;
mod promises;
mod space;
mod words;

pub use promises::{PEER_COMMAND, peer};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// LOCAL_DATA_DIR, from this process.
    Directory,
    /// What AWS says of the file system behind it.
    Aws,
    /// Both: what the Refresh function looks at.
    Everything,
}

/// All that was found, in the order in which it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was found.
    pub findings: Vec<Finding>,
}

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which check: `mount-targets`. Never changes, so that alarms can go by it.
    pub check: &'static str,
    /// What is, in a sentence without a full stop.
    pub what: String,
    /// What to do; `None` where nothing is to be done.
    pub fix: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be, or worth knowing.
    Ok,
    /// It works, and costs more, holds less, may do more or is seen less than it should.
    Warning,
    /// Something that the cache rests on is not there.
    Problem,
}

/// Looks at all that `scope` names, until `deadline` where there is one: what is found by then is in the report, and that time
/// was up. `record` is the part of LOCAL_DATA_DIR that is looked at; `None` where the record cannot be opened, and then that part
/// is left out.
pub async fn examine(config: &Config, record: Option<&RecordId>, scope: Scope, deadline: Option<Instant>) -> Report {
    until(deadline, async |findings| look(config, record, scope, findings).await).await
}

async fn until(deadline: Option<Instant>, look: impl AsyncFnOnce(&mut Vec<Finding>)) -> Report {
    let mut findings = Vec::new();
    let looking = look(&mut findings);
    let is_done = match deadline {
        Some(deadline) => timeout_at(deadline.into(), looking).await.is_ok(),
        None => {
            looking.await;
            true
        }
    };
    if !is_done {
        let what = "time was up before everything was looked at";
        findings.push(Finding::warning("time", what, "give the function a longer timeout"));
    }
    Report { findings }
}

async fn look(config: &Config, record: Option<&RecordId>, scope: Scope, findings: &mut Vec<Finding>) {
    if matches!(scope, Scope::Directory | Scope::Everything) {
        directory::examine(config, record, findings).await;
    }
    match scope {
        Scope::Directory => {}
        #[cfg(feature = "aws")]
        Scope::Aws | Scope::Everything => findings.extend(aws::examine(config).await),
        #[cfg(not(feature = "aws"))]
        Scope::Aws | Scope::Everything => {
            let what = "this binary was built without the feature `aws`, and cannot ask AWS anything";
            findings.push(Finding::problem("aws", what, "build it with the feature `aws`"));
        }
    }
}

impl Report {
    /// The worst there is; `Ok` where nothing was looked at.
    pub fn level(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, what: what.into(), fix: None }
    }

    /// Something that can be better.
    pub fn warning(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Warning, check, what: what.into(), fix: Some(fix.into()) }
    }

    /// Something that must be mended.
    pub fn problem(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Problem, check, what: what.into(), fix: Some(fix.into()) }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "PROBLEM",
        })
    }
}

/// A line each, one for the fix under it, and the sum.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        for Finding { level, check, what, fix } in &self.findings {
            writeln!(f, "{level:<7}  {check:<width$}  {what}")?;
            if let Some(fix) = fix {
                // A fix of several lines is one to copy: each line begins where the first does.
                let indent = format!("\n{:1$}     ", "", 7 + 2 + width + 2);
                writeln!(f, "{:1$}fix: {2}", "", 7 + 2 + width + 2, fix.replace('\n', &indent))?;
            }
        }
        let [problems, warnings, fine] = [Level::Problem, Level::Warning, Level::Ok].map(|level| self.count(level));
        writeln!(f, "{}, {}, {fine} ok", words::count(problems, "problem"), words::count(warnings, "warning"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Pitfall 28: a handler runs past its deadline and is killed with nothing said.
    #[tokio::test(start_paused = true)]
    async fn what_was_found_is_reported_when_time_is_up() {
        let hangs = async |findings: &mut Vec<Finding>| {
            findings.push(Finding::ok("states", "all 12 are legible"));
            std::future::pending::<()>().await;
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3);
        let examined =
            tokio::time::timeout_at(deadline, until(Some((deadline - Duration::from_secs(1)).into_std()), hangs)).await;
        let report = examined.expect("it is given before the invocation ends");
        assert_eq!(report.findings.iter().map(|finding| finding.check).collect::<Vec<_>>(), ["states", "time"]);
        assert_eq!(report.level(), Level::Warning);
    }

    fn report() -> Report {
        let findings = vec![
            Finding::ok("states", "all 12 are legible"),
            Finding::warning("backup", "it is paid for", "switch it off"),
            Finding::problem("mount-targets", "there are none", "make one:\naws efs create-mount-target"),
        ];
        Report { findings }
    }

    #[test]
    fn a_report_is_aligned_with_each_fix_under_its_finding() {
        let expected = "\
ok       states         all 12 are legible
warning  backup         it is paid for
                        fix: switch it off
PROBLEM  mount-targets  there are none
                        fix: make one:
                             aws efs create-mount-target
1 problem, 1 warning, 1 ok
";
        assert_eq!(report().to_string(), expected);
        assert_eq!(Report::default().to_string(), "0 problems, 0 warnings, 0 ok\n");
    }

    #[test]
    fn a_report_is_as_bad_as_the_worst_of_it() {
        assert_eq!(report().level(), Level::Problem);
        assert_eq!(Report::default().level(), Level::Ok);
    }

    #[test]
    fn a_report_in_json_has_the_same_findings() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["findings"][1]["level"], "warning");
        assert_eq!(json["findings"][1]["fix"], "switch it off");
        assert_eq!(json["findings"][0]["fix"], serde_json::Value::Null);
        assert_eq!(json["findings"][2]["check"], "mount-targets");
    }
}
