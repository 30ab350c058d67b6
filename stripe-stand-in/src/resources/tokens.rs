//! Card tokens: <https://docs.stripe.com/api/tokens>. Each works once.

use serde_json::{Map, Value, json};

use crate::engine::tokens;
use crate::events::context::Context;
use crate::words::errors::ApiError;
use crate::words::ids::{new_id, random_text};
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/tokens`.
pub(crate) const CREATE: &str = "card{number exp_month:i exp_year:i cvc name address_city address_country address_line1 \
    address_line2 address_state address_zip currency} customer";

/// `POST /v1/tokens`
pub(crate) fn create(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    if !params.has("card") {
        return Err(ApiError::missing("card"));
    }
    let (card, month, year) = tokens::raw_card(ctx, &params.object("card"))?;
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
