//! Simulates many worlds, or one again: see the library.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tilaussilta_simulator::{Assumption, Settings, SimulationResult, run_both};

/// A quarter of the time of a world goes into memory, with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates worlds full of faults, two for each seed: the poll, which must lose nothing, and the outbound side, which must
/// publish every revision and do each action once.
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
    /// Simulate worlds in which this assumption about the shop is false and all others are true. May be repeated: then
    /// all of those are false together.
    #[arg(long, value_name = "ASSUMPTION")]
    only: Vec<Assumption>,
    /// Take this assumption for true in every world. May be repeated.
    #[arg(long, value_name = "ASSUMPTION")]
    assume: Vec<Assumption>,
    /// Take every assumption for true in every world.
    #[arg(long, conflicts_with_all = ["only", "assume"])]
    assume_all: bool,
    /// Continue after a world that fails, and list all that do.
    #[arg(long)]
    keep_going: bool,
}

impl Arguments {
    fn settings(&self) -> Settings {
        let assumed = if self.assume_all { Assumption::all().to_vec() } else { self.assume.clone() };
        Settings { trace: self.trace, only: self.only.clone(), assumed }
    }

    /// The options by which a world is simulated again.
    fn replay_options(&self) -> String {
        let mut options = String::new();
        for (option, assumptions) in [("--only", &self.only), ("--assume", &self.assume)] {
            for assumption in assumptions {
                options.push_str(&format!(" {option} {}", assumption.name()));
            }
        }
        if self.assume_all { " --assume-all".to_owned() } else { options }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let failed = match arguments.seed {
        Some(seed) => {
            let result = run_both(seed, &arguments.settings());
            for line in &result.trace {
                println!("{line}");
            }
            println!("{:?}", result.size);
            if result.violations.is_empty() { Vec::new() } else { vec![(seed, result)] }
        }
        None => simulate(&arguments),
    };
    for (seed, result) in &failed {
        for violation in &result.violations {
            println!("seed {seed}: {violation}");
        }
        let names: Vec<String> = result.falsehoods.iter().map(|assumption| assumption.name()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        println!("seed {seed}: false assumptions: {names}");
    }
    let Some((seed, _)) = failed.first() else { return ExitCode::SUCCESS };
    let options = arguments.replay_options();
    println!("replay it: cargo run --package tilaussilta-simulator --bin simulate -- --seed {seed}{options} --trace");
    ExitCode::FAILURE
}

/// Simulates all the seeds, and gives those that fail, the lowest first: only that one, unless it is to go on.
fn simulate(arguments: &Arguments) -> Vec<(u64, SimulationResult)> {
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let (settings, end) = (arguments.settings(), arguments.from + arguments.seeds);
    let style = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left";
    let bar = ProgressBar::new(arguments.seeds).with_style(ProgressStyle::with_template(style).expect("a template"));
    let (next, failed) = (AtomicU64::new(arguments.from), Mutex::new(Vec::new()));
    let drawn: Mutex<BTreeMap<Assumption, u64>> = Mutex::default();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let result = run_both(seed, &settings);
                    bar.inc(1);
                    for assumption in &result.falsehoods {
                        *locked(&drawn).entry(*assumption).or_default() += 1;
                    }
                    if !result.violations.is_empty() {
                        if !arguments.keep_going {
                            // No later world is begun; those under way may still fail with a lower seed.
                            next.fetch_max(end, Ordering::Relaxed);
                        }
                        locked(&failed).push((seed, result));
                    }
                }
            });
        }
    });
    let (played, seconds) = (bar.position(), begun.elapsed().as_secs_f64());
    bar.finish_and_clear();
    println!("{played} seeds in {seconds:.1} s: {:.1} seeds per second", played as f64 / seconds);
    print_drawn(&locked(&drawn), &settings);
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|(seed, _)| *seed);
    failed.truncate(if arguments.keep_going { usize::MAX } else { 1 });
    failed
}

/// Prints in how many worlds each assumption was false.
fn print_drawn(drawn: &BTreeMap<Assumption, u64>, settings: &Settings) {
    if settings.assumed.len() == Assumption::all().len() {
        return;
    }
    let counts = Assumption::all()
        .iter()
        .map(|assumption| format!("{} {}", assumption.name(), drawn.get(assumption).copied().unwrap_or_default()));
    println!("worlds in which an assumption was false: {}", counts.collect::<Vec<_>>().join(", "));
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
