//! The HTTP front door: URLs and headers in, answers and problem documents out. Knows neither Lambda nor the command line.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::Extensions;

use crate::cache::{Ask, Cache};
use crate::freshness::{Deadline, Moment};
use crate::function::Registry;
use crate::record::Presign;

mod batch;
mod conditional;
mod docs;
mod form;
mod guard;
mod incoming;
mod listing;
mod objects;
mod openapi;
mod outgoing;
mod oversize;
mod problem;
mod range;
mod router;
mod routes;
mod status_header;
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
    pub functions: Arc<Registry>,
    /// The largest frame a function may ask for, in bytes.
    pub frame_bytes_max: u64,
    /// Makes links to what does not fit a front door; `None` where that is not done.
    pub presign: Option<Arc<dyn Presign>>,
}

/// The edge where a request gets its time: now, and until when its caller waits.
#[expect(clippy::disallowed_methods, reason = "an edge: here a request gets its time")]
fn ask(extensions: &Extensions) -> Ask {
    let now = Moment { wall: SystemTime::now().into(), monotonic: Instant::now() };
    let deadline = extensions.get::<Deadline>().map_or(now.monotonic + PATIENCE, |deadline| deadline.0);
    Ask { now, deadline }
}
