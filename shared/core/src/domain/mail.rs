//! Mails, each identified by its cause. [`crate::domain`] decides which are due; the store's outbox queues them, and `notify` writes and sends them.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::base::entropy::digest;
use crate::domain::audit::{Deed, Entry};
use crate::domain::course::Course;
use crate::domain::fraud_warning::FraudWarning;
use crate::domain::ids::{CourseId, PurchaseId, SubscriptionId, UserId};
use crate::domain::membership::Subscription;
use crate::domain::purchase::DisputeStatus;
use crate::domain::user::{AccountState, Email, User};

/// A mail, identified by its cause. It contains only ids; names, addresses and amounts are
/// read when it is sent. The same cause has the same [`Mail::id`], and so only one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mail {
    /// To the buyer: the purchase is paid.
    PurchaseReceipt {
        /// Which purchase.
        purchase: PurchaseId,
    },
    /// To the seller: a course was sold.
    SaleNotice {
        /// Which purchase.
        purchase: PurchaseId,
    },
    /// To the buyer: money was refunded.
    Refunded {
        /// Which purchase.
        purchase: PurchaseId,
        /// The refund: a number or id that is unique among the purchase's refunds.
        refund: String,
        /// The total refunded so far, in the minor unit.
        total: i64,
    },
    /// The buyer's bank returned a refund.
    RefundFailed {
        /// Which purchase.
        purchase: PurchaseId,
        /// The refund: a number that is unique among the purchase's refunds.
        refund: String,
        /// The recipient.
        to: Recipient,
    },
    /// To the seller, and the staff if it is the platform's: the buyer's bank disputes the payment.
    DisputeOpened {
        /// Which purchase.
        purchase: PurchaseId,
        /// `dp_…`
        dispute: String,
        /// The recipient.
        #[serde(default = "Recipient::seller")]
        to: Recipient,
        /// How far it is.
        #[serde(default)]
        stage: DisputeStage,
    },
    /// To the seller, and the staff if it is the platform's: the dispute is over.
    DisputeClosed {
        /// Which purchase.
        purchase: PurchaseId,
        /// `dp_…`
        dispute: String,
        /// Whether the seller keeps the money.
        won: bool,
        /// The recipient.
        #[serde(default = "Recipient::seller")]
        to: Recipient,
    },
    /// To a seller: Stripe still needs information before the account can be used. Queued when the
    /// account is made, for a day later, and sent only if that is so then.
    OnboardingUnfinished {
        /// Which seller.
        user: UserId,
        /// `acct_…`
        account: String,
    },
    /// To a seller and the staff: Stripe stopped the account's charges or payouts, or without saying so what sales need. Once in thirty days for each
    /// reason and what is wanted.
    AccountStopped {
        /// The seller.
        user: UserId,
        /// `acct_…`
        account: String,
        /// As of [`User::stopped_by`].
        reason: String,
        /// A digest of what Stripe wants: if it wants something else, for example because a document was refused, that is news.
        wanted: String,
        /// The recipient.
        to: Recipient,
    },
    /// To a seller: Stripe needs something by a day, or it stops the account. Once for each day and what is wanted.
    RequirementsDue {
        /// The seller.
        user: UserId,
        /// `acct_…`
        account: String,
        /// In Unix seconds.
        by: i64,
        /// As above.
        wanted: String,
    },
    /// To a buyer: a membership could not be renewed, or a bank refused its first debit.
    RenewalFailed {
        /// The member.
        user: UserId,
        /// `in_…`
        invoice: String,
        /// Whether nothing was paid before.
        #[serde(default)]
        first: bool,
        /// The membership's title, as the buyer knows it.
        title: String,
    },
    /// To a member: the membership will not be renewed, because its seller cannot be paid any more.
    MembershipEnds {
        /// The member.
        user: UserId,
        /// The subscription.
        subscription: SubscriptionId,
        /// The membership's title.
        title: String,
        /// Paid until, in Unix seconds.
        until: Option<i64>,
        /// Whether it is charged on the seller's own account, which the platform may no longer control.
        direct: bool,
    },
    /// To a member: money was refunded for a period.
    MembershipRefunded {
        /// The subscription.
        subscription: SubscriptionId,
        /// `re_…`
        refund: String,
        /// The total refunded for the period so far, in the minor unit.
        total: i64,
    },
    /// The member's bank returned a refund.
    MembershipRefundFailed {
        /// The subscription.
        subscription: SubscriptionId,
        /// `re_…`
        refund: String,
        /// The recipient.
        to: Recipient,
    },
    /// To the seller, and the staff if it is the platform's: a member's bank disputes a payment.
    MembershipDisputeOpened {
        /// The subscription.
        subscription: SubscriptionId,
        /// `dp_…`
        dispute: String,
        /// The recipient.
        to: Recipient,
        /// How far it is.
        #[serde(default)]
        stage: DisputeStage,
    },
    /// To the seller, and the staff if it is the platform's: the dispute is over.
    MembershipDisputeClosed {
        /// The subscription.
        subscription: SubscriptionId,
        /// `dp_…`
        dispute: String,
        /// Whether the seller keeps the money.
        won: bool,
        /// The recipient.
        to: Recipient,
    },
    /// To the staff, and the seller if the seller's own account was charged: the issuer of the card says that a payment was fraud.
    FraudWarning {
        /// What was paid.
        of: Sold,
        /// `issfr_…`
        warning: String,
        /// The `pi_…` that it is about.
        payment: String,
        /// Stripe's `fraud_type`.
        reason: String,
        /// The recipient.
        to: Recipient,
    },
    /// To the owner of the address, if it has an account: the link that sets a new password.
    PasswordReset {
        /// [`Email::key`] of the given address.
        email: String,
        /// When, in windows of [`ASKED_TWICE`].
        window: i64,
    },
    /// To an address that a user has or wants to change to: the link that confirms it. If another account has it, the
    /// mail says so instead.
    ConfirmEmail {
        /// The user whose address it is, or will be.
        user: UserId,
        /// The digest of its [`Email::key`].
        email: String,
        /// When, in windows of [`ASKED_TWICE`].
        window: i64,
    },
    /// To the address that a user had: it was changed, with a link that undoes it.
    EmailMoved {
        /// The user.
        user: UserId,
        /// The old address.
        from: String,
        /// When, in Unix seconds.
        at: i64,
        /// When the new one was asked for, in Unix seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_at: Option<i64>,
    },
    /// To a user: the password was changed.
    PasswordChanged {
        /// The user.
        user: UserId,
        /// When, in Unix seconds.
        at: i64,
    },
    /// To a user: their second factor was switched on or off, or a recovery code was used.
    SecondFactor {
        /// The user.
        user: UserId,
        /// What happened.
        news: FactorNews,
        /// When, in Unix seconds.
        at: i64,
    },
    /// To a user: somebody who knows the password enters wrong codes of the second factor.
    CodesWrong {
        /// The user.
        user: UserId,
        /// The day, counted from 1970 in UTC: they are told once a day.
        day: i64,
    },
    /// To a user: staff or an operator changed their account.
    ChangedByStaff {
        /// The user.
        user: UserId,
        /// What changed.
        news: News,
        /// The id of the audit log's entry.
        entry: String,
        /// What staff wrote to the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// To a payee: another seller offers them a share of a course. At most once a day for each seller, so that nobody can flood a payee.
    ShareOffered {
        /// The payee.
        user: UserId,
        /// Who offers it.
        seller: UserId,
        /// The first course of the day. The letter names the share that it offers when the mail is sent.
        course: CourseId,
        /// The day, counted from 1970 in UTC.
        day: i64,
    },
    /// To a seller: a Stripe account was connected.
    AccountConnected {
        /// The seller.
        user: UserId,
        /// `acct_…`
        account: String,
        /// When, in Unix seconds.
        at: i64,
    },
    /// To a seller: the bank sent a payout back.
    PayoutFailed {
        /// The seller.
        user: UserId,
        /// `po_…`
        payout: String,
    },
    /// To a seller: the Stripe account was disconnected.
    AccountDisconnected {
        /// The seller.
        user: UserId,
        /// `acct_…`
        account: String,
        /// When, in Unix seconds.
        at: i64,
    },
}

