//! What is logged, and how. Everything goes to the standard error.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// For people: in colour on a terminal, unless NO_COLOR is set.
    Text,
    /// For programs: one JSON object a line, its fields beside `level` and `message`.
    Json,
}

/// Logs from here on, what `filter` lets through. Only the first call of a process counts.
pub fn start(filter: Targets, form: LogForm) {
    // Whoever came first, a test perhaps, has set what should hold.
    let _ = tracing::subscriber::set_global_default(subscriber(filter, form, stderr, stderr().is_terminal()));
}

fn subscriber<W>(filter: Targets, form: LogForm, writer: W, is_terminal: bool) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match form {
        LogForm::Json => lines.json().flatten_event(true).boxed(),
        LogForm::Text if is_terminal => lines.boxed(),
        LogForm::Text => lines.with_ansi(false).boxed(),
    };
    registry().with(lines.with_filter(filter.and(filter_fn(is_discreet))))
}

/// Whether what is logged may be: at `trace` the AWS SDK logs requests and answers, and Lambda's runtime logs whole events.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let is_ours = metadata.target() == "cache_api" || metadata.target().starts_with("cache_api::");
    is_ours || *metadata.level() <= Level::DEBUG
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, form: LogForm, log: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = subscriber(filter.parse().unwrap(), form, move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber, log);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lambda_logs_an_object_a_line() {
        let text = logged("info", LogForm::Json, || {
            tracing::info!(key = "a/b", "read");
            tracing::debug!("unseen");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["message"], &line["key"]), (&"INFO".into(), &"read".into(), &"a/b".into()));
    }

    #[test]
    fn a_log_that_is_no_terminal_has_no_colour() {
        let text = logged("warn", LogForm::Text, || tracing::warn!(key = "a/b", "read"));
        assert!(text.contains("WARN") && text.contains("read key=\"a/b\""), "{text:?}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn what_others_say_at_trace_is_never_logged() {
        let text = logged("trace", LogForm::Text, || {
            tracing::trace!(target: "aws_smithy_runtime::client", "an answer's body");
            tracing::trace!(target: "cache_api_of_somebody_else", "an answer's body");
            tracing::debug!(target: "aws_smithy_runtime::client", "a retry");
            tracing::trace!("our own");
        });
        assert!(text.contains("a retry") && text.contains("our own") && !text.contains("body"), "{text}");
    }
}
