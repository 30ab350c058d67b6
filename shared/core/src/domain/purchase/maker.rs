//! Finds the attempt that created an object at Stripe. An account's owner can write metadata, so metadata alone proves nothing: an object
//! with an unknown id must match everything that an open attempt asked for. An attempt that has ended accepts no new object, unless it ended
//! only because Stripe's lists showed none.

use time::{Duration, OffsetDateTime};

use super::attempt::{Attempt, Means};
use super::record::Purchase;
use crate::domain::charging::ChargeType;

/// Allowed clock difference.
const SLACK: Duration = Duration::minutes(1);

/// After a day an attempt is canceled and its page expires. <https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at>
const LONGEST: Duration = Duration::hours(26);

/// A PaymentIntent or Checkout Session whose metadata names a purchase.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// `pi_…`, if known.
    pub payment_intent: Option<&'a str>,
    /// `cs_…`, for a Checkout Session.
    pub checkout_session: Option<&'a str>,
    /// The attempt that its metadata names.
    pub attempt: Option<u32>,
    /// The account that it is on; `None` for the platform's own.
    pub account: Option<&'a str>,
    /// Whether the platform created it there, rather than the account's owner.
    pub by_platform: bool,
    /// In the minor unit.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: &'a str,
    /// The customer that it charges.
    pub customer: Option<&'a str>,
    /// The application fee and, for a destination charge, the destination. `None` for a Checkout Session without a payment, which does not show them.
    pub division: Option<(Option<i64>, Option<&'a str>)>,
    /// When it was created, in Unix seconds.
    pub created: i64,
}

impl Purchase {
    /// The attempt that created it.
    #[must_use]
    pub fn find_maker(&self, made: &Made<'_>) -> Option<u32> {
        let known = self.find_attempt(made.payment_intent, made.checkout_session);
        let known = known.filter(|known| self.attempts.iter().any(|one| one.number == *known && one.account.as_deref() == made.account));
        known.or_else(|| {
            let fitting = self.attempts.iter().find(|attempt| Some(attempt.number) == made.attempt && self.fits(attempt, made));
            fitting.map(|attempt| attempt.number)
        })
    }

    /// Whether an attempt has no payment yet, so that a new object at Stripe may be its own.
    #[must_use]
    pub fn awaits_payment(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.may_be_at_stripe() && attempt.payment_intent.is_none())
    }

    fn fits(&self, attempt: &Attempt, made: &Made<'_>) -> bool {
        let is_free = |known: &Option<String>, heard: Option<&str>| known.is_none() || heard.is_none();
        let since = attempt.started_at - SLACK;
        // While the course is being paid otherwise, or was, what turns up late would be a second payment: an orphan, which is reported.
        let is_alone =
            || self.paid_attempt().is_none() && !self.attempt().status.is_open() && attempt.account.as_deref() == self.charged_account();
        let takes = attempt.may_be_at_stripe()
            && (attempt.status.is_open() || is_alone())
            && is_free(&attempt.payment_intent, made.payment_intent)
            && is_free(&attempt.checkout_session, made.checkout_session)
            && (made.checkout_session.is_none() || attempt.means == Means::Checkout);
        let of_all = (self.charge_type, self.seller_account.as_str(), self.currency);
        let (charge_type, seller_account, currency) =
            attempt.sold.as_ref().map_or(of_all, |sold| (sold.charge_type, sold.seller_account.as_str(), sold.currency));
        let fee = (attempt.application_fee > 0 && charge_type != ChargeType::Separate).then_some(attempt.application_fee);
        let destination = (charge_type == ChargeType::Destination).then_some(seller_account);
        takes
            && made.by_platform
            && attempt.account.as_deref() == made.account
            && attempt.amount == made.amount
            && currency.code() == made.currency
            && made.customer == Some(attempt.customer.as_str())
            && made.division.is_none_or(|division| division == (fee, destination))
            && OffsetDateTime::from_unix_timestamp(made.created).is_ok_and(|created| since <= created && created <= since + LONGEST)
    }
}
