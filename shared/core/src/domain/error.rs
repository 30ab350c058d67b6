//! What can go wrong, in the domain's terms. `http::problem` maps each error to a status and a body.

#[cfg(feature = "password")]
use crate::base::password::Fault;

/// Why Stripe refused a payment method, as far as its owner is told.
pub const UNUSABLE: &str = "Stripe does not know it, it is not a card, or it cannot be used again";

/// Why a request failed. Each [`Error::code`] is stable and listed in `openapi.yaml`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not JSON, or not UTF-8.
    #[error("the body is not valid JSON: {0}")]
    MalformedJson(String),
    /// The body is not sent as JSON.
    #[error("the body must be sent as application/json")]
    UnsupportedMediaType,
    /// The body is over 64 KiB.
    #[error("the body must have at most {most} bytes")]
    BodyTooLarge {
        /// In bytes.
        most: usize,
    },
    /// A value is missing or has the wrong type or range.
    #[error("{0}")]
    InvalidRequest(String),
    /// The new password is too easy to guess.
    #[error("password is too easy to guess; use several words, or let a password manager make one")]
    PasswordTooWeak,
    /// The cursor did not come from a list.
    #[error("cursor must be the next_cursor of an earlier response of the same list")]
    BadCursor,
    /// There is no session, or it has ended.
    #[error("log in first")]
    NotSignedIn,
    /// Wrong e-mail or password; the error never says which.
    #[error("the e-mail or the password is wrong")]
    BadCredentials,
    /// The password was last entered too long ago for this.
    #[error("enter your password again first: PUT /sessions/current")]
    PasswordRequired,
    /// The user has a second factor, and the request has no code.
    #[error("enter the code of your authenticator app, or a recovery code, as well")]
    SecondFactorRequired,
    /// The second factor's code is wrong, or was used before.
    #[error("the code is wrong or was used before; wait for the next one")]
    SecondFactorWrong,
    /// There is a second factor already.
    #[error("your second factor is on already; switch it off first")]
    SecondFactorOn,
    /// The operator requires a second factor of staff.
    #[error("staff need a second factor: switch it on first")]
    SecondFactorRequiredForStaff,
    /// Too many failed log-ins.
    #[error("too many failed log-ins; try again in {retry_after} seconds")]
    Throttled {
        /// In seconds.
        retry_after: i64,
    },
    /// The address belongs to another account.
    #[error("an account with this e-mail already exists")]
    EmailTaken,
    /// The user may not do this.
    #[error("you may not do this")]
    Forbidden,
    /// A write with a cookie from a forbidden origin.
    #[error("requests from this origin are not allowed to change anything")]
    ForeignOrigin,
    /// Too many sign-ups from one address.
    #[error("too many sign-ups from this address; try again in {retry_after} seconds")]
    TooManySignUps {
        /// In seconds.
        retry_after: i64,
    },
    /// A user or an address requested too many mails.
    #[error("too many mails were requested; try again in {}", time(*retry_after))]
    TooManyMails {
        /// In seconds.
        retry_after: i64,
    },
    /// Too many cards were declined, or tried at the same time.
    #[error("too many cards were tried; try again in {}, or leave out payment_method and pay on the payment provider's own page now", time(*retry_after))]
    TooManyCards {
        /// In seconds.
        retry_after: i64,
    },
    /// The user must confirm their e-mail address, for example after a declined card.
    #[error("confirm your e-mail address first")]
    EmailNotConfirmed,
    /// After several declined cards, the user must prove to be human.
    #[error("answer the challenge first, or pay on the payment provider's own page")]
    ChallengeWanted,
    /// The user has not accepted the terms of use that hold now.
    #[error("accept the terms of use first: version {version}")]
    TermsNotAccepted {
        /// Where they can be read.
        url: String,
        /// Their version.
        version: String,
    },
    /// Only staff may set the platform's fee.
    #[error("only staff can set the platform's fee")]
    FeeIsThePlatforms,
    /// The seller's account can never be charged for in the way that this needs.
    #[error(
        "nobody could buy this: it needs the capability {capability}, which your Stripe account has not asked for; connect an account that has it, or ask the staff"
    )]
    NotSellable {
        /// `card_payments` or `transfers`
        capability: &'static str,
    },
    /// Sales charged on the seller's own account cannot be shared.
    #[error("your sales are charged on your own Stripe account, where they cannot be shared; ask the staff")]
    SalesNotShareable,
    /// Staff has suspended the user.
    #[error("this account is suspended; contact the staff")]
    Suspended,
    /// Only sellers may do this.
    #[error("only sellers may do this; ask the staff to make you one")]
    NotASeller,
    /// A seller need not apply.
    #[error("you are a seller already")]
    AlreadySeller,
    /// The user's application has not been decided.
    #[error("your application is waiting for the staff")]
    ApplicationWaiting,
    /// The user's application was declined only lately.
    #[error("your application was declined; you can apply again in {}", time(*retry_after))]
    TooManyApplications {
        /// In seconds.
        retry_after: i64,
    },
    /// Users cannot buy their own courses.
    #[error("you cannot buy your own course")]
    OwnCourse,
    /// Users cannot subscribe to their own membership.
    #[error("you cannot subscribe to your own membership")]
    OwnMembership,
    /// It does not exist, or belongs to somebody else.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The path does not support this method.
    #[error("this path does not support that method")]
    MethodNotAllowed,
    /// Another course has the slug.
    #[error("another course already has this slug")]
    SlugTaken,
    /// Another seller has, or had, this handle.
    #[error("another seller has or had this handle")]
    HandleTaken,
    /// Another request changed it in the meantime.
    #[error("another request changed it at the same time; read it again and retry")]
    Conflict,
    /// The buyer already has the course.
    #[error("you already own this course")]
    AlreadyOwned,
    /// The course does not cost what the client expected.
    #[error("the price is {amount} minor units of {currency}")]
    PriceChanged {
        /// In the minor unit.
        amount: i64,
        /// Lower-case ISO 4217.
        currency: &'static str,
    },
    /// The price is below Stripe's minimum in the settlement currency.
    #[error("the price is below the minimum that can be charged for this seller; it can be bought once the seller has raised it")]
    PriceTooLow,
    /// The seller cannot be paid.
    #[error("the seller of this course cannot be paid at the moment")]
    SellerNotConnected,
    /// The seller's account cannot take this type of charge.
    #[error("the seller of this course cannot be paid at the moment: their Stripe account lacks the capability {capability}")]
    SellerCapabilityMissing {
        /// `card_payments` or `transfers`
        capability: &'static str,
    },
    /// Another request is making the same purchase.
    #[error("this purchase is being made by another request; look at it again in a moment")]
    PurchaseInProgress,
    /// The buyer has paid, and the bank takes days.
    #[error("you have paid, and the bank is still processing it, which can take days; you are not charged again")]
    PaymentProcessing,
    /// On the account that is to be disconnected, buyers are paying or wait for a refund.
    #[error("payments or refunds on this account are not finished; try again later")]
    PaymentsInProgress,
    /// The buyer already has a subscription to the seller's membership.
    #[error("you already subscribe to this membership")]
    AlreadySubscribed,
    /// Another request is creating or changing the same subscription.
    #[error("this subscription is being made by another request; look at it again in a moment")]
    SubscriptionInProgress,
    /// The membership has no price for that interval.
    #[error("this membership is not offered for that interval")]
    IntervalNotOffered,
    /// Only a running subscription can be changed.
    #[error("this subscription is not active, or is about to end")]
    SubscriptionNotRunning,
    /// Open invoices must be paid first.
    #[error("pay this subscription's open invoice first")]
    SubscriptionPastDue,
    /// There is nothing to refund.
    #[error("this purchase was not paid")]
    NotPaid,
    /// Everything was refunded already.
    #[error("this purchase was already refunded in full")]
    AlreadyRefunded,
    /// The refund exceeds what is left.
    #[error("{left} minor units of {currency} are left to refund")]
    RefundTooLarge {
        /// In the minor unit.
        left: i64,
        /// Lower-case ISO 4217.
        currency: &'static str,
    },
    /// The partial refund is too small.
    #[error("refund at least {least} minor units of {currency}, or all that is left")]
    RefundTooSmall {
        /// In the minor unit.
        least: i64,
        /// Lower-case ISO 4217.
        currency: &'static str,
    },
    /// The purchase has reached its maximum number of refunds.
    #[error("this was already refunded {most} times, the maximum; staff can refund the rest")]
    TooManyRefunds {
        /// The maximum.
        most: usize,
    },
    /// The seller has reached a daily refund cap.
    #[error("you have refunded as much as sellers may in a day; continue tomorrow, or ask the staff")]
    RefundLimitReached {
        /// In seconds.
        retry_after: i64,
    },
    /// Another refund of the purchase has no known outcome yet.
    #[error("another refund of this purchase is being made; look at it again in a moment")]
    RefundInProgress,
    /// Stripe refused the refund.
    #[error("the payment provider refused the refund: {0}")]
    RefundRefused(String),
    /// A switch would credit money that the member does not have in the subscription any more.
    #[error("part of the current period was refunded or is disputed; switch when the period is over")]
    PeriodRefunded,
    /// The next invoice would charge more or less than the membership.
    #[error("the seller has added other charges or credits to your payments at Stripe; ask the seller to remove them, or cancel")]
    OtherCharges,
    /// The bank decides about the money.
    #[error("the buyer's bank disputes this payment, and decides what is refunded")]
    PurchaseDisputed,
    /// The seller's own account was charged.
    #[error("this payment was made on the seller's own Stripe account, so the seller answers the dispute, in their Stripe Dashboard")]
    DisputeIsTheSellers,
    /// The bank takes no evidence, or no more.
    #[error("the bank takes no evidence for this dispute: it is decided, or it is an appeal, which is made in the Stripe Dashboard")]
    DisputeNotAnswerable,
    /// It is too late for evidence.
    #[error("the day by which to answer this dispute has passed")]
    DisputePastDue,
    /// Evidence can be submitted only once.
    #[error("evidence for this dispute was submitted already, which is possible only once")]
    EvidenceSubmitted,
    /// Stripe refused the evidence.
    #[error("the payment provider refused the evidence: {0}")]
    EvidenceRefused(String),
    /// The seller's part of the payment was transferred to them again after a refund or dispute.
    #[error(
        "the seller's part was transferred to them again after a refund or a dispute; staff can refund this, if necessary in Stripe's Dashboard"
    )]
    RefundByStaff,
    /// Only buyers may read the course.
    #[error("buy this course to read it")]
    NotOwned,
    /// The bank has not decided yet, and the platform suspends access until then.
    #[error("this course can be read again once the bank has decided about its payment")]
    AccessSuspended,
    /// The bank declined the card.
    #[error("the card was declined")]
    CardDeclined {
        /// Stripe's `code`.
        reason: String,
        /// Stripe's `decline_code`.
        decline_code: Option<String>,
        /// The card's fingerprint, if Stripe gave one. It is counted and never returned to clients.
        fingerprint: Option<String>,
    },
    /// Stripe refused the payment method itself.
    #[error("this payment method cannot be used: {0}")]
    PaymentMethodRefused(&'static str),
    /// Stripe refused or failed. Work in progress is stored.
    #[error("the payment provider could not carry this out; nothing was charged twice, and it is safe to try again")]
    PaymentProviderError(String),
    /// Stripe cannot be reached or is overloaded.
    #[error("the payment provider is not available at the moment; it is safe to try again")]
    PaymentProviderUnavailable(String),
    /// Stripe did not answer in time. The next request or event finds the outcome.
    #[error("the payment provider did not answer in time; it is safe to try again")]
    PaymentProviderTimeout(String),
    /// The link to confirm no longer exists.
    #[error("this confirmation has expired; connect again")]
    ConfirmationGone,
    /// A token from a mail was used, has expired, or was never issued.
    #[error("this link was already used or has expired; request a new one")]
    LinkGone,
    /// An account with a linked Stripe account cannot be erased.
    #[error("disconnect your Stripe account first")]
    StillConnected,
    /// A seller who owes money leaves no account behind.
    #[error("your Stripe account owes money from refunds or disputes; continue with it until that is settled, or ask the platform")]
    DebtsOpen,
    /// An account with a running subscription cannot be erased.
    #[error("one of your subscriptions is still active; end it at once, or wait until it ends")]
    StillSubscribed,
    /// A membership is paid with this card.
    #[error("a membership is paid with this card; choose another for it first, or remove this one with in_use=true")]
    CardInUse,
    /// The user already has a linked Stripe account.
    #[error("a Stripe account is already linked; disconnect it first")]
    AlreadyLinked,
    /// Another seller has linked this Stripe account.
    #[error("another seller has linked this Stripe account")]
    AccountTaken,
    /// The seller has a different Stripe account from the one requested.
    #[error("another Stripe account is already connected; disconnect it first")]
    AlreadyConnected,
    /// Stripe lets the platform make no accounts. Staff are told why.
    #[error("no Stripe accounts can be created here at the moment; the staff have been told")]
    AccountsRefused,
    /// As many accounts of this type were made for the seller as they can have.
    #[error("{most} Stripe accounts of this type have been created for you, the maximum; ask the platform, or continue with the latest")]
    TooManyAccounts {
        /// The most for one seller.
        most: usize,
    },
    /// The seller has no Stripe account.
    #[error("connect a Stripe account first")]
    NotConnected,
    /// Only Express accounts have an Express Dashboard.
    #[error("this account has no Express Dashboard; its owner signs in at Stripe")]
    NoExpressDashboard,
    /// Stripe gives no Dashboard access before the account's owner has submitted details.
    #[error("finish setting up your Stripe account first")]
    OnboardingUnfinished,
    /// Stripe shows no components for the account.
    #[error("Stripe has no components for this account; use its own pages")]
    ComponentsRefused,
    /// The webhook's signature does not verify.
    #[error("the signature is invalid")]
    BadSignature,
    /// An internal error. The cause is logged and not shown.
    #[error("something went wrong on our side; it is logged under this request's id")]
    Internal(String),
}

