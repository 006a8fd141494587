use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{ffi::OsString, fs};

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::*;

const GIB: u64 = 1 << 30;

fn machine() -> Machine {
    Machine { memory_bytes: Some(4 * GIB), user_cache_dir: Some("/home/ann/.cache".into()), current_dir: "/somewhere".into() }
}

fn read<'a>(vars: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Config, Problems> {
    Config::read(&Environment::new(vars, machine()), None)
}

/// Reads the settings beside a bucket that is fine.
fn beside_a_bucket<'a>(vars: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Config, Problems> {
    read([("AWS_BUCKET_NAME", "prices")].into_iter().chain(vars))
}

#[track_caller]
fn lines(result: Result<Config, Problems>) -> Vec<String> {
    result.expect_err("a problem").lines().map(str::to_owned).collect()
}

#[test]
fn a_bucket_alone_is_enough() {
    let config = read([("AWS_BUCKET_NAME", "prices"), ("PATH", "/bin"), ("AWS_FUNCTION_DIR", "functions")]).unwrap();
    let expected = Config {
        record: RecordConfig::S3 { bucket: "prices".to_owned(), prefix: Prefix::default(), endpoint: None },
        local_data_dir: Some("/home/ann/.cache/cache-api".into()),
        policy: Policy::default(),
        memory_budget_bytes: 2 * GIB,
        query_memory_bytes: GIB / 2,
        local_budget_bytes: None,
        keep_warm: KeyPatterns::default(),
        response_mode: ResponseMode::Buffered,
        redirect: Switch::Off,
        function_deploy: Switch::Off,
        function_dir: Some(Prefix::normalise("functions").unwrap()),
        api_token: None,
        cors_origins: Vec::new(),
        deployment: Deployment::default(),
        log_filter: Targets::new().with_default(LevelFilter::INFO),
    };
    assert_eq!(config, expected);
}

