//! How a payment is made: authentication, the bank's verdict, the charge, and where its money goes.

use serde_json::{Map, Value, json};

use super::application_fees;
use super::billing::invoices;
use super::cards::{Aftermath, Authentication, Decline, TestCard, Verdict};
use super::charges;
use super::checkout;
use super::context::Context;
use super::disputes;
use super::errors::ApiError;
use super::ledger::{self, Counterparty, Fee, Posting};
use super::money;
use super::payment_methods;
use super::state::{Fields, Kind, new_id, random_text};
use super::transfers;

/// How a payment is to be tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Try {
    /// The cardholder has authenticated.
    pub(crate) authenticated: bool,
    /// The cardholder is not there to authenticate.
    pub(crate) off_session: bool,
    /// Refuse instead of asking for authentication.
    pub(crate) error_on_action: bool,
}

/// The error that a payment with this PaymentMethod would end in, if any.
pub(crate) fn foresee(ctx: &Context, method: &str) -> Option<ApiError> {
    let card = payment_methods::card(ctx, method)?;
    let asks = match card.authentication {
        Authentication::Never => false,
        Authentication::Always => true,
        Authentication::UnlessSetUp => !payment_methods::is_set_up(ctx, method),
    };
    match card.verdict {
        _ if asks => Some(ApiError::card(
            "subscription_payment_intent_requires_action",
            None,
            "Payment for this subscription requires additional user action before it can be completed successfully.",
        )),
        Verdict::Decline(decline) => Some(decline.error()),
        Verdict::Approve => None,
    }
}

/// Tries to pay a PaymentIntent that has a PaymentMethod.
///
/// # Errors
/// 402 for a decline; the PaymentIntent is then in `requires_payment_method`, and the error carries it.
pub(crate) fn attempt(ctx: &mut Context, id: &str, how: Try) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, id, "intent")?;
    let method = intent.text("payment_method").to_owned();
    let card =
        payment_methods::card(ctx, &method).ok_or_else(|| ApiError::no_such_param(Kind::PaymentMethod, &method, "payment_method"))?;
    let authenticate = !how.authenticated
        && match card.authentication {
            Authentication::Never => false,
            Authentication::Always => true,
            Authentication::UnlessSetUp => !payment_methods::is_set_up(ctx, &method),
        };
    if authenticate && (how.off_session || how.error_on_action) {
        let decline = Decline {
            code: "authentication_required",
            decline_code: Some("authentication_required"),
            message: "Your card was declined. This transaction requires authentication.",
        };
        return Err(decline_charge(ctx, id, &intent, &card, decline, how));
    }
    if authenticate {
        ask_for_authentication(ctx, id, &intent);
        return Ok(());
    }
    match card.verdict {
        Verdict::Decline(decline) => Err(decline_charge(ctx, id, &intent, &card, decline, how)),
        Verdict::Approve => {
            approve(ctx, id, &intent, &card, how);
            Ok(())
        }
    }
}

fn ask_for_authentication(ctx: &mut Context, id: &str, intent: &Value) {
    let secret = intent.text("client_secret");
    let page = format!("{}/3ds/{id}?client_secret={secret}", ctx.origin);
    let return_url = ctx.state.hidden(&ctx.account, Kind::PaymentIntent, id, "return_url").cloned();
    let action = match return_url {
        Some(return_url) => json!({
            "redirect_to_url": { "return_url": return_url, "url": page },
            "type": "redirect_to_url",
        }),
        None => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "source": format!("src_{}", random_text(24)),
                "stripe_js": page,
                "type": "three_d_secure_redirect",
            },
        }),
    };
    ctx.set(Kind::PaymentIntent, id, json!({ "status": "requires_action", "next_action": action, "last_payment_error": null }));
    ctx.emit("payment_intent.requires_action", Kind::PaymentIntent, id);
    invoices::action_required(ctx, id);
}

/// The charge of an attempt, whether it succeeds or not.
fn new_charge(ctx: &mut Context, intent: &Value, card: &TestCard, how: Try) -> Value {
    let amount = intent.int("amount");
    let currency = intent.text("currency");
    let method = ctx.state.object(&ctx.account, Kind::PaymentMethod, intent.text("payment_method")).cloned();
    let method = method.unwrap_or_default();
    let mut charge = charges::blank(&new_id("ch"), amount, currency, ctx.now());
    charge["application"] = if ctx.is_connected() { ctx.client_id.as_str().into() } else { Value::Null };
    charge["billing_details"] = method["billing_details"].clone();
    charge["calculated_statement_descriptor"] = "LOCAL PLATFORM".into();
    charge["application_fee_amount"] = intent["application_fee_amount"].clone();
    charge["payment_intent"] = intent["id"].clone();
    charge["payment_method_details"] = json!({
        "card": card.charge_details(&method["card"], how.authenticated, amount),
        "type": "card",
    });
    for name in [
        "customer",
        "description",
        "metadata",
        "on_behalf_of",
        "payment_method",
        "receipt_email",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    ] {
        charge[name] = intent[name].clone();
    }
    if let Some(destination) = intent["transfer_data"].maybe("destination") {
        charge["transfer_data"] = json!({ "amount": intent["transfer_data"]["amount"], "destination": destination });
    }
    charge
}

