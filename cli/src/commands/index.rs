//! `tilaussilta index`: puts what earlier versions recorded into the index of arrivals.

use indicatif::{ProgressBar, ProgressStyle};

use crate::Problem;
use crate::deployment::Target;
use crate::output::say;

/// `tilaussilta index`.
#[derive(clap::Args)]
#[command(
    after_help = "Run it once after an upgrade from a version without the index. Safe to stop and to run again.\n\n\
                        Example: tilaussilta index --stack tilaussilta"
)]
pub(crate) struct Options {}

pub(crate) async fn run(_: Options, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    let style = ProgressStyle::with_template("{spinner} {pos} revisions indexed, {elapsed}");
    let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    loop {
        let step = operator.ledger.index_revisions(&intake::summary_of).await?;
        bar.inc(step.indexed);
        if step.is_done {
            break;
        }
    }
    bar.finish_and_clear();
    say!("the index of arrivals holds everything: {} revisions were added", bar.position());
    Ok(())
}
