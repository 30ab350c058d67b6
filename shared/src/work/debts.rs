//! What sellers owe. Whoever owes does not leave, nor is paid on another account; whoever has left runs up no debts.

use std::collections::BTreeSet;

use crate::app::App;
use crate::domain::charging::ChargeType;
use crate::domain::error::Error;
use crate::domain::money::Price;
use crate::domain::user::{AccountType, User};
use crate::store::page::Page;
use crate::stripe::Gateway;
use crate::stripe::error::StripeError;
use crate::stripe::objects::Balance;

/// The accounts of a seller that owe the platform something: a reversal that Stripe refused, or a negative balance of an Express or Custom
/// account, [for which the platform is liable](https://docs.stripe.com/connect/risk-management#identify-negative-balance-responsibility). Two DynamoDB trips in parallel, then one
/// Stripe call for each such account that was made for them or that they have linked. Accounts that the platform can no longer read are left
/// out.
///
/// # Errors
/// If DynamoDB or Stripe fails.
pub async fn owing(app: &App, stripe: &Gateway, user: &User) -> Result<BTreeSet<String>, Error> {
    let page = Page { limit: 100, after: None };
    let (totals, made) = tokio::try_join!(app.store.totals_of(&user.id), app.store.made_accounts_of(&user.id, &page))?;
    let linked = user.stripe.iter().map(|link| (link.account_type, vec![link.account_id.clone()]));
    let accounts: BTreeSet<String> = linked
        .chain(made.items.iter().map(|made| (made.account_type, made.accounts())))
        .filter(|(account_type, _)| *account_type != AccountType::Standard)
        .flat_map(|(_, accounts)| accounts)
        .collect();
    let mut owing: BTreeSet<String> = totals.debts.into_iter().map(|debt| debt.account).collect();
    for account in accounts {
        match stripe.get::<Balance>("/balance", Some(&account)).await {
            Ok(balance) if balance.is_negative() => {
                owing.insert(account);
            }
            Ok(_) | Err(StripeError::AccountRevoked) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(owing)
}

/// Refuses a seller's refund that would leave an account below zero which they have left: nothing would fill it up again, and the platform
/// would have paid. `part` is the seller's, in the currency of the sale. One Stripe call; none for the account that they have linked, whose
/// sales go on, and none for separate charges, whose refunds wait for the money.
///
/// # Errors
/// [`Error::RefundRefused`], also if the platform can no longer read the balance. If Stripe fails.
pub async fn check_refund(stripe: &Gateway, seller: &User, (account, charge_type): (&str, ChargeType), part: Price) -> Result<(), Error> {
    if charge_type == ChargeType::Separate || seller.stripe.as_ref().is_some_and(|link| link.account_id == account) {
        return Ok(());
    }
    let refused = |code: &str| Err(Error::RefundRefused(code.to_owned()));
    match stripe.get::<Balance>("/balance", Some(account)).await {
        Ok(balance) if balance.total(part.currency.code()) < part.amount => refused("balance_insufficient"),
        Ok(_) => Ok(()),
        Err(StripeError::AccountRevoked) => refused("account_invalid"),
        Err(error) => Err(error.into()),
    }
}
