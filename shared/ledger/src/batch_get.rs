//! Reading many items by their keys.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use crate::item::Item;
use crate::{Ledger, LedgerError};

/// DynamoDB takes at most this many keys in one `BatchGetItem`.
const KEYS: usize = 100;
/// How often keys that DynamoDB left unprocessed are asked for again.
const TRIES: u32 = 24;

impl Ledger {
    /// Reads items by their keys, which must differ, a hundred with each call, and hands each to `take`.
    pub(crate) async fn batch_get(
        &self,
        keys: Vec<Item>,
        mut take: impl FnMut(&Item) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let failed = |reason: String| LedgerError::Unavailable { operation: "BatchGetItem", reason };
        for batch in keys.chunks(KEYS) {
            let mut wanted = batch.to_vec();
            let mut attempt = 0_u32;
            while !wanted.is_empty() {
                let keys = KeysAndAttributes::builder()
                    .set_keys(Some(std::mem::take(&mut wanted)))
                    .consistent_read(true)
                    .build()
                    .map_err(|error| failed(error.to_string()))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.table, keys)
                    .send()
                    .await
                    .map_err(LedgerError::unavailable("BatchGetItem"))?;
                answer.responses().into_iter().flat_map(HashMap::values).flatten().try_for_each(&mut take)?;
                wanted = answer
                    .unprocessed_keys()
                    .and_then(|tables| tables.get(&self.table))
                    .map(|keys| keys.keys().to_vec())
                    .unwrap_or_default();
                if !wanted.is_empty() {
                    attempt += 1;
                    if attempt == TRIES {
                        return Err(failed("keys stay unprocessed".to_owned()));
                    }
                    tokio::time::sleep(Duration::from_millis(20_u64 << attempt.min(6))).await;
                }
            }
        }
        Ok(())
    }
}
