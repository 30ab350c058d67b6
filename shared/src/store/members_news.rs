//! What follows from changes of a subscription: ledger lines, mails, and findings for staff.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::books::{Line, LineKind, ledger_item, of_return};
use super::debts::Debt;
use super::findings::Found;
use super::table::{Store, StoreError};
use crate::base::metrics;
use crate::domain::mail::{DisputeStage, Mail, Recipient, Sold, told_of_disputes};
use crate::domain::membership::{Difference, Dispute, Move, News, Payment, Refund, Subscription, Term};

fn refund<'a>(subscription: &'a Subscription, id: &str) -> Option<(&'a Payment, &'a Refund)> {
    let all = subscription.payments.iter().flat_map(|payment| payment.refunds.iter().map(move |refund| (payment, refund)));
    all.into_iter().find(|(_, refund)| refund.id == id)
}

fn dispute<'a>(subscription: &'a Subscription, id: &str) -> Option<&'a Dispute> {
    subscription.payments.iter().flat_map(|payment| &payment.disputes).find(|dispute| dispute.id == id)
}

/// The ledger line for a change.
fn line(subscription: &Subscription, news: &News) -> Option<Line> {
    let amount_of_refund = |id: &str| refund(subscription, id).map(|(_, refund)| refund.amount);
    let mut currency = subscription.currency.code().to_owned();
    let (kind, stripe_id, amount) = match news {
        News::Paid(payment_intent) => {
            let payment_intent = payment_intent.clone()?;
            let amount = subscription.payment_of(&payment_intent)?.amount;
            (LineKind::Charge, payment_intent, amount)
        }
        News::Refunded(id) => (LineKind::Refund, id.clone(), -amount_of_refund(id)?),
        News::RefundFailed(id) => (LineKind::RefundFailure, id.clone(), amount_of_refund(id)?),
        News::Converted(id) => {
            let (payment, refund) = refund(subscription, id)?;
            currency.clone_from(&refund.settled.as_ref()?.currency);
            (LineKind::CurrencyDifference, id.clone(), payment.difference_of_refund(refund)?)
        }
        News::ReturnConverted(id) => {
            let (payment, refund) = refund(subscription, id)?;
            currency.clone_from(&refund.returned.as_ref()?.currency);
            (LineKind::CurrencyDifference, of_return(id), payment.difference_of_return(refund)?)
        }
        News::DisputeWithdrawn(id) => (LineKind::Dispute, id.clone(), -dispute(subscription, id)?.amount),
        News::DisputeReinstated(id) => (LineKind::DisputeReversal, id.clone(), dispute(subscription, id)?.amount),
        News::DisputeOpened(_)
        | News::DisputeNeedsAnswer(_)
        | News::DisputeClosed(_)
        | News::MoveRefused(_)
        | News::MoveDone(_)
        | News::RenewalFailed(_)
        | News::SellerGone
        | News::FraudWarning(_)
        | News::Differs(_)
        | News::Agrees(_) => return None,
    };
    Some(Line {
        kind,
        stripe_id,
        account: subscription.account.clone(),
        amount,
        currency,
        purchase_id: None,
        subscription_id: Some(subscription.id.clone()),
        at: subscription.updated_at.unix_timestamp(),
    })
}

