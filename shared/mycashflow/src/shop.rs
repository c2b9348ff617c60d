//! What is the same for every shop: facts that more than one part of a program needs.

use std::sync::LazyLock;

use jiff::tz::TimeZone;

/// The most orders that a shop puts into one answer to `changes` (`docs/vendors/mycashflow.md`).
pub const PAGE_ORDERS: usize = 100;

/// The content type of [`Page::slice`](crate::Page::slice): the decoded text of an order. Where an order could not be
/// decoded, its slice is what the shop sent as UTF-8.
pub const SLICE_CONTENT_TYPE: &str = "application/xml; charset=utf-8";

/// The name of the shops' time zone in the time zone data base.
pub const TIME_ZONE: &str = "Europe/Helsinki";

/// The time zone of the shops' local times (`docs/vendors/mycashflow.md`, `OrderedAt`).
#[must_use]
pub fn time_zone() -> &'static TimeZone {
    // The data base is compiled in, so the zone is there; a test sees to that.
    static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get(TIME_ZONE).unwrap_or(TimeZone::UTC));
    &ZONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_zone_is_that_of_helsinki() {
        assert_eq!(time_zone().iana_name(), Some("Europe/Helsinki"));
    }
}
