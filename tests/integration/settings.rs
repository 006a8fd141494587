//! The real binary under settings and arguments that are right, misspelt or impossible.

use std::os::unix::ffi::OsStringExt;
use std::{ffi::OsString, fs};

use super::support::client::get;
use super::support::serve::{End, Serve, run_to_end, vars};

const NONE: [(&str, &str); 0] = [];

/// Asserts that it ended as misused, said why on the standard error and nowhere else, and did not panic.
#[track_caller]
fn assert_refused(end: &End) {
    assert_eq!(end.status.code(), Some(2), "{end:?}");
    assert_eq!(end.stdout, "");
    assert!(!end.stderr.contains("panicked"), "{}", end.stderr);
}

#[tokio::test]
async fn serve_says_what_it_serves_and_stops_when_it_is_asked_to() {
    let (source, held) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source_text = source.path().to_str().unwrap();
    let server = Serve::start(&["--source", source_text], vars([("LOCAL_DATA_DIR", held.path())])).await;
    let lines: Vec<_> = server.announcement().lines().map(str::trim).collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert_eq!(lines[0], format!("cache-api {} serves http://{}", env!("CARGO_PKG_VERSION"), server.address()));
    assert_eq!(lines[1], format!("record  directory {}", fs::canonicalize(&source).unwrap().display()));
    assert_eq!(lines[2], format!("kept    in {} (LOCAL_DATA_DIR)", held.path().display()));
    assert!(lines[3].starts_with("memory  up to "), "{lines:?}");
    assert_eq!(lines[4], "asks    for no token (CACHE_API_TOKEN); only this machine reaches it");
    assert_eq!(lines[5], format!("try     curl http://{}/cache", server.address()));
    assert!(!server.address().ends_with(":0"), "the port is the real one");
    assert_eq!(get(server.address(), "/health").await.status, 200);
    let end = server.terminate().await;
    assert!(end.status.success(), "{end:?}");
}

/// Serves within the memory that its budget says, whatever glibc would take: see `cli/malloc.rs`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test]
async fn serve_tells_malloc_to_give_memory_back_unless_somebody_has_told_it_anything() {
    use cache_api::cli::malloc::{THRESHOLD_BYTES, VARIABLE};

    let source = tempfile::tempdir().unwrap();
    let told = [
        (None, format!("{VARIABLE}={THRESHOLD_BYTES}")),
        (Some(("MALLOC_ARENA_MAX", "2")), "MALLOC_ARENA_MAX=2".to_owned()),
        (Some((VARIABLE, "1000000")), format!("{VARIABLE}=1000000")),
        (Some(("GLIBC_TUNABLES", "glibc.malloc.arena_max=2")), "GLIBC_TUNABLES=glibc.malloc.arena_max=2".to_owned()),
    ];
    for (given, expected) in told {
        let server = Serve::start(&["--source", source.path().to_str().unwrap()], vars(given)).await;
        let said = server.environment();
        let said: Vec<_> =
            said.iter().filter(|variable| variable.starts_with("MALLOC_") || variable.starts_with("GLIBC_")).collect();
        assert_eq!(said, [&expected]);
        assert!(server.terminate().await.status.success(), "signals reach the same process");
    }
}

#[tokio::test]
async fn a_directory_can_be_named_by_a_variable_and_is_overruled_by_the_flag() {
    let source = tempfile::tempdir().unwrap();
    let named = Serve::start(&[], vars([("CACHE_API_SOURCE_DIR", source.path())])).await;
    let announced = format!("directory {}\n", fs::canonicalize(&source).unwrap().display());
    assert!(named.announcement().contains(&announced), "{}", named.announcement());
    let overruled =
        Serve::start(&["--source", source.path().to_str().unwrap()], vars([("CACHE_API_SOURCE_DIR", "/nowhere")])).await;
    assert!(overruled.announcement().contains(&announced), "{}", overruled.announcement());
}

#[tokio::test]
async fn every_misspelt_or_impossible_setting_is_reported_at_once() {
    let end = run_to_end(
        &["serve", "--source", "/nowhere"],
        vars([
            ("AWS_DATA_DIR", "data"),
            ("CACHE_API_LOCAL_MAX_AGE", "60"),
            ("CACHE_API_MEMORY_BUDGET", "lots"),
            ("CACHE_API_MEMROY_MAX_AGE", "hunter2"),
        ]),
    );
    let end = end.await;
    assert_refused(&end);
    let expected = "cache-api: the settings cannot be used:\n  \
                    CACHE_API_MEMROY_MAX_AGE: no such setting; did you mean CACHE_API_MEMORY_MAX_AGE?\n  \
                    CACHE_API_LOCAL_MAX_AGE=\"60\": a bare number has no unit; write 60s, 60ms or 60m\n  \
                    CACHE_API_MEMORY_BUDGET=\"lots\": not a size; write one such as 256MiB or 10GB\n  \
                    AWS_DATA_DIR=\"data\": a directory has no prefix; leave this out, and name the folder itself as the record\n  \
                    --source=\"/nowhere\": there is no such directory; make it, or write another\n";
    assert_eq!(end.stderr, expected);
}

