//! What a role needs, and what it is a sign of too much that it may. Pure.

use std::iter;

use crate::config::{Config, RoleArn, Switch};
use crate::doctor::aws::Place;
use crate::doctor::aws::role::Duty;

/// What the key that is asked about ends with, wherever it is: nobody puts one of this name.
const TRIED: &str = "cache-api-doctor";

/// What Lambda itself does under the role of a function in a VPC.
/// Source: Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC".
const IN_A_VPC: [&str; 6] = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
];

/// What may be done to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Its ARN; `*` for all there are.
    pub resource: String,
    /// A condition key that AWS sets when it is done, and to what.
    pub context: Option<(&'static str, String)>,
    /// What does not work without.
    pub needed: Vec<&'static str>,
    /// What is never done. IAM takes no `s3:*`, so that each stands for more of its kind.
    pub unneeded: Vec<&'static str>,
}

/// All that is asked of the role; what it leaves out is named by no setting: log groups, KMS keys, X-Ray.
pub(super) fn all(duty: Duty, role: &RoleArn, config: &Config, region: &str) -> Vec<Question> {
    let place = Place::of(&config.record);
    let mut questions: Vec<_> =
        place.into_iter().flat_map(|place| objects(duty, role, config, place).into_iter().chain(bucket(role, place))).collect();
    questions.extend(file_system(role, config, region));
    questions.extend(queue(duty, config));
    if !config.deployment.subnet_ids.is_empty() {
        questions.push(Question { needed: IN_A_VPC.to_vec(), ..Question::of("*") });
    }
    // Who may change its own rights has all of them.
    questions.push(Question { unneeded: vec!["iam:AttachRolePolicy", "iam:PutRolePolicy"], ..Question::of(role.as_str()) });
    questions
}

/// Objects below the prefix, below the part of it where functions are, and beside it.
fn objects(duty: Duty, role: &RoleArn, config: &Config, Place { bucket, prefix }: Place<'_>) -> Vec<Question> {
    let at = |start: &str| Question::of(format!("arn:{}:s3:::{start}{TRIED}", role.partition()));
    let writes = vec!["s3:DeleteObject", "s3:PutObject"];
    let mut reads = vec!["s3:GetObject"];
    if duty == Duty::Answer && config.redirect == Switch::On {
        // A link to S3 names the version that was asked for.
        reads.push("s3:GetObjectVersion");
    }
    let mut questions = vec![Question { needed: reads, unneeded: writes.clone(), ..at(&format!("{bucket}/{prefix}")) }];
    if let Some(functions) = &config.function_dir {
        let is_deployer = duty == Duty::Answer && config.function_deploy == Switch::On;
        let (needed, unneeded) = if is_deployer { (writes.clone(), vec![]) } else { (vec![], writes.clone()) };
        questions.push(Question { needed, unneeded, ..at(&format!("{bucket}/{prefix}{}", functions.as_str())) });
    }
    // Where `prod*` in place of `prod/*` shows, as `*` does; where all of the bucket is served, in another.
    let beside = match prefix.strip_suffix('/') {
        Some(folder) => format!("{bucket}/{folder}-"),
        None => format!("{bucket}-cache-api/"),
    };
    let unneeded = iter::once("s3:GetObject").chain(writes).collect();
    questions.push(Question { unneeded, ..at(&beside) });
    questions
}

fn bucket(role: &RoleArn, Place { bucket, prefix }: Place<'_>) -> Vec<Question> {
    let at = || Question::of(format!("arn:{}:s3:::{bucket}", role.partition()));
    // As a GetObject of what is not there asks for it: it names no prefix, and is answered 403 without.
    let unneeded = vec!["s3:DeleteBucket", "s3:PutBucketNotification", "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration"];
    let mut questions = vec![Question { needed: vec!["s3:ListBucket"], unneeded, ..at() }];
    if !prefix.is_empty() {
        // As a listing does.
        let context = Some(("s3:prefix", prefix.to_owned()));
        questions.push(Question { context, needed: vec!["s3:ListBucket"], ..at() });
    }
    questions
}

fn file_system(role: &RoleArn, config: &Config, region: &str) -> Option<Question> {
    let deployment = &config.deployment;
    let (system, point) = (deployment.file_system_id.as_ref()?, deployment.access_point_id.as_ref()?);
    let arn =
        |kind: &str, id: &str| format!("arn:{}:elasticfilesystem:{region}:{}:{kind}/{id}", role.partition(), role.account());
    Some(Question {
        context: Some(("elasticfilesystem:AccessPointArn", arn("access-point", point))),
        needed: vec!["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
        unneeded: vec!["elasticfilesystem:ClientRootAccess"],
        ..Question::of(arn("file-system", system))
    })
}

fn queue(duty: Duty, config: &Config) -> Option<Question> {
    let queue = config.deployment.queue_arn.as_deref().filter(|arn| arn.contains(":sqs:"))?;
    Some(match duty {
        Duty::Refresh => Question {
            needed: vec!["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            unneeded: vec!["sqs:PurgeQueue", "sqs:SendMessage"],
            ..Question::of(queue)
        },
        Duty::Answer => {
            let unneeded = vec!["sqs:DeleteMessage", "sqs:PurgeQueue", "sqs:ReceiveMessage", "sqs:SendMessage"];
            Question { unneeded, ..Question::of(queue) }
        }
    })
}

impl Question {
    fn of(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), context: None, needed: Vec::new(), unneeded: Vec::new() }
    }

    /// All that is asked about.
    pub fn actions(&self) -> impl Iterator<Item = &'static str> {
        self.needed.iter().chain(&self.unneeded).copied()
    }

    /// What a policy would name to allow what is needed.
    pub fn grant(&self) -> String {
        match self.resource.strip_suffix(TRIED) {
            // Not a bucket of that name.
            Some(folder) if folder.ends_with('/') => format!("{folder}*"),
            _ => self.resource.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
