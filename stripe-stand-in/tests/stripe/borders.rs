//! Where money can be sent, and the recipient agreement.

use serde_json::{Value, json};
use stripe_stand_in::Options;

use crate::client::{Answer, CARD, Stripe, id};

const DAY: i64 = 24 * 60 * 60;

/// A stand-in whose platform is in that country and has money in its balance.
async fn platform(country: &str, borders: bool) -> Stripe {
    let stripe = Stripe::with(Options { country: country.to_owned(), borders, every_currency: true, ..Options::default() }).await;
    let form = [("amount", "90000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", "pm_card_bypassPending"), CARD];
    stripe.post("/v1/payment_intents", &form).await.ok();
    stripe
}

async fn account(stripe: &Stripe, country: &str) -> String {
    id(&stripe.admin("POST", "accounts", json!({ "country": country })).await.ok()).to_owned()
}

async fn make(stripe: &Stripe, country: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("type", "express"),
        ("country", country),
        ("capabilities[transfers][requested]", "true"),
        ("tos_acceptance[service_agreement]", "recipient"),
    ];
    form.extend(more);
    stripe.post("/v1/accounts", &form).await
}

/// A recipient that has completed onboarding.
async fn recipient(stripe: &Stripe, country: &str) -> String {
    let made = make(stripe, country, &[]).await.ok();
    assert_eq!(made["tos_acceptance"], json!({ "date": null, "service_agreement": "recipient" }));
    let done = stripe.admin("POST", &format!("accounts/{}/requirements", id(&made)), json!({ "verdict": "complete" })).await.ok();
    assert_eq!(
        (&done["tos_acceptance"]["service_agreement"], &done["capabilities"]),
        (&json!("recipient"), &json!({ "transfers": "active" }))
    );
    id(&made).to_owned()
}

async fn send(stripe: &Stripe, destination: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("amount", "100"), ("currency", "usd"), ("destination", destination)];
    form.extend(more);
    stripe.post("/v1/transfers", &form).await
}

/// Stripe's message about a transfer; empty if it succeeded.
async fn refusal(stripe: &Stripe, destination: &str) -> Option<String> {
    let sent = send(stripe, destination, &[]).await;
    (sent.status != 200).then(|| {
        assert_eq!(sent.status, 400);
        sent.message().to_owned()
    })
}

#[tokio::test]
async fn money_can_be_sent_across_borders_within_five_regions() {
    for from in ["US", "GB", "DE", "CA", "CH"] {
        let stripe = platform(from, true).await;
        for to in ["US", "GB", "FR", "CA", "CH"] {
            assert_eq!(refusal(&stripe, &account(&stripe, to).await).await, None, "{from} to {to}");
        }
        let abroad = refusal(&stripe, &account(&stripe, "MX").await).await.unwrap();
        assert!(
            abroad.starts_with("Funds can't be sent to accounts located in MX when the account is under the `full` service agreement.")
        );
    }
}

#[tokio::test]
async fn a_platform_elsewhere_cannot_send_money_abroad() {
    let stripe = platform("HK", true).await;
    assert_eq!(refusal(&stripe, &account(&stripe, "HK").await).await, None);
    let said = "Funds can't be sent to accounts located in US because it's restricted outside of your platform's region";
    assert_eq!(refusal(&stripe, &account(&stripe, "US").await).await.as_deref(), Some(said));
}

#[tokio::test]
async fn borders_are_only_enforced_if_switched_on() {
    let stripe = platform("US", false).await;
    let abroad = account(&stripe, "MX").await;
    assert_eq!(refusal(&stripe, &abroad).await, None);
    stripe.admin("POST", "settings", json!({ "borders": true })).await.ok();
    assert!(refusal(&stripe, &abroad).await.is_some());
}

#[tokio::test]
async fn a_charge_on_behalf_of_an_account_reaches_it_in_any_country() {
    let stripe = platform("US", true).await;
    let (abroad, other) = (account(&stripe, "MX").await, account(&stripe, "MX").await);
    let form = [
        ("amount", "5000"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
        ("on_behalf_of", abroad.as_str()),
        CARD,
    ];
    let charge = stripe.post("/v1/payment_intents", &form).await.ok()["latest_charge"].as_str().unwrap().to_owned();
    let source = [("source_transaction", charge.as_str())];
    assert_eq!(send(&stripe, &other, &source).await.status, 400);
    send(&stripe, &abroad, &source).await.ok();
    stripe.books().await;
}

#[tokio::test]
async fn a_recipient_abroad_has_its_money_a_day_later() {
    let stripe = platform("US", true).await;
    let recipient = recipient(&stripe, "MX").await;
    let sent = send(&stripe, &recipient, &[("expand[]", "balance_transaction")]).await.ok();
    let payment = format!("/v1/charges/{}?expand[]=balance_transaction", sent["destination_payment"].as_str().unwrap());
    let arrived = stripe.get_on(&recipient, &payment).await.ok()["balance_transaction"].clone();
    let at = |transaction: &Value| transaction["available_on"].as_i64().unwrap();
    assert_eq!(at(&arrived) - at(&sent["balance_transaction"]), DAY);
    assert_eq!(arrived["status"], "pending");
    // It does not accept cards.
    let form = [("amount", "5000"), ("currency", "usd"), ("on_behalf_of", recipient.as_str()), CARD];
    assert_eq!(stripe.post("/v1/payment_intents", &form).await.status, 400);
    stripe.books().await;
}

#[tokio::test]
async fn who_can_be_a_recipient() {
    let stripe = platform("US", true).await;
    let home = make(&stripe, "US", &[]).await;
    let said = "The recipient ToS agreement is not supported for platforms in US creating accounts in US.";
    assert!(home.status == 400 && home.message().starts_with(said), "{:#}", home.body);
    assert_eq!(home.body["error"]["param"], "tos_acceptance[service_agreement]");
    let cards = make(&stripe, "MX", &[("capabilities[card_payments][requested]", "true")]).await;
    assert_eq!((cards.status, &cards.body["error"]["param"]), (400, &json!("capabilities[card_payments]")));
    assert_eq!(make(&stripe, "MX", &[("tos_acceptance[date]", "1801396800")]).await.status, 400, "the account's owner accepts them");

    let recipient = recipient(&stripe, "MX").await;
    let path = format!("/v1/accounts/{recipient}");
    let changed = stripe.post(&path, &[("tos_acceptance[service_agreement]", "full")]).await;
    assert_eq!((changed.status, &changed.body["error"]["param"]), (400, &json!("tos_acceptance[service_agreement]")));
    assert_eq!(stripe.post(&path, &[("capabilities[card_payments][requested]", "true")]).await.status, 400);
    assert_eq!(stripe.post(&format!("{path}/capabilities/card_payments"), &[("requested", "true")]).await.status, 400);
    stripe.post(&path, &[("metadata[a]", "b"), ("tos_acceptance[service_agreement]", "recipient")]).await.ok();
    // Among countries with ordinary transfers, the recipient agreement does not allow one.
    let near = self::recipient(&stripe, "DE").await;
    assert!(refusal(&stripe, &near).await.is_some());
}