/// The mails for a change.
fn mails(subscription: &Subscription, news: &News) -> Vec<Mail> {
    let id = || subscription.id.clone();
    let told = told_of_disputes(subscription.account.as_deref());
    match news {
        News::Refunded(refunded) => refund(subscription, refunded)
            .map(|(payment, _)| Mail::MembershipRefunded { subscription: id(), refund: refunded.clone(), total: payment.refunded() })
            .into_iter()
            .collect(),
        News::RefundFailed(refund) => [Recipient::Buyer, Recipient::Seller, Recipient::Staff]
            .map(|to| Mail::MembershipRefundFailed { subscription: id(), refund: refund.clone(), to })
            .to_vec(),
        News::DisputeOpened(opened) | News::DisputeNeedsAnswer(opened) => {
            let Some(one) = dispute(subscription, opened) else { return Vec::new() };
            let stage = DisputeStage::of(one.status, matches!(news, News::DisputeOpened(_)));
            let mail = |to| Mail::MembershipDisputeOpened { subscription: id(), dispute: opened.clone(), to, stage };
            told.iter().copied().map(mail).collect()
        }
        News::DisputeClosed(closed) => {
            let won = !dispute(subscription, closed).is_some_and(Dispute::is_lost);
            let mail = |to| Mail::MembershipDisputeClosed { subscription: id(), dispute: closed.clone(), won, to };
            told.iter().copied().map(mail).collect()
        }
        News::RenewalFailed(invoice) => {
            let (user, title) = (subscription.buyer_id.clone(), subscription.title.clone());
            vec![Mail::RenewalFailed { user, invoice: invoice.clone(), first: subscription.payments.is_empty(), title }]
        }
        News::SellerGone => vec![Mail::membership_ends(subscription)],
        News::FraudWarning(warning) => Mail::fraud_warning(&Sold::Membership(id()), warning, subscription.account.as_deref()),
        News::Paid(_)
        | News::Converted(_)
        | News::ReturnConverted(_)
        | News::DisputeWithdrawn(_)
        | News::DisputeReinstated(_)
        | News::MoveRefused(_)
        | News::MoveDone(_)
        | News::Differs(_)
        | News::Agrees(_) => Vec::new(),
    }
}

/// Emits the metrics for some changes, as for purchases.
pub(super) fn measure(subscription: &Subscription, news: &[News]) {
    let emit = |name: &str, dimension: (&str, &str), reason: Option<&str>| {
        let properties = [("subscription_id", subscription.id.as_str()), ("reason", reason.unwrap_or_default())];
        metrics::emit(name, metrics::Unit::Count, 1.0, &[dimension], &properties[..1 + usize::from(reason.is_some())]);
    };
    for news in news {
        match news {
            News::Refunded(_) => emit("Refunds", ("Outcome", "made"), None),
            News::RefundFailed(_) => emit("Refunds", ("Outcome", "failed"), None),
            News::DisputeOpened(_) => emit("Disputes", ("Outcome", "opened"), None),
            News::DisputeClosed(closed) => {
                let Some(outcome) = dispute(subscription, closed).and_then(|one| one.status.outcome()) else { continue };
                emit("Disputes", ("Outcome", outcome), None);
            }
            // Apart from purchases, of which `Charges` also has those that failed.
            News::Paid(_) => {
                metrics::emit("MembershipPayments", metrics::Unit::Count, 1.0, &[], &[("subscription_id", subscription.id.as_str())])
            }
            News::MoveRefused(number) => {
                // Once per move. If it is refused again, it is already a finding.
                let Some(one) = subscription.find_move(*number).filter(|one| one.tries == 1) else { continue };
                let kind = if one.gives_back() { "reversal" } else { "transfer" };
                emit("MovesRefused", ("Kind", kind), Some(one.failure.as_deref().unwrap_or_default()));
            }
            News::Converted(_)
            | News::ReturnConverted(_)
            | News::DisputeNeedsAnswer(_)
            | News::DisputeWithdrawn(_)
            | News::DisputeReinstated(_)
            | News::MoveDone(_)
            | News::RenewalFailed(_)
            | News::SellerGone
            | News::FraudWarning(_)
            | News::Differs(_)
            | News::Agrees(_) => {}
        }
    }
}

/// The finding that Stripe refused to move money to a seller or back.
fn refused(subscription: &Subscription, one: &Move) -> Found {
    Found::MoveRefused {
        purchase_id: None,
        subscription_id: Some(subscription.id.clone()),
        movement: one.number,
        gives_back: one.gives_back(),
        payee: Some(subscription.seller_id.clone()),
        account: Some(subscription.seller_account.clone()),
        currency: one.settled.currency.clone(),
        amount: one.settled.amount,
        reason: one.failure.clone().unwrap_or_default(),
    }
}

