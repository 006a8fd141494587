//! Processes and kills: several real servers on one LOCAL_DATA_DIR and a record whose objects change all the time, killed at
//! random moments and at every named place, while clients hold every answer against what there was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::support::client::{Answer, try_send};
use super::support::fault_server::{BUCKET, Fault, FaultServer};
use super::support::serve::{Serve, Vars, run_to_end, vars};
use truth::{LOCAL_MAX_AGE, Life, MEMORY_MAX_AGE, NEGATIVE_MAX_AGE, Truth};

mod truth;

const KEYS: usize = 24;
const SERVERS: usize = 3;
const CLIENTS: usize = 8;

const SIGABRT: i32 = 6;

/// How often a run of the tests kills, unless TORTURE_KILLS says otherwise.
const KILLS: usize = 100;

/// Every named place on a server's way.
const SERVING: [&str; 9] = [
    "lease-taken",
    "fill-body-written",
    "fill-before-link",
    "fill-body-linked",
    "fill-token-checked",
    "fill-state-written",
    "doubt-token-written",
    "doubt-shard-written",
    "evict-state-removed",
];

/// Every named place on a sweep's way.
const SWEEPING: [&str; 6] = [
    "sweep-token-taken",
    "sweep-state-removed",
    "sweep-body-trashed",
    "sweep-shards-written",
    "sweep-epochs-written",
    "sweep-directory-emptied",
];

/// Longest that a process is given to come to the place where it is to die.
const LIFE_MAX: Duration = Duration::from_secs(2);

/// The least budget that a sweep may be given, and what lies there to exceed it: two files of nothing.
const BUDGET: &str = "64MiB";
const BALLAST_BYTES: [u64; 2] = [20 << 20, 50 << 20];

struct Field {
    record: FaultServer,
    local: TempDir,
    truth: Mutex<Truth>,
    /// Who serves, each with its address.
    alive: Mutex<[Option<(Life, String)>; SERVERS]>,
    lives: AtomicU64,
    versions: AtomicU64,
    faults: AtomicU64,
    kills: Mutex<BTreeMap<&'static str, usize>>,
    to_kill: usize,
    is_over: AtomicBool,
}

impl Field {
    async fn new(kills: usize) -> Arc<Self> {
        let local = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Arc::new(Self {
            record: FaultServer::start().await,
            local,
            truth: Mutex::new(Truth::of_keys(KEYS, now())),
            alive: Mutex::default(),
            lives: AtomicU64::new(0),
            versions: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            kills: Mutex::default(),
            to_kill: kills,
            is_over: AtomicBool::new(false),
        })
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap()
    }

