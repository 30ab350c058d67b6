//! `DELETE /users/me/stripe`: removes a link.

use std::time::{Duration, Instant};

use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::membership::{EndCause, Subscription};
use shared::domain::purchase::{Movement, MovementKind, Purchase};
use shared::domain::user::AccountType;
use shared::http::{Request, Response, identity, request_id, response};
use shared::store::page::Page;
use shared::store::purchases::DUE_PARTS;
use shared::stripe::error::StripeError;
use shared::stripe::objects::Balance;
use shared::work::subscriptions as memberships;
use shared::work::{debts, settlement};

use crate::OAuthCallback;

/// Ends the memberships that are charged on the account itself, withdraws the payments that are open there, revokes the access
/// at Stripe, then removes the link: six DynamoDB trips, one Stripe call and those of [`debts::owing`], plus some of both for each such
/// membership and payment, and four trips per hundred purchases of the platform that are not at rest. The reconciliation ends the
/// memberships that are charged on the platform. Past sales stay. Without a link there is nothing to do. Only sellers
/// can have a link, but former sellers can still remove theirs.
///
/// For an Express or Custom account that the platform created there is no access to revoke: it is unlinked here and stays at Stripe, so
/// that past sales can be refunded. Its seller gets the same account back by requesting one of its type again.
///
/// # Errors
/// [`Error::PasswordRequired`] if the password was last entered more than a quarter of an hour ago.
/// [`Error::DebtsOpen`] if the account owes something, or something is still to be reversed from it: they would be out of reach with it.
/// [`Error::PaymentProviderUnavailable`] if a request is too short to end all memberships and payments; the next one continues.
/// [`Error::PaymentsInProgress`] if a buyer's bank is still processing a payment to the account, or a refund on it waits to be made.
/// If Stripe fails, the link stays, and the request can be repeated.
pub async fn disconnect(oauth: &OAuthCallback, request: &Request) -> Result<Response, Error> {
    let user = identity::user_with_password(request, &oauth.app).await?;
    if let Some(link) = &user.stripe {
        if debts::owing(&oauth.app, &oauth.stripe, &user).await?.contains(&link.account_id) {
            return Err(Error::DebtsOpen);
        }
        let until = Instant::now() + TIME;
        check_promises(oauth, &user.id, &link.account_id, until).await?;
        oauth.app.store.seller_goes(&user.id, oauth.app.clock.now()).await?;
        end_memberships(oauth, &user.id, &link.account_id, until).await?;
        withdraw_payments(oauth, &link.account_id, &format!("request:{}", request_id(request)), until).await?;
        // A Standard account belongs to its owner, even if the platform created it. The others have no owner besides the platform.
        let gives_up = !link.made_by_platform || link.account_type == AccountType::Standard;
        match if gives_up { oauth.stripe.deauthorize(&link.account_id).await } else { Ok(()) } {
            // Without OAuth, only the seller can end the access, in their Dashboard.
            Err(StripeError::Refused { code, .. }) if link.made_by_platform => {
                tracing::warn!(user_id = %user.id, account = link.account_id, code, "the access to the account was not revoked");
            }
            ended => ended?,
        }
        // Stripe's event may already have removed the link.
        let _either_way = oauth.app.store.unlink(&user.id, &link.account_id, oauth.app.clock.now()).await?;
    }
    Ok(response::no_content())
}

/// How long a request may spend ending memberships and payments.
const TIME: Duration = Duration::from_secs(12);

