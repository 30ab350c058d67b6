//! Changes of a purchase that need staff: money that Stripe refused to move or took off the record, refunds that banks returned, and early fraud
//! warnings.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::findings::Found;
use super::table::{Store, StoreError};
use crate::domain::purchase::{Movement, MovementKind, News, Purchase};

/// The finding that Stripe refused to move money to a payee or back.
fn refused(purchase: &Purchase, movement: &Movement) -> Found {
    let moves = movement.as_settled(purchase.currency);
    Found::MoveRefused {
        purchase_id: Some(purchase.id.clone()),
        subscription_id: None,
        movement: movement.number,
        gives_back: movement.kind == MovementKind::Reversal,
        payee: movement.payee.clone(),
        account: movement.payee_account.clone(),
        currency: moves.currency,
        amount: moves.amount,
        reason: movement.failure.clone().unwrap_or_default(),
    }
}

impl Store {
    /// The findings for staff and the payees' debts that follow from changes.
    pub(super) fn told_to_staff(&self, purchase: &Purchase, news: &[News]) -> Result<Vec<TransactWriteItem>, StoreError> {
        let (at, mut items) = (purchase.updated_at(), Vec::new());
        // A transaction can write an item only once, so the last outcome of a movement counts.
        let mut last: BTreeMap<u32, bool> = BTreeMap::new();
        for news in news {
            match news {
                News::MoveRefused(number) => drop(last.insert(*number, true)),
                News::MoveDone(number) => drop(last.insert(*number, false)),
                News::RefundFailed(number) => {
                    let Some(refund) = purchase.movement(*number) else { continue };
                    let found = Found::RefundFailed {
                        purchase_id: Some(purchase.id.clone()),
                        subscription_id: None,
                        refund: refund.stripe_id.clone().unwrap_or_default(),
                        movement: refund.number,
                        account: refund.account.clone(),
                        currency: purchase.currency.code().to_owned(),
                        amount: refund.amount,
                        reason: refund.failure.clone(),
                    };
                    items.push(self.keep_finding_with(&found, at)?);
                }
                News::OffRecord { attempt, amount } => {
                    let Some(attempt) = purchase.attempts().iter().find(|one| one.number == *attempt) else { continue };
                    let found = Found::PaymentOffRecord {
                        payment_intent: attempt.payment_intent.clone().unwrap_or_default(),
                        account: attempt.account.clone(),
                        purchase_id: purchase.id.clone(),
                        currency: attempt.sold.as_ref().map_or(purchase.currency, |sold| sold.currency).code().to_owned(),
                        amount: *amount,
                    };
                    items.push(self.keep_finding_with(&found, at)?);
                }
                News::FeeDiffers { asked, taken } => {
                    let Some(paid) = purchase.paid_attempt() else { continue };
                    let found = Found::FeeDiffers {
                        payment_intent: paid.payment_intent.clone().unwrap_or_default(),
                        account: paid.account.clone(),
                        purchase_id: purchase.id.clone(),
                        currency: purchase.currency.code().to_owned(),
                        ours: *asked,
                        stripe: *taken,
                    };
                    items.push(self.keep_finding_with(&found, at)?);
                }
                News::FraudWarning(warning) => {
                    let found = Found::FraudWarning {
                        warning: warning.id.clone(),
                        purchase_id: Some(purchase.id.clone()),
                        subscription_id: None,
                        account: purchase.charged_account().map(str::to_owned),
                        currency: purchase.currency.code().to_owned(),
                        amount: purchase.amount(),
                        reason: warning.reason.clone(),
                    };
                    items.push(self.keep_finding_with(&found, at)?);
                }
                _ => {}
            }
        }
        for (number, is_refused) in last {
            let Some(movement) = purchase.movement(number) else { continue };
            let is_reversal = movement.kind == MovementKind::Reversal;
            if is_refused {
                items.push(self.keep_finding_with(&refused(purchase, movement), at)?);
                items.extend(if is_reversal { self.owe(purchase, movement)? } else { None });
            } else {
                items.push(self.settle_finding_with(&refused(purchase, movement), at));
                items.extend(if is_reversal { self.owe_no_more(purchase, movement) } else { None });
            }
        }
        Ok(items)
    }
}
