//! The scenarios of a sale: each is one request, event or run that can be broken at any of its calls.

/// Defines the scenarios and their list.
macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// Something that somebody does, or that Stripe reports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind {
            $($kind),*
        }

        impl Kind {
            /// All of them.
            pub(super) const ALL: &'static [Self] = &[$(Self::$kind),*];
        }
    };
}

pub(super) use kinds;

kinds![
    // A buyer's requests.
    FirstPurchase,
    ReturningBuyer,
    LegacyToken,
    Authentication,
    Decline,
    AfterADecline,
    RefusedToken,
    Checkout,
    TurnFromCheckout,
    CheckoutAgain,
    AnotherCard,
    AuthenticationFailed,
    CustomerDeleted,
    Direct,
    DirectWithPlatformCard,
    DirectWithSavedCard,
    DirectSavingTheCard,
    DirectSavingAfterDeletion,
    DirectCheckout,
    Separate,
    SharedCourse,
    // Retries after a lost response.
    LostCharge,
    LostAuthentication,
    LostCheckout,
    StoredFailure,
    StoredFailureOfCheckout,
    StoredFailureOfCustomer,
    ForgottenKey,
    ForgottenKeyOfNothing,
    ForgottenKeyOfCheckout,
    // Concurrent requests and events.
    RacingCharges,
    ChargeRacedByItsEvent,
    // Refunds by a seller.
    FullRefund,
    FullRefundOfDirect,
    FullRefundOfSeparate,
    PartialRefund,
    PartialRefundOfDirect,
    PartialRefundOfSeparate,
    LostRefund,
    StoredFailureOfRefund,
    RefundAfterDashboard,
    RefundAfterALostOne,
    RefundOfAnUnheardDispute,
    RacingRefunds,
    RefundRacedByItsEvent,
    // Stripe's events.
    PaymentSucceeded,
    PaymentSucceededOfDirect,
    PaymentSucceededOfSeparate,
    PaymentSucceededAfterItsAnswer,
    StoredFailureOfTransfer,
    PaymentFailed,
    PaymentFailedInTheBrowser,
    PaymentCanceled,
    PaymentProcessing,
    PaymentRequiresAction,
    CheckoutCompleted,
    CheckoutCompletedOfDirect,
    CheckoutCompletedOfSeparate,
    CheckoutExpired,
    CheckoutAsyncSucceeded,
    CheckoutAsyncFailed,
    ChargeRefunded,
    ChargeRefundedOfDirect,
    ChargeUpdated,
    RefundCreated,
    RefundUpdated,
    RefundFailed,
    RefundOutOfReach,
    DisputeCreated,
    DisputeCreatedOfDirect,
    DisputeUpdated,
    DisputeFundsWithdrawn,
    DisputeLost,
    DisputeLostOfDirect,
    DisputeLostOfSeparate,
    DisputeWon,
    DisputeFundsReinstated,
    DisputeOfALostCharge,
    FraudWarned,
    FraudWarnedOfDirect,
    FraudRefunded,
    FraudWarningOver,
    TransferCreated,
    TransferReversed,
    // Runs of the reconciliation.
    ReconciledCharge,
    ReconciledAuthentication,
    ReconciledAbandonment,
    ReconciledPaidAtLast,
    ReconciledForgottenKey,
    ReconciledFailure,
    ReconciledAfterAFailure,
    ReconciledCheckout,
    ReconciledAbandonedCheckout,
    ReconciledOfferGone,
    ReconciledOfferPaid,
    ReconciledTransfer,
    ReconciledForgottenTransfer,
    ReconciledRefusedTransfer,
    ReconciledPendingRefund,
    ReconciledSilentDispute,
    ReconciledOffTheList,
    ReconciledOrphan,
    ReconciledOrphanOfDirect,
    ReconciledOrphanReturned,
    ReconciledOrphanCanceled,
    ReconciledOrphanReturnedBefore,
    BooksOfACheckout,
    BooksOfALateCheckout,
    BooksOfASecondPurchase,
    BooksOfAnUnheardPayment,
    BooksOfAnUnheardRefund,
    BooksOfAnUnheardDispute,
    BooksOfAnUnheardSale,
    BooksOfALostIndex,
    BooksOfALateRefund,
    BooksOfALateRefundFailure,
    BooksOfAForeignRefund,
    BooksOfALateDispute,
    BooksOfALateWin,
];

use Kind::*;

