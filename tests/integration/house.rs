//! The rules of the house, as tests over the source: what cannot be reached cannot leak (ARCHITECTURE.md, "The house").
//!
//! Each rule first shows that it bites, on a few lines that break it, then that nothing in `src` does.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use source::{Named, Source, read_crate};

mod source;

/// The rooms of the house, from the ground up. A room may use what is on a floor below its own, on its own floor only itself.
const FLOORS: [&[&str]; 9] = [
    &["key", "freshness", "python_value", "sync"],
    &["error"],
    &["entry"],
    &["tier", "record"],
    &["cache", "frame"],
    &["function", "refresh", "doctor"],
    &["http", "lambda", "cli"],
    &["app"],
    &["main"],
];

/// Rooms beside the floors: what each may use, and who may use it. They touch the world outside (variables, the log), which
/// nobody else is to know of.
const BESIDE: [Beside; 2] = [
    Beside { room: "config", uses: &["key", "freshness"], used_by: &["doctor", "cli", "app", "main"] },
    Beside { room: "telemetry", uses: &[], used_by: &["cli", "app", "main"] },
];

struct Beside {
    room: &'static str,
    uses: &'static [&'static str],
    used_by: &'static [&'static str],
}

/// Statuses that say how a success went; each door knows them of itself. What is no success has one place.
const SUCCESSES: [(&str, &str); 6] = [
    ("OK", "200"),
    // A POST to /cache brought the key in; DELETE has nothing to say.
    ("CREATED", "201"),
    ("NO_CONTENT", "204"),
    // The answers to Range and to a condition, which their own modules decide.
    ("PARTIAL_CONTENT", "206"),
    ("NOT_MODIFIED", "304"),
    // The bytes are elsewhere, says http/oversize.rs; nothing has failed.
    ("TEMPORARY_REDIRECT", "307"),
];

/// The longest a file may be, tests left out: past this nobody reads it from the top.
const LINES_MAX: usize = 500;

/// A line that breaks a rule.
#[derive(Debug)]
struct Breach {
    place: String,
    what: String,
}

/// "Arrows never turn round; siblings do not import each other."
#[test]
fn imports_run_one_way() {
    check(
        imports,
        &[
            ("src/key.rs", "use crate::entry::Entry;"),
            ("src/key.rs", "use crate::freshness::Timestamp;"),
            ("src/record/s3.rs", "use crate::tier::TierName;"),
            ("src/tier/directory.rs", "use crate::{\n    entry::Entry,\n    record::RecordId,\n};"),
            ("src/tier.rs", "use super::record::RecordId;"),
            ("src/tier/memory.rs", "fn f() -> super::super::cache::Cache {}"),
            ("src/frame.rs", "fn f(cache: &crate::cache::Cache) {}"),
            ("src/cache.rs", "use crate::frame;"),
            ("src/http/v1.rs", "use crate::lambda::Door;"),
            ("src/cli/serve.rs", "use crate::app::App;"),
            ("src/http.rs", "use crate::config::Config;"),
            ("src/function.rs", "crate::telemetry::count();"),
            ("src/config.rs", "use crate::cache::Cache;"),
            ("src/cache.rs", "use crate as house;"),
            ("src/cache.rs", "use crate::{self as house};"),
            ("src/cache.rs", "use crate::*;"),
            ("src/cellar.rs", "use crate::key::Key;"),
            ("src/http/v1.rs", "use crate::Cache;"),
            ("src/lib.rs", "pub use crate::app::App;"),
            ("src/lib.rs", "pub use cache::Cache;"),
        ],
        &[
            ("src/record/s3.rs", "use crate::entry::Entry;\nuse crate::record::s3::client;"),
            ("src/http/v1.rs", "use crate::tier::TierName;\nuse super::problem;\nuse crate::function;"),
            ("src/tier/memory.rs", "//! [`crate::cache`]\n#[cfg(test)]\nmod tests {\n    use crate::record::RecordId;\n}"),
            ("src/cli/serve.rs", "use crate::config::Config;"),
            ("src/main.rs", "use cache_api::{app, config::Config, lambda};"),
            ("src/lib.rs", "pub mod key;"),
        ],
    );
}

