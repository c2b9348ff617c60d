//! What an operator sees of a deployment, and can do with it.
//!
//! [`Operator`] answers questions over the ledger ([`status`](Operator::status), [`problems`](Operator::problems),
//! [`timeline`](Operator::timeline), …) and carries out what a person decides ([`retry_quarantined`](Operator::retry_quarantined),
//! [`replay`](Operator::replay), …), each act with a line in the audit log. The program `tilaussilta` prints the answers, and [`web`] shows them as
//! pages.

mod acts;
mod compare;
mod completeness;
mod operator;
mod orders;
mod poll_fault;
mod problems;
mod search;
mod spreadsheet;
mod stack;
mod status;
mod timeline;
pub mod web;
mod words;

pub use acts::{LettersRetried, Replay, Retried};
pub use compare::{Compare, Comparison};
pub use completeness::{Completeness, DayStatus, PollKnowledge};
pub use events::{Change, changes};
pub use operator::{Operator, OperatorError};
pub use orders::{OrderFilter, OrderRow};
pub use problems::{Problem, ProblemKind, Problems};
pub use spreadsheet::spreadsheet_safe;
pub use stack::{BoxFuture, Letter, Letters, Queue, Stack, StackFunction};
pub use status::{Attention, ConnectionStatus, PausedPart, PollStatus, Status};
pub use timeline::{ACTION_TRIES, DocumentState, Moment, RevisionView, Timeline};
