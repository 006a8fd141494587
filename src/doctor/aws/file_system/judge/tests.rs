use aws_sdk_efs::primitives::DateTime;
use aws_sdk_efs::types::builders::FileSystemDescriptionBuilder;
use aws_sdk_efs::types::{FileSystemSize, PerformanceMode, TransitionToArchiveRules, TransitionToIaRules};

use super::*;
use crate::doctor::Level;

const GIB: i64 = 1 << 30;

/// A file system of 1 GiB as the template makes it.
fn good() -> FileSystemDescriptionBuilder {
    FileSystemDescription::builder()
        .owner_id("123456789012")
        .creation_token("t")
        .file_system_id("fs-1")
        .creation_time(DateTime::from_secs(0))
        .life_cycle_state(LifeCycleState::Available)
        .number_of_mount_targets(2)
        .performance_mode(PerformanceMode::GeneralPurpose)
        .encrypted(true)
        .throughput_mode(ThroughputMode::Elastic)
        .size_in_bytes(size(GIB, 0))
        .set_tags(Some(Vec::new()))
}

fn size(value: i64, in_ia: i64) -> FileSystemSize {
    FileSystemSize::builder().value(value).value_in_ia(in_ia).build()
}

fn blamed(findings: &[Finding]) -> Vec<(Level, &'static str)> {
    let bad = findings.iter().filter(|finding| finding.level > Level::Ok);
    bad.map(|finding| (finding.level, finding.check)).collect()
}

#[test]
fn each_fault_of_a_file_system_is_one_finding() {
    let (warning, problem) = (Level::Warning, Level::Problem);
    let bursting = || good().throughput_mode(ThroughputMode::Bursting);
    let table = [
        (good(), vec![]),
        (good().life_cycle_state(LifeCycleState::Updating), vec![]),
        (good().life_cycle_state(LifeCycleState::Deleting), vec![(problem, "file-system-state")]),
        (good().life_cycle_state(LifeCycleState::Creating), vec![(problem, "file-system-state")]),
        (good().encrypted(false), vec![(warning, "encryption")]),
        (good().set_encrypted(None), vec![(warning, "encryption")]),
        (bursting(), vec![(warning, "throughput")]),
        (bursting().size_in_bytes(size(409 * GIB, 0)), vec![(warning, "throughput"), (warning, "metered-size")]),
        (bursting().size_in_bytes(size(410 * GIB, 0)), vec![(warning, "metered-size")]),
        (good().throughput_mode(ThroughputMode::Provisioned), vec![(warning, "throughput")]),
        (good().size_in_bytes(size(3 * GIB, 0)), vec![(warning, "metered-size")]),
        (good().size_in_bytes(size(GIB, 1)), vec![(warning, "metered-size")]),
    ];
    for (described, expected) in table {
        let described = described.build().unwrap();
        assert_eq!(blamed(&file_system(&described, Some(2 << 30))), expected, "{described:?}");
    }
    let large = good().size_in_bytes(size(i64::MAX, 0)).build().unwrap();
    assert_eq!(blamed(&file_system(&large, None)), [], "no budget is set");
}

fn target(subnet: &str, zone: &str, state: LifeCycleState) -> MountTargetDescription {
    let target = MountTargetDescription::builder().mount_target_id(format!("fsmt-{zone}")).file_system_id("fs-1");
    target.subnet_id(subnet).availability_zone_name(zone).life_cycle_state(state).build().unwrap()
}

#[test]
fn a_subnet_without_a_mount_target_is_said_with_what_cannot_be_known() {
    let available = LifeCycleState::Available;
    let both = [target("subnet-a", "z-a", available.clone()), target("subnet-b", "z-b", available.clone())];
    let subnets = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    let judged = |targets: &[MountTargetDescription], ids: &[&str]| mount_targets("fs-1", targets, &subnets(ids));
    assert_eq!(blamed(&judged(&both, &["subnet-a", "subnet-b"])), []);
    assert_eq!(blamed(&judged(&both, &[])), []);
    assert_eq!(blamed(&judged(&[], &["subnet-a"])), [(Level::Problem, "mount-targets")]);
    let found = judged(&both, &["subnet-a", "subnet-c"]);
    assert_eq!(blamed(&found), [(Level::Warning, "mount-targets")]);
    assert!(found[0].what.contains("`subnet-c`") && found[0].what.contains("(z-a, z-b)"), "{found:?}");
    let going = [both[0].clone(), target("subnet-b", "z-b", LifeCycleState::Deleting)];
    let found = judged(&going, &["subnet-a", "subnet-b"]);
    assert_eq!(blamed(&found), [(Level::Problem, "mount-targets")]);
    assert!(found[0].what.contains("`fsmt-z-b` in `subnet-b` is deleting"), "{found:?}");
}

#[test]
fn a_cache_is_neither_moved_to_a_slower_class_nor_backed_up() {
    let to_ia = LifecyclePolicy::builder().transition_to_ia(TransitionToIaRules::After30Days).build();
    let to_archive = LifecyclePolicy::builder().transition_to_archive(TransitionToArchiveRules::After90Days).build();
    assert_eq!(lifecycle("fs-1", &[]).level, Level::Ok);
    let found = lifecycle("fs-1", &[to_ia, to_archive]);
    assert_eq!(found.level, Level::Warning);
    assert!(found.what.contains("AFTER_30_DAYS and to Archive AFTER_90_DAYS"), "{found:?}");
    for (status, level) in [
        (Some(Status::Enabled), Level::Warning),
        (Some(Status::Enabling), Level::Warning),
        (Some(Status::Disabled), Level::Ok),
        (None, Level::Ok),
    ] {
        assert_eq!(backup("fs-1", status.as_ref()).level, level, "{status:?}");
    }
}
