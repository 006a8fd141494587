//! The one binary: a server on a laptop, the `bootstrap` in Lambda.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use cache_api::app::{self, Deploying};
use cache_api::cli::progress::Bar;
use cache_api::cli::remote::Remote;
use cache_api::cli::serve::{Announcement, Limits, Server, Stopped, stop_signals};
use cache_api::cli::{
    Cli, Command, DoctorArguments, FunctionsCommand, Reach, ServeArguments, StatsArguments, WarmArguments, malloc,
};
use cache_api::config::{Config, Environment};
use cache_api::doctor::{Level, peer};
#[cfg(feature = "python")]
use cache_api::function::python;
#[cfg(feature = "frames")]
use cache_api::function::worker;
use cache_api::key::KeyPatterns;
use cache_api::telemetry::{self, LogForm};
use clap::Parser;
use tokio::runtime::Builder;

/// What is wrong is on the command line or in the settings; clap ends with the same.
const MISUSED: u8 = 2;

/// What is wrong is the machine, or what is asked of it.
const FAILED: u8 = 1;

/// How long a chore may take: whoever has it done every day does not want two at a time.
const CHORE_TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the end waits for file system calls whose answers nobody needs any more.
const LINGER_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // Reads which of the named places kill the process.
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let environment = Environment::of_process();
    if environment.is_lambda() { lambda(&environment) } else { command_line(&environment) }
}

fn command_line(environment: &Environment) -> ExitCode {
    match Cli::parse().command {
        Command::Serve(arguments) => {
            // Nothing has begun yet that would have to end first.
            malloc::settle(environment);
            let config = match Config::read(environment, arguments.source.as_deref()) {
                Ok(config) => config,
                Err(problems) => return end(MISUSED, problems),
            };
            let reach = match arguments.reach(config.api_token.is_some()) {
                Ok(reach) => reach,
                Err(exposed) => return end(MISUSED, exposed),
            };
            telemetry::start(config.log_filter.clone(), LogForm::Text);
            run(Builder::new_multi_thread(), serve(&config, &arguments, reach))
        }
        Command::Doctor(arguments) => match Config::read(environment, arguments.source.as_deref()) {
            Ok(config) => run(Builder::new_multi_thread(), doctor(&config, &arguments)),
            Err(problems) => end(MISUSED, problems),
        },
        #[cfg(feature = "python")]
        Command::FunctionWorker => python::worker::work(),
        #[cfg(feature = "python")]
        Command::FunctionParser => python::parser::work(),
        Command::DoctorPeer { scratch } => match peer(&scratch, std::io::stdin().lock(), std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => end(FAILED, error),
        },
        Command::Functions(command) => functions(environment, &command),
        #[cfg(feature = "frames")]
        Command::QueryWorker { memory_max, seconds_max } => {
            let time_max = Duration::from_secs(seconds_max);
            match worker::serve(memory_max, time_max, std::io::stdin().lock(), std::io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => end(FAILED, error),
            }
        }
        Command::Warm(arguments) => warm(environment, &arguments),
        Command::Stats(arguments) => stats(environment, &arguments),
        Command::Sweep(arguments) => {
            chore(environment, arguments.source.as_deref(), async |config| match app::sweep(config, CHORE_TIME_MAX).await {
                Ok(Some(swept)) => report(&swept, swept.failed),
                Ok(None) if config.local_data_dir.is_none() => end(MISUSED, "LOCAL_DATA_DIR is empty: there is nothing to sweep"),
                Ok(None) => end(FAILED, "another sweep is under way; try again when it has ended"),
                Err(error) => end(FAILED, error),
            })
        }
    }
}

fn warm(environment: &Environment, arguments: &WarmArguments) -> ExitCode {
    let patterns = match KeyPatterns::parse(arguments.patterns.iter().map(String::as_str)) {
        Ok(patterns) => Some(patterns).filter(|patterns| !patterns.is_empty()),
        Err(error) => return end(MISUSED, error),
    };
    let mut bar = Bar::new();
    if let Some(url) = &arguments.url {
        return remote(environment, url, async |server| match server.warm(&arguments.patterns, &mut bar).await {
            Ok(warmed) => report(&warmed, warmed.failed + warmed.left),
            Err(error) => end(FAILED, error),
        });
    }
    chore(environment, arguments.record.source.as_deref(), async |config| {
        match app::warm(config, patterns.as_ref(), CHORE_TIME_MAX, |step| bar.show(step)).await {
            Ok(warmed) => report(&warmed, warmed.failed),
            Err(error) => end(FAILED, error),
        }
    })
}

