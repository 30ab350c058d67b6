//! Saved cards of the platform's customers: <https://docs.stripe.com/payments/save-and-reuse>.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use time::OffsetDateTime;

use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::{Body, CheckoutSession, Expandable, Identified, List, NextAction};
use super::requests::form;
use crate::domain::card::Card;
use crate::domain::charging::PLATFORM;
use crate::domain::ids::UserId;
use crate::domain::money::Currency;

/// Whether a text looks like the id of a payment method.
#[must_use]
pub fn is_payment_method(text: &str) -> bool {
    let sound = text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    sound && text.split_once('_').is_some_and(|(kind, rest)| matches!(kind, "pm" | "card" | "src") && !rest.is_empty())
}

/// <https://docs.stripe.com/api/payment_methods/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PaymentMethod {
    /// `pm_…`
    pub id: String,
    /// In Unix seconds.
    #[serde(default)]
    created: i64,
    #[serde(default)]
    card: Option<CardDetails>,
    #[serde(default)]
    customer: Option<Expandable<Customer>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct CardDetails {
    #[serde(default)]
    brand: String,
    #[serde(default)]
    last4: String,
    #[serde(default)]
    exp_month: i64,
    #[serde(default)]
    exp_year: i64,
}

impl PaymentMethod {
    /// Whether it is a card.
    #[must_use]
    pub fn is_card(&self) -> bool {
        self.card.is_some()
    }

    /// `cus_…` of the customer that holds it.
    #[must_use]
    pub fn customer_id(&self) -> Option<&str> {
        match self.customer.as_ref()? {
            Expandable::Id(id) => Some(id),
            Expandable::Object(customer) => Some(&customer.id),
        }
    }

    /// The card as shown to its owner. Whether it is the default is only known if its customer was expanded.
    #[must_use]
    pub fn card(&self) -> Card {
        let is_default = match &self.customer {
            Some(Expandable::Object(customer)) => customer.default_card() == Some(&self.id),
            _ => false,
        };
        let card = self.card.clone().unwrap_or_default();
        Card {
            id: self.id.clone(),
            brand: card.brand,
            last4: card.last4,
            exp_month: card.exp_month,
            exp_year: card.exp_year,
            is_default,
            created_at: OffsetDateTime::from_unix_timestamp(self.created).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }
    }
}

/// <https://docs.stripe.com/api/customers/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    email: Option<String>,
    /// The currency of its subscriptions, once it has had one.
    #[serde(default)]
    currency: Option<String>,
    /// In that currency. A negative balance pays the customer's next invoices, of any seller.
    #[serde(default)]
    balance: i64,
    /// Applies to each of the customer's invoices.
    #[serde(default)]
    discount: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    invoice_settings: InvoiceSettings,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct InvoiceSettings {
    #[serde(default)]
    default_payment_method: Option<Expandable<PaymentMethod>>,
}

impl Customer {
    /// Whether it was created for one of our buyers. The platform may have other customers at Stripe. A deleted customer has no metadata.
    #[must_use]
    pub fn is_buyer(&self) -> bool {
        self.metadata.contains_key("buyer_id")
    }

    /// Whether somebody deleted it.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Whether an invoice charges it the sum of its lines: there is no credit or debt to settle with it, and no discount.
    /// <https://docs.stripe.com/billing/customer/balance>
    #[must_use]
    pub fn is_even(&self) -> bool {
        self.balance == 0 && self.discount.is_none()
    }

    /// Whether it can pay for a membership in this currency: it has no subscription in another one, and no credit or
    /// debt that would be settled with this seller's invoice.
    /// <https://docs.stripe.com/invoicing/multi-currency-customers>, <https://docs.stripe.com/billing/customer/balance>
    #[must_use]
    pub fn takes_membership(&self, currency: Currency) -> bool {
        self.is_even() && self.currency.as_deref().is_none_or(|of| of == currency.code())
    }

