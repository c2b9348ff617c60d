//! What became of a message.

use platform::Metric;
use serde::Serialize;

/// What became of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "snake_case")]
pub enum ActionOutcome {
    /// It was done now: how.
    Done(String),
    /// It had been done before, by the same key: how.
    DoneBefore(String),
    /// Only logged: the bridge is set to a dry run.
    DryRun(String),
    /// It was not done, and trying again would change nothing: why.
    Rejected(String),
    /// It is unknown whether it was done, and it is not retried automatically: why.
    Unknown(String),
    /// It was not finished, and may be later: why.
    Later(String),
}

impl ActionOutcome {
    /// The name and the reason, for logs.
    pub(crate) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Done(reason) => ("done", reason),
            Self::DoneBefore(reason) => ("done_before", reason),
            Self::DryRun(reason) => ("dry_run", reason),
            Self::Rejected(reason) => ("rejected", reason),
            Self::Unknown(reason) => ("unknown", reason),
            Self::Later(reason) => ("later", reason),
        }
    }
}

/// What became of a message's orders. It holds no text of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One line for each order.
    pub results: Vec<OrderResult>,
}

/// What became of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderResult {
    /// The order's id; absent when what names it cannot be read, or when the whole message is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u64>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: ActionOutcome,
}

impl Report {
    pub(crate) fn of(outcome: ActionOutcome) -> Self {
        Self { results: vec![OrderResult { order: None, outcome }] }
    }

    pub(crate) fn add(&mut self, order: Option<u64>, outcome: ActionOutcome) {
        self.results.push(OrderResult { order, outcome });
    }

    /// How many orders, or messages that name none, came to what. What was done before, or only rehearsed, is not counted.
    /// What is unfinished of a message that will not come again counts as refused.
    pub(crate) fn counts(&self, comes_again: bool) -> [(Metric, u64); 3] {
        let count = |counted: fn(&ActionOutcome) -> bool| {
            self.results.iter().filter(|result| counted(&result.outcome)).count() as u64
        };
        let refused = count(|outcome| matches!(outcome, ActionOutcome::Rejected(_) | ActionOutcome::Unknown(_)));
        let unfinished = count(|outcome| matches!(outcome, ActionOutcome::Later(_)));
        let (given_up, delayed) = if comes_again { (0, unfinished) } else { (unfinished, 0) };
        [
            (Metric::ActionsDone, count(|outcome| matches!(outcome, ActionOutcome::Done(_)))),
            (Metric::ActionsRefused, refused + given_up),
            (Metric::ActionsDelayed, delayed),
        ]
    }

    /// Whether the message must come again.
    pub fn is_unfinished(&self) -> bool {
        self.results.iter().any(|result| matches!(result.outcome, ActionOutcome::Later(_)))
    }

    /// Why a person should look at the message; none when all is well. For a message that will not come again, what is
    /// unfinished is a reason too.
    pub fn complaint(&self, comes_again: bool) -> Option<String> {
        let complaints = self.results.iter().filter_map(|result| {
            let reason = match &result.outcome {
                ActionOutcome::Rejected(reason) | ActionOutcome::Unknown(reason) => reason.clone(),
                ActionOutcome::Later(reason) if !comes_again => format!("not finished in time: {reason}"),
                ActionOutcome::Later(_)
                | ActionOutcome::Done(_)
                | ActionOutcome::DoneBefore(_)
                | ActionOutcome::DryRun(_) => return None,
            };
            Some(match result.order {
                Some(order) => format!("order {order}: {reason}"),
                None => reason,
            })
        });
        let complaints: Vec<String> = complaints.collect();
        (!complaints.is_empty()).then(|| complaints.join("; "))
    }
}
