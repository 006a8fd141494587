//! `make invoke` and `make local-api` in containers: the SAM CLI, a real Docker and the real binary.
//!
//! Where no Docker answers, tests/integration/support/in_docker.py starts one that ends with it, if it is installed; nothing is
//! pulled. Where that cannot be, the test says so and passes: the same files go through the emulator in any case.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::lambda_door::event_files::{EVENTS, TRIGGERS, check};
use crate::lambda_events::failures;
use crate::local_api::WATCHDOG;
use crate::support::repository::in_repository;
use crate::support::server::installed;

/// "Invokes every event file through the emulator and, where Docker starts, through `sam local invoke`."
#[test]
fn every_file_in_events_is_answered_in_a_container_where_docker_can_be_had() {
    let found = in_docker();
    if let Some(reason) = found["skipped"].as_str() {
        // Past the harness, which shows no output of a test that passes.
        writeln!(std::io::stderr(), "SKIPPED: no event was sent to a container, since {reason}").unwrap();
        return;
    }
    let mut answers: BTreeMap<String, Value> = serde_json::from_value(found["invoked"].clone()).unwrap();
    for trigger in TRIGGERS {
        for (what, expected) in &EVENTS {
            let answer = answers.remove(&format!("{trigger}-{what}")).unwrap();
            // Each container begins with nothing, so that there is nothing to be deleted.
            let context = format!("{trigger}-{what}: {answer}");
            if *what == "delete" {
                assert_eq!(answer["statusCode"], 404, "{context}")
            } else {
                check(&answer, expected, &context)
            }
        }
    }
    for (name, answer) in answers {
        check_no_request(&name, &answer);
    }
    for (what, answer) in found["served"].as_object().unwrap() {
        let (_, expected) = EVENTS.iter().find(|(name, _)| name == what).unwrap();
        check(answer, expected, &format!("{what} of make local-api: {answer}"));
    }
    assert_eq!((found["served"].as_object().unwrap().len(), &found["left"]), (2, &json!(0)), "containers that are left");
}

/// What tests/integration/support/in_docker.py has found of all files.
fn in_docker() -> Value {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let files = std::fs::read_dir(in_repository("events")).unwrap().map(|file| file.unwrap().path());
    let mut watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, "sh"])
        .arg(installed(".venv", "bin/python", "aws-sam-cli"))
        .arg(in_repository("tests/integration/support/in_docker.py"))
        .arg(env!("CARGO_BIN_EXE_cache-api"))
        .args(files)
        .env("TMPDIR", dir.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(watchdog.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    drop(watchdog.stdin.take());
    watchdog.wait().unwrap();
    let log = || std::fs::read_to_string(&log).unwrap_or_default();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}\n{}", log()))
}

/// Checks what a container that holds nothing, beside a bucket that has all of sample-data, answers to what is no request.
fn check_no_request(name: &str, answer: &Value) {
    let tally = |doubted: u64| {
        json!({
            "doubted": doubted, "confirmed": 0, "created": 0, "not_held": doubted, "unconfirmed": 0, "failed": 0, "ignored": 0,
        })
    };
    let expected = match name {
        "schedule-doctor" => {
            let findings = answer["findings"].as_array().unwrap_or_else(|| panic!("{name}: {answer}"));
            return assert!(findings.iter().all(|finding| finding["level"] != "problem"), "{answer}");
        }
        "schedule-untold" => return assert_eq!(answer["errorType"], "Unanswered", "{answer}"),
        "schedule-sweep" => {
            json!({"seen": 1.0, "keys": 0, "bytes": 0, "evicted": 0, "trashed": 0, "unlinked": 0, "directories": 0, "failed": 0})
        }
        "schedule-warm" => json!({
            "listed": 4, "matched": 1, "created": 1, "refreshed": 0, "already": 0, "failed": 0, "left": 0, "listed_all": true,
        }),
        "s3-test-event" => tally(0),
        "sqs-mixed" => failures(&["19dd0b57-b21e-4ac1-bd88-01bbb068cb79"]),
        _ if name.starts_with("sqs-") => failures(&[]),
        _ => tally(1),
    };
    assert_eq!(*answer, expected, "{name}");
}
