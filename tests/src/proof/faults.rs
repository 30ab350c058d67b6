//! The ways in which a call can fail.

use local::proxy::{Fault, Gate, Kind, Proxy};

use crate::harness::World;

/// The service that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    DynamoDb,
    Stripe,
    Ses,
}

impl Callee {
    pub(super) const ALL: [Self; 3] = [Self::DynamoDb, Self::Stripe, Self::Ses];

    pub(super) fn proxy(self, world: &World) -> &Proxy {
        match self {
            Self::DynamoDb => &world.proxy,
            Self::Stripe => &world.stripe_proxy,
            Self::Ses => world.ses_proxy(),
        }
    }

    /// How its calls are broken.
    pub(super) fn breaks(self, how: How) -> &'static [Break] {
        match (self, how) {
            (Self::DynamoDb, How::Every) => &OF_DYNAMODB,
            (Self::DynamoDb, How::Few) => &OF_DYNAMODB[..FEW],
            (Self::DynamoDb | Self::Ses, How::Late) => &[],
            (Self::Ses, How::Every) => &OF_SES,
            (Self::Ses, How::Few) => &OF_SES[..FEW],
            (Self::Stripe, How::Every) => &OF_STRIPE,
            (Self::Stripe, How::Few) => &OF_STRIPE[..FEW],
            (Self::Stripe, How::Late) => &[Break::Timeout],
        }
    }
}

/// In how many ways each call is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// In the ways that no retry by the SDK or us hides.
    Few,
    /// In all ways except [`How::Late`].
    Every,
    /// By letting it time out. Uses its own world with short timeouts.
    Late,
}

impl How {
    /// `STRIPE_TIMEOUT_MS`. A busy machine must not look like a Stripe that does not answer.
    pub(super) fn patience(self) -> &'static str {
        if self == Self::Late { "2000" } else { "20000" }
    }
}

/// The number of ways in [`How::Few`]: the first of each list.
const FEW: usize = 3;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// From it on, everything is carried out but no response arrives.
    Deaf,
    /// The process dies before the call arrives.
    KilledBefore,
    /// The process dies after the call was carried out.
    KilledAfter,
    /// It is carried out, its response is lost, and all later calls are throttled.
    LostThenThrottled,
    /// Its connection breaks once, before anything is done.
    DropOnce,
    /// Its response is lost once.
    LoseOnce,
    /// From it on, nothing gets through.
    Outage,
    /// From it on, 500 without doing anything.
    Errors,
    /// It is throttled once.
    ThrottleOnce,
    /// It and all later calls are throttled.
    Throttle,
    /// It is carried out, but its response times out.
    Timeout,
    /// It conflicts once with another transaction on the same item.
    Conflict,
}

const OF_DYNAMODB: [Break; 10] = [
    Break::Deaf,
    Break::KilledBefore,
    Break::KilledAfter,
    Break::DropOnce,
    Break::LoseOnce,
    Break::Outage,
    Break::Errors,
    Break::ThrottleOnce,
    Break::Throttle,
    Break::Conflict,
];

const OF_STRIPE: [Break; 10] = [
    Break::LostThenThrottled,
    Break::KilledBefore,
    Break::KilledAfter,
    Break::Deaf,
    Break::DropOnce,
    Break::LoseOnce,
    Break::Outage,
    Break::Errors,
    Break::ThrottleOnce,
    Break::Throttle,
];

/// SES is not retried, so one lost or refused call is final.
const OF_SES: [Break; 6] = [Break::LoseOnce, Break::KilledBefore, Break::KilledAfter, Break::DropOnce, Break::Errors, Break::Throttle];

impl Break {
    /// Whether it differs from the others for this operation. For reads it makes no difference
    /// whether they were carried out, and all faults that are retried once are alike.
    pub(super) fn matters_to(self, operation: &str) -> bool {
        let reads = matches!(operation, "GetItem" | "BatchGetItem" | "Query") || operation.starts_with("GET ");
        !reads || matches!(self, Self::KilledBefore | Self::Outage | Self::Errors | Self::ThrottleOnce | Self::Timeout)
    }

    /// Breaks the call at this index. The returned gate tells when the process dies.
    pub(super) fn inject(self, callee: Callee, world: &World, index: usize) -> Gate {
        let proxy = callee.proxy(world);
        let gate = Gate::new();
        let inject = |kind: Kind, skip: usize, times: usize| proxy.inject(Fault { operation: None, skip, times, kind });
        let throttle = || match callee {
            Callee::DynamoDb => Kind::Throttle,
            Callee::Stripe => Kind::Answer { status: 429, body: RATE_LIMIT.to_owned() },
            Callee::Ses => Kind::Answer { status: 429, body: TOO_MANY_MAILS.to_owned() },
        };
        match self {
            Self::Deaf => inject(Kind::LoseAnswer, index, usize::MAX),
            Self::KilledBefore => inject(Kind::Hold(gate.clone()), index, 1),
            Self::KilledAfter => inject(Kind::HoldAnswer(gate.clone()), index, 1),
            Self::LostThenThrottled => {
                inject(Kind::LoseAnswer, index, 1);
                inject(throttle(), index + 1, usize::MAX);
            }
            Self::DropOnce => inject(Kind::Drop, index, 1),
            Self::LoseOnce => inject(Kind::LoseAnswer, index, 1),
            Self::Outage => inject(Kind::Drop, index, usize::MAX),
            Self::Errors => inject(Kind::InternalServerError, index, usize::MAX),
            Self::ThrottleOnce => inject(throttle(), index, 1),
            Self::Throttle => inject(throttle(), index, usize::MAX),
            Self::Timeout => inject(Kind::HoldAnswer(Gate::new()), index, usize::MAX),
            Self::Conflict => inject(Kind::TransactionConflict, index, 1),
        }
        gate
    }
}

const RATE_LIMIT: &str = r#"{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many requests."}}"#;

const TOO_MANY_MAILS: &str = r#"{"__type":"TooManyRequestsException","message":"Maximum sending rate exceeded."}"#;
