//! What a worker of the pool does: this program again, under a hidden command, with an interpreter and nothing else in it.
//!
//! It speaks monty's protocol over its standard streams, a request at a time. What a session may use of the memory is held twice.
//! The interpreter asks before it makes something large and now and then besides, and raises `MemoryError`; for that a watch
//! tells it what the process has. And the kernel refuses what would go far past it: then the process ends, and its call with it.
//!
//! Source: monty 0.0.23, monty-runtime/src/subprocess.rs; its allocator, which counts, would cost every hit of the service.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use monty_proto::worker::{Child, EventSink, HandleOutcome, protocol_violation};
use monty_proto::{FrameError, FrameReader, pb, write_frame};
use monty_types::{BASELINE_MEMORY, LIVE_MEMORY};
use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit, setsid};

/// The hidden command. monty's pool calls it so.
pub const COMMAND: &str = "subprocess";

/// How deep Python may recurse before its own limit stops it takes less than this, without optimisation too.
const STACK_BYTES: usize = 64 << 20;

/// How often the interpreter is told what the process has. It may pass its limit by what it can fill in this time.
const WATCH_EVERY: Duration = Duration::from_millis(3);

/// What the kernel lets a session have past its limit: what is filled between two looks, and the room for saying so.
const SLACK_BYTES: u64 = 64 << 20;

/// What a worker may have kept of its sessions before it ends and another takes its place: `malloc` does not give all back.
const KEPT_BYTES_MAX: u64 = 32 << 20;

/// How much a worker leaves to others. Each step is about a quarter of its share.
const NICENESS: i32 = 5;

/// Past this no frame of the protocol can be trusted any more.
const DESYNCHRONISED: u8 = 76;

/// The parent is gone.
const DESERTED: u8 = 3;

/// The parent is of another build.
const FOREIGN: u8 = 4;

/// Whether a session runs that is to be watched.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Serves sessions until the standard input ends.
pub fn work() -> ExitCode {
    // Where it cannot have its way, it works all the same. What stops the service by the keyboard lets calls in flight end; and
    // while functions have all cores, what needs none of them is answered first.
    let _as_before = setsid();
    let _as_before = nice(NICENESS);
    let worker = thread::Builder::new().stack_size(STACK_BYTES).spawn(serve);
    worker.ok().and_then(|worker| worker.join().ok()).unwrap_or(ExitCode::FAILURE)
}

fn serve() -> ExitCode {
    let Ok(mut memory) = Memory::open() else { return ExitCode::FAILURE };
    let Ok(watch) = thread::Builder::new().spawn(watch) else { return ExitCode::FAILURE };
    let mut requests = FrameReader::new(io::stdin().lock());
    let mut child = Child::default();
    let mut sink = Stdout;
    loop {
        match requests.read::<pb::ParentRequest>() {
            Ok(Some(request)) => {
                let handled = child.handle(request, &mut sink);
                match handled {
                    Ok(HandleOutcome::Continue) => {}
                    Ok(HandleOutcome::Shutdown) => return ExitCode::SUCCESS,
                    Ok(HandleOutcome::Fatal) => return ExitCode::from(FOREIGN),
                    Err(FrameError::FrameTooLarge { len, max }) => {
                        let _deserted = sink.send(&child.fatal_event(&format!("an answer of {len} bytes, of {max} at most")));
                        return ExitCode::from(DESYNCHRONISED);
                    }
                    Err(_) => return ExitCode::from(DESERTED),
                }
                match child.session_budget().max_memory {
                    Some(bytes) => memory.bound(bytes as u64, watch.thread()),
                    None if memory.release() => {}
                    None => return ExitCode::SUCCESS,
                }
            }
            Ok(None) => return ExitCode::SUCCESS,
            Err(FrameError::Decode(error)) => {
                if sink.send(&protocol_violation(&format!("malformed request: {error}"))).is_err() {
                    return ExitCode::from(DESERTED);
                }
            }
            Err(error) => {
                let _deserted = sink.send(&child.fatal_event(&format!("malformed request: {error}")));
                return ExitCode::from(DESYNCHRONISED);
            }
        }
    }
}

