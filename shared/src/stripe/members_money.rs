//! What follows after members' payments: disputes, and the moves between platform and seller that they cause.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;

use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::{self, number};
use crate::domain::charging::NEVER_MADE;
use crate::domain::membership::{Dispute, Move, MoveOutcome, Payment, Reversal, Subscription};
use crate::domain::purchase::MovementRequest;

/// A transfer or reversal; only its id matters.
#[derive(Deserialize)]
struct Made {
    id: String,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

impl Gateway {
    /// The current disputes of a member's payment, `pi_…`. One whose status is newer than this program stays as recorded.
    pub(super) async fn disputes_of(&self, payment: &Payment, id: &str, account: Option<&str>) -> Result<Vec<Dispute>, StripeError> {
        let all = self.disputes_of_payment(id, account).await?;
        let known = |id: &str| payment.disputes.iter().find(|known| known.id == id);
        let seen = all.into_iter().filter_map(|one| {
            let before = known(&one.id);
            let Some(status) = one.status else {
                tracing::warn!(dispute = one.id, "the dispute's status is unknown");
                return before.cloned();
            };
            Some(Dispute {
                moves: one.moves(),
                due_by: one.due_by(),
                amount: one.amount,
                status,
                reason: one.reason,
                opened_at: before.and_then(|before| before.opened_at),
                asked_at: before.and_then(|before| before.asked_at),
                id: one.id,
            })
        });
        Ok(seen.collect())
    }

    /// The reversals of a transfer, except those made by refunds. <https://docs.stripe.com/api/transfer_reversals/list>
    pub(super) async fn reversals_of(&self, record: &Subscription, transfer: &str) -> Result<Vec<Reversal>, StripeError> {
        let all: Vec<objects::Reversal> = self.all(&format!("/transfers/{transfer}/reversals?"), None).await?;
        let others = all.into_iter().filter(|reversal| reversal.source_refund.is_none());
        let reversal = |one: objects::Reversal| Reversal {
            number: number(&one.metadata, "movement").filter(|_| self.is_ours(&one.metadata, record)),
            id: one.id,
            amount: one.amount,
        };
        Ok(others.map(reversal).collect())
    }

    /// Has Stripe carry out a move, for the first time or again: under its key while Stripe remembers
    /// that, and afterwards by searching the transfer's reversals or the subscription's transfers.
    ///
    /// # Errors
    /// If the outcome stays unknown.
    pub async fn move_members_money(
        &self,
        record: &Subscription,
        planned: &Move,
        request: &MovementRequest,
        now: OffsetDateTime,
    ) -> Result<MoveOutcome, StripeError> {
        let mut failure = None;
        if planned.key_lives(now) {
            match self.post::<Made>(&Post { path: &request.path, body: &request.body, account: None, key: &request.key }).await {
                Ok(made) => return Ok(MoveOutcome::Made(made.id)),
                // It may have been sent before, so it keeps its key.
                Err(error) if error.is_turned_away() => return Err(error),
                Err(StripeError::Refused { code, message, .. }) => {
                    tracing::warn!(subscription_id = %record.id, number = planned.number, code, message, "Stripe refused to move money");
                    return Ok(MoveOutcome::Refused(code));
                }
                Err(StripeError::Declined { code, .. }) => return Ok(MoveOutcome::Refused(code)),
                // The key replays a stored failure. The lists show whether anything was created.
                Err(error @ StripeError::Failed { replayed: true, .. }) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        let list = if planned.gives_back() { format!("{}?", request.path) } else { format!("/transfers?transfer_group={}", record.id) };
        let all: Vec<Made> = self.all(&list, None).await?;
        let number = planned.number;
        let made =
            all.into_iter().find(|one| self.is_ours(&one.metadata, record) && objects::number(&one.metadata, "movement") == Some(number));
        match (made, failure) {
            (Some(made), _) => Ok(MoveOutcome::Made(made.id)),
            // Stripe may still carry it out, so a transfer uses no other key before this one is forgotten.
            // <https://docs.stripe.com/error-low-level>
            (None, Some(failure)) if !planned.gives_back() => Err(failure),
            (None, _) => Ok(MoveOutcome::Refused(NEVER_MADE.to_owned())),
        }
    }

    /// Whether this deployment created an object for a subscription.
    pub(super) fn is_ours(&self, metadata: &HashMap<String, String>, record: &Subscription) -> bool {
        metadata.get("subscription_id").map(String::as_str) == Some(record.id.as_str()) && !self.is_anothers(metadata)
    }
}
