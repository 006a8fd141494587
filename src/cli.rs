//! The command line: what can be asked of the binary outside of Lambda.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::doctor::{PEER_COMMAND, Scope};
use crate::function::Language;
#[cfg(feature = "python")]
use crate::function::python::{parser, worker};
#[cfg(feature = "frames")]
use crate::function::worker::WORKER_COMMAND;

pub mod malloc;
pub mod progress;
pub mod remote;
pub mod serve;

/// Files from a bucket or a directory, kept close and served over HTTP.
#[derive(Debug, Parser)]
#[command(name = "cache-api", version, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = "Settings are environment variables; README.md lists them. In Lambda no arguments are taken.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve HTTP on this machine until SIGINT or SIGTERM; what is in flight then is finished, a second signal cuts it off.
    Serve(ServeArguments),
    /// Fetch what matches the patterns before anybody asks for it: into LOCAL_DATA_DIR, or into the cache of a server.
    Warm(WarmArguments),
    /// Say what is cached, and how many answers came from where: in LOCAL_DATA_DIR, or of a server.
    Stats(StatsArguments),
    /// Bring LOCAL_DATA_DIR within CACHE_API_LOCAL_BUDGET, and take away what nobody needs any more.
    Sweep(ChoreArguments),
    /// Check or deploy a function.
    #[command(subcommand)]
    Functions(FunctionsCommand),
    /// Look for what is wrong, and say what to do about it; ends with 1 where there are problems.
    Doctor(DoctorArguments),
    /// Be a process that functions run in.
    #[cfg(feature = "python")]
    #[command(hide = true, name = worker::COMMAND)]
    FunctionWorker,
    /// Be a process that looks at a function's file, which is the standard input.
    #[cfg(feature = "python")]
    #[command(hide = true, name = parser::COMMAND)]
    FunctionParser,
    /// Be another process for `doctor`.
    #[command(hide = true, name = PEER_COMMAND)]
    DoctorPeer {
        /// Where to do what the standard input asks.
        scratch: PathBuf,
    },
    /// Answer one statement that comes with its tables on the standard input.
    #[cfg(feature = "frames")]
    #[command(hide = true, name = WORKER_COMMAND)]
    QueryWorker {
        /// What it may take, in bytes.
        memory_max: u64,
        /// How long it may live.
        seconds_max: u64,
    },
}

/// What `warm` is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct WarmArguments {
    /// Which keys, such as 'prices/*.parquet' 'rates/**'; those of CACHE_API_KEEP_WARM where none are given.
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,
    /// A server whose cache is meant, which CACHE_API_TOKEN is sent to where it is set.
    #[arg(long, value_name = "URL", conflicts_with = "source", requires = "patterns")]
    pub url: Option<String>,
    /// Where they are.
    #[command(flatten)]
    pub record: ChoreArguments,
}

/// What `stats` is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct StatsArguments {
    /// A server whose cache is meant, which CACHE_API_TOKEN is sent to where it is set.
    #[arg(long, value_name = "URL", conflicts_with = "source")]
    pub url: Option<String>,
    /// Whose.
    #[command(flatten)]
    pub record: ChoreArguments,
}

/// What is done with functions.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum FunctionsCommand {
    /// Compile a function, and say what it takes.
    Check(FunctionArguments),
    /// Compile a function and save it under AWS_FUNCTION_DIR in the record: every instance has it within a minute, by default.
    Deploy(FunctionArguments),
}

/// Which function.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct FunctionArguments {
    /// Its file, NAME.sql or NAME.py.
    pub file: PathBuf,
    /// Where it goes.
    #[command(flatten)]
    pub record: ChoreArguments,
}

impl FunctionArguments {
    /// The function's name, and what it is written in, by the file's name; `None` where it has neither ending.
    pub fn named(&self) -> Option<(&str, Language)> {
        let language = match self.file.extension()?.to_str()? {
            "sql" => Language::Sql,
            "py" => Language::Python,
            _ => return None,
        };
        Some((self.file.file_stem()?.to_str()?, language))
    }
}

/// What chores are told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ChoreArguments {
    /// A directory as the record, before CACHE_API_SOURCE_DIR.
    #[arg(long, value_name = "DIRECTORY")]
    pub source: Option<PathBuf>,
}

/// What `serve` is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ServeArguments {
    /// Where to listen; port 0 is any that is free. An address that other machines reach needs CACHE_API_TOKEN.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000", value_parser = parse_listen)]
    pub listen: SocketAddr,
    /// Let whoever reaches the address read every object and evict it, without a token.
    #[arg(long)]
    pub allow_anonymous: bool,
    /// A directory as the record, before CACHE_API_SOURCE_DIR.
    #[arg(long, value_name = "DIRECTORY")]
    pub source: Option<PathBuf>,
}

