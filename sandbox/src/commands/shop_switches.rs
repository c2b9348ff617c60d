//! The switches of the simulated shops, which `serve` and `world` have in common.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use world::Vendors;
use world::shop::{Bound, Charset, Count, Lead, PAGE_SIZE, ShopConfig, Sort, Via};

use super::Problem;

/// How the simulated shops behave where the interface is undocumented, and the orders that they begin with.
#[derive(clap::Args)]
pub(crate) struct ShopSwitches {
    /// How many orders the simulated shops have from before today, which only the poll can find.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed_orders: u64,
    /// How long before the start the last of the seeded orders was made, in minutes. Without it, at midnight (UTC).
    #[arg(long, value_name = "MINUTES")]
    seed_until: Option<i64>,
    /// Whether a simulated shop's answer holds the second that was asked for. The real shop's bound is undocumented.
    #[arg(long, value_enum, default_value_t = BoundSwitch::Inclusive)]
    bound: BoundSwitch,
    /// Leave out the attributes `time_from`, `time_to` and `orders` of a simulated shop's answers.
    #[arg(long)]
    without_span: bool,
    /// Put a single order under a root `<Orders>` too, as one client has seen it.
    #[arg(long)]
    wrap_single: bool,
    /// The most orders in an answer of a simulated shop.
    #[arg(long, value_name = "N", default_value_t = PAGE_SIZE)]
    page_size: usize,
    /// What the attribute `orders` of an answer says: how many the whole result has, or this page, or nothing.
    #[arg(long, value_enum, default_value_t = CountSwitch::Whole)]
    count: CountSwitch,
    /// Show only the orders of so many days; `time_from` says where an answer begins.
    #[arg(long, value_name = "DAYS")]
    history_days: Option<i64>,
    /// How an answer is sorted, and which orders it holds when there are more.
    #[arg(long, value_enum, default_value_t = SortSwitch::Time)]
    sort: SortSwitch,
    /// By how many seconds the header `Date` of an answer is ahead; a negative number is behind.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    date_ahead: i64,
    /// How an answer is encoded, and what its header and its declaration say of that.
    #[arg(long, value_enum, default_value_t = CharsetSwitch::Utf8)]
    charset: CharsetSwitch,
    /// Begin every document with a byte order mark.
    #[arg(long)]
    byte_order_mark: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum BoundSwitch {
    Inclusive,
    Exclusive,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum CountSwitch {
    Whole,
    Page,
    Absent,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum SortSwitch {
    /// The oldest, oldest first.
    Time,
    /// The lowest ids, lowest first.
    Id,
    /// The newest, newest first.
    Newest,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum CharsetSwitch {
    Utf8,
    /// UTF-8, as the header says; the declaration says ISO-8859-1.
    DeclaredLatin1,
    /// ISO-8859-1, as the header says; there is no declaration.
    Latin1,
}

impl ShopSwitches {
    /// The shops' behaviour.
    pub(crate) fn config(&self) -> ShopConfig {
        ShopConfig {
            bound: match self.bound {
                BoundSwitch::Inclusive => Bound::Inclusive,
                BoundSwitch::Exclusive => Bound::Exclusive,
            },
            time_to: !self.without_span,
            single_wrapped: self.wrap_single,
            page_size: self.page_size,
            count: match self.count {
                CountSwitch::Whole => Count::Whole,
                CountSwitch::Page => Count::Page,
                CountSwitch::Absent => Count::Absent,
            },
            history: self.history_days.map(|days| SignedDuration::from_hours(24 * days)),
            sort: match self.sort {
                SortSwitch::Time => Sort::Time,
                SortSwitch::Id => Sort::Id,
                SortSwitch::Newest => Sort::Newest,
            },
            date_skew: SignedDuration::from_secs(self.date_ahead),
            charset: match self.charset {
                CharsetSwitch::Utf8 => Charset::Utf8,
                CharsetSwitch::DeclaredLatin1 => Charset::DeclaredLatin1,
                CharsetSwitch::Latin1 => Charset::Latin1InHeader,
            },
            lead: if self.byte_order_mark { Lead::ByteOrderMark } else { Lead::Nothing },
            ..ShopConfig::default()
        }
    }

    /// Gives every simulated shop a history: an order a minute, the last one so many minutes ago, or at midnight (UTC),
    /// so that it is the same whenever the sandbox is started on one day.
    pub(crate) fn seed(&self, world: &Vendors) -> Result<(), Problem> {
        let now = Timestamp::now();
        let last = match self.seed_until {
            Some(minutes) => now.checked_sub(minutes.minutes())?,
            None => now.to_zoned(TimeZone::UTC).date().to_zoned(TimeZone::UTC)?.timestamp(),
        };
        for name in world.shops.keys() {
            let Some(mut shop) = world.shop(name) else { continue };
            for index in 0..self.seed_orders {
                let minutes_ago = i64::try_from(self.seed_orders - 1 - index).unwrap_or(i64::MAX);
                shop.add_made_up(last.checked_sub(minutes_ago.minutes())?, index, Via::Api);
            }
        }
        Ok(())
    }
}
