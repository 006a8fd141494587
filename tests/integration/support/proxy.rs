//! A proxy that passes HTTP on as it is and takes down what was asked and answered, to count and to compare.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// One request as it was asked, and how much came back.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub asked: Asked,
    pub status: StatusCode,
    /// Length of the body that was answered, in bytes.
    pub body_bytes: usize,
}

/// One request as it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    /// What stood in the request line, byte for byte.
    pub target: String,
    pub headers: HeaderMap,
}

impl Asked {
    pub fn of<B>(request: &Request<B>) -> Self {
        let target = request.uri().path_and_query().expect("an origin-form target").as_str().to_owned();
        Self { method: request.method().clone(), target, headers: request.headers().clone() }
    }

    /// The bucket and the key of a path-style request: the path decoded once, and nothing else done to it.
    pub fn bucket_and_key(&self) -> (String, String) {
        let path = self.target.split('?').next().expect("split gives one part at least");
        let path = percent_encoding::percent_decode_str(path).decode_utf8().expect("a path in UTF-8");
        let (bucket, key) = path.strip_prefix('/').expect("an absolute path").split_once('/').unwrap_or((&path[1..], ""));
        (bucket.to_owned(), key.to_owned())
    }

    /// Whose key signed the request; the empty string where nobody's did.
    pub fn access_key(&self) -> &str {
        let authorization = self.headers.get("authorization").map_or("", |value| value.to_str().expect("a text header"));
        authorization.split_once("Credential=").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default())
    }

    /// The first and the last byte of the range that was asked for.
    pub fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a text header"))
    }
}

/// Stands between a client and a server. Ends with the runtime of its test.
pub struct Proxy {
    address: String,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Proxy {
    /// Starts passing on to `upstream` (`127.0.0.1:8333`).
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (upstream, log) = (Arc::<str>::from(upstream), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (upstream, log) = (Arc::clone(&upstream), Arc::clone(&log));
                let service = service_fn(move |request| pass_on(request, Arc::clone(&upstream), Arc::clone(&log)));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, seen }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked and answered since the last call.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Sends `request` with its own target and headers, Host included, so that what was signed stays signed.
async fn pass_on(
    request: Request<Incoming>,
    upstream: Arc<str>,
    log: Arc<Mutex<Vec<Exchange>>>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let asked = Asked::of(&request);
    let stream = TcpStream::connect(&*upstream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (parts, body) = request.into_parts();
    let body = Full::new(body.collect().await?.to_bytes());
    let (parts, body) = sender.send_request(Request::from_parts(parts, body)).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    log.lock().unwrap().push(Exchange { asked, status: parts.status, body_bytes: body.len() });
    Ok(Response::from_parts(parts, Full::new(body)))
}
