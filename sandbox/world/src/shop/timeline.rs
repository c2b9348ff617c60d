//! Orders in the order of a time stamp: what one of the shop's two streams is read from.

use std::collections::BTreeSet;

/// Order numbers by (Unix second, number).
///
/// A page also says how many orders follow it in all. Counting them anew for each page would take a walk through a
/// million orders, so the count before one place is kept (`mark`), and the next question counts only from there.
#[derive(Default)]
pub(super) struct Timeline {
    keys: BTreeSet<(i64, u64)>,
    mark: (i64, u64),
    before_mark: usize,
}

impl Timeline {
    pub(super) fn insert(&mut self, second: i64, id: u64) {
        if self.keys.insert((second, id)) && (second, id) < self.mark {
            self.before_mark += 1;
        }
    }

    pub(super) fn remove(&mut self, second: i64, id: u64) {
        if self.keys.remove(&(second, id)) && (second, id) < self.mark {
            self.before_mark -= 1;
        }
    }

    /// The first `limit` keys from the start of `second` on, and how many there are from there on in all.
    pub(super) fn page(&mut self, second: i64, limit: usize) -> (Vec<(i64, u64)>, usize) {
        let start = (second, 0);
        if start >= self.mark {
            self.before_mark += self.keys.range(self.mark..start).count();
        } else {
            self.before_mark -= self.keys.range(start..self.mark).count();
        }
        self.mark = start;
        (self.keys.range(start..).take(limit).copied().collect(), self.keys.len() - self.before_mark)
    }

    /// All keys from the start of `second` on.
    pub(super) fn from(&self, second: i64) -> impl DoubleEndedIterator<Item = (i64, u64)> {
        self.keys.range((second, 0)..).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_follows_wherever_the_questions_jump() {
        let mut timeline = Timeline::default();
        let mut rng = fastrand::Rng::with_seed(7);
        let mut plain = BTreeSet::new();
        for _ in 0..2_000 {
            let (second, id) = (rng.i64(-8..8), rng.u64(0..6));
            if rng.bool() {
                timeline.insert(second, id);
                plain.insert((second, id));
            } else {
                timeline.remove(second, id);
                plain.remove(&(second, id));
            }
            let from = rng.i64(-10..10);
            let expected: Vec<_> = plain.iter().copied().filter(|key| key.0 >= from).collect();
            let (page, total) = timeline.page(from, 5);
            assert_eq!(total, expected.len());
            assert_eq!(page, expected[..total.min(5)]);
        }
    }
}
