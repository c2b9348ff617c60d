//! Orders by number.

use std::collections::HashMap;

use ledger::{GapKind, Stream};
use mycashflow::ClientError;

use crate::PAGE_ORDERS;
use crate::ask::{Patience, may_be_poison};
use crate::books::Books;
use crate::reader::Reader;
use crate::stop::Stop;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What a request by number brought.
#[derive(Default)]
pub(crate) struct Fetched {
    /// When each order was made, Unix seconds, where the order tells.
    pub(crate) found: HashMap<u64, Option<i64>>,
    /// Orders that the shop cannot serve.
    pub(crate) refused: Vec<u64>,
}

/// Asks for orders by number and takes them into the ledger. Where the shop fails, halves are asked for, down to the
/// single order.
pub(crate) async fn fetch(reader: &mut Reader<'_>, orders: &[u64]) -> Result<Fetched, Stop> {
    let mut fetched = Fetched::default();
    let mut open: Vec<&[u64]> = orders.chunks(PAGE_ORDERS).rev().collect();
    let mut patience = Patience::Usual;
    while let Some(batch) = open.pop() {
        reader.asking.check_time()?;
        match reader.get(batch, patience).await? {
            Ok(page) => {
                fetched.found.extend(page.entries.iter().filter_map(|entry| Some((entry.id?, entry.ordered_at))));
            }
            // The shop says in its own way that there is no such order, or none of them.
            Err(ClientError::Status { status: 404 | 410 }) if batch.len() == 1 => {}
            Err(error) if may_be_poison(&error) || matches!(error, ClientError::Status { status: 404 | 410 }) => {
                if patience == Patience::Usual {
                    check_alive(reader, error).await?;
                    patience = Patience::Probe;
                }
                match batch {
                    [order] => fetched.refused.push(*order),
                    _ => {
                        let (first, second) = batch.split_at(batch.len() / 2);
                        open.extend([second, first]);
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(fetched)
}

/// Whether the shop answers at all: an empty page of the future can be spoilt by no order.
async fn check_alive(reader: &mut Reader<'_>, error: ClientError) -> Result<(), Stop> {
    let future = reader.asking.now().as_second() + DAY_SECONDS;
    match reader.asking.changes(Stream::Created, future, Patience::Probe).await? {
        Ok(_) => Ok(()),
        Err(_) => Err(error.into()),
    }
}

/// Notes orders that the shop cannot serve, each as a gap of its own.
pub(crate) async fn owe_refused(reader: &Reader<'_>, books: &mut Books<'_>, refused: &[u64]) -> Result<(), Stop> {
    for order in refused {
        let kind = GapKind::Order { order: *order };
        if !books.state.gaps.iter().any(|gap| gap.kind == kind) {
            let reason = "the shop answers with an error for this order".to_owned();
            books.open_gap(&reader.asking.lease, kind, reason).await?;
        }
    }
    Ok(())
}
