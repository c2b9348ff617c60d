//! The sandbox's commands: `sandbox help` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the commands speak to a person at a terminal")]

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Try Tilaussilta without a shop, an ERP or AWS. The program for a deployment is `tilaussilta`.
#[derive(Parser)]
#[command(name = "sandbox", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play a short day, with a crash in the middle, and compare what the ledger holds with what was sent.
    Demo(commands::demo::Options),
    /// Serve the functions, the database and a simulated shop and ERP on one port.
    Serve(commands::serve::Options),
    /// Serve a simulated shop and ERP only, for functions that run elsewhere.
    World(commands::world::Options),
    /// Print the verify code with which Manu Online would sign the message on standard input.
    Sign(commands::sign::Options),
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
            Command::Demo(options) => commands::demo::run(options).await,
            Command::Serve(options) => commands::serve::run(options).await,
            Command::World(options) => commands::world::run(options).await,
            Command::Sign(options) => commands::sign::run(&options),
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
    eprintln!("sandbox: {problem}");
    ExitCode::FAILURE
}
