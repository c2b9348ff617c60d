//! The poll's runs: a line for each, so that a person sees what it did without reading logs.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::delivery::utc_date;
use crate::item::{Attributes, Item, expires_at, format, key, ms, n, s};
use crate::{Connection, Ledger, LedgerError, Span};

/// The version of the items' format.
const FORMAT: u32 = 1;

/// What one run did at one shop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollRun {
    /// When it ended.
    pub at: Timestamp,
    /// Its name, unlike that of any other.
    pub run: String,
    /// Why it stopped: `caught_up`, `deadline`, `failed`, …
    pub stopped: String,
    /// What failed.
    pub failure: Option<String>,
    /// Pages read.
    pub pages: u64,
    /// Orders that were new.
    pub new: u64,
    /// Orders that got a further revision.
    pub updated: u64,
    /// Orders that went to quarantine.
    pub quarantined: u64,
    /// Gaps open at its end.
    pub gaps_open: u64,
    /// How far the shop lags behind, in seconds, where that is known.
    pub lag_seconds: Option<i64>,
}

impl Ledger {
    /// Writes down what a run of the poll did at a shop.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`].
    pub async fn note_poll_run(&self, shop: &str, run: &PollRun) -> Result<(), LedgerError> {
        let sk = format!("{:013}#{}", run.at.as_millisecond(), run.run);
        let mut item = key(runs_pk(shop, utc_date(run.at)), sk);
        item.extend([
            format(FORMAT),
            ("at".to_owned(), ms(run.at)),
            ("run".to_owned(), s(&*run.run)),
            ("stopped".to_owned(), s(&*run.stopped)),
            ("expires_at".to_owned(), expires_at(run.at, self.retention.log)),
        ]);
        let counts = [
            ("pages", run.pages),
            ("new", run.new),
            ("updated", run.updated),
            ("quarantined", run.quarantined),
            ("gaps_open", run.gaps_open),
        ];
        item.extend(
            counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), n(count))),
        );
        item.extend(run.failure.as_deref().map(|failure| ("failure".to_owned(), s(failure))));
        item.extend(run.lag_seconds.map(|lag| ("lag_seconds".to_owned(), n(lag))));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(LedgerError::unavailable("PutItem"))
    }

    /// Reads the runs of a shop on one UTC day, oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`], or [`LedgerError::Corrupt`] for an item that this product did not write.
    pub async fn poll_runs(&self, shop: &str, day: Date) -> Result<Vec<PollRun>, LedgerError> {
        self.query(runs_pk(shop, day), None).await?.iter().map(run_from).collect()
    }

    /// The last run of a shop that ended in a time.
    ///
    /// # Errors
    /// As [`Ledger::poll_runs`].
    pub async fn last_poll_run_in(&self, shop: &str, span: Span) -> Result<Option<PollRun>, LedgerError> {
        for day in span.days().into_iter().rev() {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
                .expression_attribute_values(":pk", s(runs_pk(shop, day)))
                .expression_attribute_values(":from", s(format!("{:013}", span.from.as_millisecond())))
                .expression_attribute_values(":until", s(format!("{:013}", span.until.as_millisecond())))
                .scan_index_forward(false)
                .limit(1);
            let answer = query.send().await.map_err(LedgerError::unavailable("Query"))?;
            if let Some(item) = answer.items().first() {
                return run_from(item).map(Some);
            }
        }
        Ok(None)
    }

    /// The last run of a shop on a UTC day.
    ///
    /// # Errors
    /// As [`Ledger::poll_runs`].
    pub async fn last_poll_run(&self, shop: &str, day: Date) -> Result<Option<PollRun>, LedgerError> {
        self.last_of(runs_pk(shop, day)).await?.as_ref().map(run_from).transpose()
    }
}

fn runs_pk(shop: &str, day: Date) -> String {
    format!("polls#{}#{day}", Connection::shop(shop))
}

fn run_from(item: &Item) -> Result<PollRun, LedgerError> {
    let attributes = Attributes::of(item, FORMAT)?;
    let count = |name| attributes.optional_number(name).unwrap_or_default();
    Ok(PollRun {
        at: attributes.instant("at")?,
        run: attributes.string("run")?.to_owned(),
        stopped: attributes.string("stopped")?.to_owned(),
        failure: attributes.optional_string("failure").map(str::to_owned),
        pages: count("pages"),
        new: count("new"),
        updated: count("updated"),
        quarantined: count("quarantined"),
        gaps_open: count("gaps_open"),
        lag_seconds: attributes.optional_number("lag_seconds"),
    })
}
