//! `tilaussilta pause` and `resume`: stops a part, and lets it go on.

use clap::ValueEnum;
use console::{Operator, Replay};
use jiff::SignedDuration;
use ledger::{Part, Span};

use crate::Problem;
use crate::deployment::Target;
use crate::output::{local, say};

/// How long the stream hands a record over, as in `template.yaml`, and an hour for what is under way.
const STREAM_KEEPS: SignedDuration = SignedDuration::from_hours(7);

/// `tilaussilta pause`.
#[derive(clap::Args)]
#[command(
    after_help = "A pause survives a deployment. tilaussilta status shows it.\n\nExample: tilaussilta pause poll --stack tilaussilta"
)]
pub(crate) struct Options {
    /// Which part.
    part: PartName,
}

/// `tilaussilta resume`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta resume poll --stack tilaussilta")]
pub(crate) struct ResumeOptions {
    /// Which part.
    part: PartName,
}

#[derive(Clone, Copy, ValueEnum)]
enum PartName {
    Poll,
    Relay,
    Actions,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Poll => Self::Poll,
            PartName::Relay => Self::Relay,
            PartName::Actions => Self::Actions,
        }
    }
}

/// What stops and goes on, with its verbs.
struct Words {
    subject: &'static str,
    is: &'static str,
    was: &'static str,
    goes: &'static str,
}

fn words(part: Part) -> Words {
    let one = |subject| Words { subject, is: "is", was: "was", goes: "goes" };
    match part {
        Part::Poll => one("the poll"),
        Part::Relay => one("the relay"),
        Part::Actions => Words { subject: "the actions", is: "are", was: "were", goes: "go" },
    }
}

/// What waits meanwhile, and what would be lost.
fn what_waits(part: Part) -> &'static str {
    match part {
        Part::Poll => {
            "No shop is asked. Nothing is lost: the next run continues from the cursors. POSTs and messages of the ERP \
             are still taken in."
        }
        Part::Relay => {
            "Revisions are recorded, and their events wait. After 6 hours they become dead letters, and after 24 hours they \
             have left the stream: tilaussilta resume relay publishes what was never published."
        }
        Part::Actions => {
            "Deliveries and comments wait in the queue. Each message is still handed over every 12 minutes, and that counts \
             as a try: after 8 of them, in 84 minutes, it becomes a dead letter, and tilaussilta retry actions sends it \
             again. A dispatch of more than three days delivers nothing by itself any more."
        }
    }
}

pub(crate) async fn pause(options: Options, target: &Target) -> Result<(), Problem> {
    let part = Part::from(options.part);
    target.find().await?.operator().await?.pause(part).await?;
    let Words { subject, is, .. } = words(part);
    say!("{subject} {is} paused. {}", what_waits(part));
    Ok(())
}

pub(crate) async fn resume(options: ResumeOptions, target: &Target) -> Result<(), Problem> {
    let part = Part::from(options.part);
    let operator = target.find().await?.operator().await?;
    let Words { subject, was, goes, .. } = words(part);
    let Some(paused) = operator.resume(part).await? else {
        say!("{subject} {was} not paused");
        return Ok(());
    };
    say!("{subject} {goes} on; the pause began at {}", local(paused.since));
    match part {
        Part::Poll => {}
        Part::Actions => say!(
            "What waits is tried within 12 minutes. A message that was handed over 4 times or more in the pause has one try \
             left; what became a dead letter is sent again by tilaussilta retry actions."
        ),
        Part::Relay => {
            say!("What waits in the stream is published within minutes.");
            // What the stream has given up is a dead letter, or has left it.
            let until = operator.now() - STREAM_KEEPS;
            if paused.since < until {
                publish_given_up(&operator, Span { from: paused.since, until }).await?;
            }
        }
    }
    Ok(())
}

async fn publish_given_up(operator: &Operator, span: Span) -> Result<(), Problem> {
    for connection in operator.all_connections() {
        let count = operator.ledger.unpublished(&connection, span, operator.now()).await?.len();
        if count == 0 {
            continue;
        }
        let wish = Replay::Time { connection: connection.clone(), span, unpublished: true };
        let again = format!("tilaussilta replay {connection} --never-published --since {} --yes", span.from);
        let done = operator.replay(&wish, &mut |_| {}).await;
        let done = done.map_err(|error| Problem(format!("{}; to go on: {again}", ledger::with_sources(&error))))?;
        say!("{connection}: {} of {count} events were published", done["published"]);
        super::retry::report_failed(&done)?;
    }
    Ok(())
}
