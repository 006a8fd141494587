//! template.yaml as CloudFormation makes it, and what AWS's own APIs then say of what was made.
//!
//! ministack is the CloudFormation here: moto lacks 16 of the template's 36 types, and `Fn::Cidr`. It says nothing of a
//! function's VPC and mounts, nor of the methods of a REST API; those are the linters' to hold. tests/integration/template.rs
//! holds the parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::doctor::Examined;
use super::support::aws::ministack;
use super::support::serve::{run_to_end, vars};
use super::support::server::installed;
use super::template::{IMPOSSIBLE, config, parameters};

/// Types that ministack refuses a template for, so that they are taken out of it. Nothing else in it refers to what is of them, and
/// only cfn-lint looks at it:
const REFUSED: [&str; 2] = [
    // The functions' way to the file system: FunctionToFileSystem.
    "AWS::EC2::SecurityGroupEgress",
    // What FunctionDeploy=on and DoctorTask=on allow besides: WriteFunctions, Examine.
    "AWS::IAM::RolePolicy",
];

/// Names and values.
type Parameters = &'static [(&'static str, &'static str)];

/// What is deployed: a name of the stack, the number of the types above that it asks for, and its parameters.
const STACKS: [(&str, usize, Parameters); 4] = [
    ("cache-api-rest", 1, &[]),
    (
        "cache-api-http",
        2,
        &[
            ("FrontDoor", "http"),
            ("BucketName", "cache-api-deploy-theirs"),
            ("DataDir", "market"),
            ("KeepWarm", "prices/*.parquet rates/**"),
            ("DoctorTask", "on"),
        ],
    ),
    ("cache-api-url", 0, &[("FrontDoor", "url"), ("Tier", "disk")]),
    (
        "cache-api-streamed",
        2,
        &[("ResponseMode", "streamed"), ("ApiKey", "on"), ("FunctionDir", "functions"), ("FunctionDeploy", "on")],
    ),
];

/// All stacks, as support/deploy.py found them; deployed once for all tests.
async fn deployed() -> &'static Value {
    static DEPLOYED: OnceCell<Value> = OnceCell::const_new();
    DEPLOYED.get_or_init(deploy).await
}

async fn deploy() -> Value {
    let sets = STACKS.map(|(name, _, parameters)| (name.to_owned(), parameters.iter().copied().collect()));
    script("deploy", &sets.into()).await
}

