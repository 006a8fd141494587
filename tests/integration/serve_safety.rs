//! Who may ask a real `serve`, and what it does with requests that are none: curl, raw sockets, and pages of other origins.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::support::client::{Answer, get, send};
use super::support::serve::{Serve, run_to_end, vars};

const TOKEN: &str = "3c6e0b8a9c15224a8228b9a98ca1531d";

/// A server over a directory that has `a.csv`.
struct Site {
    server: Serve,
    source: tempfile::TempDir,
}

impl Site {
    async fn open(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let source = tempfile::tempdir().unwrap();
        fs::write(source.path().join("a.csv"), "x\n1\n").unwrap();
        let all: Vec<_> = arguments.iter().copied().chain(["--source", source.path().to_str().unwrap()]).collect();
        let variables = [("LOCAL_DATA_DIR", "")].iter().chain(variables).copied();
        let server = Serve::start(&all, vars(variables)).await;
        Self { server, source }
    }

    async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)]) -> Answer {
        send(self.server.address(), method, target, headers, "").await
    }

    /// Sends bytes as they are, and reads until the server closes or has nothing more to say for a moment.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.server.address()).await.unwrap();
        // The server may have refused before all was sent.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        while let Ok(Ok(count @ 1..)) = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut part)).await {
            answer.extend_from_slice(&part[..count]);
        }
        String::from_utf8(answer).unwrap()
    }

    /// What is cached.
    async fn held(&self) -> String {
        self.send(Method::GET, "/cache", &[]).await.json()["keys"].to_string()
    }
}

