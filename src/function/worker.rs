//! Query workers: processes of this program that answer one statement each, under limits that the kernel keeps. Both ends of the pipe
//! are here.
//!
//! Polars can neither stop nor say beforehand what it takes. So what nobody can bound runs where it can do no harm: without
//! variables, in memory that the process has limited itself before it reads a byte, and until it is killed. What comes back is
//! judged like any body that came from outside.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use bytes::Bytes;
use polars::prelude::DataFrame;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::error::{Cause, Error, Result, Stopped};
use crate::frame::encode::{Titles, Unencoded, encode};
use crate::frame::query::{Bound, Input, Part, Piece, Refused, Statement, run};
use crate::frame::{Form, Format, Source};
use crate::key::{Key, Prefix};

/// The subcommand by which this program is a worker.
pub const WORKER_COMMAND: &str = "query-worker";

/// What a process takes besides what it works on: stacks are reserved before they are used.
const STACKS_BYTES: u64 = 256 << 20;

/// The most workers at a time, whatever the number of cores: each may take all that one may.
const WORKERS_MAX: usize = 2;

/// The longest head of a message.
const HEAD_BYTES_MAX: u32 = 16 << 20;

/// How workers are made, and how many there may be.
pub struct Workers {
    program: PathBuf,
    memory_max: u64,
    turns: Semaphore,
}

/// What a worker is to do.
pub struct Order<'a> {
    /// The statement.
    pub bound: &'a Bound,
    /// Its tables, as bodies.
    pub inputs: &'a [Input],
    /// What the answer may have.
    pub answer_bytes_max: u64,
    /// What a frame that is parsed for it may take.
    pub frame_bytes_max: u64,
}

/// The head of an order; the bodies follow in the order of their lengths.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    text: String,
    tables: Vec<TableHead>,
    answer_bytes_max: u64,
    frame_bytes_max: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct TableHead {
    /// What it is called in the statement.
    name: String,
    /// What its caller calls it.
    table: String,
    pieces: Vec<PieceHead>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PieceHead {
    key: String,
    format: Format,
    length: u64,
}

/// What a worker answers; of a table the bytes follow, an Arrow stream.
#[derive(Debug, Serialize, Deserialize)]
enum Reply {
    Table { length: u64 },
    BadQuery { reason: String },
    Unparsable { key: String, format: Format, reason: String },
    TooLarge { key: String, size: u64, size_max: u64 },
    TooLong,
}

impl Workers {
    /// Makes workers of `program`, which is this one; each may take `memory_max` bytes.
    pub fn new(program: PathBuf, memory_max: u64) -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { program, memory_max, turns: Semaphore::new(cores.min(WORKERS_MAX)) }
    }

    /// Has a worker answer `order`, which came at `now`, and ends it by `deadline`.
    ///
    /// # Errors
    /// `QueryStopped`, and what the worker says.
    pub async fn run(&self, order: Order<'_>, now: Instant, deadline: Instant) -> Result<DataFrame> {
        let in_time = timeout_at(deadline.into(), async {
            let _turn = self.turns.acquire().await.map_err(|_| Error::Overloaded)?;
            self.answered(&order, deadline.saturating_duration_since(now)).await
        });
        // Whoever drops the future kills the process.
        in_time.await.unwrap_or(Err(Error::QueryStopped { why: Stopped::TimedOut }))
    }

    async fn answered(&self, order: &Order<'_>, time_max: Duration) -> Result<DataFrame> {
        let died = || Error::QueryStopped { why: Stopped::Died { memory_max: self.memory_max } };
        let mut child = self.spawn(time_max).map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(died()) };
        // It may die at any byte: what it says, or that it says nothing, counts.
        let (_told, heard) = tokio::join!(tell(stdin, order), hear(stdout, order.answer_bytes_max));
        let heard = heard.ok().flatten();
        end(child).await;
        match heard.ok_or_else(died)? {
            (Reply::Table { .. }, body) => parsed(body, order.answer_bytes_max).await.map_err(|_| died()),
            (Reply::BadQuery { reason }, _) => Err(Error::BadQuery { reason }),
            (Reply::Unparsable { key, format, reason }, _) => {
                Err(Error::Unparsable { key: key_of(order, &key).ok_or_else(died)?, format: format.name(), reason })
            }
            (Reply::TooLarge { key, size, size_max }, _) => {
                Err(Error::TooLarge { key: key_of(order, &key).ok_or_else(died)?, size, size_max })
            }
            (Reply::TooLong, _) => Err(Error::QueryStopped { why: Stopped::TooLong { bytes_max: order.answer_bytes_max } }),
        }
    }

    fn spawn(&self, time_max: Duration) -> io::Result<Child> {
        let seconds = time_max.as_secs().saturating_add(1);
        let mut command = Command::new(&self.program);
        command.arg(WORKER_COMMAND).arg(self.memory_max.to_string()).arg(seconds.to_string());
        command.env_clear().current_dir("/").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn()
    }
}

