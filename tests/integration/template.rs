//! What the linters cannot hold of template.yaml: which parameters it refuses, and that the binary starts with what it sets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use cache_api::cli::malloc;
use cache_api::config::{Config, Environment, Machine, ResponseMode, Switch};
use serde::Deserialize;

const TEMPLATE: &str = include_str!("../../template.yaml");
const DEPLOY: &str = include_str!("../../docs/DEPLOY.md");

/// Parameters that differ from their defaults.
type Parameters<'a> = BTreeMap<&'a str, &'a str>;

/// What tools/template.py makes of the template under some parameters.
#[derive(Debug, Deserialize)]
struct Stack {
    refused: Vec<String>,
    resources: BTreeSet<String>,
    functions: BTreeMap<String, BTreeMap<String, String>>,
    outputs: BTreeMap<String, String>,
}

fn read(sets: &[Parameters]) -> Vec<Stack> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(root.join(".venv/bin/python"))
        .arg(root.join("tools/template.py"))
        .arg("read")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`make test` installs .venv");
    let sets = serde_json::to_vec(sets).unwrap();
    python.stdin.take().unwrap().write_all(&sets).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `Name=value Name=value`.
pub fn parameters(text: &str) -> Parameters<'_> {
    text.split_whitespace().map(|pair| pair.split_once('=').expect("a pair has an equals sign")).collect()
}

/// The names of the template's parameters.
fn parameter_names() -> Vec<&'static str> {
    let (_, section) = TEMPLATE.split_once("\nParameters:\n").expect("there are parameters");
    let lines = section.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   ") && !line.starts_with("  #"));
    named.map(|line| line.trim().trim_end_matches(':')).collect()
}

/// The settings as the binary reads them inside Lambda.
pub fn config(function: &BTreeMap<String, String>) -> Config {
    let lambda = [("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")];
    let lambda = lambda.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let machine = Machine { memory_bytes: None, user_cache_dir: None, current_dir: "/var/task".into() };
    let environment = Environment::new(function.clone().into_iter().chain(lambda), machine);
    Config::read(&environment, None).unwrap_or_else(|problems| panic!("{problems}\n{function:#?}"))
}

/// Parameters that cannot go together, and what is said of them.
pub const IMPOSSIBLE: [(&str, &str); 20] = [
    ("Auth=authorizer FrontDoor=http AuthorizerArn=arn:aws:lambda:x", "is for FrontDoor=rest"),
    ("Auth=authorizer", "needs AuthorizerArn"),
    ("AuthorizerArn=arn:aws:lambda:x", "AuthorizerArn would not be asked"),
    ("Auth=jwt JwtIssuer=https://i JwtAudience=a", "is for FrontDoor=http"),
    ("Auth=jwt FrontDoor=http JwtIssuer=https://i", "needs JwtIssuer and JwtAudience"),
    ("JwtAudience=a", "JwtIssuer and JwtAudience would not be asked"),
    ("Auth=none", "AllowAnonymous=yes-i-mean-it"),
    ("TokenSecret=cache-api/token", "one Authorization header"),
    ("ApiKey=on FrontDoor=url", "Only FrontDoor=rest has API keys"),
    ("ResponseMode=streamed FrontDoor=http", "An HTTP API does not stream"),
    ("ResponseMode=streamed FrontDoor=url", "does not stream out of a VPC"),
    ("Redirect=on", "set Versioning=on"),
    ("BucketName=mine Versioning=on", "A stack cannot change a bucket"),
    ("FunctionDeploy=on", "needs FunctionDir"),
    ("VpcId=vpc-1 SubnetIdA=subnet-1", "needs SubnetIdA and SubnetIdB"),
    ("VpcId=vpc-1 SubnetIdA=subnet-1 SubnetIdB=subnet-1", "are one subnet"),
    ("VpcId=vpc-1 SubnetIdA=subnet-1 SubnetIdB=subnet-2 Tier=disk", "is in no VPC"),
    ("SubnetIdB=subnet-1", "need VpcId"),
    ("Tier=disk DoctorTask=on", "no Refresh function"),
    ("Tier=disk AlarmTopicArn=arn:aws:sns:x", "handles no events"),
];

#[test]
fn each_impossible_pair_of_parameters_is_refused_and_says_so() {
    let stacks = read(&IMPOSSIBLE.map(|(text, _)| parameters(text)));
    for ((text, sentence), stack) in IMPOSSIBLE.iter().zip(&stacks) {
        assert_eq!(stack.refused.len(), 1, "{text}: {:?}", stack.refused);
        assert!(stack.refused[0].contains(sentence), "{text}: {:?}", stack.refused);
    }
    let said: BTreeSet<_> = stacks.iter().flat_map(|stack| &stack.refused).map(String::as_str).collect();
    let written = TEMPLATE.lines().filter_map(|line| line.trim().strip_prefix("AssertDescription: "));
    assert_eq!(said, written.collect(), "each rule of the template is tried, and has a sentence");
    assert_eq!(TEMPLATE.matches("- Assert: ").count(), said.len(), "each assertion has a sentence");
}

