//! What a request may say, besides its body.

/// A parameter.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// Whether nothing is answered without it.
    pub is_needed: bool,
    /// What it means.
    pub what: &'static str,
    /// What it may be.
    pub form: Form,
}

/// Where a parameter stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// It is a header.
    Header,
}

/// What a parameter may be.
pub enum Form {
    /// The key of an object.
    Key,
    /// Text; such as this.
    Text(&'static str),
    /// A whole number, 0 or more.
    Number,
    /// A whole number, 1 or more and at most this.
    UpTo(u32),
    /// One of these; the first where it is not given.
    OneOf(&'static [&'static str]),
}

const fn text(name: &'static str, place: Place, what: &'static str, example: &'static str) -> Parameter {
    Parameter { name, place, is_needed: false, what, form: Form::Text(example) }
}

const fn in_query(is_needed: bool) -> Parameter {
    let what = "The key of an object, percent-encoded as a form: `+` is a space.";
    Parameter { name: "path", place: Place::Query, is_needed, what, form: Form::Key }
}

const fn number(name: &'static str, what: &'static str) -> Parameter {
    Parameter { name, place: Place::Query, is_needed: false, what, form: Form::Number }
}

const fn one_of(name: &'static str, what: &'static str, words: &'static [&'static str]) -> Parameter {
    Parameter { name, place: Place::Query, is_needed: false, what, form: Form::OneOf(words) }
}

/// Defines parameters of one place that are text.
macro_rules! texts {
    ($place:ident; $($name:ident = $text:literal, $what:literal, $example:literal;)+) => {
        $(pub static $name: Parameter = text($text, Place::$place, $what, $example);)+
    };
}

texts! { Query;
    PREFIX = "prefix", "What the keys begin with.", "prices/";
    DELIMITER = "delimiter", "Keys that have this after the prefix are shown together, in `prefixes`.", "/";
    AFTER = "after", "Begin after this name, as `next` of the page before does.", "prices/2023.csv";
    COLUMNS = "columns", "Of a table: these columns, in this order.", "cusip,price";
    WHERE = "where", "Of a table: the rows for which the condition is true.", "price > 95";
    ORDER_BY = "order_by", "Of a table: sorted by these columns, nulls last.", "price desc,cusip";
    SCHEMA = "schema", "Of a table: names, types and nulls of its columns, and the number of rows.", "";
    SQL = "sql", "One SELECT. A table is a key, or a glob over keys, in double quotes; `:name` is a parameter.", "SELECT * FROM \"prices.csv\" LIMIT 10";
    PARAMS = "params", "The parameters' values: a JSON object.", "{\"least\": 95}";
    FUNCTION = "function", "Which function; its own parameters stand beside it.", "echo";
}

texts! { Header;
    ACCEPT = "Accept", "`text/html` for a page, `application/json` for JSON, else Markdown.", "application/json";
    ACCEPT_FORMAT = "Accept", "The media types that are taken of a table, by weights; `format` wins over it.", "text/csv";
    ACCEPT_ENCODING = "Accept-Encoding", "The codings that are taken, by weights: zstd, br, gzip.", "zstd, gzip";
    CACHE_CONTROL = "Cache-Control", "`no-cache`, `max-age=S`, `min-fresh=S`, `max-stale=S`, `only-if-cached`, `no-store`.", "no-cache";
    IF_MATCH = "If-Match", "ETags that the client goes on from: 412 where none is the current version's.", "\"0123\"";
    IF_NONE_MATCH = "If-None-Match", "ETags that the client has: 304 where one is the current version's, or 412 to what is no GET.", "\"0123\"";
    IF_MODIFIED_SINCE = "If-Modified-Since", "Last-Modified of what the client has: 304 where it is not newer.", "Mon, 06 Jan 2025 10:00:00 GMT";
    IF_UNMODIFIED_SINCE = "If-Unmodified-Since", "Last-Modified of what the client goes on from: 412 where it is newer.", "Mon, 06 Jan 2025 10:00:00 GMT";
    RANGE = "Range", "Which bytes: first and last, from one on, or so many of the end; several are `multipart/byteranges`.", "bytes=0-99";
    WANT_REPR_DIGEST = "Want-Repr-Digest", "Which digest of the whole is wanted: sha-256 or sha-512.", "sha-256=1";
    IF_RANGE = "If-Range", "The ETag or Last-Modified that a Range is meant for; else the whole is answered.", "\"0123\"";
}

/// The key in the path.
pub static KEY: Parameter = Parameter {
    name: "key",
    place: Place::Path,
    is_needed: true,
    what: "The key of an object: up to 1,024 bytes of UTF-8, percent-encoded; slashes as they are or as `%2F`.",
    form: Form::Key,
};

/// The same in the query.
pub static PATH: Parameter = in_query(false);

/// [`PATH`] where there is nothing to answer without it.
pub static PATH_NEEDED: Parameter = in_query(true);

/// How many lines, or how many rows.
pub static LIMIT: Parameter =
    number("limit", "How many lines a page has at most: 1 to 10,000, without it 1,000. With `path`: how many rows of a table.");

