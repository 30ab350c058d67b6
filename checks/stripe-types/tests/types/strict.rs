//! Parses an object with the type of its name, and compares the parsed fields with the sent ones.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stripe_types::{List, SearchList};

/// Fields that Stripe sends although its specification or the crate lacks them.
const UNSPECIFIED: [&str; 2] = ["object", "total_count"];

/// What has been checked.
#[derive(Debug, Default)]
pub struct Checked {
    pub objects: BTreeSet<String>,
    pub events: BTreeSet<String>,
    pub faults: BTreeSet<String>,
}

impl Checked {
    /// Checks a response: an object or a page of objects.
    pub fn answer(&mut self, value: &Value) {
        let name = value["object"].as_str().unwrap_or_default().to_owned();
        let faults = match name.as_str() {
            "account" => read::<stripe_shared::Account>(value),
            "account_link" => read::<stripe_connect::AccountLink>(value),
            "account_session" => read::<stripe_connect::AccountSession>(value),
            "application" => read::<stripe_shared::Application>(value),
            "application_fee" => read::<stripe_shared::ApplicationFee>(value),
            "balance" => read::<stripe_core::Balance>(value),
            "balance_transaction" => read::<stripe_shared::BalanceTransaction>(value),
            "capability" => read::<stripe_shared::Capability>(value),
            "charge" => read::<stripe_shared::Charge>(value),
            "checkout.session" => read::<stripe_shared::CheckoutSession>(value),
            "customer" if value["deleted"] == true => read::<stripe_shared::DeletedCustomer>(value),
            "customer" => read::<stripe_shared::Customer>(value),
            "dispute" => read::<stripe_shared::Dispute>(value),
            "event" => {
                self.events.insert(value["type"].as_str().unwrap_or_default().to_owned());
                self.answer(&value["data"]["object"]);
                read::<stripe_shared::Event>(value)
            }
            "fee_refund" => read::<stripe_shared::ApplicationFeeRefund>(value),
            "invoice" => read::<stripe_shared::Invoice>(value),
            "invoice_payment" => read::<stripe_shared::InvoicePayment>(value),
            "item" => read::<stripe_shared::CheckoutSessionItem>(value),
            "line_item" => read::<stripe_shared::InvoiceLineItem>(value),
            "list" => {
                for item in value["data"].as_array().into_iter().flatten() {
                    self.answer(item);
                }
                read::<List<Value>>(value)
            }
            "login_link" => read::<stripe_connect::LoginLink>(value),
            "payment_intent" => read::<stripe_shared::PaymentIntent>(value),
            "payment_method" => read::<stripe_shared::PaymentMethod>(value),
            "payout" => read::<stripe_shared::Payout>(value),
            "price" => read::<stripe_shared::Price>(value),
            "product" => read::<stripe_shared::Product>(value),
            "refund" => read::<stripe_shared::Refund>(value),
            "search_result" => {
                for item in value["data"].as_array().into_iter().flatten() {
                    self.answer(item);
                }
                read::<SearchList<Value>>(value)
            }
            "setup_intent" => read::<stripe_shared::SetupIntent>(value),
            "subscription" => read::<stripe_shared::Subscription>(value),
            "test_helpers.test_clock" if value["deleted"] == true => read::<stripe_shared::DeletedTestHelpersTestClock>(value),
            "test_helpers.test_clock" => read::<stripe_shared::TestHelpersTestClock>(value),
            "token" => read::<stripe_core::Token>(value),
            "transfer" => read::<stripe_shared::Transfer>(value),
            "transfer_reversal" => read::<stripe_shared::TransferReversal>(value),
            other => vec![format!("no type for {other:?}")],
        };
        self.faults.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        self.objects.insert(name);
    }

    /// Checks the body of an error.
    pub fn error(&mut self, body: &Value) {
        let faults = read::<stripe_shared::ApiErrors>(&body["error"]);
        self.faults.extend(faults.into_iter().map(|fault| format!("error: {fault}")));
        self.objects.insert("error".to_owned());
        if let Some(intent) = body["error"].get("payment_intent") {
            self.answer(intent);
        }
    }
}

/// What async-stripe logs while parsing. For a value that its enums lack, it only logs a warning.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<u8>>>);

impl Warnings {
    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Warnings {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Warnings {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is wrong with an object: it cannot be parsed, or has an unknown value or field.
fn read<T: DeserializeOwned + Serialize>(value: &Value) -> Vec<String> {
    let warnings = Warnings::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(warnings.clone()).finish();
    let parsed: T = match tracing::subscriber::with_default(subscriber, || serde_path_to_error::deserialize(value)) {
        Ok(parsed) => parsed,
        Err(error) => return vec![error.to_string()],
    };
    let mut faults = warnings.lines();
    match serde_json::to_value(&parsed) {
        Ok(kept) => lost(value, &kept, "", &mut faults),
        Err(error) => faults.push(error.to_string()),
    }
    faults
}

/// Fields whose value was lost in parsing.
fn lost(sent: &Value, kept: &Value, path: &str, faults: &mut Vec<String>) {
    match (sent, kept) {
        (Value::Object(sent), Value::Object(kept)) => {
            for (name, value) in sent {
                let path = format!("{path}.{name}");
                match kept.get(name) {
                    Some(kept) => lost(value, kept, &path, faults),
                    None if value.is_null() || UNSPECIFIED.contains(&name.as_str()) => {}
                    None => faults.push(format!("{path} is unknown to the specification")),
                }
            }
        }
        (Value::Array(sent), Value::Array(kept)) => {
            for (sent, kept) in sent.iter().zip(kept) {
                lost(sent, kept, &format!("{path}[]"), faults);
            }
        }
        _ if sent != kept => faults.push(format!("{path} was {sent} and became {kept}")),
        _ => {}
    }
}
