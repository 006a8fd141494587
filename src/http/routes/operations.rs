//! What is said of each method of each URL.

use http::StatusCode;

use super::parameter::{self, Parameter};
use super::words::{Answer, Body, Content, Operation};
use super::{header, outcome, schema};

/// OPTIONS of a URL whose path has the parameters `path`.
const fn methods(id: &'static str, path: &'static [&'static [&'static Parameter]]) -> Operation {
    Operation {
        method: "options",
        id,
        word: "",
        summary: "Says which methods there are",
        more: "",
        parameters: path,
        body: None,
        answers: &[outcome::METHODS],
        problems: &[],
        curl: "",
    }
}

pub static CACHE: &[Operation] = &[
    Operation {
        method: "get",
        id: "get_or_list",
        word: "READ",
        summary: "Lists what is cached, or with `path` reads an object",
        more: "Without `path`: a page of what is cached, or with `source=record` of what the record holds, in the order of the \
               names' bytes. `next` is the URL of the page after it. With `path`: the same as `/cache/{key}`, for front doors that \
               do not let every path through.",
        parameters: &[
            parameter::NAMED,
            parameter::LISTING,
            parameter::TABLE,
            parameter::CONDITIONS,
            parameter::READING,
            parameter::RANGES,
        ],
        body: None,
        answers: &[
            Answer {
                status: StatusCode::OK,
                what: "A page of keys, or the object that `path` names.",
                headers: &[header::VERSION, header::BODY, header::NEXT],
                content: Content::JsonOrBytes(schema::LISTING),
            },
            outcome::PART,
            outcome::UNCHANGED,
            outcome::ELSEWHERE,
        ],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::READING, outcome::TABLE, outcome::RANGES],
        curl: "curl 'http://HOST/cache?prefix=prices/&limit=100'",
    },
    Operation {
        method: "head",
        id: "head_or_telemetry",
        word: "TELEMETRY",
        summary: "Says in headers how much is cached, or with `path` what an object is",
        more: "What a GET would say, and without `path` the figures of `/stats` that matter most.",
        parameters: &[parameter::NAMED, parameter::LISTING, parameter::TABLE, parameter::CONDITIONS, parameter::READING],
        body: None,
        answers: &[
            Answer {
                status: StatusCode::OK,
                what: "What a GET would say, and the figures where no object is named.",
                headers: &[header::VERSION, header::BODY, header::NEXT, header::FIGURES],
                content: Content::Nothing,
            },
            outcome::UNCHANGED,
        ],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::READING, outcome::TABLE],
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
        parameters: &[parameter::NAMED, parameter::CONDITIONS],
        body: Some(Body { what: "Which keys; nothing where `path` names one.", schema: schema::BATCH }),
        answers: &[
            Answer {
                status: StatusCode::OK,
                what: "A line a key, and a summary.",
                headers: &[header::KEEPING],
                content: Content::Lines(schema::LINE),
            },
            outcome::CREATED,
        ],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::CHANGING, outcome::FORMS],
        curl: "curl http://HOST/cache -d '{\"patterns\": [\"prices/*.csv\"]}'",
    },
    Operation {
        method: "put",
        id: "update_named",
        word: "UPDATE",
        summary: "The same as PUT of `/cache/{key}`",
        more: "",
        parameters: &[parameter::NAMED_ONLY, parameter::CONDITIONS],
        body: None,
        answers: &[outcome::UPDATED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::CHANGING],
        curl: "curl -X PUT 'http://HOST/cache?path=prices.csv'",
    },
    Operation {
        method: "delete",
        id: "evict_named",
        word: "DELETE",
        summary: "The same as DELETE of `/cache/{key}`",
        more: "",
        parameters: &[parameter::NAMED_ONLY, parameter::CONDITIONS],
        body: None,
        answers: &[outcome::EVICTED],
        problems: &[outcome::ASKING, outcome::CHANGING],
        curl: "curl -X DELETE 'http://HOST/cache?path=prices.csv'",
    },
    methods("cache_options", &[]),
];

