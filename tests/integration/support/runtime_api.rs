//! Lambda's side of the runtime API, with the real binary as the function: what AWS's emulator does not show (trailers, several
//! invocations at a time, a process that is frozen) is seen here.
//!
//! Source: Lambda, "Using the Lambda runtime API for custom runtimes" and "Building a custom runtime".

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How long an answer may take, whatever its invocation was given.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How much time an invocation is given.
const INVOCATION_TIME: Duration = Duration::from_secs(30);

/// Says which process the function is, and kills it, frozen or not, when the pipe to the standard input closes, which it does
/// however the process of the tests ends.
const WATCHDOG: &str = r#"log=$1; shift; "$@" </dev/null >"$log" 2>&1 & echo $!; cat >/dev/null; kill -9 $!"#;

/// A function's process and what stands in for Lambda around it.
pub struct RuntimeApi {
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<Event>,
    process_id: String,
    log: NamedTempFile,
    watchdog: Child,
}

/// What the function made of an event.
#[derive(Debug)]
pub struct Outcome {
    /// `response` or `error`.
    pub endpoint: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What came after the body; empty where nothing did.
    pub trailers: HeaderMap,
}

struct Event {
    id: u64,
    payload: String,
    deadline_millis: u128,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
    next_id: AtomicU64,
    /// The process to freeze as soon as it has answered.
    freeze: Mutex<Option<String>>,
    frozen: AtomicBool,
    /// How long the next answer is left unread.
    pause: Mutex<Option<Duration>>,
    /// Invocations handed out and not answered yet.
    under_way: AtomicU64,
}

impl RuntimeApi {
    /// Starts the real binary as a function with these variables and those that Lambda sets.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(Path::new(env!("CARGO_BIN_EXE_cache-api")), variables).await
    }

    /// As [`RuntimeApi::start`], with another program as the bootstrap.
    pub async fn start_with(bootstrap: &Path, variables: &[(&str, &str)]) -> Self {
        let (address, shared, events) = serve().await;
        let log = NamedTempFile::with_prefix("cache-api-function-").expect("a file");
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(log.path())
            .arg(bootstrap)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_LAMBDA_RUNTIME_API", &address)
            .envs([("AWS_LAMBDA_FUNCTION_NAME", "cache-api"), ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")])
            .envs([("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C in a terminal ends the tests, and their end the function.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut process_id = String::new();
        let stdout = watchdog.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut process_id).expect("the shell says which process it started");
        Self { shared, events, process_id: process_id.trim().to_owned(), log, watchdog }
    }

    /// Sends an event and waits for what the function makes of it.
    pub async fn invoke(&self, event: &Value) -> Outcome {
        self.invoke_within(event, INVOCATION_TIME).await
    }

    /// As [`RuntimeApi::invoke`], with an invocation that is killed after `time`, as far as it is told.
    pub async fn invoke_within(&self, event: &Value, time: Duration) -> Outcome {
        #[expect(clippy::disallowed_methods, reason = "Lambda tells a function its deadline")]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, outcome) = oneshot::channel();
        self.shared.waiting().insert(id, sender);
        let event = Event { id, payload: event.to_string(), deadline_millis: (now + time).as_millis() };
        assert!(self.events.send(event).is_ok(), "the server of the runtime API has ended");
        match tokio::time::timeout(WAIT_MAX, outcome).await {
            Ok(Ok(outcome)) => outcome,
            _ => panic!("no answer within a minute\n{}", self.log()),
        }
    }

    /// Freezes the process the instant it has answered the next event, as Lambda does, before it learns that it has.
    pub fn freeze_after_answer(&self) {
        *self.shared.freeze.lock().unwrap() = Some(self.process_id.clone());
    }

    /// Leaves the next answer unread for so long, as a Lambda does whose client is slow.
    pub fn read_late(&self, pause: Duration) {
        *self.shared.pause.lock().unwrap() = Some(pause);
    }

    /// Whether the process was frozen.
    pub fn is_frozen(&self) -> bool {
        self.shared.frozen.load(Ordering::SeqCst)
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        signal("CONT", &self.process_id);
        self.shared.frozen.store(false, Ordering::SeqCst);
    }

    /// Invocations that the function has at hand.
    pub fn under_way(&self) -> u64 {
        self.shared.under_way.load(Ordering::SeqCst)
    }

    /// What the function has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // The shell ends as soon as it has ended the function.
        let _ = self.watchdog.wait();
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        self.waiting.lock().unwrap()
    }
}

fn signal(name: &str, process_id: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {process_id}")]).status().expect("a shell");
    assert!(sent.success(), "SIG{name} cannot be sent to {process_id}");
}

/// Serves the runtime API: where, and how to give it events.
async fn serve() -> (String, Arc<Shared>, mpsc::UnboundedSender<Event>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound address").to_string();
    let shared = Arc::<Shared>::default();
    let (sender, events) = mpsc::unbounded_channel();
    let events = Arc::new(tokio::sync::Mutex::new(events));
    let state = Arc::clone(&shared);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (state, events) = (Arc::clone(&state), Arc::clone(&events));
            let service = service_fn(move |request| answer(request, Arc::clone(&state), Arc::clone(&events)));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, shared, sender)
}

type Events = Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>, events: Events) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let steps: Vec<_> = path.split('/').skip(1).collect();
    match (request.method(), steps.as_slice()) {
        (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => {
            let Some(event) = events.lock().await.recv().await else { return Ok(status(StatusCode::GONE)) };
            shared.under_way.fetch_add(1, Ordering::SeqCst);
            let response = Response::builder()
                .header("lambda-runtime-aws-request-id", event.id.to_string())
                .header("lambda-runtime-deadline-ms", event.deadline_millis.to_string())
                .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:cache-api")
                .body(Full::from(event.payload));
            Ok(response.expect("a response"))
        }
        (&Method::POST, ["2018-06-01", "runtime", "invocation", id, endpoint @ ("response" | "error")]) => {
            let id: u64 = id.parse().expect("an id that was given");
            let endpoint = (*endpoint).to_owned();
            let (parts, body) = request.into_parts();
            let pause = shared.pause.lock().unwrap().take();
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let collected = body.collect().await?;
            let trailers = collected.trailers().cloned().unwrap_or_default();
            if let Some(process_id) = shared.freeze.lock().unwrap().take() {
                signal("STOP", &process_id);
                shared.frozen.store(true, Ordering::SeqCst);
            }
            shared.under_way.fetch_sub(1, Ordering::SeqCst);
            let outcome = Outcome { endpoint, headers: parts.headers, body: collected.to_bytes(), trailers };
            let waiting = shared.waiting().remove(&id).expect("answered once");
            // Whoever asked may have given up.
            let _ = waiting.send(outcome);
            Ok(status(StatusCode::ACCEPTED))
        }
        _ => Ok(status(StatusCode::NOT_FOUND)),
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
