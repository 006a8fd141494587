//! The processes that promises are tried with, from this side.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::doctor::promises::peer::{Ask, PEER_COMMAND, Told};

/// The processes that were started. Whoever waits for one of them is freed when they end.
#[derive(Default)]
pub(in crate::doctor) struct Peers(Mutex<Vec<Child>>);

impl Peers {
    /// Starts one more, in `scratch`.
    ///
    /// # Errors
    /// Where this program cannot be started.
    pub(super) fn start(&self, scratch: &Path) -> io::Result<Peer> {
        let mut command = Command::new(std::env::current_exe()?);
        // In an empty environment: it needs none of the secrets in ours, and must not take itself for a Lambda function.
        command.arg(PEER_COMMAND).arg(scratch).env_clear();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (asks, answers) = (child.stdin.take(), child.stdout.take());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        let (Some(asks), Some(answers)) = (asks, answers) else { return Err(io::Error::other("it has no pipes")) };
        Ok(Peer { asks, answers: BufReader::new(answers) })
    }

    /// Ends all of them, whatever they are doing.
    pub fn end(&self) {
        for mut child in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _gone = child.kill();
            // One that hangs in the file system ends when that answers; nobody waits for it.
            let _ended = child.try_wait();
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.end();
    }
}

/// One of the processes.
pub(super) struct Peer {
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Asks it to do something; the answer is to be taken before the next.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn ask(&mut self, ask: &Ask) -> io::Result<()> {
        writeln!(self.asks, "{}", serde_json::to_string(ask)?)
    }

    /// Waits for its answer.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn told(&mut self) -> io::Result<Told> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}
