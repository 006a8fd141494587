//! Warm GETs that wrk sends over 32 connections: to `cache-api serve`, to nginx, which has the same file on disk, and to an axum
//! handler that has the same bytes at hand.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::http_door::{Server, this_program};
use crate::table::{Row, Target, Unit};
use crate::{OBJECT, OBJECT_KEY, PART, RUNS};

/// The part of the server that ours is held against.
pub const BARE_OBJECTS: &str = "bare-objects";

/// 1 MB, of the same kind as the 4 KB.
static MEGABYTE: [u8; 1 << 20] = [b'7'; 1 << 20];
const MEGABYTE_KEY: &str = "megabyte.json";

/// What wrk is told: connections, threads, and how long a run takes.
const LOAD: [&str; 3] = ["-c32", "-t2", "-d2s"];

pub async fn rows() -> Vec<Row> {
    if which("wrk").await.and(which("nginx").await).is_none() {
        println!("SKIPPED: wrk or nginx is not here (apt-get install wrk nginx-light)");
        return Vec::new();
    }
    let servers = Servers::start().await;
    let mut rows = Vec::new();
    for (key, of_nginx, of_bare) in
        [(OBJECT_KEY, "GET by wrk", "the same"), (MEGABYTE_KEY, "GET of 1 MB by wrk", "the same, 1 MB")]
    {
        let mut nginx = Row::new(of_nginx, "nginx, same file", Unit::PerSecond, Some(Target::RatioAtLeast(0.8)));
        let mut bare = Row::new(of_bare, "bare axum handler", Unit::PerSecond, Some(Target::RatioAtLeast(0.85)));
        for _ in 0..RUNS {
            let ours = gets_per_second(servers.ours.address(), key).await;
            nginx.add(ours, gets_per_second(&servers.nginx.address, key).await);
            bare.add(ours, gets_per_second(servers.bare.address(), key).await);
        }
        rows.extend([nginx, bare]);
    }
    rows
}

struct Servers {
    ours: Server,
    bare: Server,
    nginx: Nginx,
    // The record, and the home with our directory tier; held, so that they stay.
    _dirs: [TempDir; 2],
}

/// nginx in the foreground, which ends with this value.
struct Nginx {
    address: String,
    child: Child,
    // Held, so that it stays.
    _dir: TempDir,
}

/// By a signal that it hands on: its workers outlive one that is killed.
impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ended_already = kill_process(pid, Signal::TERM);
        }
    }
}

impl Servers {
    async fn start() -> Self {
        let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let [source, home] = &dirs;
        for (key, body) in [(OBJECT_KEY, &OBJECT[..]), (MEGABYTE_KEY, &MEGABYTE)] {
            // Where nginx finds it under the URL that all are asked by.
            std::fs::create_dir_all(source.path().join("cache")).expect("a directory");
            std::fs::write(source.path().join("cache").join(key), body).expect("a written file");
        }
        let record = source.path().join("cache");
        let settings = [("CACHE_API_SOURCE_DIR", record.as_path()), ("XDG_CACHE_HOME", home.path())];
        let ours = Server::serve(settings).await;
        let mut bare = Command::new(this_program());
        bare.env_clear().env(PART, BARE_OBJECTS);
        Self { ours, bare: Server::start(bare).await, nginx: Nginx::start(source).await, _dirs: dirs }
    }
}

impl Nginx {
    async fn start(source: &TempDir) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let mut settings = "daemon off; pid pid; error_log stderr error; worker_processes auto;\n".to_owned();
        if rustix::process::geteuid().is_root() {
            // Or its workers could not read what root has written for itself.
            settings.push_str("user root;\n");
        }
        let root = source.path().display();
        let _ = write!(
            settings,
            "events {{}}\nhttp {{\n access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n \
             default_type application/json;\n server {{ listen {address}; root {root}; }}\n}}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), settings).expect("a written file");
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(dir.path()).args(["-c", "nginx.conf", "-e", "stderr"]).stdin(Stdio::null());
        let child = nginx.spawn().expect("a program");
        while TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { address, child, _dir: dir }
    }
}

/// What wrk counts, once it has all been asked for before.
async fn gets_per_second(address: &str, key: &str) -> f64 {
    let ran = Command::new("wrk").args(LOAD).arg(format!("http://{address}/cache/{key}")).output().await.expect("a program");
    let text = String::from_utf8(ran.stdout).expect("text");
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let figure = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).expect("wrk says it");
    figure.trim().parse().expect("a number")
}

async fn which(program: &str) -> Option<()> {
    let found = Command::new("which").arg(program).stdout(Stdio::null()).status().await;
    found.ok().filter(|status| status.success()).map(|_| ())
}

/// Answers the same bytes at the same URLs, and knows nothing else.
pub async fn serve_bare_objects() {
    let answer = |Path(key): Path<String>| async move {
        let object = if key == OBJECT_KEY { &OBJECT[..] } else { &MEGABYTE[..] };
        ([("content-type", "application/json")], Bytes::from_static(object))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("the bare handler serves http://{}", listener.local_addr().expect("an address"));
    axum::serve(listener, Router::new().route("/cache/{*key}", get(answer))).await.expect("a server without an end");
}
