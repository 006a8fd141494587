//! `GET /cache?prefix=&delimiter=&limit=&after=&source=`: what is cached, or what the record holds, page by page.

use axum::response::{IntoResponse, Response};
use form_urlencoded::Serializer;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use http::{HeaderValue, Uri};
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use crate::cache::{Ask, CacheLine, CachePage, RecordLine, RecordPage};
use crate::freshness::Timestamp;
use crate::http::problem::Problem;
use crate::http::{Api, date, form, target};
use crate::key::KEY_BYTES_MAX;
use crate::tier::{Line, Wanted};

/// How many lines a page has where nobody says; S3's pages have as many.
pub(super) const LINES: usize = 1000;

/// How many lines a page may have.
pub(super) const LINES_MAX: usize = 10_000;

/// The parameters, as they are written.
const NAMES: [&str; 5] = ["prefix", "delimiter", "limit", "after", "source"];

/// Where the keys are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Source {
    /// What is cached.
    #[default]
    Cache,
    /// What the record holds.
    Record,
}

/// What a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    wanted: Wanted,
    source: Source,
}

/// Answers {"keys", "prefixes" where a delimiter is given, "next"}: a page, and the URL of the next; null on the last.
///
/// # Errors
/// A parameter that does not fit; for `source=record`, why it cannot be listed.
pub(super) async fn list(api: &Api, uri: &Uri, ask: Ask) -> Result<Response, Problem> {
    let pairs = form::pairs(uri.query().unwrap_or_default()).map_err(target::not_utf8)?;
    let Query { wanted, source } = Query::parse(pairs)?;
    let writing = match source {
        Source::Cache => {
            let page = api.cache.page(&wanted).await;
            // A page of many lines takes longer to write than an async worker has.
            spawn_blocking(move || cached(page, wanted, ask.now.wall))
        }
        Source::Record => {
            let page = api.cache.record_page(&wanted, ask.deadline).await?;
            spawn_blocking(move || recorded(page, wanted))
        }
    };
    Ok(writing.await.expect("nothing in it panics, and nobody cancels it"))
}

impl Query {
    fn parse(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut query = Self { wanted: Wanted { lines_max: LINES, ..Wanted::default() }, source: Source::default() };
        let mut seen = Vec::new();
        for (name, value) in pairs {
            let refuse = |reason: String| Err(Problem::bad_parameter(&name, reason));
            let Some(known) = NAMES.into_iter().find(|known| *known == name) else {
                return refuse(format!(
                    "is not a parameter of a listing; these are: {}; or path, for an object",
                    NAMES.join(", ")
                ));
            };
            if seen.contains(&known) {
                return refuse("is given more than once".to_owned());
            }
            seen.push(known);
            if known != "limit" && value.len() > KEY_BYTES_MAX {
                return refuse(format!("has more than {KEY_BYTES_MAX} bytes, and no key has"));
            }
            match known {
                "prefix" => query.wanted.prefix = value,
                "delimiter" => query.wanted.delimiter = Some(value).filter(|value| !value.is_empty()),
                "after" => query.wanted.after = value,
                "limit" => match value.parse() {
                    Ok(lines_max @ 1..=LINES_MAX) => query.wanted.lines_max = lines_max,
                    _ => return refuse(format!("is not a number from 1 to {LINES_MAX}")),
                },
                _source => {
                    query.source = match &*value {
                        "cache" => Source::Cache,
                        "record" => Source::Record,
                        _ => return refuse("is neither cache nor record".to_owned()),
                    };
                }
            }
        }
        Ok(query)
    }
}

/// A key is {"key", "size" in bytes, "etag", "last_modified", "age" in seconds since it was confirmed, "tiers"}.
fn cached(page: CachePage, wanted: Wanted, now: Timestamp) -> Response {
    let next = page.lines.last().filter(|_| page.has_more).map(|last| last.line.name().to_owned());
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    for CacheLine { line, tiers } in page.lines {
        match line {
            Line::Below(name) => prefixes.push(Value::from(name)),
            Line::Key(listed) => keys.push(json!({
                "key": listed.key,
                "size": listed.size,
                "etag": &*listed.version.etag,
                "last_modified": date(listed.version.last_modified),
                "age": now.since(listed.confirmed_at).as_secs(),
                "tiers": tiers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })),
        }
    }
    let mut document = document(keys, prefixes, &wanted);
    if let Some(missing) = page.missing {
        // What only that tier keeps is not on the page.
        document.insert("unlisted".to_owned(), Value::from(missing.to_string()));
    }
    answer(document, next.map(|after| link(&wanted, Source::Cache, &after)))
}

