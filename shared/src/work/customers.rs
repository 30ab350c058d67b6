//! The Stripe customers of a buyer: one on the platform, which holds the saved cards and can pay any seller, and one on
//! each account that charged the buyer directly. Memberships charged by the platform use one customer per currency, because
//! Stripe lets a customer subscribe in only one currency. The first currency uses the customer that holds the cards.
//!
//! The user's record says which customers these are; only an erasure searches Stripe for others. Concurrent requests that
//! create a customer share one idempotency key, and the first write to the record wins. Before a customer is created on a
//! connected account the record notes the account, because a request that dies would leave a customer that is on no
//! record. If somebody deletes a customer at Stripe, its replacement is created under a key that contains the deleted
//! one's id. <https://docs.stripe.com/api/customers>

use crate::app::App;
use crate::base::entropy::digest;
use crate::domain::charging::PLATFORM;
use crate::domain::error::Error;
use crate::domain::money::Currency;
use crate::domain::user::{User, payer_place};
use crate::stripe::objects::Identified;
use crate::stripe::{Gateway, requests};

/// Returns the buyer's customer on an account or on the platform, creating it if needed. A caller that creates one must [`keep`] it.
///
/// # Errors
/// If Stripe or DynamoDB fails, or the user is gone.
pub async fn find_or_make(app: &App, stripe: &Gateway, buyer: &User, account: Option<&str>) -> Result<String, Error> {
    match buyer.customers.get(account.unwrap_or(PLATFORM)) {
        Some(customer) => Ok(customer.clone()),
        None => make(app, stripe, buyer, account, None).await,
    }
}

/// Returns the buyer's customer on the platform. If there is none yet, it
/// is created and remembered: one call to Stripe and one trip to DynamoDB.
///
/// # Errors
/// If Stripe or DynamoDB fails, or the user is gone.
pub async fn on_platform(app: &App, stripe: &Gateway, buyer: &User) -> Result<String, Error> {
    let customer = find_or_make(app, stripe, buyer, None).await?;
    keep(app, buyer, None, &customer).await
}

/// Remembers a new customer of a buyer who had none, and returns the one that is now on record.
///
/// # Errors
/// If DynamoDB fails, or the user is gone: the customer is then left to their erasure.
pub async fn keep(app: &App, buyer: &User, account: Option<&str>, made: &str) -> Result<String, Error> {
    let account = account.unwrap_or(PLATFORM);
    if let Some(customer) = buyer.customers.get(account) {
        return Ok(customer.clone());
    }
    let kept = app.store.keep_customer(&buyer.id, account, made).await?;
    of_somebody(app, buyer, account, made, kept).await
}

/// Returns the customer on record. If the buyer has erased their account, the new customer is left to the erasure too.
async fn of_somebody(app: &App, buyer: &User, account: &str, made: &str, kept: Option<String>) -> Result<String, Error> {
    if kept.is_none() {
        app.store.leave_to_erasure(&buyer.id, account, made, app.clock.now()).await?;
    }
    kept.ok_or(Error::NotSignedIn)
}

/// Returns the customer that replaces one that was deleted at Stripe or must not be charged: a new one, or the one that a concurrent request created first.
///
/// # Errors
/// If Stripe or DynamoDB fails, or the user is gone.
pub async fn replace(app: &App, stripe: &Gateway, buyer: &User, account: Option<&str>, gone: &str) -> Result<String, Error> {
    let made = make(app, stripe, buyer, account, Some(gone)).await?;
    tracing::warn!(user_id = %buyer.id, account, gone, "the customer is replaced");
    let account = account.unwrap_or(PLATFORM);
    let kept = app.store.replace_customer(&buyer.id, account, gone, &made).await?;
    of_somebody(app, buyer, account, &made, kept).await
}

/// Returns the customer that pays for a membership on a seller's own account: the buyer's, unless the owner has added a debt, a credit, a
/// discount or items to it, which would change what the first invoice charges; then a new one. Two calls to Stripe side by side for a
/// known customer; a new one costs a call and, in place of another, a DynamoDB trip.
///
/// # Errors
/// If Stripe or DynamoDB fails, or the user is gone.
pub async fn for_direct_membership(app: &App, stripe: &Gateway, buyer: &User, account: &str) -> Result<String, Error> {
    match buyer.customers.get(account) {
        Some(known) if !stripe.charges_nothing_else(known, Some(account)).await? => replace(app, stripe, buyer, Some(account), known).await,
        _ => find_or_make(app, stripe, buyer, Some(account)).await,
    }
}

/// Who pays a membership charged by the platform, and who holds the card that the buyer chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// `cus_…`
    pub customer: String,
    /// Who holds the card.
    pub card: Keeper,
}

