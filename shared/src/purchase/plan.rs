//! Deciding what has to move: from the facts, so that it does not matter who notices first, how often, or in which order
//! they were heard.

use time::OffsetDateTime;
use url::form_urlencoded::Serializer;

use super::{ChargeType, DisputeStatus, Movement, MovementKind, MovementState, Payee, Purchase, Reason, share};
use crate::ids::UserId;

/// Why a refund cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundFault {
    /// There is no money to give back.
    NotPaid,
    /// An earlier refund, with this number, has no known end.
    InProgress(u32),
    /// More than is left, in the minor unit.
    TooMuch {
        /// What is left.
        left: i64,
    },
    /// The bank has the money: it gives it back, or nobody does.
    Disputed,
}

/// A request for a movement, to be sent as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovementRequest {
    /// From the API's root.
    pub path: String,
    /// The form.
    pub body: String,
    /// `Idempotency-Key`
    pub key: String,
    /// `Stripe-Account`; none is the platform's own.
    pub account: Option<String>,
}

/// What is known when a movement is planned.
struct Draft {
    kind: MovementKind,
    reason: Reason,
    amount: i64,
    payee: Option<Payee>,
    of: Option<u32>,
    form: Vec<(&'static str, String)>,
    fee_refunded: i64,
    client_key: Option<String>,
}

impl Purchase {
    /// Plans a refund: of a part or, without an amount, of all that is left. Answers its number.
    ///
    /// The seller's part comes back with it: for a direct charge the platform's fee, for a destination charge the transfer
    /// and the fee, each in proportion and by Stripe itself; for separate transfers by reversals that follow.
    ///
    /// # Errors
    /// See [`RefundFault`]; nothing is changed then.
    pub fn plan_refund(
        &mut self,
        amount: Option<i64>,
        by: &UserId,
        client_key: Option<String>,
        cause: &str,
        at: OffsetDateTime,
    ) -> Result<u32, RefundFault> {
        let payment_intent = self.paid_attempt().and_then(|paid| paid.payment_intent.clone()).ok_or(RefundFault::NotPaid)?;
        if let Some(open) = self.refunds().find(|refund| refund.is_planned()) {
            return Err(RefundFault::InProgress(open.number));
        }
        if self.disputed() > 0 {
            return Err(RefundFault::Disputed);
        }
        let left = self.refundable();
        let amount = amount.unwrap_or(left);
        if left == 0 || amount > left || amount < 1 {
            return Err(RefundFault::TooMuch { left });
        }
        let fee_refunded = self.fee_part(amount);
        let mut form = vec![("payment_intent", payment_intent), ("amount", amount.to_string())];
        if self.charge_type != ChargeType::Separate && self.application_fee > 0 {
            form.push(("refund_application_fee", "true".to_owned()));
            form.push(("expand[]", "charge.application_fee".to_owned()));
        }
        if self.charge_type == ChargeType::Destination {
            form.push(("reverse_transfer", "true".to_owned()));
            form.push(("expand[]", "transfer_reversal".to_owned()));
        }
        let draft = Draft {
            kind: MovementKind::Refund,
            reason: Reason::Asked(by.clone()),
            amount,
            payee: None,
            of: None,
            form,
            fee_refunded,
            client_key,
        };
        let number = self.draft(draft, at);
        self.enter_status(cause, at, format!("refund {number} planned"));
        Ok(number)
    }

    /// Plans what follows from the facts and is not planned yet: the transfers of a sale, the payees' part of a refund,
    /// what a lost dispute takes back from sellers (where `take_back` is the platform's policy), and what they get again when it is
    /// won, or a refund fails. Says whether anything was planned or given up.
    pub fn plan(&mut self, take_back: bool, cause: &str, at: OffsetDateTime) -> bool {
        let Some(paid) = self.paid_attempt() else { return false };
        let (payees, charge) = (paid.payees.clone(), paid.charge.as_ref().map(|charge| charge.id.clone()));
        let before = self.movements.len();
        let mut given_up = false;

        let is_sold = self.movements.iter().any(|movement| movement.reason == Reason::Sale);
        if let (false, Some(charge)) = (is_sold, charge) {
            for payee in payees.into_iter().filter(|payee| payee.amount > 0) {
                self.draft_transfer(Reason::Sale, payee, Some(charge.clone()), at);
            }
        }
        for refund in self.refunds().cloned().collect::<Vec<_>>() {
            let reason = Reason::Refund(refund.number);
            if refund.is_under_way() && self.charge_type == ChargeType::Separate {
                self.take(&reason, refund.amount - refund.fee_refunded, at);
            } else if refund.state == MovementState::Failed && refund.stripe_id.is_some() {
                let by_stripe =
                    if self.charge_type == ChargeType::Destination { refund.transfer_reversed - refund.fee_refunded } else { 0 };
                given_up |= self.restore(&reason, &Reason::FailedRefund(refund.number), by_stripe, at);
            }
        }
        for dispute in self.disputes.clone() {
            let reason = Reason::LostDispute(dispute.id.clone());
            match dispute.status {
                DisputeStatus::Lost if take_back => self.take(&reason, self.payees_part(dispute.amount), at),
                DisputeStatus::Won => given_up |= self.restore(&reason, &Reason::WonDispute(dispute.id.clone()), 0, at),
                _ => {}
            }
        }
        self.take_surplus(at);
        let planned = self.movements[before..].iter().map(|movement| movement.number.to_string()).collect::<Vec<_>>();
        if !planned.is_empty() {
            self.enter_status(cause, at, format!("movements planned: {}", planned.join(", ")));
        }
        given_up || !planned.is_empty()
    }

