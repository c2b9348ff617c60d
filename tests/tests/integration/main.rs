//! The integration tests: the functions' own code over the embedded DynamoDB.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod architecture;
mod changes_poller;
mod cost;
mod erasure;
mod event_read;
mod event_relay;
mod event_webhooks;
mod events;
mod glibc_check;
mod intake;
mod invariants;
mod large_ledger;
mod ledger_actions;
mod ledger_contract;
mod ledger_faults;
mod ledger_fixture;
mod manu_listener;
mod metrics;
mod mycashflow_order;
mod odd_shop;
mod one_order_every_way;
mod operator;
mod operator_days;
mod outbound;
mod poll_of_a_changing_shop;
mod poll_of_an_odd_shop;
mod secrets_stay_out_of_logs;
mod shop_actions;
mod simulation;
mod stored_formats;
mod template;
