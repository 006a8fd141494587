//! What the service says of itself: `/health`, `/stats`, and `/cache` without a key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::ALLOW;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::cache::{Cache, Head};
use crate::freshness::Moment;
use crate::http::representation::bodiless;
use crate::http::{Api, date};

/// `GET /health`: the process answers. Says nothing of the record, so that nobody restarts us for its sake.
pub(super) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `OPTIONS` of what can only be read.
pub(super) async fn say_methods() -> impl IntoResponse {
    allow("GET,HEAD,OPTIONS")
}

/// Which methods a URL takes. Source: RFC 9110, section 9.3.7.
pub(super) fn allow(methods: &'static str) -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(ALLOW, methods)], bodiless())
}

/// `GET /stats`: what is held, and how many answers came from where.
pub(super) async fn stats(State(api): State<Api>) -> Json<Head> {
    Json(api.cache.head().await)
}

/// `HEAD /cache`: the same in a few headers.
pub(super) async fn head(cache: &Arc<Cache>) -> impl IntoResponse + use<> {
    let head = cache.head().await;
    let figures = [
        ("cache-api-keys", head.keys),
        ("cache-api-memory-bytes", head.memory_bytes),
        ("cache-api-directory-bytes", head.directory_bytes),
        ("cache-api-hits", head.counts.hits()),
        ("cache-api-misses", head.counts.misses()),
    ];
    figures.map(|(name, figure)| (HeaderName::from_static(name), HeaderValue::from(figure)))
}

/// `GET /cache`: {"keys": [{"key", "size" in bytes, "etag", "last_modified", "age" in seconds}]}, by key.
pub(super) async fn list(cache: &Arc<Cache>, now: Moment) -> Json<Value> {
    let lines = cache.list().await.into_iter().map(|line| {
        json!({
            "key": line.key,
            "size": line.size,
            "etag": &*line.version.etag,
            "last_modified": date(line.version.last_modified),
            "age": now.wall.since(line.confirmed_at).as_secs(),
        })
    });
    Json(json!({ "keys": lines.collect::<Vec<_>>() }))
}
