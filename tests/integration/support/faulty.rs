//! Directories that fail for real: a file system that does as it is told, and one that is truly small. Each is unmounted however
//! the process of the tests ends.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use super::server::installed;

/// Mounts a file system of this size at a place, with room for as many files, until the standard input closes.
const SMALL: &str = r#"
    mount -t tmpfs -o size="$2",nr_inodes="$3",mode=700 cache-api-small "$1" || exit 5
    echo mounted; cat >/dev/null; umount -l "$1"
"#;

/// What `faulty_fs.py` and [`SMALL`] end with where this machine cannot do it.
const NO_LIBFUSE: i32 = 3;
const NO_MOUNT: i32 = 5;

/// A directory on a file system that fails as it is told to (`faulty_fs.py`).
pub struct FaultyDirectory {
    dir: TempDir,
    // Ends before the directory is removed.
    _mount: Mount,
}

/// A directory on a file system of its own that is as small as it was asked to be.
pub struct SmallDirectory {
    dir: TempDir,
    // Ends before the directory is removed.
    _mount: Mount,
}

impl FaultyDirectory {
    /// A sound one; `None`, with a word why, where this machine mounts none.
    pub fn mount() -> Option<Self> {
        if let Err(error) = File::options().read(true).write(true).open("/dev/fuse") {
            eprintln!("SKIPPED: /dev/fuse cannot be opened ({error}); nothing was tested");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        for name in ["behind", "mount"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("faults"), "").unwrap();
        let mut command = Command::new(installed(".venv", "bin/python", "mfusepy"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/support/faulty_fs.py"));
        command.args(["behind", "mount", "faults"].map(|name| dir.path().join(name)));
        let mount = Mount::start(command)?;
        Some(Self { dir, _mount: mount })
    }

    /// Where it fails.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("mount")
    }

    /// Where the same files are without any fault.
    pub fn behind(&self) -> PathBuf {
        self.dir.path().join("behind")
    }

    /// From the next operation on fails by these rules, `OPERATION PATH FAULT` each, and no others.
    pub fn fail(&self, rules: &[impl AsRef<str>]) {
        let rules: Vec<_> = rules.iter().map(AsRef::as_ref).collect();
        let aside = self.dir.path().join("faults.new");
        fs::write(&aside, rules.join("\n")).unwrap();
        fs::rename(aside, self.dir.path().join("faults")).unwrap();
    }

    /// Fails no more.
    pub fn heal(&self) {
        self.fail(&[""; 0]);
    }
}

impl SmallDirectory {
    /// One of `bytes` with room for `files`; `None`, with a word why, where this process may mount nothing.
    pub fn mount(bytes: u64, files: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", SMALL, "sh"]).arg(dir.path()).args([bytes.to_string(), files.to_string()]);
        let mount = Mount::start(command)?;
        Some(Self { dir, _mount: mount })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Lets nobody write any more.
    pub fn make_read_only(&self) {
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status().unwrap();
        assert!(remounted.success());
    }

    /// Takes it away from under those that use it; what is there then is an empty directory.
    pub fn take_away(&self) {
        assert!(Command::new("umount").arg("-l").arg(self.path()).status().unwrap().success());
    }
}

/// A process that keeps something mounted until its standard input closes.
struct Mount {
    input: Option<ChildStdin>,
    process: Child,
}

impl Mount {
    fn start(mut command: Command) -> Option<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        if said == "mounted\n" {
            return Some(Self { input: process.stdin.take(), process });
        }
        let mut why = String::new();
        process.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        match process.wait().unwrap().code() {
            Some(NO_LIBFUSE | NO_MOUNT) => eprintln!("SKIPPED: {}; nothing was tested", why.trim()),
            end => panic!("nothing was mounted ({end:?}); is `.venv` as `make test` makes it?\n{why}"),
        }
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends as soon as it has unmounted.
        let _ = self.process.wait();
    }
}
