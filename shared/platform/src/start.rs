//! What a function does once, at start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{IdentityCache, SharedAsyncSleep, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use ledger::{Ledger, Retention};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use connections::{ConnectionSource, ConnectionStore, StoreError};

use crate::{Deps, Metrics, Refusals, system_clock};

/// How the names of the product's own crates begin: the only ones whose logs go below warnings. Others log requests at
/// their lower levels, and with them keys, names and addresses.
const OWN_CRATES: &str = "tilaussilta";

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
    /// Reads what Lambda puts into a function's environment: region, credentials and, on a developer's machine,
    /// endpoints. Nothing else is looked for, neither in profiles nor in variables such as `AWS_MAX_ATTEMPTS` or
    /// `AWS_USE_FIPS_ENDPOINT`: the search is a tenth of a cold start.
    ///
    /// # Errors
    /// [`StartError::Missing`] without `AWS_REGION`.
    pub fn from_environment() -> Result<Self, StartError> {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(variable("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
            .identity_cache(IdentityCache::lazy().build())
            .service_config(EndpointVariables(set_variable))
            .http_client(http_client())
            .retry_config(RetryConfig::standard())
            .timeout_config(timeouts())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .build();
        Ok(Self { config })
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
            dynamodb_client(&self.config),
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
        Ok(Deps {
            ledger: self.ledger()?,
            connections: Arc::new(self.connections().await?),
            clock: system_clock(),
            metrics: Metrics::from_environment(),
            refusals: Refusals::default(),
        })
    }

    /// The connections of `CONNECTIONS_SECRET` or, for development, `CONNECTIONS_FILE`.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn connections(&self) -> Result<ConnectionStore, StartError> {
        let source = match std::env::var_os("CONNECTIONS_FILE") {
            Some(path) => ConnectionSource::File(PathBuf::from(path)),
            None => ConnectionSource::SecretsManager {
                client: aws_sdk_secretsmanager::Client::from_conf(
                    aws_sdk_secretsmanager::config::Builder::from(&self.config).timeout_config(timeouts()).build(),
                ),
                secret_id: variable("CONNECTIONS_SECRET")?,
            },
        };
        Ok(ConnectionStore::open(source).await?)
    }
}

/// The HTTP client of every client of an AWS service: TLS by rustls with *ring*, and the platform's root certificates.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

/// The endpoints named by the environment, as all of AWS's kits and tools know them: `AWS_ENDPOINT_URL` for every
/// service, `AWS_ENDPOINT_URL_DYNAMODB` for one.
#[derive(Debug)]
struct EndpointVariables(fn(&str) -> Option<String>);

impl LoadServiceConfig for EndpointVariables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let of_service = format!("{}_{}", key.env(), key.service_id().to_uppercase().replace(' ', "_"));
        (self.0)(&of_service).or_else(|| (self.0)(key.env()))
    }
}

/// The DynamoDB client: three tries, and time-outs that leave a function time to answer 503 itself.
pub fn dynamodb_client(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let settings = aws_sdk_dynamodb::config::Builder::from(config)
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
        .timeout_config(timeouts());
    aws_sdk_dynamodb::Client::from_conf(settings.build())
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
    Targets::new().with_default(LevelFilter::WARN).with_target(OWN_CRATES, level)
}

/// A variable of the environment that must be set.
///
/// # Errors
/// [`StartError::Missing`].
pub fn variable(name: &'static str) -> Result<String, StartError> {
    set_variable(name).ok_or(StartError::Missing(name))
}

/// A variable of the environment, if it is set to anything.
fn set_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(variables: fn(&str) -> Option<String>, service: &str) -> Option<String> {
        let key =
            ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
        EndpointVariables(variables).load_config(key.unwrap())
    }

    #[test]
    fn an_endpoint_of_one_service_goes_before_that_of_all() {
        let variables = |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some("http://all.invalid".to_owned()),
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some("http://secrets.invalid".to_owned()),
            _ => None,
        };
        assert_eq!(endpoint(variables, "Secrets Manager").as_deref(), Some("http://secrets.invalid"));
        assert_eq!(endpoint(variables, "DynamoDB").as_deref(), Some("http://all.invalid"));
        assert_eq!(endpoint(|_| None, "DynamoDB"), None, "AWS's own");
    }
}