    fn vars(&self, more: &[(&str, &str)]) -> Vars {
        let age = |age: Duration| format!("{}ms", age.as_millis());
        let mut all = vars([
            ("LOCAL_DATA_DIR", self.local.path().to_str().unwrap()),
            ("AWS_BUCKET_NAME", BUCKET),
            ("AWS_ENDPOINT_URL_S3", &self.record.endpoint()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("CACHE_API_LOG", "error"),
            ("CACHE_API_MEMORY_MAX_AGE", &age(MEMORY_MAX_AGE)),
            ("CACHE_API_LOCAL_MAX_AGE", &age(LOCAL_MAX_AGE)),
            ("CACHE_API_NEGATIVE_MAX_AGE", &age(NEGATIVE_MAX_AGE)),
        ]);
        all.extend(vars(more.iter().copied()));
        all
    }

    /// Gives an object another content, or takes it away.
    fn change(&self, key: usize) {
        let mut truth = self.truth();
        if truth.current(key).is_some() && chance(6) {
            self.record.remove(&name(key));
            truth.changed(key, None, now());
        } else {
            let version = self.versions.fetch_add(1, SeqCst);
            self.record.put_with(&name(key), truth::body(key, version), &[("etag", &truth::etag(key, version))]);
            truth.changed(key, Some(version), now());
        }
    }

    /// Whether one more is to be killed.
    fn wants_a_kill(&self) -> bool {
        self.kills.lock().unwrap().values().sum::<usize>() < self.to_kill
    }

    fn killed(&self, at: &'static str) {
        *self.kills.lock().unwrap().entry(at).or_default() += 1;
    }

    /// The place where the next is to die: each as often as the others; `None` for any moment.
    fn next_place(&self, places: &[&'static str]) -> Option<&'static str> {
        let kills = self.kills.lock().unwrap();
        let rarest = places.iter().min_by_key(|place| kills.get(*place).copied().unwrap_or(0) * 16 + rand::random_range(0..16));
        rarest.copied().filter(|_| !chance(3))
    }
}

/// Changes objects, and has the record fail now and then.
async fn change_all_the_time(field: Arc<Field>) {
    while !field.is_over.load(SeqCst) {
        field.change(rand::random_range(0..KEYS));
        // As many as there are requests, or each request would meet one.
        for _ in field.record.requests().iter().filter(|_| chance(6)) {
            field.faults.fetch_add(1, SeqCst);
            field.record.then(some_fault());
        }
        sleep(Duration::from_millis(rand::random_range(2..20))).await;
    }
}

fn some_fault() -> Fault {
    match rand::random_range(0..7) {
        0 => Fault::SlowDown,
        1 => Fault::InternalError,
        2 => Fault::HangUp,
        3 => Fault::CutBody(0),
        4 => Fault::WrongChecksum,
        5 => Fault::AccessDenied,
        _ => {
            let held = Arc::new(Semaphore::new(0));
            let late = Arc::clone(&held);
            tokio::spawn(async move {
                sleep(Duration::from_millis(rand::random_range(10..600))).await;
                late.add_permits(1);
            });
            Fault::Hold(held)
        }
    }
}

/// Keeps a server going, and kills it.
async fn serve_and_kill(field: Arc<Field>, slot: usize) {
    while field.wants_a_kill() {
        let place = field.next_place(&SERVING);
        // Not at once: what dies there should have done something before.
        let failpoint = place.map(|place| format!("{place}={}*off->return", rand::random_range(0..6)));
        let mut server = serve(&field, &[("FAILPOINTS", failpoint.as_deref().unwrap_or(""))]).await;
        let life = field.lives.fetch_add(1, SeqCst);
        field.alive.lock().unwrap()[slot] = Some((life, server.address().to_owned()));
        let time = if place.is_some() { LIFE_MAX } else { Duration::from_millis(rand::random_range(0..400)) };
        let died = server.ends_within(time).await;
        field.alive.lock().unwrap()[slot] = None;
        if died {
            field.killed(place.expect("it dies of nothing else"));
        } else {
            server.kill().await;
            field.killed("any moment");
        }
    }
}

async fn serve(field: &Field, more: &[(&str, &str)]) -> Serve {
    Serve::start_within("ulimit -c 0", &[], field.vars(more)).await
}

/// Sweeps all the time, with something to evict, and kills the sweep.
async fn sweep_and_kill(field: Arc<Field>) {
    while !field.is_over.load(SeqCst) {
        sleep(Duration::from_millis(rand::random_range(0..300))).await;
        let place = field.next_place(&SWEEPING);
        let failpoint = place.map(|place| format!("{place}={}*off->return", rand::random_range(0..2)));
        let failpoints = failpoint.as_deref().unwrap_or("sweep-after-grace=return");
        lay_ballast(field.local.path());
        let end = run_to_end(&["sweep"], field.vars(&[("FAILPOINTS", failpoints), ("CACHE_API_LOCAL_BUDGET", BUDGET)])).await;
        // One that has nothing to evict, or finds another at it, does not come to that place.
        if let Some(place) = place.filter(|_| end.status.signal() == Some(SIGABRT)) {
            field.killed(place);
        }
    }
}

/// Makes the directory exceed [`BUDGET`] by a file that was used an hour ago, and some keys look as if they were used before that.
/// A file without bytes takes no room; how long it is counts.
fn lay_ballast(local: &Path) {
    let Some(base) = fs::read_dir(local.join(".cache/v2")).ok().and_then(|mut found| found.next()?.ok()) else { return };
    for (number, bytes) in BALLAST_BYTES.into_iter().enumerate() {
        let hash = format!("{number:064}");
        let dir = base.path().join(&hash[..2]).join(&hash);
        fs::create_dir_all(&dir).unwrap();
        // It may be evicted in this moment by the sweep of a server that died late.
        let _ = fs::File::create(dir.join(format!("{number:016}.{number:032}.body"))).and_then(|file| file.set_len(bytes));
        let _ = fs::write(dir.join("state.json"), "{}").and_then(|()| set_used(&dir.join("state.json"), 1 - number as u64));
    }
    for state in files(local).iter().filter(|path| path.ends_with("state.json") && chance(3)) {
        let _ = set_used(state, 2);
    }
}

fn set_used(state: &Path, hours_ago: u64) -> std::io::Result<()> {
    fs::File::open(state)?.set_modified(wall() - Duration::from_secs(hours_ago * 60 * 60))
}

/// Asks whoever is alive for anything, in every way there is.
async fn ask_all_the_time(field: Arc<Field>) {
    while !field.is_over.load(SeqCst) {
        let alive = field.alive.lock().unwrap().iter().flatten().cloned().collect::<Vec<_>>();
        let Some((life, address)) = (!alive.is_empty()).then(|| &alive[rand::random_range(0..alive.len())]) else {
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        let key = rand::random_range(0..KEYS);
        let current = field.truth().current(key).unwrap_or(0);
        let etag = truth::etag(key, current);
        let (method, headers) = match rand::random_range(0..20) {
            0..3 => (Method::PUT, vec![]),
            3..5 => (Method::DELETE, vec![]),
            5..7 => (Method::GET, vec![("if-none-match", etag.as_str())]),
            7..9 => (Method::GET, vec![("range", "bytes=2-9")]),
            9 => (Method::GET, vec![("range", "bytes=-17"), ("if-range", etag.as_str())]),
            _ => (Method::GET, vec![]),
        };
        let _ = ask(&field, *life, address, key, method, &headers).await;
    }
}

/// Asks, and judges the answer; `None` where the process died before there was one.
async fn ask(field: &Field, life: Life, address: &str, key: usize, method: Method, headers: &[(&str, &str)]) -> Option<Answer> {
    let number = field.truth().begin(life, key, &method, now());
    let answer = try_send(address, method, &format!("/cache/{}", name(key)), headers, "").await;
    let mut truth = field.truth();
    match answer {
        Ok(answer) => {
            truth.end(number, &answer, now());
            Some(answer)
        }
        Err(_) => {
            truth.died(number);
            None
        }
    }
}

/// With all well again, and some seconds later: which keys any process still answers wrong.
async fn stuck(field: &Field) -> Vec<String> {
    field.record.forget_faults();
    let servers = [serve(field, &[]).await, serve(field, &[]).await];
    sleep(LOCAL_MAX_AGE + MEMORY_MAX_AGE).await;
    let mut stuck = Vec::new();
    for (server, key) in servers.iter().flat_map(|server| (0..KEYS).map(move |key| (server, key))) {
        let began = now();
        let life = field.lives.fetch_add(1, SeqCst);
        let answer = ask(field, life, server.address(), key, Method::GET, &[]).await.expect("nobody kills it");
        let current = field.truth().current(key);
        let right = match current {
            Some(version) => answer.status == StatusCode::OK && answer.body == truth::body(key, version),
            None => answer.status == StatusCode::NOT_FOUND,
        };
        // The lease of a dead process, and a second for a busy machine.
        if !right || began.elapsed() > Duration::from_secs(4) {
            stuck.push(format!("key {key} after {:?}: {} is not {current:?}", began.elapsed(), answer.status));
        }
    }
    stuck
}

/// The files that are there for nothing after a sweep for which everything is old.
async fn leftovers(field: &Field) -> Vec<PathBuf> {
    let old = [("FAILPOINTS", "sweep-after-grace=return")];
    let swept = run_to_end(&["sweep"], field.vars(&old)).await;
    assert!(swept.status.success(), "{swept:?}");
    let ending = |path: &PathBuf, ending: &str| path.to_str().unwrap().ends_with(ending);
    let files = files(&field.local.path().join(".cache"));
    let held = files.iter().filter(|path| path.ends_with("state.json")).count();
    let mut bodies: Vec<_> = files.iter().filter(|path| ending(path, ".body")).cloned().collect();
    bodies.drain(..held.min(bodies.len()));
    bodies.into_iter().chain(files.into_iter().filter(|path| ending(path, ".tmp"))).collect()
}

/// "Zero wrong bytes, zero stuck keys, leftovers bounded."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_no_process_serves_what_it_may_not() {
    let kills = kills();
    let field = Field::new(kills).await;
    for key in 0..KEYS {
        field.change(key);
    }
    let mut others = JoinSet::new();
    others.spawn(change_all_the_time(Arc::clone(&field)));
    others.spawn(sweep_and_kill(Arc::clone(&field)));
    for _ in 0..CLIENTS {
        others.spawn(ask_all_the_time(Arc::clone(&field)));
    }
    let servers: JoinSet<()> = (0..SERVERS).map(|slot| serve_and_kill(Arc::clone(&field), slot)).collect();
    servers.join_all().await;
    field.is_over.store(true, SeqCst);
    others.join_all().await;
    let stuck = stuck(&field).await;
    let left = leftovers(&field).await;
    let truth = field.truth();
    let killed = field.kills.lock().unwrap();
    println!(
        "torture: processes: {} steps, {} kills, {} faults, {} wrong, {} stuck; {} answers without an object, {} files left; {killed:?}",
        truth.judged,
        killed.values().sum::<usize>(),
        field.faults.load(SeqCst),
        truth.wrong.len(),
        stuck.len(),
        truth.refused,
        left.len(),
    );
    assert!(truth.wrong.is_empty(), "{:#?}", truth.wrong);
    assert!(stuck.is_empty(), "{stuck:#?}");
    // A token that a sweep had put aside when it died, of a key that nobody has wanted since: a day later it goes.
    assert!(left.len() <= KEYS, "{left:#?}");
    let missed: Vec<_> = SERVING.iter().chain(&SWEEPING).filter(|place| !killed.contains_key(*place)).collect();
    assert!(missed.is_empty() || kills < KILLS, "nobody died at {missed:?}");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn name(key: usize) -> String {
    format!("prices/{key}.csv")
}

/// True once in so many times.
fn chance(times: u32) -> bool {
    rand::random_range(0..times) == 0
}

#[expect(clippy::disallowed_methods, reason = "real processes have real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "files have real times")]
fn wall() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "a test that is as long as one likes")]
fn kills() -> usize {
    std::env::var("TORTURE_KILLS").map_or(KILLS, |kills| kills.parse().expect("TORTURE_KILLS is a number"))
}
