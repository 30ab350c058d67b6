//! The results of a captured charge: its balance transaction, its transfer, its application fee.

use serde_json::{Value, json};

use crate::engine::application_fees;
use crate::engine::charges;
use crate::engine::exchange;
use crate::engine::ledger::{self, Counterparty, Fee, Posting};
use crate::engine::transfers;
use crate::events::context::Context;
use crate::words::cards::{Aftermath, TestCard};
use crate::words::ids::new_id;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::money;

/// What happens after a test card's charge was paid.
pub(crate) fn aftermath(ctx: &Context, charge: &str) -> Aftermath {
    let card = ctx.state.hidden(&ctx.account, Kind::Charge, charge, "card").and_then(Value::as_str);
    card.and_then(TestCard::of_name).map_or(Aftermath::None, |card| card.aftermath)
}

/// Posts a captured charge and passes on its money.
pub(crate) fn settle(ctx: &mut Context, intent: &str, charge: &str) {
    let account = ctx.account.clone();
    let Some(intent) = ctx.state.object(&account, Kind::PaymentIntent, intent).cloned() else { return };
    let Some(object) = ctx.state.object(&account, Kind::Charge, charge).cloned() else { return };
    let (amount, currency) = (object.int("amount_captured"), object.text("currency"));
    let now = ctx.now();
    let merchant = charges::merchant(ctx, &object);
    let settled = exchange::incoming(ctx, &merchant, amount, currency);
    let at_once = aftermath(ctx, charge) == Aftermath::AvailableAtOnce;
    let available_on = if at_once { now } else { ledger::settlement(now, &settled.currency) };
    let country = ctx.state.account(&merchant).map_or("US", |account| account.text("country")).to_owned();
    let destination = intent["transfer_data"].maybe("destination");
    // The captured amount may be less than what the fee was set for.
    let fee = intent["application_fee_amount"].as_i64().map(|fee| (new_id("fee"), fee.min(amount)));

    let mut fees = Vec::new();
    let mut taken = fee.as_ref().map(|(_, fee)| (account.clone(), charge.to_owned(), settled.same_rate(*fee), settled.clone()));
    if let (Some((_, _, part, _)), None) = (&taken, destination) {
        fees.push(Fee::Application(*part));
    }
    fees.push(Fee::Stripe(money::stripe_fee(settled.amount, &country)));
    let transaction = ledger::post(
        ctx,
        &account,
        &Posting {
            kind: "charge",
            category: "charge",
            amount: settled.amount,
            fees,
            currency: &settled.currency,
            source: charge,
            description: intent.maybe("description").map(str::to_owned),
            available_on,
            counterparty: Counterparty::Cardholder,
            exchange_rate: settled.rate,
            converted: settled.rate.map(|_| (amount, currency)),
        },
    );
    let fee_id = fee.as_ref().map(|(id, _)| id);
    ctx.set(Kind::Charge, charge, json!({ "application_fee": fee_id, "balance_transaction": transaction }));
    if let Some(destination) = destination {
        let part = intent["transfer_data"]["amount"].as_i64().map(|part| settled.same_rate(part.min(amount)));
        let new = transfers::New {
            amount: part.unwrap_or(settled.amount),
            currency: settled.currency.clone(),
            destination: destination.to_owned(),
            description: None,
            metadata: json!({}),
            source_transaction: Some(charge.to_owned()),
            transfer_group: object.maybe("transfer_group").map(str::to_owned),
            available_on,
            fee: fee.as_ref().map(|(id, fee)| (id.clone(), settled.same_rate(*fee))),
            by_charge: true,
        };
        let made = transfers::make(ctx, &new);
        ctx.set(Kind::Charge, charge, json!({ "transfer": made.transfer }));
        if let Some((_, fee)) = &fee {
            // The fee is taken from what has arrived.
            let rate = settled.rate.unwrap_or(1.0) * made.arrived.rate.unwrap_or(1.0);
            let converted = settled.rate.or(made.arrived.rate).map(|_| rate);
            let part = made.arrived.same_rate(settled.same_rate(*fee));
            taken = Some((destination.to_owned(), made.payment, part, exchange::Settled { rate: converted, ..made.arrived }));
        }
    }
    if let (Some((id, amount)), Some((from, charge_there, part, there))) = (&fee, &taken) {
        let new = application_fees::New {
            id,
            account: from,
            amount: *amount,
            currency,
            charge: charge_there,
            originating_transaction: destination.map(|_| charge),
            available_on,
            taken: *part,
            there,
        };
        application_fees::make(ctx, &new);
    }
}
