//! The operator's commands: `tilaussilta help` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the commands speak to a person at a terminal")]

mod bus;
mod commands;
mod deployment;
mod output;
mod period;
mod stack;
mod table;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::deployment::Target;

/// Look at a deployment of Tilaussilta, and act on it.
///
/// Ends with 0 when all went well, with 1 when something failed or (status, problems) a person is needed, and with 2 when
/// the command was not understood.
#[derive(Parser)]
#[command(name = "tilaussilta", version, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show how everything stands, at a glance.
    Status(commands::status::Options),
    /// List what needs a person, each with the command that mends it.
    Problems(commands::problems::Options),
    /// List the orders that arrived in a time, or find one by a text in it.
    Orders(commands::orders::Options),
    /// Show what became of a document: received, recorded, published, delivered.
    Show(commands::show::Options),
    /// Print a connection's delivery log: what was rejected or quarantined or, with --all, every line.
    Log(commands::log::Options),
    /// List the runs of the poll.
    Polls(commands::polls::Options),
    /// List what was asked to be done in the shops, and what came of it.
    Actions(commands::actions::Options),
    /// List what could not be read on a connection, and why.
    Quarantine(commands::quarantine::Options),
    /// Try again what could not be read, published or done.
    Retry(commands::retry::Options),
    /// Say of a problem that it needs nothing more.
    Dismiss(commands::dismiss::Options),
    /// Publish again: a document, a time, or what was never published.
    Replay(commands::replay::Options),
    /// Mark an order as delivered at the shop.
    Deliver(commands::action::Deliver),
    /// Add a comment to an order at the shop.
    Comment(commands::action::Comment),
    /// Ask the shop for an order, and record what it says.
    Refresh(commands::action::Refresh),
    /// Print events as they are published, and post them to a consumer under development.
    Listen(commands::listen::Options),
    /// Print orders and their lines as a table.
    Export(commands::export::Options),
    /// Permanently erase a document from the ledger. Without --yes, only report what would be erased.
    Erase(commands::erase::Options),
    /// Read a shop's past orders into the ledger. Safe to stop and to run again.
    Backfill(commands::backfill::Options),
    /// Compare a shop with the ledger, both ways.
    Compare(commands::compare::Options),
    /// Set a shop's cursor back, so that the poll reads a stream again from there. Without --yes, only report the change.
    Cursor(commands::cursor::Options),
    /// Stop the poll, the relay or the actions, until they are resumed.
    Pause(commands::pause::Options),
    /// Let a paused part go on.
    Resume(commands::pause::ResumeOptions),
    /// Show all of this as pages in a browser, on this machine.
    Console(commands::console::Options),
    /// Check a connections document, with one question to each shop.
    Check(commands::check::Options),
    /// Store a connections document, after it was checked.
    Connect(commands::connect::Options),
    /// Put what earlier versions recorded into the index of arrivals.
    Index(commands::index::Options),
    /// Print what people did.
    Audit(commands::audit::Options),
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
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
    let Arguments { target, command } = Arguments::parse();
    let result = runtime.block_on(run(command, &target));
    // A request that was cut off by the end of a command is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => failed(&error.0),
    }
}

async fn run(command: Command, target: &Target) -> Result<ExitCode, Problem> {
    match command {
        Command::Status(options) => return commands::status::run(options, target).await,
        Command::Problems(options) => return commands::problems::run(options, target).await,
        Command::Orders(options) => commands::orders::run(options, target).await?,
        Command::Show(options) => commands::show::run(options, target).await?,
        Command::Log(options) => commands::log::run(options, target).await?,
        Command::Polls(options) => commands::polls::run(options, target).await?,
        Command::Actions(options) => commands::actions::run(options, target).await?,
        Command::Quarantine(options) => commands::quarantine::run(options, target).await?,
        Command::Retry(options) => commands::retry::run(options, target).await?,
        Command::Dismiss(options) => commands::dismiss::run(options, target).await?,
        Command::Replay(options) => commands::replay::run(options, target).await?,
        Command::Deliver(options) => commands::action::deliver(options, target).await?,
        Command::Comment(options) => commands::action::comment(options, target).await?,
        Command::Refresh(options) => commands::action::refresh(options, target).await?,
        Command::Listen(options) => commands::listen::run(options, target).await?,
        Command::Export(options) => commands::export::run(options, target).await?,
        Command::Erase(options) => commands::erase::run(options, target).await?,
        Command::Backfill(options) => commands::backfill::run(options, target).await?,
        Command::Compare(options) => commands::compare::run(options, target).await?,
        Command::Connect(options) => commands::connect::run(options, target).await?,
        Command::Cursor(options) => commands::cursor::run(options, target).await?,
        Command::Pause(options) => commands::pause::pause(options, target).await?,
        Command::Resume(options) => commands::pause::resume(options, target).await?,
        Command::Console(options) => commands::console::run(options, target).await?,
        Command::Check(options) => commands::check::run(options).await?,
        Command::Index(options) => commands::index::run(options, target).await?,
        Command::Audit(options) => commands::audit::run(options, target).await?,
        Command::Completions { shell } => {
            // Printed by ourselves, because it panics when nobody reads it any more.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tilaussilta", &mut script);
            output::say!("{}", String::from_utf8_lossy(&script).trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(problem: &str) -> ExitCode {
    eprintln!("tilaussilta: {problem}");
    ExitCode::FAILURE
}
