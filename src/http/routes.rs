//! Every URL on one screen: what answers it, and by the name of its list in [`operations`] what is said of it. The router and
//! `/openapi.json` are both made of this table.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use tokio::sync::Semaphore;

use crate::http::problem::page;
#[cfg(feature = "frames")]
use crate::http::query;
use crate::http::{Api, batch, docs, objects, openapi, telemetry, v1};

#[cfg(feature = "frames")]
use self::operations::QUERY;
use self::operations::{CACHE, DOCS, HEALTH, OBJECT, OPENAPI, ORIGINAL, PROBLEM, PROBLEMS, STATS};
use self::words::Operation;

pub(super) mod header;
mod operations;
mod outcome;
pub(super) mod parameter;
pub(super) mod schema;
pub(super) mod words;

/// A URL, or a shape of URLs.
pub(super) struct Route {
    /// As axum writes them; the last is the one that is documented.
    pub paths: &'static [&'static str],
    /// What answers.
    pub serve: fn() -> MethodRouter<Api>,
    /// What is said of each method.
    pub operations: &'static [Operation],
}

/// All of them.
pub(super) static ROUTES: &[Route] = &[
    Route { paths: &["/cache"], serve: cache, operations: CACHE },
    Route { paths: &["/cache/", "/cache/{*key}"], serve: object, operations: OBJECT },
    Route { paths: &["/cache/api/v1.0", "/cache/api/v1.0/"], serve: original, operations: ORIGINAL },
    #[cfg(feature = "frames")]
    Route {
        paths: &["/query"],
        serve: || get(query::ask_query).post(query::ask_form).options(query::say_methods),
        operations: QUERY,
    },
    Route { paths: &["/health"], serve: || get(telemetry::health).options(telemetry::say_methods), operations: HEALTH },
    Route { paths: &["/stats"], serve: || get(telemetry::stats).options(telemetry::say_methods), operations: STATS },
    Route { paths: &["/problems"], serve: || get(page::list).options(telemetry::say_methods), operations: PROBLEMS },
    Route { paths: &["/problems/{slug}"], serve: || get(page::get).options(telemetry::say_methods), operations: PROBLEM },
    Route { paths: &["/openapi.json"], serve: || get(openapi::get).options(telemetry::say_methods), operations: OPENAPI },
    Route { paths: &["/docs"], serve: || get(docs::get).options(telemetry::say_methods), operations: DOCS },
];

fn cache() -> MethodRouter<Api> {
    let places = Arc::new(Semaphore::new(batch::BATCHES_MAX));
    get(objects::get_or_list)
        .post(move |state: State<Api>, request: Request| batch::create(state, request, Arc::clone(&places)))
        .put(objects::update)
        .delete(objects::evict)
        .options(objects::say_methods)
}

fn object() -> MethodRouter<Api> {
    get(objects::get).post(objects::create).put(objects::update).delete(objects::evict).options(objects::say_methods)
}

fn original() -> MethodRouter<Api> {
    // The fallback here too, so that the layer reaches it.
    get(v1::run_query).post(v1::run_form).options(v1::say_methods).fallback(v1::refuse_method).layer(map_response(forbid_storing))
}

/// The original's callers never met a cache between them and it.
async fn forbid_storing(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