/// A key is {"key", "size" in bytes, "etag" or null where only a fetch can tell, "last_modified"}.
fn recorded(page: RecordPage, wanted: Wanted) -> Response {
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    for line in page.lines {
        match line {
            RecordLine::Below(name) => prefixes.push(Value::from(name)),
            RecordLine::Object(object) => keys.push(json!({
                "key": object.key.as_str(),
                "size": object.size,
                "etag": object.etag.as_deref(),
                "last_modified": date(object.last_modified),
            })),
        }
    }
    let mut document = document(keys, prefixes, &wanted);
    if page.skipped > 0 {
        // Names of the record that are no keys.
        document.insert("skipped".to_owned(), Value::from(page.skipped));
    }
    answer(document, page.next.map(|after| link(&wanted, Source::Record, &after)))
}

fn document(keys: Vec<Value>, prefixes: Vec<Value>, wanted: &Wanted) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("keys".to_owned(), Value::from(keys));
    if wanted.delimiter.is_some() {
        document.insert("prefixes".to_owned(), Value::from(prefixes));
    }
    document
}

fn answer(mut document: Map<String, Value>, next: Option<String>) -> Response {
    document.insert("next".to_owned(), next.clone().map_or(Value::Null, Value::from));
    let mut response = Value::from(document).to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(link) = next.and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// The URL of the page after the line `after`.
fn link(wanted: &Wanted, source: Source, after: &str) -> String {
    let mut query = Serializer::new(String::new());
    if source == Source::Record {
        query.append_pair("source", "record");
    }
    if !wanted.prefix.is_empty() {
        query.append_pair("prefix", &wanted.prefix);
    }
    if let Some(delimiter) = &wanted.delimiter {
        query.append_pair("delimiter", delimiter);
    }
    if wanted.lines_max != LINES {
        query.append_pair("limit", &wanted.lines_max.to_string());
    }
    format!("/cache?{}", query.append_pair("after", after).finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Query, String> {
        let refused = |problem: Problem| problem.document()["detail"].as_str().unwrap_or_default().to_owned();
        Query::parse(form::pairs(query).unwrap()).map_err(refused)
    }

    #[test]
    fn each_parameter_is_taken_and_what_does_not_fit_is_named() {
        let wanted = Wanted { prefix: "a/é".into(), delimiter: Some("/".into()), after: "a/é b".into(), lines_max: 7 };
        assert_eq!(
            parse("prefix=a/%C3%A9&delimiter=/&after=a/%C3%A9+b&limit=7&source=record"),
            Ok(Query { wanted, source: Source::Record })
        );
        assert_eq!(parse("prefix=&delimiter=&after=&source=cache"), parse(""));
        for (query, named) in [
            ("limit=0", "`limit` is not a number from 1 to 10000"),
            ("limit=-1", "`limit` is not"),
            ("limit=", "`limit` is not"),
            ("limit=10001", "`limit` is not"),
            ("limit=1e3", "`limit` is not"),
            ("limit=99999999999999999999999", "`limit` is not"),
            ("source=disk", "`source` is neither"),
            ("source=", "`source` is neither"),
            ("page=2", "`page` is not a parameter of a listing"),
            ("prefix=a&prefix=b", "`prefix` is given more than once"),
            (&format!("after={}", "x".repeat(1025)), "`after` has more than 1024 bytes"),
        ] {
            let refused = parse(query).unwrap_err();
            assert!(refused.starts_with(named), "{query}: {refused}");
        }
    }

    #[test]
    fn the_link_of_the_next_page_asks_for_the_same() {
        for query in ["prefix=a%26b/&delimiter=/&after=x&limit=7&source=record", "after=x"] {
            let Query { wanted, source } = parse(query).unwrap();
            let link = link(&wanted, source, "a&b/é +");
            let again = parse(link.strip_prefix("/cache?").unwrap()).unwrap();
            assert_eq!(again, Query { wanted: Wanted { after: "a&b/é +".into(), ..wanted }, source });
        }
    }
}