/// What happened to a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorNews {
    /// It was switched on.
    On,
    /// It was switched off.
    Off,
    /// A recovery code was used.
    RecoveryCode,
}

impl FactorNews {
    fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::RecoveryCode => "recovery",
        }
    }
}

/// What a user is told after staff or an operator changed their account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// They may sell.
    SellerRoleGiven,
    /// They may no longer sell.
    SellerRoleTaken,
    /// Their application to sell was declined.
    ApplicationDeclined,
    /// They are staff.
    StaffRoleGiven,
    /// They are no longer staff.
    StaffRoleTaken,
    /// They are suspended.
    Suspended,
    /// They are no longer suspended.
    SuspensionLifted,
}

/// Who gets a mail about a purchase or a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// The buyer.
    Buyer,
    /// The seller.
    Seller,
    /// The platform's staff, if the operator has configured an address.
    Staff,
}

/// What a payment is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sold {
    /// This purchase.
    Purchase(PurchaseId),
    /// A period of this subscription to a membership.
    Membership(SubscriptionId),
}

/// How far a dispute is when somebody must answer it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStage {
    /// It has just been opened.
    #[default]
    Opened,
    /// The inquiry that it was has become a dispute, and the money is withdrawn.
    Escalated,
    /// It was lost, and is being appealed.
    Appealed,
}