    /// The credit that is used up before its card is charged, in the minor unit.
    /// <https://docs.stripe.com/billing/customer/balance>
    #[must_use]
    pub fn credit(&self) -> i64 {
        (-self.balance).max(0)
    }

    /// The payment method that is charged by default.
    #[must_use]
    pub fn default_card(&self) -> Option<&String> {
        match self.invoice_settings.default_payment_method.as_ref()? {
            Expandable::Id(id) => Some(id),
            Expandable::Object(method) => Some(&method.id),
        }
    }
}

/// <https://docs.stripe.com/api/setup_intents/object>
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SetupIntent {
    /// `seti_…`
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default)]
    next_action: Option<NextAction>,
    #[serde(default)]
    payment_method: Option<Expandable<PaymentMethod>>,
    #[serde(default)]
    customer: Option<Expandable<Customer>>,
    /// Why the last attempt failed.
    #[serde(default)]
    last_setup_error: Option<Body>,
    /// Ours.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// The metadata of a SetupIntent that holds the idempotency key of the request that made it.
const MADE_BY: &str = "made_by";

impl SetupIntent {
    /// Whether it was made by the request with this idempotency key. Stripe refuses the key for any other request, so no browser can pretend
    /// that. <https://docs.stripe.com/api/idempotent_requests>
    #[must_use]
    pub fn is_made_by(&self, key: Option<&str>) -> bool {
        key.is_some() && self.metadata.get(MADE_BY).map(String::as_str) == key
    }

    /// Whether one of our requests made it, and a browser that has its secret can confirm it, with any card.
    fn is_in_a_browser(&self) -> bool {
        let is_open = matches!(self.status.as_str(), "requires_payment_method" | "requires_confirmation" | "requires_action");
        is_open && self.metadata.contains_key(MADE_BY)
    }

    /// The fingerprint of the card that the last attempt failed with.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.last_setup_error.as_ref()?.fingerprint()
    }
}

/// The outcome of saving a card.
#[derive(Debug)]
pub enum Saved {
    /// It is saved.
    Yes(Box<Card>),
    /// The cardholder must authenticate first. For the browser only: never stored, never logged.
    Authenticate {
        /// For Stripe.js.
        client_secret: Option<String>,
        /// A page for authentication without Stripe.js.
        url: Option<String>,
    },
    /// Neither, or not yet; events report the outcome.
    Unsettled,
}

/// The customer who saves a card.
#[derive(Clone, Copy, Debug)]
pub struct Saver<'a> {
    /// `cus_…` on the platform.
    pub customer: &'a str,
    /// The user's id, for the metadata.
    pub buyer_id: &'a str,
    /// The number of earlier changes, which makes the key unique.
    pub changes: u64,
    /// Where the browser returns to.
    pub return_url: &'a str,
}

/// The change that makes a card the first default. All requests for it share one key.
fn first(card: &str) -> String {
    format!("first:{card}")
}

