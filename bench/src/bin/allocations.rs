//! `allocations CONTENDER FILE`: how often a contender asks for memory, and for how many bytes, as a line of JSON.
//!
//! A program of its own, because the allocator that counts is slower than the one that does not.

use std::io::{self, Write};

use serde_json::json;
use tilaussilta_bench::contender::{Contender, Failure};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, path] = &arguments[..] else { return Err("usage: allocations CONTENDER FILE".into()) };
    let contender = Contender::named(name).ok_or("the contenders are ours, events and serde")?;
    let bytes = std::fs::read(path)?;
    // Not counted: what is made once in the life of a process, such as the time zone.
    contender.read(&bytes)?;
    let mut result = Ok(());
    let counted = allocation_counter::measure(|| result = contender.read(&bytes));
    result?;
    writeln!(io::stdout(), "{}", json!({ "count": counted.count_total, "bytes": counted.bytes_total }))?;
    Ok(())
}
