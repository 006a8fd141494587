//! Warm GETs of 4 KB over connections that stay: `cache-api serve`, and an axum handler that has the same bytes at hand.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use cache_api::freshness::Stopwatch;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;

use crate::table::{Row, Target, Unit};
use crate::{OBJECT, OBJECT_KEY, PART, RUNS};

/// The part of the server that ours is held against.
pub const BARE_HANDLER: &str = "bare-handler";

const CONNECTIONS: usize = 16;

/// How long a run takes.
const RUN_TIME: Duration = Duration::from_secs(2);

pub async fn rows() -> Vec<Row> {
    let mut row = Row::new("GET over HTTP", "bare axum handler", Unit::PerSecond, Some(Target::RatioAtLeast(0.85)));
    let servers = Servers::start().await;
    for _ in 0..RUNS {
        row.add(servers.ours.gets_per_second().await, servers.bare.gets_per_second().await);
    }
    vec![row]
}

/// Both servers.
struct Servers {
    ours: Server,
    bare: Server,
    // The record, and the home with our directory tier; held, so that they stay.
    _dirs: [TempDir; 2],
}

/// A server in a process of its own, which ends with this value.
pub struct Server {
    address: String,
    child: Child,
    // Held, so that it can write on.
    _stdout: BufReader<ChildStdout>,
}

impl Servers {
    async fn start() -> Self {
        let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let [source, home] = &dirs;
        std::fs::write(source.path().join(OBJECT_KEY), OBJECT).expect("a written file");
        let settings = [("CACHE_API_SOURCE_DIR", source), ("XDG_CACHE_HOME", home)];
        let ours = Server::serve(settings.map(|(name, dir)| (name, dir.path()))).await;
        let mut bare = Command::new(this_program());
        bare.env_clear().env(PART, BARE_HANDLER);
        Self { ours, bare: Server::start(bare).await, _dirs: dirs }
    }
}

impl Server {
    /// Starts `cache-api serve` with nothing in its environment but these variables.
    pub async fn serve(variables: impl IntoIterator<Item = (&'static str, impl AsRef<OsStr>)>) -> Self {
        let mut ours = Command::new(env!("CARGO_BIN_EXE_cache-api"));
        ours.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().envs(variables);
        Self::start(ours).await
    }

    /// Starts a program whose first line ends in its URL.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("a program");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).await.expect("a line of text");
        let (_, address) = line.trim_end().split_once("http://").expect("a URL");
        Self { address: address.to_owned(), child, _stdout: stdout }
    }

    /// Where it listens: `127.0.0.1:41234`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("a process that nobody has waited for")
    }

    /// How many GETs it answers in a second to 16 connections, each of which asks again as soon as it is answered.
    async fn gets_per_second(&self) -> f64 {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(&self.address).await;
            connection.get().await;
            connections.push(connection);
        }
        let stopwatch = Stopwatch::start();
        let mut loads = JoinSet::new();
        for mut connection in connections {
            loads.spawn(async move {
                let mut answers = 0_u32;
                while stopwatch.elapsed() < RUN_TIME {
                    connection.get().await;
                    answers += 1;
                }
                answers
            });
        }
        let answers: u32 = loads.join_all().await.into_iter().sum();
        f64::from(answers) / stopwatch.elapsed().as_secs_f64()
    }
}

/// A connection that stays. It reads no more of an answer than it must: what the client costs hides what the server does.
struct Connection {
    stream: TcpStream,
    request: Bytes,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a connection");
        let request = format!("GET /cache/{OBJECT_KEY} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n\r\n").into();
        Self { stream, request, answer: Vec::with_capacity(2 * OBJECT.len()) }
    }

    /// Asks for the object and reads the whole answer.
    async fn get(&mut self) {
        self.stream.write_all(&self.request).await.expect("a connection that stays");
        self.answer.clear();
        while !self.is_answered() {
            let read = self.stream.read_buf(&mut self.answer).await.expect("a connection that stays");
            assert_ne!(read, 0, "an answer was cut short");
        }
        assert!(self.answer.starts_with(b"HTTP/1.1 200 "), "{:?}", self.answer.get(..64));
    }

    fn is_answered(&self) -> bool {
        // The object has no line break: the last is that before the body.
        self.answer.ends_with(&OBJECT) && self.answer[..self.answer.len() - OBJECT.len()].ends_with(b"\r\n\r\n")
    }
}

/// Answers the same bytes at the same URL, and knows nothing else.
pub async fn serve_bare_handler() {
    let object = Bytes::from_static(&OBJECT);
    let answer = move || async move { ([("content-type", "application/json")], object) };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("the bare handler serves http://{}", listener.local_addr().expect("an address"));
    axum::serve(listener, Router::new().route("/cache/{*key}", get(answer))).await.expect("a server without an end");
}

pub fn this_program() -> std::path::PathBuf {
    std::env::current_exe().expect("this program is there")
}
