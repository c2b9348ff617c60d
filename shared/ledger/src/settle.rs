//! What an operator says of bytes in quarantine.

use jiff::Timestamp;

use crate::condition::was_made;
use crate::delivery::quarantine_pk;
use crate::item::{key, ms, s};
use crate::{Connection, Ledger, LedgerError, QuarantineState};

impl Ledger {
    /// Writes down what became of bytes in quarantine; answers whether they are still there.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn settle_quarantined(
        &self,
        connection: &Connection,
        id: &str,
        state: &QuarantineState,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let (by, why) = match state {
            QuarantineState::Open => ("", ""),
            QuarantineState::Resolved { by } => (by.as_str(), ""),
            QuarantineState::Dismissed { by, why } => (by.as_str(), why.as_str()),
        };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(quarantine_pk(connection), id)))
            .condition_expression("attribute_exists(pk)")
            .update_expression("SET #state = :state, settled_by = :by, settled_why = :why, settled_at = :now")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", s(state.as_str()))
            .expression_attribute_values(":by", s(by))
            .expression_attribute_values(":why", s(why))
            .expression_attribute_values(":now", ms(now));
        was_made(update.send().await, "UpdateItem")
    }
}
