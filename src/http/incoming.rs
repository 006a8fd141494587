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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::{StreamExt, stream};

    use super::*;

    async fn refusal(body: Body) -> String {
        let soon = tokio::time::Instant::now().into_std() + Duration::from_millis(20);
        let problem = whole(body, 10, soon).await.expect_err("it is refused").document();
        problem["type"].as_str().unwrap_or_default().to_owned()
    }

    /// "Slow clients": a body that stops coming costs the request's time and no more.
    #[tokio::test]
    async fn a_body_that_is_late_or_long_or_breaks_off_is_refused() {
        let begun = stream::iter([Ok::<_, Infallible>("begun")]).chain(stream::pending());
        assert_eq!(refusal(Body::from_stream(begun)).await, "/problems/slow-request");
        let broken = stream::iter([Ok("begun"), Err(std::io::Error::other("gone"))]);
        assert_eq!(refusal(Body::from_stream(broken)).await, "/problems/bad-request");
        assert_eq!(refusal(Body::from("eleven byte")).await, "/problems/form-too-large");
        let soon = tokio::time::Instant::now().into_std() + Duration::from_secs(60);
        assert_eq!(whole(Body::from("ten bytes!"), 10, soon).await.ok().as_deref(), Some(&b"ten bytes!"[..]));
    }
}
