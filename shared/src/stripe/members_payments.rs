//! What members paid: the invoices of a subscription, with their payments and refunds.

use time::OffsetDateTime;

use super::billing::Invoice;
use super::error::StripeError;
use super::gateway::{Gateway, Post};
use super::objects::{Identified, PaymentIntent, Refund, number};
use super::requests::{CHARGE_FACTS, form};
use crate::domain::charging::{KEY_LIFETIME, NEVER_MADE, PLATFORM};
use crate::domain::membership::{self, AskedState, Payment, RefundRequest, Subscription};
use crate::domain::money::Currency;
use crate::domain::purchase::{Means, share};

/// How many unknown paid invoices are added at once. They are written in one transaction, with the mails about their refunds.
const MOST_AT_ONCE: usize = 12;

impl Gateway {
    /// Has Stripe refund money, for the first time or again: under its key while
    /// Stripe remembers that, and afterwards by searching the payment's refunds.
    ///
    /// # Errors
    /// If the outcome stays unknown, or nothing was done yet.
    pub async fn refund_member(
        &self,
        record: &Subscription,
        request: &RefundRequest,
        now: OffsetDateTime,
    ) -> Result<AskedState, StripeError> {
        let account = record.account.as_deref();
        if now - request.at < KEY_LIFETIME {
            let fields: Vec<(&str, &str)> = request.form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            match self.post::<Identified>(&Post { path: "/refunds", body: &form(&fields), account, key: &request.key }).await {
                Ok(made) => return Ok(AskedState::Made(made.id)),
                Err(error) if error.is_turned_away() => return Err(error),
                Err(StripeError::Refused { code, .. } | StripeError::Declined { code, .. }) => return Ok(AskedState::Refused(code)),
                // The key replays a stored failure.
                Err(StripeError::Failed { replayed: true, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let all: Vec<Refund> = self.all(&format!("/refunds?payment_intent={}", request.payment_intent), account).await?;
        let made = all.into_iter().find(|refund| self.is_asked(refund, record, (request.number, request.amount)));
        Ok(made.map_or_else(|| AskedState::Refused(NEVER_MADE.to_owned()), |made| AskedState::Made(made.id)))
    }

    /// Pays a subscription's open invoices, oldest first. <https://docs.stripe.com/api/invoices/pay>
    ///
    /// # Errors
    /// See [`StripeError`]; a decline is an error too.
    pub async fn pay_what_is_owed(&self, record: &Subscription, payment_method: &str) -> Result<(), StripeError> {
        let (id, account) = (record.stripe_id.as_deref().unwrap_or_default(), record.account.as_deref());
        let open: Vec<Invoice> = self.all(&format!("/invoices?subscription={id}&status=open"), account).await?;
        for invoice in open.iter().rev() {
            let (path, body) = (format!("/invoices/{}/pay", invoice.id), form(&[("payment_method", payment_method)]));
            let key = format!("{}:{}:pay:{}:{}", account.unwrap_or(PLATFORM), record.id, invoice.id, record.version);
            match self.post::<Identified>(&Post { path: &path, body: &body, account, key: &key }).await {
                // Stripe's own retry was faster.
                Err(StripeError::Refused { code, .. }) if code == "invoice_already_paid" => {}
                // The cardholder must authenticate, for which the invoice's page asks.
                Err(StripeError::Declined { code, .. }) if code.ends_with("_requires_action") => return Ok(()),
                paid => drop(paid?),
            }
        }
        Ok(())
    }

    /// Whether one of a subscription's open invoices is more than what was agreed: one call.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn owes_more_than_agreed(&self, record: &Subscription) -> Result<bool, StripeError> {
        let Some(agreed) = &record.agreed else { return Ok(false) };
        let id = record.stripe_id.as_deref().unwrap_or_default();
        let open: Vec<Invoice> = self.all(&format!("/invoices?subscription={id}&status=open"), record.account.as_deref()).await?;
        Ok(open.iter().any(|invoice| invoice.amount_remaining > agreed.amount))
    }

    /// Stripe's page where a member can pay the oldest open invoice. `None` if nothing is owed. Never the secret for Stripe.js: with it, a
    /// browser could try card after card, and a renewal cannot be canceled for that as a PaymentIntent can.
    /// <https://docs.stripe.com/invoicing/hosted-invoice-page>
    ///
    /// # Errors
    /// See [`StripeError`].
    pub async fn page_to_pay(&self, record: &Subscription) -> Result<Option<String>, StripeError> {
        let (id, account) = (record.stripe_id.as_deref().unwrap_or_default(), record.account.as_deref());
        let open: Vec<Invoice> = self.all(&format!("/invoices?subscription={id}&status=open"), account).await?;
        Ok(open.into_iter().next_back().and_then(|invoice| invoice.hosted_invoice_url))
    }

    /// All invoices of a subscription, newest first.
    pub(super) async fn invoices(&self, subscription: &str, account: Option<&str>) -> Result<Vec<Invoice>, StripeError> {
        self.all(&format!("/invoices?subscription={subscription}&expand[]=data.payments"), account).await
    }

    /// The payments of the paid ones of these invoices.
    pub(super) async fn payments(
        &self,
        record: &Subscription,
        invoices: &[Invoice],
        payment_intent: Option<&str>,
    ) -> Result<Vec<Payment>, StripeError> {
        let mut payments: Vec<Payment> = Vec::new();
        let mut unknown = 0;
        for invoice in invoices.iter().filter(|invoice| invoice.is_paid()) {
            let mut known: Vec<_> = record.payments_of(&invoice.id).map(|payment| (payment.clone(), None)).collect();
            // Records of earlier versions lack these two.
            if let Some((first, _)) = known.first_mut().filter(|(first, _)| first.period_start.is_none()) {
                (first.period_start, first.credited) = (invoice.period_start(), invoice.credited());
            }
            unknown += usize::from(known.is_empty());
            if known.is_empty() && unknown > MOST_AT_ONCE {
                // The other, older ones follow with the next visit.
                continue;
            }
            let all = if known.is_empty() { self.paid_by(record, &payments, invoice).await? } else { known };
            let is_newest = payments.iter().all(|newer| newer.period_end.is_none());
            for (payment, found) in all {
                let is_newest = is_newest && payment.period_end.is_some();
                let is_named = payment_intent.is_some() && payment.payment_intent.as_deref() == payment_intent;
                payments.push(Box::pin(self.payment_as_it_stands(record, payment, found, (is_newest, is_named))).await?);
            }
        }
        Ok(payments)
    }

    /// What paid an invoice that is not on record: each of its payments that is the member's, with the PaymentIntent. The owner of a connected
    /// account can [attach](https://docs.stripe.com/api/invoices/attach_payment) others, such as a course's, and one payment to several
    /// invoices. What those paid counts as marked.
    async fn paid_by(
        &self,
        record: &Subscription,
        booked: &[Payment],
        invoice: &Invoice,
    ) -> Result<Vec<(Payment, Option<PaymentIntent>)>, StripeError> {
        let blank = Payment {
            invoice: invoice.id.clone(),
            period_start: invoice.period_start(),
            period_end: invoice.period_end(),
            ..Payment::default()
        };
        let mut all: Vec<(Payment, Option<PaymentIntent>)> = Vec::new();
        let is_booked = |id: &str| record.payments.iter().chain(booked).any(|other| other.payment_intent.as_deref() == Some(id));
        for (id, amount) in invoice.paid_by().filter(|(id, _)| invoice.amount_paid > 0 && !is_booked(id)) {
            let path = format!("/payment_intents/{id}?expand[]={CHARGE_FACTS}");
            let paid: PaymentIntent = self.get(&path, record.account.as_deref()).await?;
            // An invoice counts as paid also if somebody says so; only a payment that succeeded moved money.
            if paid.is_of_member(&record.customer) {
                let payment = Payment { payment_intent: Some(id.to_owned()), amount: paid.taken().min(amount), ..blank.clone() };
                all.push((payment, Some(paid)));
            }
        }
        let marked = (invoice.amount_paid - all.iter().map(|(payment, _)| payment.amount).sum::<i64>()).max(0);
        if all.is_empty() {
            all.push((blank, None));
        }
        (all[0].0.marked, all[0].0.credited) = (marked, invoice.credited());
        Ok(all)
    }

    /// Completes a payment: a new one, `found` at Stripe, or one on record.
    async fn payment_as_it_stands(
        &self,
        record: &Subscription,
        mut payment: Payment,
        found: Option<PaymentIntent>,
        (is_newest, is_named): (bool, bool),
    ) -> Result<Payment, StripeError> {
        let account = record.account.as_deref();
        let Some(id) = payment.payment_intent.clone() else { return Ok(payment) };
        let is_new = found.is_some();
        // A charge may be booked up to an hour after the payment. Only then are Stripe's fee and the transfer known.
        let lacks_facts = (payment.stripe_fee.is_none() || payment.settled.is_none()) && (is_newest || is_named);
        let found = match found {
            None if lacks_facts => Some(self.get(&format!("/payment_intents/{id}?expand[]={CHARGE_FACTS}"), account).await?),
            found => found,
        };
        let mut is_disputed = false;
        if let Some(paid) = found {
            payment.application_fee = paid.application_fee_amount.unwrap_or(0);
            let facts = paid.observe(Means::PaymentIntent).charge.unwrap_or_default();
            (payment.stripe_fee, payment.settled, payment.transfer) = (facts.stripe_fee, facts.settled, facts.transfer);
            // When its event came, the dispute could not be attributed, because the payment was not on record.
            is_disputed = paid.is_disputed() && payment.disputes.is_empty();
        }
        if is_named || is_disputed {
            payment.disputes = self.disputes_of(&payment, &id, account).await?;
            if let Some(transfer) = &payment.transfer {
                payment.reversals = self.reversals_of(record, transfer).await?;
            }
        }
        if is_new || is_newest || is_named {
            let expand = "expand[]=data.charge.application_fee&expand[]=data.transfer_reversal";
            let moved = "expand[]=data.balance_transaction&expand[]=data.failure_balance_transaction";
            let query = format!("/refunds?payment_intent={id}&{expand}&{moved}");
            let mut refunds: Vec<Refund> = self.all(&query, account).await?;
            refunds.retain(|refund| !self.is_anothers(&refund.metadata));
            let fee = refunds.iter().find_map(Refund::fee_refunded).unwrap_or(payment.fee_refunded);
            payment.refunds = with_fees(refunds.iter().map(|one| refund(one, record.currency)).collect(), &payment, fee);
            payment.fee_refunded = fee;
            for asked in payment.asked.iter_mut().filter(|asked| asked.state.is_planned()) {
                if let Some(made) = refunds.iter().find(|refund| self.is_asked(refund, record, (asked.number, asked.amount))) {
                    asked.state = AskedState::Made(made.id.clone());
                }
            }
        }
        Ok(payment)
    }

    /// Whether a refund is the one with this number and amount of a subscription's payment. The owner of a connected account can
    /// write the same metadata on a smaller one.
    fn is_asked(&self, refund: &Refund, record: &Subscription, (asked, amount): (u32, i64)) -> bool {
        self.is_ours(&refund.metadata, record) && number(&refund.metadata, "number") == Some(asked) && refund.amount == amount
    }
}

/// The refunds with the part of the platform's fee that each returned. Stripe only reports the sum, so
/// what was added since the payment was recorded belongs to the new refunds, in proportion.
fn with_fees(mut refunds: Vec<membership::Refund>, payment: &Payment, fee: i64) -> Vec<membership::Refund> {
    let known = |refund: &membership::Refund| payment.refunds.iter().find(|known| known.id == refund.id);
    let whole: i64 = refunds.iter().filter(|refund| known(refund).is_none()).map(|refund| refund.amount).sum();
    let added = (fee - payment.fee_refunded).max(0);
    let mut before = 0;
    for refund in &mut refunds {
        refund.fee_refunded = match known(refund) {
            Some(known) => known.fee_refunded,
            None => {
                before += refund.amount;
                Some(share(added, before, whole) - share(added, before - refund.amount, whole))
            }
        };
    }
    refunds
}

fn refund(refund: &Refund, currency: Currency) -> membership::Refund {
    membership::Refund {
        id: refund.id.clone(),
        amount: refund.amount,
        failed: !refund.state().stands(),
        fee_refunded: None,
        transfer_reversed: refund.transfer_reversed().unwrap_or(0),
        settled: refund.cost().filter(|cost| cost.currency != currency.code()),
        returned: refund.returned().filter(|returned| returned.currency != currency.code()),
    }
}