#[test]
fn the_binary_starts_with_what_the_template_sets_under_each_combination_of_parameters() {
    let rest = ["", "BucketName=mine DataDir=market/data", "Redirect=on Versioning=on", "LogLevel=debug LocalMaxAge=2m"];
    let mut sets = Vec::new();
    for door in ["FrontDoor=rest", "FrontDoor=http", "FrontDoor=url"] {
        for tier in ["Tier=efs", "Tier=disk"] {
            for mode in ["ResponseMode=buffered", "ResponseMode=streamed"] {
                for more in rest {
                    sets.push(format!("{door} {tier} {mode} {more}"));
                }
            }
        }
    }
    sets.push("VpcId=vpc-1 SubnetIdA=subnet-1 SubnetIdB=subnet-2 FunctionDir=functions FunctionDeploy=on".to_owned());
    let mut parsed: Vec<_> = sets.iter().map(|set| parameters(set)).collect();
    parsed.push([("KeepWarm", "prices/*.parquet rates/**")].into());
    let stacks = read(&parsed);
    let deployed: Vec<_> = stacks.iter().filter(|stack| stack.refused.is_empty()).collect();
    assert_eq!(deployed.len(), parsed.len() - 12, "streamed: neither an HTTP API nor, out of a VPC, a Function URL");
    for stack in &deployed {
        for function in stack.functions.values() {
            config(function);
        }
        assert_eq!(stack.functions.contains_key("Refresh"), stack.resources.contains("FileSystem"), "{stack:?}");
        for name in ["Url", "Curl", "Pandas", "Freshness"] {
            assert!(!stack.outputs[name].contains("${"), "{}", stack.outputs[name]);
        }
    }
    let own_network = config(&stacks[parsed.len() - 2].functions["Api"]);
    assert_eq!(own_network.deployment.subnet_ids, ["subnet-1", "subnet-2"]);
    assert_eq!((own_network.function_deploy, own_network.response_mode), (Switch::On, ResponseMode::Buffered));
    let refresh = config(&stacks[parsed.len() - 1].functions["Refresh"]);
    assert_eq!(refresh.local_data_dir.as_deref(), Some(Path::new("/mnt/cache")));
}

/// "With a token set, every path but `/health` needs it, at every front door": of the function that answers, and of no other.
#[test]
fn a_secret_is_the_token_of_every_door_and_says_so_in_the_outputs() {
    let doors = ["rest", "http", "url"].map(|door| format!("FrontDoor={door} Auth=none TokenSecret=cache-api/token"));
    let sets: Vec<_> = doors.iter().map(|door| parameters(door)).chain([parameters("")]).collect();
    let stacks = read(&sets);
    let (none, with) = stacks.split_last().unwrap();
    for stack in with {
        assert_eq!(stack.refused, [""; 0]);
        let token = config(&stack.functions["Api"]).api_token.expect("a token");
        assert_eq!(token.reveal(), "token-from-a-secret");
        assert!(!stack.functions["Refresh"].contains_key("CACHE_API_TOKEN"), "it answers nobody");
        for name in ["Curl", "Pandas"] {
            assert!(stack.outputs[name].contains("Authorization"), "{}", stack.outputs[name]);
        }
    }
    assert_eq!(config(&none.functions["Api"]).api_token, None);
}

/// `serve` starts anew with it; a function has it from the start.
#[test]
fn both_functions_tell_malloc_what_serve_does() {
    let [stack] = <[Stack; 1]>::try_from(read(&[parameters("")])).unwrap();
    for name in ["Api", "Refresh"] {
        assert_eq!(stack.functions[name][malloc::VARIABLE], malloc::THRESHOLD_BYTES, "{name}");
    }
}

/// "Function URLs do not stream inside a VPC"; without one they do, and no event reaches an instance's own disk.
#[test]
fn a_disk_tier_has_no_network_no_queue_no_refresh_and_asks_the_bucket_every_five_seconds() {
    let [stack] = <[Stack; 1]>::try_from(read(&[parameters("Tier=disk FrontDoor=url ResponseMode=streamed")])).unwrap();
    let names: Vec<_> = stack.resources.iter().map(String::as_str).collect();
    assert_eq!(names, ["Api", "ApiLogs", "ApiRole", "Bucket", "BucketPolicy", "CallerPolicy", "FunctionUrl", "ReadRecord"]);
    let config = config(&stack.functions["Api"]);
    assert_eq!(config.policy.local_max_age.as_secs(), 5);
    assert_eq!(config.response_mode, ResponseMode::Streamed);
    assert_eq!(config.local_data_dir.as_deref(), Some(Path::new("/tmp/cache")));
    assert!(stack.outputs["Freshness"].starts_with("5s and 1s at most"), "{}", stack.outputs["Freshness"]);
}

#[test]
fn every_parameter_is_used_and_explained() {
    let names = parameter_names();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let uses = [format!("!Ref {name}"), format!("${{{name}}}")];
        let used = uses.iter().any(|form| {
            let mut rest = TEMPLATE.split(form.as_str()).skip(1);
            rest.any(|rest| !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric()))
        });
        assert!(used, "nothing goes by {name}");
        assert!(DEPLOY.contains(&format!("`{name}`")), "docs/DEPLOY.md says nothing of {name}");
    }
}