/// Who holds a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The customer who pays.
    Payer,
    /// Nobody yet, or there is no card.
    Nobody,
    /// Another customer of the same buyer. Stripe cannot move a card between customers.
    Another,
}

/// Returns the customer that pays for memberships in a currency on the platform: the one on record for the currency, or the buyer's
/// first unless another currency uses it, or else a new one. A customer with a credit from any seller is not used, because the credit
/// would pay this seller. Up to three Stripe calls for customer and card; a new customer costs one more and a DynamoDB trip.
///
/// # Errors
/// If Stripe or DynamoDB fails, or the user is gone.
pub async fn for_membership(app: &App, stripe: &Gateway, buyer: &User, currency: Currency, card: Option<&str>) -> Result<Payer, Error> {
    let place = payer_place(currency);
    let first = buyer.customers.get(PLATFORM);
    let remembered = buyer.customers.get(&place);
    let is_taken = first.is_some_and(|first| buyer.customers.iter().any(|(key, id)| key != PLATFORM && id == first));
    let Some(candidate) = remembered.or(first.filter(|_| !is_taken)) else {
        if first.is_none() {
            return Ok(Payer { customer: on_platform(app, stripe, buyer).await?, card: Keeper::Nobody });
        }
        let customer = make_for(app, stripe, buyer, &place, None).await?;
        return Ok(Payer { customer, card: keeper(stripe, first, card).await? });
    };

    let (customer, is_kept) = stripe.customer_with_card(candidate, card).await?;
    if customer.is_deleted() {
        let customer = if Some(candidate) == first {
            let anew = replace(app, stripe, buyer, None, candidate).await?;
            match remembered {
                Some(gone) => kept_instead(app, buyer, &place, gone, &anew).await?,
                None => anew,
            }
        } else {
            make_for(app, stripe, buyer, &place, remembered).await?
        };
        return Ok(Payer { customer, card: Keeper::Nobody });
    }
    if customer.takes_membership(currency) {
        let card = match (is_kept, Some(candidate) == first) {
            (true, _) => Keeper::Payer,
            (false, true) => Keeper::Nobody,
            (false, false) => keeper(stripe, first, card).await?,
        };
        return Ok(Payer { customer: candidate.clone(), card });
    }
    tracing::info!(user_id = %buyer.id, currency = currency.code(), "the customer has another currency or a credit, so the membership gets its own customer");
    let customer = make_for(app, stripe, buyer, &place, remembered).await?;
    let card = if is_kept { Keeper::Another } else { Keeper::Nobody };
    Ok(Payer { customer, card })
}

async fn keeper(stripe: &Gateway, customer: Option<&String>, card: Option<&str>) -> Result<Keeper, Error> {
    match (customer, card) {
        (Some(customer), Some(card)) if stripe.is_saved(customer, card).await? => Ok(Keeper::Another),
        _ => Ok(Keeper::Nobody),
    }
}

/// Creates the customer of a place and remembers it there, in place of `gone` if given.
async fn make_for(app: &App, stripe: &Gateway, buyer: &User, place: &str, gone: Option<&String>) -> Result<String, Error> {
    let after = gone.map(|gone| format!(":after:{gone}")).unwrap_or_default();
    let key = format!("{place}:customer:{}:{}{after}", buyer.id, digest(&buyer.email));
    let made: Identified =
        stripe.send_harmless(&requests::customer(&buyer.email, buyer.id.as_str(), stripe.stack_id()), None, &key).await?;
    match gone {
        Some(gone) => kept_instead(app, buyer, place, gone, &made.id).await,
        None => {
            let kept = app.store.keep_customer(&buyer.id, place, &made.id).await?;
            of_somebody(app, buyer, PLATFORM, &made.id, kept).await
        }
    }
}

async fn kept_instead(app: &App, buyer: &User, place: &str, gone: &str, made: &str) -> Result<String, Error> {
    let kept = app.store.replace_customer(&buyer.id, place, gone, made).await?;
    of_somebody(app, buyer, PLATFORM, made, kept).await
}

async fn make(app: &App, stripe: &Gateway, buyer: &User, account: Option<&str>, gone: Option<&str>) -> Result<String, Error> {
    if let Some(account) = account.filter(|account| !buyer.customers_asked.contains(*account)) {
        app.store.note_customer_asked(&buyer.id, account).await?.ok_or(Error::NotSignedIn)?;
    }
    let after = gone.map(|gone| format!(":after:{gone}")).unwrap_or_default();
    let key = format!("{}:customer:{}:{}{after}", account.unwrap_or(PLATFORM), buyer.id, digest(&buyer.email));
    let made: Identified =
        stripe.send_harmless(&requests::customer(&buyer.email, buyer.id.as_str(), stripe.stack_id()), account, &key).await?;
    Ok(made.id)
}
