//! A client that sends a request target byte for byte, as no URL library does.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().expect("a text header")
    }
}

/// Sends one request to `address` (`127.0.0.1:5000`); `target` is what stands in the request line.
pub async fn send(address: &str, method: Method, target: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    try_send(address, method, target, headers, body).await.expect("a whole answer")
}

/// As [`send`], to a server that may die meanwhile.
///
/// # Errors
/// Where there is no answer, or not all of it.
pub async fn try_send(
    address: &str,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(target).header("host", address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    let answer = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    };
    let answer = tokio::time::timeout(Duration::from_secs(60), answer).await.expect("an answer within a minute");
    connection.abort();
    answer
}

/// Sends a GET without a body.
pub async fn get(address: &str, target: &str) -> Answer {
    send(address, Method::GET, target, &[], Bytes::new()).await
}
