//! The operator's commands: `tilaussilta help` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the commands speak to a person at a terminal")]

mod commands;
mod deployment;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Look at a deployment of Tilaussilta, and act on it.
#[derive(Parser)]
#[command(name = "tilaussilta", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print a document's revisions.
    Show(commands::show::Options),
    /// Print a connection's delivery log: what was rejected or quarantined or, with --all, every line.
    Log(commands::log::Options),
    /// List what could not be read on a connection, and why.
    Quarantine(commands::quarantine::Options),
    /// Permanently erase a document from the ledger. Without --yes, only report what would be erased.
    Erase(commands::erase::Options),
    /// Read a shop's past orders into the ledger. Safe to stop and to run again.
    Backfill(commands::backfill::Options),
    /// Set a shop's cursor back, so that the poll reads a stream again from there. Without --yes, only report the change.
    Cursor(commands::cursor::Options),
}

/// What a command could not do, for the person who asked.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) String);

impl<E: std::error::Error> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(ledger::with_sources(&error))
    }
}

fn main() -> ExitCode {
    if std::env::var_os("LOG_LEVEL").is_some() {
        platform::init_logs();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime cannot be made: {error}")),
    };
    let result = runtime.block_on(async {
        match Arguments::parse().command {
            Command::Show(options) => commands::show::run(options).await,
            Command::Log(options) => commands::log::run(options).await,
            Command::Quarantine(options) => commands::quarantine::run(options).await,
            Command::Erase(options) => commands::erase::run(options).await,
            Command::Backfill(options) => commands::backfill::run(options).await,
            Command::Cursor(options) => commands::cursor::run(options).await,
        }
    });
    // A request that was cut off by the end of a command is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.0),
    }
}

fn failed(problem: &str) -> ExitCode {
    eprintln!("tilaussilta: {problem}");
    ExitCode::FAILURE
}
