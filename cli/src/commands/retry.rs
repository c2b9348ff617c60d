//! `tilaussilta retry`: tries again what could not be read, published or done.

use clap::Subcommand;
use console::{Operator, Queue, Replay, Retried};
use intake::{Again, WebhookType};
use ledger::{Connection, HeldFilter};
use serde_json::json;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{known_connection, say, table};
use crate::table::{name, sentence};

/// `tilaussilta retry`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tilaussilta retry quarantine --stack tilaussilta\n  \
                        tilaussilta retry quarantine mycashflow/acme --yes --stack tilaussilta\n  \
                        tilaussilta retry actions --yes --stack tilaussilta")]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
    /// Do it. Without --yes, only report what would be done.
    #[arg(long, global = true)]
    yes: bool,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Read bodies in quarantine again, by the present reader. One that is older than its document's newest state is
    /// superseded: kept, and neither recorded nor published.
    Quarantine {
        /// The connection. Without it, all of them.
        connection: Option<String>,
        /// One body, by its id or the beginning of it.
        id: Option<String>,
        /// The address at which a message of the ERP came, where an earlier version did not write that down.
        #[arg(long, value_name = "SLUG")]
        webhook: Option<WebhookType>,
        /// Record a message that is superseded as the newest state all the same.
        #[arg(long, requires = "id")]
        as_new: bool,
    },
    /// Publish the events in the dead-letter queue again.
    Events,
    /// Send the actions in the dead-letter queue again. What was done is not done twice, and a dispatch of more than
    /// three days delivers nothing by itself.
    Actions {
        /// One letter, by its id.
        id: Option<String>,
    },
    /// Send the events that endpoints did not accept again, for another day.
    Webhooks {
        /// One letter, by its id.
        id: Option<String>,
    },
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    match options.what {
        What::Quarantine { connection, id, webhook, as_new } => {
            let all = operator.all_connections();
            let connections = match &connection {
                Some(name) => vec![known_connection(name, &all)?],
                None => all,
            };
            let again = Again { webhook, as_new, dry_run: !options.yes };
            quarantine(&operator, &connections, id.as_deref(), again, options.json).await
        }
        What::Events => {
            if !options.yes {
                let counted = operator.stack.count(Queue::EventDeadLetters).await.map_err(Problem)?;
                match options.json {
                    true => say!("{}", json!({ "count": counted, "done": false })),
                    false => say!("{counted} events would be published again (--yes does it)"),
                }
                return Ok(());
            }
            let mut done = operator.replay(&Replay::DeadLetters, &mut |_| {}).await?;
            if options.json {
                done["done"] = json!(true);
                say!("{done}");
            } else {
                say!("{} events were published again", done["published"]);
            }
            report_failed(&done)?;
            match operator.stack.count(Queue::EventDeadLetters).await.map_err(Problem)? {
                0 => Ok(()),
                left => Err(Problem(format!("about {left} dead letters are left: try again in a few minutes"))),
            }
        }
        What::Actions { id } => {
            letters(&operator, Queue::ActionDeadLetters, "actions", id.as_deref(), options.yes, options.json).await
        }
        What::Webhooks { id } => {
            letters(&operator, Queue::WebhookDeadLetters, "events", id.as_deref(), options.yes, options.json).await
        }
    }
}

/// Sends the letters of a queue again, or one of them.
async fn letters(
    operator: &Operator,
    queue: Queue,
    what: &str,
    id: Option<&str>,
    yes: bool,
    as_json: bool,
) -> Result<(), Problem> {
    let letters = operator.stack.read(queue).await.map_err(Problem)?.letters;
    let wanted = letters.iter().filter(|letter| id.is_none_or(|id| letter.id == id)).count();
    if let (Some(id), 0) = (id, wanted) {
        return Err(Problem(format!("the queue does not show a letter {id}")));
    }
    if !yes {
        match as_json {
            true => say!("{}", json!({ "count": wanted, "done": false })),
            false => say!("{wanted} {what} would be sent again (--yes does it)"),
        }
        return Ok(());
    }
    let retried = match queue {
        Queue::WebhookDeadLetters => operator.retry_webhooks(id).await?,
        _ => operator.retry_actions(id).await?,
    };
    if as_json {
        let mut told = serde_json::to_value(&retried)?;
        told["done"] = json!(true);
        say!("{told}");
    } else {
        say!("{} {what} were sent again", retried.sent);
    }
    match &retried.failed[..] {
        [] => Ok(()),
        failed => Err(Problem(format!("{} may still be there: {}", failed.len(), failed.join("; ")))),
    }
}

/// What the relay could not publish, as a failure of the command.
pub(crate) fn report_failed(done: &serde_json::Value) -> Result<(), Problem> {
    let failed = done["failed"].as_array().map(Vec::as_slice).unwrap_or_default();
    let left = done["left"].as_array().map(Vec::as_slice).unwrap_or_default();
    match (failed.len(), left.len()) {
        (0, 0) => Ok(()),
        (failed, left) => {
            Err(Problem(format!("{failed} were not published and may be later; {left} letters were left in the queue")))
        }
    }
}

async fn quarantine(
    operator: &Operator,
    connections: &[Connection],
    id: Option<&str>,
    again: Again,
    json: bool,
) -> Result<(), Problem> {
    let mut all: Vec<(Connection, Retried)> = Vec::new();
    for connection in connections {
        // Whoever names one means it, whatever became of it.
        let held = match id {
            Some(_) => operator.ledger.held(connection, HeldFilter::default()).await?.held,
            None => operator.open_quarantine(connection).await?,
        };
        for held in held.iter().filter(|held| id.is_none_or(|id| held.id.starts_with(id))) {
            let Some(held) = operator.ledger.quarantined_body(connection, &held.id).await? else { continue };
            let retried = operator.retry_quarantined(connection, &held, again).await?;
            all.extend(retried.into_iter().map(|one| (connection.clone(), one)));
        }
    }
    if json {
        for (_, one) in &all {
            say!("{}", serde_json::to_string(one)?);
        }
    } else if all.is_empty() {
        say!("nothing is in quarantine that could be read again");
    } else {
        let mut table =
            table(&[name("connection").unless_same(), name("document"), name("outcome"), sentence("detail")]);
        for (connection, one) in &all {
            let document = one.document.clone().unwrap_or_else(|| one.id.chars().take(12).collect());
            let detail = one.detail.as_deref().unwrap_or_default();
            table.add_row([&connection.to_string(), &document, one.outcome, detail]);
        }
        say!("{table}");
        if again.dry_run {
            say!("nothing was changed: --yes records what can be read");
        }
    }
    let unreadable = all.iter().filter(|(_, one)| one.outcome == "unreadable").count();
    match unreadable {
        0 => Ok(()),
        _ if again.dry_run => Ok(()),
        unreadable => Err(Problem(format!("{unreadable} still cannot be read"))),
    }
}
