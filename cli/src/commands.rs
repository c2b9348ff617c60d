//! One file a command.

pub(crate) mod backfill;
pub(crate) mod cursor;
pub(crate) mod erase;
pub(crate) mod log;
pub(crate) mod quarantine;
pub(crate) mod show;
