//! `sandbox sign`: the verify code of a message.

use std::io::Read;

use super::Problem;

/// `sandbox sign`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The client secret of the private application.
    #[arg(long)]
    secret: String,
}

pub(crate) fn run(options: &Options) -> Result<(), Problem> {
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    println!("{}", manu::verify_code(&body, &options.secret));
    Ok(())
}
