//! What is said of a method of a URL.

use http::StatusCode;

use crate::http::problem::catalogue::Kind;

use super::header::Header;
use super::parameter::Parameter;
use super::schema::Schema;

/// A method of a URL.
pub struct Operation {
    /// In lower case, as OpenAPI writes it.
    pub method: &'static str,
    /// Its name in generated clients.
    pub id: &'static str,
    /// What the original called it; empty where it had no word.
    pub word: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What else is to be known, in sentences.
    pub more: &'static str,
    /// What it is told, besides the body, by groups.
    pub parameters: &'static [&'static [&'static Parameter]],
    /// What body it takes; `None` where it takes none.
    pub body: Option<Body>,
    /// What it answers where nothing goes wrong.
    pub answers: &'static [Answer],
    /// What may go wrong, by groups, besides what the guard says of every URL.
    pub problems: &'static [&'static [&'static Kind]],
    /// Lines to try, for the server `HOST`; empty where another has it.
    pub curl: &'static str,
}

/// The body of a request.
pub struct Body {
    /// What is in it.
    pub what: &'static str,
    /// What it looks like.
    pub schema: Schema,
}

/// An answer where nothing went wrong.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// What it says.
    pub what: &'static str,
    /// Headers that it may have, by groups.
    pub headers: &'static [&'static [&'static Header]],
    /// Its body.
    pub content: Content,
}

/// The body of an answer.
#[derive(Clone, Copy)]
pub enum Content {
    /// There is none.
    Nothing,
    /// JSON of this kind.
    Json(Schema),
    /// JSON of this kind, or bytes of any media type.
    JsonOrBytes(Schema),
    /// A line of JSON of this kind after the other.
    Lines(Schema),
    /// JSON of this kind, HTML or Markdown, by Accept.
    Page(Schema),
    /// HTML.
    Html,
    /// Bytes of any media type.
    Bytes,
    /// The same, or several parts of them.
    BytesOrParts,
}