impl Gateway {
    /// A page of a customer's cards, newest first: one call. `None` if `after` is not one of them.
    /// <https://docs.stripe.com/api/payment_methods/customer_list>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn saved_cards(&self, customer: &str, limit: i32, after: Option<&str>) -> Result<Option<List<Card>>, StripeError> {
        let after = after.map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let path = format!("/customers/{customer}/payment_methods?type=card&limit={limit}&expand[]=data.customer{after}");
        match self.get::<List<PaymentMethod>>(&path, None).await {
            Ok(page) => {
                let cards = page.data.iter().map(PaymentMethod::card).collect();
                Ok(Some(List { data: cards, has_more: page.has_more, unread: page.unread, last: page.last, next_page_url: None }))
            }
            Err(error) if error.is_missing("starting_after") => Ok(None),
            // A deleted customer has no cards.
            Err(StripeError::Refused { code, .. }) if code == "resource_missing" => Ok(Some(List::default())),
            Err(error) => Err(error),
        }
    }

    /// Whether one of the platform's customers holds this card. <https://docs.stripe.com/api/payment_methods/customer>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn is_saved(&self, customer: &str, card: &str) -> Result<bool, StripeError> {
        match self.get::<Identified>(&format!("/customers/{customer}/payment_methods/{card}"), None).await {
            Ok(_) => Ok(true),
            Err(StripeError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One of the platform's customers, and whether it holds this card: one call if it does, otherwise two.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn customer_with_card(&self, id: &str, card: Option<&str>) -> Result<(Customer, bool), StripeError> {
        if let Some(card) = card {
            match self.get::<PaymentMethod>(&format!("/customers/{id}/payment_methods/{card}?expand[]=customer"), None).await {
                Ok(PaymentMethod { customer: Some(Expandable::Object(customer)), .. }) => return Ok((*customer, true)),
                Ok(_) => return Err(StripeError::Unreadable),
                Err(StripeError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        match self.customer(id, None).await {
            Err(StripeError::Refused { code, .. }) if code == "resource_missing" => {
                Ok((Customer { deleted: true, ..Customer::default() }, false))
            }
            other => Ok((other?, false)),
        }
    }

    /// A customer on an account or on the platform. <https://docs.stripe.com/api/customers/retrieve>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn customer(&self, id: &str, account: Option<&str>) -> Result<Customer, StripeError> {
        self.get(&format!("/customers/{id}"), account).await
    }

    /// Whether the next invoice of a customer charges its own lines and nothing else: no credit, debt or discount, and no item that
    /// waits for an invoice. The owner of a connected account can add any of them. A deleted customer counts as even, because
    /// nothing can be charged. Two calls side by side. <https://docs.stripe.com/billing/invoices/subscription>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn charges_nothing_else(&self, customer: &str, account: Option<&str>) -> Result<bool, StripeError> {
        let items = format!("/invoiceitems?customer={customer}&pending=true&limit=1");
        let (found, items) = tokio::join!(self.customer(customer, account), self.get::<List<Identified>>(&items, account));
        match found {
            Err(StripeError::Refused { code, .. }) if code == "resource_missing" => Ok(true),
            Ok(customer) if customer.is_deleted() => Ok(true),
            Ok(customer) => Ok(customer.is_even() && items?.data.is_empty()),
            Err(error) => Err(error),
        }
    }

    /// A buyer's customers on an account or on the platform, at most a hundred, and whether there are
    /// more. The search lags by up to a minute, and by up to an hour in an
    /// outage. <https://docs.stripe.com/search#data-freshness>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn search_customers(&self, buyer: &UserId, account: Option<&str>) -> Result<(Vec<String>, bool), StripeError> {
        let query = form(&[("limit", "100"), ("query", &format!("metadata['buyer_id']:'{buyer}'"))]);
        let found: List<Customer> = self.get(&format!("/customers/search?{query}"), account).await?;
        let ours = found.data.into_iter().filter(|customer| !self.is_anothers(&customer.metadata));
        Ok((ours.map(|customer| customer.id).collect(), found.has_more))
    }

    /// Deletes a customer permanently: Stripe deletes the saved cards, ends the subscriptions, and keeps the
    /// payments. Deleting it again is not an error. Another deployment's customer is left alone: a copied
    /// table contains that deployment's customers, so each is read first. Deletions need no idempotency
    /// key. <https://docs.stripe.com/api/customers/delete>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn delete_customer(&self, id: &str, account: Option<&str>) -> Result<(), StripeError> {
        match self.get::<Customer>(&format!("/customers/{id}"), account).await {
            Ok(customer) if self.is_anothers(&customer.metadata) => {
                tracing::warn!(customer = id, account, "the customer belongs to another deployment and is left alone");
                return Ok(());
            }
            Err(StripeError::Refused { code, .. }) if code == "resource_missing" => return Ok(()),
            found => drop(found?),
        }
        match self.delete::<Identified>(&format!("/customers/{id}"), account).await {
            Err(StripeError::Refused { code, .. }) if code == "resource_missing" => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Gives a customer another address, unless it has it, is deleted or belongs to another deployment: a call to read it, and one to
    /// change it. `change` makes the key of this change unique. <https://docs.stripe.com/api/customers/update>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn readdress_customer(&self, id: &str, account: Option<&str>, email: &str, change: &str) -> Result<(), StripeError> {
        match self.get::<Customer>(&format!("/customers/{id}"), account).await {
            Ok(customer) if customer.is_deleted() || self.is_anothers(&customer.metadata) || customer.email.as_deref() == Some(email) => {
                return Ok(());
            }
            Err(StripeError::Refused { code, .. }) if code == "resource_missing" => return Ok(()),
            found => drop(found?),
        }
        let (path, key) = (format!("/customers/{id}"), format!("{}:address:{id}:{change}", account.unwrap_or(PLATFORM)));
        self.post_harmless::<Identified>(&Post { path: &path, body: &form(&[("email", email)]), account, key: &key }).await?;
        Ok(())
    }

    /// Makes a card its customer's default. Returns the card, or `None` if the customer does not hold it.
    /// <https://docs.stripe.com/api/customers/update>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn set_default_card(&self, customer: &str, card: &str, change: &str) -> Result<Option<Card>, StripeError> {
        const DEFAULT: &str = "invoice_settings[default_payment_method]";
        let body = form(&[(DEFAULT, card), ("expand[]", "invoice_settings.default_payment_method")]);
        let (path, key) = (format!("/customers/{customer}"), format!("{PLATFORM}:default:{customer}:{change}"));
        match self.post_harmless::<Customer>(&Post { path: &path, body: &body, account: None, key: &key }).await {
            Ok(customer) => match customer.invoice_settings.default_payment_method {
                Some(Expandable::Object(method)) => Ok(Some(Card { is_default: true, ..method.card() })),
                _ => Err(StripeError::Unreadable),
            },
            Err(StripeError::Refused { code, param, .. }) if code == "resource_missing" || param.as_deref() == Some(DEFAULT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a card the default of the buyer's customer that holds it, if that has none. Returns whether it did: one call, or two.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn make_first_default(&self, customer: &str, card: &str) -> Result<bool, StripeError> {
        let customer = match self.customer(customer, None).await {
            Err(StripeError::Refused { code, .. }) if code == "resource_missing" => return Ok(false),
            other => other?,
        };
        if !customer.is_buyer() || self.is_anothers(&customer.metadata) || customer.default_card().is_some() {
            return Ok(false);
        }
        Ok(self.set_default_card(&customer.id, card, &first(card)).await?.is_some())
    }

    /// Detaches a card from its customer permanently. Returns whether the customer held it.
    /// <https://docs.stripe.com/api/payment_methods/detach>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn detach_card(&self, customer: &str, card: &str) -> Result<bool, StripeError> {
        // Stripe would detach any of the platform's cards, so first check who holds it.
        if !self.is_saved(customer, card).await? {
            return Ok(false);
        }
        let (path, key) = (format!("/payment_methods/{card}/detach"), format!("{PLATFORM}:detach:{card}"));
        match self.post_harmless::<Identified>(&Post { path: &path, body: "", account: None, key: &key }).await {
            Ok(_) => Ok(true),
            Err(StripeError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Saves a payment method for later use with a SetupIntent. The buyer's first card becomes the default with a second
    /// call. If the cardholder must authenticate, what the buyer began before is canceled.
    /// <https://docs.stripe.com/api/setup_intents/create>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn save_card(&self, saver: &Saver<'_>, payment_method: &str) -> Result<Saved, StripeError> {
        let key = format!("{PLATFORM}:setup:{}:{}:{payment_method}", saver.customer, saver.changes);
        let made_by = format!("metadata[{MADE_BY}]");
        let body = form(&[
            ("allowed_payment_method_types[0]", "card"),
            ("confirm", "true"),
            ("customer", saver.customer),
            ("expand[0]", "customer"),
            ("expand[1]", "payment_method"),
            ("metadata[buyer_id]", saver.buyer_id),
            (&made_by, &key),
            ("metadata[stack_id]", self.stack_id()),
            ("payment_method", payment_method),
            ("return_url", saver.return_url),
            ("usage", "off_session"),
        ]);
        let made: SetupIntent = self.post_harmless(&Post { path: "/setup_intents", body: &body, account: None, key: &key }).await?;
        match (made.status.as_str(), made.payment_method, made.customer) {
            ("succeeded", Some(Expandable::Object(method)), customer) if method.is_card() => {
                let customer = match customer {
                    Some(Expandable::Object(customer)) => *customer,
                    _ => self.customer(saver.customer, None).await?,
                };
                let is_default = match customer.default_card() {
                    Some(default) => *default == method.id,
                    None => self.set_default_card(&customer.id, &method.id, &first(&method.id)).await?.is_some(),
                };
                Ok(Saved::Yes(Box::new(Card { is_default, ..method.card() })))
            }
            ("requires_action", ..) => {
                self.cancel_earlier(saver.customer, &made.id).await?;
                let url = made.next_action.as_ref().and_then(NextAction::url);
                Ok(Saved::Authenticate { client_secret: made.client_secret, url })
            }
            _ => Ok(Saved::Unsettled),
        }
    }

    /// Cancels the SetupIntents that a customer began before this one and has not finished, so that only one at a time can be confirmed in a
    /// browser: a thief could collect them and try a card on each. Of concurrent requests, the one whose SetupIntent is the newest cancels the
    /// others'. Older ones than a hundred were canceled by an earlier request. One call, and one for each that is open.
    /// <https://docs.stripe.com/api/setup_intents/list>
    async fn cancel_earlier(&self, customer: &str, newest: &str) -> Result<(), StripeError> {
        let path = format!("/setup_intents?customer={customer}&limit=100&starting_after={newest}");
        let earlier: List<SetupIntent> = self.get(&path, None).await?;
        for one in earlier.data.iter().filter(|one| one.is_in_a_browser() && !self.is_anothers(&one.metadata)) {
            self.cancel_setup_intent(&one.id).await?;
        }
        Ok(())
    }

    /// Cancels a SetupIntent, so that no browser can confirm it with another card. One that has ended stays as it is.
    /// <https://docs.stripe.com/api/setup_intents/cancel>
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn cancel_setup_intent(&self, id: &str) -> Result<(), StripeError> {
        let key = format!("{PLATFORM}:{id}:cancel");
        let path = format!("/setup_intents/{id}/cancel");
        match self.post_harmless::<IgnoredAny>(&Post { path: &path, body: "", account: None, key: &key }).await {
            Ok(_) | Err(StripeError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A hosted Checkout that saves a card and takes no money. <https://docs.stripe.com/payments/checkout/save-and-reuse>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn save_card_at_checkout(&self, saver: &Saver<'_>, cancel_url: &str) -> Result<CheckoutSession, StripeError> {
        let body = form(&[
            ("allowed_payment_method_types[0]", "card"),
            ("cancel_url", cancel_url),
            // No money is taken. Stripe needs a currency to choose payment methods.
            ("currency", "usd"),
            ("customer", saver.customer),
            ("metadata[buyer_id]", saver.buyer_id),
            ("metadata[stack_id]", self.stack_id()),
            ("mode", "setup"),
            // Without the buyer: Stripe protects its page itself, so what is declined there is not counted.
            ("setup_intent_data[metadata][stack_id]", self.stack_id()),
            ("success_url", saver.return_url),
        ]);
        let key = format!("{PLATFORM}:setup:{}:{}:checkout", saver.customer, saver.changes);
        self.post_harmless(&Post { path: "/checkout/sessions", body: &body, account: None, key: &key }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_path_characters_are_refused() {
        for text in ["pm_1", "card_1", "src_1", "pm_card_visa"] {
            assert!(is_payment_method(text), "{text}");
        }
        for text in ["", "pm_", "pm", "tok_visa", "cus_1", "pm_1/detach", "pm_1?a", "pm_../x", &format!("pm_{}", "1".repeat(300))] {
            assert!(!is_payment_method(text), "{text}");
        }
    }
}