/// What this process has of the memory, and may have.
struct Memory {
    status: File,
    /// What it had before its first session.
    begun: Used,
    is_bound: bool,
}

/// What the kernel counts, in bytes.
#[derive(Clone, Copy, Default)]
struct Used {
    /// What was filled; pages of this program's own file come and go, and are nobody's values.
    resident: u64,
    /// What is mapped to be written, touched or not: what `RLIMIT_DATA` is about.
    data: u64,
}

impl Memory {
    fn open() -> io::Result<Self> {
        let status = File::open("/proc/self/status")?;
        let begun = Used::read(&status)?;
        Ok(Self { status, begun, is_bound: false })
    }

    /// A session begins, or goes on: it may have `bytes`.
    fn bound(&mut self, bytes: u64, watch: &Thread) {
        if self.is_bound {
            return;
        }
        let used = Used::read(&self.status).unwrap_or(self.begun);
        self.is_bound = true;
        BASELINE_MEMORY.store(in_memory(used.resident), Ordering::Relaxed);
        LIVE_MEMORY.store(in_memory(used.resident), Ordering::Relaxed);
        // Where the kernel lets nobody set this, the watch remains.
        let _unbound = set_data_limit(Some(used.data.max(self.begun.data) + bytes + SLACK_BYTES));
        WATCHED.store(true, Ordering::Release);
        watch.unpark();
    }

    /// No session is under way; whether this worker may take the next.
    fn release(&mut self) -> bool {
        if !self.is_bound {
            return true;
        }
        self.is_bound = false;
        WATCHED.store(false, Ordering::Release);
        LIVE_MEMORY.store(0, Ordering::Relaxed);
        let is_released = set_data_limit(None).is_ok();
        let kept = Used::read(&self.status).map(|used| used.resident.saturating_sub(self.begun.resident));
        is_released && kept.is_ok_and(|kept| kept <= KEPT_BYTES_MAX)
    }
}

impl Used {
    /// Source: proc_pid_status(5): `RssAnon:     1234 kB`.
    fn read(status: &File) -> io::Result<Self> {
        let mut text = [0; 4096];
        let length = status.read_at(&mut text, 0)?;
        let mut used = Self::default();
        for line in text[..length].split(|byte| *byte == b'\n') {
            let place = if line.starts_with(b"RssAnon:") {
                &mut used.resident
            } else if line.starts_with(b"VmData:") {
                &mut used.data
            } else {
                continue;
            };
            let digits = line.iter().filter(|byte| byte.is_ascii_digit());
            *place = digits.fold(0, |kib: u64, digit| kib * 10 + u64::from(digit - b'0')) << 10;
        }
        Ok(used)
    }
}

/// `None` is as much as this process may give itself.
fn set_data_limit(bytes: Option<u64>) -> rustix::io::Result<()> {
    let maximum = getrlimit(Resource::Data).maximum;
    let current = match (bytes, maximum) {
        (Some(bytes), Some(maximum)) => Some(bytes.min(maximum)),
        (bytes, maximum) => bytes.or(maximum),
    };
    setrlimit(Resource::Data, Rlimit { current, maximum })
}

/// Tells the interpreter what the process has, while a session runs.
fn watch() {
    let Ok(status) = File::open("/proc/self/status") else { return };
    loop {
        if !WATCHED.load(Ordering::Acquire) {
            thread::park();
            continue;
        }
        if let Ok(used) = Used::read(&status)
            && WATCHED.load(Ordering::Acquire)
        {
            LIVE_MEMORY.store(in_memory(used.resident), Ordering::Relaxed);
        }
        thread::sleep(WATCH_EVERY);
    }
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Where events go. Nothing else may be printed there.
struct Stdout;

impl EventSink for Stdout {
    fn send(&mut self, event: &pb::ChildEvent) -> Result<(), FrameError> {
        write_frame(&mut io::stdout(), event)
    }
}
