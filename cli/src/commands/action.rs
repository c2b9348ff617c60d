//! `tilaussilta deliver`, `comment` and `refresh`: one action at the shop, now.

use serde_json::{Value, json};

use crate::Problem;
use crate::deployment::Target;
use crate::output::{known_connection, say};

/// Which order, and whether it is done.
#[derive(clap::Args)]
pub(crate) struct Common {
    /// The shop's name among the connections.
    shop: String,
    /// The order's id.
    order: u64,
    /// A name for this action: under the same one it is never done twice. Without it, what is to be done is its name.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Do it. Without --yes, only show the message.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// `tilaussilta deliver`.
#[derive(clap::Args)]
#[command(
    after_help = "Example: tilaussilta deliver acme 58 --tracking-code JJFI1234 --send-email --yes --stack tilaussilta"
)]
pub(crate) struct Deliver {
    #[command(flatten)]
    common: Common,
    /// Have the shop mail the customer.
    #[arg(long)]
    send_email: bool,
    /// The parcel's code.
    #[arg(long, value_name = "CODE")]
    tracking_code: Option<String>,
}

/// `tilaussilta comment`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta comment acme 58 'Called the customer' --yes --stack tilaussilta")]
pub(crate) struct Comment {
    #[command(flatten)]
    common: Common,
    /// The text.
    text: String,
    /// Show it to the customer, and mail it.
    #[arg(long)]
    public: bool,
}

/// `tilaussilta refresh`.
#[derive(clap::Args)]
#[command(after_help = "Example: tilaussilta refresh acme 58 --yes --stack tilaussilta")]
pub(crate) struct Refresh {
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn deliver(options: Deliver, target: &Target) -> Result<(), Problem> {
    let mut message = json!({ "action": "deliver", "send_email": options.send_email });
    if let Some(code) = options.tracking_code {
        message["tracking_code"] = json!(code);
    }
    run(options.common, message, target).await
}

pub(crate) async fn comment(options: Comment, target: &Target) -> Result<(), Problem> {
    let message = json!({ "action": "add_comment", "message": options.text, "public_message": options.public });
    run(options.common, message, target).await
}

pub(crate) async fn refresh(options: Refresh, target: &Target) -> Result<(), Problem> {
    run(options.common, json!({ "action": "refresh" }), target).await
}

async fn run(common: Common, mut message: Value, target: &Target) -> Result<(), Problem> {
    let operator = target.find().await?.operator().await?;
    let shop = known_connection(&common.shop, &operator.all_connections())?;
    message["shop"] = json!(shop.name);
    message["order"] = json!(common.order);
    if let Some(id) = common.id {
        message["id"] = json!(id);
    }
    if !common.yes {
        say!("{message}");
        if !common.json {
            say!("nothing was done: --yes hands this to shop-actions");
        }
        return Ok(());
    }
    let answer = operator.act(message).await?;
    if common.json {
        say!("{answer}");
    }
    let mut failed = Vec::new();
    for result in answer["results"].as_array().into_iter().flatten() {
        let (outcome, reason) = (result["outcome"].as_str().unwrap_or("?"), result["reason"].as_str().unwrap_or(""));
        if !common.json {
            say!("order {}: {outcome}: {reason}", result["order"]);
        }
        if !outcome.starts_with("done") {
            failed.push(outcome.to_owned());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Problem(format!("it was not done: {}", failed.join(", ")))) }
}