#[tokio::test]
async fn a_record_is_asked_for_where_none_is_given() {
    let end = run_to_end(&["serve"], vars(NONE)).await;
    assert_refused(&end);
    assert!(end.stderr.contains("AWS_BUCKET_NAME") && end.stderr.contains("serve --source"), "{}", end.stderr);
}

#[tokio::test]
async fn two_records_at_once_are_refused() {
    let end = run_to_end(&["serve", "--source", "/"], vars([("AWS_BUCKET_NAME", "prices")])).await;
    assert_refused(&end);
    assert!(end.stderr.contains("names a record too, and there is one"), "{}", end.stderr);
}

#[tokio::test]
async fn a_source_inside_the_directory_tier_is_refused() {
    let held = tempfile::tempdir().unwrap();
    let source = held.path().join("source");
    fs::create_dir(&source).unwrap();
    let end = run_to_end(&["serve", "--source", source.to_str().unwrap()], vars([("LOCAL_DATA_DIR", held.path())])).await;
    assert_refused(&end);
    assert!(end.stderr.contains("lies inside LOCAL_DATA_DIR"), "{}", end.stderr);
}

#[tokio::test]
async fn budgets_that_cannot_be_are_refused_and_say_what_can() {
    let source = tempfile::tempdir().unwrap();
    for (name, value, advice) in [
        ("CACHE_API_LOCAL_BUDGET", "0B", "write at least 64MiB"),
        ("CACHE_API_LOCAL_BUDGET", "-1GiB", "write one such as 256MiB or 10GB"),
        ("CACHE_API_LOCAL_BUDGET", "0", "write 0MiB or 0GiB"),
        ("CACHE_API_LOCAL_BUDGET", "8000PiB", "more than the disk of LOCAL_DATA_DIR has; write at most "),
        ("CACHE_API_MEMORY_BUDGET", "0MiB", "write at least 16MiB"),
        ("CACHE_API_MEMORY_BUDGET", "-1GiB", "write one such as 256MiB or 10GB"),
        ("CACHE_API_MEMORY_BUDGET", "8000PiB", "more memory than there is; write at most "),
    ] {
        let held = tempfile::tempdir().unwrap();
        let settings = vars([("LOCAL_DATA_DIR", held.path().as_os_str()), (name, value.as_ref())]);
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--source", source.path().to_str().unwrap()];
        let end = run_to_end(&arguments, settings).await;
        assert!(!end.status.success() && end.stdout.is_empty() && !end.stderr.contains("panicked"), "{name}={value}: {end:?}");
        assert!(end.stderr.contains(name) && end.stderr.contains(advice), "{name}={value}: {}", end.stderr);
    }
}

#[tokio::test]
async fn a_value_that_is_no_text_is_refused_without_a_panic() {
    let end = run_to_end(&["serve"], vars([("AWS_BUCKET_NAME", OsString::from_vec(b"\xff\xfe".to_vec()))])).await;
    assert_refused(&end);
    assert!(end.stderr.contains("AWS_BUCKET_NAME=\"\u{fffd}\u{fffd}\": not UTF-8"), "{}", end.stderr);
}

#[tokio::test]
async fn a_directory_as_the_record_is_refused_in_lambda() {
    let end = run_to_end(&[], vars([("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"), ("CACHE_API_SOURCE_DIR", "/")])).await;
    assert_refused(&end);
    assert!(end.stderr.contains("a function has no directory of its own to serve"), "{}", end.stderr);
}

#[tokio::test]
async fn an_address_in_use_is_said_to_be() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let source = tempfile::tempdir().unwrap();
    let end = run_to_end(&["serve", "--source", source.path().to_str().unwrap(), "--listen", &address], vars(NONE)).await;
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    assert_eq!(end.stdout, "", "nothing is announced that is not there");
    assert!(end.stderr.contains(&format!("{address} is in use; stop the program that listens there")), "{}", end.stderr);
}

#[tokio::test]
async fn without_arguments_help_is_printed() {
    let end = run_to_end(&[], vars(NONE)).await;
    assert_refused(&end);
    assert!(end.stderr.contains("Usage: cache-api <COMMAND>") && end.stderr.contains("serve"), "{}", end.stderr);
    let end = run_to_end(&["--version"], vars(NONE)).await;
    assert!(end.status.success(), "{end:?}");
    assert_eq!(end.stdout, format!("cache-api {}\n", env!("CARGO_PKG_VERSION")));
}
