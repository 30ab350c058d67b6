//! The requests that take payments, built with async-stripe's types.

use std::collections::HashMap;

use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionPaymentIntentDataSetupFutureUsage, CreateCheckoutSessionPaymentIntentDataTransferData, ProductData,
};
use stripe_checkout::{CheckoutSessionBillingAddressCollection, CheckoutSessionMode};
use stripe_client_core::{RequestBuilder, StripeRequest as _};
use stripe_core::customer::CreateCustomer;
use stripe_core::payment_intent::{CreatePaymentIntent, CreatePaymentIntentTransferData};
use stripe_payment::payment_method::{
    AttachPaymentMethod, CreatePaymentMethod, CreatePaymentMethodCard, CreatePaymentMethodTokenParams, CreatePaymentMethodType,
};

use url::form_urlencoded::Serializer;

use crate::domain::charging::ChargeType;
use crate::domain::money::Currency;
use crate::domain::purchase::Purchase;

/// What to expand in a PaymentIntent, so that its charge includes its transfer and Stripe's fee.
pub const CHARGE_FACTS: &str = "latest_charge.balance_transaction";

/// What Stripe needs for a sale.
#[derive(Clone, Debug)]
pub struct Sale<'a> {
    /// The purchase; its attempt is not recorded yet.
    pub purchase: &'a Purchase,
    /// The number of the attempt.
    pub attempt: u32,
    /// In the minor unit.
    pub amount: i64,
    /// The platform's share.
    pub application_fee: i64,
    /// The customer on the charged account.
    pub customer: &'a str,
    /// The settlement merchant of a charge on the platform, if not the platform.
    pub on_behalf_of: Option<&'a str>,
    /// Whether the buyer wants to save the card. Only the platform saves cards, so direct charges ignore it.
    pub save_card: bool,
    /// Whether to ask for the buyer's address. Indian law requires it for sales abroad, and Stripe refuses a sale without it.
    /// <https://docs.stripe.com/india-exports>
    pub collects_address: bool,
    /// The id of this deployment.
    pub stack_id: &'a str,
    /// Where the buyer returns to.
    pub return_url: &'a str,
}