#[test]
fn every_setting_is_taken() {
    let config = read([
        ("AWS_BUCKET_NAME", "prices"),
        ("AWS_DATA_DIR", "/data//"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:8333/"),
        ("LOCAL_DATA_DIR", "held"),
        ("CACHE_API_MEMORY_MAX_AGE", "0s"),
        ("CACHE_API_LOCAL_MAX_AGE", "1h 30m"),
        ("CACHE_API_STALE_IF_ERROR", "365d"),
        ("CACHE_API_NEGATIVE_MAX_AGE", "500ms"),
        ("CACHE_API_MEMORY_BUDGET", "1.5GiB"),
        ("CACHE_API_QUERY_MEMORY", "256MiB"),
        ("CACHE_API_LOG", "warn,cache_api=debug"),
        ("CACHE_API_LOCAL_BUDGET", "10GiB"),
        ("CACHE_API_KEEP_WARM", " prices/*.parquet\nrates/** "),
        ("CACHE_API_RESPONSE_MODE", "streamed"),
        ("CACHE_API_REDIRECT", "on"),
        ("CACHE_API_FUNCTION_DEPLOY", "on"),
        ("AWS_FUNCTION_DIR", "lib/functions/"),
        ("CACHE_API_FILE_SYSTEM_ID", "fs-1"),
        ("CACHE_API_ACCESS_POINT_ID", "fsap-2"),
        ("CACHE_API_SUBNET_IDS", "subnet-3,subnet-4"),
        ("CACHE_API_TOKEN", "0123456789abcdef"),
        ("CACHE_API_CORS_ORIGINS", "https://Example.com:443, http://localhost:3000"),
        ("CACHE_API_QUEUE_ARN", "arn:aws:sqs:us-east-1:123456789012:events"),
        ("CACHE_API_ROLE_ARN", "arn:aws:iam::123456789012:role/api"),
        ("CACHE_API_REFRESH_ROLE_ARN", "arn:aws:iam::123456789012:role/refresh"),
    ]);
    let expected = Config {
        record: RecordConfig::S3 {
            bucket: "prices".to_owned(),
            prefix: Prefix::normalise("data").unwrap(),
            endpoint: Some("http://127.0.0.1:8333".to_owned()),
        },
        local_data_dir: Some("/somewhere/held".into()),
        policy: Policy {
            memory_max_age: Duration::ZERO,
            local_max_age: Duration::from_secs(90 * 60),
            stale_if_error: Duration::from_secs(365 * 24 * 60 * 60),
            negative_max_age: Duration::from_millis(500),
        },
        memory_budget_bytes: GIB + GIB / 2,
        query_memory_bytes: 256 << 20,
        local_budget_bytes: Some(10 * GIB),
        keep_warm: KeyPatterns::parse(["prices/*.parquet", "rates/**"]).unwrap(),
        response_mode: ResponseMode::Streamed,
        redirect: Switch::On,
        function_deploy: Switch::On,
        function_dir: Some(Prefix::normalise("lib/functions").unwrap()),
        api_token: Some(ApiToken::parse("0123456789abcdef").unwrap()),
        cors_origins: vec!["https://example.com".to_owned(), "http://localhost:3000".to_owned()],
        deployment: Deployment {
            file_system_id: Some("fs-1".to_owned()),
            access_point_id: Some("fsap-2".to_owned()),
            subnet_ids: vec!["subnet-3".to_owned(), "subnet-4".to_owned()],
            queue_arn: Some("arn:aws:sqs:us-east-1:123456789012:events".to_owned()),
            role_arn: RoleArn::parse("arn:aws:iam::123456789012:role/api"),
            refresh_role_arn: RoleArn::parse("arn:aws:iam::123456789012:role/refresh"),
        },
        log_filter: Targets::new().with_default(LevelFilter::WARN).with_target("cache_api", LevelFilter::DEBUG),
    };
    assert_eq!(config.unwrap(), expected);
}

#[test]
fn all_problems_are_reported_at_once_and_say_what_to_write() {
    let problems = read([
        ("AWS_BUCKET_NAME", "s3://prices/data"),
        ("AWS_DATA_DIR", "a/../b"),
        ("AWS_ENDPOINT_URL_S3", "localhost:8333"),
        ("CACHE_API_LOCAL_MAX_AGE", "60"),
        ("CACHE_API_LOG", "inof"),
        ("CACHE_API_MEMORY_BUDGET", "1MiB"),
        ("CACHE_API_MEMROY_MAX_AGE", "1s"),
    ]);
    let expected = [
        "CACHE_API_MEMROY_MAX_AGE: no such setting; did you mean CACHE_API_MEMORY_MAX_AGE?",
        "CACHE_API_LOCAL_MAX_AGE=\"60\": a bare number has no unit; write 60s, 60ms or 60m",
        "CACHE_API_MEMORY_BUDGET=\"1MiB\": too little to serve from; write at least 16MiB",
        "CACHE_API_LOG=\"inof\": not a log filter; write off, error, warn, info, debug or trace, \
         or levels by module: warn,cache_api=debug",
        "AWS_BUCKET_NAME=\"s3://prices/data\": not the name of a bucket; write the name alone, \
         and what comes after the slash into AWS_DATA_DIR",
        "AWS_DATA_DIR=\"a/../b\": keys cannot begin with it: a key must not have a segment `.` or `..`",
        "AWS_ENDPOINT_URL_S3=\"localhost:8333\": not the address of a server; write one such as http://127.0.0.1:8333",
    ];
    assert_eq!(lines(problems), expected);
}

#[test]
fn a_value_in_no_known_form_is_refused() {
    for (name, value, advice) in [
        ("CACHE_API_LOCAL_MAX_AGE", "", "empty; write a value"),
        ("CACHE_API_LOCAL_MAX_AGE", " ", "empty; write a value"),
        ("CACHE_API_LOCAL_MAX_AGE", "0", "a bare number has no unit; write 0s"),
        ("CACHE_API_LOCAL_MAX_AGE", "1.5", "a bare number"),
        ("CACHE_API_LOCAL_MAX_AGE", "-1s", "not a duration"),
        ("CACHE_API_LOCAL_MAX_AGE", "s", "not a duration"),
        ("CACHE_API_LOCAL_MAX_AGE", "1 fortnight", "not a duration"),
        ("CACHE_API_LOCAL_MAX_AGE", "15M", "in lower case"),
        ("CACHE_API_LOCAL_MAX_AGE", "366d", "write at most 365d"),
        ("CACHE_API_LOCAL_MAX_AGE", "99999999999999999999d", "not a duration"),
        ("CACHE_API_MEMORY_BUDGET", "", "empty; write a value"),
        ("CACHE_API_MEMORY_BUDGET", "1073741824", "write 1073741824MiB or"),
        ("CACHE_API_MEMORY_BUDGET", "0MiB", "at least 16MiB"),
        ("CACHE_API_QUERY_MEMORY", "63MiB", "at least 64MiB"),
        ("CACHE_API_MEMORY_BUDGET", "-64MiB", "not a size"),
        ("CACHE_API_MEMORY_BUDGET", "64 parsecs", "not a size"),
        ("CACHE_API_MEMORY_BUDGET", "5GiB", "more memory than there is; write at most 4096MiB"),
        ("CACHE_API_MEMORY_BUDGET", "99999999999999999999EiB", "more memory than there is"),
        ("CACHE_API_LOG", "", "empty; write a value"),
        ("CACHE_API_LOG", "debug,", "not a log filter"),
        ("CACHE_API_LOG", "cache_api=loud", "not a log filter"),
        ("CACHE_API_LOG", "cache_api=", "not a log filter"),
        ("CACHE_API_LOCAL_BUDGET", "1MiB", "at least 64MiB"),
        ("CACHE_API_LOCAL_BUDGET", "-1GiB", "not a size"),
        ("CACHE_API_KEEP_WARM", "a [", "`[` is no pattern"),
        ("CACHE_API_RESPONSE_MODE", "stream", "write buffered or streamed"),
        ("CACHE_API_REDIRECT", "true", "write on or off"),
        ("CACHE_API_FUNCTION_DEPLOY", "", "empty; write a value"),
        ("CACHE_API_FILE_SYSTEM_ID", "efs", "begins with fs-"),
        ("CACHE_API_SUBNET_IDS", "subnet-1, subnet-2", "begins with subnet-"),
        ("CACHE_API_ROLE_ARN", "arn:aws:sts::123456789012:assumed-role/api/session", "such as arn:aws:iam::"),
        ("CACHE_API_REFRESH_ROLE_ARN", "arn:aws:iam::123456789012:role/", "such as arn:aws:iam::"),
        ("AWS_FUNCTION_DIR", "../functions", "keys cannot begin with it"),
        ("AWS_DATA_DIR", "a\nb", "control character"),
        ("AWS_ENDPOINT_URL", "ftp://host", "not the address of a server"),
        ("AWS_ENDPOINT_URL", "http://", "not the address of a server"),
        ("AWS_ENDPOINT_URL", "http://host/?a=b", "not the address of a server"),
    ] {
        let problems = lines(beside_a_bucket([(name, value)]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("{name}={value:?}: ")), "{problems:?}");
        assert!(problems[0].contains(advice), "{problems:?} should say {advice:?}");
    }
}

#[test]
fn an_unknown_name_is_refused_and_its_value_never_repeated() {
    for (name, advice) in [
        ("CACHE_API_LOCAL_MAXAGE", "did you mean CACHE_API_LOCAL_MAX_AGE?"),
        ("CACHE_API_SOURCE", "did you mean CACHE_API_SOURCE_DIR?"),
        ("cache_api_log", "did you mean CACHE_API_LOG?"),
        ("CACHE_API_PASSWORD", "there are CACHE_API_ACCESS_POINT_ID, CACHE_API_CORS_ORIGINS, "),
        ("CACHE_API_", "there are CACHE_API_ACCESS_POINT_ID, CACHE_API_CORS_ORIGINS, "),
    ] {
        let problems = lines(beside_a_bucket([(name, "hunter2")]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("{name}: no such setting; ")), "{problems:?}");
        assert!(problems[0].contains(advice) && !problems[0].contains("hunter2"), "{problems:?} should say {advice:?}");
    }
}

#[test]
fn a_value_that_is_no_text_is_a_problem_and_no_panic() {
    let broken = || OsString::from_vec(b"a\xff".to_vec());
    let vars = ["AWS_BUCKET_NAME", "LOCAL_DATA_DIR", "CACHE_API_LOG"].map(|name| (OsString::from(name), broken()));
    let unknown = [(OsString::from_vec(b"CACHE_API_\xff".to_vec()), broken())];
    let problems = lines(Config::read(&Environment::new(vars.into_iter().chain(unknown), machine()), None));
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems[0].starts_with("CACHE_API_\u{fffd}: no such setting"), "{problems:?}");
    for (problem, name) in problems[1..].iter().zip(["CACHE_API_LOG", "LOCAL_DATA_DIR", "AWS_BUCKET_NAME"]) {
        assert_eq!(*problem, format!("{name}=\"a\u{fffd}\": not UTF-8; write a value that is"));
    }
}

