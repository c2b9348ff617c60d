//! The simulated outside world: MyCashflow shops and Manu Online ERPs with every documented behaviour, and with those
//! that the vendors' pages leave open as switches.

pub mod erp;
pub mod in_process;
pub mod orders;
pub mod shop;
mod vendors;

use std::sync::Arc;

use jiff::Timestamp;

pub use vendors::{SimulatedShop, Vendors, shop_url};

/// Tells the time. A function passed in, so that a simulation can have its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
