//! How glibc's `malloc` is told, at the process's start, what to give back to the system.
//!
//! It gives each thread an arena of its own. Once a large body was given back it takes the next ones from there as well, and
//! what one thread has let go of another cannot use: a process then takes twice its budget (docs/PERFORMANCE.md, "Resident").
//! It can be told otherwise by a call, which would be `unsafe`, or by a variable that is there before it starts.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::config::Environment;

/// The variable.
pub const VARIABLE: &str = "MALLOC_MMAP_THRESHOLD_";

/// From how many bytes on a value gets pages of its own, which go back when it is dropped. More than the pieces that streams
/// are made of (256 KiB): those come and go too often for that.
pub const THRESHOLD_BYTES: &str = "524288";

/// Starts this program anew in its place, as the same process, with the variable set; returns where that need not or cannot
/// be: then it takes more memory.
///
/// Whoever has said anything to `malloc`, this function included, knows better.
pub fn settle(environment: &Environment) {
    let is_glibc = cfg!(all(target_os = "linux", target_env = "gnu"));
    if !is_glibc || environment.tunes_malloc() {
        return;
    }
    let (Ok(program), mut arguments) = (env::current_exe(), env::args_os()) else { return };
    let mut anew = Command::new(program);
    if let Some(name) = arguments.next() {
        anew.arg0(name);
    }
    let _cannot = anew.args(arguments).env(VARIABLE, THRESHOLD_BYTES).exec();
}
