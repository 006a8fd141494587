//! Sweeps by the real binary: killed at every instruction that matters, and while others read.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use http::Method;

use super::support::client::{get, send};
use super::support::serve::{End, Serve, Vars, run_to_end, vars};

const SIGABRT: i32 = 6;

/// Source and LOCAL_DATA_DIR.
struct Place {
    source: tempfile::TempDir,
    held: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { source: tempfile::tempdir().unwrap(), held: tempfile::tempdir().unwrap() }
    }

    fn put(&self, key: &str, body: &str) {
        fs::write(self.source.path().join(key), body).unwrap();
    }

    fn vars(&self, more: &[(&str, &str)]) -> Vars {
        let mut variables = vars([("LOCAL_DATA_DIR", self.held.path())]);
        variables.extend(vars(more.iter().copied()));
        variables
    }

    async fn serve(&self, more: &[(&str, &str)]) -> Serve {
        Serve::start(&["--source", self.source.path().to_str().unwrap()], self.vars(more)).await
    }

    async fn run(&self, command: &[&str], more: &[(&str, &str)]) -> End {
        let source = ["--source", self.source.path().to_str().unwrap()];
        run_to_end(&[command, &source].concat(), self.vars(more)).await
    }

    /// The files of the directory tier, at any depth, that end so.
    fn files(&self, ending: &str) -> usize {
        fn count(dir: &Path, ending: &str) -> usize {
            let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
            entries
                .map(
                    |path| {
                        if path.is_dir() { count(&path, ending) } else { usize::from(path.to_str().unwrap().ends_with(ending)) }
                    },
                )
                .sum()
        }
        count(&self.held.path().join(".cache"), ending)
    }

    /// Makes every key look as if it was used long ago.
    fn age(&self) {
        fn age(dir: &Path) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    age(&path);
                } else if path.ends_with("state.json") {
                    fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
                }
            }
        }
        age(&self.held.path().join(".cache"));
    }
}

fn json(end: &End) -> serde_json::Value {
    serde_json::from_str(&end.stdout).unwrap_or_else(|error| panic!("{error}: {end:?}"))
}

/// Bodies that with their keys take a quarter of the smallest budget, 64 MiB.
fn large(index: usize) -> String {
    format!("{index}").repeat(16 << 20)
}

#[tokio::test]
async fn a_sweep_keeps_to_the_budget_and_says_what_it_did() {
    let place = Place::new();
    let server = place.serve(&[("CACHE_API_MEMORY_BUDGET", "256MiB")]).await;
    for index in 0..5 {
        let key = format!("{index}.csv");
        place.put(&key, &large(index));
        assert_eq!(get(server.address(), &format!("/cache/{key}")).await.status, 200);
    }
    assert!(server.terminate().await.status.success());
    let limits = [("CACHE_API_LOCAL_BUDGET", "64MiB"), ("CACHE_API_KEEP_WARM", "0.csv")];
    let swept = place.run(&["sweep"], &limits).await;
    assert!(swept.status.success(), "{swept:?}");
    let said = json(&swept);
    assert_eq!((said["evicted"].as_u64(), said["keys"].as_u64(), said["seen"].as_f64()), (Some(2), Some(3), Some(1.0)), "{said}");
    assert!(said["bytes"].as_u64().unwrap() <= 64 << 20, "{said}");
    let server = place.serve(&limits).await;
    let keys = get(server.address(), "/cache").await.json();
    assert!(keys["keys"].as_array().unwrap().iter().any(|line| line["key"] == "0.csv"), "it is kept warm: {keys}");
}

#[tokio::test]
async fn a_sweep_without_a_directory_is_misuse() {
    let place = Place::new();
    let end = place.run(&["sweep"], &[("LOCAL_DATA_DIR", "")]).await;
    assert_eq!(end.status.code(), Some(2), "{end:?}");
    assert!(end.stderr.contains("LOCAL_DATA_DIR"), "{end:?}");
}

