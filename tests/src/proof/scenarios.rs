//! What the functions do with money, each as one request, one event or one run that can be broken at any of its calls.

/// One thing that somebody does, or that Stripe tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    FirstPurchase,
    ReturningBuyer,
    LegacyToken,
    Authentication,
    Decline,
    AfterADecline,
    Checkout,
    TurnFromCheckout,
    Direct,
    DirectWithPlatformCard,
    Separate,
    FullRefund,
    FullRefundOfSeparate,
    PartialRefundOfDirect,
    PartialRefundOfSeparate,
    PaymentSucceeded,
    PaymentSucceededOfSeparate,
    PaymentFailed,
    PaymentCanceled,
    PaymentRequiresAction,
    CheckoutCompleted,
    CheckoutExpired,
    ChargeRefunded,
    RefundCreated,
    RefundUpdated,
    RefundFailed,
    DisputeCreated,
    DisputeFundsWithdrawn,
    DisputeLost,
    DisputeLostOfSeparate,
    DisputeWon,
    DisputeFundsReinstated,
    DisputeOfALostCharge,
    TransferCreated,
    TransferReversed,
    ReconciledCharge,
    ReconciledTransfer,
    ReconciledOrphan,
}

use Kind::*;

impl Kind {
    pub(super) const ALL: [Self; 38] = [
        FirstPurchase,
        ReturningBuyer,
        LegacyToken,
        Authentication,
        Decline,
        AfterADecline,
        Checkout,
        TurnFromCheckout,
        Direct,
        DirectWithPlatformCard,
        Separate,
        FullRefund,
        FullRefundOfSeparate,
        PartialRefundOfDirect,
        PartialRefundOfSeparate,
        PaymentSucceeded,
        PaymentSucceededOfSeparate,
        PaymentFailed,
        PaymentCanceled,
        PaymentRequiresAction,
        CheckoutCompleted,
        CheckoutExpired,
        ChargeRefunded,
        RefundCreated,
        RefundUpdated,
        RefundFailed,
        DisputeCreated,
        DisputeFundsWithdrawn,
        DisputeLost,
        DisputeLostOfSeparate,
        DisputeWon,
        DisputeFundsReinstated,
        DisputeOfALostCharge,
        TransferCreated,
        TransferReversed,
        ReconciledCharge,
        ReconciledTransfer,
        ReconciledOrphan,
    ];

    pub(super) fn charge_type(self) -> &'static str {
        match self {
            Direct | DirectWithPlatformCard | PartialRefundOfDirect => "direct",
            Separate
            | FullRefundOfSeparate
            | PartialRefundOfSeparate
            | PaymentSucceededOfSeparate
            | DisputeLostOfSeparate
            | TransferCreated
            | TransferReversed
            | ReconciledTransfer => "separate",
            _ => "destination",
        }
    }

    /// The event that is told, for those that are one.
    pub(super) fn event(self) -> Option<&'static str> {
        Some(match self {
            PaymentSucceeded | PaymentSucceededOfSeparate => "payment_intent.succeeded",
            PaymentFailed => "payment_intent.payment_failed",
            PaymentCanceled => "payment_intent.canceled",
            PaymentRequiresAction => "payment_intent.requires_action",
            CheckoutCompleted => "checkout.session.completed",
            CheckoutExpired => "checkout.session.expired",
            ChargeRefunded => "charge.refunded",
            RefundCreated => "refund.created",
            RefundUpdated => "refund.updated",
            RefundFailed => "refund.failed",
            DisputeCreated | DisputeOfALostCharge => "charge.dispute.created",
            DisputeFundsWithdrawn => "charge.dispute.funds_withdrawn",
            DisputeLost | DisputeLostOfSeparate | DisputeWon => "charge.dispute.closed",
            DisputeFundsReinstated => "charge.dispute.funds_reinstated",
            TransferCreated => "transfer.created",
            TransferReversed => "transfer.reversed",
            _ => return None,
        })
    }

    pub(super) fn is_reconciliation(self) -> bool {
        matches!(self, ReconciledCharge | ReconciledTransfer | ReconciledOrphan)
    }

    /// Whether the buyer pays on the hosted page.
    pub(super) fn is_hosted(self) -> bool {
        matches!(self, Checkout | CheckoutCompleted | CheckoutExpired)
    }

    /// Whether the first card comes to nothing, and another is tried.
    pub(super) fn needs_another_card(self) -> bool {
        matches!(self, Decline | PaymentFailed | PaymentCanceled)
    }

    pub(super) fn card(self) -> &'static str {
        match self {
            LegacyToken => "tok_visa",
            Authentication | PaymentCanceled | PaymentRequiresAction => "pm_card_threeDSecure2Required",
            Decline | PaymentFailed => "pm_card_visa_chargeDeclined",
            _ => super::sale::CARD,
        }
    }

    pub(super) fn is_refund(self) -> bool {
        matches!(self, FullRefund | FullRefundOfSeparate | PartialRefundOfDirect | PartialRefundOfSeparate)
    }

    /// How it must end: the purchase's status, what the platform has of 50.01 USD and what the seller has.
    ///
    /// The fee is 33 %: 16.50, and the seller's part 33.51. Of 12.34 that are given back, 4.07 are the fee's.
    pub(super) fn end(self) -> (&'static str, i64, i64) {
        match self {
            FullRefund | FullRefundOfSeparate => ("refunded", 0, 0),
            PartialRefundOfDirect | PartialRefundOfSeparate => ("partially_refunded", 1243, 2524),
            // 10.00 in Stripe's dashboard, taken from the seller's transfer; the fee stays.
            ChargeRefunded | RefundCreated => ("partially_refunded", 1650, 2351),
            DisputeCreated | DisputeFundsWithdrawn | DisputeOfALostCharge => ("disputed", -3351, 3351),
            DisputeLost | DisputeLostOfSeparate => ("disputed", 0, 0),
            // 5.00 were taken back from the seller in Stripe's dashboard.
            TransferReversed => ("paid", 2150, 2851),
            _ => ("paid", 1650, 3351),
        }
    }
}
