//! What settings are read from: the variables, and what the machine says of itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// Set by Lambda for whatever runs inside it.
const LAMBDA_MARK: &str = "AWS_LAMBDA_RUNTIME_API";

/// Set in environments that take several events at a time. Source: Lambda, "Understanding the Lambda Managed Instances execution
/// environment".
const MANY_MARK: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// What settings are read from. Plain data, so that a test can write down any environment.
#[derive(Clone)]
pub struct Environment {
    vars: BTreeMap<OsString, OsString>,
    machine: Machine,
}

impl fmt::Debug for Environment {
    /// Names alone: there are secrets among the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("names", &self.vars.keys()).field("machine", &self.machine).finish()
    }
}

/// What the machine says of itself.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What the control group or the host lets this process have; `None` where nothing says.
    pub memory_bytes: Option<u64>,
    /// Where the user's caches are; `None` for a user without a home.
    pub user_cache_dir: Option<PathBuf>,
    /// What relative paths are relative to.
    pub current_dir: PathBuf,
}

impl Environment {
    /// Reads the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        let machine = Machine {
            memory_bytes: memory_bytes(Path::new("/")),
            user_cache_dir: etcetera::choose_base_strategy().ok().map(|user| user.cache_dir()),
            // Without a current directory there is nothing relative to it either.
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        };
        Self::new(std::env::vars_os(), machine)
    }

    /// Puts an environment together; of a variable that comes twice, the last counts.
    pub fn new<Name, Value>(vars: impl IntoIterator<Item = (Name, Value)>, machine: Machine) -> Self
    where
        Name: Into<OsString>,
        Value: Into<OsString>,
    {
        Self { vars: vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect(), machine }
    }

    /// Whether Lambda runs this process.
    pub fn is_lambda(&self) -> bool {
        self.var(LAMBDA_MARK).is_some_and(|address| !address.is_empty())
    }

    /// Whether Lambda may hand this process several events at a time.
    pub fn has_many_invocations(&self) -> bool {
        self.var(MANY_MARK).is_some_and(|most| !most.is_empty() && most != "1")
    }

    /// Whether something is said to glibc's `malloc`.
    pub fn tunes_malloc(&self) -> bool {
        self.names().any(|name| name == "GLIBC_TUNABLES" || name.as_encoded_bytes().starts_with(b"MALLOC_"))
    }

    pub(super) fn var(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.vars.keys().map(OsString::as_os_str)
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }
}

/// The least of what the host has and what the control groups allow. `root` is `/`, or a copy of its files.
fn memory_bytes(root: &Path) -> Option<u64> {
    let host = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| host_bytes(&text));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(|line| limit_files(line, root)).filter_map(|file| limit_bytes(&file));
    limits.chain(host).min()
}

/// `MemTotal:  24689764 kB`
fn host_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The files that may hold a limit for a line of `/proc/self/cgroup`: of the group and of every group around it.
///
/// Version 2 writes `0::/a/b`, version 1 `4:memory:/a/b`. Source: cgroups(7).
fn limit_files(line: &str, root: &Path) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
    let (mount, file) = if controllers.is_empty() {
        (root.join("sys/fs/cgroup"), "memory.max")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
    } else {
        return Vec::new();
    };
    Path::new(group.trim_start_matches('/')).ancestors().map(|group| mount.join(group).join(file)).collect()
}

/// The number in a limit's file; version 2 writes `max` for none, version 1 a number that is larger than any host.
fn limit_bytes(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn the_host_counts_where_no_control_group_limits() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(memory_bytes(root.path()), None);
        write(root.path(), "proc/meminfo", "MemTotal:       24689764 kB\nMemFree:        1 kB\n");
        write(root.path(), "proc/self/cgroup", "0::/user/app\n");
        write(root.path(), "sys/fs/cgroup/user/app/memory.max", "max\n");
        assert_eq!(memory_bytes(root.path()), Some(24_689_764 * 1024));
    }

    #[test]
    fn the_tightest_control_group_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/meminfo", "MemTotal:       24689764 kB\n");
        write(root.path(), "proc/self/cgroup", "0::/user/app\n");
        write(root.path(), "sys/fs/cgroup/user/app/memory.max", "536870912\n");
        write(root.path(), "sys/fs/cgroup/user/memory.max", "268435456\n");
        assert_eq!(memory_bytes(root.path()), Some(268_435_456));
    }

    #[test]
    fn a_control_group_of_version_1_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/meminfo", "MemTotal:       24689764 kB\n");
        write(root.path(), "proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/x\n");
        // Inside a container the group of the host is not there, but its limit is at the root of the mount.
        write(root.path(), "sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
        assert_eq!(memory_bytes(root.path()), Some(134_217_728));
        write(root.path(), "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(memory_bytes(root.path()), Some(24_689_764 * 1024));
    }

    #[test]
    fn lambda_is_told_by_its_mark() {
        let machine = Machine { memory_bytes: None, user_cache_dir: None, current_dir: "/".into() };
        assert!(!Environment::new([("PATH", "/bin")], machine.clone()).is_lambda());
        assert!(!Environment::new([(LAMBDA_MARK, "")], machine.clone()).is_lambda());
        assert!(Environment::new([(LAMBDA_MARK, "127.0.0.1:9001")], machine).is_lambda());
    }
}
