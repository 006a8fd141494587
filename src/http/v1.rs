//! The original's API, `/cache/api/v1.0/`: its documented answers to the letter, real status codes where it crashed or lied.

use std::io;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::PrettyFormatter;
use serde_json::value::RawValue;

use crate::cache::Ask;
use crate::function::{Given, Language};
use crate::http::form::Members;
use crate::http::problem::{NOTHING_HELD, Problem};
use crate::http::{Api, ask, form, incoming, target, telemetry};
use crate::python_value::str_repr;
use crate::tier::Removed;

/// Room for many parameters, and none for data.
const FORM_BYTES_MAX: usize = 1 << 20;

const URI: &str = "/cache/api/v1.0/";
/// The function that deploys others.
const CREATE: &str = "function_create";
const COMMANDS: [&str; 5] = ["create", "read", "update", "delete", "head"];
/// Those that change what is cached, or make the record be asked.
const CHANGING: [&str; 3] = ["create", "update", "delete"];
const RIGHT_FORM: &str =
    r#"write {"data": {"command": "read", "path": "file1.json"}} or {"data": {"function": "NAME", "PARAMETER": "VALUE"}}"#;

/// GET with everything in the query.
pub(super) async fn run_query(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let parameters = form::pairs(request.uri().query().unwrap_or_default()).map_err(target::not_utf8)?;
    if parameters.iter().any(|(name, value)| name == "function" && value == CREATE) {
        return Err(Problem::method_not_allowed(request.method(), "function_create").with_post());
    }
    run(&api, parameters, ask(request.extensions())).await
}

/// POST with everything in a JSON form.
pub(super) async fn run_form(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let ask = ask(request.extensions());
    let bytes = incoming::whole(request.into_body(), FORM_BYTES_MAX, ask.deadline).await?;
    let parameters = parse_form(&bytes)?;
    run(&api, parameters, ask).await
}

/// Whether a GET of `uri` would change what is cached.
pub(super) fn changes_state(uri: &Uri) -> bool {
    let is_here = uri.path().strip_suffix('/').unwrap_or(uri.path()) == "/cache/api/v1.0";
    // What is no form is refused, and changes nothing.
    is_here
        && form::pairs(uri.query().unwrap_or_default())
            .is_ok_and(|pairs| pairs.iter().any(|(name, value)| name == "command" && CHANGING.contains(&&**value)))
}

/// `OPTIONS`.
pub(super) async fn say_methods() -> impl IntoResponse {
    telemetry::allow("GET,HEAD,POST,OPTIONS")
}

/// All other methods.
pub(super) async fn refuse_method(method: Method, uri: Uri) -> Problem {
    let key = target::key_of_query(&uri).ok().flatten();
    Problem::method_not_allowed(&method, uri.path()).about(key.as_deref())
}

async fn run(api: &Api, parameters: Vec<(String, String)>, ask: Ask) -> Result<Response, Problem> {
    match Call::parse(parameters)? {
        Call::Command { command, path } => run_command(api, &command, path, ask).await,
        Call::Function { name, arguments } if name == CREATE => create_function(api, arguments, ask).await,
        Call::Function { name, arguments } => {
            let given: Vec<_> = arguments.into_iter().map(|(name, text)| (name, Given::Text(text))).collect();
            let called = api.engine.call(&name, &given, ask).await?;
            answer_in_room(api, &called.answer.to_text()?).await
        }
    }
}

/// Deploys what a form says: `function_name`, `function_body` and, where it is not Python, `language`.
async fn create_function(api: &Api, mut arguments: Vec<(String, String)>, ask: Ask) -> Result<Response, Problem> {
    let right = r#"{"data": {"function": "function_create", "function_name": "NAME", "function_body": "def main(cache): …"}}"#;
    let mut needed = |name: &str| take(&mut arguments, name)?.ok_or_else(|| Problem::missing_parameter(name, right));
    let (name, text) = (needed("function_name")?, needed("function_body")?);
    let language = match take(&mut arguments, "language")?.as_deref() {
        None | Some("python") => Language::Python,
        Some("sql") => Language::Sql,
        Some(_) => return Err(Problem::bad_parameter("language", "is neither python nor sql")),
    };
    if let Some((extra, _)) = arguments.first() {
        let reason = "is not a parameter of function_create; these are: function_name, function_body, language";
        return Err(Problem::bad_parameter(extra, reason));
    }
    api.engine.deploy(&name, language, &text, ask).await?;
    Ok(answer(StatusCode::OK, None, "{'result': 'success'}"))
}

