//! What thieves, and sellers and buyers with bad intentions, try. Each attempt is refused at once; that none costs the platform
//! anything shows in the audit.

use std::collections::VecDeque;

use serde_json::json;

use super::market::Market;
use super::steps::{BAD_CARDS, one_of};
use crate::harness::{Answer, Person};

/// In seconds.
const DAY: i64 = 24 * 3600;

/// Tries cards that are not theirs, and has confirmed no address.
pub(super) struct Thief {
    pub(super) person: Person,
    /// When Stripe declined a card of theirs, in Unix seconds, within a day.
    declined: VecDeque<i64>,
}

impl Thief {
    pub(super) fn new(person: Person) -> Self {
        Self { person, declined: VecDeque::new() }
    }
}

impl Market {
    pub(super) async fn attack(&mut self) {
        match self.chance.u32(..6) {
            0 => self.try_cards().await,
            1 => self.pay_less().await,
            2 => self.lower_the_fee().await,
            3 => self.leave_direct_charges().await,
            4 => self.refund_somebody_elses().await,
            _ => self.end_somebody_elses_membership().await,
        }
    }

    /// An unconfirmed user gets one decline a day from Stripe, however many cards they try.
    async fn try_cards(&mut self) {
        for _ in 0..self.chance.u32(1..5) {
            let (course, card) = (self.chance.usize(..self.courses.len()), one_of(&mut self.chance, &BAD_CARDS));
            let body = json!({"course_id": self.courses[course].id, "payment_method": card});
            let answer = self.world.post("/courses/charge", body).bearer(&self.thief.person.token).await;
            self.note(format!("the thief tries {card} on course {course}: {}", answer.status));
            // Stripe refuses transfers to an account that revoked access before we have received the event.
            let is_connected = self.courses[course].payees.iter().all(|&payee| self.sellers[payee].is_connected);
            let expected = [201, 402, 403, 409].contains(&answer.status) || (answer.status == 502 && !is_connected);
            assert!(expected, "{} {}", answer.status, answer.body);
            if answer.status == 402 {
                let now = self.world.app.clock.now().unix_timestamp();
                self.thief.declined.retain(|at| *at > now - DAY);
                assert!(self.thief.declined.is_empty(), "a second decline within a day: {}", answer.body);
                self.thief.declined.push_back(now);
            }
        }
    }

    /// A buyer claims to have seen another price.
    async fn pay_less(&mut self) {
        let (buyer, course) = (self.chance.usize(..self.buyers.len()), self.chance.usize(..self.courses.len()));
        let course = &self.courses[course];
        let body = json!({"course_id": course.id, "payment_method": "pm_card_visa", "expected_amount": 1, "expected_currency": course.currency.code()});
        let answer = self.world.post("/courses/charge", body).bearer(&self.buyers[buyer].token).await;
        self.refused(&answer, &[409], format!("buyer {buyer} would pay less for {}", course.slug));
    }

    /// A seller sets the platform's fee.
    async fn lower_the_fee(&mut self) {
        let course = &self.courses[self.chance.usize(..self.courses.len())];
        let seller = &self.sellers[course.seller].person;
        let answer = self.world.patch(format!("/courses/{}", course.slug), json!({"fee_percent": 0})).bearer(&seller.token).await;
        self.refused(&answer, &[403], format!("{} would lower the fee of {}", seller.email, course.slug));
    }

    /// A seller changes their own terms.
    async fn leave_direct_charges(&mut self) {
        let seller = &self.sellers[self.chance.usize(..self.sellers.len())].person;
        let terms = json!({"terms": {"charge_type": "separate", "fee_percent": 0}});
        let answer = self.world.patch(format!("/admin/users/{}", seller.id), terms).bearer(&seller.token).await;
        self.refused(&answer, &[403], format!("{} would change their terms", seller.email));
    }

    /// A buyer refunds their own purchase, or a seller another seller's sale.
    async fn refund_somebody_elses(&mut self) {
        let Some(payment) = Self::pick(&mut self.chance, &self.known.payments) else { return };
        let seller = self.seller_of(&payment).person.id.clone();
        let people: Vec<&Person> = self.buyers.iter().chain(self.sellers.iter().map(|seller| &seller.person)).collect();
        let person = people[self.chance.usize(..people.len())];
        if person.id == seller {
            return;
        }
        let answer = self.world.post(format!("/purchases/{}/refund", payment.purchase), json!({})).bearer(&person.token).await;
        self.refused(&answer, &[403, 404], format!("{} would refund {}", person.email, payment.purchase));
    }

    async fn end_somebody_elses_membership(&mut self) {
        let subscriptions = self.subscriptions().await;
        if subscriptions.is_empty() {
            return;
        }
        let one = &subscriptions[self.chance.usize(..subscriptions.len())];
        let thief = &self.thief.person;
        let what = ["cancel", "resume", "switch", "refund"][self.chance.usize(..4)];
        let answer = self.world.post(format!("/subscriptions/{}/{what}", one.id), json!({"interval": "year"})).bearer(&thief.token).await;
        self.refused(&answer, &[403, 404], format!("the thief would {what} {}", one.id));
    }

    fn refused(&self, answer: &Answer, with: &[u16], what: String) {
        self.note(format!("{what}: {}", answer.status));
        assert!(with.contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
    }
}
