//! What the answers of S3 show of its clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use aws_sdk_s3::config::interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use crate::freshness::{ClockBounds, Timestamp};

/// Watches one request of the SDK and compares our clock with the `Date` of its last attempt's answer.
#[derive(Clone, Debug, Default)]
pub(super) struct ClockWatch(Arc<Mutex<Reading>>);

/// What was seen of one attempt.
#[derive(Debug, Default)]
struct Reading {
    asked: Option<Timestamp>,
    bounds: Option<ClockBounds>,
}

impl ClockWatch {
    /// What the last attempt showed; `None` where it had no answer or the answer no legible `Date`.
    pub(super) fn bounds(&self) -> Option<ClockBounds> {
        self.reading(|reading| reading.bounds)
    }

    fn reading<T>(&self, see: impl FnOnce(&mut Reading) -> T) -> T {
        see(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for ClockWatch {
    fn name(&self) -> &'static str {
        "ClockWatch"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.reading(|reading| *reading = Reading { asked: Some(wall_clock()), bounds: None });
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answered = wall_clock();
        let date = context.response().headers().get("date").and_then(parse_date);
        self.reading(|reading| {
            reading.bounds = reading.asked.zip(date).map(|(asked, date)| ClockBounds::from_date(date, asked, answered));
        });
        Ok(())
    }
}

/// Reads a date of HTTP, which has whole seconds; `None` for anything else.
pub(super) fn parse_date(text: &str) -> Option<Timestamp> {
    httpdate::parse_http_date(text).ok().map(Timestamp::from)
}

/// Whether there is no time left.
#[expect(clippy::disallowed_methods, reason = "the S3 record is an edge: the time a caller has left is taken here")]
pub(super) fn has_passed(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

#[expect(clippy::disallowed_methods, reason = "the S3 record is an edge: the times of asking and answering are taken here")]
fn wall_clock() -> Timestamp {
    SystemTime::now().into()
}
