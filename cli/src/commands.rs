//! One file a command.

pub(crate) mod action;
pub(crate) mod actions;
pub(crate) mod audit;
pub(crate) mod backfill;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod connect;
pub(crate) mod console;
pub(crate) mod cursor;
pub(crate) mod dismiss;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod index;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod orders;
pub(crate) mod pause;
pub(crate) mod polls;
pub(crate) mod problems;
pub(crate) mod quarantine;
pub(crate) mod replay;
pub(crate) mod retry;
pub(crate) mod show;
pub(crate) mod status;
