//! The kinds of object, by the prefixes of their ids.

use serde::{Deserialize, Serialize};

/// The kinds of object that an account holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Account,
    Customer,
    Token,
    PaymentMethod,
    PaymentIntent,
    SetupIntent,
    Charge,
    ApplicationFee,
    FeeRefund,
    Transfer,
    TransferReversal,
    Refund,
    Dispute,
    EarlyFraudWarning,
    Review,
    CheckoutSession,
    Coupon,
    PromotionCode,
    Product,
    Price,
    Subscription,
    Invoice,
    InvoiceItem,
    InvoicePayment,
    TestClock,
    Payout,
    BalanceTransaction,
    Event,
    ThinEvent,
    WebhookEndpoint,
    EventDestination,
}

impl Kind {
    /// The kind that an id's prefix names.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        let (prefix, _) = id.split_once('_')?;
        Some(match prefix {
            "acct" => Self::Account,
            "cus" => Self::Customer,
            "tok" => Self::Token,
            "pm" => Self::PaymentMethod,
            "pi" => Self::PaymentIntent,
            "seti" => Self::SetupIntent,
            "ch" | "py" => Self::Charge,
            "fee" => Self::ApplicationFee,
            "fr" => Self::FeeRefund,
            "tr" => Self::Transfer,
            "trr" => Self::TransferReversal,
            "re" | "pyr" => Self::Refund,
            "dp" => Self::Dispute,
            "issfr" => Self::EarlyFraudWarning,
            "prv" => Self::Review,
            "cs" => Self::CheckoutSession,
            "promo" => Self::PromotionCode,
            "prod" => Self::Product,
            "price" => Self::Price,
            "sub" => Self::Subscription,
            "in" => Self::Invoice,
            "ii" => Self::InvoiceItem,
            "inpay" => Self::InvoicePayment,
            "clock" => Self::TestClock,
            "po" => Self::Payout,
            "txn" => Self::BalanceTransaction,
            "evt" => Self::Event,
            "we" => Self::WebhookEndpoint,
            "ed" => Self::EventDestination,
            _ => return None,
        })
    }

    /// What Stripe's `resource_missing` message calls the kind.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Customer => "customer",
            Self::Token => "token",
            Self::PaymentMethod => "PaymentMethod",
            Self::PaymentIntent => "payment_intent",
            Self::SetupIntent => "setupintent",
            Self::Charge => "charge",
            Self::ApplicationFee => "application fee",
            Self::FeeRefund => "fee refund",
            Self::Transfer => "transfer",
            Self::TransferReversal => "transfer reversal",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::EarlyFraudWarning => "early fraud warning",
            Self::Review => "review",
            Self::CheckoutSession => "checkout.session",
            Self::Coupon => "coupon",
            Self::PromotionCode => "promotion code",
            Self::Product => "product",
            Self::Price => "price",
            Self::Subscription => "subscription",
            Self::Invoice => "invoice",
            Self::InvoiceItem => "invoiceitem",
            Self::InvoicePayment => "invoice payment",
            Self::TestClock => "test clock",
            Self::Payout => "payout",
            Self::BalanceTransaction => "balance transaction",
            Self::Event | Self::ThinEvent => "event",
            Self::WebhookEndpoint => "webhook endpoint",
            Self::EventDestination => "event destination",
        }
    }
}