impl Sale<'_> {
    /// Lets each side be found from the other.
    fn metadata(&self) -> HashMap<String, String> {
        [
            ("purchase_id", self.purchase.id.to_string()),
            ("course_id", self.purchase.course_id.to_string()),
            ("buyer_id", self.purchase.buyer_id.to_string()),
            ("attempt", self.attempt.to_string()),
            ("stack_id", self.stack_id.to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Stripe wants a positive fee or none. With separate transfers, the platform keeps what it does not transfer.
    fn fee(&self) -> Option<i64> {
        (self.application_fee > 0 && self.purchase.charge_type != ChargeType::Separate).then_some(self.application_fee)
    }

    fn destination(&self) -> Option<&str> {
        (self.purchase.charge_type == ChargeType::Destination).then_some(self.purchase.seller_account.as_str())
    }

    /// Groups the transfers of a separate charge, so that they can be found again.
    fn transfer_group(&self) -> Option<&str> {
        (self.purchase.charge_type == ChargeType::Separate).then_some(self.purchase.id.as_str())
    }

    fn keeps_card(&self) -> bool {
        self.save_card && self.purchase.charge_type != ChargeType::Direct
    }

    fn currency(&self) -> stripe_types::Currency {
        currency(self.purchase.currency)
    }

    /// A PaymentIntent that is created and confirmed in one call. Only cards, which are charged or declined at once.
    /// <https://docs.stripe.com/api/payment_intents/create>
    #[must_use]
    pub fn payment_intent(&self, payment_method: &str) -> RequestBuilder {
        let mut request = CreatePaymentIntent::new(self.amount, self.currency())
            .allowed_payment_method_types(vec![stripe_core::PaymentIntentAllowedPaymentMethodTypes::Card])
            .confirm(true)
            .customer(self.customer)
            .description(&self.purchase.course_title)
            .expand(vec![CHARGE_FACTS.to_owned()])
            .metadata(self.metadata())
            .payment_method(payment_method)
            .return_url(self.return_url);
        if self.keeps_card() {
            request = request.setup_future_usage(stripe_core::PaymentIntentSetupFutureUsage::OffSession);
        }
        if let Some(fee) = self.fee() {
            request = request.application_fee_amount(fee);
        }
        if let Some(destination) = self.destination() {
            request = request.transfer_data(CreatePaymentIntentTransferData::new(destination));
        }
        if let Some(account) = self.on_behalf_of {
            request = request.on_behalf_of(account);
        }
        if let Some(transfer_group) = self.transfer_group() {
            request = request.transfer_group(transfer_group);
        }
        request.build()
    }

    /// A hosted Checkout. <https://docs.stripe.com/api/checkout/sessions/create>
    #[must_use]
    pub fn checkout(&self, cancel_url: &str) -> RequestBuilder {
        let mut price = CreateCheckoutSessionLineItemsPriceData::new(self.currency());
        price.unit_amount = Some(self.amount);
        price.product_data = Some(ProductData::new(&self.purchase.course_title));
        let mut item = CreateCheckoutSessionLineItems::new();
        item.price_data = Some(price);
        item.quantity = Some(1);
        let mut payment = CreateCheckoutSessionPaymentIntentData::new();
        payment.application_fee_amount = self.fee();
        payment.on_behalf_of = self.on_behalf_of.map(str::to_owned);
        payment.metadata = Some(self.metadata());
        payment.setup_future_usage = self.keeps_card().then_some(CreateCheckoutSessionPaymentIntentDataSetupFutureUsage::OffSession);
        payment.transfer_group = self.transfer_group().map(str::to_owned);
        payment.transfer_data = self.destination().map(CreateCheckoutSessionPaymentIntentDataTransferData::new);
        let mut request = CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Payment)
            .customer(self.customer)
            .client_reference_id(self.purchase.id.to_string())
            .line_items(vec![item])
            .metadata(self.metadata())
            .payment_intent_data(payment)
            .success_url(self.return_url)
            .cancel_url(cancel_url);
        if self.collects_address {
            request = request.billing_address_collection(CheckoutSessionBillingAddressCollection::Required);
        }
        request.build()
    }
}

/// A form in Stripe's format.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn currency(currency: Currency) -> stripe_types::Currency {
    currency.code().parse().unwrap_or_else(|_| stripe_types::Currency::Unknown(currency.code().to_owned()))
}

/// A buyer's customer. <https://docs.stripe.com/api/customers/create>
#[must_use]
pub fn customer(email: &str, buyer_id: &str, stack_id: &str) -> RequestBuilder {
    let metadata = [("buyer_id", buyer_id), ("stack_id", stack_id)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let metadata = HashMap::from(metadata);
    CreateCustomer::new().email(email).metadata(metadata).build()
}

/// A payment method from a legacy token. <https://docs.stripe.com/api/payment_methods/create>
#[must_use]
pub fn payment_method_from_token(token: &str) -> RequestBuilder {
    CreatePaymentMethod::new()
        .type_(CreatePaymentMethodType::Card)
        .card(CreatePaymentMethodCard::TokenParams(CreatePaymentMethodTokenParams::new(token)))
        .build()
}

/// Attaches a payment method to a customer. <https://docs.stripe.com/api/payment_methods/attach>
#[must_use]
pub fn attach(payment_method: &str, customer: &str) -> RequestBuilder {
    AttachPaymentMethod::new(payment_method).customer(customer).build()
}

/// Clones one of the platform's payment methods, with or without a customer, to the connected account of the request.
/// <https://docs.stripe.com/connect/direct-charges-multiple-accounts>
#[must_use]
pub fn clone_payment_method(payment_method: &str, customer: Option<&str>) -> RequestBuilder {
    let request = CreatePaymentMethod::new().payment_method(payment_method);
    customer.map_or_else(|| request.clone().build(), |customer| request.clone().customer(customer).build())
}
