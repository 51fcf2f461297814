//! Parses, runs one command, prints the error chain, sets the exit code.

use std::io;
use std::process::ExitCode;

use clap::Parser;

use reunite::children;
use reunite::cli::{self, Cli, Outcome};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == children::SUBCOMMAND) {
        children::run_child();
    }
    listen_to_the_log();
    // Wrong use ends here, with exit code 2.
    match cli::run(Cli::parse()) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::TimedOut) => ExitCode::from(3),
        // Whoever read our output has read enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reunite: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// The log goes to standard error; `REUNITE_LOG` says how much of it, such as `debug` or `reunite::endpoint=trace`.
fn listen_to_the_log() {
    let filter = EnvFilter::try_from_env("REUNITE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.root_cause().downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The error and its causes in one sentence; a cause that its effect has already quoted is not said twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
