//! The body of a request, where one is taken: whole, up to a size, and within the request's time.

use std::error::Error as StdError;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use tokio::time::timeout_at;

use crate::http::problem::Problem;

/// Reads `body` to its end.
///
/// # Errors
/// A problem where it is longer than `bytes_max`, is not there by `deadline`, or breaks off.
pub(super) async fn whole(body: Body, bytes_max: usize, deadline: Instant) -> Result<Bytes, Problem> {
    let read = timeout_at(deadline.into(), to_bytes(body, bytes_max)).await.map_err(|_| Problem::slow_request())?;
    read.map_err(|error| {
        let is_long = error.source().is_some_and(|cause| cause.is::<LengthLimitError>());
        if is_long { Problem::form_too_large(bytes_max) } else { Problem::bad_request("the body broke off; send all of it") }
    })
}
