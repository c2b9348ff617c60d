//! Marks: orders that the next run asks for by number.

use jiff::Timestamp;

use super::FORMAT;
use crate::condition::was_made;
use crate::item::{Item, format, key, ms, n};
use crate::{DocumentKey, Ledger, LedgerError};

impl Ledger {
    /// Marks an order for the poll to ask for. Marking it again renews the mark.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn mark_for_refresh(&self, order: &DocumentKey, now: Timestamp) -> Result<(), LedgerError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.refresh_item(order, now)))
            .send()
            .await
            .map(drop)
            .map_err(LedgerError::unavailable("PutItem"))
    }

    /// Takes a mark away after the order was asked for, unless it was renewed meanwhile.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn clear_refresh(&self, order: &DocumentKey, marked_at: Timestamp) -> Result<(), LedgerError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(order.connection.state_pk(), refresh_sk(order))))
            .condition_expression("marked_at = :marked_at")
            .expression_attribute_values(":marked_at", ms(marked_at))
            .send()
            .await;
        was_made(answer, "DeleteItem").map(drop)
    }

    /// Notes that the shop has plainly not shown a marked order in so many runs, unless the mark was renewed meanwhile.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn note_absent(&self, order: &DocumentKey, marked_at: Timestamp, runs: u32) -> Result<(), LedgerError> {
        let mut item = self.refresh_item(order, marked_at);
        item.insert("absent".to_owned(), n(runs));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("marked_at = :marked_at")
            .expression_attribute_values(":marked_at", ms(marked_at))
            .send()
            .await;
        was_made(answer, "PutItem").map(drop)
    }

    /// Renews marks that an earlier version gave an end ([`crate::ShopState::ending_refreshes`]): a mark is a debt, and
    /// outlives any pause of the poll. One that was cleared or renewed meanwhile stays as it is.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn keep_refreshes(&self, shop: &str, marks: &[(u64, Timestamp)]) -> Result<(), LedgerError> {
        for (order, marked_at) in marks {
            let answer = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(self.refresh_item(&DocumentKey::order(shop, *order), *marked_at)))
                .condition_expression("marked_at = :marked_at")
                .expression_attribute_values(":marked_at", ms(*marked_at))
                .send()
                .await;
            was_made(answer, "PutItem")?;
        }
        Ok(())
    }

    /// The mark of an order. It has no end of its own.
    pub(crate) fn refresh_item(&self, order: &DocumentKey, now: Timestamp) -> Item {
        let mut item = key(order.connection.state_pk(), refresh_sk(order));
        item.extend([format(FORMAT), ("order".to_owned(), n(&order.id)), ("marked_at".to_owned(), ms(now))]);
        item
    }
}

fn refresh_sk(order: &DocumentKey) -> String {
    format!("refresh#{}", order.id)
}