/// How many rows.
pub static ROWS: Parameter = number("limit", "Of a table: how many rows at most.");

/// After how many rows.
pub static OFFSET: Parameter = number("offset", "Of a table: how many rows are left out before the first.");

/// How many rows by chance.
pub static SAMPLE: Parameter =
    number("sample", "Of a table: so many rows, chosen by chance; the same ones as long as the version is.");

/// What a table is answered as.
pub static FORMAT: Parameter = one_of(
    "format",
    "What a table is answered as: `stored` for its own bytes.",
    &["stored", "parquet", "arrow", "arrows", "csv", "json", "json-columns", "ndjson", "html"],
);

/// What the answer to a query is written as.
pub static ANSWER_FORMAT: Parameter = one_of(
    "format",
    "What the answer is written as; without it, what Accept says.",
    &["json", "parquet", "arrow", "arrows", "csv", "json-columns", "ndjson", "html"],
);

/// Where the keys are looked for.
pub static SOURCE: Parameter =
    one_of("source", "`cache` for what is cached, `record` for what the bucket or directory holds.", &["cache", "record"]);

/// Which function.
pub static NAME: Parameter =
    Parameter { name: "name", place: Place::Path, is_needed: true, what: "The name of a function.", form: Form::Text("echo") };

/// What a table is answered as where nothing is stored.
pub static TABLE_FORMAT: Parameter = one_of(
    "format",
    "What a table is answered as; what is no table is JSON. All other parameters are the function's own.",
    &["json", "json-columns", "ndjson", "csv", "parquet", "arrow", "arrows", "html"],
);

/// What a function is written in.
pub static LANGUAGE: Parameter =
    one_of("language", "What the text is written in, where Content-Type does not say it.", &["python", "sql"]);

/// How many functions.
pub static FUNCTIONS_LIMIT: Parameter = Parameter {
    form: Form::UpTo(1_000),
    ..number("limit", "How many functions a page has at most: 1 to 1,000, without it 100.")
};

/// What is to be done.
pub static COMMAND: Parameter =
    one_of("command", "What is to be done with `path`; `head` needs none.", &["read", "create", "update", "delete", "head"]);

/// Which kind of problem.
pub static SLUG: Parameter = Parameter {
    name: "slug",
    place: Place::Path,
    is_needed: true,
    what: "The last part of a problem's `type`.",
    form: Form::Text("not-found"),
};

/// The function that is meant, in the path.
pub const CALLED: &[&Parameter] = &[&NAME];
/// How a function is called, besides its own parameters.
pub const CALLING: &[&Parameter] = &[&TABLE_FORMAT, &ACCEPT_FORMAT, &CACHE_CONTROL];
/// How a function is deployed.
pub const DEPLOYING: &[&Parameter] = &[&LANGUAGE];
/// Of the listing of functions.
pub const FUNCTION_PAGE: &[&Parameter] = &[&AFTER, &FUNCTIONS_LIMIT];
/// The object that is meant, in the path.
pub const OBJECT: &[&Parameter] = &[&KEY];
/// The same in the query, where something else is answered without it.
pub const NAMED: &[&Parameter] = &[&PATH];
/// The same where nothing is.
pub const NAMED_ONLY: &[&Parameter] = &[&PATH_NEEDED];
/// Of a listing; `limit` is of slices too.
pub const LISTING: &[&Parameter] = &[&PREFIX, &DELIMITER, &LIMIT, &AFTER, &SOURCE];
/// Under which conditions something is done.
pub const CONDITIONS: &[&Parameter] = &[&IF_MATCH, &IF_NONE_MATCH, &IF_MODIFIED_SINCE, &IF_UNMODIFIED_SINCE];
/// How an object is read.
pub const READING: &[&Parameter] = &[&CACHE_CONTROL, &ACCEPT_ENCODING, &WANT_REPR_DIGEST];
/// Which part of its bytes.
pub const RANGES: &[&Parameter] = &[&RANGE, &IF_RANGE];
/// Which form or part of a table, but for `limit`. Without columns there are no tables.
pub const TABLE: &[&Parameter] = if cfg!(feature = "frames") {
    &[&FORMAT, &COLUMNS, &WHERE, &ORDER_BY, &SAMPLE, &OFFSET, &SCHEMA, &ACCEPT_FORMAT]
} else {
    &[]
};
/// The limit of a slice where no listing has one.
pub const TABLE_LIMIT: &[&Parameter] = if cfg!(feature = "frames") { &[&ROWS] } else { &[] };
/// A statement and what belongs to it.
pub const QUERY: &[&Parameter] = &[&SQL, &PARAMS, &ANSWER_FORMAT];
/// How the answer to a query is wanted.
pub const ANSWERING: &[&Parameter] = &[&ACCEPT_FORMAT, &ACCEPT_ENCODING, &IF_NONE_MATCH];
pub const ORIGINAL: &[&Parameter] = &[&COMMAND, &PATH, &FUNCTION];
pub const PAGES: &[&Parameter] = &[&ACCEPT];
pub const PROBLEM: &[&Parameter] = &[&SLUG];
