//! The assumptions about the vendors that a world may break, by the name of the world in which each is false:
//! `docs/vendors/assumptions.md`.

use std::collections::BTreeSet;

use clap::ValueEnum;
use fastrand::Rng;

/// An assumption about the vendors or about AWS, by the name of the world in which it is false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Assumption {
    /// The header `Date` is within 5 minutes of our clock.
    WrongClock,
    /// An order that appears now says that it was made now.
    BackDated,
    /// No order says that it was made later than now.
    FutureDated,
    /// `OrderedAt` is a time.
    NonsenseTime,
    /// An id comes back with the same time of making.
    ReusedId,
    /// An order that the shop has shown stays.
    DeletedOrder,
    /// `OrderedAt` has a timestamp.
    TimesWithOffset,
    /// A page that is not the last holds 100 orders.
    SmallPages,
    /// An answer shows every order that it counts.
    HiddenOrder,
    /// `orders` counts the whole result.
    WrongCount,
    /// An empty page means that there is nothing.
    EmptyWithCount,
    /// `time_from` is the time that was asked for.
    SixtyDays,
    /// A page is complete up to `time_to`.
    WrongTimeTo,
    /// A page holds the oldest orders of the result.
    SortedById,
    /// A page is sorted by time.
    Unsorted,
    /// The same question is answered with the present state.
    CachedAnswers,
    /// An answer does not arrive after a much newer one.
    SlowAnswers,
    /// Ids are dense.
    SparseIds,
    /// Ids do not jump.
    IdJump,
    /// Ids rise with the time of making.
    IdsNotByTime,
    /// Ids are numbers.
    OddIds,
    /// `get` with several numbers shows orders.
    EmptyGet,
    /// `get` shows every order that exists.
    ShortGet,
    /// What is POSTed and what is answered render a state alike.
    TwoRenderings,
    /// The shop never refuses with 403.
    Firewall,
    /// The shop stays at its address.
    Moved,
    /// `Retry-After` is missing or short.
    RetryAfter,
    /// The text of a page is valid in its encoding.
    BadByte,
    /// Header and declaration name the same encoding.
    CharsetOfHeader,
    /// A document begins with its first byte.
    LeadingSpace,
    /// Numbers have no exponent.
    PhpNumbers,
    /// Weights and numbers of parcels are numbers.
    OddSideFields,
    /// A push is a document, not a form.
    PushAsForm,
    /// A push arrives with all its letters.
    LostLetters,
    /// Status 200 to `process` means that it is done.
    FalseSuccess,
    /// Another status than 200 to `process` means that it is not done.
    DoneAndRefused,
    /// `process` is answered with `<ok/>`.
    OddAnswers,
    /// A delivered order has the status `Shipped`.
    OtherWord,
    /// A delivery shows at once.
    LateStatus,
    /// The orders that a dispatch names are in the ledger.
    DispatchFirst,
    /// A tracking code is text.
    LongNumbers,
    /// The bus is there.
    MissingBus,
    /// A batch of the stream holds its records in the order in which they were written.
    ReversedStream,
    /// Two messages are not received at the same instant.
    SameInstant,
    /// A message is UTF-8 without a byte order mark.
    BomMessage,
    /// A message is UTF-8.
    #[value(name = "windows-1252-message")]
    Windows1252Message,
    /// A message arrives with the letters that were signed.
    LostLettersMessage,
    /// The header of the verify code comes once.
    JoinedHeaders,
    /// A message is JSON that common readers accept.
    OddJson,
}

/// Which of a seed's two worlds an assumption concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The world of the poll and the pushes.
    Poll,
    /// The outbound world: the ERP's messages, the relay and the actions.
    Outbound,
}

impl Assumption {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name, as in `docs/vendors/assumptions.md`.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Which world it concerns.
    pub(crate) fn side(self) -> Side {
        if self >= Self::FalseSuccess { Side::Outbound } else { Side::Poll }
    }

    /// In how many of a thousand worlds it is false.
    fn share(self) -> u32 {
        match self {
            // These shape the whole world, so that other faults show less in it.
            Self::SixtyDays | Self::SortedById | Self::Unsorted | Self::WrongCount | Self::EmptyGet => 25,
            outbound if outbound.side() == Side::Outbound => 120,
            Self::HiddenOrder | Self::WrongClock | Self::BadByte | Self::BackDated | Self::SmallPages => 50,
            _ => 35,
        }
    }

    /// Whether something may rightly stay owed, or every run fail, as long as this assumption is false: the shop tells of
    /// more than it shows, or makes it impossible to know that everything was shown.
    fn may_stay_owed(self) -> bool {
        self.hides_others()
            || matches!(
                self,
                Self::HiddenOrder
                    | Self::DeletedOrder
                    | Self::BackDated
                    | Self::FutureDated
                    | Self::NonsenseTime
                    | Self::OddIds
                    | Self::ReusedId
            )
    }

    /// Whether, as long as it is false, orders other than those concerned may stay owed with them.
    fn hides_others(self) -> bool {
        matches!(
            self,
            Self::WrongCount
                | Self::SixtyDays
                | Self::WrongTimeTo
                | Self::SortedById
                | Self::Unsorted
                | Self::ShortGet
                | Self::SparseIds
                | Self::IdsNotByTime
        )
    }
}

/// Which worlds to draw.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Keep a trace.
    pub trace: bool,
    /// Assumptions that are false in every world, while all others are true; when empty, each is drawn by itself.
    pub only: Vec<Assumption>,
    /// Assumptions that are true in every world.
    pub assumed: Vec<Assumption>,
}

impl Settings {
    /// Worlds in which every assumption is true.
    pub fn all_assumed() -> Self {
        Self { assumed: Assumption::all().to_vec(), ..Self::default() }
    }

    /// Whether there is anything to simulate in a seed's world of one side.
    pub(crate) fn concerns(&self, side: Side) -> bool {
        self.only.is_empty() || self.only.iter().any(|assumption| assumption.side() == side)
    }

    /// Draws the assumptions that are false in one world.
    pub(crate) fn draw(&self, rng: &mut Rng, side: Side) -> FalseAssumptions {
        let is_false = |assumption: &Assumption| {
            let drawn = rng.u32(0..1_000) < assumption.share();
            let named = self.only.contains(assumption);
            !self.assumed.contains(assumption) && if self.only.is_empty() { drawn } else { named }
        };
        let of_this_side = Assumption::all().iter().filter(|assumption| assumption.side() == side);
        let mut drawn = FalseAssumptions(of_this_side.copied().filter(is_false).collect());
        // A shop that refuses a delivery, does it, and shows it late as well leaves nothing to go by.
        if drawn.contains(Assumption::DoneAndRefused) {
            drawn.remove(Assumption::LateStatus);
        }
        drawn
    }
}

/// The assumptions that are false in a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FalseAssumptions(BTreeSet<Assumption>);

impl FalseAssumptions {
    pub(crate) fn contains(&self, assumption: Assumption) -> bool {
        self.0.contains(&assumption)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Assumption> {
        self.0.iter().copied()
    }

    /// Takes an assumption for true after all.
    pub(crate) fn remove(&mut self, assumption: Assumption) {
        self.0.remove(&assumption);
    }

    /// See [`Assumption::may_stay_owed`].
    pub(crate) fn may_stay_owed(&self) -> bool {
        self.iter().any(Assumption::may_stay_owed)
    }

    /// See [`Assumption::hides_others`].
    pub(crate) fn hide_others(&self) -> bool {
        self.iter().any(Assumption::hides_others)
    }
}
