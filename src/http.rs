//! The HTTP front door: URLs and headers in, answers and problem documents out. Knows neither Lambda nor the command line.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::Extensions;

use crate::cache::{Ask, Cache};
use crate::freshness::{Deadline, Moment, Timestamp};
use crate::function::Engine;
use crate::record::Presign;

mod batch;
mod cache_control;
mod coding;
mod conditional;
mod digest;
mod docs;
mod etag;
mod form;
mod guard;
mod incoming;
mod listing;
mod multipart;
mod negotiate;
mod objects;
mod openapi;
mod outgoing;
mod oversize;
mod problem;
#[cfg(feature = "frames")]
mod query;
mod range;
mod representation;
mod router;
mod routes;
mod status_header;
mod stored;
#[cfg(feature = "frames")]
mod table;
mod target;
mod telemetry;
mod v1;

pub use guard::{Access, Answering, Guard, Guarded, Reach, TokenDigest};
pub use oversize::{Oversize, instead};
pub use problem::{Problem, RefusedBy};
pub use router::router;
pub use target::key_text;

/// How long a caller waits where the front door sets no deadline: API Gateway's 29 s less the way.
const PATIENCE: Duration = Duration::from_secs(25);

/// What the handlers answer from.
#[derive(Clone)]
pub struct Api {
    /// The cache.
    pub cache: Arc<Cache>,
    /// What runs on it.
    pub engine: Arc<Engine>,
    /// The largest frame a function may ask for, in bytes.
    pub frame_bytes_max: u64,
    /// Makes links to what does not fit a front door; `None` where that is not done.
    pub presign: Option<Arc<dyn Presign>>,
}

/// The last moment that HTTP can write: the end of the year 9999. Source: RFC 9110, section 5.6.7.
const LAST_DATE: Timestamp = Timestamp::from_millis(253_402_300_799_000);

/// A date as headers and documents have it. A file of a source directory may claim to be of any time.
fn date(time: Timestamp) -> String {
    httpdate::fmt_http_date(time.min(LAST_DATE).into())
}

/// The edge where a request gets its time: now, and until when its caller waits.
#[expect(clippy::disallowed_methods, reason = "an edge: here a request gets its time")]
fn ask(extensions: &Extensions) -> Ask {
    let now = Moment { wall: SystemTime::now().into(), monotonic: Instant::now() };
    let deadline = extensions.get::<Deadline>().map_or(now.monotonic + PATIENCE, |deadline| deadline.0);
    Ask::new(now, deadline)
}

/// Until when to wait for a part of an answer that has begun; `given` is the front door's deadline.
#[expect(clippy::disallowed_methods, reason = "an edge: here a part of an answer gets its time")]
fn give_up_at(given: Option<Deadline>) -> Instant {
    given.map_or_else(|| Instant::now() + PATIENCE, |deadline| deadline.0)
}
