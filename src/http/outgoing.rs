//! The body of an answer that is an object or a part of it: as long as its head says, or broken off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::body::{Frame, SizeHint};

use crate::entry::Chunks;
use crate::key::Key;

/// Bytes as they come. An end before the announced length is an error, so that no client takes a piece for the whole.
pub(super) struct Outgoing {
    key: Key,
    /// `None` where only the length is of use.
    bytes: Option<Chunks>,
    left: u64,
}

/// The answer broke off.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off {left} bytes before its end")]
struct BrokenOff {
    left: u64,
}

impl Outgoing {
    /// A body of `length` bytes, which are `bytes`.
    pub fn body(key: &Key, bytes: Chunks, length: u64) -> Body {
        Body::new(Self { key: key.clone(), bytes: Some(bytes), left: length })
    }

    /// The length of a body whose bytes nobody reads: of an answer to HEAD, or one that its front door will not let through.
    pub fn length(key: &Key, length: u64) -> Body {
        Body::new(Self { key: key.clone(), bytes: None, left: length })
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = match &mut self.bytes {
            Some(bytes) => ready!(bytes.poll_next_unpin(context)),
            None => None,
        };
        match next {
            Some(Ok(bytes)) if bytes.len() as u64 <= self.left => {
                self.left -= bytes.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Some(Err(error)) => {
                tracing::error!(key = %self.key, %error, cause = error.cause_text(), "the body of an answer broke off");
            }
            Some(Ok(_)) | None => tracing::error!(key = %self.key, "the body of an answer is not as long as was said"),
        }
        self.bytes = None;
        let broken = BrokenOff { left: self.left };
        Poll::Ready(Some(Err(axum::Error::new(broken))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
