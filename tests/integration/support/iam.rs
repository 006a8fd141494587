//! A fake of the one call of IAM's that the doctor makes, SimulatePrincipalPolicy.
//!
//! A fake, since moto lacks the call, and ministack, which answers it from real policies, leaves out the context, so that it denies
//! what hangs on a condition, and refuses nobody. It answers in the form of IAM's API reference, 2010-05-08.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What is to be decided of one action.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The ARN of the role.
    pub role: &'a str,
    pub action: &'a str,
    /// An ARN, or `*`.
    pub resource: &'a str,
    /// Condition keys and their values.
    pub context: &'a BTreeMap<String, String>,
}

/// What is decided.
#[derive(Clone, Copy, Debug)]
pub enum Decision {
    Allowed,
    Denied,
    /// Denied, as long as this condition key has no value.
    Lacks(&'static str),
    /// The whole call is refused with this status and error code.
    Refused(StatusCode, &'static str),
}

/// Starts one that decides so, and says its URL. Ends with the runtime of its test.
pub async fn iam(decide: fn(&Wanted) -> Decision) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("a bound address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(move |request| answer(request, decide));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    endpoint
}

/// As the policies of the template's roles decide with `DataDir=prod`, everything made, and functions not deployed.
pub fn as_in_the_template(wanted: &Wanted) -> Decision {
    let is_refresh = wanted.role.ends_with("refresh");
    let context = |key: &str| wanted.context.get(key).map(String::as_str);
    let (_, key) = wanted.resource.split_once('/').unwrap_or_default();
    let is_allowed = match wanted.action {
        "s3:GetObject" => key.starts_with("prod/"),
        "s3:ListBucket" => key.is_empty() && context("s3:prefix").is_none_or(|prefix| prefix.starts_with("prod/")),
        "elasticfilesystem:ClientMount" | "elasticfilesystem:ClientWrite" => {
            let point = context("elasticfilesystem:AccessPointArn").unwrap_or_default();
            point.starts_with("arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-")
        }
        "sqs:ReceiveMessage" | "sqs:DeleteMessage" | "sqs:GetQueueAttributes" => is_refresh,
        action => action.starts_with("ec2:") && wanted.resource == "*",
    };
    if is_allowed { Decision::Allowed } else { Decision::Denied }
}

async fn answer(request: Request<Incoming>, decide: fn(&Wanted) -> Decision) -> hyper::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let form: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    assert_eq!((field("Action"), field("Version")), ("SimulatePrincipalPolicy", "2010-05-08"), "{form:?}");
    let actions = (1..).map(|at| format!("ActionNames.member.{at}")).map_while(|name| form.get(&name));
    let entries = (1..).map(|at| format!("ContextEntries.member.{at}"));
    let entries = entries.take_while(|entry| form.contains_key(&format!("{entry}.ContextKeyName")));
    let value = |entry: &str, name: &str| field(&format!("{entry}.{name}")).to_owned();
    let context = entries.map(|it| (value(&it, "ContextKeyName"), value(&it, "ContextKeyValues.member.1"))).collect();
    let mut results = String::new();
    for action in actions {
        let (role, resource) = (field("PolicySourceArn"), field("ResourceArns.member.1"));
        let wanted = Wanted { role, action, resource, context: &context };
        let (decision, lacks) = match decide(&wanted) {
            Decision::Allowed => ("allowed", String::new()),
            Decision::Denied => ("implicitDeny", String::new()),
            Decision::Lacks(key) => ("implicitDeny", format!("<member>{key}</member>")),
            Decision::Refused(status, code) => return Ok(refused(status, code)),
        };
        let _ = write!(
            results,
            "<member><MatchedStatements/><MissingContextValues>{lacks}</MissingContextValues>\
             <EvalResourceName>{resource}</EvalResourceName><EvalDecision>{decision}</EvalDecision>\
             <EvalActionName>{}</EvalActionName></member>",
            wanted.action
        );
    }
    let text = format!(
        "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>\
         <IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult>\
         <ResponseMetadata><RequestId>1cdb5b0a</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"
    );
    Ok(Response::new(Full::from(text)))
}

fn refused(status: StatusCode, code: &str) -> Response<Full<Bytes>> {
    let text = format!(
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>no</Message></Error><RequestId>1cdb5b0a</RequestId></ErrorResponse>"
    );
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
