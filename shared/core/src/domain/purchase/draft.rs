//! Puts planned movements and their requests on record.

use time::OffsetDateTime;
use url::form_urlencoded::Serializer;

use super::attempt::Payee;
use super::movement::{Movement, MovementKind, MovementState, Reason};
use super::record::Purchase;
use crate::domain::money::Settled;

/// Everything needed to plan a movement.
pub(super) struct Draft {
    pub(super) kind: MovementKind,
    pub(super) reason: Reason,
    pub(super) amount: i64,
    pub(super) payee: Option<Payee>,
    pub(super) of: Option<u32>,
    pub(super) form: Vec<(&'static str, String)>,
    pub(super) fee_refunded: i64,
    pub(super) client_key: Option<String>,
    pub(super) settled: Option<Settled>,
    pub(super) state: MovementState,
}

impl Purchase {
    pub(super) fn draft_transfer(&mut self, reason: Reason, payee: Payee, moves: Settled, charge: Option<String>, at: OffsetDateTime) {
        let mut form = vec![
            ("amount", moves.amount.to_string()),
            ("currency", moves.currency.clone()),
            ("destination", payee.account.clone()),
            ("transfer_group", self.id.to_string()),
        ];
        // With `source_transaction` the transfer waits for the charge's funds.
        form.extend(charge.map(|charge| ("source_transaction", charge)));
        let is_nothing = moves.amount < 1;
        let (amount, settled) = (payee.amount, self.elsewise(moves));
        let number = self.draft(Draft { amount, payee: Some(payee), form, settled, ..Draft::of(MovementKind::Transfer, reason) }, at);
        self.leave_unsent(number, is_nothing);
    }

    pub(super) fn draft_reversal(&mut self, reason: Reason, payee: Payee, of: Option<u32>, at: OffsetDateTime) {
        let amount = payee.amount;
        let moves = self.moves_back(of, amount);
        let form = vec![("amount", moves.amount.to_string())];
        let is_nothing = moves.amount < 1;
        let settled = self.elsewise(moves);
        let number = self.draft(Draft { amount, payee: Some(payee), of, form, settled, ..Draft::of(MovementKind::Reversal, reason) }, at);
        self.leave_unsent(number, is_nothing);
    }

    /// What is worth less than one unit of the other currency is not sent: Stripe accepts neither a transfer nor a reversal of zero.
    fn leave_unsent(&mut self, number: u32, is_nothing: bool) {
        if let (true, Some(movement)) = (is_nothing, self.movements.iter_mut().find(|one| one.number == number)) {
            (movement.state, movement.netted, movement.body) = (MovementState::Done, true, None);
        }
    }

    /// The amount that moves, if its currency differs from the purchase's.
    pub(super) fn elsewise(&self, moves: Settled) -> Option<Settled> {
        (moves.currency != self.currency.code()).then_some(moves)
    }

    /// Adds a movement. Returns its number.
    pub(super) fn draft(&mut self, draft: Draft, at: OffsetDateTime) -> u32 {
        let number = self.movements.last().map_or(1, |last| last.number + 1);
        let mut body = Serializer::new(String::new());
        body.extend_pairs(&draft.form)
            .append_pair("metadata[purchase_id]", self.id.as_str())
            .append_pair("metadata[course_id]", self.course_id.as_str())
            .append_pair("metadata[buyer_id]", self.buyer_id.as_str())
            .append_pair("metadata[movement]", &number.to_string());
        if let Some(stack_id) = &self.stack_id {
            body.append_pair("metadata[stack_id]", stack_id);
        }
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
            state: draft.state,
            stripe_id: None,
            failure: None,
            transfer_reversed: 0,
            fee_refunded: draft.fee_refunded,
            settled: draft.settled,
            returned: None,
            borne_by: None,
            by_staff: false,
            netted: false,
            client_key: draft.client_key,
        })
    }
}

impl Draft {
    pub(super) fn of(kind: MovementKind, reason: Reason) -> Self {
        Self {
            kind,
            reason,
            amount: 0,
            payee: None,
            of: None,
            form: Vec::new(),
            fee_refunded: 0,
            client_key: None,
            settled: None,
            state: MovementState::Planned,
        }
    }
}
