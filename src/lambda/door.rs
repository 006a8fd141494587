//! The front doors that hand requests to Lambda, and what each does to a URL.

use aws_lambda_events::alb::AlbTargetGroupRequest;
use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use aws_lambda_events::encodings::Base64Data;
use aws_lambda_events::query_map::QueryMap;
use axum::body::Body;
use http::header::{CONTENT_LENGTH, COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::lambda::{PAYLOAD_BYTES_MAX, Refusal};

/// A front door of AWS. A key is what the client's URL said, so what the door did to the URL is undone, and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// API Gateway REST API: events of format 1.0.
    RestApi,
    /// API Gateway HTTP API: events of format 2.0.
    HttpApi,
    /// A function's own URL: events of format 2.0.
    FunctionUrl,
    /// An Application Load Balancer, whose target group says how many values a name has. It is answered in the same form.
    LoadBalancer(Values),
}

/// How many values of a header or parameter a load balancer hands over, and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// The last (`headers`, `queryStringParameters`): `lambda.multi_value_headers.enabled` is off.
    One,
    /// All (`multiValueHeaders`, `multiValueQueryStringParameters`): it is on.
    All,
}

impl Door {
    /// How each door hands a URL over. This table is the only place that knows.
    ///
    /// | door | path | stage in the path | query |
    /// |---|---|---|---|
    /// | REST API | `path`, as the client encoded it | no (only `requestContext.path` has it) | a map, decoded as a form |
    /// | HTTP API | `rawPath`, decoded once despite its name | yes, unless it is `$default` | as the client wrote it |
    /// | Function URL | `rawPath`, as the client encoded it | no | as the client wrote it |
    /// | load balancer | `path`, as the client encoded it | there are none | a map, as the client encoded it |
    ///
    /// What is lost before we see it: the HTTP API cuts its path at a decoded `?`, so that a key with `?` comes through it as
    /// `/cache?path=KEY` only, the form that every door carries unharmed. `%2F` and `/`, `%2B` and `+` arrive alike in its
    /// path; they name the same key, since a path is decoded once.
    ///
    /// Source: API Gateway, "Lambda proxy integrations in API Gateway" (format 1.0) and "Create AWS Lambda proxy integrations
    /// for HTTP APIs" (2.0), which say nothing of encoding; that was measured on AWS by others: middleapi/standard-server#93
    /// (all three, and the cut), honojs/hono#2156 (HTTP API), localstack/localstack#7728 (REST API); the stage:
    /// aws-powertools/powertools-lambda-python#579 and #621; a form's `+`: aws/aws-cdk#19827. Elastic Load Balancing, "Lambda
    /// functions as targets": "If the query parameters are URL-encoded, the load balancer does not decode them"; measured in
    /// aws/aws-lambda-rust-runtime#543. Of a load balancer's path neither says anything: that it is encoded is an assumption,
    /// which Kludex/mangum (handlers/alb.py) makes too.
    const fn path_is(self) -> PathIs {
        match self {
            Self::RestApi | Self::FunctionUrl | Self::LoadBalancer(_) => PathIs::Encoded,
            Self::HttpApi => PathIs::Decoded,
        }
    }

    /// The longest answer in bytes that goes through at once, with the JSON around it and base64 included.
    ///
    /// | door | its own limit | Lambda's before it |
    /// |---|---|---|
    /// | REST API, HTTP API | 10 MB | 6 MB |
    /// | Function URL | none | 6 MB |
    /// | load balancer | 1 MB | 6 MB |
    ///
    /// Source: Elastic Load Balancing, "Lambda functions as targets", limits ("1 MB", taken as the smaller of the two that are
    /// called so); API Gateway, "Quotas"; [`PAYLOAD_BYTES_MAX`].
    pub const fn payload_bytes_max(self) -> u64 {
        match self {
            Self::RestApi | Self::HttpApi | Self::FunctionUrl => PAYLOAD_BYTES_MAX,
            Self::LoadBalancer(_) => 1_000_000,
        }
    }

    /// Whether an answer can go through as it comes. One that can is handed over in another form, so that the setting and the
    /// deployment have to agree.
    ///
    /// Source: API Gateway, "Stream the integration response" ("only supported for REST APIs"); Lambda, "Response streaming for
    /// Lambda functions" (Function URLs with `RESPONSE_STREAM`); a load balancer takes one JSON document.
    pub const fn streams(self) -> bool {
        match self {
            Self::RestApi | Self::FunctionUrl => true,
            Self::HttpApi | Self::LoadBalancer(_) => false,
        }
    }

    fn given(self, event: Value) -> serde_json::Result<Given> {
        match self {
            Self::RestApi => serde_json::from_value(event).map(Given::from_format_1),
            Self::HttpApi | Self::FunctionUrl => serde_json::from_value(event).map(Given::from_format_2),
            Self::LoadBalancer(_) => serde_json::from_value(event).map(Given::from_load_balancer),
        }
    }

