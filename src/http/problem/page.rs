//! `/problems` and `/problems/{slug}`: what each problem means and what to do, for people and for programs.

use std::fmt::Write;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Uri};
use serde_json::{Value, json};

use crate::http::docs;
use crate::http::problem::Problem;

use super::catalogue::{self, Kind};

/// `GET /problems`: all kinds.
pub(in crate::http) async fn list(headers: HeaderMap) -> Response {
    answer(Form::of(&headers), "Problems", catalogue::ALL)
}

/// `GET /problems/{slug}`: one of them.
pub(in crate::http) async fn get(Path(slug): Path<String>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let kind = catalogue::kind(&slug).ok_or_else(|| Problem::unknown_url(uri.path()))?;
    Ok(answer(Form::of(&headers), kind.title, &[kind]))
}

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Markdown,
}

impl Form {
    /// HTML for browsers, which ask for it by name; JSON for who asks for that; else text that reads well in a terminal.
    fn of(headers: &HeaderMap) -> Self {
        let accepts = |media: &str| {
            let lines = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            let mut types = lines.flat_map(|line| line.split(',')).map(|part| part.split(';').next().unwrap_or_default().trim());
            types.any(|given| given.eq_ignore_ascii_case(media))
        };
        if accepts("text/html") {
            Self::Html
        } else if accepts("application/json") {
            Self::Json
        } else {
            Self::Markdown
        }
    }
}

fn answer(form: Form, title: &str, kinds: &[&Kind]) -> Response {
    let (media, text) = match form {
        Form::Html => ("text/html; charset=utf-8", html(title, kinds)),
        Form::Json => ("application/json", json(kinds)),
        Form::Markdown => ("text/markdown; charset=utf-8", markdown(kinds)),
    };
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(VARY, HeaderValue::from_name(ACCEPT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    docs::confine(headers);
    response
}

/// {"problems": [{"type", "title", "status", "meaning", "remedy"}]}; of one, only that object.
fn json(kinds: &[&Kind]) -> String {
    let object = |kind: &&Kind| {
        json!({
            "type": format!("/problems/{}", kind.slug),
            "title": kind.title,
            "status": kind.status.as_u16(),
            "meaning": kind.meaning,
            "remedy": kind.remedy,
        })
    };
    match kinds {
        [kind] => object(kind).to_string(),
        _ => json!({ "problems": kinds.iter().map(object).collect::<Vec<Value>>() }).to_string(),
    }
}

fn markdown(kinds: &[&Kind]) -> String {
    let mut text = String::new();
    for Kind { slug, status, title, meaning, remedy } in kinds {
        let _ = write!(text, "# {title}\n\n`{slug}`, {status}\n\n{meaning}\n\n**What to do:** {remedy}\n\n");
    }
    text
}

/// What is written here is our own, and has no sign that HTML gives a meaning to, but for those that `escape` knows.
fn html(title: &str, kinds: &[&Kind]) -> String {
    let mut text = docs::head(title);
    let _ = writeln!(text, "<h1>{title}</h1>");
    for Kind { slug, status, title, meaning, remedy } in kinds {
        let (meaning, remedy) = (docs::prose(meaning), docs::prose(remedy));
        let _ = writeln!(
            text,
            "<section id=\"{slug}\">\n<h2><a href=\"/problems/{slug}\">{title}</a></h2>\n<p><code>{slug}</code> {status}</p>\n\
             <p>{meaning}</p>\n<p><b>What to do:</b> {remedy}</p>\n</section>"
        );
    }
    text.push_str(docs::FOOT);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &'static str) -> Form {
        Form::of(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]))
    }

    #[test]
    fn a_browser_gets_a_page_and_a_terminal_text() {
        assert_eq!(form("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Form::Html);
        assert_eq!(form("application/json"), Form::Json);
        assert_eq!(form("application/json, text/html;q=0.1"), Form::Html);
        assert_eq!([form("*/*"), form("text/markdown"), form(""), Form::of(&HeaderMap::new())], [Form::Markdown; 4]);
    }

    #[test]
    fn each_page_says_what_it_means_and_what_to_do_in_each_form() {
        for kind in catalogue::ALL {
            let words = |text: &str| text.replace(['`', '\n'], "");
            let (markdown, json, html) = (markdown(&[kind]), json(&[kind]), html(kind.title, &[kind]));
            assert!(markdown.contains(kind.meaning) && markdown.contains(kind.remedy), "{markdown}");
            let json: Value = serde_json::from_str(&json).unwrap();
            assert_eq!((&json["meaning"], &json["remedy"]), (&kind.meaning.into(), &kind.remedy.into()));
            let bare = html.replace("<code>", "").replace("</code>", "");
            assert!(bare.contains(&words(kind.meaning)) && bare.contains(&words(kind.remedy)), "{html}");
        }
    }
}
