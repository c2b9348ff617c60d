//! The event bus, and the check that it is there.

use std::sync::Arc;

use aws_sdk_eventbridge::Client;
use ledger::sdk_reason;
use tokio::sync::OnceCell;

/// The event bus. Clones share the client, and the knowledge that the bus is there.
#[derive(Clone, Debug)]
pub struct EventBus {
    pub(crate) client: Client,
    pub(crate) name: String,
    verified: Arc<OnceCell<()>>,
}

impl EventBus {
    /// The bus of a name or an ARN. Whether it is there is not known yet.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into(), verified: Arc::default() }
    }

    /// Makes sure that the bus is there, by one call of `DescribeEventBus`. Once it was there, later calls return at once.
    ///
    /// `PutEvents` to a bus that is not there answers that all was published, and publishes nothing (aws/aws-cli#9186). So
    /// what was not verified must not be published.
    ///
    /// # Errors
    /// Why it could not be verified: the bus is not there, or the call failed.
    pub async fn verify(&self) -> Result<(), String> {
        let verified = self.verified.get_or_try_init(|| async {
            let answer = self.client.describe_event_bus().name(&self.name).send().await;
            answer.map(drop).map_err(|error| sdk_reason(&error))
        });
        verified.await.copied().inspect_err(|reason| {
            tracing::error!(bus = self.name, reason, "the event bus could not be verified: nothing is published");
        })
    }
}
