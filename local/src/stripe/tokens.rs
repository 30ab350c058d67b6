//! Tokens of cards: <https://docs.stripe.com/api/tokens>. Each is used once.

use serde_json::{Map, Value, json};

use super::cards::TestCard;
use super::context::Context;
use super::errors::ApiError;
use super::params::Params;
use super::state::{Fields, Kind, new_id, random_text};

/// Parameters of `POST /v1/tokens`.
pub(crate) const CREATE: &str = "card{number exp_month:i exp_year:i cvc name address_city address_country address_line1 \
    address_line2 address_state address_zip currency} customer";

/// The card that parameters spell out (`number`, `exp_month`, `exp_year`).
///
/// # Errors
/// 402 for a number that is no test card, and for raw numbers sent with a secret key.
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

/// `POST /v1/tokens`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    if !params.has("card") {
        return Err(ApiError::missing("card"));
    }
    let (card, month, year) = raw_card(ctx, &params.object("card"))?;
    let id = new_id("tok");
    let object = json!({
        "id": id,
        "object": "token",
        "card": {
            "id": format!("card_{}", random_text(24)),
            "object": "card",
            "address_city": null,
            "address_country": null,
            "address_line1": null,
            "address_line1_check": null,
            "address_line2": null,
            "address_state": null,
            "address_zip": null,
            "address_zip_check": null,
            "brand": display_brand(card.brand),
            "country": card.country,
            "cvc_check": "unchecked",
            "dynamic_last4": null,
            "exp_month": month,
            "exp_year": year,
            "fingerprint": card.fingerprint(),
            "funding": card.funding,
            "last4": card.last4(),
            "metadata": {},
            "name": params.object("card").json("name"),
            "networks": { "preferred": null },
            "regulated_status": "unregulated",
            "tokenization_method": null,
            "wallet": null,
        },
        "client_ip": "127.0.0.1",
        "created": ctx.now(),
        "livemode": false,
        "type": "card",
        "used": false,
    });
    let mut hidden = Map::new();
    hidden.insert("card".into(), card.name.into());
    let account = ctx.account.clone();
    ctx.state.insert(&account, Kind::Token, object.clone(), hidden);
    Ok(object)
}

fn display_brand(brand: &str) -> &str {
    match brand {
        "visa" => "Visa",
        "mastercard" => "MasterCard",
        "amex" => "American Express",
        "discover" => "Discover",
        "diners" => "Diners Club",
        "jcb" => "JCB",
        _ => "UnionPay",
    }
}

/// `GET /v1/tokens/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Token, path[0], "id")
}

/// Uses a token up: a test token (`tok_visa`) any number of times, a made one once.
pub(crate) fn redeem(ctx: &mut Context, id: &str) -> Result<(TestCard, i64, i64), ApiError> {
    if let Some(card) = TestCard::of_id(id).filter(|_| id.starts_with("tok_")) {
        return Ok((card, 12, super::payment_methods::next_year()));
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
