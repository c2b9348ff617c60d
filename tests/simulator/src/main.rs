//! Simulates many worlds, or one again: see the library.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tilaussilta_simulator::{SimulationResult, run};

/// Simulates worlds full of faults, and checks that the poll loses nothing.
#[derive(Parser)]
struct Arguments {
    /// How many worlds to simulate.
    #[arg(long, default_value_t = 2_000, conflicts_with = "seed")]
    seeds: u64,
    /// The first world's seed.
    #[arg(long, default_value_t = 1, conflicts_with = "seed")]
    from: u64,
    /// How many worlds to simulate at the same time [default: one for each core].
    #[arg(long)]
    jobs: Option<usize>,
    /// Simulate only this world.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happens in it, one line each.
    #[arg(long, requires = "seed")]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let failed = match arguments.seed {
        Some(seed) => {
            let outcome = run(seed, arguments.trace);
            for line in &outcome.trace {
                println!("{line}");
            }
            println!("{:?}", outcome.size);
            (!outcome.violations.is_empty()).then_some((seed, outcome))
        }
        None => play(&arguments),
    };
    let Some((seed, outcome)) = failed else { return ExitCode::SUCCESS };
    for violation in &outcome.violations {
        println!("seed {seed}: {violation}");
    }
    println!("replay it: cargo run --package tilaussilta-simulator --bin simulate -- --seed {seed} --trace");
    ExitCode::FAILURE
}

/// Simulates all the seeds, up to the first that fails: the lowest one.
fn play(arguments: &Arguments) -> Option<(u64, SimulationResult)> {
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let end = arguments.from + arguments.seeds;
    let style = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left";
    let bar = ProgressBar::new(arguments.seeds).with_style(ProgressStyle::with_template(style).expect("a template"));
    let (next, first_failed) = (AtomicU64::new(arguments.from), Mutex::new(None::<(u64, SimulationResult)>));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(seed, false);
                    bar.inc(1);
                    if !outcome.violations.is_empty() {
                        // No later world is begun; those under way may still fail with a lower seed.
                        next.fetch_max(end, Ordering::Relaxed);
                        let mut first = first_failed.lock().unwrap_or_else(PoisonError::into_inner);
                        if first.as_ref().is_none_or(|(known, _)| seed < *known) {
                            *first = Some((seed, outcome));
                        }
                    }
                }
            });
        }
    });
    let (played, seconds) = (bar.position(), begun.elapsed().as_secs_f64());
    bar.finish_and_clear();
    println!("{played} seeds in {seconds:.1} s: {:.1} seeds per second", played as f64 / seconds);
    first_failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}
