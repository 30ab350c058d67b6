//! A buyer's customers at Stripe: one on the platform, which keeps the cards and pays any seller, and one on each account that
//! charged the buyer directly.
//!
//! Which customer it is, the user's record says; only an erasure looks for others. Who comes first makes it, under an idempotency
//! key that all who come at the same moment share, and the record keeps the first that was written. On a connected account that is
//! noted before: a request that dies leaves a customer that nobody remembers. Somebody may delete a customer at
//! Stripe; the next one is then made under a key that names the one that is gone.
//! <https://docs.stripe.com/api/customers>

use crate::app::App;
use crate::entropy::digest;
use crate::error::Error;
use crate::stripe::objects::Identified;
use crate::stripe::{Gateway, requests};
use crate::user::{PLATFORM, User};

/// The buyer's customer on an account, or on the platform: remembered, or made now. Who made it must see that it is remembered.
///
/// # Errors
/// Where Stripe or DynamoDB fails, or the user is gone.
pub async fn find_or_make(app: &App, stripe: &Gateway, buyer: &User, account: Option<&str>) -> Result<String, Error> {
    match buyer.customers.get(account.unwrap_or(PLATFORM)) {
        Some(customer) => Ok(customer.clone()),
        None => make(app, stripe, buyer, account, None).await,
    }
}

/// The buyer's one customer on the platform. Where there is none yet: a call to Stripe and a trip to DynamoDB, after which
/// it is remembered.
///
/// # Errors
/// Where Stripe or DynamoDB fails, or the user is gone.
pub async fn on_platform(app: &App, stripe: &Gateway, buyer: &User) -> Result<String, Error> {
    let customer = find_or_make(app, stripe, buyer, None).await?;
    keep(app, buyer, None, &customer).await
}

/// Remembers a customer that was made for a buyer who had none; answers which one is remembered.
///
/// # Errors
/// Where DynamoDB fails, or the user is gone: the customer is then left to their erasure.
pub async fn keep(app: &App, buyer: &User, account: Option<&str>, made: &str) -> Result<String, Error> {
    let account = account.unwrap_or(PLATFORM);
    if let Some(customer) = buyer.customers.get(account) {
        return Ok(customer.clone());
    }
    let kept = app.store.keep_customer(&buyer.id, account, made).await?;
    of_somebody(app, buyer, account, made, kept).await
}

/// The customer that is remembered. Who has erased their account meanwhile has none: Stripe is to forget the new one as well.
async fn of_somebody(app: &App, buyer: &User, account: &str, made: &str, kept: Option<String>) -> Result<String, Error> {
    if kept.is_none() {
        app.store.leave_to_erasure(&buyer.id, account, made, app.clock.now()).await?;
    }
    kept.ok_or(Error::NotSignedIn)
}

/// The customer in place of one that Stripe does not have any more: made now, or by who found that out first.
///
/// # Errors
/// Where Stripe or DynamoDB fails, or the user is gone.
pub async fn replace(app: &App, stripe: &Gateway, buyer: &User, account: Option<&str>, gone: &str) -> Result<String, Error> {
    let made = make(app, stripe, buyer, account, Some(gone)).await?;
    tracing::warn!(user_id = %buyer.id, account, gone, "the customer was deleted at Stripe, and is made anew");
    let account = account.unwrap_or(PLATFORM);
    let kept = app.store.replace_customer(&buyer.id, account, gone, &made).await?;
    of_somebody(app, buyer, account, &made, kept).await
}

async fn make(app: &App, stripe: &Gateway, buyer: &User, account: Option<&str>, gone: Option<&str>) -> Result<String, Error> {
    if let Some(account) = account.filter(|account| !buyer.customers_asked.contains(*account)) {
        app.store.note_customer_asked(&buyer.id, account).await?.ok_or(Error::NotSignedIn)?;
    }
    let after = gone.map(|gone| format!(":after:{gone}")).unwrap_or_default();
    let key = format!("{}:customer:{}:{}{after}", account.unwrap_or(PLATFORM), buyer.id, digest(&buyer.email));
    let made: Identified = stripe.send_harmless(&requests::customer(&buyer.email, buyer.id.as_str()), account, &key).await?;
    Ok(made.id)
}