    /// Whether the charge must be read at Stripe before all can be planned or carried out.
    #[must_use]
    pub fn lacks_facts(&self) -> bool {
        let Some(paid) = self.paid_attempt() else { return false };
        let transfers_wait = !paid.payees.is_empty() && paid.charge.is_none();
        let reversal_waits = self.movements.iter().any(|movement| {
            movement.kind == MovementKind::Reversal && movement.is_planned() && movement.of.is_none() && self.own_transfer().is_none()
        });
        transfers_wait || reversal_waits
    }

    /// The request for a planned movement; none where it waits for another one, or for facts.
    #[must_use]
    pub fn request(&self, number: u32) -> Option<MovementRequest> {
        let movement = self.movement(number).filter(|movement| movement.is_planned())?;
        let (path, kind) = match movement.kind {
            MovementKind::Refund => ("/refunds".to_owned(), "refund"),
            MovementKind::Transfer => ("/transfers".to_owned(), "transfer"),
            MovementKind::Reversal => {
                let transfer = match movement.of {
                    Some(number) => self.movement(number)?.stripe_id.as_deref()?,
                    None => self.own_transfer()?,
                };
                (format!("/transfers/{transfer}/reversals"), "reversal")
            }
        };
        let account = movement.account.as_deref().unwrap_or(crate::user::PLATFORM);
        Some(MovementRequest {
            path,
            body: movement.body.clone()?,
            key: format!("{account}:{}:{kind}:{number}:{}", self.id, movement.tries),
            account: movement.account.clone(),
        })
    }

    /// The transfer that Stripe made with a destination charge.
    fn own_transfer(&self) -> Option<&str> {
        self.paid_attempt()?.charge.as_ref()?.transfer.as_deref()
    }

    /// What the platform gives back of its fee with the next refund of `amount`, so that the parts add up to the whole.
    fn fee_part(&self, amount: i64) -> i64 {
        let (fee, before) = (self.application_fee, self.refunded_with_fee());
        let given = match self.charge_type {
            // Of the parts one may have come back with its refund, and the rounding of the others stays what it was.
            ChargeType::Separate => self.refunds().filter(|refund| refund.is_under_way()).map(|refund| refund.fee_refunded).sum(),
            ChargeType::Direct | ChargeType::Destination => share(fee, before, self.amount),
        };
        let part = share(fee, before + amount, self.amount) - given;
        part.clamp(0, amount).min(fee - self.fee_refunded())
    }

    pub(super) fn draft_transfer(&mut self, reason: Reason, payee: Payee, charge: Option<String>, at: OffsetDateTime) {
        let mut form = vec![
            ("amount", payee.amount.to_string()),
            ("currency", self.currency.code().to_owned()),
            ("destination", payee.account.clone()),
            ("transfer_group", self.id.to_string()),
        ];
        // It then waits for the charge's funds.
        form.extend(charge.map(|charge| ("source_transaction", charge)));
        let amount = payee.amount;
        self.draft(Draft { amount, payee: Some(payee), form, ..Draft::of(MovementKind::Transfer, reason) }, at);
    }

    pub(super) fn draft_reversal(&mut self, reason: Reason, payee: Payee, of: Option<u32>, at: OffsetDateTime) {
        let form = vec![("amount", payee.amount.to_string())];
        let amount = payee.amount;
        self.draft(Draft { amount, payee: Some(payee), of, form, ..Draft::of(MovementKind::Reversal, reason) }, at);
    }

    fn draft(&mut self, draft: Draft, at: OffsetDateTime) -> u32 {
        let number = self.movements.last().map_or(1, |last| last.number + 1);
        let mut body = Serializer::new(String::new());
        body.extend_pairs(&draft.form)
            .append_pair("metadata[purchase_id]", self.id.as_str())
            .append_pair("metadata[course_id]", self.course_id.as_str())
            .append_pair("metadata[buyer_id]", self.buyer_id.as_str())
            .append_pair("metadata[movement]", &number.to_string());
        let is_refund = draft.kind == MovementKind::Refund;
        let (payee, payee_account) = draft.payee.map(|payee| (payee.user_id, payee.account)).unzip();
        self.add_movement(Movement {
            number,
            kind: draft.kind,
            reason: draft.reason,
            amount: draft.amount,
            account: self.charged_account().filter(|_| is_refund).map(str::to_owned),
            payee,
            payee_account,
            of: draft.of,
            body: Some(body.finish()),
            tries: 0,
            planned_at: at,
            state: MovementState::Planned,
            stripe_id: None,
            failure: None,
            transfer_reversed: 0,
            fee_refunded: draft.fee_refunded,
            client_key: draft.client_key,
        })
    }
}

impl Draft {
    fn of(kind: MovementKind, reason: Reason) -> Self {
        Self { kind, reason, amount: 0, payee: None, of: None, form: Vec::new(), fee_refunded: 0, client_key: None }
    }
}

/// Divides `whole` in proportion to `weights`, none getting more than its weight; no unit is left over or made.
///
/// Each gets its share rounded down; what is left goes by one unit each to those that lost the most, the first before
/// the later ones.
#[must_use]
pub fn divide(whole: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i64 = weights.iter().sum();
    let whole = whole.min(sum);
    if sum <= 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: &i64| i128::from(whole) * i128::from(*weight);
    let mut parts: Vec<i64> = weights.iter().map(|weight| i64::try_from(exact(weight) / i128::from(sum)).unwrap_or(0)).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&index| (-(exact(&weights[index]) % i128::from(sum)), index));
    let missing = usize::try_from(whole - parts.iter().sum::<i64>()).unwrap_or(0);
    for index in order.into_iter().take(missing) {
        parts[index] += 1;
    }
    parts
}