#[test]
fn only_names_that_s3_allows_are_buckets() {
    for name in ["abc", "my.bucket-1", "0ab", &"a".repeat(63)] {
        assert!(read([("AWS_BUCKET_NAME", name)]).is_ok(), "{name}");
    }
    for name in ["ab", &"a".repeat(64), "My-Bucket", "a_b_c", "-ab", "ab-", "a..b", "b\u{fc}cket", "a b c"] {
        let problems = lines(read([("AWS_BUCKET_NAME", name)]));
        assert!(problems[0].contains("not the name of a bucket"), "{problems:?}");
    }
}

#[test]
fn credentials_in_an_endpoint_are_refused_and_never_repeated() {
    let problems = lines(beside_a_bucket([("AWS_ENDPOINT_URL_S3", "http://ann:hunter2@host:1")]));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("credentials") && !problems[0].contains("hunter2"), "{problems:?}");
}

#[test]
fn the_sdk_may_be_told_to_ignore_endpoints() {
    let config =
        beside_a_bucket([("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:8333"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]);
    assert!(matches!(config.unwrap().record, RecordConfig::S3 { endpoint: None, .. }));
}

#[test]
fn a_place_that_is_set_to_nothing_is_not_given() {
    let config =
        beside_a_bucket([("AWS_DATA_DIR", ""), ("AWS_ENDPOINT_URL", ""), ("CACHE_API_SOURCE_DIR", ""), ("LOCAL_DATA_DIR", "")]);
    let config = config.unwrap();
    assert_eq!(config.local_data_dir, None);
    assert!(matches!(config.record, RecordConfig::S3 { endpoint: None, prefix, .. } if prefix == Prefix::default()));
}

#[test]
fn without_a_record_both_ways_to_name_one_are_said() {
    let expected = "the record: none is given; write AWS_BUCKET_NAME for a bucket, \
                    or CACHE_API_SOURCE_DIR (`serve --source`) for a directory";
    assert_eq!(lines(read([])), [expected]);
    assert_eq!(lines(read([("AWS_BUCKET_NAME", "")])), [expected]);
}

#[test]
fn two_records_are_refused() {
    let vars = [("AWS_BUCKET_NAME", "prices"), ("CACHE_API_SOURCE_DIR", "/")];
    let expected =
        "CACHE_API_SOURCE_DIR=\"/\": AWS_BUCKET_NAME=\"prices\" names a record too, and there is one; leave out either";
    assert_eq!(lines(read(vars)), [expected]);
    let by_flag = Config::read(&Environment::new(vars, machine()), Some(Path::new("/")));
    assert_eq!(lines(by_flag), [expected.replace("CACHE_API_SOURCE_DIR", "--source")]);
}

#[test]
fn in_lambda_there_is_no_directory_but_the_one_that_is_given() {
    let lambda = |vars: &[(&'static str, &'static str)]| {
        beside_a_bucket([("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")].into_iter().chain(vars.iter().copied()))
    };
    assert_eq!(lambda(&[]).unwrap().local_data_dir, None);
    assert_eq!(lambda(&[("LOCAL_DATA_DIR", "/mnt/held")]).unwrap().local_data_dir, Some("/mnt/held".into()));
    let problems = lines(read([("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"), ("CACHE_API_SOURCE_DIR", "/")]));
    assert_eq!(problems, ["CACHE_API_SOURCE_DIR=\"/\": a function has no directory of its own to serve; write AWS_BUCKET_NAME"]);
}

#[test]
fn the_budget_is_half_of_what_there_is() {
    let lambda = [("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")];
    assert_eq!(beside_a_bucket(lambda).unwrap().memory_budget_bytes, 256 << 20);
    // Outside of Lambda the variable is somebody else's.
    assert_eq!(beside_a_bucket([lambda[1]]).unwrap().memory_budget_bytes, 2 * GIB);
    for (memory_bytes, budget_bytes) in [(None, 256 << 20), (Some(24 << 20), 16 << 20)] {
        let environment = Environment::new([("AWS_BUCKET_NAME", "prices")], Machine { memory_bytes, ..machine() });
        assert_eq!(Config::read(&environment, None).unwrap().memory_budget_bytes, budget_bytes, "of {memory_bytes:?}");
    }
}

/// A source with a file and a folder in it, a folder for the tier, and a link from outside into the source.
struct Places {
    root: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("source/inner")).unwrap();
        fs::create_dir(root.path().join("held")).unwrap();
        fs::write(root.path().join("source/file"), "").unwrap();
        std::os::unix::fs::symlink("source/inner", root.path().join("link")).unwrap();
        Self { root }
    }

    fn real(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.root.path()).unwrap().join(name)
    }

    fn read(&self, source: &str, held: &str) -> Result<Config, Problems> {
        let machine = Machine { current_dir: self.root.path().to_owned(), ..machine() };
        Config::read(&Environment::new([("LOCAL_DATA_DIR", held)], machine), Some(Path::new(source)))
    }
}

