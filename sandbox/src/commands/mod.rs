//! The commands, and what several of them share.

pub(crate) mod backfill;
pub(crate) mod demo;
pub(crate) mod erase;
pub(crate) mod people;
pub(crate) mod serve;
pub(crate) mod world;

use std::path::PathBuf;
use std::time::Duration;

use aws_config::BehaviorVersion;
use ledger::{Ledger, Retention};
use mycashflow::RetryPolicy;
use sandbox::embedded::Embedded;

/// The table's name in the sandbox's own databases.
pub(crate) const TABLE: &str = "tilaussilta";

/// What a command could not do, for the person who asked.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) String);

impl<E: std::error::Error> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(ledger::with_sources(&error))
    }
}

/// Which ledger a command works on.
#[derive(clap::Args)]
pub(crate) struct Store {
    /// The sandbox's database file.
    #[arg(long, value_name = "FILE", default_value = "sandbox.db", conflicts_with = "table")]
    database: PathBuf,
    /// A DynamoDB table of the AWS account that the environment names, instead of a file.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

impl Store {
    /// Whether it is a table of an AWS account.
    pub(crate) fn is_table(&self) -> bool {
        self.table.is_some()
    }

    /// Opens the ledger, to read it or to write what has no time of its own; a file must exist.
    pub(crate) async fn open(&self) -> Result<Ledger, Problem> {
        self.open_for(Retention::default()).await
    }

    /// Opens the ledger to record in it; a file must exist.
    pub(crate) async fn open_for(&self, retention: Retention) -> Result<Ledger, Problem> {
        if let Some(table) = &self.table {
            let http = lambda::http_client();
            let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
            return Ok(Ledger::new(lambda::dynamodb_client(&config), table, retention));
        }
        if !self.database.exists() {
            return Err(Problem(format!(
                "there is no database {}: name one with --database, or a table with --table",
                self.database.display()
            )));
        }
        Ok(Ledger::new(Embedded::in_file(&self.database)?.client(), TABLE, retention))
    }
}

/// The client's patience with a shop in the sandbox: as deployed, but with shorter pauses, as somebody is watching.
pub(crate) fn policy() -> RetryPolicy {
    RetryPolicy { base_delay: Duration::from_millis(100), ..RetryPolicy::default() }
}
