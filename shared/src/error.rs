//! What can go wrong, in the domain's words. `http::problem` maps each to a status and a body.

use crate::store::StoreError;

/// Why a request was not carried out. The [`Error::code`] of each is stable and stands in `openapi.yaml`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not JSON, or not UTF-8.
    #[error("the body is not valid JSON: {0}")]
    MalformedJson(String),
    /// The body has another type than JSON.
    #[error("the body must be sent as application/json")]
    UnsupportedMediaType,
    /// The body is over 64 KiB.
    #[error("the body must have at most 65536 bytes")]
    BodyTooLarge,
    /// A value is missing or has the wrong type or range.
    #[error("{0}")]
    InvalidRequest(String),
    /// The cursor is none that a list has given.
    #[error("cursor must be the next_cursor of an earlier answer of the same list")]
    BadCursor,
    /// No session, or one that has ended.
    #[error("log in first")]
    NotSignedIn,
    /// Wrong e-mail or password; never says which.
    #[error("the e-mail or the password is wrong")]
    BadCredentials,
    /// Too many failed log-ins.
    #[error("too many failed log-ins; try again in {retry_after} seconds")]
    Throttled {
        /// In seconds.
        retry_after: i64,
    },
    /// The address belongs to another account.
    #[error("an account with this e-mail exists already")]
    EmailTaken,
    /// The user may not do this.
    #[error("you may not do this")]
    Forbidden,
    /// A write with a cookie from an origin that is not allowed.
    #[error("requests from this origin are not allowed to change anything")]
    ForeignOrigin,
    /// Only sellers may do this.
    #[error("only sellers may do this; ask the staff to make you one")]
    NotASeller,
    /// Nobody buys from themselves.
    #[error("you cannot buy your own course")]
    OwnCourse,
    /// Nobody subscribes to themselves.
    #[error("you cannot subscribe to your own membership")]
    OwnMembership,
    /// There is no such thing, or it is another's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// No function answers at this path and method.
    #[error("this address does not take that method")]
    MethodNotAllowed,
    /// Another course has the slug.
    #[error("another course has this slug already")]
    SlugTaken,
    /// Somebody else changed it in the meantime.
    #[error("it was changed by another request at this moment; read it again and retry")]
    Conflict,
    /// The buyer has the course.
    #[error("you own this course already")]
    AlreadyOwned,
    /// The course costs something else than the client expected.
    #[error("the price is {amount} minor units of {currency}")]
    PriceChanged {
        /// In the minor unit.
        amount: i64,
        /// Lower-case ISO 4217.
        currency: &'static str,
    },
    /// The seller cannot be paid.
    #[error("the seller of this course cannot be paid at the moment")]
    SellerNotConnected,
    /// The seller's account cannot be charged this way.
    #[error("the seller of this course cannot be paid at the moment: their Stripe account lacks the capability {capability}")]
    SellerCapabilityMissing {
        /// `card_payments` or `transfers`
        capability: &'static str,
    },
    /// Another request is making the same purchase.
    #[error("this purchase is being made by another request; look at it again in a moment")]
    PurchaseInProgress,
    /// The buyer has a subscription to the seller's membership.
    #[error("you have a subscription to this membership already")]
    AlreadySubscribed,
    /// Another request is making the same subscription, or changing it.
    #[error("this subscription is being made by another request; look at it again in a moment")]
    SubscriptionInProgress,
    /// The membership has no price for that interval.
    #[error("this membership is not offered for that interval")]
    IntervalNotOffered,
    /// Only what runs can be changed.
    #[error("this subscription does not run, or is about to end")]
    SubscriptionNotRunning,
    /// What is owed comes first.
    #[error("pay what this subscription owes first")]
    SubscriptionPastDue,
    /// There is nothing to give back.
    #[error("this purchase was not paid")]
    NotPaid,
    /// All was given back.
    #[error("this purchase was given back in full already")]
    AlreadyRefunded,
    /// More than is left.
    #[error("{left} minor units of {currency} are left to give back")]
    RefundTooLarge {
        /// In the minor unit.
        left: i64,
        /// Lower-case ISO 4217.
        currency: &'static str,
    },
    /// Another refund of the purchase has no known end.
    #[error("another refund of this purchase is being made; look at it again in a moment")]
    RefundInProgress,
    /// Stripe did not give back.
    #[error("the payment provider refused the refund: {0}")]
    RefundRefused(String),
    /// The bank decides.
    #[error("the buyer's bank disputes this payment; what is given back is decided there")]
    PurchaseDisputed,
    /// Only for those who paid.
    #[error("buy this course to read it")]
    NotOwned,
    /// The bank decides, and the platform closes the course meanwhile.
    #[error("this course can be read again when the bank has decided about its payment")]
    AccessSuspended,
    /// The bank said no.
    #[error("the card was declined")]
    CardDeclined {
        /// Stripe's `code`.
        reason: String,
        /// Stripe's `decline_code`.
        decline_code: Option<String>,
    },
    /// Stripe refused the payment method itself.
    #[error("this payment method cannot be used: {0}")]
    PaymentMethodRefused(String),
    /// Stripe refused or failed; whatever was begun is on record.
    #[error("the payment provider could not carry this out; nothing was charged twice, and it is safe to try again")]
    PaymentProviderError(String),
    /// Stripe is out of reach or overloaded.
    #[error("the payment provider is not available at the moment; it is safe to try again")]
    PaymentProviderUnavailable(String),
    /// Stripe did not answer in time; the outcome is found at the next try or event.
    #[error("the payment provider did not answer in time; it is safe to try again")]
    PaymentProviderTimeout(String),
    /// A parked link that is not there any more.
    #[error("this confirmation has ended; connect again")]
    ConfirmationGone,
    /// A token that came by mail was used, has expired, or was never issued.
    #[error("this link was used already or has expired; ask for a new one")]
    LinkGone,
    /// An account with a linked Stripe account cannot be erased.
    #[error("disconnect your Stripe account first")]
    StillConnected,
    /// An account with a subscription that runs cannot be erased.
    #[error("a subscription of yours still runs; cancel it and wait for its end first")]
    StillSubscribed,
    /// The user has a Stripe account linked already.
    #[error("a Stripe account is linked already; disconnect it first")]
    AlreadyLinked,
    /// The Stripe account is linked by another seller.
    #[error("this Stripe account is linked by another seller")]
    AccountTaken,
    /// The seller has another Stripe account than the one that was asked for.
    #[error("another Stripe account is connected already; disconnect it first")]
    AlreadyConnected,
    /// The seller has no Stripe account.
    #[error("connect a Stripe account first")]
    NotConnected,
    /// Only Express accounts have an Express Dashboard.
    #[error("this account has no Express Dashboard; its owner signs in at Stripe")]
    NoExpressDashboard,
    /// Stripe lets nobody into the Dashboard of an account whose owner has told nothing yet.
    #[error("finish the set-up of your Stripe account first")]
    OnboardingUnfinished,
    /// The webhook's signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// A fault of ours; the cause is logged and not shown.
    #[error("something went wrong on our side; it is logged under this request's id")]
    Internal(String),
}