/// "Only `config.rs` reads variables."
#[test]
fn only_config_reads_the_environment() {
    check(
        environment,
        &[
            ("src/app.rs", "let bucket = std::env::var(\"AWS_BUCKET_NAME\");"),
            ("src/app.rs", "use std::env;\nlet bucket = env::var_os(\"AWS_BUCKET_NAME\");"),
            ("src/record/s3.rs", "use std::{env::{self, vars}, fs};"),
            ("src/main.rs", "std::env::set_var(\"A\", \"b\");"),
            ("src/cli.rs", "use std::env::*;"),
            ("src/cli.rs", "use std::env as surroundings;\nsurroundings::var(\"HOME\");"),
        ],
        &[
            ("src/config.rs", "std::env::var(\"AWS_BUCKET_NAME\");"),
            ("src/config/environment.rs", "std::env::vars_os();"),
            ("src/cli.rs", "let program = std::env::args().next();\nlet version = env!(\"CARGO_PKG_VERSION\");"),
            ("src/cli.rs", "use std::env;"),
        ],
    );
}

/// "Only `http/problem.rs` has status codes", but for those of a success.
#[test]
fn only_problem_documents_name_the_status_of_a_failure() {
    check(
        statuses,
        &[
            ("src/http/v1.rs", "StatusCode::NOT_FOUND"),
            ("src/http/v1.rs", "use axum::http::StatusCode as S;"),
            ("src/http/v1.rs", "http::StatusCode::from_u16(404)"),
            ("src/http/objects.rs", "Response::builder().status(503)"),
            ("src/lambda/answer.rs", "Answer { status_code: 413 }"),
            ("src/lambda/answer.rs", "answer.status = 502;"),
            ("src/http/v1.rs", "use http::status::StatusCode::{self, BAD_REQUEST};"),
        ],
        &[
            ("src/http/problem.rs", "StatusCode::NOT_FOUND"),
            ("src/http/problem/catalogue.rs", "StatusCode::NOT_FOUND"),
            ("src/http/objects.rs", "use axum::http::StatusCode;\n(StatusCode::CREATED, StatusCode::NOT_MODIFIED)"),
            ("src/http/objects.rs", "Response::builder().status(206)"),
            ("src/lambda/answer.rs", "Answer { status_code: parts.status.as_u16() }"),
        ],
    );
}

/// "The core knows no AWS."
#[test]
fn only_the_s3_record_the_doctor_and_the_lambda_door_name_aws() {
    check(
        aws,
        &[
            ("src/cache.rs", "use aws_sdk_s3::Client;"),
            ("src/record.rs", "use aws_config::SdkConfig;"),
            ("src/http/v1.rs", "fn f(event: lambda_http::Request) {}"),
            ("src/cli/serve.rs", "use lambda_runtime as loop_;"),
            ("src/doctor.rs", "use aws_sdk_efs::Client;"),
            ("src/doctor/directory.rs", "use aws_sdk_efs::Client;"),
            ("src/main.rs", "lambda_runtime::run(f);"),
            ("src/main.rs", "use lambda_runtime_api_client::PooledClient;"),
        ],
        &[
            ("src/record/s3.rs", "use aws_sdk_s3::Client;"),
            ("src/record/s3/client.rs", "use aws_config::SdkConfig;"),
            ("src/doctor/aws/file_system.rs", "use aws_sdk_efs::Client;"),
            ("src/lambda/runtime.rs", "use lambda_runtime::LambdaEvent;"),
            ("src/app.rs", "aws_config::load()"),
            ("src/http/v1.rs", "use crate::lambda_names::X;"),
        ],
    );
}

/// "The core knows no HTTP."
#[test]
fn only_the_front_doors_name_http() {
    check(
        http,
        &[
            ("src/cache.rs", "use http::HeaderMap;"),
            ("src/error.rs", "fn f() -> axum::response::Response {}"),
            ("src/record/directory.rs", "use hyper::Uri;"),
            ("src/function/builtin/pi.rs", "use axum::Json;"),
        ],
        &[
            ("src/http/v1.rs", "use axum::Json;"),
            ("src/lambda/answer.rs", "use http::HeaderMap;"),
            ("src/record/s3/answer.rs", "use http::HeaderMap;"),
            ("src/config/values.rs", "use http::Uri;"),
            ("src/cache.rs", "//! Knows no `http::HeaderMap`.\nlet text = \"axum::Json\";"),
        ],
    );
}

