//! `tilaussilta connect`: stores a connections document, after it was checked.

use std::path::PathBuf;

use crate::Problem;
use crate::deployment::Target;
use crate::output::say;

/// `tilaussilta connect`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta connect connections.json --yes --stack tilaussilta")]
pub(crate) struct Options {
    /// The document.
    file: PathBuf,
    /// Ask no shop.
    #[arg(long)]
    offline: bool,
    /// Store it. Without --yes, only check it, and say what would change.
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let (text, connections) = super::check::checked(&options.file, options.offline).await?;
    let deployment = target.find().await?;
    let operator = deployment.operator().await?;
    let names = |connections: &connections::Connections| -> Vec<String> {
        let shops = connections.shops.keys().map(|name| format!("mycashflow/{name}"));
        let accounts = connections.manu.keys().map(|name| format!("manu/{name}"));
        shops.chain(accounts).chain(connections.webhooks.keys().map(|name| format!("webhook/{name}"))).collect()
    };
    let (before, after) = (names(&operator.connections), names(&connections));
    for name in after.iter().filter(|name| !before.contains(name)) {
        say!("{name} is new");
    }
    for name in before.iter().filter(|name| !after.contains(name)) {
        let what = if name.starts_with("webhook/") { "sent to it" } else { "of it is taken in" };
        say!("! {name} goes: nothing {what} any more");
    }
    if !options.yes {
        say!("nothing was stored: --yes stores it");
        return Ok(());
    }
    operator.audit("connect", &after.join(", ")).await?;
    deployment.store_connections(&text).await?;
    say!("it is stored: each function reads it within a minute");
    Ok(())
}
