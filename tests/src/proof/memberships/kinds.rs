//! The properties of each kind.

use super::Kind;
use super::Kind::*;

/// The expected result.
pub(super) struct End {
    /// Whether a subscription is running.
    pub(super) runs: bool,
    /// Whether it ends with its period.
    pub(super) ending: bool,
    pub(super) interval: &'static str,
    /// How many payments were made at Stripe.
    pub(super) payments: usize,
    /// How many invoices were paid, including those paid by credit.
    pub(super) invoices: usize,
    /// The total refunded to the member.
    pub(super) refunded: i64,
    /// Whether the seller's course is open.
    pub(super) opens: bool,
}

impl Kind {
    pub(super) fn charge_type(self) -> &'static str {
        let name = format!("{self:?}");
        let is_direct = name.contains("Direct") || matches!(self, StoredFailureOfCloning);
        if is_direct { "direct" } else { "destination" }
    }

    /// The event to deliver, if the scenario is one.
    pub(super) fn event(self) -> Option<&'static str> {
        Some(match self {
            InvoicePaid | InvoicePaidOfDirect | InvoicePaidOfHosted | InvoicePaidOfRenewal | InvoicePaidOfRenewalOfDirect => "invoice.paid",
            PaymentFailed | PaymentFailedOfRenewal => "invoice.payment_failed",
            SubscriptionCreated => "customer.subscription.created",
            SubscriptionUpdated => "customer.subscription.updated",
            SubscriptionDeleted => "customer.subscription.deleted",
            CheckoutCompleted | CheckoutCompletedOfDirect => "checkout.session.completed",
            CheckoutExpired => "checkout.session.expired",
            ChargeRefunded | ChargeRefundedOfDirect => "charge.refunded",
            RefundCreated | RefundOvertakes | RefundOfAnEarlierOne => "refund.created",
            RefundFailed => "refund.failed",
            DisputeCreated => "charge.dispute.created",
            _ => return None,
        })
    }

    pub(super) fn is_reconciliation(self) -> bool {
        let name = format!("{self:?}");
        name.starts_with("Reconciled") || name.starts_with("Books")
    }

    /// The schedule's event.
    pub(super) fn asked(self) -> reconcile::Asked {
        reconcile::Asked { only: (self == ReconciledOfferGone).then_some(reconcile::Only::Offers) }
    }

    pub(super) fn is_switch(self) -> bool {
        matches!(
            self,
            Switched
                | SwitchedOfDirect
                | SwitchedToMonths
                | SwitchLost
                | SwitchDeclined
                | StoredFailureOfSwitching
                | RacingSwitches
                | SwitchRacedByItsEvent
        )
    }

    /// Whether a call is held until something else has happened.
    pub(super) fn is_raced(self) -> bool {
        matches!(
            self,
            Racing
                | RacingOfDirect
                | RacedByItsEvent
                | DeclineRacedByItsEvent
                | WithdrawalRacedByAuthentication
                | VoidingRacedByAuthentication
                | RacingSwitches
                | SwitchRacedByItsEvent
        )
    }

    /// Whether each play has its own seller, because it is about creating or ending the offer, or about prices.
    pub(super) fn has_own_seller(self) -> bool {
        matches!(
            self,
            Offered | OfferEnded | SavedCard | Hosted | Direct | StoredFailureOfProduct | StoredFailureOfPrice | ReconciledOfferGone
        )
    }

    /// Whether it is about more than the offer.
    pub(super) fn is_about_members(self) -> bool {
        !matches!(self, Offered | OfferEnded | OfferShown)
    }

    /// Whether a renewal comes first.
    pub(super) fn is_renewed(self) -> bool {
        matches!(
            self,
            Owed | OwedOfDirect
                | StoredFailureOfPaying
                | InvoicePaidOfRenewal
                | InvoicePaidOfRenewalOfDirect
                | PaymentFailedOfRenewal
                | SubscriptionUpdated
                | ReconciledRenewal
        )
    }

    /// Whether a day or more passes first.
    pub(super) fn takes_days(self) -> bool {
        self.is_renewed()
            || matches!(
                self,
                ForgottenKey
                    | ForgottenKeyOfNothing
                    | ForgottenKeyOfHosted
                    | SwitchedToMonths
                    | SubscriptionDeleted
                    | ReconciledHosted
                    | ReconciledAbandoned
                    | ReconciledAuthentication
                    | ReconciledForgottenKey
            )
    }

    /// Whether the buyer subscribes on the hosted page.
    pub(super) fn is_hosted(self) -> bool {
        matches!(
            self,
            Hosted
                | HostedAgain
                | HostedOfADeletedCustomer
                | DirectHosted
                | DirectHostedOfADeletedCustomer
                | LostHosted
                | ForgottenKeyOfHosted
                | StoredFailureOfHosted
                | Racing
                | RacingOfDirect
                | InvoicePaidOfHosted
                | CheckoutCompleted
                | CheckoutCompletedOfDirect
                | ReconciledHosted
        )
    }

    /// Whether the member has saved a card before.
    pub(super) fn has_saved_card(self) -> bool {
        let never_came_before = self.is_hosted() || matches!(self, NewCard | DirectNewCard);
        !never_came_before || matches!(self, HostedOfADeletedCustomer)
    }

    /// Whether a card is declined or not authenticated, and another one is tried.
    pub(super) fn needs_another_card(self) -> bool {
        let is_declined = self.first_card() == Some(super::CARD_THAT_FAILS) && self != AfterADecline;
        is_declined || matches!(self, CheckoutExpired | ReconciledAbandoned)
    }

    /// Whether a retry may report that the first request failed, or meet Stripe's failure itself.
    pub(super) fn may_fail_again(self) -> bool {
        matches!(self, ForgottenKeyOfNothing | ForgottenKeyOfHosted | StoredFailureOfPaying | StoredFailureOfSwitching)
    }

    /// The first request's card, if not the saved one.
    pub(super) fn first_card(self) -> Option<&'static str> {
        match self {
            Decline
            | DeclineAfterItsEvent
            | DirectDecline
            | LostDecline
            | DeclineRacedByItsEvent
            | StoredFailureOfVoiding
            | AfterADecline
            | PaymentFailed
            | ReconciledDecline => Some(super::CARD_THAT_FAILS),
            Authentication
            | AuthenticationAgain
            | AuthenticationFailed
            | DirectAuthentication
            | TurnFromAuthentication
            | WithdrawalRacedByAuthentication
            | VoidingRacedByAuthentication
            | ReconciledAuthentication => Some(super::CARD_TO_AUTHENTICATE),
            _ => None,
        }
    }

    pub(super) fn end(self) -> End {
        let usual = End { runs: true, ending: false, interval: "month", payments: 1, invoices: 1, refunded: 0, opens: true };
        match self {
            Offered | OfferEnded | OfferShown | ReconciledOfferGone => End { runs: false, payments: 0, invoices: 0, opens: false, ..usual },
            Canceled | CanceledOfDirect => End { ending: true, ..usual },
            // It was ended in the Dashboard. Access lasts to the end of the paid time.
            CanceledAfterItsEnd | ReconciledEndOfDirect => End { runs: false, ..usual },
            SubscriptionDeleted => End { runs: false, opens: false, ..usual },
            Owed | OwedOfDirect | StoredFailureOfPaying | InvoicePaidOfRenewal | InvoicePaidOfRenewalOfDirect | ReconciledRenewal => {
                End { payments: 2, invoices: 2, ..usual }
            }
            SwitchDeclined => usual,
            // It waits for the end of the year, and that time has a free invoice.
            SwitchedToMonths => End { invoices: 2, ..usual },
            kind if kind.is_switch() => End { interval: "year", payments: 2, invoices: 2, ..usual },
            ChargeRefunded | ChargeRefundedOfDirect | BooksOfAnUnheardRefund => End { refunded: 1000, opens: false, ..usual },
            RefundCreated | RefundOvertakes => End { refunded: 400, ..usual },
            RefundOfAnEarlierOne => End { payments: 2, invoices: 2, refunded: 400, ..usual },
            _ => usual,
        }
    }
}
