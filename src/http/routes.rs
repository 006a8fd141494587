//! Every URL on one screen: what answers it, and what is said of it. The router and `/openapi.json` are both made of this table.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use tokio::sync::Semaphore;

use crate::http::problem::{catalogue, page};
use crate::http::{Api, batch, docs, objects, openapi, telemetry, v1};

use self::words::{Answer, Body, Content, Operation};

pub(super) mod header;
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
    Route { paths: &["/health"], serve: || get(telemetry::health), operations: HEALTH },
    Route { paths: &["/stats"], serve: || get(telemetry::stats), operations: STATS },
    Route { paths: &["/problems"], serve: || get(page::list), operations: PROBLEMS },
    Route { paths: &["/problems/{slug}"], serve: || get(page::get), operations: PROBLEM },
    Route { paths: &["/openapi.json"], serve: || get(openapi::get), operations: OPENAPI },
    Route { paths: &["/docs"], serve: || get(docs::get), operations: DOCS },
];

fn cache() -> MethodRouter<Api> {
    let places = Arc::new(Semaphore::new(batch::BATCHES_MAX));
    get(objects::get_or_list)
        .post(move |state: State<Api>, request: Request| batch::create(state, request, Arc::clone(&places)))
        .put(objects::update)
        .delete(objects::evict)
}

fn object() -> MethodRouter<Api> {
    get(objects::get).post(objects::create).put(objects::update).delete(objects::evict)
}

fn original() -> MethodRouter<Api> {
    // The fallback here too, so that the layer reaches it.
    get(v1::run_query).post(v1::run_form).fallback(v1::refuse_method).layer(map_response(forbid_storing))
}

