//! Cards by number, and their tokens.

use serde_json::{Value, json};

use crate::events::context::Context;
use crate::words::cards::{self, TestCard};
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// The card that parameters contain in full (`number`, `exp_month`, `exp_year`).
///
/// # Errors
/// 402 for a number that is not a test card, and for raw numbers sent with a secret key.
pub(crate) fn raw_card(ctx: &Context, card: &Params) -> Result<(TestCard, i64, i64), ApiError> {
    let number = card.text("number").ok_or_else(|| ApiError::missing("card[number]"))?;
    if !ctx.browser {
        return Err(ApiError::new(
            402,
            "card_error",
            "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test tokens \
             that map to the test card you are using, see https://stripe.com/docs/testing. To enable testing raw card \
             data APIs, see https://support.stripe.com/questions/enabling-access-to-raw-card-data-apis.",
        ));
    }
    let found = TestCard::of_number(number)
        .filter(TestCard::is_card)
        .ok_or_else(|| ApiError::card("incorrect_number", None, "Your card number is incorrect.").param("number"))?;
    let month = card.int("exp_month").ok_or_else(|| ApiError::missing("card[exp_month]"))?;
    let year = card.int("exp_year").ok_or_else(|| ApiError::missing("card[exp_year]"))?;
    if !(1..=12).contains(&month) {
        let error = ApiError::card("invalid_expiry_month", None, "Your card's expiration month is invalid.");
        return Err(error.param("exp_month"));
    }
    if year < 2000 {
        let error = ApiError::card("invalid_expiry_year", None, "Your card's expiration year is invalid.");
        return Err(error.param("exp_year"));
    }
    Ok((found, month, year))
}

/// Uses up a token. Test tokens (`tok_visa`) work any number of times, created ones once.
pub(crate) fn redeem(ctx: &mut Context, id: &str) -> Result<(TestCard, i64, i64), ApiError> {
    if let Some(card) = TestCard::of_id(id).filter(|_| id.starts_with("tok_")) {
        return Ok((card, 12, cards::next_year()));
    }
    let account = ctx.account.clone();
    let row = ctx.state.row(&account, Kind::Token, id);
    let row = row.ok_or_else(|| ApiError::no_such_param(Kind::Token, id, "card[token]"))?;
    if row.object.flag("used") {
        return Err(ApiError::invalid(format!("You cannot use a Stripe token more than once: {id}.")).code("token_already_used"));
    }
    let name = row.hidden.get("card").and_then(Value::as_str).unwrap_or_default();
    let card = TestCard::of_name(name).ok_or_else(|| ApiError::no_such_param(Kind::Token, id, "card[token]"))?;
    let expiry = (row.object["card"].int("exp_month"), row.object["card"].int("exp_year"));
    ctx.set(Kind::Token, id, json!({ "used": true }));
    Ok((card, expiry.0, expiry.1))
}
