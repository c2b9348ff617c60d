//! Where the connections come from, and when they are read again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::{Connections, ConnectionsError};

/// How often the connections may be read again, at most: a stranger's wrong keys must not become calls.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Where the connections document is.
#[derive(Clone, Debug)]
pub enum ConnectionSource {
    /// A secret in Secrets Manager, by name or ARN.
    SecretsManager {
        /// The client to read it with.
        client: aws_sdk_secretsmanager::Client,
        /// The secret.
        secret_id: String,
    },
    /// A file, for development.
    File(PathBuf),
    /// The connections themselves, for a program that made them up.
    Fixed(Connections),
}

/// Why the connections could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The document is wrong.
    #[error(transparent)]
    Invalid(#[from] ConnectionsError),
    /// The file cannot be read.
    #[error("the connections file {} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The secret cannot be read.
    #[error("the secret {secret_id} with the connections cannot be read: {reason}")]
    Secret {
        /// The secret's name or ARN.
        secret_id: String,
        /// The service's error code, or what kept the call from it.
        reason: String,
    },
    /// The secret has no text.
    #[error("the secret {secret_id} with the connections has no text")]
    NoText {
        /// The secret's name or ARN.
        secret_id: String,
    },
}

impl StoreError {
    /// Whether the document was there to be read, and is wrong.
    fn is_of_the_document(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::NoText { .. })
    }
}

/// A version of the document.
#[derive(Clone, Copy)]
enum Version {
    Current,
    /// What was current before. Only Secrets Manager keeps one.
    Previous,
}

/// The connections as last read.
#[derive(Debug)]
pub struct ConnectionStore {
    source: ConnectionSource,
    current: RwLock<Arc<Connections>>,
    is_refused: AtomicBool,
    last_read: Mutex<Instant>,
}

impl ConnectionStore {
    /// Reads the connections for the first time. When the secret's document is wrong, the version before it is used: the
    /// functions that started earlier work with that one too, and a message of the ERP comes once.
    ///
    /// # Errors
    /// [`StoreError`] of the document, when the version before it cannot be read either.
    pub async fn open(source: ConnectionSource) -> Result<Self, StoreError> {
        let (connections, is_refused) = match read(&source, Version::Current).await {
            Ok(connections) => (connections, false),
            Err(error) if error.is_of_the_document() => match read(&source, Version::Previous).await {
                Ok(previous) => {
                    tracing::error!(%error, "the connections are wrong; those before them are in use, so a key that was revoked may count again");
                    (previous, true)
                }
                Err(_) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        warn_of(&connections);
        Ok(Self {
            source,
            current: RwLock::new(Arc::new(connections)),
            is_refused: AtomicBool::new(is_refused),
            last_read: Mutex::new(Instant::now()),
        })
    }

    /// Whether the document was wrong at its last reading, so that an earlier one is in use.
    pub fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// The connections as last read.
    pub fn current(&self) -> Arc<Connections> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads them again, unless they were read within the last minute; answers whether they were. So a changed key
    /// takes effect by itself. When reading fails, what was read before continues to hold, and a warning is logged.
    pub async fn read_again(&self) -> bool {
        let mut last_read = self.last_read.lock().await;
        if last_read.elapsed() < READ_AGAIN_AFTER {
            return false;
        }
        *last_read = Instant::now();
        match read(&self.source, Version::Current).await {
            Ok(connections) => {
                warn_of(&connections);
                self.is_refused.store(false, Ordering::Relaxed);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(connections);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the connections could not be read again; the earlier ones hold");
                if error.is_of_the_document() {
                    self.is_refused.store(true, Ordering::Relaxed);
                }
                false
            }
        }
    }
}

/// Logs what the owner should change. The warnings name fields, for example a bridge, and no values.
fn warn_of(connections: &Connections) {
    for warning in connections.warnings() {
        tracing::warn!(%warning, "the connections should be changed");
    }
}

async fn read(source: &ConnectionSource, version: Version) -> Result<Connections, StoreError> {
    match source {
        ConnectionSource::Fixed(connections) => Ok(connections.clone()),
        ConnectionSource::File(path) => {
            // A few hundred bytes, once a minute at most, in development: not worth a thread of its own.
            let text =
                std::fs::read_to_string(path).map_err(|source| StoreError::File { path: path.clone(), source })?;
            Ok(Connections::parse(&text)?)
        }
        ConnectionSource::SecretsManager { client, secret_id } => {
            let stage = match version {
                Version::Current => "AWSCURRENT",
                Version::Previous => "AWSPREVIOUS",
            };
            let asked = client.get_secret_value().secret_id(secret_id).version_stage(stage);
            let secret = asked.send().await.map_err(|error| {
                use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
                let reason = error.code().map_or_else(|| error.to_string(), str::to_owned);
                StoreError::Secret { secret_id: secret_id.clone(), reason }
            })?;
            let text = secret.secret_string().ok_or_else(|| StoreError::NoText { secret_id: secret_id.clone() })?;
            Ok(Connections::parse_deployed(text)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(secret: &str) -> String {
        format!(r#"{{"manu":{{"acme":{{"secrets":["{secret}"]}}}}}}"#)
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_secret_takes_effect_at_most_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("connections.json");
        std::fs::write(&file, document("old")).unwrap();
        let store = ConnectionStore::open(ConnectionSource::File(file.clone())).await.unwrap();
        std::fs::write(&file, document("new")).unwrap();
        assert!(!store.read_again().await, "a minute has not passed");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(store.read_again().await);
        assert_eq!(store.current().manu["acme"].secrets[0].reveal(), "new");

        std::fs::write(&file, "no longer JSON").unwrap();
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(!store.read_again().await);
        assert_eq!(store.current().manu["acme"].secrets[0].reveal(), "new", "the earlier ones hold");
        assert!(store.is_refused());
        assert!(
            ConnectionStore::open(ConnectionSource::File(file.clone())).await.is_err(),
            "a file has no version before"
        );

        std::fs::write(&file, document("newer")).unwrap();
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(store.read_again().await && !store.is_refused());
    }
}
