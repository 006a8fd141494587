//! `/openapi.json`: the table of [`ROUTES`] as an OpenAPI 3.1 document.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::http::problem::catalogue::{self, Kind};
use crate::http::routes::header::{self, Header};
use crate::http::routes::parameter::{Form, Parameter, Place};
use crate::http::routes::schema::{self, Schema};
use crate::http::routes::words::{Answer, Content, Operation};
use crate::http::routes::{ROUTES, Route};

/// Made when it is first asked for: a cold start has no use for it.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// What the guard may say, of every URL but `/health`.
static OF_EVERY_URL: &[&Kind] =
    &[&catalogue::BAD_REQUEST, &catalogue::UNAUTHORIZED, &catalogue::MISDIRECTED, &catalogue::OVERLOADED];

/// `GET /openapi.json`.
pub(super) async fn get() -> Response {
    let mut response = DOCUMENT.as_str().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}

/// As OpenAPI writes a path: without the star of what takes slashes too.
pub(super) fn path(route: &Route) -> String {
    route.paths.last().copied().unwrap_or_default().replace("{*", "{")
}

fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let operations = route.operations.iter().map(|said| (said.method.to_owned(), operation(said)));
        paths.insert(path(route), Value::from(operations.collect::<Map<_, _>>()));
    }
    let schemas: Map<_, _> = schema::ALL.iter().map(|schema| (schema.name.to_owned(), (schema.form)())).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "cache-api",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Files from a bucket or a directory, kept close and served over HTTP.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        // Where no CACHE_API_TOKEN is set, none is asked for.
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "CACHE_API_TOKEN, where one is set." } },
        },
    })
}

fn operation(said: &Operation) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), Value::from(said.id));
    operation.insert("summary".to_owned(), Value::from(said.summary));
    if !said.more.is_empty() {
        operation.insert("description".to_owned(), Value::from(said.more));
    }
    operation.insert("parameters".to_owned(), said.parameters.concat().into_iter().map(parameter_of).collect());
    if let Some(body) = &said.body {
        let is_needed = said.parameters.is_empty();
        let content = json!({ "application/json": { "schema": reference(&body.schema) } });
        operation
            .insert("requestBody".to_owned(), json!({ "description": body.what, "required": is_needed, "content": content }));
    }
    operation.insert("responses".to_owned(), responses(said));
    if said.id.starts_with("health") {
        operation.insert("security".to_owned(), json!([]));
    }
    Value::from(operation)
}

fn parameter_of(parameter: &Parameter) -> Value {
    let Parameter { name, place, is_needed, what, form } = parameter;
    let place = match place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    let schema = match form {
        Form::Text(example) => json!({ "type": "string", "examples": [example] }),
        Form::Key => schema::key(),
        Form::Number => json!({ "type": "integer", "minimum": 0 }),
        Form::UpTo(most) => json!({ "type": "integer", "minimum": 1, "maximum": most }),
        Form::OneOf(words) => json!({ "type": "string", "enum": words }),
    };
    json!({ "name": name, "in": place, "required": is_needed, "description": what, "schema": schema })
}

/// A status is there once: what is answered with it is said together.
fn responses(said: &Operation) -> Value {
    let mut responses = Map::new();
    for Answer { status, what, headers, content } in said.answers {
        let mut response = json!({ "description": what, "headers": headers_of(&headers.concat()) });
        if let Some(content) = content_of(*content) {
            response["content"] = content;
        }
        responses.insert(status.as_u16().to_string(), response);
    }
    let mut by_status = BTreeMap::<StatusCode, Vec<&Kind>>::new();
    for kind in said.problems.iter().copied().chain([OF_EVERY_URL]).flatten().copied() {
        by_status.entry(kind.status).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        let lines = kinds.iter().map(|kind| format!("- [{}](/problems/{}): {}", kind.title, kind.slug, kind.meaning));
        let headers: Vec<_> = kinds.iter().flat_map(|kind| headers_of_problem(kind).concat()).collect();
        let mut response = json!({ "description": lines.collect::<Vec<_>>().join("\n"), "headers": headers_of(&headers) });
        if said.method != "head" {
            response["content"] = json!({ "application/problem+json": { "schema": reference(&schema::PROBLEM) } });
            // The original says in its own words that nothing was cached.
            if status == catalogue::NOT_FOUND.status && said.id.starts_with("run_") {
                response["content"]["application/json"] = json!({ "schema": reference(&schema::RETURN) });
            }
        }
        responses.insert(status.as_u16().to_string(), response);
    }
    Value::from(responses)
}

/// What a problem of this kind says in headers.
fn headers_of_problem(kind: &Kind) -> &'static [&'static [&'static Header]] {
    match kind.slug {
        "not-found" | "not-cached" => &[header::KEEPING, header::ABSENCE],
        "unauthorized" => &[header::KEEPING, header::REFUSAL],
        "precondition-failed" => &[header::VERSION],
        "range-not-satisfiable" => &[header::VERSION, header::LENGTH],
        "not-acceptable" => &[header::KEEPING, header::CHOICE],
        "busy" | "changed" | "not-written" | "throttled" | "overloaded" | "unreachable" => &[header::KEEPING, header::DELAY],
        _ => &[header::KEEPING],
    }
}

fn headers_of(headers: &[&Header]) -> Value {
    let said = headers.iter().map(|header| {
        let schema = json!({ "type": "string", "examples": [header.example] });
        (header.name.to_owned(), json!({ "description": header.what, "schema": schema }))
    });
    Value::from(said.collect::<Map<_, _>>())
}

fn content_of(content: Content) -> Option<Value> {
    let schema = |schema: &Schema| json!({ "schema": reference(schema) });
    let bytes = json!({});
    let text = json!({ "schema": { "type": "string" } });
    Some(match content {
        Content::Nothing => return None,
        Content::Json(kind) => json!({ "application/json": schema(&kind) }),
        Content::JsonOrBytes(kind) => {
            json!({ "application/json": { "schema": { "anyOf": [reference(&kind), {}] } }, "*/*": bytes })
        }
        Content::Lines(kind) => json!({ "application/x-ndjson": schema(&kind) }),
        Content::Page(kind) => json!({ "application/json": schema(&kind), "text/html": text, "text/markdown": text }),
        Content::Html => json!({ "text/html": text }),
        Content::Bytes => json!({ "*/*": bytes }),
        Content::BytesOrParts => json!({ "*/*": bytes, "multipart/byteranges": bytes }),
    })
}

fn reference(schema: &Schema) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", schema.name) })
}
