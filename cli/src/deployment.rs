//! Which deployment a command works on, and how it is found.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use connections::{ConnectionSource, ConnectionStore, Connections};
use console::Operator;
use ledger::{Ledger, Retention};
use mycashflow::HttpTransport;
use tokio::net::TcpStream;
use url::Url;

use crate::Problem;
use crate::bus::Bus;
use crate::stack::{AwsStack, Names};

/// The table, the bus and the secret of a running `sandbox serve`.
const SANDBOX_TABLE: &str = "tilaussilta";
const SANDBOX_BUS: &str = "tilaussilta";
const SANDBOX_SECRET: &str = "connections";
/// The address of a running `sandbox serve`, where no other is named.
const SANDBOX_URL: &str = "http://127.0.0.1:8787";

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Which deployment a command works on. One of the three must be named.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "deployment", multiple = false)]
#[command(next_help_heading = "Deployment (one of them)")]
pub(crate) struct Target {
    /// A CloudFormation stack of the AWS account that the environment names.
    #[arg(long, value_name = "NAME", group = "deployment", env = "TILAUSSILTA_STACK", global = true)]
    stack: Option<String>,
    /// A ledger's DynamoDB table of that account, where the stack cannot be asked.
    #[arg(long, value_name = "NAME", group = "deployment", global = true)]
    table: Option<String>,
    /// A running `sandbox serve`.
    #[arg(long, value_name = "URL", group = "deployment", num_args = 0..=1, require_equals = true, default_missing_value = SANDBOX_URL, global = true)]
    sandbox: Option<String>,
}

/// A deployment that was found.
#[derive(Debug)]
pub(crate) struct Deployment {
    config: SdkConfig,
    table: String,
    secret: Option<String>,
    names: Names,
    is_sandbox: bool,
    /// How long the deployment keeps what is recorded; none when only its table is known.
    pub(crate) retention: Option<Retention>,
}

impl Target {
    /// A text in which each `tilaussilta COMMAND` names this deployment, so that it can be copied.
    pub(crate) fn in_commands(&self, text: &str) -> String {
        let option = match (&self.sandbox, &self.stack, &self.table) {
            (Some(url), ..) if url == SANDBOX_URL => "--sandbox".to_owned(),
            (Some(url), ..) => format!("--sandbox={url}"),
            (None, Some(stack), _) => format!("--stack {stack}"),
            (None, None, Some(table)) => format!("--table {table}"),
            (None, None, None) => return text.to_owned(),
        };
        text.replace("tilaussilta ", &format!("tilaussilta {option} "))
    }

    /// Finds the deployment.
    pub(crate) async fn find(&self) -> Result<Deployment, Problem> {
        if let Some(url) = &self.sandbox {
            let addresses = Url::parse(url)?.socket_addrs(|| None)?;
            let connected = TcpStream::connect(&*addresses).await;
            connected.map_err(|error| no_sandbox(url, &error.to_string()))?;
            return Ok(Deployment {
                config: sandbox_config(url),
                table: SANDBOX_TABLE.to_owned(),
                secret: Some(SANDBOX_SECRET.to_owned()),
                names: sandbox_names(),
                is_sandbox: true,
                retention: Some(Retention::default()),
            });
        }
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(platform::http_client()).load().await;
        match (&self.stack, &self.table) {
            (Some(stack), _) => of_stack(config, stack).await,
            (None, Some(table)) => {
                let names = Names::default();
                Ok(Deployment { config, table: table.clone(), secret: None, names, is_sandbox: false, retention: None })
            }
            (None, None) => Err(Problem("name the deployment with --stack, --table or --sandbox".to_owned())),
        }
    }
}

impl Deployment {
    /// The ledger, to be read, or to be written where nothing that is written has a time of its own.
    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger_for(self.retention.unwrap_or_default())
    }

    /// The ledger, to record in it.
    pub(crate) fn ledger_for(&self, retention: Retention) -> Ledger {
        Ledger::new(platform::dynamodb_client(&self.config), &*self.table, retention)
    }

    /// Stores another connections document.
    pub(crate) async fn store_connections(&self, document: &str) -> Result<(), Problem> {
        let secret_id = self
            .secret
            .clone()
            .ok_or_else(|| Problem("a table alone does not tell the secret: name the stack".to_owned()))?;
        let client = aws_sdk_secretsmanager::Client::new(&self.config);
        let put = client.put_secret_value().secret_id(secret_id).secret_string(document);
        let stored = put.send().await;
        stored
            .map(drop)
            .map_err(|error| Problem(format!("the secret cannot be stored: {}", ledger::sdk_reason(&error))))
    }

    /// Who looks at the deployment, and acts on it. A deployment of which only the table is known has no connections
    /// that could be listed.
    pub(crate) async fn operator(&self) -> Result<Operator, Problem> {
        let connections = match self.secret {
            Some(_) => self.connections().await?.current(),
            None => Arc::default(),
        };
        self.operator_with(connections)
    }

    /// Who looks at events as they are published, and needs no permission to read the connections for it.
    pub(crate) fn listener(&self) -> Result<Operator, Problem> {
        self.operator_with(Arc::default())
    }

    fn operator_with(&self, connections: Arc<Connections>) -> Result<Operator, Problem> {
        Ok(Operator {
            ledger: self.ledger(),
            connections,
            stack: Arc::new(AwsStack::new(&self.config, self.names.clone(), self.is_sandbox)),
            shops: Arc::new(HttpTransport::new()?),
            clock: platform::system_clock(),
        })
    }

    /// The deployment's event bus.
    pub(crate) fn bus(&self) -> Result<Bus, Problem> {
        let name = self.names.bus.as_deref();
        let name = name.ok_or_else(|| Problem("a table alone does not tell the bus: name the stack".to_owned()))?;
        Ok(Bus::new(&self.config, name))
    }

    /// The deployment's connections.
    pub(crate) async fn connections(&self) -> Result<ConnectionStore, Problem> {
        let secret_id = self.secret.clone().ok_or_else(|| {
            Problem(
                "a table alone does not tell the connections: name the stack, or a document with --connections"
                    .to_owned(),
            )
        })?;
        let client = aws_sdk_secretsmanager::Client::new(&self.config);
        if self.is_sandbox {
            let opened = ConnectionStore::open(ConnectionSource::SecretsManager { client, secret_id }).await;
            let url = self.config.endpoint_url().unwrap_or_default();
            return opened.map_err(|error| no_sandbox(url, &ledger::with_sources(&error)));
        }
        Ok(ConnectionStore::open(ConnectionSource::SecretsManager { client, secret_id }).await?)
    }
}