/// "`foo.rs` + `foo/`, no `mod.rs`."
#[test]
fn a_module_is_a_file_of_its_own_name() {
    check(named_mod, &[("src/http/mod.rs", "mod v1;")], &[("src/http.rs", "mod v1;"), ("src/http/model.rs", "")]);
}

/// "Refuse past 500, tests not counted."
#[test]
fn no_file_is_too_long_to_be_read_from_the_top() {
    let long = "fn f() {}\n".repeat(LINES_MAX + 1);
    let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(LINES_MAX), "fn f() {}\n".repeat(80));
    check(length, &[("src/cache.rs", &long)], &[("src/cache.rs", &tested)]);
}

/// "`unsafe_code = \"forbid\"`."
#[test]
fn unsafe_code_is_forbidden() {
    let forbids = |manifest: &str| {
        let lints = manifest.lines().skip_while(|line| line.trim() != "[lints.rust]").skip(1);
        lints.take_while(|line| !line.trim().starts_with('[')).any(|line| line.trim() == "unsafe_code = \"forbid\"")
    };
    assert!(!forbids("[lints.rust]\nunsafe_code = \"deny\"\n"), "the rule does not bite");
    assert!(!forbids("[lints.rust]\n# unsafe_code = \"forbid\"\n[lints.clippy]\nunsafe_code = \"forbid\"\n"), "nor elsewhere");
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("the manifest");
    assert!(forbids(&manifest), "Cargo.toml, [lints.rust]: unsafe_code = \"forbid\" is gone");
}

fn imports(source: &Source) -> Vec<Breach> {
    let room = source.room();
    if room.is_empty() {
        let named =
            source.paths.iter().map(|path| breach(source, path.line, "names a path; lib.rs only lists the modules".into()));
        return named.collect();
    }
    let Some(allowed) = may_use(room) else {
        return vec![breach(source, 1, format!("`{room}` has no place in the house; give it one in FLOORS"))];
    };
    let of_crate = source.paths.iter().filter(|path| path.segments[0] == "crate");
    let of_others = of_crate.filter(|path| path.segments.get(1).is_none_or(|used| used != room));
    let broken = of_others.filter(|path| path.segments.get(1).is_none_or(|used| !allowed.contains(&used.as_str())));
    let say = |path: &Named| {
        let uses = if allowed.is_empty() { "nothing of the crate".to_owned() } else { allowed.join(", ") };
        breach(source, path.line, format!("imports `{}`; `{room}` may import {uses}", path.segments.join("::")))
    };
    broken.map(say).collect()
}

/// The rooms that `room` may use besides itself; `None` where there is no such room.
fn may_use(room: &str) -> Option<Vec<&'static str>> {
    if let Some(beside) = BESIDE.iter().find(|beside| beside.room == room) {
        return Some(beside.uses.to_vec());
    }
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room))?;
    let below = FLOORS[..floor].concat();
    let beside = BESIDE.iter().filter(|beside| beside.used_by.contains(&room)).map(|beside| beside.room);
    Some(below.into_iter().chain(beside).collect())
}

fn environment(source: &Source) -> Vec<Breach> {
    const READS: [&str; 7] = ["var", "var_os", "vars", "vars_os", "set_var", "remove_var", "*"];
    let reads = |path: &&Named| path.segments.windows(2).any(|pair| pair[0] == "env" && READS.contains(&pair[1].as_str()));
    let renamed = source.tokens.windows(3).filter(|three| three[0].1 == "env" && three[1].1 == "as").map(|three| three[0].0);
    let lines = source.paths.iter().filter(reads).map(|path| path.line).chain(renamed);
    let outside = lines.filter(|_| source.room() != "config");
    outside.map(|line| breach(source, line, "reads the environment; only config.rs does".into())).collect()
}

