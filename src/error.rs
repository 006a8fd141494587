//! The one error of the crate: a variant per thing its reader can do about it.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::key::{InvalidKey, Key};

/// The cause behind an error, kept for the log and never shown to a caller. Shared, as the callers of one flight share its end.
#[derive(Clone)]
pub struct Cause(Arc<dyn StdError + Send + Sync>);

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Cause {
    fn from(error: E) -> Self {
        Self(error.into().into())
    }
}

impl Deref for Cause {
    type Target = dyn StdError + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What the crate's operations answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by what can be done about it. Messages name no bucket, endpoint or local path; causes may.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The name given is no key. Mend the name.
    #[error("invalid key: {0}")]
    InvalidKey(#[from] InvalidKey),
    /// The record has no such object. Look at the name, or wait for the object.
    #[error("the record has no object `{key}`")]
    NotFound {
        /// What was asked for.
        key: Key,
        /// How long ago the record said so; `None` where it was asked for this answer.
        remembered_for: Option<Duration>,
    },
    /// Nothing that may be answered is held, and the record was not to be asked. Let it be asked.
    #[error("nothing is held of `{key}` that may be answered, and the record was not to be asked")]
    NotCached {
        /// What was asked for.
        key: Key,
    },
    /// The record refuses to give the object. Mend the permissions of this service.
    #[error("the record does not let this service read `{key}`")]
    Forbidden {
        /// What was asked for.
        key: Key,
        /// What the record said.
        #[source]
        cause: Cause,
    },
    /// The record asks for fewer requests. Try later.
    #[error("the record is throttling requests for `{key}`")]
    Throttled {
        /// What was asked for.
        key: Key,
        /// What the record said.
        #[source]
        cause: Cause,
    },
    /// The record gave no answer or failed. Try later; the operator looks at the network and the record.
    #[error("the record cannot be reached for `{key}`")]
    Unreachable {
        /// What was asked for.
        key: Key,
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// The object was replaced while it was read, again and again. Try again.
    #[error("`{key}` changed while it was read")]
    Changed {
        /// What was asked for.
        key: Key,
    },
    /// The bytes that came are not those the record meant to send. Try again.
    #[error("`{key}` arrived damaged: {what}")]
    Corrupted {
        /// What was asked for.
        key: Key,
        /// Which check failed.
        what: String,
    },
    /// What is to be held of the object does not fit into the memory this service may use. Read it in parts, or raise the budget.
    #[error("`{key}` has {size} bytes, more than the {size_max} this service may hold in memory")]
    TooLarge {
        /// What was asked for.
        key: Key,
        /// The object's length in bytes.
        size: u64,
        /// The most that would fit, in bytes.
        size_max: u64,
    },
    /// Memory is full of bodies that are on their way. Try again in a second.
    #[error("there is no room in memory for `{key}` now, other bodies are on their way")]
    Busy {
        /// What was asked for.
        key: Key,
    },
    /// The time the caller gave has passed. Try again, the object may be there by then.
    #[error("`{key}` could not be read in the time there was")]
    Deadline {
        /// What was asked for.
        key: Key,
    },
    /// The record's keys could not be listed. What to do about it stands in `why`.
    #[error("the record could not be listed: {why}")]
    NotListed {
        /// What can be done.
        why: Unlisted,
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// A doubt or eviction could not be written to the shared directory. Try again; the operator looks at the directory.
    #[error("the shared directory could not take down that `{key}` is {verb}")]
    NotWritten {
        /// What was to be doubted or evicted.
        key: Key,
        /// "doubted" or "evicted".
        verb: &'static str,
        /// What the file system said.
        #[source]
        cause: Cause,
    },
    /// The directory tier failed. Costs time, never a read; a caller of the cache sees it of doubts and evictions only.
    #[error("the shared directory failed to {action}")]
    Tier {
        /// What was to be done: "read state".
        action: &'static str,
        /// What the file system said.
        #[source]
        cause: Cause,
    },
    /// The body is of a format that nothing here parses. Use another object.
    #[error("`{key}` is not of a format that can be computed on; these are: {known}")]
    UnknownFormat {
        /// The object.
        key: Key,
        /// The formats that are parsed.
        known: &'static str,
    },
    /// The body does not parse. Mend the object in the record.
    #[error("`{key}` does not parse as {format}: {reason}")]
    Unparsable {
        /// The object.
        key: Key,
        /// The format it was parsed as.
        format: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// The part of a table that is asked for does not fit it. Mend the query.
    #[error("`{parameter}` {reason}")]
    BadSlice {
        /// The object.
        key: Key,
        /// Which parameter of the query.
        parameter: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A query is not answered, or does not fit the tables. Mend it.
    #[error("the query is not answered: {reason}")]
    BadQuery {
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// A query took more memory or longer than it may, or its process died. Ask for less.
    #[error("the query was stopped: {why}")]
    QueryStopped {
        /// What it ran into.
        why: Stopped,
    },
    /// As many queries run and wait as may. Try again in a second.
    #[error("as many queries are under way as there may be")]
    Overloaded,
    /// There is no such function. Use one of those named.
    #[error("there is no function `{name}`; there are: {known}")]
    UnknownFunction {
        /// What was asked for.
        name: String,
        /// All names, comma-separated.
        known: String,
    },
    /// No function is deployed from here. The operator switches it on, or deploys otherwise.
    #[error("this service deploys no functions")]
    NoDeploys,
    /// The record did not take the file of a function. The operator looks at what this service may write.
    #[error("`{key}` could not be written to the record")]
    NotDeployed {
        /// The file.
        key: Key,
        /// What the record said.
        #[source]
        cause: Cause,
    },
    /// A function's answer cannot be said as it is wanted. Ask for another form, or mend the function.
    #[error("the function's answer cannot be sent: {reason}")]
    BadAnswer {
        /// What in it, and why.
        reason: String,
    },
    /// The file of a function is none that can be called. Mend the file.
    #[error("function `{function}`: {reason}")]
    BadFunction {
        /// The function.
        function: String,
        /// Where in the file, and what is wrong there.
        reason: String,
    },
    /// The arguments do not fit the function's parameters. Mend the call.
    #[error("function `{function}`: {reason}")]
    InvalidArgument {
        /// The function.
        function: String,
        /// Which parameter, and what it wants.
        reason: String,
    },
    /// A function raised an exception that it did not catch. Mend the function, or the call.
    #[error("function `{function}` raised {exception}")]
    FunctionRaised {
        /// The function.
        function: String,
        /// `ValueError: no such date`.
        exception: String,
        /// As Python prints it, of the function's own lines.
        traceback: String,
    },
    /// A function was stopped at one of its limits, or its process ended. Mend the function, or raise the limit.
    #[error("function `{function}` was stopped: {reason}")]
    FunctionStopped {
        /// The function.
        function: String,
        /// Which limit, and what it was.
        reason: String,
    },
    /// As many functions run and wait as may. Try again in a second.
    #[error("function `{function}` has not begun: as many run and wait as this service takes")]
    FunctionBusy {
        /// The function.
        function: String,
    },
    /// A function failed or was stopped. Look at the function.
    #[error("function `{function}` failed")]
    FunctionFailed {
        /// The function.
        function: String,
        /// What happened.
        #[source]
        cause: Cause,
    },
}

/// What a query or a call that ran in a process of its own ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Its process died, most likely of the memory that it may take.
    Died {
        /// What it may take, in bytes.
        memory_max: u64,
    },
    /// Its time was over.
    TimedOut,
    /// Its answer has more bytes than may be held.
    TooLong {
        /// What may be held.
        bytes_max: u64,
    },
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died { memory_max } => write!(f, "its process died, most likely of more than {memory_max} bytes of memory"),
            Self::TimedOut => f.write_str("its time was over"),
            Self::TooLong { bytes_max } => write!(f, "its answer has more than {bytes_max} bytes"),
        }
    }
}

/// Why a listing of the record failed: the same ends as a fetch's, but of no one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// The record refuses. Mend the permissions of this service.
    Forbidden,
    /// The record asks for fewer requests. Try later.
    Throttled,
    /// The record gave no answer or none that can be read. Try later; the operator looks at the network and the record.
    Unreachable,
    /// The time the caller gave has passed.
    Deadline,
    /// There are more than anybody reads. Ask for fewer.
    TooMany,
    /// The caller did not want the record to be asked. Let it be asked.
    NotAsked,
    /// Memory is full of what is under way. Try again in a second.
    NoRoom,
}

impl fmt::Display for Unlisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forbidden => "it does not let this service",
            Self::Throttled => "it asks for fewer requests",
            Self::Unreachable => "it cannot be reached",
            Self::Deadline => "there was not enough time",
            Self::NotAsked => "it was not to be asked",
            Self::NoRoom => "there is no room in memory for it now",
            Self::TooMany => "it has too many objects below this name",
        })
    }
}

impl Error {
    /// The causes behind this error, outermost first, for the log; empty where there are none.
    pub fn cause_text(&self) -> String {
        let mut texts = Vec::new();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            texts.push(error.to_string());
            cause = error.source();
        }
        texts.join(": ")
    }

    /// Whether the record gave no answer, or asks to be left alone: the next question is likely to end so too.
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unreachable { .. } | Self::Deadline { .. })
    }

    /// Whether a stale entry may stand in: the record could not be asked, and did not say no.
    pub fn lets_stale_stand_in(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. }
                | Self::Unreachable { .. }
                | Self::Deadline { .. }
                | Self::Corrupted { .. }
                | Self::Changed { .. }
        )
    }
}
