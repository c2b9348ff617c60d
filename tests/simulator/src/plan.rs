//! What a seed decides before anything happens.

use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use world::shop::{Bound, Charset, Count, Lead, ShopConfig, Sort};

use super::assumptions::{Assumption, FalseAssumptions, Settings, Side};
use harness::SHOP_KEY;

/// Nights on which Helsinki's clock changes, and ordinary days.
const DAYS: [&str; 4] =
    ["2026-03-29T00:10:00Z", "2026-10-25T00:10:00Z", "2026-06-10T08:00:00Z", "2026-12-31T21:30:00Z"];

/// Everything that is decided about a world before it begins.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// When it begins.
    pub(super) begin: Timestamp,
    /// How long the workload lasts, before quiescence.
    pub(super) length: Duration,
    /// The assumptions that are false.
    pub(super) falsehoods: FalseAssumptions,
    /// The shop's behaviour where its interface is undocumented.
    pub(super) shop: ShopConfig,
    /// How many events the workload has.
    pub(super) events: u32,
    /// The orders of an ordinary burst, at most.
    pub(super) burst: u32,
    /// Whether one second holds more orders than an answer does: how many.
    pub(super) crowd: Option<u32>,
    /// Orders that there were long before.
    pub(super) old_orders: u32,
    /// How late a commit may become visible, in seconds.
    pub(super) lateness: i64,
    /// Whether orders are as large as real ones, or only as large as it takes.
    pub(super) real_orders: bool,
    /// How often the schedule starts a run.
    pub(super) poll_every: Duration,
    /// From when to when, in seconds after the beginning, the shop has an outage: every request meets the same fault.
    pub(super) outage: Option<(u64, u64)>,
    /// Of a hundred requests to the shop, how many meet a fault.
    pub(super) shop_faults: u32,
    /// Of a thousand calls to the ledger, how many do.
    pub(super) ledger_faults: u32,
    /// Of a hundred runs, how many are killed, frozen, or have little time.
    pub(super) run_faults: u32,
    /// Of a hundred pushes, how many are lost, late, repeated or received by a function that is killed.
    pub(super) push_faults: u32,
    /// Whether the shop takes long over every answer, so that a walk of some pages takes minutes.
    pub(super) slow: bool,
    /// How often an order changes besides the workload's events, so that orders move within the stream during a walk.
    pub(super) churn: Option<Duration>,
    /// Whether some orders make the shop fail, or cannot be read.
    pub(super) bad_orders: bool,
}

impl Plan {
    /// Draws a plan from the thread's generator, and what is false in it from one of its own: the rest of a world stays the
    /// same whatever is assumed.
    pub(super) fn draw(seed: u64, settings: &Settings) -> Self {
        let mut plan = Self::draw_basics();
        let rng = &mut Rng::with_seed(seed ^ FALSEHOODS);
        plan.falsehoods = settings.draw(rng, Side::Poll);
        for falsehood in plan.falsehoods.clone().iter() {
            plan.break_assumption(falsehood, rng);
        }
        plan.make_noticeable();
        plan
    }