#[test]
fn a_directory_has_one_name_whichever_way_it_is_written() {
    let places = Places::new();
    for (source, root) in [("source", "source"), ("./held/../source/", "source"), ("link", "source/inner")] {
        let config = places.read(source, "held").unwrap();
        assert_eq!(config.record, RecordConfig::Directory { root: places.real(root) }, "{source}");
    }
}

#[test]
fn a_source_and_a_tier_that_overlap_are_refused() {
    let places = Places::new();
    for (source, held) in [
        ("source", "source"),
        ("source", "source/inner"),
        ("source", "source/not/there/yet"),
        ("source", "nothing/../source/x"),
        ("source", "link"),
        ("source", "link/x"),
        ("source/inner", "source"),
        ("link", "source"),
        ("source", "."),
    ] {
        let problems = lines(places.read(source, held));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("--source={source:?}: lies inside LOCAL_DATA_DIR")), "{problems:?}");
    }
    // A name that begins alike is another name.
    assert!(places.read("source", "source-held").is_ok());
}

#[test]
fn a_source_that_is_no_directory_is_refused() {
    let places = Places::new();
    for (source, advice) in [("nowhere", "there is no such directory"), ("source/file", "not a directory")] {
        let problems = lines(places.read(source, "held"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(advice), "{problems:?}");
    }
}

#[test]
fn a_directory_takes_no_prefix() {
    let problems = lines(read([("CACHE_API_SOURCE_DIR", "/"), ("LOCAL_DATA_DIR", ""), ("AWS_DATA_DIR", "data")]));
    assert_eq!(
        problems,
        ["AWS_DATA_DIR=\"data\": a directory has no prefix; leave this out, and name the folder itself as the record"]
    );
}

/// A secret that is no token is not repeated, and neither is one that is.
#[test]
fn a_token_is_never_printed() {
    for wrong in ["", "hunter2", "0123456789 abcdef"] {
        let problems = lines(beside_a_bucket([("CACHE_API_TOKEN", wrong)]));
        assert_eq!(problems, [format!("CACHE_API_TOKEN: {}", ApiToken::FORM)]);
    }
    let environment = Environment::new([("AWS_BUCKET_NAME", "prices"), ("CACHE_API_TOKEN", "0123456789abcdef")], machine());
    let config = Config::read(&environment, None).unwrap();
    let printed = format!("{environment:?} {config:?}");
    assert!(printed.contains("CACHE_API_TOKEN") && !printed.contains("0123456789abcdef"), "{printed}");
}

#[test]
fn origins_are_what_browsers_call_them() {
    assert_eq!(beside_a_bucket([("CACHE_API_CORS_ORIGINS", "*")]).unwrap().cors_origins, ["*"]);
    assert_eq!(beside_a_bucket([("CACHE_API_CORS_ORIGINS", " http://[::1]:80/\n")]).unwrap().cors_origins, ["http://[::1]"]);
    for wrong in [
        "example.com",
        "https://example.com/path",
        "ftp://example.com",
        "https://a@example.com",
        "* https://example.com",
        "null",
        "https://",
    ] {
        let problems = lines(beside_a_bucket([("CACHE_API_CORS_ORIGINS", wrong)]));
        assert!(problems.len() == 1 && problems[0].starts_with("CACHE_API_CORS_ORIGINS="), "{wrong}: {problems:?}");
    }
}