/// A charge that the bank refuses: the error to answer.
fn decline_charge(ctx: &mut Context, id: &str, intent: &Value, card: &TestCard, decline: Decline, how: Try) -> ApiError {
    let mut charge = new_charge(ctx, intent, card, how);
    let charge_id = charge.text("id").to_owned();
    charge["failure_code"] = decline.code.into();
    charge["failure_message"] = decline.message.into();
    charge["outcome"] = json!({
        "advice_code": "try_again_later",
        "network_advice_code": null,
        "network_decline_code": "01",
        "network_status": "declined_by_network",
        "reason": decline.decline_code.unwrap_or(decline.code),
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    });
    ctx.insert(Kind::Charge, charge);
    ctx.emit("charge.failed", Kind::Charge, &charge_id);
    let error = decline.error().with("charge", charge_id.as_str());
    ctx.set(Kind::PaymentIntent, id, json!({ "latest_charge": charge_id }));
    fail(ctx, id, error)
}

/// Ends an attempt without a payment; the error is kept on the PaymentIntent, and answered with it.
pub(crate) fn fail(ctx: &mut Context, id: &str, error: ApiError) -> ApiError {
    let account = ctx.account.clone();
    let intent = ctx.state.object(&account, Kind::PaymentIntent, id).cloned().unwrap_or_default();
    let method = ctx.state.object(&account, Kind::PaymentMethod, intent.text("payment_method")).cloned();
    let error = match method {
        Some(method) => error.with("payment_method", method),
        None => error,
    };
    ctx.set(
        Kind::PaymentIntent,
        id,
        json!({
            "last_payment_error": error.fields(),
            "next_action": null,
            "payment_method": null,
            "status": "requires_payment_method",
        }),
    );
    ctx.emit("payment_intent.payment_failed", Kind::PaymentIntent, id);
    invoices::payment_failed(ctx, id);
    let intent = ctx.state.object(&account, Kind::PaymentIntent, id).cloned().unwrap_or_default();
    error.with("payment_intent", intent)
}

fn approve(ctx: &mut Context, id: &str, intent: &Value, card: &TestCard, how: Try) {
    let account = ctx.account.clone();
    let method = intent.text("payment_method").to_owned();
    save_method(ctx, intent, &method, how);
    let mut charge = new_charge(ctx, intent, card, how);
    let charge_id = charge.text("id").to_owned();
    charge["outcome"] = json!({
        "advice_code": null,
        "network_advice_code": null,
        "network_decline_code": null,
        "network_status": "approved_by_network",
        "reason": null,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "Payment complete.",
        "type": "authorized",
    });
    charge["paid"] = true.into();
    charge["receipt_url"] = format!("{}/receipts/{charge_id}", ctx.origin).into();
    charge["status"] = "succeeded".into();
    let mut hidden = Map::new();
    hidden.insert("card".into(), card.name.into());
    ctx.state.insert(&account, Kind::Charge, charge, hidden);
    ctx.set(Kind::PaymentIntent, id, json!({ "last_payment_error": null, "latest_charge": charge_id, "next_action": null }));
    if intent.text("capture_method") == "manual" {
        ctx.set(Kind::PaymentIntent, id, json!({ "amount_capturable": intent.int("amount"), "status": "requires_capture" }));
        ctx.emit("charge.succeeded", Kind::Charge, &charge_id);
        ctx.emit("payment_intent.amount_capturable_updated", Kind::PaymentIntent, id);
    } else {
        collect(ctx, id, &charge_id, intent.int("amount"), "charge.succeeded");
    }
}

/// Attaches the card where it was to be kept; otherwise it cannot be used a second time.
fn save_method(ctx: &mut Context, intent: &Value, method: &str, how: Try) {
    let attached = ctx.state.object(&ctx.account, Kind::PaymentMethod, method).is_some_and(|method| method.maybe("customer").is_some());
    let keep = intent.maybe("setup_future_usage").is_some();
    if keep && how.authenticated {
        payment_methods::set_mark(ctx, method, "set_up");
    }
    if attached {
        return;
    }
    match intent.maybe("customer") {
        Some(customer) if keep => {
            let _ = payment_methods::attach_to(ctx, method, customer);
        }
        _ => payment_methods::set_mark(ctx, method, "spent"),
    }
}

