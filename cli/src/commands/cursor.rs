//! `tilaussilta cursor`: sets a shop's cursor back, so that the poll reads a stream again from there.

use clap::ValueEnum;
use jiff::Timestamp;
use ledger::Stream;
use platform::system_clock;
use poll::{SetBack, set_cursor_back};
use serde_json::json;

use crate::Problem;
use crate::deployment::Target;
use crate::output::{say, shop_day};

/// `tilaussilta cursor`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta cursor acme created --to 2026-11-01 --yes --stack tilaussilta")]
pub(crate) struct Options {
    /// The shop's name among the connections.
    shop: String,
    /// The stream: orders by the time they were made, or by the time they last changed.
    stream: StreamName,
    /// Where to: a day (Europe/Helsinki), such as 2024-01-01, or a time stamp. A cursor is never moved forward.
    #[arg(long, value_name = "TIME", value_parser = shop_day)]
    to: i64,
    /// Set it back. Without --yes, only report what would change.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum StreamName {
    Created,
    Updated,
}

impl From<StreamName> for Stream {
    fn from(name: StreamName) -> Self {
        match name {
            StreamName::Created => Self::Created,
            StreamName::Updated => Self::Updated,
        }
    }
}

pub(crate) async fn run(options: Options, target: &Target) -> Result<(), Problem> {
    let to = options.to;
    let (shop, stream) = (&options.shop, Stream::from(options.stream));
    let operator = target.find().await?.operator().await?;
    let ledger = &operator.ledger;
    let set = if options.yes {
        operator.audit("cursor", &format!("mycashflow/{shop} {} to {}", stream.as_str(), shown(to))).await?;
        let name = format!("cursor-{:016x}", fastrand::u64(..));
        set_cursor_back(ledger, &system_clock(), shop, stream, to, &name).await?
    } else {
        let state = ledger.shop_state(shop).await?;
        match state.cursor(stream).map(|cursor| cursor.position) {
            None => SetBack::NoCursor,
            Some(position) if to >= position => SetBack::NotBack(position),
            Some(position) => SetBack::Done(position),
        }
    };
    let stream = stream.as_str();
    match set {
        SetBack::Done(from) if options.json => {
            say!(
                "{}",
                json!({ "shop": shop, "stream": stream, "from": shown(from), "to": shown(to), "done": options.yes })
            );
            Ok(())
        }
        SetBack::Done(from) => {
            let verb = if options.yes { "was set back" } else { "would be set back (--yes does it)" };
            say!("{shop}: the {stream} cursor {verb} from {} to {}", shown(from), shown(to));
            Ok(())
        }
        SetBack::NotBack(from) => Err(Problem(format!(
            "{shop}: the {stream} cursor is at {}, and a cursor is never moved forward: that would skip orders",
            shown(from)
        ))),
        SetBack::NoCursor => {
            Err(Problem(format!("{shop}: there is no {stream} cursor, since no run has polled the shop")))
        }
        SetBack::Polled => {
            Err(Problem(format!("{shop}: a run polls the shop now; nothing was changed, so try again later")))
        }
    }
}

fn shown(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |at| at.to_string())
}
