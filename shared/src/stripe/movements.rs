//! Refunds, transfers and reversals. As with attempts, a lost response is looked up, never guessed:
//! under the same key while Stripe remembers it, and afterwards in the lists of the charge or transfer.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use stripe_client_core::StripeRequest as _;
use stripe_core::payment_intent::RetrievePaymentIntent;
use time::OffsetDateTime;

use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::{ApplicationFee, Dispute, List, PaymentIntent, Refund};
use super::requests::CHARGE_FACTS;
use crate::domain::charging::NEVER_MADE;
use crate::domain::purchase::{Attempt, Movement, MovementKind, MovementRequest, MovementState, Observation, Outcome, Purchase};

/// A transfer or reversal; only its id matters.
#[derive(Deserialize)]
struct Made {
    id: String,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

impl Refund {
    /// What it says about the movement that created it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::Made {
            id: self.id.clone(),
            state: self.state(),
            transfer_reversed: self.transfer_reversed(),
            fee_refunded: self.fee_refunded(),
        }
    }
}

impl Made {
    fn outcome(&self) -> Outcome {
        Outcome::Made { id: self.id.clone(), state: MovementState::Done, transfer_reversed: None, fee_refunded: None }
    }
}

impl Gateway {
    /// Has Stripe carry out a movement, for the first time or again.
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn move_money(
        &self,
        purchase: &Purchase,
        movement: &Movement,
        request: &MovementRequest,
        now: OffsetDateTime,
    ) -> Result<Outcome, StripeError> {
        if !movement.key_lives(now) {
            return self.list_movement(purchase, movement, request).await;
        }
        let post = Post { path: &request.path, body: &request.body, account: request.account.as_deref(), key: &request.key };
        let result = match movement.kind {
            MovementKind::Refund => self.post::<Refund>(&post).await.map(|refund| refund.outcome()),
            MovementKind::Transfer | MovementKind::Reversal => self.post::<Made>(&post).await.map(|made| made.outcome()),
        };
        match result {
            // It may have been sent before, so it keeps its key.
            Err(error) if error.is_turned_away() => Err(error),
            Err(StripeError::Refused { code, message, .. }) => {
                tracing::warn!(purchase_id = %purchase.id, movement = movement.number, code, message, "Stripe refused to move money");
                Ok(Outcome::Refused { code })
            }
            Err(StripeError::Declined { code, .. }) => Ok(Outcome::Refused { code }),
            // The key replays a stored failure. The lists show whether anything was created.
            Err(failure @ StripeError::Failed { replayed: true, .. }) => match self.list_movement(purchase, movement, request).await? {
                // Stripe may still carry it out, so a transfer uses no other key before this one is forgotten. Buyers wait for a refund and
                // its reversals: what Stripe makes of those after all is taken in. <https://docs.stripe.com/error-low-level>
                Outcome::Refused { .. } if movement.kind == MovementKind::Transfer => Err(failure),
                found => Ok(found),
            },
            other => other,
        }
    }

    async fn list_movement(&self, purchase: &Purchase, movement: &Movement, request: &MovementRequest) -> Result<Outcome, StripeError> {
        let account = request.account.as_deref();
        let number = movement.number.to_string();
        let ours = |metadata: &HashMap<String, String>| {
            metadata.get("purchase_id").map(String::as_str) == Some(purchase.id.as_str())
                && metadata.get("movement") == Some(&number)
                && !self.is_anothers(metadata)
        };
        let query = match movement.kind {
            MovementKind::Refund => {
                let paid = purchase.paid_attempt().and_then(|paid| paid.payment_intent.as_deref()).unwrap_or_default();
                format!("/refunds?limit=100&payment_intent={paid}&expand[]=data.charge.application_fee&expand[]=data.transfer_reversal")
            }
            MovementKind::Transfer => format!("/transfers?limit=100&transfer_group={}", purchase.id),
            MovementKind::Reversal => format!("{}?limit=100", request.path),
        };
        let mut path = query.clone();
        let mut has_hole = false;
        loop {
            let (found, next, unread) = if movement.kind == MovementKind::Refund {
                let page: List<Refund> = self.get(&path, account).await?;
                let found = page.data.iter().find(|one| ours(&one.metadata)).map(Refund::outcome);
                (found, page.next().map(str::to_owned), page.unread)
            } else {
                let page: List<Made> = self.get(&path, account).await?;
                let found = page.data.iter().find(|one| ours(&one.metadata)).map(Made::outcome);
                (found, page.next().map(str::to_owned), page.unread)
            };
            has_hole |= !unread.is_empty();
            match (found, next) {
                (Some(found), _) => return Ok(found),
                (None, Some(next)) => path = format!("{query}&starting_after={next}"),
                // The element that cannot be parsed may be the one.
                (None, None) if has_hole => return Err(StripeError::Unreadable),
                (None, None) => return Ok(Outcome::Refused { code: NEVER_MADE.to_owned() }),
            }
        }
    }

    /// A PaymentIntent, with its charge and Stripe's fee; `None` if the account has none with this id.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn payment_intent(&self, id: &str, account: Option<&str>) -> Result<Option<PaymentIntent>, StripeError> {
        self.find(&format!("/payment_intents/{id}?expand[]={CHARGE_FACTS}"), account).await
    }

    /// A refund, with what was returned of the transfer and the fee; `None` if the account has none with this id.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn refund(&self, id: &str, account: Option<&str>) -> Result<Option<Refund>, StripeError> {
        self.find(&format!("/refunds/{id}?expand[]=charge.application_fee&expand[]=transfer_reversal"), account).await
    }

    /// A refund from an event of an account that is out of reach, completed with the platform's own fee, which it can still read.
    /// <https://docs.stripe.com/api/application_fees/list>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn refund_out_of_reach(&self, mut told: Refund) -> Result<Refund, StripeError> {
        let Some(charge) = told.charge_id() else { return Ok(told) };
        let fees: List<ApplicationFee> = match self.get(&format!("/application_fees?charge={charge}"), None).await {
            // The platform had no part in this charge.
            Err(StripeError::Refused { .. }) => return Ok(told),
            fees => fees?,
        };
        if let Some(fee) = fees.data.into_iter().next() {
            told.set_fee(fee);
        }
        Ok(told)
    }

    /// A dispute; `None` if the account has none with this id.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn dispute(&self, id: &str, account: Option<&str>) -> Result<Option<Dispute>, StripeError> {
        self.find(&format!("/disputes/{id}"), account).await
    }

    /// The disputes of a payment, `pi_…`. <https://docs.stripe.com/api/disputes/list>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn disputes_of_payment(&self, payment_intent: &str, account: Option<&str>) -> Result<Vec<Dispute>, StripeError> {
        self.all(&format!("/disputes?payment_intent={payment_intent}"), account).await
    }

    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str, account: Option<&str>) -> Result<Option<T>, StripeError> {
        match self.get(path, account).await {
            Err(StripeError::Refused { status: 404, .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// What Stripe knows about the charge of a paid attempt.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn charge_facts(&self, attempt: &Attempt) -> Result<Option<Observation>, StripeError> {
        let Some(id) = &attempt.payment_intent else { return Ok(None) };
        let request = RetrievePaymentIntent::new(id.as_str()).expand(vec![CHARGE_FACTS.to_owned()]).build();
        let payment_intent: PaymentIntent = self.send(&request, attempt.account.as_deref()).await?;
        Ok(Some(payment_intent.observe(attempt.means)))
    }
}
