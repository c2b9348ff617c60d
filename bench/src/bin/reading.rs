//! `reading CONTENDER FILE`: one contender at reading a page, as `bench/parts/10-reading` drives it.
//!
//! Prints a line of JSON with the digest of what it reads; then, for each line with a number on its input, reads the file
//! so many times and prints `done`.

use std::io::{self, BufRead, Write};

use serde_json::json;
use tilaussilta_bench::contender::{Contender, Failure};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, path] = &arguments[..] else { return Err("usage: reading CONTENDER FILE".into()) };
    let contender = Contender::named(name).ok_or("the contenders are ours, events and serde")?;
    let bytes = std::fs::read(path)?;
    let mut out = io::stdout();
    writeln!(out, "{}", json!({ "digest": contender.digest(&bytes)? }))?;
    for line in io::stdin().lock().lines() {
        let times: u32 = line?.trim().parse()?;
        for _ in 0..times {
            contender.read(&bytes)?;
        }
        writeln!(out, "done")?;
    }
    Ok(())
}
