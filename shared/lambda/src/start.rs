//! What a function does once, at start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls;
use ledger::{Ledger, Retention};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::{ConnectionSource, ConnectionStore, Deps, Metrics, StoreError, system_clock};

/// The product's own crates: the only ones whose logs go below warnings. Others log requests at their lower levels,
/// and with them keys, names and addresses.
const OWN_CRATES: [&str; 10] = [
    "changes_poller",
    "event_relay",
    "lambda",
    "ledger",
    "manu",
    "manu_listener",
    "mycashflow",
    "mycashflow_order",
    "sandbox",
    "shop_actions",
];

/// The longest that a call of an AWS service takes, the SDK's repeats included.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// Why a function could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable of the environment is missing.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable of the environment is not a number of days.
    #[error("the environment variable {0} must be a whole number of days")]
    NotDays(&'static str),
    /// The connections cannot be read.
    #[error(transparent)]
    Connections(#[from] StoreError),
}

/// What is made once at start and shared by the clients.
#[derive(Debug)]
pub struct Starter {
    config: SdkConfig,
}

impl Starter {
    /// Reads region, credentials and endpoint from the environment, and makes the one HTTP client.
    pub async fn from_environment() -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let config =
            aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts()).load().await;
        Self { config }
    }

    /// The DynamoDB client.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(dynamodb_settings(&self.config).build())
    }

    /// What every client of an AWS service is made from.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The ledger of `TABLE_NAME`, `RETENTION_DAYS` and `LOG_RETENTION_DAYS`, for a function that needs no connections.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn ledger(&self) -> Result<Ledger, StartError> {
        Ok(Ledger::new(
            self.dynamodb(),
            variable("TABLE_NAME")?,
            Retention {
                revisions: days("RETENTION_DAYS", Retention::default().revisions)?,
                log: days("LOG_RETENTION_DAYS", Retention::default().log)?,
            },
        ))
    }

    /// Makes what a function works with: the ledger, and the connections of `CONNECTIONS_SECRET` or, for development,
    /// `CONNECTIONS_FILE`.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn deps(&self) -> Result<Deps, StartError> {
        let ledger = self.ledger()?;
        let source = match std::env::var_os("CONNECTIONS_FILE") {
            Some(path) => ConnectionSource::File(PathBuf::from(path)),
            None => ConnectionSource::SecretsManager {
                client: aws_sdk_secretsmanager::Client::from_conf(
                    aws_sdk_secretsmanager::config::Builder::from(&self.config).timeout_config(timeouts()).build(),
                ),
                secret_id: variable("CONNECTIONS_SECRET")?,
            },
        };
        let connections = Arc::new(ConnectionStore::open(source).await?);
        Ok(Deps { ledger, connections, clock: system_clock(), metrics: Metrics::from_environment() })
    }
}

/// The DynamoDB client's settings: three tries, and time-outs that leave a function time to answer 503 itself.
pub fn dynamodb_settings(config: &SdkConfig) -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::config::Builder::from(config)
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
        .timeout_config(timeouts())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// Sends logs to standard output as JSON, from the level in `LOG_LEVEL` (default `info`) for the product's own crates
/// and from warnings for all others. No level logs a secret or personal data.
pub fn init_logs() {
    let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
    // A second call, as from a test, leaves the first one's subscriber in place.
    let _ = tracing_subscriber::registry().with(layer.with_filter(log_targets(level))).try_init();
}

/// Which logs are let through: of the product's own crates from `level` on, of all others warnings and errors.
pub fn log_targets(level: LevelFilter) -> Targets {
    Targets::new().with_default(LevelFilter::WARN).with_targets(OWN_CRATES.map(|name| (name, level)))
}

/// A variable of the environment that must be set.
///
/// # Errors
/// [`StartError::Missing`].
pub fn variable(name: &'static str) -> Result<String, StartError> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(StartError::Missing(name))
}

fn days(name: &'static str, default: Duration) -> Result<Duration, StartError> {
    const DAY_SECONDS: u64 = 24 * 60 * 60;
    match std::env::var(name) {
        Err(_) => Ok(default),
        Ok(value) => {
            let days: u32 = value.parse().map_err(|_| StartError::NotDays(name))?;
            Ok(Duration::from_secs(u64::from(days) * DAY_SECONDS))
        }
    }
}