impl Error {
    /// The stable code that clients switch on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedJson(_) => "malformed_json",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::BodyTooLarge => "body_too_large",
            Self::InvalidRequest(_) => "invalid_request",
            Self::BadCursor => "bad_cursor",
            Self::NotSignedIn => "not_signed_in",
            Self::BadCredentials => "bad_credentials",
            Self::Throttled { .. } => "throttled",
            Self::EmailTaken => "email_taken",
            Self::Forbidden => "forbidden",
            Self::ForeignOrigin => "foreign_origin",
            Self::NotASeller => "not_a_seller",
            Self::OwnCourse => "own_course",
            Self::OwnMembership => "own_membership",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::SlugTaken => "slug_taken",
            Self::Conflict => "conflict",
            Self::AlreadyOwned => "already_owned",
            Self::PriceChanged { .. } => "price_changed",
            Self::SellerNotConnected => "seller_not_connected",
            Self::SellerCapabilityMissing { .. } => "seller_capability_missing",
            Self::PurchaseInProgress => "purchase_in_progress",
            Self::AlreadySubscribed => "already_subscribed",
            Self::SubscriptionInProgress => "subscription_in_progress",
            Self::IntervalNotOffered => "interval_not_offered",
            Self::SubscriptionNotRunning => "subscription_not_running",
            Self::SubscriptionPastDue => "subscription_past_due",
            Self::NotPaid => "not_paid",
            Self::AlreadyRefunded => "already_refunded",
            Self::RefundTooLarge { .. } => "refund_too_large",
            Self::RefundInProgress => "refund_in_progress",
            Self::RefundRefused(_) => "refund_refused",
            Self::PurchaseDisputed => "purchase_disputed",
            Self::NotOwned => "not_owned",
            Self::AccessSuspended => "access_suspended",
            Self::CardDeclined { .. } => "card_declined",
            Self::PaymentMethodRefused(_) => "payment_method_refused",
            Self::PaymentProviderError(_) => "payment_provider_error",
            Self::PaymentProviderUnavailable(_) => "payment_provider_unavailable",
            Self::PaymentProviderTimeout(_) => "payment_provider_timeout",
            Self::ConfirmationGone => "confirmation_gone",
            Self::LinkGone => "link_gone",
            Self::StillConnected => "still_connected",
            Self::StillSubscribed => "still_subscribed",
            Self::AlreadyLinked => "already_linked",
            Self::AccountTaken => "account_taken",
            Self::AlreadyConnected => "already_connected",
            Self::NotConnected => "not_connected",
            Self::NoExpressDashboard => "no_express_dashboard",
            Self::OnboardingUnfinished => "onboarding_unfinished",
            Self::BadSignature => "bad_signature",
            Self::Internal(_) => "internal",
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cursor => Self::BadCursor,
            other => Self::Internal(other.to_string()),
        }
    }
}
