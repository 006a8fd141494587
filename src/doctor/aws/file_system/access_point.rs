//! The identity that the access point gives to whoever mounts through it. Pure.

use aws_sdk_efs::types::{AccessPointDescription, LifeCycleState};

use crate::doctor::Finding;
use crate::doctor::aws::file_system::Seen;

const CHECK: &str = "access-point";

/// What there is to do about an access point that is made wrongly: none of it can be changed.
const ANEW: &str = "an access point cannot be changed: deploy another, with a POSIX user and a root directory of its own";

/// Judges `point`, which should lead to `file_system_id`.
pub(super) fn judge(point: &AccessPointDescription, file_system_id: Option<&str>, seen: Seen) -> Vec<Finding> {
    let id = point.access_point_id().unwrap_or("the access point");
    let mut findings = Vec::new();
    let mut problem = |what: String, fix: &str| findings.push(Finding::problem(CHECK, what, fix));
    if let (Some(expected), Some(actual)) = (file_system_id, point.file_system_id())
        && expected != actual
    {
        let fix = "set CACHE_API_ACCESS_POINT_ID and CACHE_API_FILE_SYSTEM_ID to a pair";
        problem(format!("`{id}` leads to `{actual}`, not to `{expected}`"), fix);
    }
    if let Some(state) = point.life_cycle_state().filter(|state| **state != LifeCycleState::Available) {
        problem(
            format!("`{id}` is {}", state.as_str()),
            "wait where it is being made; where it is going, deploy the stack again",
        );
    }
    let root = point.root_directory();
    let path = root.and_then(|root| root.path()).unwrap_or("/");
    let made = root.and_then(|root| root.creation_info());
    let Some(user) = point.posix_user() else {
        findings.push(Finding::warning(CHECK, format!("`{id}` has no POSIX user: files are whoever's process made them"), ANEW));
        return findings;
    };
    if user.uid == 0 {
        findings.push(Finding::warning(CHECK, format!("`{id}` makes everybody root on that file system"), ANEW));
    }
    if path == "/" {
        let what = format!("`{id}` leads to the root of the file system: the cache has no directory of its own");
        findings.push(Finding::warning(CHECK, what, ANEW));
    } else if let Some(made) = made {
        if user.uid != 0 && made.owner_uid != user.uid && !others_may_write(&made.permissions) {
            let what = format!(
                "`{id}` makes `{path}` for user {}, and lets user {} in, who may not write there",
                made.owner_uid, user.uid
            );
            findings.push(Finding::problem(CHECK, what, ANEW));
        }
    } else {
        let what = format!("`{id}` does not make `{path}`: who mounts it fails unless that is there");
        findings.push(Finding::warning(CHECK, what, ANEW));
    }
    if let Seen::Mounted { owner } = seen
        && user.uid != 0
        && i64::from(owner) != user.uid
    {
        let what = format!("LOCAL_DATA_DIR is user {owner}'s here, `{id}` lets user {} in: is it mounted through it?", user.uid);
        findings.push(Finding::warning(
            CHECK,
            what,
            format!("mount LOCAL_DATA_DIR through `{id}` (the function's FileSystemConfigs)"),
        ));
    }
    if findings.is_empty() {
        let said = match seen {
            Seen::Mounted { .. } => "as LOCAL_DATA_DIR shows",
            Seen::Elsewhere => "whether the functions see it so cannot be seen from here",
        };
        let what = format!("`{id}` lets user {}:{} into `{path}`; {said}", user.uid, user.gid);
        findings.push(Finding::ok(CHECK, what));
    }
    findings
}

fn others_may_write(permissions: &str) -> bool {
    u32::from_str_radix(permissions, 8).is_ok_and(|mode| mode & 0o3 == 0o3)
}

#[cfg(test)]
mod tests {
    use aws_sdk_efs::types::builders::AccessPointDescriptionBuilder;
    use aws_sdk_efs::types::{CreationInfo, PosixUser, RootDirectory};

    use super::*;
    use crate::doctor::Level;

    fn user(uid: i64) -> PosixUser {
        PosixUser::builder().uid(uid).gid(uid).build().unwrap()
    }

    fn root(path: &str, made_for: Option<(i64, &str)>) -> RootDirectory {
        let made =
            made_for.map(|(uid, mode)| CreationInfo::builder().owner_uid(uid).owner_gid(uid).permissions(mode).build().unwrap());
        RootDirectory::builder().path(path).set_creation_info(made).build()
    }

    fn good() -> AccessPointDescriptionBuilder {
        AccessPointDescription::builder()
            .access_point_id("fsap-1")
            .file_system_id("fs-1")
            .life_cycle_state(LifeCycleState::Available)
            .posix_user(user(1000))
            .root_directory(root("/cache", Some((1000, "0750"))))
    }

    #[track_caller]
    fn assert_judged(point: AccessPointDescriptionBuilder, seen: Seen, level: Level, what: &str) {
        let found = judge(&point.build(), Some("fs-1"), seen);
        assert!(found.len() == 1 && found[0].level == level && found[0].what.contains(what), "{what}: {found:?}");
    }

    #[test]
    fn each_fault_of_an_access_point_is_one_finding() {
        let here = Seen::Mounted { owner: 1000 };
        let (ok, warning, problem) = (Level::Ok, Level::Warning, Level::Problem);
        assert_judged(good(), here, ok, "1000:1000 into `/cache`; as LOCAL_DATA_DIR shows");
        assert_judged(good(), Seen::Elsewhere, ok, "cannot be seen from here");
        assert_judged(good().file_system_id("fs-2"), here, problem, "leads to `fs-2`");
        assert_judged(good().life_cycle_state(LifeCycleState::Deleting), here, problem, "is deleting");
        assert_judged(good().set_posix_user(None), here, warning, "no POSIX user");
        assert_judged(good().posix_user(user(0)), here, warning, "everybody root");
        assert_judged(good().root_directory(root("/", None)), here, warning, "the root of the file system");
        assert_judged(good().set_root_directory(None), here, warning, "the root of the file system");
        assert_judged(good().root_directory(root("/cache", None)), here, warning, "does not make `/cache`");
        assert_judged(good().root_directory(root("/cache", Some((7, "0755")))), here, problem, "may not write there");
        assert_judged(good().root_directory(root("/cache", Some((7, "0777")))), here, ok, "lets user 1000");
        assert_judged(good(), Seen::Mounted { owner: 65534 }, warning, "user 65534's here");
    }
}
