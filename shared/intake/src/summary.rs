//! What a list shows of a revision: nothing personal.

use ledger::{Revision, RevisionKey, Summary, System};
use mycashflow::Order;

use crate::stored_order;

/// The most characters of a text in a list.
const TEXT: usize = 40;

/// What a list shows of an order.
pub(crate) fn summary(order: &Order) -> Summary {
    let text = |text: &str| text.chars().take(TEXT).collect::<String>();
    Summary {
        number: order.order_number.as_deref().map(text),
        status: order.status.as_deref().map(text),
        payment_status: order.payments.iter().find_map(|payment| payment.status.as_deref()).map(text),
        total: order.total().map(|total| total.to_string()),
        warnings: u32::try_from(order.warnings.len()).unwrap_or(u32::MAX),
    }
}

/// What a list shows of a recorded revision; none for a message of the ERP, and for a body that cannot be read.
pub fn summary_of(key: &RevisionKey, revision: &Revision) -> Option<Summary> {
    match key.document.connection.system {
        System::Mycashflow => stored_order(&key.document, revision).ok().map(|order| summary(&order)),
        System::Manu => None,
    }
}