    /// Makes the request that the client sent to this door.
    ///
    /// # Errors
    /// `BadEvent`, `BadTarget`, `BadBase64`.
    pub fn request(self, event: Value) -> Result<Request<Body>, Refusal> {
        // What the parser says would repeat the event.
        let given = self.given(event).map_err(|_| Refusal::BadEvent)?;
        let target = target(self.path_is(), &given)?;
        let body = body(given.body, given.is_base64)?;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = given.method;
        *request.uri_mut() = target;
        *request.headers_mut() = given.headers;
        // The doors keep, drop or zero these as they like; a request over a socket would have said the truth.
        request.headers_mut().remove(TRANSFER_ENCODING);
        request.headers_mut().remove(CONTENT_LENGTH);
        if !body.is_empty() {
            request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
            *request.body_mut() = body.into();
        }
        Ok(request)
    }
}

/// In which form a path is handed over.
enum PathIs {
    /// As it stood in the URL.
    Encoded,
    /// With its percent signs resolved.
    Decoded,
}

/// What both formats say of a request, in the words of the door.
struct Given {
    method: Method,
    path: String,
    query: Query,
    headers: HeaderMap,
    body: Option<String>,
    is_base64: bool,
}

/// A query in the form the event has it.
enum Query {
    /// What stood behind the `?`.
    Raw(String),
    /// Names and values, sorted by name: the event's map has no order; the values of one name have.
    Pairs(Vec<(String, String)>),
}

/// The pairs of whichever of the two maps is there.
fn pairs(all: QueryMap, one: QueryMap) -> Vec<(String, String)> {
    let parameters = if all.is_empty() { one } else { all };
    let mut pairs: Vec<_> = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    pairs
}

impl Given {
    fn from_format_1(event: ApiGatewayProxyRequest) -> Self {
        Self {
            method: event.http_method,
            path: event.path.unwrap_or_default(),
            query: Query::Pairs(pairs(event.multi_value_query_string_parameters, event.query_string_parameters)),
            headers: if event.multi_value_headers.is_empty() { event.headers } else { event.multi_value_headers },
            body: event.body,
            is_base64: event.is_base64_encoded,
        }
    }

    fn from_load_balancer(event: AlbTargetGroupRequest) -> Self {
        let pairs = pairs(event.multi_value_query_string_parameters, event.query_string_parameters);
        // Names and values are still encoded, so that putting them together undoes taking them apart.
        let query = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        Self {
            method: event.http_method,
            path: event.path.unwrap_or_default(),
            query: Query::Raw(query),
            headers: if event.multi_value_headers.is_empty() { event.headers } else { event.multi_value_headers },
            body: event.body,
            is_base64: event.is_base64_encoded,
        }
    }

    fn from_format_2(event: ApiGatewayV2httpRequest) -> Self {
        let path = event.raw_path.unwrap_or_default();
        let mut headers = event.headers;
        let cookies = event.cookies.map(|cookies| HeaderValue::try_from(cookies.join("; ")));
        if let Some(Ok(cookies)) = cookies {
            headers.insert(COOKIE, cookies);
        }
        Self {
            method: event.request_context.http.method,
            path: without_stage(&path, event.request_context.stage.as_deref()).to_owned(),
            query: Query::Raw(event.raw_query_string.unwrap_or_default()),
            headers,
            body: event.body,
            is_base64: event.is_base64_encoded,
        }
    }
}

/// A stage's name stands in front of the path, as one segment; `$default` does not.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    stage
        .filter(|stage| !matches!(*stage, "" | "$default"))
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .unwrap_or(path)
}

/// What must not stand in a URL as it is, in a text that is encoded already: its `%` are right.
const STRAY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');
/// The same in a path, where `?` would begin the query.
const STRAY_IN_PATH: &AsciiSet = &STRAY.add(b'?');
/// All that is not unreserved. Source: RFC 3986 §2.3. `/` stays: a decoded path no longer tells which of them were encoded.
const DECODED_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

fn target(path_is: PathIs, given: &Given) -> Result<Uri, Refusal> {
    let path = match path_is {
        PathIs::Encoded => utf8_percent_encode(&given.path, STRAY_IN_PATH),
        PathIs::Decoded => utf8_percent_encode(&given.path, DECODED_PATH),
    };
    let query = match &given.query {
        Query::Raw(raw) => utf8_percent_encode(raw, STRAY).to_string(),
        Query::Pairs(pairs) => form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish(),
    };
    let slash = if given.path.starts_with('/') { "" } else { "/" };
    let question_mark = if query.is_empty() { "" } else { "?" };
    Uri::try_from(format!("{slash}{path}{question_mark}{query}")).map_err(|_| Refusal::BadTarget)
}

fn body(body: Option<String>, is_base64: bool) -> Result<Vec<u8>, Refusal> {
    let text = body.unwrap_or_default();
    if is_base64 {
        Base64Data::deserialize(Value::String(text)).map(|data| data.0).map_err(|_| Refusal::BadBase64)
    } else {
        Ok(text.into_bytes())
    }
}