/// What support/deploy.py says of these stacks.
async fn script(command: &str, sets: &BTreeMap<String, BTreeMap<&str, &str>>) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/support/deploy.py");
    let mut python = Command::new(installed(".venv", "bin/python", "aws-sam-cli"))
        .arg(script)
        .args([&ministack().await.endpoint(), command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(&serde_json::to_vec(sets).unwrap()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A resource as its own service describes it.
async fn resource(stack: &str, name: &str) -> &'static Value {
    let resource = &deployed().await[stack]["resources"][name];
    assert!(resource.is_object(), "{stack} has no {name}");
    resource
}

/// A document that AWS hands out as text.
fn document(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn every_stack_is_made_whole_but_for_the_listed_types() {
    let mut refused = BTreeSet::new();
    for (name, count, _) in STACKS {
        let stack = &deployed().await[name];
        assert_eq!((&stack["status"], &stack["failed"]), (&json!("CREATE_COMPLETE"), &json!([])), "{name}");
        assert_eq!(stack["missing"], json!([]), "{name}");
        assert_eq!(stack["refused"], json!(REFUSED[..count]), "{name}: ministack knows other types than it did");
        refused.extend(stack["refused"].as_array().unwrap().iter().filter_map(Value::as_str));
        let url = stack["outputs"]["Url"].as_str().unwrap();
        assert!(url.starts_with("https://") && !stack["outputs"].to_string().contains("${"), "{}", stack["outputs"]);
    }
    assert_eq!(refused, REFUSED.into(), "all that is listed was tried");
}

/// template.rs holds that each rule is tried, by our own reading of them; this is another's.
#[tokio::test]
async fn cloudformation_makes_nothing_of_an_impossible_pair_and_says_why() {
    let name = |at: usize| format!("cache-api-impossible-{at}");
    let sets = IMPOSSIBLE.iter().enumerate().map(|(at, (text, _))| (name(at), parameters(text))).collect();
    let refusals = script("refuse", &sets).await;
    for (at, (text, sentence)) in IMPOSSIBLE.iter().enumerate() {
        let refusal = refusals[name(at)].as_str().unwrap_or_else(|| panic!("{text} was made"));
        assert!(refusal.contains(sentence), "{text}: {refusal}");
    }
}

#[tokio::test]
async fn each_front_door_is_made_as_it_was_asked_for() {
    let [route] = resource("cache-api-http", "HttpApi").await["Routes"].as_array().unwrap().as_slice() else {
        panic!("one route")
    };
    assert_eq!((&route["RouteKey"], &route["AuthorizationType"]), (&json!("ANY /{proxy+}"), &json!("AWS_IAM")));
    let url = resource("cache-api-url", "FunctionUrl").await;
    assert_eq!((&url["AuthType"], &url["InvokeMode"]), (&json!("AWS_IAM"), &json!("BUFFERED")));
    let streamed = deployed().await["cache-api-streamed"].clone();
    assert_eq!(streamed["outputs"]["ApiKeyId"], streamed["resources"]["FirstKey"]["Id"]);
    for (stack, timeout) in [("cache-api-rest", 29), ("cache-api-streamed", 900)] {
        assert_eq!(resource(stack, "Api").await["Timeout"], timeout, "{stack}");
    }
}

#[tokio::test]
async fn the_events_of_the_bucket_and_no_others_reach_refresh_by_the_queue() {
    for stack in ["cache-api-rest", "cache-api-http"] {
        let (rule, queue) = (resource(stack, "BucketEvents").await, resource(stack, "Events").await);
        let bucket = &deployed().await[stack]["outputs"]["BucketName"];
        let mut detail = json!({"bucket": {"name": [bucket]}});
        if stack == "cache-api-http" {
            detail["object"] = json!({"key": [{"prefix": "market/"}]});
        }
        let kinds = ["Object Created", "Object Deleted", "Object Restore Completed", "Object Restore Expired"];
        let pattern = json!({"source": ["aws.s3"], "detail-type": kinds, "detail": detail});
        assert_eq!((document(&rule["EventPattern"]), &rule["State"]), (pattern, &json!("ENABLED")));
        assert_eq!(rule["Targets"], json!([{"Id": "events", "Arn": queue["QueueArn"]}]));
        let [allowed] = document(&queue["Policy"])["Statement"].as_array().unwrap().clone().try_into().expect("one statement");
        let expected = json!({
            "Sid": "OnlyThisRule", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": queue["QueueArn"], "Condition": {"ArnEquals": {"aws:SourceArn": rule["Arn"]}},
        });
        assert_eq!(allowed, expected);
        let failed = resource(stack, "FailedEvents").await;
        assert_eq!(document(&queue["RedrivePolicy"]), json!({"deadLetterTargetArn": failed["QueueArn"], "maxReceiveCount": 5}));
        assert_eq!(failed["MessageRetentionPeriod"], "1209600");
        let (mapping, refresh) = (resource(stack, "RefreshDoubts").await, resource(stack, "Refresh").await);
        assert_eq!((&mapping["EventSourceArn"], &mapping["FunctionArn"]), (&queue["QueueArn"], &refresh["FunctionArn"]));
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    }
    let bucket = resource("cache-api-rest", "Bucket").await;
    assert!(bucket["Notification"]["EventBridgeConfiguration"].is_object(), "{bucket}");
    for (stack, warm) in [("cache-api-rest", "DISABLED"), ("cache-api-http", "ENABLED")] {
        let (sweep, warmth) = (resource(stack, "RefreshSweep").await, resource(stack, "RefreshWarm").await);
        assert_eq!((&sweep["State"], &warmth["State"]), (&json!("ENABLED"), &json!(warm)), "{stack}");
        assert_eq!(document(&warmth["Targets"][0]["Input"]), json!({"task": "warm"}));
        assert_eq!(warmth["Targets"][0]["Arn"], resource(stack, "Refresh").await["FunctionArn"]);
    }
}

/// The binary refuses a CACHE_API_ name that it does not know.
#[tokio::test]
async fn the_functions_are_told_what_was_made_in_settings_that_the_binary_knows() {
    for (stack, _, _) in STACKS {
        let resources = deployed().await[stack]["resources"].as_object().unwrap();
        assert!(resources.contains_key("Api"), "{stack} has no function");
        let id = |name: &str, of: &str| resources.get(name).map(|it| it[of].as_str().unwrap().to_owned());
        for function in ["Api", "Refresh"].iter().filter_map(|name| resources.get(*name)) {
            let variables: BTreeMap<String, String> =
                serde_json::from_value(function["Environment"]["Variables"].clone()).unwrap();
            assert_eq!(deployed().await[stack]["outputs"]["BucketName"], variables["AWS_BUCKET_NAME"].as_str());
            let told = config(&variables).deployment;
            assert_eq!(told.file_system_id, id("FileSystem", "FileSystemId"), "{stack}");
            assert_eq!(told.access_point_id, id("AccessPoint", "AccessPointId"), "{stack}");
            assert_eq!(told.queue_arn, id("Events", "QueueArn"), "{stack}");
            let roles = [told.role_arn, told.refresh_role_arn].map(|arn| arn.map(|arn| arn.as_str().to_owned()));
            assert_eq!(roles, [id("ApiRole", "Arn"), id("RefreshRole", "Arn")], "{stack}");
            let subnets = ["SubnetA", "SubnetB"].iter().filter_map(|name| id(name, "Id"));
            assert_eq!(told.subnet_ids, subnets.collect::<Vec<_>>(), "{stack}");
        }
    }
}

#[tokio::test]
async fn the_file_system_is_encrypted_and_has_an_access_point_of_one_user() {
    let (system, point) = (resource("cache-api-rest", "FileSystem").await, resource("cache-api-rest", "AccessPoint").await);
    assert_eq!((&system["Encrypted"], &system["ThroughputMode"]), (&json!(true), &json!("elastic")));
    assert_eq!(system["NumberOfMountTargets"], 2);
    assert_eq!(point["FileSystemId"], system["FileSystemId"]);
    assert_eq!(point["PosixUser"], json!({"Uid": 1000, "Gid": 1000}));
    let owner = json!({"OwnerUid": 1000, "OwnerGid": 1000, "Permissions": "0750"});
    assert_eq!(point["RootDirectory"], json!({"Path": "/cache-api", "CreationInfo": owner}));
}

/// What the template grants is what the doctor asks for.
#[tokio::test]
async fn the_doctor_finds_the_roles_to_have_what_they_need_and_no_more() {
    for (stack, _, _) in STACKS {
        let resources = &deployed().await[stack]["resources"];
        let of_api = resources["Api"]["Environment"]["Variables"].as_object().unwrap();
        let mut settings: BTreeMap<_, _> = of_api.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let endpoint = ministack().await.endpoint();
        settings.extend([("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_REGION", "us-east-1")]);
        settings.extend([("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")]);
        // ministack knows no context in a simulation: by its word nobody may mount through an access point.
        settings.remove("CACHE_API_FILE_SYSTEM_ID");
        let found = Examined::of(&run_to_end(&["doctor", "--aws", "--json"], vars(settings)).await).findings;
        let is_of_role = |finding: &&Value| ["role", "refresh-role"].iter().any(|check| finding["check"] == *check);
        let found: Vec<_> = found.iter().filter(is_of_role).collect();
        let mut expected = vec![("role", "ok")];
        if resources["RefreshRole"].is_object() {
            expected.push(("refresh-role", "ok"));
        }
        if stack == "cache-api-streamed" {
            // WriteFunctions is of a type that is refused above.
            expected[0].1 = "problem";
            let what = found[0]["what"].as_str().unwrap();
            assert!(what.contains("may not s3:DeleteObject, s3:PutObject on") && what.contains("/functions/"), "{found:?}");
        }
        let of = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
        let judged: Vec<_> = found.iter().map(|finding| (of(finding, "check"), of(finding, "level"))).collect();
        let expected: Vec<_> = expected.into_iter().map(|(check, level)| (check.to_owned(), level.to_owned())).collect();
        assert_eq!(judged, expected, "{stack}: {found:?}");
    }
}

/// All of a role's rights, to the letter: one more is a change of this test.
#[tokio::test]
async fn a_role_may_read_the_data_mount_the_cache_and_log_and_refresh_take_events() {
    let stack = "cache-api-http";
    let system = &resource(stack, "FileSystem").await["FileSystemArn"];
    let point = &resource(stack, "AccessPoint").await["AccessPointArn"];
    let queue = &resource(stack, "Events").await["QueueArn"];
    let take = json!({"Effect": "Allow", "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "Resource": queue});
    for (role, logs, more) in [("ApiRole", "api", vec![]), ("RefreshRole", "refresh", vec![take])] {
        let logs = format!("arn:aws:logs:us-east-1:000000000000:log-group:/cache-api/{stack}/{logs}:*");
        let mut expected =
            vec![json!({"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": logs})];
        expected.extend(more);
        expected.extend([
            json!({"Sid": "ReadObjects", "Effect": "Allow", "Action": ["s3:GetObject"],
                "Resource": "arn:aws:s3:::cache-api-deploy-theirs/market/*"}),
            json!({"Sid": "KnowWhatIsMissing", "Effect": "Allow", "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::cache-api-deploy-theirs",
                "Condition": {"StringLikeIfExists": {"s3:prefix": "market/*"}}}),
            json!({"Sid": "MountByAccessPoint", "Effect": "Allow",
                "Action": ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"], "Resource": system,
                "Condition": {"StringEquals": {"elasticfilesystem:AccessPointArn": point}}}),
            json!({"Sid": "BeInTheVpc", "Effect": "Allow", "Action": ["ec2:AssignPrivateIpAddresses",
                "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"], "Resource": "*"}),
        ]);
        assert_eq!(resource(stack, role).await["Statements"], json!(expected), "{role}");
    }
}
