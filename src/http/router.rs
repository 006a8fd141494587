//! The router, made of the table of routes.

use axum::Router;
use axum::extract::Request;

use crate::http::problem::Problem;
use crate::http::routes::ROUTES;
use crate::http::{Api, objects};

/// The service that all front doors answer with.
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        for path in route.paths {
            router = router.route(path, (route.serve)());
        }
    }
    router.method_not_allowed_fallback(objects::refuse_method).fallback(refuse_url).with_state(api)
}

async fn refuse_url(request: Request) -> Problem {
    Problem::unknown_url(request.uri().path())
}
