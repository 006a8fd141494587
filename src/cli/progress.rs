//! How far `warm` is: a line on the terminal, and nothing where the standard error is none.

use std::io::{Write, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::refresh::{Brought, Progress};

/// The line.
#[derive(Debug)]
pub struct Bar {
    line: ProgressBar,
    matched: u64,
    failed: u64,
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Bar {
    /// Nothing is done yet.
    pub fn new() -> Self {
        let line = ProgressBar::no_length();
        // Where it is not known how many there will be, the bar stays empty.
        let style = ProgressStyle::with_template("{elapsed} [{bar:30}] {pos} keys{msg}").unwrap_or(ProgressStyle::default_bar());
        line.set_style(style);
        Self { line, matched: 0, failed: 0 }
    }

    /// Shows a step of our own.
    pub fn show(&mut self, step: &Progress) {
        match step {
            Progress::Listed { matched, .. } => {
                self.matched += matched;
                self.line.set_length(self.matched);
            }
            Progress::ListedAll | Progress::NotListed(_) => {}
            Progress::Done { brought, .. } => {
                self.key(matches!(brought, Brought::Failed(_) | Brought::NotKept(_) | Brought::Left));
            }
        }
    }

    /// Shows a line of a server's answer; what failed stays on the terminal, and goes to a log.
    pub fn line(&mut self, line: &Value) {
        let key = line["key"].as_str();
        let has_failed = matches!(line["outcome"].as_str(), Some("failed" | "left"));
        if let Some(problem) = line.get("problem") {
            let detail = problem["detail"].as_str().unwrap_or_default();
            let text = key.map_or_else(|| detail.to_owned(), |key| format!("{key}: {detail}"));
            // Above the bar; the bar itself is silent where there is no terminal.
            self.line.suspend(|| drop(writeln!(stderr(), "{text}")));
        }
        if key.is_some() {
            self.key(has_failed);
        }
    }

    fn key(&mut self, has_failed: bool) {
        self.failed += u64::from(has_failed);
        if self.failed > 0 {
            self.line.set_message(format!(", {} failed", self.failed));
        }
        self.line.inc(1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}