impl DisputeStage {
    /// The stage of a dispute that waits for an answer, or was just opened.
    #[must_use]
    pub fn of(status: DisputeStatus, is_new: bool) -> Self {
        match (is_new, status.is_appeal()) {
            (true, _) => Self::Opened,
            (false, true) => Self::Appealed,
            (false, false) => Self::Escalated,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Appealed => "appealed",
        }
    }
}

/// Who is told about a dispute of a charge on this account; `None` is the platform's own. Its owner answers it, and the seller loses by it.
/// <https://docs.stripe.com/connect/disputes>
#[must_use]
pub fn told_of_disputes(account: Option<&str>) -> &'static [Recipient] {
    if account.is_some() { &[Recipient::Seller] } else { &[Recipient::Seller, Recipient::Staff] }
}

impl Recipient {
    fn seller() -> Self {
        Self::Seller
    }

    /// For ids of mails that once went to the seller only: rows that are waiting keep theirs.
    fn suffix(self) -> &'static str {
        match self {
            Self::Seller => "",
            Self::Buyer => "#buyer",
            Self::Staff => "#staff",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Seller => "seller",
            Self::Staff => "staff",
        }
    }
}

/// Repeated requests for the same link within a window of this length send one mail.
pub const ASKED_TWICE: Duration = Duration::minutes(1);

fn day(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() / Duration::DAY.whole_seconds()
}

fn window(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() / ASKED_TWICE.whole_seconds()
}

impl Mail {
    /// A link that sets a new password, for an address given at this time.
    #[must_use]
    pub fn password_reset(email: &Email, at: OffsetDateTime) -> Self {
        Self::PasswordReset { email: email.key().to_owned(), window: window(at) }
    }

    /// A link that confirms the user's address.
    #[must_use]
    pub fn confirm_email(user: &UserId, email: &Email, at: OffsetDateTime) -> Self {
        Self::ConfirmEmail { user: user.clone(), email: digest(email.key()), window: window(at) }
    }

    /// Says that a user's password was changed.
    #[must_use]
    pub fn password_changed(user: &UserId, at: OffsetDateTime) -> Self {
        Self::PasswordChanged { user: user.clone(), at: at.unix_timestamp() }
    }

    /// Says that somebody who knows a user's password enters wrong codes.
    #[must_use]
    pub fn codes_wrong(user: &UserId, at: OffsetDateTime) -> Self {
        Self::CodesWrong { user: user.clone(), day: day(at) }
    }

