//! `cache-api doctor --aws` on the functions' roles, as the real binary: against real policies at ministack, and against a fake of
//! IAM for what ministack does not do.

use aws_sdk_iam::Client;
use aws_sdk_iam::config::Builder;
use http::StatusCode;
use serde_json::{Value, json};

use super::doctor::Examined;
use super::support::aws::ministack;
use super::support::iam::{Decision, as_in_the_template, iam};
use super::support::seaweed::{KEYS, sdk_config};
use super::support::serve::{run_to_end, vars};

const ROLE: &str = "arn:aws:iam::123456789012:role/path/api";
const REFRESH_ROLE: &str = "arn:aws:iam::123456789012:role/path/refresh";

/// Of all that is found, the level and the sentence of what is said of one of the roles.
async fn found(iam: &str, settings: &[(&str, &str)], check: &str) -> Vec<(String, String)> {
    let (access_key, secret) = KEYS;
    let whole = [
        ("AWS_BUCKET_NAME", "prices"),
        ("AWS_DATA_DIR", "prod"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        // Nothing listens there: the rest is not what is looked at here.
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_IAM", iam),
        ("CACHE_API_QUEUE_ARN", "arn:aws:sqs:us-east-1:123456789012:events"),
        ("CACHE_API_SUBNET_IDS", "subnet-1"),
    ];
    let end = run_to_end(&["doctor", "--aws", "--json"], vars(whole.into_iter().chain(settings.iter().copied()))).await;
    assert!(!end.stdout.contains(secret) && !end.stderr.contains(secret), "{end:?}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_role = Examined::of(&end).findings.into_iter().filter(|finding| finding["check"] == check);
    of_role
        .map(|finding| (text(&finding["level"]), format!("{} fix: {}", text(&finding["what"]), text(&finding["fix"]))))
        .collect()
}

/// The one finding of the role that answers.
async fn found_one(iam: &str, settings: &[(&str, &str)]) -> (String, String) {
    found(iam, settings, "role").await.try_into().map(|[one]: [_; 1]| one).unwrap_or_else(|all| panic!("{all:?}"))
}

/// Makes a role at ministack that may do `statements`, and says its ARN.
async fn role(name: &str, statements: Value) -> String {
    let client = Client::from_conf(Builder::from(&sdk_config(KEYS)).endpoint_url(ministack().await.endpoint()).build());
    let trust = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    let made = client.create_role().role_name(name).assume_role_policy_document(trust).send().await.unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    client.put_role_policy().role_name(name).policy_name("all").policy_document(policy).send().await.unwrap();
    made.role.unwrap().arn
}

fn reads(objects: &str) -> [Value; 3] {
    [
        json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects}),
        json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::prices"}),
        json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}),
    ]
}

#[tokio::test]
async fn a_right_that_a_policy_lacks_or_has_too_many_is_said() {
    let iam = ministack().await.endpoint();
    let sound = role("doctor-sound", json!(reads("arn:aws:s3:::prices/prod/*"))).await;
    let (level, said) = found_one(&iam, &[("CACHE_API_ROLE_ARN", &sound)]).await;
    assert!(level == "ok" && said.contains("has the 9 rights that it was asked for, and none of 15"), "{said}");

    let slip = role("doctor-slip", json!(reads("arn:aws:s3:::prices/prod*"))).await;
    let (level, said) = found_one(&iam, &[("CACHE_API_ROLE_ARN", &slip)]).await;
    let expected = format!("`{slip}` may s3:GetObject on `arn:aws:s3:::prices/prod-cache-api-doctor`, which is never done");
    assert!(level == "warning" && said.starts_with(&expected), "{said}");

    let [get, _, network] = reads("arn:aws:s3:::prices/prod/*");
    let blind = role("doctor-blind", json!([get, network])).await;
    let all = found(&iam, &[("CACHE_API_ROLE_ARN", &blind)], "role").await;
    let is_of_listing = |(level, said): &(String, String)| level == "problem" && said.contains("may not s3:ListBucket on");
    assert!(all.len() == 2 && all.iter().all(is_of_listing), "{all:?}");
    assert!(all[0].1.contains("fix: allow s3:ListBucket on `arn:aws:s3:::prices` to it"), "{all:?}");

    let master = role("doctor-master", json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}])).await;
    let all = found(&iam, &[("CACHE_API_ROLE_ARN", &master)], "role").await;
    assert!(all.iter().all(|(level, _)| level == "warning"), "{all:?}");
    for said in ["s3:DeleteObject, s3:PutObject on `arn:aws:s3:::prices/prod/", "s3:PutBucketPolicy", "sqs:", "iam:PutRolePolicy"]
    {
        assert!(all.iter().any(|(_, what)| what.contains(said)), "{said}: {all:?}");
    }
}