/// How many answers a connection gave.
fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[tokio::test]
async fn a_page_that_has_its_own_name_point_here_gets_nothing() {
    let site = Site::open(&[], &[]).await;
    for host in ["example.com", "127.0.0.1.example.com:5000", "0.0.0.0:5000", ""] {
        let text = site.raw(format!("GET /cache/a.csv HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 421 ") && text.contains("/problems/misdirected"), "{host}: {text}");
    }
    let port = site.server.address().rsplit_once(':').unwrap().1;
    let text = site.raw(format!("GET /health HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n").as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
}

/// "With a foreign `Origin` or `Sec-Fetch-Site: cross-site` everything that changes state is refused."
#[tokio::test]
async fn a_page_of_another_origin_evicts_nothing() {
    let site = Site::open(&[], &[]).await;
    get(site.server.address(), "/cache/a.csv").await;
    let foreign: [&[(&str, &str)]; 2] = [&[("origin", "https://example.com")], &[("sec-fetch-site", "cross-site")]];
    for headers in foreign {
        for (method, target) in [(Method::DELETE, "/cache/a.csv"), (Method::GET, "/cache/api/v1.0/?command=delete&path=a.csv")] {
            let refused = site.send(method, target, headers).await;
            assert_eq!(refused.status.as_u16(), 403, "{target}");
            assert_eq!(refused.json()["type"], "/problems/cross-site");
        }
        assert_eq!(site.send(Method::GET, "/cache/a.csv", headers).await.status, 200, "it may be linked to");
    }
    assert!(site.held().await.contains("a.csv"));
    let own = format!("http://{}", site.server.address());
    let gone = site.send(Method::GET, "/cache/api/v1.0/?command=delete&path=a.csv", &[("origin", &own)]).await;
    assert_eq!(gone.status, 200);
    assert_eq!(site.held().await, "[]");
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_token_or_a_word() {
    let source = tempfile::tempdir().unwrap();
    let source = source.path().to_str().unwrap();
    let open = ["serve", "--listen", "0.0.0.0:0", "--source", source];
    let end = run_to_end(&open, vars([("LOCAL_DATA_DIR", "")])).await;
    assert_eq!((end.status.code(), &*end.stdout), (Some(2), ""), "{end:?}");
    assert!(end.stderr.contains("set CACHE_API_TOKEN") && end.stderr.contains("--allow-anonymous"), "{}", end.stderr);
    let end = run_to_end(&open, vars([("CACHE_API_TOKEN", "hunter2")])).await;
    assert_eq!(end.status.code(), Some(2));
    assert!(end.stderr.contains("CACHE_API_TOKEN: write 16 to 1024") && !end.stderr.contains("hunter2"), "{}", end.stderr);
}

#[tokio::test]
async fn with_a_token_curl_shows_it_and_no_log_does() {
    let site = Site::open(&[], &[("CACHE_API_TOKEN", TOKEN), ("CACHE_API_LOG", "trace")]).await;
    let url = format!("http://{}/cache/a.csv", site.server.address());
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-s", "-i", "--max-time", "20"]).args(more).arg(&url).stdin(Stdio::null());
        async move { String::from_utf8(command.output().await.unwrap().stdout).unwrap() }
    };
    let bare = curl(&[]).await;
    assert!(bare.starts_with("HTTP/1.1 401 ") && bare.contains("www-authenticate: Bearer"), "{bare}");
    assert!(curl(&["-H", "Authorization: Bearer 3c6e0b8a9c15224a8228b9a98ca1531e"]).await.starts_with("HTTP/1.1 401 "));
    let shown = curl(&["-H", &format!("Authorization: Bearer {TOKEN}")]).await;
    assert!(shown.starts_with("HTTP/1.1 200 ") && shown.ends_with("x\n1\n"), "{shown}");
    assert_eq!(site.send(Method::GET, "/health", &[]).await.status, 200);
    let announcement = site.server.announcement().to_owned();
    assert!(announcement.contains("CACHE_API_TOKEN") && !announcement.contains(TOKEN), "{announcement}");
    let end = site.server.terminate().await;
    assert!(end.status.success() && !end.stderr.is_empty(), "{end:?}");
    assert!(!end.stderr.contains(TOKEN) && !end.stdout.contains(TOKEN), "{}", end.stderr);
    drop(site.source);
}

/// Two servers that disagree about where a request ends let one user's request be taken for the end of another's.
/// Source: RFC 9112, sections 6.1, 6.3 and 11.2.
#[tokio::test]
async fn requests_of_two_meanings_are_refused_or_the_last_of_their_connection() {
    let site = Site::open(&[], &[]).await;
    let smuggled = "GET /stats HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let form = r#"{"data": {"function": "echo", "message": "m"}}"#;
    let length = form.len();
    let post = |headers: &str, body: &str| {
        format!("POST /cache/api/v1.0/ HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n{body}{smuggled}")
    };
    for (what, request) in [
        ("two lengths", post(&format!("content-length: {length}\r\ncontent-length: 1"), form)),
        ("a length that is a list", post(&format!("content-length: {length}, {length}"), form)),
        ("a length with a sign", post(&format!("content-length: +{length}"), form)),
        ("a length in hex", post("content-length: 0x10", form)),
        ("an encoding that is none", post("transfer-encoding: xchunked", form)),
        ("chunked, but not last", post("transfer-encoding: chunked, identity", form)),
        ("a folded header", post(&format!("content-length: {length}\r\nx-a: b\r\n c: d"), form)),
        ("a space before the colon", post(&format!("content-length : {length}"), form)),
        ("a bare CR in a value", post(&format!("content-length: {length}\r\nx-a: b\rx-c: d"), form)),
        ("NUL in a value", post(&format!("content-length: {length}\r\nx-a: b\0c"), form)),
        ("a header without a name", post(&format!("content-length: {length}\r\n: b"), form)),
        ("a chunk that is no number", post("transfer-encoding: chunked", "zz\r\n")),
        ("chunked in HTTP/1.0", post("transfer-encoding: chunked", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0")),
        ("a bare CR for an end", format!("GET /health HTTP/1.1\rhost: localhost\r\r{smuggled}")),
        (
            "two hosts",
            format!("GET /stats HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n{smuggled}"),
        ),
        ("no host", format!("GET /stats HTTP/1.1\r\nconnection: close\r\n\r\n{smuggled}")),
        ("no version", format!("GET /stats\r\n\r\n{smuggled}")),
        ("another version", format!("GET /stats HTTP/3.7\r\nhost: localhost\r\n\r\n{smuggled}")),
    ] {
        let text = site.raw(request.as_bytes()).await;
        assert!(!text.contains("memory_bytes"), "{what} was followed by an answer to what is inside: {text}");
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 400 ") || text.starts_with("HTTP/1.0 400 "), "{what}: {text}");
        assert!(answers(&text) <= 1, "{what}: {text}");
    }
    // Length and encoding: the encoding counts, and nothing after it does.
    for both in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
    ] {
        let text = site.raw(post(&both, &format!("{length:x}\r\n{form}\r\n0\r\n\r\n")).as_bytes()).await;
        assert!(answers(&text) == 1 && text.starts_with("HTTP/1.1 200 "), "{both}: {text}");
        assert!(text.contains("connection: close") && !text.contains("memory_bytes"), "{both}: {text}");
    }
    // The same length twice is one length.
    let text = site.raw(post(&format!("content-length: {length}\r\ncontent-length: {length}"), form).as_bytes()).await;
    assert!(answers(&text) == 2 && text.contains("memory_bytes"), "{text}");
}

#[tokio::test]
async fn what_is_too_long_or_breaks_off_is_refused_and_hurts_nobody() {
    let site = Site::open(&[], &[]).await;
    let long = "x".repeat(80 << 10);
    let text = site.raw(format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 414 ") || text.starts_with("HTTP/1.1 431 "), "{text}");
    let text = site.raw(format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-a: {long}\r\n\r\n").as_bytes()).await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431 "), "{text}");
    let many = "x-a: b\r\n".repeat(200);
    let text = site.raw(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    let text = site.raw(b"POST /cache/api/v1.0/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2000000\r\n\r\n{").await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 413 "), "{text}");
    // A body that breaks off is answered to nobody, and the server goes on.
    let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
    stream.write_all(b"POST /cache/api/v1.0/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{\"data\"").await.unwrap();
    drop(stream);
    for target in ["/health", "/cache/a.csv"] {
        assert_eq!(get(site.server.address(), target).await.status, 200, "{target}");
    }
}