fn statuses(source: &Source) -> Vec<Breach> {
    // The table of the problems, and what makes them of it.
    if source.module.starts_with(&["http".into(), "problem".into()]) {
        return Vec::new();
    }
    let is_constant = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let made_up = |name: &str| matches!(name, "from_u16" | "from_bytes" | "try_from" | "*");
    let by_name = source.paths.iter().filter(|path| {
        path.segments.windows(2).any(|pair| {
            let is_success = SUCCESSES.iter().any(|(name, _)| *name == pair[1]);
            pair[0] == "StatusCode" && !is_success && (is_constant(&pair[1]) || made_up(&pair[1]))
        })
    });
    let by_number = source.tokens.windows(3).filter(|three| {
        let [(_, name), (_, sign), (_, number)] = three else { return false };
        let is_number = number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        let is_success = SUCCESSES.iter().any(|(_, success)| success == number);
        matches!(name.as_str(), "status" | "status_code") && matches!(sign.as_str(), "(" | ":" | "=") && is_number && !is_success
    });
    let renamed = source.tokens.windows(2).filter(|two| two[0].1 == "StatusCode" && two[1].1 == "as");
    let lines = by_name.map(|path| path.line).chain(by_number.map(|three| three[2].0)).chain(renamed.map(|two| two[0].0));
    lines.map(|line| breach(source, line, "names the status of a failure; only http/problem.rs does".into())).collect()
}

fn aws(source: &Source) -> Vec<Breach> {
    let is_aws = |name: &str| name.starts_with("aws_") || name.starts_with("lambda_runtime") || name == "lambda_http";
    let is_allowed = source.module.starts_with(&["record".into(), "s3".into()])
        || matches!(source.room(), "lambda" | "app")
        || source.module.starts_with(&["doctor".into(), "aws".into()]);
    let named = source.paths.iter().filter(|path| !is_allowed && is_aws(&path.segments[0]));
    named
        .map(|path| {
            breach(source, path.line, format!("names `{}`; only record/s3, doctor/aws, lambda and app do", path.segments[0]))
        })
        .collect()
}

fn http(source: &Source) -> Vec<Breach> {
    const CRATES: [&str; 6] = ["axum", "http", "http_body", "http_body_util", "hyper", "hyper_util"];
    // S3 is spoken to over HTTP.
    let may = source.module.starts_with(&["record".into(), "s3".into()]);
    let is_core = FLOORS[..6].iter().any(|rooms| rooms.contains(&source.room()));
    let named = source.paths.iter().filter(|path| is_core && !may && CRATES.contains(&path.segments[0].as_str()));
    named.map(|path| breach(source, path.line, format!("names `{}`; the core knows no HTTP", path.segments[0]))).collect()
}

fn named_mod(source: &Source) -> Vec<Breach> {
    let is_mod = source.file.ends_with("/mod.rs");
    is_mod.then(|| breach(source, 1, "is called mod.rs; it is to be called after its module".into())).into_iter().collect()
}

fn length(source: &Source) -> Vec<Breach> {
    let is_long = source.lines > LINES_MAX;
    is_long.then(|| breach(source, LINES_MAX, format!("goes on to line {}; a file per idea", source.lines))).into_iter().collect()
}

fn breach(source: &Source, line: usize, what: String) -> Breach {
    Breach { place: format!("{}:{line}", source.file), what }
}

/// Holds `rule` against lines that break it, lines that do not, and then the crate.
#[track_caller]
fn check(rule: fn(&Source) -> Vec<Breach>, broken: &[(&str, &str)], kept: &[(&str, &str)]) {
    for (file, text) in broken {
        assert!(!rule(&Source::parse(file, text)).is_empty(), "the rule does not bite on {file}: {text}");
    }
    for (file, text) in kept {
        let breaches = rule(&Source::parse(file, text));
        assert!(breaches.is_empty(), "the rule bites what is allowed: {breaches:?} in {text}");
    }
    let sources = read_crate();
    assert!(sources.iter().any(|source| source.file == "src/lib.rs"), "the sources were not found");
    let said = sources.iter().flat_map(rule).fold(String::new(), |mut said, Breach { place, what }| {
        let _ = writeln!(said, "{place}: {what}");
        said
    });
    assert!(said.is_empty(), "\n{said}");
}
