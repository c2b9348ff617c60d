//! `tilaussilta dismiss`: says of a problem that it needs nothing more.

use clap::Subcommand;
use console::Queue;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{known_connection, say};

/// `tilaussilta dismiss`.
#[derive(clap::Args)]
#[command(
    after_help = "Example: tilaussilta dismiss quarantine mycashflow/acme 3f2a --why 'a test of ours' --yes --stack tilaussilta"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
    /// Do it. Without --yes, only report what would be done.
    #[arg(long, global = true)]
    yes: bool,
}

#[derive(Subcommand)]
enum What {
    /// A body in quarantine. It stays there until it expires, and is no problem any more.
    Quarantine {
        /// The connection.
        connection: String,
        /// The body, by its id or the beginning of it.
        id: String,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// An action without an end.
    Stuck {
        /// The action, as problems names it: mycashflow/acme/order/58/deliver.
        id: String,
    },
    /// An event in the dead-letter queue: its letter is removed.
    Event {
        /// The letter, by its id.
        id: String,
    },
    /// An action in the dead-letter queue: its letter is removed.
    Action {
        /// The letter, by its id.
        id: String,
    },
    /// An event that an endpoint did not accept: its letter is removed.
    Webhook {
        /// The letter, by its id.
        id: String,
    },
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    let (queue, id) = match options.what {
        What::Quarantine { connection, id, why } => {
            let connection = known_connection(&connection, &operator.all_connections())?;
            let held = operator.open_quarantine(&connection).await?;
            let found: Vec<_> = held.iter().filter(|held| held.id.starts_with(&id)).collect();
            let [one] = found[..] else {
                return Err(Problem(format!("{} open bodies of {connection} begin with {id}", found.len())));
            };
            if !options.yes {
                say!("{} would be dismissed (--yes does it): {}", one.id, one.reason);
                return Ok(());
            }
            operator.dismiss_quarantined(&connection, &one.id, &why).await?;
            say!("{} is dismissed", one.id);
            return Ok(());
        }
        What::Stuck { id } => {
            if options.yes {
                operator.dismiss_action(&id).await?;
                say!("{id} is dismissed");
            } else {
                say!("{id} would be dismissed (--yes does it)");
            }
            return Ok(());
        }
        What::Event { id } => (Queue::EventDeadLetters, id),
        What::Action { id } => (Queue::ActionDeadLetters, id),
        What::Webhook { id } => (Queue::WebhookDeadLetters, id),
    };
    if !options.yes {
        say!("the letter {id} would be removed (--yes does it)");
        return Ok(());
    }
    operator.dismiss_letter(queue, &id).await?;
    say!("the letter {id} is removed");
    Ok(())
}
