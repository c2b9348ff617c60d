//! `tilaussilta status`: how everything stands, at a glance.

use std::process::ExitCode;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{Tone, ago, cell, local, say, table, with_local_times};
use crate::table::{name, number, time};

/// `tilaussilta status`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta status --stack tilaussilta\n\nEnds with 1 when a person is needed.")]
pub(crate) struct Options {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<ExitCode, Problem> {
    let status = target.find().await?.operator().await?.status().await?;
    let code = if status.attention.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if options.json {
        say!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(code);
    }
    let mut table = table(&[
        name("connection"),
        time("last push"),
        time("last poll"),
        name("stopped").rank(3),
        number("lag").rank(2),
        number("today").rank(1),
        number("gaps").unless_same(),
        number("quarantine").unless_same(),
        number("unpublished").unless_same(),
    ]);
    let count = |count: usize| cell(count, if count > 0 { Tone::Bad } else { Tone::Faint });
    for one in &status.connections {
        let nothing = || cell("–", Tone::Faint);
        let poll = one.last_poll.as_ref();
        let is_failed = poll.is_some_and(|poll| poll.failure.is_some());
        let tone = if is_failed { Tone::Bad } else { Tone::Plain };
        table.add_row([
            cell(&one.connection, Tone::Plain),
            one.last_push.map_or_else(nothing, |at| cell(ago(at, status.at), Tone::Plain)),
            poll.map_or_else(nothing, |poll| cell(ago(poll.at, status.at), tone)),
            poll.map_or_else(nothing, |poll| cell(&poll.stopped, tone)),
            poll.and_then(|poll| poll.lag_seconds).map_or_else(nothing, |lag| cell(format!("{lag} s"), Tone::Plain)),
            cell(one.arrivals_today, Tone::Plain),
            count(one.gaps_open),
            count(one.quarantined),
            count(one.unpublished),
        ]);
    }
    say!("{table}");
    let letters = |count: Option<u64>| count.map_or_else(|| "not known".to_owned(), |count| count.to_string());
    let (events, actions) = (letters(status.event_dead_letters), letters(status.action_dead_letters));
    let webhooks = letters(status.webhook_dead_letters);
    say!("dead letters: {events} of events, {actions} of actions, {webhooks} of webhooks");
    for paused in &status.paused {
        say!("paused: {} since {} by {}", paused.part, local(paused.since), paused.who);
    }
    if status.attention.is_empty() {
        say!("Nothing needs a person.");
    }
    for line in &status.attention {
        say!("! {}", target.in_commands(&with_local_times(&line.text)));
    }
    Ok(code)
}
