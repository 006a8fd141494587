use super::*;
use crate::config::{Environment, Machine};

const BARE: [(&str, &str); 1] = [("AWS_BUCKET_NAME", "prices")];

/// What the template sets with EFS, a part of the bucket, links and functions.
const WHOLE: [(&str, &str); 9] = [
    ("AWS_BUCKET_NAME", "prices"),
    ("AWS_DATA_DIR", "prod"),
    ("AWS_FUNCTION_DIR", "functions"),
    ("CACHE_API_REDIRECT", "on"),
    ("CACHE_API_FUNCTION_DEPLOY", "on"),
    ("CACHE_API_FILE_SYSTEM_ID", "fs-1"),
    ("CACHE_API_ACCESS_POINT_ID", "fsap-1"),
    ("CACHE_API_SUBNET_IDS", "subnet-1,subnet-2"),
    ("CACHE_API_QUEUE_ARN", "arn:aws-cn:sqs:cn-north-1:123456789012:events"),
];

/// A line a resource: `resource [key=value] +needed -unneeded`, without what stands at the start of each ARN.
fn asked(duty: Duty, vars: &[(&str, &str)]) -> Vec<String> {
    let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/r").unwrap();
    let machine = Machine { memory_bytes: None, user_cache_dir: None, current_dir: "/".into() };
    let config = Config::read(&Environment::new(vars.iter().copied(), machine), None).unwrap();
    let line = |question: Question| {
        let context = question.context.map(|(key, value)| format!(" [{key}={value}]")).unwrap_or_default();
        let needed: String = question.needed.iter().map(|action| format!(" +{action}")).collect();
        let unneeded: String = question.unneeded.iter().map(|action| format!(" -{action}")).collect();
        format!("{}{context}{needed}{unneeded}", question.resource).replace("arn:aws-cn:", "")
    };
    all(duty, &role, &config, "cn-north-1").into_iter().map(line).collect()
}

const VPC: &str = "* +ec2:AssignPrivateIpAddresses +ec2:CreateNetworkInterface +ec2:DeleteNetworkInterface \
                   +ec2:DescribeNetworkInterfaces +ec2:DescribeSubnets +ec2:UnassignPrivateIpAddresses";
const BUCKET: &str = "s3:::prices +s3:ListBucket -s3:DeleteBucket -s3:PutBucketNotification -s3:PutBucketPolicy \
                      -s3:PutLifecycleConfiguration";
const MOUNT: &str = "elasticfilesystem:cn-north-1:123456789012:file-system/fs-1 \
                     [elasticfilesystem:AccessPointArn=elasticfilesystem:cn-north-1:123456789012:access-point/fsap-1] \
                     +elasticfilesystem:ClientMount +elasticfilesystem:ClientWrite -elasticfilesystem:ClientRootAccess";
const ITSELF: &str = "iam::123456789012:role/r -iam:AttachRolePolicy -iam:PutRolePolicy";

#[test]
fn a_role_that_answers_reads_its_part_of_the_bucket_and_writes_only_functions() {
    let expected = [
        "s3:::prices/prod/cache-api-doctor +s3:GetObject +s3:GetObjectVersion -s3:DeleteObject -s3:PutObject",
        "s3:::prices/prod/functions/cache-api-doctor +s3:DeleteObject +s3:PutObject",
        "s3:::prices/prod-cache-api-doctor -s3:GetObject -s3:DeleteObject -s3:PutObject",
        BUCKET,
        "s3:::prices [s3:prefix=prod/] +s3:ListBucket",
        MOUNT,
        "sqs:cn-north-1:123456789012:events -sqs:DeleteMessage -sqs:PurgeQueue -sqs:ReceiveMessage -sqs:SendMessage",
        VPC,
        ITSELF,
    ];
    assert_eq!(asked(Duty::Answer, &WHOLE), expected);
}

#[test]
fn a_role_that_takes_events_writes_nothing_into_the_bucket() {
    let expected = [
        "s3:::prices/prod/cache-api-doctor +s3:GetObject -s3:DeleteObject -s3:PutObject",
        "s3:::prices/prod/functions/cache-api-doctor -s3:DeleteObject -s3:PutObject",
        "s3:::prices/prod-cache-api-doctor -s3:GetObject -s3:DeleteObject -s3:PutObject",
        BUCKET,
        "s3:::prices [s3:prefix=prod/] +s3:ListBucket",
        MOUNT,
        "sqs:cn-north-1:123456789012:events +sqs:DeleteMessage +sqs:GetQueueAttributes +sqs:ReceiveMessage \
         -sqs:PurgeQueue -sqs:SendMessage",
        VPC,
        ITSELF,
    ];
    assert_eq!(asked(Duty::Refresh, &WHOLE), expected);
}

#[test]
fn what_no_setting_names_is_not_asked_about() {
    let expected = [
        "s3:::prices/cache-api-doctor +s3:GetObject -s3:DeleteObject -s3:PutObject",
        "s3:::prices-cache-api/cache-api-doctor -s3:GetObject -s3:DeleteObject -s3:PutObject",
        BUCKET,
        ITSELF,
    ];
    assert_eq!(asked(Duty::Answer, &BARE), expected);
    let undeployed = asked(Duty::Answer, &[("AWS_BUCKET_NAME", "prices"), ("AWS_FUNCTION_DIR", "functions")]);
    assert_eq!(undeployed[1], "s3:::prices/functions/cache-api-doctor -s3:DeleteObject -s3:PutObject");
}

#[test]
fn a_grant_is_for_all_keys_of_a_folder_and_for_one_of_anything_else() {
    assert_eq!(Question::of("arn:aws:s3:::prices/prod/cache-api-doctor").grant(), "arn:aws:s3:::prices/prod/*");
    assert_eq!(Question::of("arn:aws:s3:::my-cache-api-doctor").grant(), "arn:aws:s3:::my-cache-api-doctor");
}
