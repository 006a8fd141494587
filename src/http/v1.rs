//! The original's API, `/cache/api/v1.0/`: its documented answers to the letter, real status codes where it crashed or lied.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value, json};

use crate::cache::Ask;
use crate::http::problem::Problem;
use crate::http::{Api, ask, form, target};
use crate::python_value::str_repr;
use crate::tier::Removed;

/// Room for many parameters, and none for data.
const FORM_BYTES_MAX: usize = 1 << 20;

const URI: &str = "/cache/api/v1.0/";
/// What a command is called; without one, `read` is meant.
const COMMANDS: [(&str, Command); 5] = [
    ("create", Command::OnKey(OnKey::Read)),
    ("read", Command::OnKey(OnKey::Read)),
    ("update", Command::OnKey(OnKey::Update)),
    ("delete", Command::OnKey(OnKey::Delete)),
    ("head", Command::Head),
];
const RIGHT_FORM: &str =
    r#"write {"data": {"command": "read", "path": "file1.json"}} or {"data": {"function": "NAME", "PARAMETER": "VALUE"}}"#;

/// GET with everything in the query.
pub(super) async fn run_query(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let parameters = form::pairs(request.uri().query().unwrap_or_default()).map_err(target::not_utf8)?;
    run(&api, parameters, ask(request.extensions())).await
}

/// POST with everything in a JSON form.
pub(super) async fn run_form(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let ask = ask(request.extensions());
    let parameters = parse_form(request.into_body()).await?;
    run(&api, parameters, ask).await
}

async fn run(api: &Api, parameters: Vec<(String, String)>, ask: Ask) -> Result<Response, Problem> {
    let Call { name, command, path } = Call::parse(parameters)?;
    let Command::OnKey(command) = command else {
        let head = serde_json::to_string(&api.cache.head().await).expect("numbers under names");
        return Ok(answer(StatusCode::OK, path.as_deref(), &head));
    };
    let path = path.ok_or_else(|| Problem::missing_parameter("path", &format!("?command={name}&path=file1.json")))?;
    let key = api.cache.key(&path)?;
    let value = match command {
        OnKey::Read => {
            api.cache.read(&key, ask).await?;
            "{'result': 'success'}".to_owned()
        }
        OnKey::Update => {
            api.cache.update(&key, ask).await?;
            "{'result': 'success'}".to_owned()
        }
        OnKey::Delete => match api.cache.evict(&key).await? {
            Removed::Removed => format!("{{'cache_item deleted': {}}}", str_repr(&path)),
            Removed::NothingHeld => {
                return Ok(answer(StatusCode::NOT_FOUND, Some(&path), "{'error': 'cache_item not found'}"));
            }
        },
    };
    Ok(answer(StatusCode::OK, Some(&path), &value))
}

#[derive(Clone, Copy)]
enum Command {
    OnKey(OnKey),
    /// On the whole cache.
    Head,
}

#[derive(Clone, Copy)]
enum OnKey {
    Read,
    Update,
    Delete,
}

/// What a caller asks for.
struct Call {
    name: &'static str,
    command: Command,
    path: Option<String>,
}

impl Call {
    fn parse(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut call = Self { name: "read", command: Command::OnKey(OnKey::Read), path: None };
        let mut named = Vec::new();
        for (name, value) in parameters {
            if named.contains(&name) {
                return Err(Problem::bad_parameter(&name, "is given more than once"));
            }
            match name.as_str() {
                "command" => (call.name, call.command) = command(&value)?,
                "path" => call.path = Some(value),
                _ => {
                    let reason = "is not a parameter of a command; these are: command, path";
                    return Err(Problem::bad_parameter(&name, reason));
                }
            }
            named.push(name);
        }
        Ok(call)
    }
}

fn command(name: &str) -> Result<(&'static str, Command), Problem> {
    COMMANDS.into_iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let names = COMMANDS.map(|(known, _)| known).join(", ");
        Problem::bad_parameter("command", format_args!("names none: `{name}`; these are: {names}"))
    })
}

async fn parse_form(body: Body) -> Result<Vec<(String, String)>, Problem> {
    let bytes = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| Problem::form_too_large(FORM_BYTES_MAX))?;
    let form: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_form(format_args!("the body is not JSON ({error}); {RIGHT_FORM}")))?;
    let Some(Value::Object(data)) = form.get("data") else {
        return Err(Problem::bad_form(format_args!("the body has no object `data`; {RIGHT_FORM}")));
    };
    data.iter().map(|(name, value)| Ok((name.clone(), scalar(name, value)?))).collect()
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

/// The original's envelope, indented as Flask indented it.
fn answer(status: StatusCode, path: Option<&str>, value: &str) -> Response {
    let mut inner = Map::new();
    inner.insert("uri".to_owned(), Value::from(URI));
    if let Some(path) = path {
        inner.insert("path".to_owned(), Value::from(path));
    }
    inner.insert("value".to_owned(), Value::from(value));
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    json!({ "return": inner }).serialize(&mut serializer).expect("JSON goes into memory");
    text.push(b'\n');
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