fn failed(cause: io::Error) -> Error {
    Error::FunctionFailed { function: WORKER_COMMAND.to_owned(), cause: Cause::from(cause) }
}

/// The key that a worker names, where it was given that.
fn key_of(order: &Order<'_>, text: &str) -> Option<Key> {
    let pieces = order.inputs.iter().flat_map(|input| &input.pieces);
    pieces.map(|piece| &piece.key).find(|key| key.as_str() == text).cloned()
}

/// It has said all, or is not listened to any more.
async fn end(mut child: Child) {
    let _ = child.start_kill();
    let _ = child.wait().await;
}

async fn tell(mut to: ChildStdin, order: &Order<'_>) -> io::Result<()> {
    let mut bodies = Vec::new();
    let mut tables = Vec::new();
    for (input, name) in order.inputs.iter().zip(&order.bound.names) {
        let mut pieces = Vec::new();
        for Piece { key, part } in &input.pieces {
            let Part::Body(format, body) = part else { return Err(io::Error::other("a worker is given bodies")) };
            pieces.push(PieceHead { key: key.as_str().to_owned(), format: *format, length: body.len() as u64 });
            bodies.push(body);
        }
        tables.push(TableHead { name: name.clone(), table: input.table.clone(), pieces });
    }
    let (answer_bytes_max, frame_bytes_max) = (order.answer_bytes_max, order.frame_bytes_max);
    let head = Head { text: order.bound.text.clone(), tables, answer_bytes_max, frame_bytes_max };
    to.write_all(&message(&head)?).await?;
    for body in bodies {
        to.write_all(body).await?;
    }
    to.shutdown().await
}

async fn hear(mut from: ChildStdout, bytes_max: u64) -> io::Result<Option<(Reply, Bytes)>> {
    let length = from.read_u32().await?;
    if length > HEAD_BYTES_MAX {
        return Ok(None);
    }
    let mut head = vec![0; length as usize];
    from.read_exact(&mut head).await?;
    let reply: Reply = serde_json::from_slice(&head)?;
    let Reply::Table { length } = reply else { return Ok(Some((reply, Bytes::new()))) };
    if length > bytes_max {
        return Ok(Some((Reply::TooLong, Bytes::new())));
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body).await?;
    Ok(Some((reply, body.into())))
}

/// Checked before polars believes it, as every body is.
async fn parsed(body: Bytes, frame_bytes_max: u64) -> Result<DataFrame> {
    let parsing = tokio::task::spawn_blocking(move || {
        let key = Key::parse("answer.arrows", &Prefix::default())?;
        Source { key: &key, format: Format::Arrow, body: &body, frame_bytes_max }.frame().map(|frame| frame.table().clone())
    });
    parsing.await.map_err(|cause| Error::FunctionFailed { function: WORKER_COMMAND.to_owned(), cause: cause.into() })?
}

fn message(head: &impl Serialize) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(head)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes()[..], &text].concat())
}