/// What is to be known of a read; without columns there are no tables.
const READ: &str = if cfg!(feature = "frames") {
    "From memory, else from the shared directory, else from the record. The key may have slashes, as they are or as `%2F`. \
     Cache-Status says where the answer came from, Age how long ago the record confirmed it. A table (csv, json, ndjson, \
     parquet, arrow) is answered in another format where `format` or Accept says so, and in part where `columns`, `where`, \
     `sample`, `order_by`, `offset` and `limit` say which."
} else {
    "From memory, else from the shared directory, else from the record. The key may have slashes, as they are or as `%2F`. \
     Cache-Status says where the answer came from, Age how long ago the record confirmed it."
};

const READ_LINES: &str = if cfg!(feature = "frames") {
    "curl http://HOST/cache/prices.csv\n\
     curl 'http://HOST/cache/prices.csv?format=parquet' -o prices.parquet\n\
     curl -G http://HOST/cache/prices.csv --data-urlencode 'where=price > 95' -d columns=cusip,price -d limit=10"
} else {
    "curl http://HOST/cache/prices.csv"
};

pub static OBJECT: &[Operation] = &[
    Operation {
        method: "get",
        id: "get_object",
        word: "READ",
        summary: "Reads an object according to the cache-aside pattern",
        more: READ,
        parameters: &[
            parameter::OBJECT,
            parameter::TABLE,
            parameter::TABLE_LIMIT,
            parameter::CONDITIONS,
            parameter::READING,
            parameter::RANGES,
        ],
        body: None,
        answers: &[outcome::BODY, outcome::PART, outcome::UNCHANGED, outcome::ELSEWHERE],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::READING, outcome::TABLE, outcome::RANGES],
        curl: READ_LINES,
    },
    Operation {
        method: "head",
        id: "head_object",
        word: "READ",
        summary: "Says what an object is, without its bytes",
        more: "",
        parameters: &[parameter::OBJECT, parameter::TABLE, parameter::TABLE_LIMIT, parameter::CONDITIONS, parameter::READING],
        body: None,
        answers: &[outcome::HEAD_OF_BODY, outcome::UNCHANGED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::READING, outcome::TABLE],
        curl: "curl -I http://HOST/cache/prices.csv",
    },
    Operation {
        method: "post",
        id: "create_object",
        word: "CREATE",
        summary: "Caches an object from the record, if it is not cached",
        more: "Takes no body: cache-api never writes data.",
        parameters: &[parameter::OBJECT, parameter::CONDITIONS],
        body: None,
        answers: &[outcome::CREATED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::CHANGING],
        curl: "curl -X POST http://HOST/cache/prices.csv",
    },
    Operation {
        method: "put",
        id: "update_object",
        word: "UPDATE",
        summary: "Asks the record whether an object has changed, now",
        more: "Takes no body. Every instance on the shared directory knows within CACHE_API_MEMORY_MAX_AGE.",
        parameters: &[parameter::OBJECT, parameter::CONDITIONS],
        body: None,
        answers: &[outcome::UPDATED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::CHANGING],
        curl: "curl -X PUT http://HOST/cache/prices.csv",
    },
    Operation {
        method: "delete",
        id: "evict_object",
        word: "DELETE",
        summary: "Evicts an object from the cache, never from the record",
        more: "",
        parameters: &[parameter::OBJECT, parameter::CONDITIONS],
        body: None,
        answers: &[outcome::EVICTED],
        problems: &[outcome::ASKING, outcome::CHANGING],
        curl: "curl -X DELETE http://HOST/cache/prices.csv",
    },
    methods("object_options", &[parameter::OBJECT]),
];

