//! What functions print goes to the log, under their name.

use std::future::{pending, ready};
use std::sync::Arc;

use monty_pool::PrintFuture;
use tokio::sync::Notify;

/// What one call may print, in bytes.
const PRINTED_BYTES_MAX: usize = 64 << 10;

/// Longest line of the log.
const LINE_BYTES_MAX: usize = 4 << 10;

/// Why a call is stopped that prints without end.
pub(super) const FLOODED: &str = "it printed more than 64 KiB";

/// What a call prints.
pub(super) struct Prints {
    function: Arc<str>,
    /// What is printed of a line that goes on.
    line: String,
    printed_bytes: usize,
    flood: Flood,
}

/// Told when a call prints too much.
#[derive(Clone, Default)]
pub(super) struct Flood(Arc<Notify>);

impl Prints {
    pub(super) fn of(function: &str) -> Self {
        Self { function: function.into(), line: String::new(), printed_bytes: 0, flood: Flood::default() }
    }

    /// What tells that it was too much.
    pub(super) fn flood(&self) -> Flood {
        self.flood.clone()
    }

    /// Takes what was printed. What is answered ends when more is to be taken: never, where it was too much.
    pub(super) fn take(&mut self, text: &str) -> PrintFuture {
        self.printed_bytes += text.len();
        if self.printed_bytes > PRINTED_BYTES_MAX {
            self.flood.0.notify_one();
            return Box::pin(pending());
        }
        self.line.push_str(text);
        while let Some(end) = line_end(&self.line) {
            log(&self.function, &self.line[..end]);
            let is_line = self.line[end..].starts_with('\n');
            self.line.drain(..end + usize::from(is_line));
        }
        Box::pin(ready(()))
    }
}

/// A line without its end is one too, when no more comes.
impl Drop for Prints {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            log(&self.function, &self.line);
        }
    }
}

impl Flood {
    /// What `work` answers; `None` where it prints too much first.
    pub(super) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.0.notified() => None,
            done = work => Some(done),
        }
    }
}

fn line_end(text: &str) -> Option<usize> {
    let too_long = || (text.len() > LINE_BYTES_MAX).then(|| text.floor_char_boundary(LINE_BYTES_MAX));
    text.find('\n').or_else(too_long)
}

/// What moves a terminal's cursor, or looks like another line of the log, is escaped.
fn log(function: &str, line: &str) {
    let mut shown = String::with_capacity(line.len());
    for char in line.chars() {
        if char.is_control() && char != '\t' { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    tracing::info!(function, "printed: {shown}");
}
