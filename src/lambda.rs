//! The Lambda front door: events in, answers out, whole or as they come.
//!
//! It knows no router and no problem format: [`LambdaDoor`] is handed a tower service that answers requests, and a function that
//! puts a [`Refusal`] into words; and [`Events`], which answer what is no request. Lambda's own runtime for HTTP rejects every event
//! that is no request, so the loop is `lambda_runtime` over raw JSON, and `event.rs` tells the events apart. What is streamed is
//! sent by `stream.rs`.
//!
//! The types of the events are those of `aws_lambda_events`. `lambda_http`'s adapters are not used, for they would change
//! what goes through: rebuilding a URL from an event loses `#` and `?` of a key and adds the stage; a body of no or of a text
//! type is decoded and encoded again, which replaces what is not UTF-8; a body that is no base64 panics.

mod answer;
mod door;
mod event;
mod notice;
mod refresh;
mod runtime;
mod stream;
mod task;

pub use answer::{PAYLOAD_BYTES_MAX, Payload};
pub use door::{Door, Values};
pub use event::{Shape, Unanswered};
pub use notice::{Part, Poison};
pub use refresh::{Bucket, Events, Tally};
pub use runtime::{LambdaDoor, Mode, Refuse, run};
pub use stream::{STREAM_BYTES_MAX, Streamed};
pub use task::{Chores, Undone};

/// Why a request gets an answer that the service did not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The event looks like a request and is none. Mend what sends it.
    #[error("the event lacks a part of a request, or has it in another form")]
    BadEvent,
    /// The URL is no URL, or longer than one may be. Mend the request.
    #[error("the URL is too long, or is none")]
    BadTarget,
    /// The body was said to be base64 and is not. Mend what sends it.
    #[error("the body was said to be base64 and is not")]
    BadBase64,
    /// The answer does not go through Lambda. Ask for a part of it.
    #[error("the answer has {bytes} bytes, which do not go through Lambda at once; up to {bytes_max} do")]
    TooLarge {
        /// Length of the body in bytes; where it came in pieces and was left off, of what had come.
        bytes: u64,
        /// Length of the longest body that goes through whatever its bytes are, under the same headers.
        bytes_max: u64,
    },
    /// The invocation's time was over before there was an answer. Try again.
    #[error("there was no answer in the time this invocation had")]
    TimedOut,
    /// The service panicked, or its body broke off. The operator looks at the log.
    #[error("the answer could not be made")]
    Failed,
}