    /// What a user is told of an entry of the audit log; `None` if it does not concern them alone.
    #[must_use]
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        let news = match &entry.deed {
            Deed::SellerRole { to: true, .. } => News::SellerRoleGiven,
            Deed::SellerRole { .. } => News::SellerRoleTaken,
            Deed::StaffRole { to: true, .. } => News::StaffRoleGiven,
            Deed::StaffRole { .. } => News::StaffRoleTaken,
            Deed::Suspension { from: None, .. } => News::Suspended,
            Deed::Suspension { to: None, .. } => News::SuspensionLifted,
            // Another reason, which the user does not see.
            Deed::Suspension { .. } => return None,
            Deed::Terms { .. }
            | Deed::SessionsEnded
            | Deed::PageCleared
            // Mails of their own say so.
            | Deed::SecondFactorOff
            | Deed::ApplicationDeclined { .. }
            | Deed::CourseTakenDown { .. }
            | Deed::CourseFee { .. }
            | Deed::Refund { .. }
            | Deed::RefundBorne { .. }
            | Deed::RefundRefused { .. }
            | Deed::DisputeEvidence { .. }
            | Deed::DisputeEvidenceRefused { .. }
            | Deed::MembershipRefund { .. }
            | Deed::MembershipRefundRefused { .. } => return None,
        };
        Some(Self::ChangedByStaff { user: entry.user_id.clone(), news, entry: entry.id.clone(), note: None })
    }

    /// The same mail with what staff wrote, if it is about a change by staff.
    #[must_use]
    pub fn with_note(mut self, written: Option<String>) -> Self {
        if let Self::ChangedByStaff { note, .. } = &mut self {
            *note = written;
        }
        self
    }

    /// Says that an application was declined. The audit log's entry has the note without addresses.
    #[must_use]
    pub fn application_declined(entry: &Entry, note: &str) -> Self {
        let (user, entry) = (entry.user_id.clone(), entry.id.clone());
        Self::ChangedByStaff { user, news: News::ApplicationDeclined, entry, note: Some(note.to_owned()) }
    }

    /// Says that a user's address was changed.
    #[must_use]
    pub fn email_moved(user: &User, at: OffsetDateTime) -> Self {
        let asked_at = user.new_email_at.map(OffsetDateTime::unix_timestamp);
        Self::EmailMoved { user: user.id.clone(), from: user.email.clone(), at: at.unix_timestamp(), asked_at }
    }

    /// Says what shares a course offers now that it did not `before`.
    #[must_use]
    pub fn of_shares(before: Option<&Course>, course: &Course) -> Vec<Self> {
        let known = before.map(Course::offered_shares).unwrap_or_default();
        let day = day(course.updated_at);
        let news = course.offered_shares().into_iter().filter(|share| !known.contains(share));
        let (seller, course) = (&course.seller_id, &course.id);
        news.map(|share| Self::ShareOffered { user: share.seller.clone(), seller: seller.clone(), course: course.clone(), day }).collect()
    }

    /// What sellers and staff are told of an account's state, which has `stopped` its sales or payouts.
    #[must_use]
    pub fn of_account(user: &UserId, account: &str, state: &AccountState, stopped: Option<&str>) -> Vec<Self> {
        let (user, account) = (|| user.clone(), || account.to_owned());
        let requirements = &state.requirements;
        // What was refused is wanted anew.
        let refused = requirements.errors.iter().map(|error| &error.code);
        let mut wanted: Vec<&str> =
            requirements.past_due.iter().chain(&requirements.currently_due).chain(refused).map(String::as_str).collect();
        wanted.sort_unstable();
        let wanted = || digest(&wanted.join(" "))[..12].to_owned();
        let stop = |reason: &str| {
            let reason = reason.to_owned();
            let mail = |to| Self::AccountStopped { user: user(), account: account(), reason: reason.clone(), wanted: wanted(), to };
            [Recipient::Seller, Recipient::Staff].map(mail)
        };
        let due = state.wanted_by().map(|by| Self::RequirementsDue { user: user(), account: account(), by, wanted: wanted() });
        stopped.map(stop).into_iter().flatten().chain(due).collect()
    }

    /// Says that the issuer of a card warns of fraud. Staff decide about the platform's charges, and watch over the sellers'.
    #[must_use]
    pub fn fraud_warning(of: &Sold, warning: &FraudWarning, account: Option<&str>) -> Vec<Self> {
        let told: &[Recipient] = if account.is_some() { &[Recipient::Staff, Recipient::Seller] } else { &[Recipient::Staff] };
        let mail = |to| {
            let FraudWarning { id, payment_intent, reason } = warning.clone();
            Self::FraudWarning { of: of.clone(), warning: id, payment: payment_intent, reason, to }
        };
        told.iter().copied().map(mail).collect()
    }

    /// Says that a membership will not be renewed, because its seller cannot be paid.
    #[must_use]
    pub fn membership_ends(subscription: &Subscription) -> Self {
        Self::MembershipEnds {
            user: subscription.buyer_id.clone(),
            subscription: subscription.id.clone(),
            title: subscription.title.clone(),
            until: subscription.paid_until().map(OffsetDateTime::unix_timestamp),
            direct: subscription.account.is_some(),
        }
    }

    /// Whether the digest in [`Mail::ConfirmEmail`] is of this address.
    #[must_use]
    pub fn is_address(email_digest: &str, address: &str) -> bool {
        Email::parse(address).is_ok_and(|email| digest(email.key()) == email_digest)
    }

    /// The cause as text.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::PurchaseReceipt { purchase } => format!("receipt#{purchase}"),
            Self::SaleNotice { purchase } => format!("sale#{purchase}"),
            Self::Refunded { purchase, refund, .. } => format!("refund#{purchase}#{refund}"),
            Self::RefundFailed { purchase, refund, to } => format!("refund-failed#{purchase}#{refund}#{}", to.name()),
            Self::DisputeOpened { dispute, to, stage, .. } => format!("dispute-{}#{dispute}{}", stage.name(), to.suffix()),
            // A lost dispute can still be won, and lost again.
            Self::DisputeClosed { dispute, won: true, to, .. } => format!("dispute-closed#{dispute}#won{}", to.suffix()),
            Self::DisputeClosed { dispute, to, .. } => format!("dispute-closed#{dispute}{}", to.suffix()),
            Self::OnboardingUnfinished { account, .. } => format!("onboarding#{account}"),
            Self::AccountStopped { account, reason, wanted, to, .. } => format!("stopped#{account}#{reason}#{wanted}#{}", to.name()),
            Self::RequirementsDue { account, by, wanted, .. } => format!("due#{account}#{by}#{wanted}"),
            Self::RenewalFailed { invoice, .. } => format!("renewal#{invoice}"),
            Self::MembershipEnds { subscription, .. } => format!("membership-ends#{subscription}"),
            Self::MembershipRefunded { refund, .. } => format!("member-refund#{refund}"),
            Self::MembershipRefundFailed { refund, to, .. } => format!("member-refund-failed#{refund}#{}", to.name()),
            Self::MembershipDisputeOpened { dispute, to, stage, .. } => format!("member-dispute-{}#{dispute}#{}", stage.name(), to.name()),
            Self::MembershipDisputeClosed { dispute, won, to, .. } => {
                format!("member-dispute-closed#{dispute}#{}#{}", if *won { "won" } else { "lost" }, to.name())
            }
            Self::FraudWarning { warning, to, .. } => format!("fraud#{warning}#{}", to.name()),
            // Hashed, so that log lines with the id do not contain the address.
            Self::PasswordReset { email, window } => format!("reset#{}#{window}", digest(email)),
            Self::ConfirmEmail { user, email, window } => format!("confirm#{user}#{email}#{window}"),
            Self::EmailMoved { user, from, at, .. } => format!("moved#{user}#{}#{at}", digest(from)),
            Self::PasswordChanged { user, at } => format!("password#{user}#{at}"),
            Self::SecondFactor { user, news, at } => format!("factor#{user}#{}#{at}", news.name()),
            Self::CodesWrong { user, day } => format!("codes#{user}#{day}"),
            Self::ChangedByStaff { entry, .. } => format!("changed#{entry}"),
            Self::ShareOffered { user, seller, day, .. } => format!("share#{user}#{seller}#{day}"),
            Self::AccountConnected { user, account, at } => format!("connected#{user}#{account}#{at}"),
            Self::PayoutFailed { payout, .. } => format!("payout-failed#{payout}"),
            Self::AccountDisconnected { user, account, at } => format!("disconnected#{user}#{account}#{at}"),
        }
    }

    /// The mail without the address that it was sent to, and without what staff wrote, which may name one. Its [`Mail::id`] may be another then.
    #[must_use]
    pub fn without_address(&self) -> Self {
        let mut mail = self.clone();
        if let Self::PasswordReset { email: address, .. } | Self::EmailMoved { from: address, .. } = &mut mail {
            address.clear();
        }
        if let Self::ChangedByStaff { note, .. } = &mut mail {
            *note = None;
        }
        mail
    }

    /// How long the row is kept after the mail was sent or has failed. No cause is repeated that late.
    #[must_use]
    pub fn kept(&self) -> Duration {
        // They contain an address until they are sent, or may.
        let has_address = matches!(self, Self::PasswordReset { .. } | Self::EmailMoved { .. } | Self::ChangedByStaff { note: Some(_), .. });
        if has_address { Duration::days(2) } else { Duration::days(30) }
    }
}