async fn run_command(api: &Api, command: &str, path: Option<String>, ask: Ask) -> Result<Response, Problem> {
    if !COMMANDS.contains(&command) {
        let reason = format!("`{command}` is not a command; these are: {}", COMMANDS.join(", "));
        return Err(Problem::bad_parameter("command", reason).about(path.as_deref()));
    }
    // `head` needs no key, and what it is told as one is one.
    let key = path.as_deref().map(|path| api.cache.key(path).map_err(|error| Problem::invalid_key(error, path))).transpose()?;
    if command == "head" {
        let head = serde_json::to_string(&api.cache.head().await).expect("numbers under names");
        return Ok(answer(StatusCode::OK, path.as_deref(), &head));
    }
    let (Some(path), Some(key)) = (path, key) else {
        return Err(Problem::missing_parameter("path", &format!("?command={command}&path=file1.json")));
    };
    match command {
        "update" => drop(api.cache.update(&key, ask).await?),
        "delete" => {
            return Ok(match api.cache.evict(&key).await? {
                Removed::Removed => {
                    answer(StatusCode::OK, Some(&path), &format!("{{'cache_item deleted': {}}}", str_repr(&path)))
                }
                Removed::NothingHeld => answer(NOTHING_HELD, Some(&path), "{'error': 'cache_item not found'}"),
            });
        }
        "create" => {
            let read = api.cache.read(&key, ask).await?;
            api.cache.complete(&key, read, ask).await?;
        }
        _read => drop(api.cache.read(&key, ask).await?),
    }
    Ok(answer(StatusCode::OK, Some(&path), "{'result': 'success'}"))
}

/// What a caller asks for.
enum Call {
    Command { command: String, path: Option<String> },
    Function { name: String, arguments: Vec<(String, String)> },
}

impl Call {
    fn parse(mut parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let function = take(&mut parameters, "function")?;
        let command = take(&mut parameters, "command")?;
        match (function, command) {
            (Some(_), Some(_)) => {
                let path = take(&mut parameters, "path").ok().flatten();
                let reason = "stands beside `command`; a call is one or the other";
                Err(Problem::bad_parameter("function", reason).about(path.as_deref()))
            }
            (Some(name), None) => Ok(Self::Function { name, arguments: parameters }),
            (None, command) => {
                let path = take(&mut parameters, "path")?;
                match parameters.first() {
                    Some((extra, _)) => {
                        let reason = "is not a parameter of a command; these are: command, path, or function";
                        Err(Problem::bad_parameter(extra, reason).about(path.as_deref()))
                    }
                    None => Ok(Self::Command { command: command.unwrap_or_else(|| "read".to_owned()), path }),
                }
            }
        }
    }
}

/// Takes the one value of `name` out of `parameters`; `None` where it is not there.
fn take(parameters: &mut Vec<(String, String)>, name: &str) -> Result<Option<String>, Problem> {
    let mut values = parameters.extract_if(.., |(given, _)| given == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Problem::bad_parameter(name, "is given more than once")),
        (value, None) => Ok(value),
    }
}

fn parse_form(bytes: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let not_json = |error| Problem::bad_form(format_args!("the body is not JSON ({error}); {RIGHT_FORM}"));
    let no_data = || Problem::bad_form(format_args!("the body has no object `data`, or more than one; {RIGHT_FORM}"));
    // First whether it is JSON, then whether it is a form.
    let form: &RawValue = serde_json::from_slice(bytes).map_err(not_json)?;
    let Ok(Members::<&RawValue>(members)) = serde_json::from_str(form.get()) else { return Err(no_data()) };
    let mut all_data = members.into_iter().filter(|(name, _)| name == "data").map(|(_, data)| data.get());
    let (Some(data), None) = (all_data.next(), all_data.next()) else { return Err(no_data()) };
    let Members::<Value>(data) =
        serde_json::from_str(data).map_err(|error| if error.is_data() { no_data() } else { not_json(error) })?;
    data.into_iter().map(|(name, value)| scalar(&name, &value).map(|text| (name, text))).collect()
}

fn scalar(name: &str, value: &Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(bool) => Ok(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Problem::bad_form(format_args!("`{name}` is not a text or a number; {RIGHT_FORM}")))
        }
    }
}

/// The original's envelope.
#[derive(Serialize)]
struct Envelope<'a> {
    r#return: Returned<'a>,
}

#[derive(Serialize)]
struct Returned<'a> {
    uri: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    value: &'a str,
}

impl<'a> Envelope<'a> {
    fn of(path: Option<&'a str>, value: &'a str) -> Self {
        Self { r#return: Returned { uri: URI, path, value } }
    }

    /// Indented as Flask indented it.
    fn write(&self, mut to: impl io::Write) -> io::Result<()> {
        let mut serializer = serde_json::Serializer::with_formatter(&mut to, PrettyFormatter::with_indent(b"    "));
        self.serialize(&mut serializer)?;
        to.write_all(b"\n")
    }
}

/// Counts what is written.
struct Length(u64);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn answer(status: StatusCode, path: Option<&str>, value: &str) -> Response {
    let mut text = Vec::new();
    Envelope::of(path, value).write(&mut text).expect("JSON goes into memory");
    respond(status, text.into())
}

/// As [`answer`], of a value that may be as long as an object: it takes its room in memory before it is written.
async fn answer_in_room(api: &Api, value: &str) -> Result<Response, Problem> {
    let (envelope, mut length) = (Envelope::of(None, value), Length(0));
    envelope.write(&mut length).expect("counting does not fail");
    let room = api.cache.room(length.0).await.map_err(Problem::no_room)?;
    let mut text = Vec::with_capacity(room.bytes());
    envelope.write(&mut text).expect("JSON goes into memory");
    Ok(respond(StatusCode::OK, room.hold(text)))
}

fn respond(status: StatusCode, text: Bytes) -> Response {
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