#[cfg(feature = "password")]
impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Length => Self::InvalidRequest("password must have 8 to 256 characters".to_owned()),
            Fault::TooWeak => Self::PasswordTooWeak,
        }
    }
}

impl Error {
    /// The stable code that clients switch on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedJson(_) => "malformed_json",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::InvalidRequest(_) => "invalid_request",
            Self::PasswordTooWeak => "password_too_weak",
            Self::BadCursor => "bad_cursor",
            Self::NotSignedIn => "not_signed_in",
            Self::BadCredentials => "bad_credentials",
            Self::PasswordRequired => "password_required",
            Self::SecondFactorRequired => "second_factor_required",
            Self::SecondFactorWrong => "second_factor_wrong",
            Self::SecondFactorOn => "second_factor_on",
            Self::SecondFactorRequiredForStaff => "second_factor_required_for_staff",
            Self::Throttled { .. } => "throttled",
            Self::EmailTaken => "email_taken",
            Self::Forbidden => "forbidden",
            Self::ForeignOrigin => "foreign_origin",
            Self::TooManySignUps { .. } => "too_many_sign_ups",
            Self::TooManyMails { .. } => "too_many_mails",
            Self::TooManyCards { .. } => "too_many_cards",
            Self::EmailNotConfirmed => "email_not_confirmed",
            Self::ChallengeWanted => "challenge_wanted",
            Self::TermsNotAccepted { .. } => "terms_not_accepted",
            Self::FeeIsThePlatforms => "fee_is_the_platforms",
            Self::NotSellable { .. } => "not_sellable",
            Self::SalesNotShareable => "sales_not_shareable",
            Self::Suspended => "account_suspended",
            Self::NotASeller => "not_a_seller",
            Self::AlreadySeller => "already_seller",
            Self::ApplicationWaiting => "application_waiting",
            Self::TooManyApplications { .. } => "too_many_applications",
            Self::OwnCourse => "own_course",
            Self::OwnMembership => "own_membership",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::SlugTaken => "slug_taken",
            Self::HandleTaken => "handle_taken",
            Self::Conflict => "conflict",
            Self::AlreadyOwned => "already_owned",
            Self::PriceChanged { .. } => "price_changed",
            Self::PriceTooLow => "price_too_low",
            Self::SellerNotConnected => "seller_not_connected",
            Self::SellerCapabilityMissing { .. } => "seller_capability_missing",
            Self::PurchaseInProgress => "purchase_in_progress",
            Self::PaymentProcessing => "payment_processing",
            Self::PaymentsInProgress => "payments_in_progress",
            Self::AlreadySubscribed => "already_subscribed",
            Self::SubscriptionInProgress => "subscription_in_progress",
            Self::IntervalNotOffered => "interval_not_offered",
            Self::SubscriptionNotRunning => "subscription_not_running",
            Self::SubscriptionPastDue => "subscription_past_due",
            Self::NotPaid => "not_paid",
            Self::AlreadyRefunded => "already_refunded",
            Self::RefundTooLarge { .. } => "refund_too_large",
            Self::RefundTooSmall { .. } => "refund_too_small",
            Self::TooManyRefunds { .. } => "too_many_refunds",
            Self::RefundLimitReached { .. } => "refund_limit_reached",
            Self::RefundInProgress => "refund_in_progress",
            Self::RefundRefused(_) => "refund_refused",
            Self::PeriodRefunded => "period_refunded",
            Self::OtherCharges => "other_charges",
            Self::PurchaseDisputed => "purchase_disputed",
            Self::DisputeIsTheSellers => "dispute_is_the_sellers",
            Self::DisputeNotAnswerable => "dispute_not_answerable",
            Self::DisputePastDue => "dispute_past_due",
            Self::EvidenceSubmitted => "evidence_submitted",
            Self::EvidenceRefused(_) => "evidence_refused",
            Self::RefundByStaff => "refund_by_staff",
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
            Self::DebtsOpen => "debts_open",
            Self::StillSubscribed => "still_subscribed",
            Self::CardInUse => "card_in_use",
            Self::AlreadyLinked => "already_linked",
            Self::AccountTaken => "account_taken",
            Self::AlreadyConnected => "already_connected",
            Self::AccountsRefused => "accounts_refused",
            Self::TooManyAccounts { .. } => "too_many_accounts",
            Self::NotConnected => "not_connected",
            Self::NoExpressDashboard => "no_express_dashboard",
            Self::OnboardingUnfinished => "onboarding_unfinished",
            Self::ComponentsRefused => "components_refused",
            Self::BadSignature => "bad_signature",
            Self::Internal(_) => "internal",
        }
    }
}

/// A number of seconds in the largest unit that fits, rounded up.
fn time(seconds: i64) -> String {
    let (size, unit) = match seconds {
        ..60 => (1, "second"),
        60..3600 => (60, "minute"),
        3600.. => (3600, "hour"),
    };
    let count = (seconds + size - 1) / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