/// The original's callers never met a cache between them and it.
async fn forbid_storing(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What reading an object can come to.
const READ_PROBLEMS: &[&catalogue::Kind] = &[
    &catalogue::INVALID_KEY,
    &catalogue::FORBIDDEN,
    &catalogue::NOT_FOUND,
    &catalogue::ANSWER_TOO_LARGE,
    &catalogue::CORRUPTED,
    &catalogue::UNREACHABLE,
    &catalogue::BUSY,
    &catalogue::CHANGED,
    &catalogue::THROTTLED,
    &catalogue::FAILURE,
    &catalogue::DEADLINE,
];

/// What bringing an object in, or asking whether it has changed, can come to.
const WRITE_PROBLEMS: &[&catalogue::Kind] = &[
    &catalogue::INVALID_KEY,
    &catalogue::MISSING_PARAMETER,
    &catalogue::BAD_PARAMETER,
    &catalogue::CROSS_SITE,
    &catalogue::FORBIDDEN,
    &catalogue::NOT_FOUND,
    &catalogue::BODY_NOT_TAKEN,
    &catalogue::CORRUPTED,
    &catalogue::UNREACHABLE,
    &catalogue::BUSY,
    &catalogue::CHANGED,
    &catalogue::NOT_WRITTEN,
    &catalogue::THROTTLED,
    &catalogue::FAILURE,
    &catalogue::DEADLINE,
];

const EVICT_PROBLEMS: &[&catalogue::Kind] = &[
    &catalogue::INVALID_KEY,
    &catalogue::MISSING_PARAMETER,
    &catalogue::BAD_PARAMETER,
    &catalogue::CROSS_SITE,
    &catalogue::BODY_NOT_TAKEN,
    &catalogue::NOT_WRITTEN,
];

const BODY: Answer = Answer {
    status: StatusCode::OK,
    what: "The object as it is in the record.",
    headers: header::OF_BODIES,
    content: Content::Bytes,
};
const HEAD_OF_BODY: Answer = Answer { what: "What a GET would say.", content: Content::Nothing, ..BODY };
const PART: Answer = Answer {
    status: StatusCode::PARTIAL_CONTENT,
    what: "The part that Range asks for.",
    headers: header::OF_PARTS,
    content: Content::Bytes,
};
const UNCHANGED: Answer = Answer {
    status: StatusCode::NOT_MODIFIED,
    what: "The client has this version.",
    headers: header::OF_VERSIONS,
    content: Content::Nothing,
};
const ELSEWHERE: Answer = Answer {
    status: StatusCode::TEMPORARY_REDIRECT,
    what: "In Lambda with CACHE_API_REDIRECT=on: too large for the front door; the bucket itself has it, for 60 s.",
    headers: header::OF_LINKS,
    content: Content::Nothing,
};
const EVICTED: Answer =
    Answer { status: StatusCode::NO_CONTENT, what: "It is not cached (any more).", headers: &[], content: Content::Nothing };
const UPDATED: Answer = Answer {
    status: StatusCode::OK,
    what: "What the object is now.",
    headers: header::OF_READS,
    content: Content::Json(schema::OBJECT),
};
const CREATED: Answer = Answer {
    status: StatusCode::CREATED,
    what: "It is cached.",
    headers: header::OF_CREATIONS,
    content: Content::Json(schema::OBJECT),
};

static CACHE: &[Operation] = &[
    Operation {
        method: "get",
        id: "get_or_list",
        word: "READ",
        summary: "Lists what is cached, or with `path` reads an object",
        more: "Without `path`: a page of what is cached, or with `source=record` of what the record holds, in the order of the \
               names' bytes. `next` is the URL of the page after it. With `path`: the same as `/cache/{key}`, for front doors that \
               do not let every path through.",
        parameters: parameter::OF_LISTINGS,
        body: None,
        answers: &[
            Answer {
                status: StatusCode::OK,
                what: "A page of keys, or the object that `path` names.",
                headers: header::OF_LISTINGS_AND_BODIES,
                content: Content::JsonOrBytes(schema::LISTING),
            },
            PART,
            UNCHANGED,
            ELSEWHERE,
        ],
        problems: &[
            &catalogue::BAD_PARAMETER,
            &catalogue::INVALID_KEY,
            &catalogue::FORBIDDEN,
            &catalogue::NOT_FOUND,
            &catalogue::ANSWER_TOO_LARGE,
            &catalogue::RANGE_NOT_SATISFIABLE,
            &catalogue::CORRUPTED,
            &catalogue::UNREACHABLE,
            &catalogue::BUSY,
            &catalogue::CHANGED,
            &catalogue::THROTTLED,
            &catalogue::FAILURE,
            &catalogue::DEADLINE,
        ],
        curl: "curl 'http://HOST/cache?prefix=prices/&limit=100'",
    },
    Operation {
        method: "head",
        id: "head_or_telemetry",
        word: "TELEMETRY",
        summary: "Says in headers how much is cached, or with `path` what an object is",
        more: "The figures of `/stats` that matter most.",
        parameters: parameter::OF_NAMED_OBJECTS,
        body: None,
        answers: &[
            Answer {
                status: StatusCode::OK,
                what: "The figures, or what a GET of the object would say.",
                headers: header::OF_TELEMETRY_AND_BODIES,
                content: Content::Nothing,
            },
            UNCHANGED,
        ],
        problems: READ_PROBLEMS,
        curl: "curl -I http://HOST/cache",
    },
    Operation {
        method: "post",
        id: "create_many",
        word: "CREATE",
        summary: "Caches many objects, or with `path` one",
        more: "The body names keys or patterns (`*`, `**`, `?`, `[ab]`, `{a,b}`). What is not cached is fetched; what is, is asked for \
               at the record. The answer comes as it is done: a line of JSON for each key, `outcome` being `created`, `refreshed`, \
               `already`, `failed` (with `problem`) or `left` (no time), and a last line `summary`. An answer without that line broke \
               off. The status is 200 however many keys failed.",
        parameters: &[&parameter::PATH],
        body: Some(Body { what: "Which keys; nothing where `path` names one.", schema: schema::BATCH }),
        answers: &[
            Answer {
                status: StatusCode::OK,
                what: "A line a key, and a summary.",
                headers: header::OF_BATCHES,
                content: Content::Lines(schema::LINE),
            },
            CREATED,
        ],
        problems: &[
            &catalogue::BAD_FORM,
            &catalogue::BAD_PARAMETER,
            &catalogue::INVALID_KEY,
            &catalogue::MISSING_PARAMETER,
            &catalogue::CROSS_SITE,
            &catalogue::FORBIDDEN,
            &catalogue::NOT_FOUND,
            &catalogue::SLOW_REQUEST,
            &catalogue::FORM_TOO_LARGE,
            &catalogue::ANSWER_TOO_LARGE,
            &catalogue::BODY_NOT_TAKEN,
            &catalogue::CORRUPTED,
            &catalogue::UNREACHABLE,
            &catalogue::BUSY,
            &catalogue::CHANGED,
            &catalogue::THROTTLED,
            &catalogue::FAILURE,
            &catalogue::DEADLINE,
        ],
        curl: "curl http://HOST/cache -d '{\"patterns\": [\"prices/*.csv\"]}'",
    },
    Operation {
        method: "put",
        id: "update_named",
        word: "UPDATE",
        summary: "The same as PUT of `/cache/{key}`",
        more: "",
        parameters: &[&parameter::PATH_NEEDED],
        body: None,
        answers: &[UPDATED],
        problems: WRITE_PROBLEMS,
        curl: "curl -X PUT 'http://HOST/cache?path=prices.csv'",
    },
    Operation {
        method: "delete",
        id: "evict_named",
        word: "DELETE",
        summary: "The same as DELETE of `/cache/{key}`",
        more: "",
        parameters: &[&parameter::PATH_NEEDED],
        body: None,
        answers: &[EVICTED],
        problems: EVICT_PROBLEMS,
        curl: "curl -X DELETE 'http://HOST/cache?path=prices.csv'",
    },
];

static OBJECT: &[Operation] = &[
    Operation {
        method: "get",
        id: "get_object",
        word: "READ",
        summary: "Reads an object according to the cache-aside pattern",
        more: "From memory, else from the shared directory, else from the record. The key may have slashes, as they are or as `%2F`. \
               Cache-Status says where the answer came from, Age how long ago the record confirmed it.",
        parameters: parameter::OF_OBJECTS,
        body: None,
        answers: &[BODY, PART, UNCHANGED, ELSEWHERE],
        problems: &[
            &catalogue::INVALID_KEY,
            &catalogue::FORBIDDEN,
            &catalogue::NOT_FOUND,
            &catalogue::ANSWER_TOO_LARGE,
            &catalogue::RANGE_NOT_SATISFIABLE,
            &catalogue::CORRUPTED,
            &catalogue::UNREACHABLE,
            &catalogue::BUSY,
            &catalogue::CHANGED,
            &catalogue::THROTTLED,
            &catalogue::FAILURE,
            &catalogue::DEADLINE,
        ],
        curl: "curl http://HOST/cache/prices.csv",
    },
    Operation {
        method: "head",
        id: "head_object",
        word: "READ",
        summary: "Says what an object is, without its bytes",
        more: "",
        parameters: parameter::OF_OBJECTS,
        body: None,
        answers: &[HEAD_OF_BODY, UNCHANGED],
        problems: READ_PROBLEMS,
        curl: "curl -I http://HOST/cache/prices.csv",
    },
    Operation {
        method: "post",
        id: "create_object",
        word: "CREATE",
        summary: "Caches an object from the record, if it is not cached",
        more: "Takes no body: cache-api never writes data.",
        parameters: &[&parameter::KEY],
        body: None,
        answers: &[CREATED],
        problems: WRITE_PROBLEMS,
        curl: "curl -X POST http://HOST/cache/prices.csv",
    },
    Operation {
        method: "put",
        id: "update_object",
        word: "UPDATE",
        summary: "Asks the record whether an object has changed, now",
        more: "Takes no body. Every instance on the shared directory knows within CACHE_API_MEMORY_MAX_AGE.",
        parameters: &[&parameter::KEY],
        body: None,
        answers: &[UPDATED],
        problems: WRITE_PROBLEMS,
        curl: "curl -X PUT http://HOST/cache/prices.csv",
    },
    Operation {
        method: "delete",
        id: "evict_object",
        word: "DELETE",
        summary: "Evicts an object from the cache, never from the record",
        more: "",
        parameters: &[&parameter::KEY],
        body: None,
        answers: &[EVICTED],
        problems: EVICT_PROBLEMS,
        curl: "curl -X DELETE http://HOST/cache/prices.csv",
    },
];

/// What a call of the original's API can come to.
const ORIGINAL_PROBLEMS: &[&catalogue::Kind] = &[
    &catalogue::BAD_FORM,
    &catalogue::BAD_PARAMETER,
    &catalogue::INVALID_ARGUMENT,
    &catalogue::INVALID_KEY,
    &catalogue::MISSING_PARAMETER,
    &catalogue::CROSS_SITE,
    &catalogue::FORBIDDEN,
    &catalogue::NOT_FOUND,
    &catalogue::UNKNOWN_FUNCTION,
    &catalogue::SLOW_REQUEST,
    &catalogue::ANSWER_TOO_LARGE,
    &catalogue::FORM_TOO_LARGE,
    &catalogue::TOO_LARGE,
    &catalogue::UNKNOWN_FORMAT,
    &catalogue::UNPARSABLE,
    &catalogue::FAILURE,
    &catalogue::FUNCTION_FAILED,
    &catalogue::CORRUPTED,
    &catalogue::UNREACHABLE,
    &catalogue::BUSY,
    &catalogue::CHANGED,
    &catalogue::NOT_WRITTEN,
    &catalogue::THROTTLED,
    &catalogue::DEADLINE,
];

const RETURNED: Answer = Answer {
    status: StatusCode::OK,
    what: "The original's envelope; `value` is always text. A DELETE of what is not cached answers 404 with the same envelope.",
    headers: header::UNCACHED,
    content: Content::Json(schema::RETURN),
};

static ORIGINAL: &[Operation] = &[
    Operation {
        method: "get",
        id: "run_query",
        word: "",
        summary: "The original's API: a command on an object, or a function",
        more: "`command` with `path`, or `function` with the function's own parameters. `create`, `update` and `delete` change what is \
               cached, and are refused to pages of other origins.",
        parameters: parameter::OF_THE_ORIGINAL,
        body: None,
        answers: &[RETURNED],
        problems: ORIGINAL_PROBLEMS,
        curl: "curl 'http://HOST/cache/api/v1.0/?command=read&path=prices.csv'",
    },
    Operation {
        method: "head",
        id: "run_query_unseen",
        word: "",
        summary: "The same, and only the head of the answer",
        more: "",
        parameters: parameter::OF_THE_ORIGINAL,
        body: None,
        answers: &[Answer { content: Content::Nothing, ..RETURNED }],
        problems: ORIGINAL_PROBLEMS,
        curl: "curl -I 'http://HOST/cache/api/v1.0/?command=read&path=prices.csv'",
    },
    Operation {
        method: "post",
        id: "run_form",
        word: "",
        summary: "The same as a form",
        more: "",
        parameters: &[],
        body: Some(Body { what: "The parameters of the call.", schema: schema::FORM }),
        answers: &[RETURNED],
        problems: ORIGINAL_PROBLEMS,
        curl: "curl http://HOST/cache/api/v1.0/ -d '{\"data\": {\"function\": \"echo\", \"message\": \"hello\"}}'",
    },
];

/// A GET that always answers, and its HEAD.
macro_rules! pages {
    ($($name:ident = $id:literal, $head:literal, $summary:literal, $parameters:expr, $headers:expr, $content:expr, $problems:expr, $curl:literal;)+) => {
        $(static $name: &[Operation] = &[
            Operation {
                method: "get",
                id: $id,
                word: "",
                summary: $summary,
                more: "",
                parameters: $parameters,
                body: None,
                answers: &[Answer { status: StatusCode::OK, what: $summary, headers: $headers, content: $content }],
                problems: $problems,
                curl: $curl,
            },
            Operation {
                method: "head",
                id: $head,
                word: "",
                summary: "The same, without the body",
                more: "",
                parameters: $parameters,
                body: None,
                answers: &[Answer { status: StatusCode::OK, what: $summary, headers: $headers, content: Content::Nothing }],
                problems: $problems,
                curl: "",
            },
        ];)+
    };
}

pages! {
    HEALTH = "health", "health_head", "Says that the process answers, without a token", &[], &[], Content::Json(schema::HEALTH), &[],
        "curl http://HOST/health";
    STATS = "stats", "stats_head", "What is held, and how many answers came from where", &[], &[], Content::Json(schema::STATS), &[],
        "curl http://HOST/stats";
    PROBLEMS = "problems", "problems_head", "All kinds of problems: what each means, what to do", &[&parameter::ACCEPT], header::OF_PAGES,
        Content::Page(schema::PROBLEM_KINDS), &[], "curl http://HOST/problems";
    PROBLEM = "problem", "problem_head", "One kind of problem", parameter::OF_PROBLEMS, header::OF_PAGES,
        Content::Page(schema::PROBLEM_KIND), &[&catalogue::UNKNOWN_URL], "curl http://HOST/problems/not-found";
    OPENAPI = "openapi", "openapi_head", "This document", &[], header::OF_DOCUMENTS, Content::Json(schema::ANY), &[],
        "curl http://HOST/openapi.json";
    DOCS = "docs", "docs_head", "The same for people", &[], header::OF_PAGES, Content::Html, &[], "curl http://HOST/docs";
}
