//! A record that speaks as S3 does and takes as long as it is told: what is left of a row is not the record's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{ETAG, IF_NONE_MATCH, LAST_MODIFIED};
use tokio::net::TcpListener;

use crate::OBJECT;
use crate::seaweed::KEYS;

/// The one bucket; every key in it has the same object.
pub const BUCKET: &str = "instant";

/// The version of every object.
pub const VERSION: &str = "\"1\"";

/// A server that ends with this program.
pub struct InstantRecord {
    address: String,
    asked: Arc<AtomicU64>,
}

impl InstantRecord {
    /// Starts one that answers after `latency`.
    pub async fn start(latency: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address").to_string();
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let answer = move |request: Request| async move {
            count.fetch_add(1, Ordering::Relaxed);
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            answer(&request)
        };
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| stream.set_nodelay(true).expect("a connection"));
        let server = axum::serve(listener, Router::new().route("/instant/{*key}", get(answer)));
        tokio::spawn(async { server.await.expect("a server without an end") });
        Self { address, asked }
    }

    /// Where it listens: `127.0.0.1:41234`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How often it was asked since the last call.
    pub fn take_asked(&self) -> u64 {
        self.asked.swap(0, Ordering::Relaxed)
    }

    /// What tells a server of ours of it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let (access_key, secret) = KEYS;
        let texts = [("AWS_ACCESS_KEY_ID", access_key), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_REGION", "us-east-1")];
        let mut settings: Vec<_> = texts.map(|(name, text)| (name, text.to_owned())).into();
        settings.push(("AWS_ENDPOINT_URL_S3", format!("http://{}", self.address)));
        settings.push(("AWS_BUCKET_NAME", BUCKET.to_owned()));
        settings
    }
}

/// The object, or that it has not changed.
fn answer(request: &Request) -> Response {
    let version = [(ETAG, VERSION), (LAST_MODIFIED, "Mon, 06 Jan 2025 10:00:00 GMT")];
    if request.headers().get(IF_NONE_MATCH).is_some_and(|etag| etag == VERSION) {
        return (StatusCode::NOT_MODIFIED, version).into_response();
    }
    (version, OBJECT.as_slice()).into_response()
}
