//! How much work reading is, counted for the tests that it stays in proportion to the document.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static DONE: Cell<usize> = const { Cell::new(0) };
}

/// Notes that so many bytes were looked at, or names compared. Does nothing outside of tests.
#[inline(always)]
pub(crate) fn note(_units: usize) {
    #[cfg(test)]
    DONE.with(|done| done.set(done.get() + _units));
}

/// The work of `run`.
#[cfg(test)]
pub(crate) fn of(run: impl FnOnce()) -> usize {
    DONE.with(|done| done.set(0));
    run();
    DONE.with(Cell::get)
}