fn no_sandbox(url: &str, why: &str) -> Problem {
    Problem(format!("no sandbox answers at {url} (start sandbox serve, or give --sandbox=URL): {why}"))
}

/// The names that `sandbox serve` answers to.
fn sandbox_names() -> Names {
    let queue = |name: &str| Some(format!("http://embedded.invalid/000000000000/tilaussilta-{name}"));
    Names {
        poller: Some("changes-poller".to_owned()),
        relay: Some("event-relay".to_owned()),
        actions: Some("shop-actions".to_owned()),
        event_dead_letters: queue("event-dead-letters"),
        action_dead_letters: queue("actions-dead-letters"),
        actions_queue: queue("actions"),
        webhook_dead_letters: queue("webhook-dead-letters"),
        webhooks_queue: queue("webhooks"),
        bus: Some(SANDBOX_BUS.to_owned()),
    }
}

/// What a client of a running sandbox is made from. It looks at no credentials.
fn sandbox_config(url: &str) -> SdkConfig {
    let credentials = Credentials::new("sandbox", "sandbox", None, None, "sandbox");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(platform::http_client())
        .build()
}

/// Reads the outputs and the parameters of a stack.
async fn of_stack(config: SdkConfig, name: &str) -> Result<Deployment, Problem> {
    let client = aws_sdk_cloudformation::Client::new(&config);
    let answer = client.describe_stacks().stack_name(name).send().await;
    let answer =
        answer.map_err(|error| Problem(format!("the stack {name} cannot be read: {}", ledger::sdk_reason(&error))))?;
    let stack = answer.stacks().first().ok_or_else(|| Problem(format!("there is no stack {name}")))?;
    let outputs: HashMap<&str, &str> =
        stack.outputs().iter().filter_map(|output| Some((output.output_key()?, output.output_value()?))).collect();
    let parameters: HashMap<&str, &str> = stack
        .parameters()
        .iter()
        .filter_map(|parameter| Some((parameter.parameter_key()?, parameter.parameter_value()?)))
        .collect();
    let output = |key: &str| {
        let value = outputs.get(key).map(|value| (*value).to_owned());
        value
            .ok_or_else(|| Problem(format!("the stack {name} has no output {key}: is it a deployment of Tilaussilta?")))
    };
    let days = |key: &str, default: Duration| match parameters.get(key).map(|days| days.parse::<u64>()) {
        Some(Ok(days)) => Ok(Duration::from_secs(days * DAY_SECONDS)),
        Some(Err(_)) => Err(Problem(format!("the parameter {key} of the stack {name} is no number of days"))),
        None => Ok(default),
    };
    let default = Retention::default();
    let retention = Retention {
        revisions: days("RevisionRetentionDays", default.revisions)?,
        log: days("DeliveryLogRetentionDays", default.log)?,
    };
    let optional = |key: &str| outputs.get(key).map(|value| (*value).to_owned());
    let names = Names {
        poller: optional("ChangesPollerName"),
        relay: optional("EventRelayName"),
        actions: optional("ShopActionsName"),
        event_dead_letters: optional("EventDeadLettersUrl"),
        action_dead_letters: optional("ActionsDeadLettersUrl"),
        actions_queue: optional("ActionsQueueUrl"),
        webhook_dead_letters: optional("WebhookDeadLettersUrl"),
        webhooks_queue: optional("WebhooksQueueUrl"),
        bus: optional("EventBusName"),
    };
    Ok(Deployment {
        names,
        is_sandbox: false,
        table: output("LedgerTable")?,
        secret: Some(output("ConnectionsSecret")?),
        retention: Some(retention),
        config,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_command_names_its_deployment() {
        let target = |stack: Option<&str>, table: Option<&str>, sandbox: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            Target { stack: owned(stack), table: owned(table), sandbox: owned(sandbox) }
        };
        let text = "correct it in the shop, then tilaussilta refresh acme 9 --yes";
        let in_it = |target: Target| target.in_commands(text).rsplit_once("then ").unwrap().1.to_owned();
        assert_eq!(in_it(target(Some("shop"), None, None)), "tilaussilta --stack shop refresh acme 9 --yes");
        assert_eq!(in_it(target(None, Some("ledger"), None)), "tilaussilta --table ledger refresh acme 9 --yes");
        assert_eq!(in_it(target(None, None, Some(SANDBOX_URL))), "tilaussilta --sandbox refresh acme 9 --yes");
        let other = "http://127.0.0.1:9000";
        assert_eq!(
            in_it(target(None, None, Some(other))),
            format!("tilaussilta --sandbox={other} refresh acme 9 --yes")
        );
        assert_eq!(
            target(Some("tilaussilta"), None, None).in_commands("(tilaussilta polls)"),
            "(tilaussilta --stack tilaussilta polls)"
        );
    }
}
