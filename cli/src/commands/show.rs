//! `tilaussilta show`: a document, and what became of it.

use console::{Operator, Timeline};
use events::{Reading, read_event};
use jiff::Timestamp;
use ledger::{DocumentKey, RevisionKey};
use serde_json::Value;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{document, known_connection, local, say, table};
use crate::table::{name, sentence, time};

/// `tilaussilta show`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tilaussilta show order/58 --stack tilaussilta\n  \
                        tilaussilta show mycashflow/acme 58 --event --stack tilaussilta")]
pub(crate) struct Options {
    /// The connection, where several have the document, and the document: order/58, or sales-order-activate/4711. For a
    /// shop's order its number is enough.
    #[arg(num_args = 1..=2, required = true, value_names = ["CONNECTION", "DOCUMENT"])]
    names: Vec<String>,
    /// Print the event of its last revision, as published. Leaves a line in the audit log.
    #[arg(long, conflicts_with = "body")]
    event: bool,
    /// Print the body of its last revision, as received. Leaves a line in the audit log.
    #[arg(long)]
    body: bool,
    /// This revision instead of the last.
    #[arg(long, value_name = "NUMBER", conflicts_with = "values")]
    revision: Option<u32>,
    /// What changed with its values, which may be personal. Leaves a line in the audit log.
    #[arg(long)]
    values: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    let key = find(&operator, &options.names).await?;
    if options.event || options.body {
        operator.audit(if options.body { "show body" } else { "show event" }, &key.to_string()).await?;
        let of = wanted(&operator, &key, options.revision).await?;
        if options.event {
            say!("{}", serde_json::to_string_pretty(&event(&operator, &of).await?)?);
        } else {
            let one = operator.ledger.revision(&of).await?.ok_or_else(|| gone(&of))?;
            say!("{}", String::from_utf8_lossy(&one.body));
        }
        return Ok(());
    }
    if options.revision.is_some() {
        return Err(Problem("--revision goes with --event or --body".to_owned()));
    }
    let mut timeline = operator.timeline(&key).await?;
    if options.values {
        operator.audit("show values", &key.to_string()).await?;
    } else {
        // What stood where may be personal. Where it stood is not.
        let changes = timeline.revisions.iter_mut().flat_map(|revision| &mut revision.changes);
        changes.for_each(|change| (change.before, change.after) = (None, None));
    }
    if options.json {
        say!("{}", serde_json::to_string_pretty(&timeline)?);
    } else {
        print(&timeline, options.values);
    }
    Ok(())
}

fn print(timeline: &Timeline, values: bool) {
    say!("{}", timeline.document);
    if let Some(state) = &timeline.state {
        say!("{}", state.line(console::web::Language::English, Timestamp::now()));
    }
    let mut moments = table(&[time("when"), name("what"), sentence("how")]);
    for moment in &timeline.moments {
        moments.add_row([local(moment.at), moment.what.clone(), moment.detail.clone()]);
    }
    say!("{moments}");
    for revision in timeline.revisions.iter().filter(|revision| values && !revision.changes.is_empty()) {
        say!("revision {} changed:", revision.revision);
        for change in &revision.changes {
            let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
            say!("  {}: {} → {}", change.path, shown(&change.before), shown(&change.after));
        }
    }
    for line in &timeline.open {
        say!("! {line}");
    }
}

/// The revision that a person wants: the last, unless they name another.
async fn wanted(operator: &Operator, key: &DocumentKey, revision: Option<u32>) -> Result<RevisionKey, Problem> {
    let revision = match revision {
        Some(revision) => revision,
        None => match operator.ledger.head(key).await? {
            Some(head) => head.revision,
            None => return Err(Problem(format!("the ledger has no {key}"))),
        },
    };
    Ok(RevisionKey { document: key.clone(), revision })
}

/// The event of a revision, whole.
async fn event(operator: &Operator, key: &RevisionKey) -> Result<Value, Problem> {
    match read_event(&operator.ledger, key).await? {
        Reading::Found(event) => Ok(event.published()),
        Reading::Gone | Reading::Unknown => Err(gone(key)),
        Reading::Unreadable(reason) => Err(Problem(reason)),
    }
}

fn gone(RevisionKey { document, revision }: &RevisionKey) -> Problem {
    Problem(format!("revision {revision} of {document} is erased or expired, or never was"))
}

/// The document that a person names, by itself where only one connection has it.
async fn find(operator: &Operator, names: &[String]) -> Result<DocumentKey, Problem> {
    let all = operator.all_connections();
    let name = match names {
        [connection, name] => return document(&known_connection(connection, &all)?.to_string(), name),
        [name] => name,
        _ => return Err(Problem("name one document".to_owned())),
    };
    if let Some(key) = DocumentKey::parse_full(name).filter(|key| all.is_empty() || all.contains(&key.connection)) {
        return Ok(key);
    }
    let mut found = Vec::new();
    for connection in &all {
        let key = document(&connection.to_string(), name)?;
        if operator.knows(&key).await? {
            found.push(key);
        }
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        [] if all.is_empty() => Err(Problem("name the connection too: show mycashflow/NAME DOCUMENT".to_owned())),
        [] => Err(Problem(format!("the ledger has no {name} on any connection"))),
        several => {
            let several: Vec<String> = several.iter().map(|key| key.connection.to_string()).collect();
            Err(Problem(format!("{name} is on several connections, so name one of them too: {}", several.join(", "))))
        }
    }
}