fn functions(environment: &Environment, command: &FunctionsCommand) -> ExitCode {
    let (arguments, deploying) = match command {
        FunctionsCommand::Check(arguments) => (arguments, Deploying::Checked),
        FunctionsCommand::Deploy(arguments) => (arguments, Deploying::Written),
    };
    let file = arguments.file.display();
    let Some((name, language)) = arguments.named() else {
        return end(MISUSED, format_args!("{file}: name a file NAME.sql or NAME.py"));
    };
    let text = match std::fs::read_to_string(&arguments.file) {
        Ok(text) => text,
        Err(error) => return end(FAILED, format_args!("{file}: {error}")),
    };
    chore(environment, arguments.record.source.as_deref(), async |config| {
        match app::deploy(config, name, language, &text, deploying).await {
            Ok(spec) => report(&cache_api::http::described(&spec), 0),
            Err(error) => end(FAILED, error),
        }
    })
}

fn stats(environment: &Environment, arguments: &StatsArguments) -> ExitCode {
    if let Some(url) = &arguments.url {
        return remote(environment, url, async |server| match server.stats().await {
            Ok(stats) => report(&stats, 0),
            Err(error) => end(FAILED, error),
        });
    }
    chore(environment, arguments.record.source.as_deref(), async |config| match app::stats(config).await {
        Ok(stats) => report(&stats, 0),
        Err(error) => end(FAILED, error),
    })
}

/// Asks a server, with the token of the settings.
fn remote(environment: &Environment, url: &str, work: impl AsyncFnOnce(&Remote) -> ExitCode) -> ExitCode {
    let server = match Config::read_token(environment) {
        Ok(token) => Remote::new(url, token),
        Err(problems) => return end(MISUSED, problems),
    };
    match server {
        Ok(server) => run(Builder::new_current_thread(), work(&server)),
        Err(error) => end(MISUSED, error),
    }
}

/// Does something once, as the settings say.
fn chore(environment: &Environment, source: Option<&Path>, work: impl AsyncFnOnce(&Config) -> ExitCode) -> ExitCode {
    let config = match Config::read(environment, source) {
        Ok(config) => config,
        Err(problems) => return end(MISUSED, problems),
    };
    telemetry::start(config.log_filter.clone(), LogForm::Text);
    run(Builder::new_multi_thread(), work(&config))
}

/// Says what was done, as JSON.
fn report(done: &impl serde::Serialize, failed: u64) -> ExitCode {
    let text = serde_json::to_string_pretty(done).expect("numbers under names");
    let _ = writeln!(std::io::stdout(), "{text}");
    if failed == 0 { ExitCode::SUCCESS } else { end(FAILED, format_args!("{failed} keys failed; the log says why")) }
}

fn lambda(environment: &Environment) -> ExitCode {
    let config = match Config::read(environment, None) {
        Ok(config) => config,
        Err(problems) => return end(MISUSED, problems),
    };
    telemetry::start(config.log_filter.clone(), LogForm::Json);
    // One event at a time: on more threads each step of one would only wake another. Files and frames have threads of their own.
    let threads = if environment.has_many_invocations() { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    run(threads, async {
        match app::lambda(&config).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => end(FAILED, error),
        }
    })
}

async fn serve(config: &Config, arguments: &ServeArguments, reach: Reach) -> ExitCode {
    let stops = match stop_signals() {
        Ok(stops) => stops,
        Err(error) => return end(FAILED, format_args!("cannot wait for signals: {error}")),
    };
    let service = match app::service(config, reach).await {
        Ok(service) => service,
        Err(error) => return end(FAILED, error),
    };
    let server = match Server::bind(arguments.listen, Limits::default()).await {
        Ok(server) => server,
        Err(error) => return end(FAILED, error),
    };
    // Whoever started it may have closed the standard output; it serves all the same.
    let _ = write!(std::io::stdout(), "{}", Announcement { address: server.address(), reach, config });
    match server.run(service, stops).await {
        Stopped::Finished => ExitCode::SUCCESS,
        Stopped::CutOff { connections } => end(FAILED, format_args!("stopped, and cut off {connections} unfinished connections")),
    }
}

async fn doctor(config: &Config, arguments: &DoctorArguments) -> ExitCode {
    let report = app::examine(config, arguments.scope(), None).await;
    let mut stdout = std::io::stdout();
    let _ = if arguments.json { writeln!(stdout, "{}", serde_json::json!(report)) } else { write!(stdout, "{report}") };
    if report.level() < Level::Problem { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn run(mut runtime: Builder, work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(FAILED, format_args!("no threads to run on: {error}")),
    };
    let code = runtime.block_on(work);
    runtime.shutdown_timeout(LINGER_MAX);
    code
}

/// Says why, and with which code the process ends.
fn end(code: u8, reason: impl fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "cache-api: {reason}");
    ExitCode::from(code)
}