/// The finding that Stripe has something else than what was agreed.
fn differs(subscription: &Subscription, difference: &Difference) -> Found {
    Found::MembershipDiffers {
        subscription_id: subscription.id.clone(),
        stripe_id: subscription.stripe_id.clone(),
        account: subscription.account.clone(),
        currency: subscription.currency.code().to_owned(),
        term: difference.term,
        ours: difference.agreed,
        stripe: difference.found,
        payment: difference.invoice.clone(),
    }
}

impl Store {
    /// The items that follow from changes, for the transaction that writes them.
    pub(super) fn follows(&self, subscription: &Subscription, news: &[News]) -> Result<Vec<TransactWriteItem>, StoreError> {
        let (at, mut items) = (subscription.updated_at, self.members_disputes_with(subscription)?);
        // A transaction can write an item only once, so the last outcome of a move counts.
        let mut moves: BTreeMap<u32, bool> = BTreeMap::new();
        let mut terms: BTreeMap<(Term, Option<&str>), Option<&Difference>> = BTreeMap::new();
        for news in news {
            if let Some(line) = line(subscription, news) {
                items.push(self.put(ledger_item(&line)?).always());
            }
            for mail in mails(subscription, news) {
                items.push(self.ask_for(&mail, at)?);
            }
            match news {
                News::MoveRefused(number) => drop(moves.insert(*number, true)),
                News::MoveDone(number) => drop(moves.insert(*number, false)),
                News::Differs(difference) => {
                    terms.insert((difference.term, difference.invoice.as_deref()), Some(difference));
                }
                News::Agrees(term) => drop(terms.insert((*term, None), None)),
                News::RefundFailed(id) => {
                    let found = Found::RefundFailed {
                        purchase_id: None,
                        subscription_id: Some(subscription.id.clone()),
                        refund: id.clone(),
                        movement: 0,
                        account: subscription.account.clone(),
                        currency: subscription.currency.code().to_owned(),
                        amount: refund(subscription, id).map_or(0, |(_, refund)| refund.amount),
                        reason: None,
                    };
                    items.push(self.keep_finding_with(&found, at)?);
                }
                News::FraudWarning(warning) => {
                    let found = Found::FraudWarning {
                        warning: warning.id.clone(),
                        purchase_id: None,
                        subscription_id: Some(subscription.id.clone()),
                        account: subscription.account.clone(),
                        currency: subscription.currency.code().to_owned(),
                        amount: subscription.payment_of(&warning.payment_intent).map_or(0, |payment| payment.amount),
                        reason: warning.reason.clone(),
                    };
                    items.push(self.keep_finding_with(&found, at)?);
                }
                _ => {}
            }
        }
        for ((term, _), difference) in terms {
            items.push(match difference {
                Some(difference) => self.keep_finding_with(&differs(subscription, difference), at)?,
                None => self.settle_finding_with(&differs(subscription, &Difference { term, agreed: 0, found: 0, invoice: None }), at),
            });
        }
        for (number, is_refused) in moves {
            let Some(one) = subscription.find_move(number) else { continue };
            let found = refused(subscription, one);
            items.push(if is_refused { self.keep_finding_with(&found, at)? } else { self.settle_finding_with(&found, at) });
            if one.gives_back() {
                items.push(if is_refused {
                    self.owe_of_membership(subscription, one)?
                } else {
                    self.owe_no_more_of(&subscription.seller_id, subscription.id.as_str(), number)
                });
            }
        }
        Ok(items)
    }

    /// Records a refused reversal as the seller's debt.
    fn owe_of_membership(&self, subscription: &Subscription, one: &Move) -> Result<TransactWriteItem, StoreError> {
        let debt = Debt {
            purchase_id: None,
            subscription_id: Some(subscription.id.clone()),
            movement: one.number,
            account: subscription.seller_account.clone(),
            amount: one.settled.amount,
            currency: one.settled.currency.clone(),
            reason: one.failure.clone().unwrap_or_default(),
            since: subscription.updated_at,
        };
        self.put_debt(&subscription.seller_id, subscription.id.as_str(), &debt)
    }
}