pub static ORIGINAL: &[Operation] = &[
    Operation {
        method: "get",
        id: "run_query",
        word: "",
        summary: "The original's API: a command on an object, or a function",
        more: "`command` with `path`, or `function` with the function's own parameters. `create`, `update` and `delete` change what is \
               cached, and are refused to pages of other origins.",
        parameters: &[parameter::ORIGINAL],
        body: None,
        answers: &[outcome::RETURNED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::FORMS, outcome::CALLS],
        curl: "curl 'http://HOST/cache/api/v1.0/?command=read&path=prices.csv'",
    },
    Operation {
        method: "head",
        id: "run_query_unseen",
        word: "",
        summary: "The same, and only the head of the answer",
        more: "",
        parameters: &[parameter::ORIGINAL],
        body: None,
        answers: &[Answer { content: Content::Nothing, ..outcome::RETURNED }],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::FORMS, outcome::CALLS],
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
        answers: &[outcome::RETURNED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::FORMS, outcome::CALLS],
        curl: "curl http://HOST/cache/api/v1.0/ -d '{\"data\": {\"function\": \"echo\", \"message\": \"hello\"}}'",
    },
    Operation {
        answers: &[Answer { headers: &[header::METHODS, header::KEEPING], ..outcome::METHODS }],
        ..methods("run_options", &[])
    },
];

pub static FUNCTION: &[Operation] = &[
    Operation {
        method: "get",
        id: "call_function",
        word: "",
        summary: "Calls a function with the arguments in the query",
        more: "A value is answered as JSON, a table in any form of `format` or Accept. Cache-Status says whether the answer was kept \
               (`hit`) or computed; `Cache-Control: no-cache` has it computed anew. /functions has the parameters of each.",
        parameters: &[parameter::CALLED, parameter::CALLING],
        body: None,
        answers: &[outcome::CALLED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::CALLS, outcome::FUNCTIONS],
        curl: "curl 'http://HOST/functions/echo?message=hello'",
    },
    Operation {
        method: "head",
        id: "call_function_unseen",
        word: "",
        summary: "The same, and only the head of the answer",
        more: "",
        parameters: &[parameter::CALLED, parameter::CALLING],
        body: None,
        answers: &[Answer { content: Content::Nothing, ..outcome::CALLED }],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::CALLS, outcome::FUNCTIONS],
        curl: "",
    },
    Operation {
        method: "post",
        id: "call_function_with",
        word: "",
        summary: "The same with the arguments in a JSON object",
        more: "",
        parameters: &[parameter::CALLED, parameter::CALLING],
        body: Some(Body { what: "The arguments, by name; nothing is none.", schema: schema::ANY }),
        answers: &[outcome::CALLED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::CALLS, outcome::FUNCTIONS, outcome::FORMS],
        curl: "curl http://HOST/functions/echo -d '{\"message\": \"hello\"}'",
    },
    Operation {
        method: "put",
        id: "deploy_function",
        word: "",
        summary: "Deploys a function: compiles the text and writes its file",
        more: "Only with CACHE_API_FUNCTION_DEPLOY=on. The body is the text; `language` or Content-Type says what it is written in. \
               Every instance has it within CACHE_API_MEMORY_MAX_AGE.",
        parameters: &[parameter::CALLED, parameter::DEPLOYING],
        body: Some(Body { what: "The text of the function, as its file is to have it.", schema: schema::TEXT }),
        answers: &[Answer { what: "What it is now.", headers: &[], ..outcome::DESCRIBED }],
        problems: &[outcome::ASKING, outcome::CALLS, outcome::FUNCTIONS, outcome::FORMS, outcome::DEPLOYS],
        curl: "curl -X PUT 'http://HOST/functions/greet?language=python' --data-binary @greet.py",
    },
    methods("function_options", &[parameter::CALLED]),
];

