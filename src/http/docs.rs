//! `/docs`: the table of [`ROUTES`] as a page that needs no network, no script and no large screen; and what all pages share.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};

use crate::http::openapi;
use crate::http::routes::ROUTES;
use crate::http::routes::words::Operation;

/// How every page ends.
pub(super) const FOOT: &str = "</body>\n</html>\n";

/// Styles stand in the page; there is nothing else to load.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Where no client says by which name it asks.
const SOME_HOST: &str = "127.0.0.1:5000";

/// Made when it is first asked for: a cold start has no use for it.
static PAGE: LazyLock<String> = LazyLock::new(page);

/// `GET /docs`. The lines to try name the server as the client did.
pub(super) async fn get(headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| is_plain(host)).unwrap_or(SOME_HOST);
    let mut response = PAGE.replace("http://HOST", &format!("http://{host}")).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    confine(headers);
    response
}

/// Says that a page of ours may do and load nothing.
pub(super) fn confine(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// How every page begins.
pub(super) fn head(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title} · cache-api</title>\n<link rel=\"icon\" \
         href=\"data:,\">\n<style>\n{}</style>\n</head>\n<body>\n<p><a href=\"/docs\">cache-api</a> · <a \
         href=\"/problems\">problems</a> · <a href=\"/openapi.json\">openapi.json</a></p>\n",
        include_str!("docs/style.css")
    )
}

/// Text of ours as HTML: what stands between backticks is code.
pub(super) fn prose(text: &str) -> String {
    let mut html = String::new();
    for (at, part) in text.split('`').enumerate() {
        let part = part.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = if at % 2 == 1 { write!(html, "<code>{part}</code>") } else { write!(html, "{part}") };
    }
    html
}

/// What a host may be without being HTML.
fn is_plain(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
}

fn page() -> String {
    let mut html = head("Documentation");
    html.push_str(
        "<h1>cache-api</h1>\n<p>Files from a bucket or a directory, kept close and served over HTTP: from memory, else from a \
         directory that all instances share, else from the bucket, with one request.</p>\n<div class=\"scroll\"><table>\n",
    );
    for route in ROUTES {
        let path = openapi::path(route);
        for said in route.operations.iter().filter(|said| !said.word.is_empty()) {
            let Operation { method, word, summary, id, .. } = said;
            let verb = method.to_ascii_uppercase();
            let summary = prose(summary);
            let _ = writeln!(
                html,
                "<tr><td><span class=\"verb {method}\">{verb}</span></td><td><a href=\"#{id}\"><code>{path}</code></a></td>\
                 <td><span class=\"word\">{word}</span></td><td>{summary}</td></tr>"
            );
        }
    }
    html.push_str("</table></div>\n<p>Where the operator has set CACHE_API_TOKEN, add <code>-H \"Authorization: Bearer $CACHE_API_TOKEN\"</code>.</p>\n");
    for route in ROUTES {
        let _ = writeln!(html, "<h2><code>{}</code></h2>", openapi::path(route));
        route.operations.iter().for_each(|said| write_operation(&mut html, said));
    }
    html.push_str(FOOT);
    html
}

fn write_operation(html: &mut String, said: &Operation) {
    let Operation { method, id, word, summary, more, parameters, body, answers, problems, curl } = said;
    let (verb, summary, more) = (method.to_ascii_uppercase(), prose(summary), prose(more));
    let _ = writeln!(
        html,
        "<details id=\"{id}\" open>\n<summary><span class=\"verb {method}\">{verb}</span> <span class=\"word\">{word}</span> {summary}\
         </summary>"
    );
    if !more.is_empty() {
        let _ = writeln!(html, "<p>{more}</p>");
    }
    if !curl.is_empty() {
        let _ = writeln!(html, "<pre><code>{}</code></pre>", curl.replace('&', "&amp;"));
    }
    html.push_str("<div class=\"scroll\"><table>\n");
    for parameter in parameters.iter().copied().flatten() {
        let _ = writeln!(html, "<tr><td><code>{}</code></td><td>{}</td></tr>", parameter.name, prose(parameter.what));
    }
    if let Some(body) = body {
        let _ = writeln!(html, "<tr><td>body</td><td>{}</td></tr>", prose(body.what));
    }
    for answer in *answers {
        let _ = writeln!(html, "<tr><td>{}</td><td>{}</td></tr>", answer.status.as_u16(), prose(answer.what));
    }
    let mut kinds = problems.concat();
    kinds.sort_by_key(|kind| kind.status);
    for kind in kinds {
        let (status, slug, title) = (kind.status.as_u16(), kind.slug, kind.title);
        let _ = writeln!(html, "<tr><td>{status}</td><td><a href=\"/problems/{slug}\">{title}</a></td></tr>");
    }
    html.push_str("</table></div>\n</details>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Listing the verbs as the original's picture did", and "works offline".
    #[test]
    fn the_page_lists_the_original_s_verbs_and_loads_nothing() {
        for (verb, word) in [("POST", "CREATE"), ("GET", "READ"), ("PUT", "UPDATE"), ("DELETE", "DELETE"), ("HEAD", "TELEMETRY")]
        {
            let row = PAGE.lines().find(|line| {
                line.starts_with("<tr>") && line.contains(&format!(">{verb}<")) && line.contains(&format!(">{word}<"))
            });
            assert!(row.is_some(), "no {verb} {word}");
        }
        for loads in ["src=", "@import", "url(", "<script", "https://"] {
            assert!(!PAGE.contains(loads), "{loads} is in the page");
        }
        assert!(PAGE.contains("width=device-width") && PAGE.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn what_is_written_is_text() {
        assert_eq!(prose("a `b<c>` & d"), "a <code>b&lt;c&gt;</code> &amp; d");
        assert!(["localhost:5000", "[::1]:80", "a-b.example.com"].into_iter().all(is_plain));
        assert!(["", "<b>", "a b", "a\"", "a/b", "é"].into_iter().all(|host| !is_plain(host)));
    }
}