    fn draw_basics() -> Self {
        let crowded = percent(14);
        let slow = percent(if crowded { 30 } else { 3 });
        Self {
            begin: pick(&DAYS).parse().expect("a time stamp"),
            length: Duration::from_secs(60 * fastrand::u64(30..100)),
            falsehoods: FalseAssumptions::default(),
            shop: ShopConfig {
                key: SHOP_KEY.to_owned(),
                bound: pick(&[Bound::Inclusive, Bound::Exclusive]),
                time_to: percent(60),
                single_wrapped: fastrand::bool(),
                date_skew: SignedDuration::from_secs(pick(&[0, 0, fastrand::i64(-300..=300), 300, -300])),
                send_renders_now: fastrand::bool(),
                creation_updates: percent(60),
                dated: percent(90),
                ..ShopConfig::default()
            },
            events: fastrand::u32(3..25),
            burst: pick(&[1, 3, 12]),
            crowd: crowded.then(|| if percent(5) { fastrand::u32(250..1_000) } else { fastrand::u32(90..220) }),
            old_orders: if crowded && percent(60) { fastrand::u32(80..220) } else { fastrand::u32(0..12) },
            lateness: pick(&[0, 30, 540]),
            real_orders: percent(10),
            poll_every: Duration::from_secs(60 * pick(&[5, 5, 5, 11])),
            outage: percent(20).then(|| {
                let from = fastrand::u64(0..3_000);
                (from, from + fastrand::u64(60..3_000))
            }),
            shop_faults: pick(&[0, 0, 4, 15]),
            ledger_faults: pick(&[0, 0, 10, 60]),
            run_faults: pick(&[0, 20, 50]),
            push_faults: pick(&[0, 20, 60]),
            slow,
            churn: (crowded && percent(25)).then(|| Duration::from_millis(pick(&[1_000, 5_000, 20_000]))),
            bad_orders: percent(30),
        }
    }
    /// Lets the shop, or what happens in it, be as it is when an assumption is false.
    fn break_assumption(&mut self, assumption: Assumption, rng: &mut Rng) {
        use Assumption as A;
        let shop = &mut self.shop;
        match assumption {
            A::SmallPages => shop.page_size = one_of(rng, &[50, 50, 20, 99]),
            A::WrongCount => {
                shop.count = one_of(rng, &[Count::Absent, Count::Page, Count::More(1), Count::More(300), Count::Text]);
            }
            A::WrongTimeTo => shop.time_to_skew = SignedDuration::from_secs(one_of(rng, &[-3_600, -1, 1, 3_600])),
            A::SixtyDays => shop.history = Some(SignedDuration::from_mins(one_of(rng, &[20, 45, 100]))),
            A::SortedById => shop.sort = Sort::Id,
            A::Unsorted => shop.sort = one_of(rng, &[Sort::Reversed, Sort::Newest]),
            A::TwoRenderings => shop.two_renderings = true,
            A::TimesWithOffset => shop.offset_times = true,
            A::PhpNumbers => shop.exponents = true,
            A::OddSideFields => shop.odd_side_fields = true,
            A::CharsetOfHeader => shop.charset = one_of(rng, &[Charset::DeclaredLatin1, Charset::Latin1InHeader]),
            A::LeadingSpace => {
                shop.lead = one_of(rng, &[Lead::ByteOrderMark, Lead::TwoByteOrderMarks, Lead::WhiteSpace]);
            }
            A::BadByte | A::NonsenseTime | A::OddIds => self.bad_orders = true,
            A::EmptyWithCount | A::RetryAfter | A::Firewall | A::Moved => self.shop_faults = self.shop_faults.max(4),
            A::PushAsForm | A::LostLetters => self.events = self.events.max(12),
            A::SlowAnswers => self.run_faults = self.run_faults.max(30),
            A::EmptyGet | A::ShortGet => {
                self.crowd = self.crowd.or(Some(rng.u32(110..180)));
            }
            A::IdJump | A::SparseIds | A::IdsNotByTime => {
                // Without a count, nothing tells of an order whose number no one can guess.
                shop.time_to = true;
                if rng.bool() {
                    self.crowd = self.crowd.or(Some(rng.u32(110..140)));
                }
            }
            // The workload and the transport ask for these.
            A::WrongClock
            | A::BackDated
            | A::FutureDated
            | A::ReusedId
            | A::DeletedOrder
            | A::HiddenOrder
            | A::CachedAnswers => {}
            // These concern the outbound world.
            outbound => debug_assert_eq!(outbound.side(), Side::Outbound),
        }
    }

    /// What no answer ever mentions cannot be noticed, so where an answer shows less than there is, it says so. And where
    /// pages matter, there are several.
    fn make_noticeable(&mut self) {
        use Assumption as A;
        // A page is full, and another one follows, only in a shop with more orders than one page holds.
        let of_full_pages = [A::SortedById, A::Unsorted, A::WrongTimeTo, A::WrongCount, A::HiddenOrder, A::SixtyDays];
        if self.falsehoods.iter().any(|falsehood| of_full_pages.contains(&falsehood)) && percent(50) {
            self.old_orders = self.old_orders.max(fastrand::u32(105..170));
        }
        let shows_less =
            [A::SmallPages, A::HiddenOrder, A::ShortGet, A::SixtyDays, A::SortedById, A::Unsorted, A::WrongTimeTo];
        if self.falsehoods.iter().any(|falsehood| shows_less.contains(&falsehood)) {
            self.shop.time_to = true;
            if !matches!(self.shop.count, Count::More(_)) {
                self.shop.count = Count::Whole;
                self.falsehoods.remove(A::WrongCount);
            }
        }
        if self.falsehoods.contains(A::WrongCount) {
            self.shop.time_to = true;
        }
    }
}

/// Begins the generator of what is false in a world, beside that of all else.
const FALSEHOODS: u64 = 0x0ddb_a115_0000_0000;

fn one_of<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())].clone()
}

/// True in so many of a hundred cases.
pub(super) fn percent(share: u32) -> bool {
    fastrand::u32(0..100) < share
}

/// One of several.
pub(super) fn pick<T: Clone>(from: &[T]) -> T {
    from[fastrand::usize(..from.len())].clone()
}