/// What `doctor` is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct DoctorArguments {
    /// Ask AWS about the bucket, its events and the file system, instead of looking at LOCAL_DATA_DIR.
    #[arg(long)]
    pub aws: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// A directory as the record, before CACHE_API_SOURCE_DIR.
    #[arg(long, value_name = "DIRECTORY")]
    pub source: Option<PathBuf>,
}

impl DoctorArguments {
    /// What is to be looked at.
    pub fn scope(&self) -> Scope {
        if self.aws { Scope::Aws } else { Scope::Directory }
    }
}

/// Who reaches a server, by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone.
    Machine,
    /// Other machines too.
    Network,
}

/// Who may ask a server, and whether that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    /// Other machines reach it, and nothing asks who they are.
    #[error(
        "--listen {0}: other machines would reach it, and whoever does may read every object and evict it; set CACHE_API_TOKEN \
         (`openssl rand -hex 32` makes one), or add --allow-anonymous if that is meant"
    )]
    Unguarded(SocketAddr),
    /// A token is asked for, and is not.
    #[error("--allow-anonymous: CACHE_API_TOKEN is set, and then nobody is anonymous; leave out one of the two")]
    Contradicted,
}

impl ServeArguments {
    /// Who reaches the server.
    ///
    /// # Errors
    /// It would be open to others without anybody having said so.
    pub fn reach(&self, has_token: bool) -> Result<Reach, Exposed> {
        match (self.listen.ip().to_canonical().is_loopback(), has_token, self.allow_anonymous) {
            (_, true, true) => Err(Exposed::Contradicted),
            (false, false, false) => Err(Exposed::Unguarded(self.listen)),
            (true, _, _) => Ok(Reach::Machine),
            (false, _, _) => Ok(Reach::Network),
        }
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let form = "write an address and a port, such as 127.0.0.1:5000 or [::1]:5000";
    match text.strip_prefix("localhost:") {
        Some(port) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().map_err(|_| form)?))),
        None => Ok(text.parse().map_err(|_| form)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<ServeArguments, String> {
        let arguments = ["cache-api", "serve"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).map_err(|error| error.to_string())?.command {
            Command::Serve(arguments) => Ok(arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn serve_listens_where_the_original_did() {
        let expected = ServeArguments { listen: SocketAddr::from(([127, 0, 0, 1], 5000)), allow_anonymous: false, source: None };
        assert_eq!(parse(&[]), Ok(expected));
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let expected = ServeArguments { listen, allow_anonymous: false, source: Some("data".into()) };
        assert_eq!(parse(&["--listen", "localhost:0", "--source", "data"]), Ok(expected));
        assert_eq!(parse(&["--listen=[::1]:80"]).unwrap().listen.to_string(), "[::1]:80");
    }

    #[test]
    fn others_reach_a_server_only_where_that_was_said() {
        for listen in ["0.0.0.0:5000", "[::]:5000", "192.168.1.2:5000"] {
            let open = parse(&["--listen", listen]).unwrap();
            let error = open.reach(false).unwrap_err().to_string();
            assert!(
                error.contains(listen) && error.contains("CACHE_API_TOKEN") && error.contains("--allow-anonymous"),
                "{error}"
            );
            assert_eq!(open.reach(true), Ok(Reach::Network));
            let anonymous = parse(&["--listen", listen, "--allow-anonymous"]).unwrap();
            assert_eq!((anonymous.reach(false), anonymous.reach(true)), (Ok(Reach::Network), Err(Exposed::Contradicted)));
        }
        for listen in ["127.0.0.1:0", "127.9.9.9:0", "[::1]:0", "localhost:0", "[::ffff:127.0.0.1]:0"] {
            assert_eq!(parse(&["--listen", listen]).unwrap().reach(false), Ok(Reach::Machine), "{listen}");
        }
        for listen in ["5000", "127.0.0.1", "localhost", "localhost:99999", "example.com:80", ""] {
            let error = parse(&["--listen", listen]).unwrap_err();
            assert!(error.contains("--listen") && error.contains("127.0.0.1:5000"), "{error}");
        }
    }

    #[test]
    fn without_a_command_help_is_printed() {
        let error = Cli::try_parse_from(["cache-api"]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
        assert!(error.to_string().contains("serve"), "{error}");
    }
}
