//! What operations come to: answers that several have, and the problems by what brings them about.

use http::StatusCode;

use crate::http::problem::catalogue::{self, Kind};

use super::header;
use super::schema;
use super::words::{Answer, Content};

/// Where a key is named, and the tiers or the record are asked of it.
pub const ASKING: &[&Kind] = &[
    &catalogue::INVALID_KEY,
    &catalogue::FORBIDDEN,
    &catalogue::CORRUPTED,
    &catalogue::UNREACHABLE,
    &catalogue::BUSY,
    &catalogue::CHANGED,
    &catalogue::THROTTLED,
    &catalogue::FAILURE,
    &catalogue::DEADLINE,
];
/// Where the object has to be there.
pub const ABSENCE: &[&Kind] = &[&catalogue::NOT_FOUND];
/// Where an object is answered, as it is stored or as a table.
pub const READING: &[&Kind] = &[
    &catalogue::BAD_PARAMETER,
    &catalogue::NOT_ACCEPTABLE,
    &catalogue::PRECONDITION_FAILED,
    &catalogue::ANSWER_TOO_LARGE,
    &catalogue::TOO_LARGE,
    &catalogue::UNKNOWN_FORMAT,
    &catalogue::UNPARSABLE,
    &catalogue::NOT_CACHED,
];
/// Where a part of its bytes is.
pub const RANGES: &[&Kind] = &[&catalogue::RANGE_NOT_SATISFIABLE];
/// Where what is cached of an object is changed.
pub const CHANGING: &[&Kind] = &[
    &catalogue::MISSING_PARAMETER,
    &catalogue::BAD_PARAMETER,
    &catalogue::CROSS_SITE,
    &catalogue::PRECONDITION_FAILED,
    &catalogue::BODY_NOT_TAKEN,
    &catalogue::NOT_WRITTEN,
];
/// Where a body says what is wanted.
pub const FORMS: &[&Kind] =
    &[&catalogue::BAD_FORM, &catalogue::SLOW_REQUEST, &catalogue::FORM_TOO_LARGE, &catalogue::ANSWER_TOO_LARGE];
/// Where the original's API is called.
pub const CALLS: &[&Kind] = &[
    &catalogue::BAD_PARAMETER,
    &catalogue::INVALID_ARGUMENT,
    &catalogue::MISSING_PARAMETER,
    &catalogue::CROSS_SITE,
    &catalogue::UNKNOWN_FUNCTION,
    &catalogue::TOO_LARGE,
    &catalogue::UNKNOWN_FORMAT,
    &catalogue::UNPARSABLE,
    &catalogue::FUNCTION_RAISED,
    &catalogue::FUNCTION_STOPPED,
    &catalogue::FUNCTION_FAILED,
    &catalogue::NOT_WRITTEN,
];
/// Where a function may be one of a file, or is looked for among those.
pub const FUNCTIONS: &[&Kind] = &[
    &catalogue::BAD_ANSWER,
    &catalogue::BAD_FUNCTION,
    &catalogue::NO_SOURCE,
    &catalogue::NOT_CACHED,
    &catalogue::TOO_MANY_NAMES,
];
/// Where the file of a function is written.
pub const DEPLOYS: &[&Kind] = &[&catalogue::NO_DEPLOYS, &catalogue::NOT_DEPLOYED];
/// Where SQL is asked.
pub const QUERYING: &[&Kind] = &[
    &catalogue::BAD_PARAMETER,
    &catalogue::BAD_QUERY,
    &catalogue::MISSING_PARAMETER,
    &catalogue::TOO_LARGE,
    &catalogue::UNKNOWN_FORMAT,
    &catalogue::UNPARSABLE,
    &catalogue::QUERY_TOO_LARGE,
    &catalogue::FUNCTION_FAILED,
    &catalogue::QUERIES_WAIT,
    &catalogue::QUERY_TIMED_OUT,
];
pub const NO_SUCH_PAGE: &[&Kind] = &[&catalogue::UNKNOWN_URL];

pub const BODY: Answer = Answer {
    status: StatusCode::OK,
    what: "The object as it is in the record; of a table, the form and the part that are asked for.",
    headers: &[header::VERSION, header::BODY],
    content: Content::Bytes,
};
pub const HEAD_OF_BODY: Answer = Answer { what: "What a GET would say.", content: Content::Nothing, ..BODY };
pub const PART: Answer = Answer {
    status: StatusCode::PARTIAL_CONTENT,
    what: "The part that Range asks for; several as `multipart/byteranges`.",
    headers: &[header::VERSION, header::BODY, header::LENGTH],
    content: Content::Bytes,
};
pub const UNCHANGED: Answer = Answer {
    status: StatusCode::NOT_MODIFIED,
    what: "The client has this version.",
    headers: &[header::VERSION],
    content: Content::Nothing,
};
pub const ELSEWHERE: Answer = Answer {
    status: StatusCode::TEMPORARY_REDIRECT,
    what: "In Lambda with CACHE_API_REDIRECT=on: too large for the front door; the bucket itself has it, for 60 s.",
    headers: &[header::KEEPING, header::PLACE],
    content: Content::Nothing,
};
pub const TABLE: Answer = Answer {
    status: StatusCode::OK,
    what: "The rows, in the form that is asked for.",
    headers: &[header::ANSWER],
    content: Content::Bytes,
};
pub const EVICTED: Answer =
    Answer { status: StatusCode::NO_CONTENT, what: "It is not cached (any more).", headers: &[], content: Content::Nothing };
pub const UPDATED: Answer = Answer {
    status: StatusCode::OK,
    what: "What the object is now.",
    headers: &[header::READ],
    content: Content::Json(schema::OBJECT),
};
pub const CREATED: Answer = Answer {
    status: StatusCode::CREATED,
    what: "It is cached.",
    headers: &[header::READ, header::PLACE],
    content: Content::Json(schema::OBJECT),
};
pub const CALLED: Answer = Answer {
    status: StatusCode::OK,
    what: "What the function answers: JSON, or a table in the form that is asked for.",
    headers: &[header::RESULT, header::BODY],
    content: Content::Bytes,
};
pub const DESCRIBED: Answer =
    Answer { status: StatusCode::OK, what: "What the function is.", headers: &[], content: Content::Json(schema::FUNCTION) };
pub const METHODS: Answer = Answer {
    status: StatusCode::NO_CONTENT,
    what: "Which methods the URL takes.",
    headers: &[header::METHODS],
    content: Content::Nothing,
};
pub const RETURNED: Answer = Answer {
    status: StatusCode::OK,
    what: "The original's envelope; `value` is always text. A DELETE of what is not cached answers 404 with the same envelope.",
    headers: &[header::KEEPING],
    content: Content::Json(schema::RETURN),
};
