//! The file system that LOCAL_DATA_DIR is on: what EFS says of it, asked.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aws_config::SdkConfig;
use aws_sdk_efs::Client;
use aws_sdk_efs::types::{MountTargetDescription, Status};

use crate::config::Config;
use crate::doctor::Finding;
use crate::doctor::aws::refusal::Refusal;
use crate::doctor::aws::unset;

mod access_point;
mod judge;

/// What this process sees of LOCAL_DATA_DIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It is an NFS mount here, whose root is this user's.
    Mounted { owner: u32 },
    /// It is not mounted here: what the functions see cannot be seen from here.
    Elsewhere,
}

/// Asks about the file system; each id that is not set is a finding, and leaves out what it names.
pub(super) async fn examine(sdk: &SdkConfig, config: &Config) -> Vec<Finding> {
    let deployment = &config.deployment;
    let client = Client::new(sdk);
    let mut findings = Vec::new();
    match &deployment.file_system_id {
        None => findings.push(unset("file-system", "CACHE_API_FILE_SYSTEM_ID", "file system (FileSystemId, fs-…)")),
        Some(id) => {
            let (described, targets, lifecycle, backup) = tokio::join!(
                described(&client, id, config),
                mount_targets(&client, id, &deployment.subnet_ids),
                lifecycle(&client, id),
                backup(&client, id),
            );
            let is_missing = described.iter().any(|finding| finding.check == "file-system" && finding.fix.is_some());
            findings.extend(described);
            // Where there is none, nothing can be said of it; where one question failed, the others may not have.
            if !is_missing {
                findings.extend(targets.into_iter().chain([lifecycle, backup]));
            }
        }
    }
    match &deployment.access_point_id {
        None => findings.push(unset("access-point", "CACHE_API_ACCESS_POINT_ID", "access point (fsap-…)")),
        Some(id) => {
            let asked = client.describe_access_points().access_point_id(id).send().await;
            findings.extend(match asked {
                Ok(answer) => match answer.access_points().first() {
                    Some(point) => access_point::judge(point, deployment.file_system_id.as_deref(), seen(config)),
                    None => vec![nothing("access-point", id)],
                },
                Err(error) => vec![refused(&error, "access-point", "DescribeAccessPoints", id)],
            });
        }
    }
    findings
}

async fn described(client: &Client, id: &str, config: &Config) -> Vec<Finding> {
    match client.describe_file_systems().file_system_id(id).send().await {
        Ok(answer) => match answer.file_systems().first() {
            Some(described) => judge::file_system(described, config.local_budget_bytes),
            None => vec![nothing("file-system", id)],
        },
        Err(error) => vec![refused(&error, "file-system", "DescribeFileSystems", id)],
    }
}

async fn mount_targets(client: &Client, id: &str, subnet_ids: &[String]) -> Vec<Finding> {
    let mut targets: Vec<MountTargetDescription> = Vec::new();
    let mut marker = None;
    loop {
        match client.describe_mount_targets().file_system_id(id).set_marker(marker).send().await {
            Ok(answer) => {
                targets.extend(answer.mount_targets().iter().cloned());
                marker = answer.next_marker().map(str::to_owned);
            }
            Err(error) => return vec![refused(&error, "mount-targets", "DescribeMountTargets", id)],
        }
        if marker.is_none() {
            break;
        }
    }
    let mut findings = judge::mount_targets(id, &targets, subnet_ids);
    if subnet_ids.is_empty() {
        findings.push(unset("mount-targets", "CACHE_API_SUBNET_IDS", "functions' subnets (subnet-…,subnet-…)"));
    }
    findings
}

async fn lifecycle(client: &Client, id: &str) -> Finding {
    match client.describe_lifecycle_configuration().file_system_id(id).send().await {
        Ok(answer) => judge::lifecycle(id, answer.lifecycle_policies()),
        Err(error) => refused(&error, "lifecycle", "DescribeLifecycleConfiguration", id),
    }
}

async fn backup(client: &Client, id: &str) -> Finding {
    match client.describe_backup_policy().file_system_id(id).send().await {
        Ok(answer) => judge::backup(id, answer.backup_policy().map(|policy| policy.status())),
        // No policy was ever set.
        Err(error) if error.as_service_error().is_some_and(|error| error.is_policy_not_found()) => {
            judge::backup(id, Some(&Status::Disabled))
        }
        Err(error) => refused(&error, "backup", "DescribeBackupPolicy", id),
    }
}

fn seen(config: &Config) -> Seen {
    let there = |root: &Path| {
        let is_nfs = rustix::fs::statfs(root).is_ok_and(|said| said.f_type == rustix::fs::NFS_SUPER_MAGIC);
        is_nfs.then(|| std::fs::metadata(root).ok().map(|metadata| Seen::Mounted { owner: metadata.uid() })).flatten()
    };
    config.local_data_dir.as_deref().and_then(there).unwrap_or(Seen::Elsewhere)
}

fn refused<E>(error: &aws_sdk_s3::error::SdkError<E>, check: &'static str, operation: &str, id: &str) -> Finding
where
    E: aws_sdk_s3::error::ProvideErrorMetadata,
{
    Refusal::of(error).finding(check, &format!("elasticfilesystem:{operation}"), &format!("`{id}`"))
}

fn nothing(check: &'static str, id: &str) -> Finding {
    Refusal::Missing { code: "an empty answer".to_owned() }.finding(check, "", &format!("`{id}`"))
}
