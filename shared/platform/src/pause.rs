//! Whether an operator has paused a part.

use ledger::{Ledger, Part, Pause};

/// Whether an operator has paused a part. While the ledger does not say so, it goes on.
pub async fn is_paused(ledger: &Ledger, part: Part) -> bool {
    let name = part.as_str();
    match ledger.paused(part).await {
        Ok(None) => false,
        Ok(Some(Pause { since, .. })) => {
            tracing::warn!(part = name, %since, "a part is paused, until tilaussilta resume is called for it");
            true
        }
        Err(error) => {
            tracing::warn!(
                part = name,
                error = error.to_string(),
                "it is not known whether a part is paused: it goes on"
            );
            false
        }
    }
}
