//! What sellers owe. Whoever owes does not leave, nor is paid on another account.

use std::collections::BTreeSet;

use crate::app::App;
use crate::domain::error::Error;
use crate::domain::user::{AccountType, User};
use crate::store::page::Page;
use crate::stripe::Gateway;
use crate::stripe::error::StripeError;
use crate::stripe::objects::Balance;

/// The accounts of a seller that owe the platform something: a reversal that Stripe refused, or a negative balance of an Express or Custom
/// account, [for which the platform is liable](https://docs.stripe.com/connect/account-balances). Two DynamoDB trips in parallel, then one
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
