//! What went wrong in a call, in the words of whoever wrote the function.

use std::fmt::Write;

use monty_pool::{CrashCause, PoolError};
use monty_types::{ExcType, MontyException, StackFrame};

use super::Limits;
use crate::error::Error;

/// What the interpreter calls the file of a function; what it is fed afterwards has another number.
const FILE: &str = "<python-input-0>";

/// How many frames of a traceback are shown from either end, and how long a line is.
const FRAMES_SHOWN: usize = 10;
const LINE_CHARS_MAX: usize = 160;

/// How long a message may be: a function may raise with a whole file in it.
const MESSAGE_CHARS_MAX: usize = 2000;

/// A function as its faults name it.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    /// Its file, as it was written.
    pub(super) source: &'a str,
    pub(super) limits: Limits,
}

impl Named<'_> {
    /// What ended a call. `MemoryError` and `TimeoutError` of the interpreter are limits, and nothing that a function can catch.
    pub(super) fn fault(&self, error: PoolError) -> Error {
        match error {
            PoolError::Runtime(exception) => self.raised(&exception),
            PoolError::Timeout { .. } => self.out_of_time(),
            PoolError::Crashed { cause: CrashCause::Vanished { .. }, .. } | PoolError::Disconnected { .. } => {
                let bytes = self.limits.memory_bytes;
                self.stopped(format!(
                    "its process ended: it took more memory than the {} MiB of CACHE_API_FUNCTION_MEMORY at once, nested too deep, \
                     or was killed from outside",
                    bytes >> 20
                ))
            }
            other => Error::FunctionFailed { function: self.name.to_owned(), cause: other.to_string().into() },
        }
    }

    pub(super) fn out_of_time(&self) -> Error {
        let time = humantime::format_duration(self.limits.time);
        self.stopped(format!("it had run for {time}, as long as CACHE_API_FUNCTION_TIMEOUT lets it"))
    }

    pub(super) fn stopped(&self, reason: String) -> Error {
        Error::FunctionStopped { function: self.name.to_owned(), reason }
    }

    /// An exception that nobody caught.
    fn raised(&self, exception: &MontyException) -> Error {
        let message = exception.message().unwrap_or_default();
        match exception.exc_type() {
            ExcType::TimeoutError if message.starts_with("time limit exceeded") => self.out_of_time(),
            ExcType::MemoryError => {
                let mib = self.limits.memory_bytes >> 20;
                let place = self.place(exception);
                self.stopped(format!("it needs more memory than the {mib} MiB of CACHE_API_FUNCTION_MEMORY{place}"))
            }
            ExcType::RuntimeError if message.starts_with("suspension limit") => {
                self.stopped("it has asked the cache ten thousand times; read larger parts".to_owned())
            }
            _ => Error::FunctionRaised {
                function: self.name.to_owned(),
                exception: summary(exception),
                traceback: self.traceback(exception),
            },
        }
    }

    /// " in line 3", where that is known.
    fn place(&self, exception: &MontyException) -> String {
        let line = exception.traceback().iter().rev().find(|frame| frame.filename == FILE).map(|frame| frame.start.line);
        line.map(|line| format!(", in line {line}")).unwrap_or_default()
    }

    /// As Python prints it, of the function's own lines alone.
    pub(super) fn traceback(&self, exception: &MontyException) -> String {
        let frames: Vec<&StackFrame> = exception.traceback().iter().filter(|frame| frame.filename == FILE).collect();
        let mut text = String::new();
        if !frames.is_empty() {
            text.push_str("Traceback (most recent call last):\n");
        }
        let lines: Vec<&str> = self.source.lines().collect();
        for (place, frame) in frames.iter().enumerate() {
            if place == FRAMES_SHOWN && frames.len() > 2 * FRAMES_SHOWN {
                let left_out = frames.len() - 2 * FRAMES_SHOWN;
                let _ = writeln!(text, "  … {left_out} more …");
            }
            if place >= FRAMES_SHOWN && place + FRAMES_SHOWN < frames.len() {
                continue;
            }
            let number = frame.start.line;
            let within = frame.frame_name.as_deref().unwrap_or("<module>");
            let _ = writeln!(text, "  File \"{}.py\", line {number}, in {within}", self.name);
            let line = usize::try_from(number).ok().and_then(|number| lines.get(number.checked_sub(1)?));
            if let Some(line) = line.map(|line| line.trim()).filter(|line| !line.is_empty()) {
                let _ = writeln!(text, "    {}", cut(line, LINE_CHARS_MAX));
            }
        }
        text.push_str(&summary(exception));
        text
    }
}

/// `ValueError: no such date`.
pub(super) fn summary(exception: &MontyException) -> String {
    let kind = exception.exc_type();
    match exception.message().filter(|message| !message.is_empty()) {
        Some(message) => format!("{kind}: {}", cut(message, MESSAGE_CHARS_MAX)),
        None => kind.to_string(),
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
