//! What EFS's answers mean for a cache. Pure.

use std::collections::BTreeSet;

use aws_sdk_efs::types::{
    FileSystemDescription, LifeCycleState, LifecyclePolicy, MountTargetDescription, Status, ThroughputMode,
};

use crate::doctor::Finding;
use crate::doctor::words::bytes;

/// What bursting gives for each GiB stored, in bytes a second, once the credits are used up.
/// Source: EFS User Guide, "Bursting throughput".
const BURST_BASE_PER_GIB: u64 = 50 << 10;

/// And at least, whatever is stored. Source: AWS, "Amazon EFS increases file system minimum throughput", 2020.
const BURST_BASE_MIN: u64 = 1 << 20;

/// Below this a body is nearer in S3 than on the file system.
const THROUGHPUT_MIN: u64 = 20 << 20;

/// Judges state, encryption, throughput and size.
pub(super) fn file_system(described: &FileSystemDescription, budget_bytes: Option<u64>) -> Vec<Finding> {
    let id = &described.file_system_id;
    let mut findings = vec![match &described.life_cycle_state {
        LifeCycleState::Available | LifeCycleState::Updating => Finding::ok("file-system", format!("`{id}` is available")),
        state => {
            let fix = "wait where it is being made; where it is going, deploy the stack again";
            Finding::problem("file-system-state", format!("`{id}` is {}", state.as_str()), fix)
        }
    }];
    findings.push(if described.encrypted == Some(true) {
        Finding::ok("encryption", "it is encrypted at rest")
    } else {
        let fix = "that cannot be switched on: deploy another with Encrypted: true; nothing needs to be copied";
        Finding::warning("encryption", format!("`{id}` is not encrypted at rest"), fix)
    });
    let stored = described.size_in_bytes.as_ref();
    let size = |value: Option<i64>| u64::try_from(value.unwrap_or(0)).unwrap_or(0);
    let stored_bytes = size(stored.map(|stored| stored.value));
    findings.push(throughput(described, stored_bytes));
    findings.push(match budget_bytes {
        Some(budget) if stored_bytes > budget => {
            let what = format!("{} are metered, the budget is {}", bytes(stored_bytes), bytes(budget));
            Finding::warning("metered-size", what, "look whether the sweep runs, and what else is on that file system")
        }
        _ => Finding::ok("metered-size", format!("{} are metered", bytes(stored_bytes))),
    });
    let slow = size(stored.and_then(|stored| stored.value_in_ia)) + size(stored.and_then(|stored| stored.value_in_archive));
    if slow > 0 {
        let fix = "switch the lifecycle policies off; what is read or replaced comes back";
        findings.push(Finding::warning("metered-size", format!("{} of it are in a slower class", bytes(slow)), fix));
    }
    findings
}

fn throughput(described: &FileSystemDescription, stored_bytes: u64) -> Finding {
    let id = &described.file_system_id;
    let elastic = format!("aws efs update-file-system --file-system-id {id} --throughput-mode elastic");
    match described.throughput_mode.as_ref() {
        Some(ThroughputMode::Elastic) => Finding::ok("throughput", "elastic: it gives what is asked, and costs by the byte"),
        Some(ThroughputMode::Provisioned) => {
            let rate = described.provisioned_throughput_in_mibps.unwrap_or(0.0);
            let what = format!("{rate} MiB/s are provisioned: paid for by the hour, used or not");
            Finding::warning("throughput", what, format!("keep it if that much is used all day, else:\n{elastic}"))
        }
        Some(ThroughputMode::Bursting) => {
            let base = ((stored_bytes >> 30) * BURST_BASE_PER_GIB).max(BURST_BASE_MIN);
            let what = format!(
                "bursting: {} are stored, which gives {}/s once its credits are used up",
                bytes(stored_bytes),
                bytes(base)
            );
            if base >= THROUGHPUT_MIN { Finding::ok("throughput", what) } else { Finding::warning("throughput", what, elastic) }
        }
        other => Finding::ok("throughput", format!("its mode is {}", other.map_or("not said", |mode| mode.as_str()))),
    }
}

