//! Orders by number.

use std::collections::HashMap;

use ledger::{GapKind, Stream};
use mycashflow::ClientError;

use crate::PAGE_ORDERS;
use crate::ask::Patience;
use crate::books::Books;
use crate::reader::Reader;
use crate::stop::{Stop, may_be_poison};

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// The most orders that a run asks for one by one, where the shop's answers to many at once are not whole.
const SINGLES: u32 = 300;

/// What a request by number brought.
#[derive(Default)]
pub(crate) struct Fetched {
    /// When each order was made, Unix seconds, where the order tells.
    pub(crate) found: HashMap<u64, Option<i64>>,
    /// Orders that the shop cannot serve.
    pub(crate) refused: Vec<u64>,
}

impl Fetched {
    /// Whether the answer says anything of an order: that it is there, or that it cannot be served.
    pub(crate) fn tells_of(&self, order: u64) -> bool {
        self.found.contains_key(&order) || self.refused.contains(&order)
    }
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
            Err(error) if may_be_poison(&error) => {
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

/// [`fetch`] of numbers of which some may have no order, together with `anchors`, orders that are known to exist: an answer
/// without one of them is not whole, and its orders are asked for one by one.
pub(crate) async fn fetch_with(reader: &mut Reader<'_>, orders: &[u64], anchors: &[u64]) -> Result<Fetched, Stop> {
    // The anchors stand last, so that an answer that is cut lacks them.
    let mut asked: Vec<u64> = orders.iter().copied().filter(|order| !anchors.contains(order)).collect();
    asked.extend(anchors);
    let mut fetched = fetch(reader, &asked).await?;
    if anchors.iter().all(|anchor| fetched.tells_of(*anchor)) {
        return Ok(fetched);
    }
    let mut any_anchor = false;
    // The anchors first: where none of them is shown singly either, no answer by number can be relied on.
    for order in anchors.iter().chain(orders) {
        if fetched.tells_of(*order) {
            any_anchor |= anchors.contains(order);
            continue;
        }
        if !any_anchor && !anchors.contains(order) {
            break;
        }
        if reader.singles >= SINGLES {
            return Err(Stop::Protocol("the shop's answers to many numbers are not whole"));
        }
        reader.singles += 1;
        let single = fetch(reader, &[*order]).await?;
        any_anchor |= anchors.contains(order) && single.tells_of(*order);
        fetched.found.extend(single.found);
        fetched.refused.extend(single.refused);
    }
    if any_anchor { Ok(fetched) } else { Err(Stop::Protocol("the shop serves none of the orders asked for by number")) }
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
