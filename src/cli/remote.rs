//! A server that is asked from the command line. Follows no redirect: the token is for whom it was meant.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, InvalidHeaderValue};
use http::uri::InvalidUri;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
#[cfg(feature = "aws")]
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cli::progress::Bar;
use crate::config::ApiToken;
use crate::refresh::Warmed;

#[cfg(feature = "aws")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "aws"))]
type Connector = HttpConnector;

/// How long a server may say nothing: a key that is large and far away takes its time.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// Longest line that a server is believed to mean, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A server.
pub struct Remote {
    client: Client<Connector, Full<Bytes>>,
    /// Without a slash at its end.
    base: String,
    token: Option<ApiToken>,
}

/// Why a server cannot be asked, or what it said.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The URL is none.
    #[error("--url {0:?}: write http://HOST:PORT or https://HOST, and where the API is below a path, that too")]
    Url(String),
    /// This binary speaks no TLS.
    #[error("--url {0:?}: this binary was built without the feature `aws`, which brings https")]
    NotBuiltIn(String),
    /// The system's certificates cannot be read.
    #[error("no certificate authorities: {0}")]
    Certificates(std::io::Error),
    /// No connection, or it broke.
    #[error("no answer from {base}: {why}")]
    NoAnswer {
        /// Who was asked.
        base: String,
        /// What happened.
        why: String,
    },
    /// It refused.
    #[error("{base} says {status}: {what}")]
    Refused {
        /// Who was asked.
        base: String,
        /// The status.
        status: u16,
        /// In its own words.
        what: String,
    },
    /// The answer ended before its last line, or is none of ours.
    #[error("the answer of {base} broke off after {keys} keys")]
    BrokenOff {
        /// Who was asked.
        base: String,
        /// How many keys it had done.
        keys: u64,
    },
}

impl Remote {
    /// The server at `url`; asks nothing yet.
    ///
    /// # Errors
    /// `Url`, `NotBuiltIn`, `Certificates`.
    pub fn new(url: &str, token: Option<ApiToken>) -> Result<Self, RemoteError> {
        let wrong = || RemoteError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_: InvalidUri| wrong())?;
        let is_plain = uri.query().is_none() && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        if !is_plain || !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong());
        }
        let client = Client::builder(TokioExecutor::new()).build(connector(&uri)?);
        Ok(Self { client, base: url.trim_end_matches('/').to_owned(), token })
    }

    /// What it says of itself at `/stats`.
    ///
    /// # Errors
    /// `NoAnswer`, `Refused`.
    pub async fn stats(&self) -> Result<Value, RemoteError> {
        let answer = self.ask(Method::GET, "/stats", Bytes::new()).await?;
        let body = answer.into_body().collect().await.map_err(|error| self.no_answer(&error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| self.no_answer(&error))
    }

    /// Has it fetch what matches `patterns`; says on the standard error which keys failed and why.
    ///
    /// # Errors
    /// `NoAnswer`, `Refused`, `BrokenOff`.
    pub async fn warm(&self, patterns: &[String], bar: &mut Bar) -> Result<Warmed, RemoteError> {
        let body = Bytes::from(json!({ "patterns": patterns }).to_string());
        let mut answer = self.ask(Method::POST, "/cache", body).await?.into_body();
        let (mut text, mut keys) = (Vec::new(), 0);
        let broken_off = |keys| RemoteError::BrokenOff { base: self.base.clone(), keys };
        loop {
            let frame = timeout(PAUSE_MAX, answer.frame()).await.map_err(|_| broken_off(keys))?;
            let Some(Ok(frame)) = frame else { return Err(broken_off(keys)) };
            text.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let mut line: Value = serde_json::from_slice(&line).map_err(|_| broken_off(keys))?;
                if let Some(summary) = line.get_mut("summary") {
                    return serde_json::from_value(summary.take()).map_err(|_| broken_off(keys));
                }
                keys += u64::from(line.get("key").is_some());
                bar.line(&line);
            }
            if text.len() > LINE_BYTES_MAX {
                return Err(broken_off(keys));
            }
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, RemoteError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            let shown: Result<HeaderValue, InvalidHeaderValue> = format!("Bearer {}", token.reveal()).try_into();
            let mut shown = shown.expect("a token is what a header carries");
            shown.set_sensitive(true);
            request = request.header(AUTHORIZATION, shown);
        }
        let request = request.body(Full::new(body)).map_err(|_| RemoteError::Url(self.base.clone()))?;
        let answer = timeout(PAUSE_MAX, self.client.request(request)).await.map_err(|late| self.no_answer(&late))?;
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let what = problem["detail"].as_str().unwrap_or("nothing that a program understands").to_owned();
        Err(RemoteError::Refused { base: self.base.clone(), status, what })
    }

    fn no_answer(&self, error: &(dyn std::error::Error + 'static)) -> RemoteError {
        let mut why = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            cause = error.source();
        }
        RemoteError::NoAnswer { base: self.base.clone(), why }
    }
}

#[cfg(feature = "aws")]
fn connector(uri: &Uri) -> Result<Connector, RemoteError> {
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let https = if uri.scheme_str() == Some("https") {
        builder.with_provider_and_native_roots(provider).map_err(RemoteError::Certificates)?
    } else {
        // A machine without any authorities may ask itself.
        let versions = ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| RemoteError::Certificates(std::io::Error::other(error)))?;
        builder.with_tls_config(versions.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    };
    Ok(https.https_or_http().enable_http1().build())
}

#[cfg(not(feature = "aws"))]
fn connector(uri: &Uri) -> Result<Connector, RemoteError> {
    if uri.scheme_str() == Some("https") { Err(RemoteError::NotBuiltIn(uri.to_string())) } else { Ok(HttpConnector::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_server_and_perhaps_a_path() {
        for (url, base) in [("http://127.0.0.1:5000", "http://127.0.0.1:5000"), ("http://[::1]:1/prod/", "http://[::1]:1/prod")] {
            assert_eq!(Remote::new(url, None).map(|remote| remote.base).unwrap(), base);
        }
        for url in
            ["", "127.0.0.1:5000", "/cache", "ftp://example.com", "http://", "http://a@example.com", "http://example.com?a=b"]
        {
            assert!(matches!(Remote::new(url, None), Err(RemoteError::Url(_))), "{url}");
        }
    }
}
