//! What buyers, sellers, staff, banks and time do.

use fastrand::Rng;
use serde_json::{Value, json};
use time::Duration;

use super::faults::Fault;
use super::market::{Market, Payment, Seller};
use crate::harness::{Answer, World};

const GOOD_CARDS: [&str; 6] =
    ["pm_card_visa", "pm_card_visa", "pm_card_mastercard", "pm_card_bypassPending", "pm_card_pendingRefund", "tok_visa"];
pub(super) const BAD_CARDS: [&str; 5] = [
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_visa_chargeDeclinedExpiredCard",
    "pm_card_refundFail",
    "pm_card_createDispute",
];
/// Bank accounts, whose banks answer later.
const DEBITS: [&str; 6] = [
    "pm_success_de",
    "pm_successDelayed_de",
    "pm_failedDelayed_de",
    "pm_disputed_de",
    "pm_usBankAccount_success",
    "pm_usBankAccount_insufficientFunds",
];
const AUTHENTICATED_CARDS: [&str; 3] =
    ["pm_card_threeDSecure2Required", "pm_card_threeDSecureRequired", "pm_card_threeDSecureRequiredChargeDeclined"];

/// A month passes after about one in this many steps.
const A_MONTH: u32 = 400;

pub(super) fn one_of(chance: &mut Rng, all: &[&'static str]) -> &'static str {
    all[chance.usize(..all.len())]
}

impl Market {
    /// Something happens, and then some events arrive.
    pub(super) async fn step(&mut self) {
        match self.chance.u32(..126) {
            ..40 => self.buy().await,
            40..48 => self.go_through_checkout().await,
            48..56 => self.authenticate().await,
            56..64 => self.refund().await,
            64..68 => self.refund_in_the_dashboard().await,
            68..71 => self.dispute().await,
            71..75 => self.decide_a_dispute().await,
            75..76 => self.send_a_refund_back().await,
            76..88 => self.pass().await,
            88..92 => self.reconcile().await,
            92..94 => self.disconnect_or_link().await,
            94..96 => self.change_a_price().await,
            96..97 => self.change_terms().await,
            97..105 => self.subscribe().await,
            105..109 => self.change_a_subscription().await,
            109..110 => self.offer().await,
            110..111 => self.change_in_the_dashboard().await,
            111..112 => self.refund_a_membership().await,
            112..115 => self.attack().await,
            115 => self.book_later().await,
            116..119 => self.move_rates().await,
            119 => self.suspend_a_seller().await,
            120..123 => self.trade_beside().await,
            _ => self.look().await,
        }
        if self.chance.u32(..A_MONTH) == 0 {
            self.a_month().await;
        }
        self.listen().await;
        let letters = [0, 0, 1, 2, 4, 8][self.chance.usize(..6)];
        for _ in 0..letters {
            self.deliver_one().await;
        }
    }

    async fn buy(&mut self) {
        // A new pair of buyer and course, or one that was tried before.
        let again = self.chance.u32(..4) == 0 || self.to_buy.is_empty();
        let (buyer, course) = match self.to_buy.pop() {
            Some(pair) if !again => pair,
            left => {
                self.to_buy.extend(left);
                (self.chance.usize(..self.buyers.len()), self.chance.usize(..self.courses.len()))
            }
        };
        let card = match self.chance.u32(..20) {
            ..4 => None,
            4..7 => Some(one_of(&mut self.chance, &AUTHENTICATED_CARDS)),
            7..10 => Some(one_of(&mut self.chance, &BAD_CARDS)),
            _ => Some(one_of(&mut self.chance, &GOOD_CARDS)),
        };
        let clicks = [1, 1, 1, 1, 1, 2, 2, 3][self.chance.usize(..8)];
        let fault = Fault::any(&mut self.chance);
        let mut body = json!({"course_id": self.courses[course].id});
        if let Some(card) = card {
            body["payment_method"] = card.into();
        }
        let token = &self.buyers[buyer].token;
        let click = |_| self.world.post("/courses/charge", body.clone()).bearer(token).into_future();
        let answers = fault.strike(&self.world, &mut self.chance, (0..clicks).map(click)).await;
        self.note(format!("buyer {buyer} buys course {course} with {card:?}, {clicks} clicks, {fault:?}: {}", told(&answers)));
        // Stripe refuses transfers to an account that revoked access before we have received the event.
        let everyone_is_connected = self.courses[course].payees.iter().all(|&payee| self.sellers[payee].is_connected);
        for answer in answers.into_iter().flatten() {
            if answer.status != 502 || everyone_is_connected {
                self.check(&answer, &fault);
            }
            if answer.status == 201
                && let Some(url) = answer.json()["checkout_url"].as_str()
            {
                let session = url.rsplit('/').next().unwrap_or_default().to_owned();
                if !self.known.sessions.contains(&session) {
                    self.known.sessions.push(session);
                }
            }
        }
    }

    /// There is no 5xx without a fault.
    pub(super) fn check(&self, answer: &Answer, fault: &Fault) {
        assert!(answer.status < 500 || !fault.is_none(), "{} {}", answer.status, answer.body);
    }

    async fn go_through_checkout(&mut self) {
        let Some(session) = Self::pick(&mut self.chance, &self.known.sessions) else { return };
        let (what, body) = match self.chance.u32(..8) {
            0 => ("expire", json!({})),
            1 => ("pay", json!({"card": "pm_card_visa_chargeDeclined"})),
            2 | 3 => ("pay", json!({"card": one_of(&mut self.chance, &DEBITS)})),
            _ => ("pay", json!({"card": one_of(&mut self.chance, &GOOD_CARDS)})),
        };
        let answer = attempt(&self.world, &format!("checkout/sessions/{session}/{what}"), &body).await;
        self.note(format!("{session}: {what} {body}: {answer}"));
    }

    async fn authenticate(&mut self) {
        let Some(payment) = Self::pick(&mut self.chance, &self.known.authentications) else { return };
        let outcome = if self.chance.u32(..4) == 0 { "fail" } else { "succeed" };
        let answer = attempt(&self.world, &format!("payment_intents/{payment}/authenticate"), &json!({"outcome": outcome})).await;
        self.note(format!("{payment}: {outcome}: {answer}"));
    }

    async fn refund(&mut self) {
        let Some(payment) = Self::pick(&mut self.chance, &self.known.payments) else { return };
        let part = self.part(&payment);
        let body = part.map_or_else(|| json!({}), |amount| json!({"amount": amount}));
        let clicks = [1, 1, 1, 2][self.chance.usize(..4)];
        let key = self.chance.bool().then(|| format!("refund-{}", self.chance.u32(..)));
        let by_staff = self.chance.u32(..5) == 0;
        let fault = Fault::any(&mut self.chance);
        let token = if by_staff { &self.staff.token } else { &self.seller_of(&payment).person.token }.clone();
        if by_staff {
            self.world.enter_password(&self.staff).await;
        }
        let click = |_| {
            let call = self.world.post(format!("/purchases/{}/refund", payment.purchase), body.clone()).bearer(&token);
            match &key {
                Some(key) => call.header("idempotency-key", key.clone()),
                None => call,
            }
            .into_future()
        };
        let answers = fault.strike(&self.world, &mut self.chance, (0..clicks).map(click)).await;
        self.note(format!("refund {} of {}, {clicks} clicks, {fault:?}: {}", body, payment.purchase, told(&answers)));
        for answer in answers.iter().flatten() {
            // Stripe's refusals are 502 too, for example if the money was already refunded.
            assert!(answer.status < 500 || answer.status == 502 || !fault.is_none(), "{} {}", answer.status, answer.body);
        }
    }

    /// Part of a payment, more than all of it, or everything that is left.
    fn part(&mut self, payment: &Payment) -> Option<i64> {
        match self.chance.u32(..8) {
            ..3 => None,
            3 => Some(payment.amount),
            4 => Some(payment.amount + 1),
            5 => Some(1),
            _ => Some(self.chance.i64(1..=payment.amount)),
        }
    }

    async fn refund_in_the_dashboard(&mut self) {
        let Some(payment) = Self::pick(&mut self.chance, &self.known.payments) else { return };
        if !self.is_within_reach(payment.account.as_deref()) {
            return;
        }
        let part = self.part(&payment);
        let answer = self.give_back(&payment.charge, payment.account.as_deref(), part, (payment.has_fee, payment.has_transfer)).await;
        self.note(format!("dashboard: refund {answer}"));
    }

    /// Refunds a charge in part or in full in Stripe's Dashboard. If there is a fee or a transfer, returns it or not.
    pub(super) async fn give_back(&mut self, charge: &str, account: Option<&str>, part: Option<i64>, has: (bool, bool)) -> String {
        let (has_fee, has_transfer) = has;
        let mut form = vec![("charge", charge.to_owned())];
        form.extend(part.map(|amount| ("amount", amount.to_string())));
        if has_fee && self.chance.bool() {
            form.push(("refund_application_fee", "true".to_owned()));
        }
        if has_transfer && self.chance.bool() {
            form.push(("reverse_transfer", "true".to_owned()));
        }
        let answer = self.world.in_dashboard("/refunds", account, &form).await;
        format!("{form:?}: {}", short(&answer))
    }

    async fn dispute(&mut self) {
        let Some(payment) = Self::pick(&mut self.chance, &self.known.payments) else { return };
        if !self.is_within_reach(payment.account.as_deref()) {
            return;
        }
        let stages = ["needs_response", "needs_response", "needs_response", "warning_needs_response", "prevented"];
        let mut body = json!({"status": one_of(&mut self.chance, &stages)});
        if self.chance.u32(..3) == 0 {
            body["amount"] = self.chance.i64(1..=payment.amount).into();
        }
        let answer = attempt(&self.world, &format!("charges/{}/dispute", payment.charge), &body).await;
        self.note(format!("dispute {body} of {} of {}: {answer}", payment.charge, payment.purchase));
    }

    async fn decide_a_dispute(&mut self) {
        let Some((dispute, account)) = Self::pick(&mut self.chance, &self.known.disputes) else { return };
        if !self.is_within_reach(account.as_deref()) {
            return;
        }
        let what = one_of(&mut self.chance, &["won", "won", "lost", "lost", "warning_closed", "escalate", "appeal", "appeal"]);
        let (path, body) = match what {
            "escalate" | "appeal" => (what, json!({})),
            outcome => ("close", json!({"outcome": outcome})),
        };
        let answer = attempt(&self.world, &format!("disputes/{dispute}/{path}"), &body).await;
        self.note(format!("{dispute}: {what}: {answer}"));
    }

    async fn send_a_refund_back(&mut self) {
        let Some(refund) = Self::pick(&mut self.chance, &self.known.refunds) else { return };
        let answer = attempt(&self.world, &format!("refunds/{refund}/fail"), &json!({})).await;
        self.note(format!("{refund} is returned: {answer}"));
    }

    async fn pass(&mut self) {
        let time = match self.chance.u32(..20) {
            ..10 => Duration::seconds(self.chance.i64(1..60)),
            10..17 => Duration::minutes(self.chance.i64(1..30)),
            17..19 => Duration::hours(self.chance.i64(1..6)),
            _ => Duration::hours(self.chance.i64(20..30)),
        };
        self.world.pass(time).await;
        self.note(format!("{time} pass"));
    }

    async fn reconcile(&mut self) {
        let runs = [1, 1, 2][self.chance.usize(..3)];
        let fault = Fault::any(&mut self.chance);
        let run = |_| async {
            let until = std::time::Instant::now() + std::time::Duration::from_secs(600);
            reconcile::handle(&self.world.payments.reconcile, reconcile::Asked::default(), until).await
        };
        let reports = fault.strike(&self.world, &mut self.chance, (0..runs).map(run)).await;
        self.note(format!("{runs} reconciliations, {fault:?}: {reports:?}"));
        for report in reports.into_iter().flatten() {
            match report {
                Ok(report) => assert_eq!((report.recorded, report.returned), (0, 0), "nothing is lost here: {report:?}"),
                Err(error) => assert!(!fault.is_none(), "{error}"),
            }
        }
    }

    async fn disconnect_or_link(&mut self) {
        let place = self.chance.usize(..self.sellers.len());
        let (person, account) = (self.sellers[place].person.clone(), self.sellers[place].account.clone());
        if !self.sellers[place].is_connected {
            self.link_again(place).await;
            return;
        }
        // Here or in Stripe's Dashboard.
        if self.chance.bool() {
            self.world.enter_password(&person).await;
            let fault = Fault::any(&mut self.chance);
            let ask = self.world.delete("/users/me/stripe").bearer(&person.token).into_future();
            let answers = fault.strike(&self.world, &mut self.chance, [ask]).await;
            self.note(format!("seller {place} disconnects, {fault:?}: {}", told(&answers)));
            if answers.iter().flatten().any(|answer| answer.status == 204) {
                self.sellers[place].is_connected = false;
                return;
            }
        }
        // If the outcome is unknown, the Dashboard does it.
        let answer = attempt(&self.world, &format!("accounts/{account}/deauthorize"), &json!({})).await;
        self.note(format!("seller {place} revokes the platform's access: {answer}"));
        self.sellers[place].is_connected = false;
    }

    /// Links a seller's previous account again.
    pub(super) async fn link_again(&mut self, place: usize) {
        let person = self.sellers[place].person.clone();
        // Stripe's event about the old link arrives before or after this, at random. It must not undo the new link.
        let Seller { account, authorize, .. } = &self.sellers[place];
        let account = self.world.link_by(&person, authorize, Some(account)).await;
        assert_eq!(account, self.sellers[place].account);
        self.sellers[place].is_connected = true;
        self.note(format!("seller {place} links {account} again"));
    }

    async fn change_a_price(&mut self) {
        let place = self.chance.usize(..self.courses.len());
        let currency = self.courses[place].currency;
        let price = json!({"amount": self.price(currency), "currency": currency.code()});
        let (slug, seller) = (self.courses[place].slug.clone(), self.courses[place].seller);
        let answer = self.world.patch(format!("/courses/{slug}"), json!({"price": price})).bearer(&self.sellers[seller].person.token).await;
        self.note(format!("course {place} costs {price}: {}", answer.status));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn change_terms(&mut self) {
        let place = self.chance.usize(..self.sellers.len());
        let charge_type = one_of(&mut self.chance, &["direct", "destination", "separate", "the platform's"]);
        let mut terms = json!({"fee_percent": self.chance.u32(..100), "fee_minimum": {"usd": 75}});
        if charge_type != "the platform's" {
            terms["charge_type"] = charge_type.into();
        }
        self.note(format!("seller {place} gets {terms}"));
        self.agree(&self.sellers[place].person.clone(), terms).await;
    }

    /// Staff suspend a seller for a while. Nothing of theirs is sold meanwhile.
    async fn suspend_a_seller(&mut self) {
        let place = self.chance.usize(..self.sellers.len());
        self.set_suspended(place, json!({"reason": "Sells what is not theirs"})).await;
        let course = self.courses.iter().position(|course| course.seller == place).expect("every seller has a course");
        let body = json!({"course_id": self.courses[course].id, "payment_method": "pm_card_visa"});
        let visitor = self.world.buyer(&format!("visitor{}@example.com", self.visitors)).await;
        self.visitors += 1;
        let answer = self.world.post("/courses/charge", body).bearer(&visitor.token).await;
        assert_eq!(answer.status, 409, "{}", answer.body);
        for _ in 0..self.chance.u32(1..5) {
            match self.chance.u32(..4) {
                0 => self.pass().await,
                1 => self.reconcile().await,
                _ => self.deliver_one().await,
            }
        }
        self.set_suspended(place, json!(null)).await;
        // Sessions that began before the end of the suspension stay closed.
        self.world.pass(Duration::seconds(1)).await;
        self.sellers[place].person.token = self.world.log_in(&self.sellers[place].person).await;
    }

    async fn set_suspended(&mut self, place: usize, suspended: Value) {
        self.world.enter_password(&self.staff).await;
        let path = format!("/admin/users/{}", self.sellers[place].person.id);
        let answer = self.world.patch(path, json!({"suspended": suspended})).bearer(&self.staff.token).await;
        self.note(format!("seller {place} is suspended: {suspended}: {}", answer.status));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Somebody opens a course, which works only if it is paid.
    async fn look(&mut self) {
        let (buyer, course) = (self.chance.usize(..self.buyers.len()), self.chance.usize(..self.courses.len()));
        let (buyer, course) = (&self.buyers[buyer], &self.courses[course]);
        let answer = self.world.get(format!("/courses/{}/content", course.id)).bearer(&buyer.token).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 403, "{}", answer.body);
            return;
        }
        let taken = self.known.payments.iter().filter(|payment| payment.course == course.id);
        let mut theirs = Vec::new();
        for payment in taken {
            let id = payment.purchase.parse().expect("an id");
            let purchase = self.world.app.store.purchase(&id).await.expect("the table").expect("it is there");
            if purchase.buyer_id.as_str() == buyer.id {
                theirs.push(payment.charge.clone());
            }
        }
        let is_member = self.members.paid.contains(&(buyer.id.clone(), self.sellers[course.seller].person.id.clone()));
        assert!(is_member || !theirs.is_empty(), "{} reads {} and has not paid for it", buyer.email, course.slug);
    }

    /// One event arrives, or a delivered one is repeated, or two arrive concurrently.
    pub(super) async fn deliver_one(&mut self) {
        let again = self.chance.u32(..10) == 0;
        let letters = if again { &self.post.delivered } else { &self.post.waiting };
        if letters.is_empty() {
            return;
        }
        let place = self.chance.usize(..letters.len());
        let letter = letters[place].clone();
        let copies = if self.chance.u32(..8) == 0 { 2 } else { 1 };
        let fault = Fault::any(&mut self.chance);
        let deliver = |_| letter.deliver(&self.world);
        let answers = fault.strike(&self.world, &mut self.chance, (0..copies).map(deliver)).await;
        self.note(format!("{} arrives {copies} times, {fault:?}: {}", letter.kind, told(&answers)));
        for answer in answers.iter().flatten() {
            self.check(answer, &fault);
        }
        let acknowledged = answers.iter().flatten().any(|answer| answer.status == 200);
        if let (true, Some(neighbour)) = (acknowledged, &self.neighbour) {
            neighbour.hear(&letter).await;
        }
        if acknowledged && !again {
            let letter = self.post.waiting.swap_remove(place);
            self.post.delivered.push(letter);
            // A few are enough to repeat.
            if self.post.delivered.len() > 100 {
                self.post.delivered.remove(0);
            }
        }
    }
}

pub(super) fn told(answers: &[Option<Answer>]) -> String {
    let one = |answer: &Option<Answer>| match answer {
        Some(answer) => format!("{} {}", answer.status, short_text(&answer.body)),
        None => "killed".to_owned(),
    };
    answers.iter().map(one).collect::<Vec<_>>().join(" | ")
}

pub(super) fn short(value: &Value) -> String {
    short_text(&value.to_string())
}

fn short_text(text: &str) -> String {
    text.chars().take(160).collect()
}

/// Asks the stand-in for something it may refuse, such as paying an expired session.
async fn attempt(world: &World, path: &str, body: &Value) -> String {
    let url = format!("{}/_admin/{path}", world.stripe_proxy.url());
    let request = world.app.http.post(url).header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.expect("the stand-in runs");
    assert!(answer.status().as_u16() < 500, "{}", answer.status());
    answer.status().to_string()
}