/// Takes the money of an approved charge, and passes it on.
pub(crate) fn collect(ctx: &mut Context, id: &str, charge: &str, amount: i64, event: &str) {
    let account = ctx.account.clone();
    let Some(intent) = ctx.state.object(&account, Kind::PaymentIntent, id).cloned() else { return };
    let card = ctx.state.hidden(&account, Kind::Charge, charge, "card").and_then(Value::as_str);
    let aftermath = card.and_then(TestCard::of_name).map_or(Aftermath::None, |card| card.aftermath);
    let now = ctx.now();
    let available_on = if aftermath == Aftermath::AvailableAtOnce { now } else { now + ledger::SETTLEMENT };
    let currency = intent.text("currency");
    let destination = intent["transfer_data"].maybe("destination");
    // What is captured may be less than what the fee was set for.
    let fee = intent["application_fee_amount"].as_i64().map(|fee| (new_id("fee"), fee.min(amount)));

    let mut fees = vec![Fee::Stripe(money::stripe_fee(amount))];
    if let (Some((_, fee)), None) = (&fee, destination) {
        fees.push(Fee::Application(*fee));
    }
    let transaction = ledger::post(
        ctx,
        &account,
        &Posting {
            kind: "charge",
            category: "charge",
            amount,
            fees,
            currency,
            source: charge,
            description: intent.maybe("description").map(str::to_owned),
            available_on,
            counterparty: Counterparty::Cardholder,
        },
    );
    ctx.set(
        Kind::Charge,
        charge,
        json!({
            "amount_captured": amount,
            "application_fee": fee.as_ref().map(|(id, _)| id),
            "balance_transaction": transaction,
            "captured": true,
        }),
    );
    let mut fee_source = (account.clone(), charge.to_owned());
    if let Some(destination) = destination {
        let group = intent.maybe("transfer_group").map_or_else(|| format!("group_{id}"), str::to_owned);
        let sent = intent["transfer_data"]["amount"].as_i64().unwrap_or(amount).min(amount);
        ctx.set(Kind::Charge, charge, json!({ "transfer_group": group }));
        ctx.set(Kind::PaymentIntent, id, json!({ "transfer_group": group }));
        let new = transfers::New {
            amount: sent,
            currency: currency.to_owned(),
            destination: destination.to_owned(),
            description: None,
            metadata: json!({}),
            source_transaction: Some(charge.to_owned()),
            transfer_group: Some(group),
            available_on,
            fee: fee.clone(),
            by_charge: true,
        };
        let transfer = transfers::make(ctx, &new);
        ctx.set(Kind::Charge, charge, json!({ "transfer": transfer }));
        let payment = ctx.state.object(&account, Kind::Transfer, &transfer).map(|t| t.text("destination_payment").to_owned());
        fee_source = (destination.to_owned(), payment.unwrap_or_default());
    }
    if let Some((fee, amount)) = &fee {
        let new = application_fees::New {
            id: fee,
            account: &fee_source.0,
            amount: *amount,
            currency,
            charge: &fee_source.1,
            originating_transaction: destination.map(|_| charge),
            available_on,
        };
        application_fees::make(ctx, &new);
    }
    ctx.set(Kind::PaymentIntent, id, json!({ "amount_capturable": 0, "amount_received": amount, "status": "succeeded" }));
    ctx.emit(event, Kind::Charge, charge);
    ctx.emit("payment_intent.succeeded", Kind::PaymentIntent, id);
    checkout::complete(ctx, id);
    invoices::payment_succeeded(ctx, id);
    if let Aftermath::Dispute(reason) = aftermath {
        disputes::open(ctx, charge, reason);
    }
}

/// The cardholder has answered the bank's question.
///
/// # Errors
/// 400 where there is no question open.
pub(crate) fn authenticate(ctx: &mut Context, id: &str, succeeded: bool) -> Result<(), ApiError> {
    let intent = ctx.fetch(Kind::PaymentIntent, id, "intent")?;
    if intent.text("status") != "requires_action" {
        return Err(ApiError::invalid(format!(
            "This PaymentIntent has a status of {}: there is nothing to authenticate.",
            intent.text("status")
        )));
    }
    if succeeded {
        // A decline after authentication is in the PaymentIntent, where its client looks.
        let _ = attempt(ctx, id, Try { authenticated: true, ..Try::default() });
    } else {
        let error = ApiError::invalid(
            "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new \
             PaymentMethod to attempt to fulfill this PaymentIntent again.",
        )
        .code("payment_intent_authentication_failure");
        fail(ctx, id, error);
    }
    Ok(())
}
