//! Every URL on one screen.

use axum::Router;
use axum::extract::Request;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::HeaderValue;
use http::header::CACHE_CONTROL;

use crate::http::problem::Problem;
use crate::http::{Api, objects, telemetry, v1};

/// The service that all front doors answer with.
pub fn router(api: Api) -> Router {
    let original = Router::new()
        .route("/cache/api/v1.0", get(v1::run_query).post(v1::run_form).options(v1::say_methods))
        .route("/cache/api/v1.0/", get(v1::run_query).post(v1::run_form).options(v1::say_methods))
        // Here too, so that the layer reaches it.
        .method_not_allowed_fallback(v1::refuse_method)
        .layer(map_response(forbid_storing));
    Router::new()
        .route("/cache", get(objects::get_or_list).merge(changes()))
        .route("/cache/", get(objects::get).merge(changes()))
        .route("/cache/{*key}", get(objects::get).merge(changes()))
        .route("/health", get(telemetry::health).options(telemetry::say_methods))
        .route("/stats", get(telemetry::stats).options(telemetry::say_methods))
        .merge(original)
        .method_not_allowed_fallback(objects::refuse_method)
        .fallback(refuse_url)
        .with_state(api)
}

/// What may be done with an object besides reading it.
fn changes() -> MethodRouter<Api> {
    post(objects::create).put(objects::update).delete(objects::evict).options(objects::say_methods)
}

/// The original's callers never met a cache between them and it.
async fn forbid_storing(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn refuse_url(request: Request) -> Problem {
    Problem::unknown_url(request.uri().path())
}