#[cfg_attr(not(feature = "frames"), expect(dead_code, reason = "without columns there are no tables to ask"))]
pub static QUERY: &[Operation] = &[
    Operation {
        method: "get",
        id: "ask_query",
        word: "",
        summary: "Answers SQL over cached objects",
        more: "One SELECT in polars' SQL, of at most 64 KB and 2,000 nodes, with a time limit. A table is the name of an object in double \
               quotes, or a glob over such names: those are stacked by their columns' names, and a column that one has not is null. \
               Each is read through the cache. `:name` is a parameter. What cannot be bounded beforehand (joins, sub-queries, texts \
               that grow) runs in a process of its own, in bounded memory.",
        parameters: &[parameter::QUERY, parameter::ANSWERING],
        body: None,
        answers: &[outcome::QUERIED, outcome::UNCHANGED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::QUERYING],
        curl: "curl -G http://HOST/query --data-urlencode 'sql=SELECT cusip, avg(price) FROM \"prices.csv\" GROUP BY cusip'",
    },
    Operation {
        method: "head",
        id: "ask_query_unseen",
        word: "",
        summary: "The same, and only the head of the answer",
        more: "",
        parameters: &[parameter::QUERY, parameter::ANSWERING],
        body: None,
        answers: &[Answer { content: Content::Nothing, ..outcome::QUERIED }, outcome::UNCHANGED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::QUERYING],
        curl: "",
    },
    Operation {
        method: "post",
        id: "ask_form",
        word: "",
        summary: "The same as a form, for statements that are too long for a URL",
        more: "",
        parameters: &[parameter::ANSWERING],
        body: Some(Body { what: "The statement, its parameters' values, and the form of the answer.", schema: schema::QUERY }),
        answers: &[outcome::QUERIED, outcome::UNCHANGED],
        problems: &[outcome::ASKING, outcome::ABSENCE, outcome::QUERYING, outcome::FORMS],
        curl: "curl http://HOST/query -d '{\"sql\": \"SELECT * FROM \\\"prices.csv\\\" WHERE price > :least\", \"params\": {\"least\": 95}}'",
    },
    methods("query_options", &[]),
];

/// A GET that always answers, and its HEAD.
macro_rules! pages {
    ($($name:ident = $id:literal, $head:literal, $options:literal, $summary:literal, $path:expr, $parameters:expr, $headers:expr, $content:expr, $problems:expr, $curl:literal;)+) => {
        $(pub static $name: &[Operation] = &[
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
            methods($options, $path),
        ];)+
    };
}

pages! {
    HEALTH = "health", "health_head", "health_options", "Says that the process answers, without a token", &[], &[], &[], Content::Json(schema::HEALTH), &[],
        "curl http://HOST/health";
    STATS = "stats", "stats_head", "stats_options", "What is held, and how many answers came from where", &[], &[], &[], Content::Json(schema::STATS), &[],
        "curl http://HOST/stats";
    PROBLEMS = "problems", "problems_head", "problems_options", "All kinds of problems: what each means, what to do", &[], &[parameter::PAGES], &[header::PAGE],
        Content::Page(schema::PROBLEM_KINDS), &[], "curl http://HOST/problems";
    PROBLEM = "problem", "problem_head", "problem_options", "One kind of problem", &[parameter::PROBLEM], &[parameter::PROBLEM, parameter::PAGES], &[header::PAGE],
        Content::Page(schema::PROBLEM_KIND), &[outcome::NO_SUCH_PAGE], "curl http://HOST/problems/not-found";
    OPENAPI = "openapi", "openapi_head", "openapi_options", "This document", &[], &[], &[header::KEEPING], Content::Json(schema::ANY), &[],
        "curl http://HOST/openapi.json";
    FUNCTIONS = "list_functions", "functions_head", "functions_options", "Lists the functions, with their parameters", &[], &[parameter::FUNCTION_PAGE],
        &[header::NEXT, header::KEEPING], Content::Json(schema::FUNCTIONS), &[outcome::ASKING, outcome::CALLS, outcome::FUNCTIONS], "curl http://HOST/functions";
    FUNCTION_SOURCE = "function_source", "function_source_head", "function_source_options", "The text of a function's file", &[parameter::CALLED],
        &[parameter::CALLED], &[header::KEEPING], Content::Bytes, &[outcome::ASKING, outcome::CALLS, outcome::FUNCTIONS], "curl http://HOST/functions/greet/source";
    DOCS = "docs", "docs_head", "docs_options", "The same for people", &[], &[], &[header::PAGE], Content::Html, &[], "curl http://HOST/docs";
}
