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
    /// A whole number.
    Number {
        /// Not below it.
        least: usize,
        /// Not above it.
        most: usize,
        /// Where it is not given.
        default: usize,
    },
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
    FUNCTION = "function", "Which function; its own parameters stand beside it.", "echo";
}

texts! { Header;
    ACCEPT = "Accept", "`text/html` for a page, `application/json` for JSON, else Markdown.", "application/json";
    IF_NONE_MATCH = "If-None-Match", "ETags that the client has: 304 where one is the current version's.", "\"0123\"";
    RANGE = "Range", "Which bytes: first and last, from one on, or so many of the end.", "bytes=0-99";
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

/// How many lines.
pub static LIMIT: Parameter = Parameter {
    name: "limit",
    place: Place::Query,
    is_needed: false,
    what: "How many lines a page has at most.",
    form: Form::Number { least: 1, most: crate::http::listing::LINES_MAX, default: crate::http::listing::LINES },
};

/// Where the keys are looked for.
pub static SOURCE: Parameter = Parameter {
    name: "source",
    place: Place::Query,
    is_needed: false,
    what: "`cache` for what is cached, `record` for what the bucket or directory holds.",
    form: Form::OneOf(&["cache", "record"]),
};

/// What is to be done.
pub static COMMAND: Parameter = Parameter {
    name: "command",
    place: Place::Query,
    is_needed: false,
    what: "What is to be done with `path`; `head` needs none.",
    form: Form::OneOf(&["read", "create", "update", "delete", "head"]),
};

/// Which kind of problem.
pub static SLUG: Parameter = Parameter {
    name: "slug",
    place: Place::Path,
    is_needed: true,
    what: "The last part of a problem's `type`.",
    form: Form::Text("not-found"),
};

pub const OF_LISTINGS: &[&Parameter] = &[&PATH, &PREFIX, &DELIMITER, &LIMIT, &AFTER, &SOURCE, &IF_NONE_MATCH, &RANGE, &IF_RANGE];
pub const OF_NAMED_OBJECTS: &[&Parameter] = &[&PATH, &IF_NONE_MATCH];
pub const OF_OBJECTS: &[&Parameter] = &[&KEY, &IF_NONE_MATCH, &RANGE, &IF_RANGE];
pub const OF_THE_ORIGINAL: &[&Parameter] = &[&COMMAND, &PATH, &FUNCTION];
pub const OF_PROBLEMS: &[&Parameter] = &[&SLUG, &ACCEPT];
