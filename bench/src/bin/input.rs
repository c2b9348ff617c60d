//! `input COUNT`: a page of so many orders.

use std::io::{self, Write};

use tilaussilta_bench::inputs;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count = std::env::args().nth(1).ok_or("usage: input COUNT")?.parse()?;
    io::stdout().write_all(inputs::page(count).as_bytes())?;
    Ok(())
}
