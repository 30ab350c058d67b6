//! Where money can be sent (<https://docs.stripe.com/connect/cross-border-payouts>), and under which
//! agreement an account receives it: <https://docs.stripe.com/connect/service-agreement-types>.

use serde_json::Value;

use crate::engine::accounts::build;
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::params::Params;

/// Whether a country allows transfers to others like it: the US, Canada, the United Kingdom, Switzerland and the EEA.
fn is_open(country: &str) -> bool {
    ["EEA", "North America"].contains(&build::region(country))
}

/// Whether the platform can only send money to recipients in a country.
pub(crate) fn is_recipients_only(ctx: &Context, country: &str) -> bool {
    let own = ctx.state.account(&ctx.account).map_or("US", |account| account.text("country"));
    own != country && !is_open(country)
}

/// Whether an account has the recipient agreement, so that it only receives transfers and cannot sell.
pub(crate) fn is_recipient(account: &Value) -> bool {
    account["tos_acceptance"].text("service_agreement") == "recipient"
}

/// Checks that the current account may send money to another, from a charge or its balance, if borders are enforced.
///
/// # Errors
/// 400 if the country cannot be reached that way.
pub(crate) fn check_transfer(ctx: &Context, destination: &Value, source: Option<&Value>) -> Result<(), ApiError> {
    if !ctx.state.settings.borders {
        return Ok(());
    }
    let own = ctx.state.account(&ctx.account).map_or("US", |account| account.text("country"));
    let theirs = destination.text("country");
    // What was charged on behalf of an account settled in its country.
    let settled_there = source.is_some_and(|charge| charge["on_behalf_of"] == destination["id"]);
    if own == theirs || settled_there {
        return Ok(());
    }
    match (is_open(own), is_open(theirs), is_recipient(destination)) {
        (true, true, false) | (true, false, true) => Ok(()),
        (true, false, false) => Err(ApiError::invalid(format!(
            "Funds can't be sent to accounts located in {theirs} when the account is under the `full` service agreement. To learn more, see \
             https://stripe.com/docs/connect/service-agreement-types."
        ))),
        (true, true, true) => Err(ApiError::invalid(format!(
            "Funds can't be sent to accounts located in {theirs} when the account is under the `recipient` service agreement. To learn more, \
             see https://stripe.com/docs/connect/service-agreement-types."
        ))),
        (false, ..) => Err(ApiError::invalid(format!(
            "Funds can't be sent to accounts located in {theirs} because it's restricted outside of your platform's region"
        ))),
    }
}

/// Checks that an account may be created or changed to have the recipient agreement.
///
/// # Errors
/// 400 for an account in the platform's own country, one that requests card payments, and one that already has another agreement.
pub(crate) fn check_agreement(ctx: &Context, params: &Params, country: &str, before: Option<&Value>) -> Result<(), ApiError> {
    const PARAM: &str = "tos_acceptance[service_agreement]";
    let terms = params.json("tos_acceptance");
    let asked = terms.maybe("service_agreement");
    let was_recipient = before.is_some_and(is_recipient);
    if let (Some(asked), Some(_)) = (asked, before.filter(|before| !before["tos_acceptance"]["date"].is_null()))
        && (asked == "recipient") != was_recipient
    {
        return Err(ApiError::invalid("The service agreement of an account cannot be changed once it was accepted.").param(PARAM));
    }
    let recipient = asked.map_or(was_recipient, |asked| asked == "recipient");
    if !recipient {
        return Ok(());
    }
    let own = ctx.state.account(&ctx.account).map_or("US", |account| account.text("country"));
    if asked.is_some() && own == country {
        return Err(ApiError::invalid(format!(
            "The recipient ToS agreement is not supported for platforms in {own} creating accounts in {country}. See \
             https://stripe.com/docs/connect/cross-border-payouts for more details."
        ))
        .param(PARAM));
    }
    if params.json("capabilities")["card_payments"].text("requested") == "true" {
        return Err(ApiError::invalid("Accounts under the `recipient` service agreement cannot request the `card_payments` capability.")
            .param("capabilities[card_payments]"));
    }
    Ok(())
}
