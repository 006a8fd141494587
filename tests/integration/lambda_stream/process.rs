//! The process behind the answers: many at a time, in time, and an answer the last thing that is done.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cache_api::lambda::{Door, Values};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Got, function};
use crate::support::fault_server::{Fault, FaultServer};
use crate::support::gateway::{body_of, event, header_of, request};

/// "An instance may have many requests at once: they share one warm cache", and one GET of the record.
#[tokio::test]
async fn many_invocations_at_once_share_one_cache_and_one_get() {
    const AT_ONCE: u64 = 32;
    for mode in ["buffered", "streamed"] {
        let record = FaultServer::start().await;
        record.put("prices.csv", "bid,ask\n1,2\n");
        let gate = Arc::new(Semaphore::new(0));
        record.then(Fault::Hold(Arc::clone(&gate)));
        let at_once = AT_ONCE.to_string();
        // Memory alone asks again after this, and a thousand answers may take a second.
        let age = ("CACHE_API_MEMORY_MAX_AGE", "60s");
        let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", at_once.as_str()), ("CACHE_API_RESPONSE_MODE", mode), age];
        let function = function(&record, &variables).await;
        let event = request(Door::RestApi, "GET", "/cache/prices.csv");
        let answers = futures_util::future::join_all((0..1000).map(|_| function.invoke(&event)));
        let open = async {
            // The process takes no more than it was told, and all of them are waiting for the one GET.
            while function.under_way() < AT_ONCE {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            gate.add_permits(1);
        };
        let (answers, ()) = tokio::join!(answers, open);
        for answer in &answers {
            let got = Got::of(answer);
            assert_eq!((got.status, &got.body[..]), (200, &b"bid,ask\n1,2\n"[..]), "{mode}");
        }
        assert_eq!(record.requests().len(), 1, "{mode}");
    }
}

/// Pitfall 28, with the real binary: a record that never answers costs a 504 in time, and a deadline that has passed no wait.
#[tokio::test]
async fn a_deadline_is_answered_before_it_kills() {
    for mode in ["buffered", "streamed"] {
        let record = FaultServer::start().await;
        record.put("prices.csv", "bid,ask\n1,2\n");
        record.then(Fault::Stall);
        let function = function(&record, &[("CACHE_API_RESPONSE_MODE", mode)]).await;
        // The process starts on the first invocation's time.
        Got::of(&function.invoke(&request(Door::RestApi, "GET", "/health")).await);
        let event = request(Door::RestApi, "GET", "/cache/prices.csv");
        let time = Duration::from_millis(1500);
        let began = tokio::time::Instant::now();
        let got = Got::of(&function.invoke_within(&event, time).await);
        assert_eq!(got.status, 504, "{mode}: {got:?}");
        assert_eq!(got.headers["content-type"], ["application/problem+json"]);
        assert!(began.elapsed() < time, "{mode}: {:?}", began.elapsed());
        record.then(Fault::Stall);
        let began = tokio::time::Instant::now();
        let got = Got::of(&function.invoke_within(&event, Duration::ZERO).await);
        assert_eq!(got.status, 504, "{mode}: {got:?}");
        assert!(began.elapsed() < Duration::from_secs(1), "{mode}: {:?}", began.elapsed());
    }
}

/// Pitfall 28, for the doctor: what does not answer it costs what was to be asked there, and not what it has found elsewhere.
#[tokio::test]
async fn the_doctor_says_what_it_has_found_before_its_invocation_is_killed() {
    let record = FaultServer::start().await;
    let function = function(&record, &[]).await;
    // The process starts on the first invocation's time.
    Got::of(&function.invoke(&request(Door::RestApi, "GET", "/health")).await);
    for _ in 0..32 {
        record.then(Fault::Stall);
    }
    let time = Duration::from_millis(1500);
    let began = tokio::time::Instant::now();
    let outcome = function.invoke_within(&json!({"task": "doctor"}), time).await;
    assert!(began.elapsed() < time, "{:?}", began.elapsed());
    assert_eq!(outcome.endpoint, "response", "{outcome:?}");
    let report: Value = serde_json::from_slice(&outcome.body).unwrap();
    let checks: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["check"]).collect();
    assert_eq!(checks, ["local-data-dir", "time"], "{report}");
    assert!(function.log().contains("time was up"), "{}", function.log());
}

/// Every file under `dir`: when it was written, and how long it is.
fn files(dir: &Path) -> BTreeMap<String, (SystemTime, u64)> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let (path, metadata) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            if metadata.is_dir() {
                dirs.push(path);
            } else {
                files.insert(path.display().to_string(), (metadata.modified().unwrap(), metadata.len()));
            }
        }
    }
    files
}

/// "Nothing done after the answer": frozen the instant it has answered, a process leaves behind all that the answer implies, and
/// once it goes on it has nothing left to do.
#[tokio::test]
async fn a_process_that_is_frozen_after_its_answer_has_nothing_left_to_do() {
    for mode in ["buffered", "streamed"] {
        let record = FaultServer::start().await;
        record.put("prices.csv", "bid,ask\n1,2\n");
        let local = tempfile::tempdir().unwrap();
        let shared = ("LOCAL_DATA_DIR", local.path().to_str().unwrap());
        let frozen = function(&record, &[shared, ("CACHE_API_RESPONSE_MODE", mode)]).await;
        let event = request(Door::RestApi, "GET", "/cache/prices.csv");
        // A fill; then a hit, which notes the use of the key.
        for _ in 0..2 {
            frozen.freeze_after_answer();
            let got = Got::of(&frozen.invoke(&event).await);
            assert_eq!((got.status, &got.body[..]), (200, &b"bid,ask\n1,2\n"[..]), "{mode}");
            assert!(frozen.is_frozen());
            let left = files(local.path());

            let other = function(&record, &[shared]).await;
            record.requests();
            let seen: Value = serde_json::from_slice(&other.invoke(&event).await.body).unwrap();
            assert_eq!((seen["statusCode"].as_u64(), body_of(&seen)), (Some(200), b"bid,ask\n1,2\n".to_vec()), "{mode}");
            let status = header_of(&seen, "cache-status");
            assert!(status[0].starts_with("cache-api; hit") && status[0].ends_with("detail=directory"), "{status:?}");
            assert_eq!(record.requests().len(), 0, "{mode}: the other one had all it needed");
            drop(other);

            let before = files(local.path());
            assert_eq!(before.keys().collect::<Vec<_>>(), left.keys().collect::<Vec<_>>(), "{mode}");
            frozen.thaw();
            // Long enough for whatever was left to do, with nobody asking.
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(files(local.path()), before, "{mode}");
            assert_eq!(record.requests().len(), 0, "{mode}");
        }
    }
}

#[tokio::test]
async fn an_error_that_is_no_answer_is_told_as_one() {
    let record = FaultServer::start().await;
    for mode in ["buffered", "streamed"] {
        let function = function(&record, &[("CACHE_API_RESPONSE_MODE", mode)]).await;
        let outcome = function.invoke(&json!({"nothing": "known"})).await;
        assert_eq!(outcome.endpoint, "error", "{outcome:?}");
        let got = Got::of(&function.invoke(&event(Door::LoadBalancer(Values::All))).await);
        assert_eq!(got.status, u64::from(StatusCode::NOT_FOUND.as_u16()), "and the next is answered: {got:?}");
    }
}
