//! What JSON in requests and answers looks like. Source: JSON Schema 2020-12, which OpenAPI 3.1 takes as it is.

use serde_json::{Value, json};

/// A kind of JSON: its name in the document, and what it looks like.
#[derive(Clone, Copy)]
pub struct Schema {
    /// Its name.
    pub name: &'static str,
    /// What it looks like.
    pub form: fn() -> Value,
}

/// Defines schemas, and the list of them all.
macro_rules! schemas {
    ($($name:ident = $text:literal, $form:expr;)+) => {
        $(pub const $name: Schema = Schema { name: $text, form: || $form };)+

        /// All of them, by name.
        pub static ALL: &[&Schema] = &[$(&$name),+];
    };
}

schemas! {
    ANY = "Any", json!({ "type": "object" });
    BATCH = "Batch", json!({
        "oneOf": [
            { "type": "object", "required": ["keys"], "additionalProperties": false, "properties": {
                "keys": { "type": "array", "maxItems": 10_000, "items": key() },
            } },
            { "type": "object", "required": ["patterns"], "additionalProperties": false, "properties": {
                "patterns": { "type": "array", "maxItems": 1000, "items": { "type": "string", "examples": ["prices/*.csv"] } },
            } },
        ],
    });
    FORM = "Form", json!({
        "type": "object", "required": ["data"], "properties": {
            "data": { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } },
        },
        "examples": [{ "data": { "command": "read", "path": "prices.csv" } }],
    });
    FUNCTION = "Function", json!({
        "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string" }, "kind": { "enum": ["builtin", "sql", "python"] }, "version": { "type": "string" },
            "doc": { "type": "string" }, "kept": { "enum": ["no", "memory", "tiers"] },
            "parameters": { "type": "array", "items": {
                "type": "object", "required": ["name", "kind", "required"], "properties": {
                    "name": { "type": "string" }, "kind": { "type": "string" }, "required": { "type": "boolean" }, "default": {},
                    "doc": { "type": "string" },
                },
            } },
            "problem": { "type": "string", "description": "Why it cannot be called; then only its name is known besides." },
        },
    });
    FUNCTIONS = "Functions", json!({
        "type": "object", "required": ["functions", "next"], "properties": {
            "functions": { "type": "array", "items": { "$ref": "#/components/schemas/Function" } },
            "next": { "type": ["string", "null"], "description": "The URL of the next page; null on the last." },
        },
    });
    HEALTH = "Health", json!({ "type": "object", "required": ["status"], "properties": { "status": { "const": "ok" } } });
    LINE = "BatchLine", json!({
        "description": "A key, or the last line with `summary`.",
        "type": "object", "properties": {
            "key": key(),
            "outcome": { "enum": ["created", "refreshed", "already", "failed", "left"] },
            "size": count("Bytes."),
            "etag": { "type": "string" },
            "problem": { "$ref": "#/components/schemas/Problem" },
            "summary": { "type": "object", "properties": {
                "listed": count("Objects that the record listed, or keys that were named."),
                "matched": count("Of these, those that were meant."),
                "created": count("Not cached before."), "refreshed": count("Cached at another version before."),
                "already": count("Cached before, and the record has no other version."),
                "failed": count("Not fetched, or not kept."), "left": count("Not begun, for want of time."),
                "listed_all": { "type": "boolean", "description": "Whether all that is meant was listed." },
            } },
        },
    });
    LISTING = "Listing", json!({
        "type": "object", "required": ["keys", "next"], "properties": {
            "keys": { "type": "array", "items": {
                "type": "object", "required": ["key", "size", "etag", "last_modified"], "properties": {
                    "key": key(), "size": count("Bytes."), "etag": { "type": ["string", "null"] }, "last_modified": { "type": "string" },
                    "age": count("Seconds since the record confirmed it; of what is cached."),
                    "tiers": { "type": "array", "items": { "enum": ["memory", "directory"] } },
                },
            } },
            "prefixes": { "type": "array", "items": { "type": "string" } },
            "next": { "type": ["string", "null"], "description": "The URL of the next page; null on the last." },
            "unlisted": { "enum": ["directory"], "description": "This tier could not be listed; what it alone keeps is not here." },
            "skipped": count("Names of the record that are no keys."),
        },
    });
    OBJECT = "Object", json!({
        "type": "object", "required": ["key", "size", "etag", "last_modified"], "properties": {
            "key": key(), "size": count("Bytes."), "etag": { "type": "string" }, "last_modified": { "type": "string" },
            "content_type": { "type": ["string", "null"] },
        },
    });
    PROBLEM = "Problem", json!({
        "description": "RFC 9457.",
        "type": "object", "required": ["type", "title", "status", "detail"], "properties": {
            "type": { "type": "string", "description": "Where it is explained: /problems/{slug}." }, "title": { "type": "string" },
            "status": { "type": "integer" }, "detail": { "type": "string" }, "key": { "type": "string" },
            "traceback": { "type": "string", "description": "As Python prints it, of a function's own lines." },
        },
    });
    PROBLEM_KIND = "ProblemKind", json!({
        "type": "object", "required": ["type", "title", "status", "meaning", "remedy"], "properties": {
            "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
            "meaning": { "type": "string" }, "remedy": { "type": "string" },
        },
    });
    PROBLEM_KINDS = "ProblemKinds", json!({
        "type": "object", "required": ["problems"], "properties": {
            "problems": { "type": "array", "items": { "$ref": "#/components/schemas/ProblemKind" } },
        },
    });
    QUERY = "Query", json!({
        "type": "object", "required": ["sql"], "additionalProperties": false, "properties": {
            "sql": { "type": "string" },
            "params": { "type": "object" },
            "format": { "type": "string" },
        },
        "examples": [{ "sql": "SELECT * FROM \"prices.csv\" WHERE price > :least", "params": { "least": 95 }, "format": "csv" }],
    });
    RETURN = "Return", json!({
        "type": "object", "required": ["return"], "properties": { "return": {
            "type": "object", "required": ["uri", "value"], "properties": {
                "uri": { "const": "/cache/api/v1.0/" }, "path": { "type": "string" }, "value": { "type": "string" },
            },
        } },
    });
    STATS = "Stats", json!({
        "type": "object", "required": ["keys", "memory_bytes", "memory_budget_bytes", "directory_keys", "directory_bytes"],
        "additionalProperties": true, "properties": {
            "keys": count("Keys that are cached."), "memory_bytes": count("In use."),
            "memory_budget_bytes": count("CACHE_API_MEMORY_BUDGET."), "directory_keys": count("Keys in the shared directory."),
            "directory_bytes": count("Bytes of the bodies there."),
        },
    });
    TEXT = "Text", json!({ "type": "string" });
}

/// What a key looks like; besides, no segment of it is `.` or `..`.
pub fn key() -> Value {
    let pattern = "^[^/\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$";
    json!({ "type": "string", "minLength": 1, "maxLength": 1024, "pattern": pattern, "examples": ["prices.csv"] })
}

fn count(what: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": what })
}