/// Judges whether the functions in `subnet_ids` find a mount target.
///
/// EFS has at most one in a zone, and serves the whole zone with it; so that a subnet without its own may be served by
/// another's. Which zone a subnet is in only EC2 says, and who may ask EFS may not be allowed to ask that.
pub(super) fn mount_targets(id: &str, targets: &[MountTargetDescription], subnet_ids: &[String]) -> Vec<Finding> {
    if targets.is_empty() {
        let fix = format!(
            "aws efs create-mount-target --file-system-id {id} --subnet-id SUBNET --security-groups GROUP, for each zone"
        );
        return vec![Finding::problem("mount-targets", format!("`{id}` has no mount target: no function can mount it"), fix)];
    }
    let mut findings = Vec::new();
    let (available, others): (Vec<_>, Vec<_>) =
        targets.iter().partition(|target| target.life_cycle_state == LifeCycleState::Available);
    for target in others {
        let what = format!("`{}` in `{}` is {}", target.mount_target_id, target.subnet_id, target.life_cycle_state.as_str());
        let fix = "wait where it is being made; else make it anew: functions of that zone cannot start meanwhile";
        findings.push(Finding::problem("mount-targets", what, fix));
    }
    let served: BTreeSet<&str> = targets.iter().map(|target| target.subnet_id.as_str()).collect();
    let zones: BTreeSet<&str> = available.iter().filter_map(|target| target.availability_zone_name()).collect();
    let zones = zones.into_iter().collect::<Vec<_>>().join(", ");
    let without: Vec<&str> = subnet_ids.iter().map(String::as_str).filter(|subnet| !served.contains(subnet)).collect();
    for subnet in &without {
        let what = format!(
            "`{subnet}` has no mount target of its own: its functions start only if it is in a zone that has one ({zones})"
        );
        let fix = format!(
            "aws ec2 describe-subnets --subnet-ids {subnet} --query 'Subnets[].AvailabilityZone' says its zone; if that has none:\n\
             aws efs create-mount-target --file-system-id {id} --subnet-id {subnet} --security-groups GROUP"
        );
        findings.push(Finding::warning("mount-targets", what, fix));
    }
    if findings.is_empty() {
        let functions = if subnet_ids.is_empty() { "" } else { ", one for each of the functions' subnets" };
        findings.push(Finding::ok("mount-targets", format!("all {} are available ({zones}){functions}", targets.len())));
    }
    findings
}

/// Judges what moves files to another class.
pub(super) fn lifecycle(id: &str, policies: &[LifecyclePolicy]) -> Finding {
    let mut moves = Vec::new();
    for policy in policies {
        moves.extend(policy.transition_to_ia().map(|after| format!("to Infrequent Access {}", after.as_str())));
        moves.extend(policy.transition_to_archive().map(|after| format!("to Archive {}", after.as_str())));
    }
    if moves.is_empty() {
        return Finding::ok("lifecycle", "nothing moves it to a slower class");
    }
    let what = format!("what is not read goes {}: there it is slow, and each read is paid for", moves.join(" and "));
    let fix = format!("aws efs put-lifecycle-configuration --file-system-id {id} --lifecycle-policies '[]'");
    Finding::warning("lifecycle", what, fix)
}

/// Judges whether backups are made.
pub(super) fn backup(id: &str, status: Option<&Status>) -> Finding {
    if matches!(status, Some(Status::Enabled | Status::Enabling)) {
        let fix = format!("aws efs put-backup-policy --file-system-id {id} --backup-policy Status=DISABLED");
        return Finding::warning("backup", "it is backed up: that pays for what the bucket has anyway", fix);
    }
    Finding::ok("backup", "no backup pays for what the bucket has anyway")
}

#[cfg(test)]
mod tests;