/// Checks that nothing is promised out of the account: a refund of a direct charge would be out of reach with it, and what is still to be
/// reversed would leave it below zero, for which the platform is liable. If a refund waits, one call asks Stripe whether it is out of reach
/// already: then nothing that the seller does would make it.
async fn check_promises(oauth: &OAuthCallback, seller: &UserId, account: &str, until: Instant) -> Result<(), Error> {
    let (app, mut after) = (&oauth.app, None);
    let stack_id = &app.config.stack_id;
    let promise = |purchase: Purchase| purchase.is_of_stack(stack_id).then(|| Promise::of(&purchase, account)).flatten();
    let mut promises = unsettled(oauth, promise, until).await?;
    loop {
        let page = app.store.members_of(seller, &Page { limit: 100, after }).await?;
        let theirs = page.items.iter().filter(|one| one.is_of_stack(stack_id));
        promises.extend(theirs.filter_map(|subscription| Promise::of_membership(subscription, account)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if promises.contains(&Promise::Reversal) {
        return Err(Error::DebtsOpen);
    }
    if promises.is_empty() {
        return Ok(());
    }
    match oauth.stripe.get::<Balance>("/balance", Some(account)).await {
        Ok(_) => Err(Error::PaymentsInProgress),
        Err(StripeError::AccountRevoked) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What is still to leave an account.
#[derive(PartialEq)]
enum Promise {
    /// To a buyer.
    Refund,
    /// To the platform.
    Reversal,
}

impl Promise {
    fn of(purchase: &Purchase, account: &str) -> Option<Self> {
        let planned = || purchase.movements().iter().filter(|movement| movement.is_planned());
        let owes = |one: &Movement| one.kind == MovementKind::Reversal && one.payee_account.as_deref() == Some(account);
        if planned().any(owes) {
            return Some(Self::Reversal);
        }
        let is_refunded = purchase.charged_account() == Some(account) && planned().any(|one| one.kind == MovementKind::Refund);
        is_refunded.then_some(Self::Refund)
    }

    fn of_membership(subscription: &Subscription, account: &str) -> Option<Self> {
        let mut planned = subscription.moves().filter(|one| one.gives_back() && one.state.is_planned());
        if subscription.seller_account == account && planned.next().is_some() {
            return Some(Self::Reversal);
        }
        let is_refunded = subscription.account.as_deref() == Some(account) && !subscription.planned_refunds().is_empty();
        is_refunded.then_some(Self::Refund)
    }
}

/// What `pick` picks of the purchases that are not at rest.
async fn unsettled<T>(oauth: &OAuthCallback, pick: impl Fn(Purchase) -> Option<T>, until: Instant) -> Result<Vec<T>, Error> {
    let mut picked = Vec::new();
    for part in DUE_PARTS {
        let mut after = None;
        loop {
            if Instant::now() >= until {
                return Err(Error::PaymentProviderUnavailable("payments are still being withdrawn".to_owned()));
            }
            let (purchases, next) = oauth.app.store.unsettled(part, 100, after).await?;
            picked.extend(purchases.into_iter().filter_map(&pick));
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(picked)
}

/// Ends them first, because the platform could not do so after disconnecting.
async fn end_memberships(oauth: &OAuthCallback, seller: &UserId, account: &str, until: Instant) -> Result<(), Error> {
    let (app, mut after) = (&oauth.app, None);
    loop {
        let page = app.store.members_of(seller, &Page { limit: 100, after }).await?;
        for mut subscription in page.items {
            let is_theirs = subscription.account.as_deref() == Some(account);
            if !is_theirs || !(subscription.status.is_open() || subscription.is_to_be_ended()) {
                continue;
            }
            if Instant::now() >= until {
                return Err(Error::PaymentProviderUnavailable("memberships are still being ended".to_owned()));
            }
            match memberships::end(app, &oauth.stripe, &mut subscription, EndCause::Seller).await {
                // The seller has already revoked access.
                Ok(()) | Err(Error::SellerNotConnected) => {}
                Err(error) => return Err(error),
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Withdraws the payments that are open on the account. Once it is disconnected, a buyer could still
/// pay there, and the platform would not learn of it.
async fn withdraw_payments(oauth: &OAuthCallback, account: &str, cause: &str, until: Instant) -> Result<(), Error> {
    let app = &oauth.app;
    let is_ours = |one: &Purchase| one.is_of_stack(&app.config.stack_id) && (one.status().is_open() || one.can_be_confirmed_again());
    let is_theirs = |one: &Purchase| is_ours(one) && one.attempt().account.as_deref() == Some(account);
    for mut purchase in unsettled(oauth, |one| Some(one).filter(is_theirs), until).await? {
        if Instant::now() >= until {
            return Err(Error::PaymentProviderUnavailable("payments are still being withdrawn".to_owned()));
        }
        if purchase.attempt().leased_until > app.clock.now() {
            return Err(Error::PaymentsInProgress);
        }
        match settlement::withdraw(app, &oauth.stripe, &mut purchase, cause).await {
            // The seller has already revoked access.
            Ok(_) | Err(Error::SellerNotConnected) => {}
            Err(error) => return Err(error),
        }
        if purchase.processing_since().is_some() {
            return Err(Error::PaymentsInProgress);
        }
    }
    Ok(())
}