impl Kind {
    pub(super) fn charge_type(self) -> &'static str {
        match self {
            Direct
            | DirectWithPlatformCard
            | DirectWithSavedCard
            | DirectSavingTheCard
            | DirectSavingAfterDeletion
            | DirectCheckout
            | FullRefundOfDirect
            | PartialRefundOfDirect
            | PaymentSucceededOfDirect
            | CheckoutCompletedOfDirect
            | ChargeRefundedOfDirect
            | RefundOutOfReach
            | DisputeCreatedOfDirect
            | DisputeLostOfDirect
            | FraudWarnedOfDirect
            | ReconciledOrphanOfDirect
            | BooksOfAForeignRefund => "direct",
            Separate
            | FullRefundOfSeparate
            | PartialRefundOfSeparate
            | RefundOfAnUnheardDispute
            | PaymentSucceededOfSeparate
            | StoredFailureOfTransfer
            | CheckoutCompletedOfSeparate
            | DisputeLostOfSeparate
            | TransferCreated
            | TransferReversed
            | ReconciledOfferPaid
            | ReconciledTransfer
            | ReconciledForgottenTransfer
            | ReconciledRefusedTransfer
            | BooksOfAnUnheardSale => "separate",
            _ => "destination",
        }
    }

    /// The event to deliver, if the scenario is one.
    pub(super) fn event(self) -> Option<&'static str> {
        Some(match self {
            PaymentSucceeded
            | PaymentSucceededOfDirect
            | PaymentSucceededOfSeparate
            | PaymentSucceededAfterItsAnswer
            | StoredFailureOfTransfer => "payment_intent.succeeded",
            PaymentFailed | PaymentFailedInTheBrowser => "payment_intent.payment_failed",
            PaymentCanceled => "payment_intent.canceled",
            PaymentProcessing => "payment_intent.processing",
            PaymentRequiresAction => "payment_intent.requires_action",
            CheckoutCompleted | CheckoutCompletedOfDirect | CheckoutCompletedOfSeparate => "checkout.session.completed",
            CheckoutExpired => "checkout.session.expired",
            CheckoutAsyncSucceeded => "checkout.session.async_payment_succeeded",
            CheckoutAsyncFailed => "checkout.session.async_payment_failed",
            ChargeRefunded | ChargeRefundedOfDirect => "charge.refunded",
            ChargeUpdated => "charge.updated",
            RefundCreated | RefundOutOfReach => "refund.created",
            RefundUpdated => "refund.updated",
            RefundFailed => "refund.failed",
            DisputeCreated | DisputeCreatedOfDirect | DisputeOfALostCharge => "charge.dispute.created",
            DisputeUpdated => "charge.dispute.updated",
            DisputeFundsWithdrawn => "charge.dispute.funds_withdrawn",
            DisputeLost | DisputeLostOfDirect | DisputeLostOfSeparate | DisputeWon => "charge.dispute.closed",
            DisputeFundsReinstated => "charge.dispute.funds_reinstated",
            FraudWarned | FraudWarnedOfDirect | FraudRefunded => "radar.early_fraud_warning.created",
            FraudWarningOver => "radar.early_fraud_warning.updated",
            TransferCreated => "transfer.created",
            TransferReversed => "transfer.reversed",
            _ => return None,
        })
    }

    /// The event of the stand-in from which to derive one that it does not send itself.
    pub(super) fn told_as(self) -> Option<&'static str> {
        match self {
            PaymentProcessing => Some("payment_intent.succeeded"),
            ChargeUpdated => Some("charge.succeeded"),
            CheckoutAsyncSucceeded => Some("checkout.session.completed"),
            _ => None,
        }
    }

    pub(super) fn is_reconciliation(self) -> bool {
        let name = format!("{self:?}");
        name.starts_with("Reconciled") || name.starts_with("Books")
    }

    /// The schedule's event.
    pub(super) fn asked(self) -> reconcile::Asked {
        let is_of_pages = matches!(self, ReconciledOfferGone | ReconciledOfferPaid);
        reconcile::Asked { only: is_of_pages.then_some(reconcile::Only::Offers) }
    }

    /// The course's currency. Anything but dollars settles in dollars.
    pub(super) fn currency(self) -> &'static str {
        if matches!(self, BooksOfAForeignRefund | BooksOfASecondPurchase) { "eur" } else { "usd" }
    }

    /// The write of the request that is held until something else has happened.
    pub(super) fn write_that_is_raced(self) -> Option<usize> {
        match self {
            RacingCharges | RacingRefunds => Some(0),
            ChargeRacedByItsEvent | RefundRacedByItsEvent => Some(1),
            _ => None,
        }
    }

    /// Whether a day passes first.
    pub(super) fn takes_days(self) -> bool {
        matches!(
            self,
            ForgottenKey
                | ForgottenKeyOfNothing
                | ForgottenKeyOfCheckout
                | ReconciledAbandonment
                | ReconciledPaidAtLast
                | ReconciledForgottenKey
                | ReconciledAbandonedCheckout
                | ReconciledForgottenTransfer
                | ReconciledPendingRefund
                | ReconciledSilentDispute
                | ReconciledOrphanOfDirect
        )
    }

    /// Whether the table has lost sales that its totals and Stripe's books still include.
    pub(super) fn loses_sales(self) -> bool {
        matches!(self, ReconciledOrphanReturned | ReconciledOrphanReturnedBefore)
    }

    /// Whether the buyer pays on the hosted page.
    pub(super) fn is_hosted(self) -> bool {
        matches!(
            self,
            Checkout
                | CheckoutAgain
                | DirectCheckout
                | LostCheckout
                | StoredFailureOfCheckout
                | ForgottenKeyOfCheckout
                | CheckoutCompleted
                | CheckoutCompletedOfDirect
                | CheckoutCompletedOfSeparate
                | CheckoutExpired
                | CheckoutAsyncSucceeded
                | CheckoutAsyncFailed
                | ReconciledCheckout
                | ReconciledAbandonedCheckout
                | ReconciledOfferGone
                | ReconciledOfferPaid
                | BooksOfACheckout
                | BooksOfALateCheckout
        )
    }

    /// Whether the first card fails and another is tried.
    pub(super) fn needs_another_card(self) -> bool {
        matches!(self, Decline | RefusedToken | PaymentFailed | PaymentFailedInTheBrowser | PaymentCanceled | ReconciledAbandonment)
    }

    /// Whether the hosted page fails and is requested again.
    pub(super) fn needs_another_page(self) -> bool {
        matches!(self, CheckoutExpired | CheckoutAsyncFailed | ReconciledAbandonedCheckout | ReconciledOfferGone)
    }

    pub(super) fn card(self) -> &'static str {
        match self {
            LegacyToken => "tok_visa",
            RefusedToken => "tok_unheard_of",
            Authentication
            | LostAuthentication
            | PaymentFailedInTheBrowser
            | PaymentCanceled
            | PaymentRequiresAction
            | ReconciledAuthentication
            | ReconciledAbandonment
            | ReconciledPaidAtLast
            | BooksOfAnUnheardPayment
            | BooksOfAnUnheardSale => super::sale::CARD_TO_AUTHENTICATE,
            Decline | PaymentFailed => "pm_card_visa_chargeDeclined",
            ReconciledPendingRefund => "pm_card_pendingRefund",
            _ => super::sale::CARD,
        }
    }

    pub(super) fn is_refund(self) -> bool {
        matches!(
            self,
            FullRefund
                | FullRefundOfDirect
                | FullRefundOfSeparate
                | PartialRefund
                | PartialRefundOfDirect
                | PartialRefundOfSeparate
                | LostRefund
                | StoredFailureOfRefund
                | RefundAfterDashboard
                | RefundAfterALostOne
                | RefundOfAnUnheardDispute
                | RacingRefunds
                | RefundRacedByItsEvent
        )
    }

    /// The amount of a refund; `None` for everything that is left.
    pub(super) fn refunded_part(self) -> Option<i64> {
        match self {
            FullRefund | FullRefundOfDirect | FullRefundOfSeparate | RefundOfAnUnheardDispute => None,
            // More than is left, whether or not that is known here.
            RefundAfterDashboard => Some(5001),
            _ => Some(1234),
        }
    }

    /// The expected result: the purchase's status, and how much of 50.01 USD the platform and the sellers have.
    ///
    /// The fee is 33 %: 16.50, and the sellers' part 33.51. Of a refund of 12.34, 4.07 come from the fee.
    pub(super) fn end(self) -> (&'static str, i64, i64) {
        match self {
            FullRefund | FullRefundOfDirect | FullRefundOfSeparate | FraudRefunded | FraudWarningOver | BooksOfAForeignRefund => {
                ("refunded", 0, 0)
            }
            RefundAfterDashboard => ("partially_refunded", 1650, 2351),
            // Twice 12.34.
            RefundAfterALostOne => ("partially_refunded", 836, 1697),
            // The payee returned their part and gets nothing again before the bank decides.
            RefundOfAnUnheardDispute => ("disputed", 0, 0),
            kind if kind.is_refund() => ("partially_refunded", 1243, 2524),
            ReconciledPendingRefund => ("partially_refunded", 1243, 2524),
            // 10.00 refunded in Stripe's Dashboard, from the seller's part; the fee stays.
            ChargeRefunded | ChargeRefundedOfDirect | RefundCreated | BooksOfALateRefund | BooksOfAnUnheardRefund => {
                ("partially_refunded", 1650, 2351)
            }
            // The same, with its part of the fee: 3.30.
            RefundOutOfReach => ("partially_refunded", 1320, 2681),
            DisputeCreated
            | DisputeUpdated
            | DisputeFundsWithdrawn
            | DisputeOfALostCharge
            | BooksOfALateDispute
            | BooksOfAnUnheardDispute => ("disputed", -3351, 3351),
            // The charged account bears it. Stripe's dispute fee is on no line.
            DisputeCreatedOfDirect | DisputeLostOfDirect => ("disputed", 1650, -1650),
            DisputeLost | DisputeLostOfSeparate | ReconciledSilentDispute => ("disputed", 0, 0),
            // 5.00 were reversed from the seller in Stripe's Dashboard.
            TransferReversed => ("paid", 2150, 2851),
            _ => ("paid", 1650, 3351),
        }
    }

    /// The part of it that the course's own seller has.
    pub(super) fn of_the_seller(self) -> i64 {
        match self {
            // 60 % of 33.51, to the nearest cent.
            SharedCourse => 2011,
            _ => self.end().2,
        }
    }
}
