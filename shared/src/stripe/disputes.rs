//! Evidence for disputes. <https://docs.stripe.com/api/disputes/update>

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::{Dispute, EVIDENCE_MARK};
use super::requests::form;
use crate::base::entropy::digest;

/// The texts of evidence that suit courses and memberships, as Stripe names them. There are others for shipped goods, and files, which
/// are uploaded in Stripe's Dashboard.
pub const TEXTS: [&str; 14] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "uncategorized_text",
];

/// The most characters of a text. <https://docs.stripe.com/api/disputes/update#update_dispute-evidence>
pub const LONGEST_TEXT: usize = 20_000;

/// A disputed charge, as far as it is evidence. <https://docs.stripe.com/api/charges/object>
#[derive(Clone, Debug, Default, Deserialize)]
struct Charged {
    #[serde(default)]
    billing_details: Option<BillingDetails>,
    #[serde(default)]
    receipt_url: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct BillingDetails {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    address: Option<Address>,
}

/// What the buyer gave of it; a card's number is often entered with the postal code alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    line1: Option<String>,
    line2: Option<String>,
    postal_code: Option<String>,
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
}

/// A dispute with the evidence that is staged or submitted at Stripe, and its charge.
#[derive(Clone, Debug, Deserialize)]
pub struct DisputeFile {
    /// The dispute.
    #[serde(flatten)]
    pub dispute: Dispute,
    #[serde(default)]
    evidence: HashMap<String, Value>,
    #[serde(default)]
    charge: Option<Charged>,
}

impl DisputeFile {
    /// The texts of [`TEXTS`] that Stripe has.
    #[must_use]
    pub fn texts(&self) -> BTreeMap<&'static str, String> {
        let text = |name: &'static str| {
            let text = self.evidence.get(name)?.as_str().filter(|text| !text.is_empty())?;
            Some((name, text.to_owned()))
        };
        TEXTS.into_iter().filter_map(text).collect()
    }

    /// The name that the buyer gave with the card.
    #[must_use]
    pub fn buyers_name(&self) -> Option<&str> {
        self.charge.as_ref()?.billing_details.as_ref()?.name.as_deref()
    }

    /// The address that the buyer gave with the card, in one line; `None` if they gave nothing of it.
    #[must_use]
    pub fn buyers_address(&self) -> Option<String> {
        let address = self.charge.as_ref()?.billing_details.as_ref()?.address.as_ref()?;
        let Address { line1, line2, postal_code, city, state, country } = address;
        let parts = [line1, line2, postal_code, city, state, country].into_iter().flatten().map(String::as_str);
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Stripe's receipt for the charge.
    #[must_use]
    pub fn receipt_url(&self) -> Option<&str> {
        self.charge.as_ref()?.receipt_url.as_deref()
    }
}

/// Evidence as it is sent.
#[derive(Clone, Debug)]
pub struct Given {
    /// The digest of what it says. Stripe keeps it in the dispute's metadata, because a dispute's status does not say who submitted evidence:
    /// somebody may have done so in the Dashboard. <https://docs.stripe.com/api/disputes/object#dispute_object-metadata>
    pub digest: String,
    /// The request's body.
    pub body: String,
}

/// Gives Stripe these texts; an empty one removes what was staged. With `submit`, the bank gets all that is staged, once. An inquiry that has
/// become a dispute needs evidence anew, so the same texts have another digest then.
#[must_use]
pub fn evidence(texts: &BTreeMap<&'static str, String>, submit: bool, is_inquiry: bool) -> Given {
    let names: Vec<String> = texts.keys().map(|name| format!("evidence[{name}]")).collect();
    let mut fields: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.values().map(String::as_str)).collect();
    fields.push(("submit", if submit { "true" } else { "false" }));
    let digest = digest(&format!("{is_inquiry} {}", form(&fields)));
    let mark = format!("metadata[{EVIDENCE_MARK}]");
    fields.push((&mark, &digest));
    Given { body: form(&fields), digest }
}

impl Gateway {
    /// A dispute of the platform's, with its evidence and its charge; `None` if there is none with this id.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn dispute_file(&self, id: &str) -> Result<Option<DisputeFile>, StripeError> {
        self.find(&format!("/disputes/{id}?expand[]=charge"), None).await
    }

    /// Gives Stripe the evidence for a dispute of the platform's.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn give_evidence(&self, id: &str, body: &str, key: &str) -> Result<Dispute, StripeError> {
        self.post(&Post { path: &format!("/disputes/{id}"), body, account: None, key }).await
    }
}
