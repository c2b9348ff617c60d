//! `tilaussilta quarantine`: what of a connection could not be read.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ledger::{QuarantineState, Quarantined};
use serde_json::{Value, json};

use crate::Problem;
use crate::deployment::Target;
use crate::output::{compact, known_connection, local, say, table};
use crate::table::{name, number, sentence, time};

/// `tilaussilta quarantine`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta quarantine mycashflow/acme --stack tilaussilta")]
pub(crate) struct Options {
    /// The connection: mycashflow/NAME or manu/NAME.
    connection: String,
    /// Print JSON, with the bodies as received: `body` is text, `body_base64` is bytes that are not UTF-8.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    let connection = known_connection(&options.connection, &operator.all_connections())?;
    let mut held = operator.ledger.quarantined(&connection).await?;
    let open: HashSet<String> = operator.open_quarantine(&connection).await?.into_iter().map(|held| held.id).collect();
    for one in held.iter_mut().filter(|one| one.state == QuarantineState::Open && !open.contains(&one.id)) {
        one.state = QuarantineState::Resolved { by: "a newer state".to_owned() };
    }
    if options.json {
        operator.audit("show", &format!("quarantine of {connection}")).await?;
        say!("{}", serde_json::to_string_pretty(&held.iter().map(quarantined_json).collect::<Vec<_>>())?);
    } else if held.is_empty() {
        say!("nothing of {connection} is in quarantine");
    } else {
        let mut table = table(&[
            time("first seen"),
            name("id"),
            name("document"),
            number("bytes").rank(1),
            name("state").unless_same(),
            sentence("reason"),
        ]);
        for one in &held {
            let document = one.document.as_deref().unwrap_or("not known");
            let id: String = one.id.chars().take(12).collect();
            let bytes = one.body.len().to_string();
            table.add_row([&local(one.first_seen), &id, document, &bytes, one.state.as_str(), &one.reason]);
        }
        say!("{table}");
    }
    Ok(())
}

fn quarantined_json(one: &Quarantined) -> Value {
    let (name, body) = match std::str::from_utf8(&one.body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("body_base64", STANDARD.encode(&one.body)),
    };
    compact(json!({
        "id": one.id,
        "first_seen": one.first_seen,
        "document": one.document,
        "reason": one.reason,
        "content_type": one.content_type,
        "truncated": one.truncated,
        "state": one.state.as_str(),
        name: body,
    }))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_shown_unspoiled() {
        let held = |body: &[u8]| Quarantined {
            id: String::new(),
            first_seen: Timestamp::UNIX_EPOCH,
            reason: String::new(),
            document: None,
            body: body.to_vec(),
            content_type: String::new(),
            truncated: false,
            kind: None,
            source: None,
            last_seen: Timestamp::UNIX_EPOCH,
            state: QuarantineState::Open,
        };
        let text = quarantined_json(&held("<Order n='ä'".as_bytes()));
        assert_eq!((text["body"].as_str(), text.get("body_base64")), (Some("<Order n='ä'"), None));
        let bytes = quarantined_json(&held(b"<Order n='\xe4'"));
        assert_eq!((bytes.get("body"), bytes["body_base64"].as_str()), (None, Some("PE9yZGVyIG49J+Qn")));
    }
}
