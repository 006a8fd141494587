//! Files are looked at in a process of their own: one that nests so deep that the stack ends takes nothing else with it.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{from_slice, to_writer};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::describe::{Declaration, Undeclared, describe};
use crate::error::Cause;
use crate::function::compile::SOURCE_BYTES_MAX;

/// The hidden command under which this program looks at the file on its standard input.
pub const COMMAND: &str = "describe-function";

/// More than files need that people write. What needs more ends this process, and nothing else.
const STACK_BYTES: usize = 64 << 20;

/// More than it takes to look at the longest file; what takes longer is not looked at to its end.
const TIME_MAX: Duration = Duration::from_secs(10);

/// What the process does: writes what it made of the file as JSON.
pub fn work() -> ExitCode {
    let look = || {
        let mut source = String::new();
        io::stdin().lock().take(SOURCE_BYTES_MAX).read_to_string(&mut source)?;
        let mut stdout = io::stdout().lock();
        to_writer(&mut stdout, &describe(&source))?;
        stdout.flush()
    };
    let looked = thread::Builder::new().stack_size(STACK_BYTES).spawn(look).map(thread::JoinHandle::join);
    if matches!(looked, Ok(Ok(Ok(())))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks at `source` in a process of `program`, which is this one.
///
/// # Errors
/// What is wrong with the file; outside of that, why no process could look at it.
pub(super) async fn describe_apart(program: &Path, source: &str) -> Result<Result<Declaration, Undeclared>, Cause> {
    let mut command = Command::new(program);
    command.arg(COMMAND).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut process = command.spawn()?;
    let mut stdin = process.stdin.take().ok_or("it has no standard input")?;
    let looked = timeout(TIME_MAX, async {
        // It reads all of it before it writes anything; where it does not, its end says so.
        let _ended = stdin.write_all(source.as_bytes()).await;
        drop(stdin);
        process.wait_with_output().await
    });
    // Whoever drops the process kills it.
    let Ok(output) = looked.await else { return Ok(Err(Undeclared("it takes too long to be looked at".to_owned()))) };
    let output = output?;
    if !output.status.success() {
        return Ok(Err(Undeclared("it nests too deep, or is one expression without end, to be looked at".to_owned())));
    }
    Ok(from_slice(&output.stdout)?)
}