#[tokio::test]
async fn a_role_that_deploys_functions_needs_to_write_them_and_the_one_that_takes_events_does_not() {
    let [get, list, network] = reads("arn:aws:s3:::prices/prod/*");
    let put = |folder: &str| {
        let resource = format!("arn:aws:s3:::prices/{folder}*");
        json!({"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": resource})
    };
    let iam = ministack().await.endpoint();
    let deployer = role("doctor-deployer", json!([get, list, network, put("prod/functions/")])).await;
    let wide = role("doctor-wide", json!([get, list, network, put("prod/")])).await;
    let settings = |role| [("AWS_FUNCTION_DIR", "functions"), ("CACHE_API_FUNCTION_DEPLOY", "on"), ("CACHE_API_ROLE_ARN", role)];
    assert_eq!(found_one(&iam, &settings(&deployer)).await.0, "ok");
    let (level, said) = found_one(&iam, &settings(&wide)).await;
    assert!(level == "warning" && said.contains("s3:DeleteObject, s3:PutObject on `arn:aws:s3:::prices/prod/cache-"), "{said}");
    let (level, said) = found_one(&iam, &[settings(&deployer)[0], settings(&deployer)[2]]).await;
    assert!(level == "warning" && said.contains("on `arn:aws:s3:::prices/prod/functions/cache-"), "{said}");
    let settings =
        [("AWS_FUNCTION_DIR", "functions"), ("CACHE_API_FUNCTION_DEPLOY", "on"), ("CACHE_API_REFRESH_ROLE_ARN", &deployer)];
    let all = found(&iam, &settings, "refresh-role").await;
    let [(lacks, queue), (has, write)] =
        [all.iter().find(|(level, _)| level == "problem"), all.iter().find(|(level, _)| level == "warning")]
            .map(|found| found.unwrap_or_else(|| panic!("{all:?}")));
    assert_eq!((all.len(), lacks.as_str(), has.as_str()), (2, "problem", "warning"));
    assert!(queue.contains("may not sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:ReceiveMessage on"), "{queue}");
    assert!(write.contains("s3:PutObject on `arn:aws:s3:::prices/prod/functions/"), "{write}");
}

/// Without the access point's ARN as a condition key the template's roles may not mount.
#[tokio::test]
async fn rights_under_conditions_are_asked_about_with_what_aws_will_set() {
    let settings = [
        ("CACHE_API_FILE_SYSTEM_ID", "fs-1"),
        ("CACHE_API_ACCESS_POINT_ID", "fsap-1"),
        ("CACHE_API_ROLE_ARN", ROLE),
        ("CACHE_API_REFRESH_ROLE_ARN", REFRESH_ROLE),
    ];
    let sound = iam(as_in_the_template).await;
    for check in ["role", "refresh-role"] {
        let all = found(&sound, &settings, check).await;
        assert!(all.len() == 1 && all[0].0 == "ok", "{all:?}");
    }
    let hangs = iam(|wanted| match as_in_the_template(wanted) {
        Decision::Allowed if wanted.action.starts_with("ec2:") => Decision::Lacks("ec2:Vpc"),
        decision => decision,
    });
    let (level, said) = found_one(&hangs.await, &settings).await;
    assert!(level == "warning" && said.contains("hangs on `ec2:Vpc`, which is not known here"), "{said}");
}

#[tokio::test]
async fn who_may_not_simulate_hears_which_permission_lacks_and_a_role_that_is_gone_is_said() {
    let settings = [("CACHE_API_ROLE_ARN", ROLE), ("CACHE_API_REFRESH_ROLE_ARN", REFRESH_ROLE)];
    let refuses = iam(|_| Decision::Refused(StatusCode::FORBIDDEN, "AccessDenied")).await;
    let (level, said) = found_one(&refuses, &settings).await;
    let expected = format!("allow iam:SimulatePrincipalPolicy on `{ROLE}` to whoever runs the doctor");
    assert!(level == "warning" && said.contains(&expected), "{said}");
    let all = found(&refuses, &settings, "refresh-role").await;
    assert!(all.len() == 1 && all[0].1.contains(&format!("on `{REFRESH_ROLE}` to whoever")), "{all:?}");
    let gone = iam(|_| Decision::Refused(StatusCode::NOT_FOUND, "NoSuchEntity")).await;
    let (level, said) = found_one(&gone, &settings).await;
    assert!(level == "problem" && said.starts_with(&format!("there is no `{ROLE}` here (NoSuchEntity)")), "{said}");
}

#[tokio::test]
async fn an_iam_that_cannot_be_reached_is_one_finding_of_each_role() {
    let settings = [("CACHE_API_ROLE_ARN", ROLE), ("CACHE_API_REFRESH_ROLE_ARN", REFRESH_ROLE)];
    let (level, said) = found_one("http://127.0.0.1:1", &settings).await;
    assert!(level == "warning" && said.starts_with("iam:SimulatePrincipalPolicy was not answered"), "{said}");
    let (level, said) = found_one("http://127.0.0.1:1", &settings[1..]).await;
    assert!(level == "warning" && said.starts_with("CACHE_API_ROLE_ARN is not set"), "{said}");
}