/// "Kills the process at each named place of a sweep: the next reader, in any process, reads right, and the next sweep goes on."
async fn survives(point: &str) {
    let place = Place::new();
    place.put("a.csv", "old");
    let server = place.serve(&[("CACHE_API_MEMORY_MAX_AGE", "10ms"), ("CACHE_API_LOCAL_MAX_AGE", "1h")]).await;
    assert_eq!(get(server.address(), "/cache/a.csv").await.text(), "old");
    place.age();
    let failpoint = format!("{point}=return");
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", r#"ulimit -c 0; exec "$0" sweep --source "$1""#, env!("CARGO_BIN_EXE_cache-api")]);
    command.arg(place.source.path()).env_clear();
    command.envs(place.vars(&[("FAILPOINTS", &failpoint), ("CACHE_API_LOCAL_BUDGET", "64MiB")]));
    fill_up(&place, &server).await;
    let died = command.output().await.unwrap();
    assert_eq!(died.status.signal(), Some(SIGABRT), "at {point}: {died:?}");
    // A change after the sweep's death reaches who had it in memory all along.
    place.put("a.csv", "new");
    let other = place.serve(&[("CACHE_API_LOCAL_MAX_AGE", "1h")]).await;
    assert_eq!(send(other.address(), Method::PUT, "/cache/a.csv", &[], "").await.status, 200);
    assert_eq!(get(other.address(), "/cache/a.csv").await.text(), "new", "after {point}");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(get(server.address(), "/cache/a.csv").await.text(), "new", "after {point}");
    let swept = place.run(&["sweep"], &[("CACHE_API_LOCAL_BUDGET", "64MiB")]).await;
    assert!(swept.status.success(), "after {point}: {swept:?}");
    assert_eq!(get(server.address(), "/cache/a.csv").await.text(), "new", "after {point}");
}

/// Brings the directory beyond 64 MiB, with keys that are used later than the others.
async fn fill_up(place: &Place, server: &Serve) {
    for index in 0..4 {
        let key = format!("{index}.csv");
        place.put(&key, &large(index));
        assert_eq!(get(server.address(), &format!("/cache/{key}")).await.status, 200);
    }
}

#[tokio::test]
async fn killed_when_a_sweep_has_taken_a_token_the_directory_reads_right() {
    survives("sweep-token-taken").await;
}

#[tokio::test]
async fn killed_when_a_sweep_has_removed_a_state_the_directory_reads_right() {
    survives("sweep-state-removed").await;
}

#[tokio::test]
async fn killed_when_a_sweep_has_trashed_a_body_the_directory_reads_right() {
    survives("sweep-body-trashed").await;
}

#[tokio::test]
async fn killed_in_a_sweep_between_the_epochs_the_directory_reads_right() {
    survives("sweep-shards-written").await;
}

#[tokio::test]
async fn killed_when_a_sweep_has_written_the_epochs_the_directory_reads_right() {
    survives("sweep-epochs-written").await;
}

#[tokio::test]
async fn killed_when_a_sweep_has_emptied_a_directory_the_directory_reads_right() {
    survives("sweep-directory-emptied").await;
}

/// "A body being read is never pulled away": while sweeps evict what others fill, every answer is right and none fails.
#[tokio::test]
async fn readers_of_several_processes_are_answered_right_while_sweeps_run() {
    let place = Place::new();
    for index in 0..6 {
        place.put(&format!("{index}.csv"), &large(index));
    }
    // Room for three of the six, in memory for none: each read goes to the directory, and most find it evicted.
    let tight = [("CACHE_API_LOCAL_BUDGET", "64MiB"), ("CACHE_API_MEMORY_BUDGET", "40MiB"), ("CACHE_API_LOCAL_MAX_AGE", "1h")];
    let servers = [place.serve(&tight).await, place.serve(&tight).await];
    let reading = async |server: &Serve, offset: usize| {
        for round in 0..8 {
            let index = (round * 5 + offset) % 6;
            let answer = get(server.address(), &format!("/cache/{index}.csv")).await;
            assert_eq!(answer.status, 200, "{index}: {answer:?}");
            assert!(answer.text() == large(index), "{index}: wrong bytes");
        }
    };
    let sweeping = async {
        for _ in 0..6 {
            let end = place.run(&["sweep"], &tight).await;
            let is_busy = end.stderr.contains("another sweep");
            assert!(end.status.success() || is_busy, "{end:?}");
        }
    };
    tokio::join!(reading(&servers[0], 0), reading(&servers[1], 3), sweeping);
    let stats = get(servers[0].address(), "/stats").await.json();
    assert_eq!(stats["directory_upkeep"]["budget_bytes"], 64 << 20, "{stats}");
    assert_eq!(stats["directory_health"]["damaged"], 0, "{stats}");
}

