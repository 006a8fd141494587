//! What a request wants of an object that is a table: the stored bytes, or another form of it, or a part.
//!
//! `?format=` wins over Accept. The stored bytes win wherever Accept admits them; a person's browser gets a page.

use http::HeaderMap;
use http::request::Parts as Head;

use crate::entry::Facts;
use crate::frame::slice::{BadSlice, PARAMETERS, Slice};
use crate::frame::{Form, Format};
use crate::http::form;
use crate::http::negotiate::{self, Accept, Chosen};
use crate::http::problem::Problem;
use crate::http::target::not_utf8;
use crate::key::Key;

mod answer;
mod make;

pub(super) use answer::answer;

/// What `?format=` names the stored bytes.
pub(super) const STORED: &str = "stored";

/// Rows of a page.
pub(super) const PAGE_ROWS: u64 = 100;

/// What a request wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    /// The bytes as they are in the record.
    Stored,
    /// A table that is made of them.
    Table(Box<Wish>),
}

/// A table that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    pub form: Form,
    pub slice: Slice,
    /// Names and values of the query, of those that count, in one order.
    pub query: Vec<(&'static str, String)>,
}

/// What is wanted, and whether another Accept could have had another answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    pub wanted: Wanted,
    pub format: Chosen,
}

impl Choice {
    /// Reads what `request` wants of the object `key`.
    ///
    /// # Errors
    /// Parameters that are given twice, are unknown or do not fit; a form that there is not; none that Accept admits.
    pub fn of(request: &Head, key: &Key, facts: &Facts) -> Result<Self, Problem> {
        let query = Query::of(request, key)?;
        let format = Format::of(key, facts);
        let wants_table =
            query.wants_schema || !query.slice.is_whole() || query.format.as_deref().is_some_and(|name| name != STORED);
        if !wants_table && query.format.is_some() {
            return Ok(Self { wanted: Wanted::Stored, format: Chosen::Always });
        }
        let format = match format {
            Ok(format) => format,
            // No other form than its bytes: they are sent whatever is said of others.
            Err(_) if !wants_table => return Ok(Self { wanted: Wanted::Stored, format: Chosen::Always }),
            Err(error) => return Err(Problem::of(&error)),
        };
        // A form that there is not is refused of a schema too, which has one form alone.
        let named = query.format.as_deref().map(|name| named(name, key)).transpose()?;
        let (form, chosen) = match (named, query.wants_schema) {
            (_, true) => (Some(Form::Schema), Chosen::Always),
            (Some(form), false) => (Some(form), Chosen::Always),
            (None, false) => (negotiated(&request.headers, key, facts, format)?, Chosen::ByRequest),
        };
        let wanted = match form {
            None if query.slice.is_whole() => Wanted::Stored,
            // A part of the stored bytes in their own form.
            None => Wanted::Table(Box::new(query.wish(own_form(key, format)))),
            Some(form) => Wanted::Table(Box::new(query.wish(form))),
        };
        Ok(Self { wanted, format: chosen })
    }
}

impl Wish {
    /// The request in one order, without what does not count: two that are the same have the same answer, two that differ
    /// differ here too. Lengths keep values apart.
    ///
    /// Source: pitfall 22; nothing is normalised that is not parsed.
    pub fn canonical(&self) -> String {
        let values = self.query.iter().map(|(name, value)| format!("\n{name}={}:{value}", value.len()));
        std::iter::once(self.form.name().to_owned()).chain(values).collect()
    }
}

fn named(name: &str, key: &Key) -> Result<Form, Problem> {
    Form::named(name).ok_or_else(|| {
        let name: String = name.chars().take(40).collect();
        Problem::not_acceptable(key, &format!("there is no format `{name}`"), &known())
    })
}

/// The names of all forms and their media types.
fn known() -> String {
    let forms = Form::ALL.into_iter().map(|form| format!("{} ({})", form.name(), form.media_type()));
    std::iter::once(format!("{STORED} (its own)")).chain(forms).collect::<Vec<_>>().join(", ")
}

fn bad_slice(key: &Key, bad: &BadSlice) -> Problem {
    Problem::bad_parameter(bad.parameter, &bad.reason).about(Some(key.as_str()))
}

/// The form that Accept chooses; `None` for the stored bytes.
fn negotiated(headers: &HeaderMap, key: &Key, facts: &Facts, format: Format) -> Result<Option<Form>, Problem> {
    let own = own_form(key, format);
    if negotiate::is_navigation(headers) {
        return Ok(Some(Form::Html));
    }
    let accept = Accept::of(headers);
    let is_admitted = |media_type: &str| accept.admits(media_type);
    if facts.content_type.as_deref().is_some_and(is_admitted) || is_admitted(own.media_type()) {
        return Ok(None);
    }
    // The first of those that are wanted most.
    let forms = Form::ALL.into_iter().rev().filter(|form| is_admitted(form.media_type()));
    let best = forms.max_by_key(|form| accept.weight(form.media_type()));
    best.map(Some).ok_or_else(|| Problem::not_acceptable(key, "Accept admits none of what there is", &known()))
}

/// The form that a table has as it is stored.
fn own_form(key: &Key, format: Format) -> Form {
    match format {
        Format::Parquet => Form::Parquet,
        Format::Arrow if key.extension().as_deref() == Some("arrows") => Form::ArrowStream,
        Format::Arrow => Form::ArrowFile,
        Format::Csv => Form::Csv,
        Format::Json => Form::Json,
        Format::Ndjson => Form::Ndjson,
    }
}

/// What the query says.
struct Query {
    format: Option<String>,
    wants_schema: bool,
    slice: Slice,
    values: Vec<(&'static str, String)>,
}

impl Query {
    fn of(request: &Head, key: &Key) -> Result<Self, Problem> {
        let mut query = Self { format: None, wants_schema: false, slice: Slice::default(), values: Vec::new() };
        let Some(text) = request.uri.query() else { return Ok(query) };
        for (name, value) in form::pairs(text).map_err(not_utf8)? {
            let known = PARAMETERS.into_iter().chain(["format", "schema", "path"]).find(|known| *known == name);
            // Names that mean nothing here are other people's: of caches, of those who count visits.
            let Some(name) = known else { continue };
            if query.values.iter().any(|(before, _)| *before == name) {
                return Err(Problem::bad_parameter(name, "is given more than once"));
            }
            match name {
                "format" => query.format = Some(value.clone()),
                "schema" => query.wants_schema = true,
                "path" => {}
                _ => _ = query.slice.take(name, &value).map_err(|bad| bad_slice(key, &bad))?,
            }
            query.values.push((name, value));
        }
        query.values.sort();
        if query.format.as_deref() == Some(STORED) && (query.wants_schema || !query.slice.is_whole()) {
            return Err(Problem::bad_parameter("format", "is `stored`, and a part of a table is not stored; name another form"));
        }
        Ok(query)
    }

    fn wish(self, form: Form) -> Wish {
        let mut slice = self.slice;
        if form == Form::Html {
            slice.limit = Some(slice.limit.map_or(PAGE_ROWS, |limit| limit.min(PAGE_ROWS)));
        }
        Wish { form, slice, query: self.values }
    }
}
