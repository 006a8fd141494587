//! Every kind of problem: what each means, and what to do. `/problems/{slug}` is made of this table, and nothing else is answered
//! as a problem.

use http::StatusCode;

/// A kind of problem.
#[derive(Debug)]
pub struct Kind {
    /// The last part of `type`; never changes once it is out.
    pub slug: &'static str,
    /// The status of every answer of this kind.
    pub status: StatusCode,
    /// A few words, the same for every problem of this kind.
    pub title: &'static str,
    /// What it means, in sentences.
    pub meaning: &'static str,
    /// What to do about it, in sentences.
    pub remedy: &'static str,
}

/// Defines the kinds, and the list of them all.
macro_rules! kinds {
    ($($name:ident = $slug:literal, $status:ident, $title:literal, $meaning:literal, $remedy:literal;)+) => {
        $(pub static $name: Kind = Kind {
            slug: $slug,
            status: StatusCode::$status,
            title: $title,
            meaning: $meaning,
            remedy: $remedy,
        };)+

        /// All kinds, by status.
        pub static ALL: &[&Kind] = &[$(&$name),+];

        /// What they are called in the source.
        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

kinds! {
    BAD_FORM = "bad-form", BAD_REQUEST, "The body is not a form of this API",
        "The body is not JSON, or not of the form that this URL takes.",
        "Write the body as `detail` shows it, in UTF-8, each name once.";
    BAD_PARAMETER = "bad-parameter", BAD_REQUEST, "A parameter does not fit",
        "A parameter of the query has a value that it cannot have, is given twice, or is none of this URL's.",
        "Mend the parameter that `detail` names. /openapi.json says what each may be.";
    BAD_QUERY = "bad-query", BAD_REQUEST, "Not a query that is answered",
        "The statement does not parse, is no SELECT, goes over a bound, calls a function or reads a table that it may not, or does \
         not fit the columns of its tables.",
        "Mend the statement as `detail` says. Tables are names of objects in double quotes, texts stand in single ones.";
    BAD_REQUEST = "bad-request", BAD_REQUEST, "Not a request",
        "What came is no request that can be answered: it has no Host header or two, its body broke off, or its front door made \
         something of it that is no URL.",
        "Mend the client or the proxy that sends it; `detail` says what is wrong.";
    INVALID_ARGUMENT = "invalid-argument", BAD_REQUEST, "An argument does not fit",
        "A function was called with an argument that it has no parameter for, without one that it needs, or with a value that \
         the parameter cannot have.",
        "Mend the call as `detail` says.";
    INVALID_KEY = "invalid-key", BAD_REQUEST, "Not a key",
        "The name breaks a rule of keys: 1 to 1,024 bytes of UTF-8 without control characters, without `.` or `..` as a segment.",
        "Mend the name. In a path `%` begins an encoded byte and `+` is a plus; in a query `+` is a space.";
    MISSING_PARAMETER = "missing-parameter", BAD_REQUEST, "A parameter is missing",
        "The query or the form lacks a parameter that the call cannot do without.",
        "Add the parameter that `detail` names.";
    UNAUTHORIZED = "unauthorized", UNAUTHORIZED, "The token is missing or wrong",
        "This service answers whoever shows its token, and /health to everybody.",
        "Send `Authorization: Bearer TOKEN` with the value of CACHE_API_TOKEN that the operator has set.";
    CROSS_SITE = "cross-site", FORBIDDEN, "Not from a page of another site",
        "A browser sent this on behalf of a page of another origin, and it would change what is cached. Whoever opened that page \
         has not asked for it.",
        "Call from a program or from a page of this server; or have the operator name the page's origin in \
         CACHE_API_CORS_ORIGINS.";
    NO_DEPLOYS = "no-deploys", FORBIDDEN, "No functions are deployed from here",
        "The service does not write the files of functions: that is off, or there is no place for them.",
        "Save the file under AWS_FUNCTION_DIR in the bucket; or have the operator set CACHE_API_FUNCTION_DEPLOY=on.";
    FORBIDDEN = "forbidden", FORBIDDEN, "The record refuses",
        "The bucket or directory does not let this service read the object or list its keys. An object that is not there is \
         refused too where listing is not allowed.",
        "The operator looks at this service's permissions and credentials; its log has the reason.";
    NOT_FOUND = "not-found", NOT_FOUND, "No such object",
        "The bucket or directory has no object of this name. That is remembered for a few seconds; Age says for how long it has been.",
        "Look at the name. If the object was just uploaded, PUT its URL or wait a few seconds.";
    NO_SOURCE = "no-source", NOT_FOUND, "The function has no file",
        "The function comes with the service, and is no file that could be shown.",
        "Look at this service's own source.";
    UNKNOWN_FUNCTION = "unknown-function", NOT_FOUND, "No such function",
        "There is no function of this name.",
        "Call one of those that `detail` names.";
    UNKNOWN_URL = "unknown-url", NOT_FOUND, "No such URL",
        "The path is none of this service's.",
        "Objects are at /cache/KEY, the original's API at /cache/api/v1.0/, the rest stands at /docs.";
    METHOD_NOT_ALLOWED = "method-not-allowed", METHOD_NOT_ALLOWED, "Not with this method",
        "The URL is there, but not for this method.",
        "Use one of the methods that the header Allow names.";
    NOT_ACCEPTABLE = "not-acceptable", NOT_ACCEPTABLE, "Not in such a format",
        "The object cannot be answered in the format that `?format=` names, or in any that Accept admits.",
        "Ask for one of the formats that `detail` names; `?format=stored` is always there.";
    SLOW_REQUEST = "slow-request", REQUEST_TIMEOUT, "The request came too slowly",
        "The body was not there in the time that a request has.",
        "Send it again, over a better connection.";
    PRECONDITION_FAILED = "precondition-failed", PRECONDITION_FAILED, "A condition is not met",
        "The object, or what is cached of it, is not what If-Match, If-None-Match or If-Unmodified-Since take it to be. Nothing was \
         changed.",
        "Read the object again, and decide anew.";
    ANSWER_TOO_LARGE = "answer-too-large", PAYLOAD_TOO_LARGE, "The answer is too large for this front door",
        "Lambda and its front doors let a few megabytes through at once, and this answer has more.",
        "Ask for the parts that `detail` names with Range and If-Range; or have the operator set CACHE_API_RESPONSE_MODE=streamed \
         or CACHE_API_REDIRECT=on.";
    FORM_TOO_LARGE = "form-too-large", PAYLOAD_TOO_LARGE, "The body is too large",
        "The body has more bytes than a form needs. Data is never sent here.",
        "Send fewer parameters or keys at a time; upload data to the bucket.";
    TOO_LARGE = "too-large", PAYLOAD_TOO_LARGE, "The object is too large",
        "The object is larger than what this service may hold in memory to compute on it.",
        "Its bytes are at /cache/KEY, whole or in parts. To compute on it, the operator raises CACHE_API_MEMORY_BUDGET.";
    BODY_NOT_TAKEN = "body-not-taken", UNSUPPORTED_MEDIA_TYPE, "No body is taken",
        "A body came with a request that takes none. cache-api never writes data, and nobody may think that it did.",
        "Upload the object to the bucket, then PUT its URL without a body to refresh it.";
    UNKNOWN_FORMAT = "unknown-format", UNSUPPORTED_MEDIA_TYPE, "Not a format to compute on",
        "The object's name has no ending, or one that nothing here parses.",
        "Its bytes are at /cache/KEY; `detail` names the formats that are parsed.";
    UNPARSABLE = "unparsable", UNSUPPORTED_MEDIA_TYPE, "The object does not parse",
        "The bytes of the object are not what its name's ending says.",
        "Mend it in the bucket; its bytes are at /cache/KEY.";
    RANGE_NOT_SATISFIABLE = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "No such part of the object",
        "The object is shorter than the first byte that was asked for. Content-Range has its length.",
        "Ask for bytes below that length.";
    MISDIRECTED = "misdirected", MISDIRECTED_REQUEST, "Not asked by this name",
        "The server listens on this machine alone, and the Host header has a name that is not this machine's. A page that has its \
         own name point at your machine asks like that (DNS rebinding).",
        "Ask for localhost, 127.0.0.1 or [::1]; a proxy in front sets Host to one of these. For other machines, start \
         `serve --listen ADDRESS:PORT` with CACHE_API_TOKEN set.";
    QUERY_TOO_LARGE = "query-too-large", UNPROCESSABLE_ENTITY, "The query takes too much",
        "A query that cannot be bounded beforehand runs in a process of its own, whose memory and answer are bounded; this one went \
         over that, and was ended. Nothing else was.",
        "Ask for fewer rows and columns, or group before joining. The operator may raise CACHE_API_QUERY_MEMORY.";
    BAD_ANSWER = "bad-answer", UNPROCESSABLE_ENTITY, "The answer cannot be sent in this form",
        "The function answered with something that the form has no words for, as JSON has none for a function.",
        "Ask for another form with `format`, or mend the function.";
    BAD_FUNCTION = "bad-function", UNPROCESSABLE_ENTITY, "The function's file cannot be called",
        "The file of the function does not compile: its header, its parameters or its code break a rule.",
        "Mend the file as `detail` says, and deploy it again.";
    TOO_MANY_NAMES = "too-many-names", UNPROCESSABLE_ENTITY, "Too many objects below a name",
        "The function or query wants all objects below a name, and there are more than are ever listed at once.",
        "Use a longer prefix, or a pattern that begins with one.";
    FUNCTION_RAISED = "function-raised", UNPROCESSABLE_ENTITY, "The function raised an exception",
        "The function's own code raised an exception and did not catch it. `traceback` has it as Python prints it.",
        "Mend the line that `traceback` names, or call the function with something else.";
    FUNCTION_STOPPED = "function-stopped", UNPROCESSABLE_ENTITY, "The function was stopped",
        "The function took more time or memory than a call may have, printed or returned too much, or its process ended. No other \
         call noticed.",
        "Have it do less, or on less: frames keep the heavy work outside of Python. The operator may raise the limit that `detail` \
         names.";
    FAILURE = "failure", INTERNAL_SERVER_ERROR, "A mistake of this service",
        "Something happened that should not have.",
        "The operator looks at this service's log, and files a bug with what it says.";
    FUNCTION_FAILED = "function-failed", INTERNAL_SERVER_ERROR, "The function failed",
        "The function ended without a result.",
        "Whoever wrote it looks at this service's log.";
    CORRUPTED = "corrupted", BAD_GATEWAY, "The object arrived damaged",
        "What came from the bucket does not fit its checksum or its length, more than once. None of it was kept.",
        "Try again.";
    NOT_DEPLOYED = "not-deployed", BAD_GATEWAY, "The record does not take the function",
        "The bucket or directory refused the file of the function, or gave no answer. What was there is as it was.",
        "The operator looks at what this service may write, and at its log.";
    UNREACHABLE = "unreachable", BAD_GATEWAY, "The record does not answer",
        "The bucket or directory could not be asked, and nothing was kept that might stand in.",
        "Try again. The operator looks at this service's log.";
    BUSY = "busy", SERVICE_UNAVAILABLE, "Memory is full of answers",
        "The bodies that are on their way take all of CACHE_API_MEMORY_BUDGET.",
        "Try again in a second, as Retry-After says.";
    CHANGED = "changed", SERVICE_UNAVAILABLE, "The object is being changed",
        "The object was replaced while it was read, again and again.",
        "Try again in a second, as Retry-After says.";
    NOT_KEPT = "not-kept", SERVICE_UNAVAILABLE, "Fetched, and not kept",
        "The object was fetched, but is not where the next reader finds it: the cache has no room for it, its directory does not \
         take it, or the object changed meanwhile.",
        "Try again. The operator looks at CACHE_API_LOCAL_BUDGET and at `cache-api doctor`.";
    NOT_WRITTEN = "not-written", SERVICE_UNAVAILABLE, "The shared directory cannot be written",
        "That a key is to be updated or evicted could not be written to LOCAL_DATA_DIR: other instances may not know.",
        "Try again. The operator looks at LOCAL_DATA_DIR; `cache-api doctor` says what is wrong with it.";
    OVERLOADED = "overloaded", SERVICE_UNAVAILABLE, "Too many requests at a time",
        "This server has as many requests under way as it takes at a time.",
        "Try again in a second, as Retry-After says, with fewer connections.";
    QUERIES_WAIT = "queries-wait", SERVICE_UNAVAILABLE, "Too many queries at a time",
        "As many queries run and wait as there may be: a few for each core.",
        "Try again in a second, as Retry-After says, with fewer at a time.";
    THROTTLED = "throttled", SERVICE_UNAVAILABLE, "Too many requests to the record",
        "The bucket asks for fewer requests, and nothing was kept that might stand in.",
        "Try again in a second, as Retry-After says.";
    DEADLINE = "deadline", GATEWAY_TIMEOUT, "Not in time",
        "The answer was not there in the time that the front door gives.",
        "Try again: it may be cached by then.";
    QUERY_TIMED_OUT = "query-timed-out", GATEWAY_TIMEOUT, "The query took too long",
        "The query was not answered in the time that there is, and was ended.",
        "Ask for fewer rows, or join on fewer; filter and group first.";
    NOT_CACHED = "not-cached", GATEWAY_TIMEOUT, "Not cached",
        "The request has `Cache-Control: only-if-cached`, and nothing is held that it takes. The record was not asked.",
        "Ask without only-if-cached, or with a max-stale that lets an older answer do.";
}

/// The kind that `slug` names; `None` where there is none.
pub fn kind(slug: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.slug == slug).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_slug_of_its_own_and_is_an_error() {
        let slugs: BTreeSet<_> = ALL.iter().map(|kind| kind.slug).collect();
        assert_eq!(slugs.len(), ALL.len(), "a slug stands twice");
        for kind in ALL {
            assert!(kind.slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", kind.slug);
            assert!(kind.status.is_client_error() || kind.status.is_server_error(), "{}", kind.slug);
            assert!(kind.meaning.ends_with('.') && kind.remedy.ends_with('.'), "{} ends without a full stop", kind.slug);
            assert!(!kind.title.ends_with('.'), "{}", kind.slug);
        }
        assert!(ALL.is_sorted_by_key(|kind| kind.status), "not by status");
    }

    /// "Every problem made in code is in the catalogue": [`Kind`] is what a problem is made of, and has no other maker. Here: "and
    /// vice versa".
    #[test]
    fn each_kind_is_made_somewhere() {
        let source = include_str!("../problem.rs");
        for name in NAMES {
            assert!(
                source.contains(&format!("catalogue::{name}")),
                "nothing makes {name}; take it out, but keep its slug unused"
            );
        }
    }
}