/// "A body being read is never pulled away": a body that nobody names any more stays for the grace, and who is reading it when it
/// goes reads it to its end.
/// Promise 12: "A body that is being read is read to its end, whatever is doubted, evicted or swept meanwhile."
#[tokio::test]
async fn a_body_that_is_being_read_is_read_to_its_end_when_the_grace_is_over() {
    let place = Place::new();
    // So long that reading it is given some seconds.
    let old = "1".repeat(48 << 20);
    place.put("a.csv", &old);
    let ages = [("CACHE_API_MEMORY_MAX_AGE", "10ms"), ("CACHE_API_LOCAL_MAX_AGE", "1h")];
    let writer = place.serve(&ages).await;
    assert_eq!(get(writer.address(), "/cache/a.csv").await.status, 200);
    let reader = place.serve(&[&ages[..], &[("FAILPOINTS", "lift-body-opened=1*sleep(500)")]].concat()).await;
    let address = reader.address().to_owned();
    let reading = tokio::spawn(async move { get(&address, "/cache/a.csv").await });
    while !reader.has_open(".body") {
        assert!(!reading.is_finished(), "it was not seen reading");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    reader.signal("STOP").await;
    place.put("a.csv", "new");
    assert_eq!(send(writer.address(), Method::PUT, "/cache/a.csv", &[], "").await.status, 200);
    let within = json(&place.run(&["sweep"], &[]).await);
    assert_eq!((&within["trashed"], &within["unlinked"], place.files(".body")), (&0.into(), &0.into(), 2), "{within}");
    let after = json(&place.run(&["sweep"], &[("FAILPOINTS", "sweep-after-grace=return")]).await);
    assert_eq!((&after["trashed"], &after["unlinked"], place.files(".body")), (&1.into(), &1.into(), 1), "{after}");
    assert!(reader.has_open(".body (deleted)"), "it was not reading any more");
    reader.signal("CONT").await;
    let read = reading.await.unwrap();
    let status = read.header("cache-status");
    assert!(status.starts_with("cache-api; hit") && status.ends_with("detail=directory"), "{status}");
    assert!(read.text() == old, "wrong bytes");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(get(reader.address(), "/cache/a.csv").await.text(), "new", "the sweep took what is named");
}

/// "An instance holds its directory under the budget by itself": nobody sweeps here but who fills.
#[tokio::test]
async fn who_fills_makes_room_before_its_answer() {
    let place = Place::new();
    let server = place.serve(&[("CACHE_API_LOCAL_BUDGET", "64MiB"), ("CACHE_API_MEMORY_BUDGET", "256MiB")]).await;
    for index in 0..8 {
        let key = format!("{index}.csv");
        place.put(&key, &large(index));
        assert_eq!(get(server.address(), &format!("/cache/{key}")).await.status, 200);
        assert!(place.files(".body") <= 3, "three fit");
    }
    let stats = get(server.address(), "/stats").await.json();
    assert!(stats["directory_upkeep"]["last_sweep"]["evicted"].as_u64() > Some(0), "{stats}");
    assert_eq!(stats["directory_upkeep"]["not_stored"], 0, "{stats}");
    let last = get(server.address(), "/cache/7.csv").await;
    assert_eq!(last.status, 200);
    place.put("huge.csv", &"x".repeat(65 << 20));
    let huge = get(server.address(), "/cache/huge.csv").await;
    assert_eq!((huge.status.as_u16(), huge.text().len()), (200, 65 << 20), "it is answered all the same");
    let stats = get(server.address(), "/stats").await.json();
    assert_eq!(stats["directory_upkeep"]["not_stored"], 1, "{stats}");
}

#[tokio::test]
async fn warm_fetches_what_matches_and_fails_where_a_key_fails() {
    let place = Place::new();
    for name in ["a.csv", "b.csv", "c.json"] {
        place.put(name, "1");
    }
    let first = place.run(&["warm", "*.csv"], &[]).await;
    assert!(first.status.success(), "{first:?}");
    assert_eq!((json(&first)["created"].clone(), json(&first)["listed"].clone()), (2.into(), 3.into()));
    let again = place.run(&["warm"], &[("CACHE_API_KEEP_WARM", "**")]).await;
    assert_eq!((json(&again)["created"].clone(), json(&again)["already"].clone()), (1.into(), 2.into()), "{again:?}");
    assert_eq!(place.files("state.json"), 3);
    let misused = place.run(&["warm", "["], &[]).await;
    assert_eq!(misused.status.code(), Some(2), "{misused:?}");
    let failed = place.run(&["warm", "*.csv"], &[("LOCAL_DATA_DIR", "/proc/self/cache-api")]).await;
    assert_eq!((failed.status.code(), json(&failed)["failed"].clone()), (Some(1), 2.into()), "{failed:?}");
}
