//! Where the connections come from, and when they are read again.

use std::path::PathBuf;
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
}

/// The connections as last read.
#[derive(Debug)]
pub struct ConnectionStore {
    source: ConnectionSource,
    current: RwLock<Arc<Connections>>,
    last_read: Mutex<Instant>,
}

impl ConnectionStore {
    /// Reads the connections for the first time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(source: ConnectionSource) -> Result<Self, StoreError> {
        let connections = read(&source).await?;
        Ok(Self { source, current: RwLock::new(Arc::new(connections)), last_read: Mutex::new(Instant::now()) })
    }

    /// The connections as last read.
    pub fn current(&self) -> Arc<Connections> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads them again, unless they were read within the last minute; answers whether they were. So a changed key
    /// takes effect by itself. When reading fails, what was read before goes on to hold, and a warning is logged.
    pub async fn read_again(&self) -> bool {
        let mut last_read = self.last_read.lock().await;
        if last_read.elapsed() < READ_AGAIN_AFTER {
            return false;
        }
        *last_read = Instant::now();
        match read(&self.source).await {
            Ok(connections) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(connections);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the connections could not be read again; the earlier ones hold");
                false
            }
        }
    }
}

async fn read(source: &ConnectionSource) -> Result<Connections, StoreError> {
    match source {
        ConnectionSource::Fixed(connections) => Ok(connections.clone()),
        ConnectionSource::File(path) => {
            // A few hundred bytes, once a minute at most, in development: not worth a thread of its own.
            let text =
                std::fs::read_to_string(path).map_err(|source| StoreError::File { path: path.clone(), source })?;
            Ok(Connections::parse(&text)?)
        }
        ConnectionSource::SecretsManager { client, secret_id } => {
            let failed = |reason: String| StoreError::Secret { secret_id: secret_id.clone(), reason };
            let secret = client.get_secret_value().secret_id(secret_id).send().await.map_err(|error| {
                use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
                failed(error.code().map_or_else(|| error.to_string(), str::to_owned))
            })?;
            let text = secret.secret_string().ok_or_else(|| failed("it has no text".to_owned()))?;
            Ok(Connections::parse(text)?)
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
    }
}
