//! What the service says of itself: `/health`, `/stats`, and `HEAD /cache`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::ALLOW;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::cache::{Cache, Head};
use crate::http::Api;
use crate::http::representation::bodiless;

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

/// The figures of `/stats` that matter most, as headers.
pub(super) async fn write_figures(headers: &mut HeaderMap, cache: &Cache) {
    let head = cache.head().await;
    let figures = [
        ("cache-api-keys", head.keys),
        ("cache-api-memory-bytes", head.memory_bytes),
        ("cache-api-directory-bytes", head.directory_bytes),
        ("cache-api-hits", head.counts.hits()),
        ("cache-api-misses", head.counts.misses()),
    ];
    headers.extend(figures.map(|(name, figure)| (HeaderName::from_static(name), HeaderValue::from(figure))));
}