/// Is a worker: limits itself, reads one order, answers it.
///
/// # Errors
/// The pipe broke, or what came is no order.
pub fn serve(memory_max: u64, time_max: Duration, mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    limit(memory_max)?;
    // Whoever was to kill it may be dead; it does not outlive its time.
    std::thread::spawn(move || {
        std::thread::sleep(time_max);
        std::process::exit(1);
    });
    let head: Head = serde_json::from_slice(&read(&mut from, None)?)?;
    let mut inputs = Vec::new();
    for table in &head.tables {
        let mut pieces = Vec::new();
        for PieceHead { key, format, length } in &table.pieces {
            let body = Bytes::from(read(&mut from, Some(*length))?);
            let key = Key::parse(key, &Prefix::default()).map_err(io::Error::other)?;
            pieces.push(Piece { key, part: Part::Body(*format, body) });
        }
        inputs.push((&table.name, Input { table: table.table.clone(), pieces }));
    }
    let (reply, body) = match answer(&head, &inputs) {
        Ok(body) => (Reply::Table { length: body.len() as u64 }, body),
        Err(reply) => (reply, Vec::new()),
    };
    to.write_all(&message(&reply)?)?;
    to.write_all(&body)?;
    to.flush()
}

/// No more memory than `bytes` and the stacks; no files, and no image of the memory where it dies.
fn limit(bytes: u64) -> io::Result<()> {
    for (resource, most) in [(Resource::Data, bytes.saturating_add(STACKS_BYTES)), (Resource::Fsize, 0), (Resource::Core, 0)] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

fn read(from: &mut impl Read, length: Option<u64>) -> io::Result<Vec<u8>> {
    let length = match length {
        Some(length) => length,
        None => {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            u32::from_be_bytes(length).into()
        }
    };
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn answer(head: &Head, inputs: &[(&String, Input)]) -> std::result::Result<Vec<u8>, Reply> {
    // Judged again: it is but a text by now.
    let judged = Statement::judged(&head.text).and_then(|statement| statement.bind(&BTreeMap::new()));
    let bound = judged.map_err(|bad| Reply::BadQuery { reason: bad.to_string() })?;
    // There a table has the name of its place; it comes in the place of its name.
    let named = |name: &String| inputs.iter().find(|(known, _)| *known == name).map(|(_, input)| input.clone());
    let ordered: Vec<Input> = bound.tables.iter().filter_map(named).collect();
    if ordered.len() != bound.tables.len() {
        return Err(Reply::BadQuery { reason: "a table is missing".to_owned() });
    }
    let table = run(&bound, &ordered, head.frame_bytes_max, None).map_err(|refused| match refused {
        Refused::Failed(Error::Unparsable { key, reason, .. }) => {
            let format = format_of(inputs, &key);
            Reply::Unparsable { key: key.as_str().to_owned(), format, reason }
        }
        Refused::Failed(Error::TooLarge { key, size, size_max }) => {
            Reply::TooLarge { key: key.as_str().to_owned(), size, size_max }
        }
        Refused::Failed(Error::BadQuery { reason }) => Reply::BadQuery { reason },
        Refused::Failed(other) => Reply::BadQuery { reason: other.to_string() },
        Refused::Unbounded => Reply::TooLong,
    })?;
    let titles = Titles { name: "", links: &[], note: "" };
    encode(table, Form::ArrowStream, titles, head.answer_bytes_max).map_err(|unencoded| match unencoded {
        Unencoded::TooLong { .. } => Reply::TooLong,
        Unencoded::Refused(reason) => Reply::BadQuery { reason },
    })
}

fn format_of(inputs: &[(&String, Input)], key: &Key) -> Format {
    let pieces = inputs.iter().flat_map(|(_, input)| &input.pieces).filter(|piece| piece.key == *key);
    let formats = pieces.filter_map(|piece| if let Part::Body(format, _) = &piece.part { Some(*format) } else { None });
    formats.last().unwrap_or(Format::Json)
}
