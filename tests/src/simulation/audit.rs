//! Compares our books with Stripe's once everything has come to rest: purchase by purchase, and account by account.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use shared::domain::charging::ChargeType;
use shared::domain::membership::{Payment, Subscription};
use shared::domain::money::Settled;
use shared::domain::purchase::{Dispute, DisputeStatus, Movement, MovementKind, MovementState, Purchase};
use shared::store::books::{Line, LineKind};

use super::market::Market;
use super::members_audit;
use super::members_books::{self, Renewals};
use crate::harness::World;

/// What Stripe has, from its own lists.
pub(super) struct Stripe {
    /// With the account; empty for the platform.
    pub(super) payments: Vec<(String, Value)>,
    /// With the account, as above.
    pub(super) subscriptions: Vec<(String, Value)>,
    /// Their invoices, with their payments, newest first.
    pub(super) invoices: Vec<Value>,
    pub(super) charges: HashMap<String, Value>,
    pub(super) refunds: Vec<Value>,
    disputes: Vec<Value>,
    transfers: Vec<Value>,
    pub(super) fees: HashMap<String, Value>,
    /// What each of an account's balance transactions moved, before Stripe's fees, by the account and the transaction's source.
    moved: HashMap<(String, String), Vec<(String, i64)>>,
    /// All balance transactions by id.
    transactions: HashMap<String, Value>,
}

/// Amounts by account and currency. The platform's name is empty.
pub(super) type Balances = BTreeMap<(String, String), i64>;

pub(super) fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

async fn list(world: &World, path: &str, account: Option<&str>) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let and = if path.contains('?') { '&' } else { '?' };
        let page = world.stripe(&format!("{path}{and}limit=100{after}"), account).await;
        all.extend(page["data"].as_array().unwrap_or_else(|| panic!("{path}: {page}")).clone());
        if page["has_more"] != true {
            return all;
        }
        after = format!("&starting_after={}", all.last().map(|last| text(&last["id"])).unwrap_or_default());
    }
}

impl Stripe {
    async fn read(market: &Market) -> Self {
        let world = &market.world;
        let mut stripe = Self {
            payments: Vec::new(),
            subscriptions: Vec::new(),
            invoices: Vec::new(),
            charges: HashMap::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            transfers: list(world, "/transfers", None).await,
            fees: HashMap::new(),
            moved: HashMap::new(),
            transactions: HashMap::new(),
        };
        for fee in list(world, "/application_fees", None).await {
            stripe.fees.insert(text(&fee["id"]).to_owned(), fee);
        }
        let sellers =
            market.sellers.iter().map(|seller| seller.account.as_str()).chain(market.neighbour.iter().map(|one| one.account.as_str()));
        for account in std::iter::once(None).chain(sellers.map(Some)) {
            let name = account.unwrap_or_default().to_owned();
            stripe.payments.extend(list(world, "/payment_intents", account).await.into_iter().map(|payment| (name.clone(), payment)));
            let subscriptions = list(world, "/subscriptions?status=all", account).await;
            stripe.subscriptions.extend(subscriptions.into_iter().map(|subscription| (name.clone(), subscription)));
            stripe.invoices.extend(list(world, "/invoices?expand[]=data.payments", account).await);
            for charge in list(world, "/charges", account).await {
                stripe.charges.insert(text(&charge["id"]).to_owned(), charge);
            }
            stripe.refunds.extend(list(world, "/refunds", account).await);
            stripe.disputes.extend(list(world, "/disputes", account).await);
            for transaction in list(world, "/balance_transactions", account).await {
                let details = transaction["fee_details"].as_array().expect("a list");
                let stripes: i64 = details.iter().filter(|fee| fee["type"] == "stripe_fee").map(|fee| whole(&fee["amount"])).sum();
                let moved = (text(&transaction["currency"]).to_owned(), whole(&transaction["net"]) + stripes);
                stripe.moved.entry((name.clone(), text(&transaction["source"]).to_owned())).or_default().push(moved);
                stripe.transactions.insert(text(&transaction["id"]).to_owned(), transaction);
            }
        }
        stripe
    }

    /// The balances of all accounts before Stripe's fees.
    fn balances(&self) -> Balances {
        let mut sums = Balances::new();
        for ((account, _), all) in &self.moved {
            for (currency, amount) in all {
                *sums.entry((account.clone(), currency.clone())).or_default() += amount;
            }
        }
        sums
    }

    /// What a charge and the transfers of these groups have moved, as settled: on the account of the charge, on the platform and on the payees'
    /// accounts.
    pub(super) fn moved_by(&self, account: &str, charge: &Value, groups: &[&str]) -> Balances {
        let mut sources = vec![(account, text(&charge["id"]))];
        sources.extend(self.refunds.iter().filter(|one| one["charge"] == charge["id"]).map(|one| (account, text(&one["id"]))));
        sources.extend(self.disputes.iter().filter(|one| one["charge"] == charge["id"]).map(|one| (account, text(&one["id"]))));
        sources.extend(charge["application_fee"].as_str().map(|fee| ("", fee)));
        for transfer in self.transfers.iter().filter(|one| groups.contains(&text(&one["transfer_group"]))) {
            let (payee, payment) = (text(&transfer["destination"]), &transfer["destination_payment"]);
            sources.extend([("", text(&transfer["id"])), (payee, text(payment))]);
            sources.extend(self.refunds.iter().filter(|one| one["charge"] == *payment).map(|one| (payee, text(&one["id"]))));
        }
        let mut sums = Balances::new();
        for (account, source) in sources {
            for (currency, amount) in self.moved.get(&(account.to_owned(), source.to_owned())).into_iter().flatten() {
                *sums.entry((account.to_owned(), currency.clone())).or_default() += amount;
            }
        }
        sums
    }

    /// The charge of a payment.
    pub(super) fn charge_of(&self, payment: &str) -> Option<&Value> {
        let (_, payment) = self.payments.iter().find(|(_, one)| one["id"] == payment)?;
        self.charges.get(text(&payment["latest_charge"]))
    }

    /// The amount and currency of a balance transaction.
    pub(super) fn settled(&self, id: &Value) -> Option<Settled> {
        let transaction = self.transactions.get(text(id))?;
        Some(Settled { amount: whole(&transaction["amount"]), currency: text(&transaction["currency"]).to_owned() })
    }

    /// What a payee's account has kept of a group's transfers, in their currency.
    pub(super) fn transferred(&self, group: &str, account: Option<&str>) -> i64 {
        let theirs = self.transfers.iter().filter(|transfer| text(&transfer["transfer_group"]) == group);
        let theirs = theirs.filter(|transfer| account.is_none_or(|account| text(&transfer["destination"]) == account));
        theirs.map(|transfer| whole(&transfer["amount"]) - whole(&transfer["amount_reversed"])).sum()
    }
}

impl Market {
    /// Compares everything. Returns the outcome of the memberships' renewals.
    pub(super) async fn audit(&self, markets: &[Purchase], subscriptions: &[Subscription]) -> Renewals {
        let stripe = Stripe::read(self).await;
        let neighbours = match &self.neighbour {
            Some(neighbour) => neighbour.purchases().await,
            None => Vec::new(),
        };
        let purchases = &[markets, &neighbours].concat();
        let known: BTreeSet<&str> = purchases.iter().map(|purchase| purchase.id.as_str()).collect();
        for (_, payment) in &stripe.payments {
            if let Some(id) = payment["metadata"]["purchase_id"].as_str() {
                assert!(known.contains(id), "{} is a payment without a purchase", payment["id"]);
            }
        }
        let mut ours = self.elsewhere.clone();
        for purchase in purchases {
            check(&stripe, purchase);
            let shares = shares(purchase);
            let platforms = shares.get("").copied().unwrap_or(0);
            assert!(platforms >= 0 || platform_may_lose(purchase), "the platform paid for a sale: {purchase:#?}");
            for (of, amount) in settled_shares(&stripe, purchase, shares) {
                *ours.entry(of).or_default() += amount;
            }
        }
        check_differences(markets, &self.world.ledger_of("purchase_id").await);
        members_audit::check(&stripe, subscriptions);
        let members_ledger = self.world.ledger_of("subscription_id").await;
        members_books::check_ledger(&stripe, &members_ledger);
        members_books::check_differences(&stripe, &members_ledger);
        members_books::check_fees(&stripe);
        for (of, amount) in subscriptions.iter().flat_map(|one| members_audit::shares(&stripe, one)) {
            *ours.entry(of).or_default() += amount;
        }
        ours.retain(|_, amount| *amount != 0);
        let mut theirs = stripe.balances();
        theirs.retain(|_, amount| *amount != 0);
        assert_eq!(ours, theirs, "our books and Stripe's, by account and currency");

        // All accounts together hold what came from outside: what buyers paid and did not get back.
        let books = self.world.books().await;
        let mut outside: BTreeMap<&str, i64> = BTreeMap::new();
        for ((_, currency), amount) in &self.elsewhere {
            *outside.entry(currency.as_str()).or_default() += amount;
        }
        for purchase in purchases.iter().filter(|purchase| purchase.paid_attempt().is_some()) {
            *outside.entry(purchase.currency.code()).or_default() += purchase.amount() - purchase.refunded() - purchase.disputed();
        }
        for subscription in subscriptions {
            let taken = subscription.payments.iter().map(|payment| payment.amount - payment.refunded());
            *outside.entry(subscription.currency.code()).or_default() += taken.sum::<i64>();
        }
        for (currency, amount) in outside {
            assert_eq!(whole(&books["outside"][currency]["cardholders"]), amount, "what cardholders paid in {currency}");
        }
        self.check_access(markets, &stripe).await;
        self.check_sales(markets, subscriptions).await;
        members_books::renewals(&stripe)
    }

    /// Exactly the buyers who have paid have access.
    async fn check_access(&self, purchases: &[Purchase], stripe: &Stripe) {
        let now = self.world.app.clock.now().unix_timestamp();
        for buyer in &self.buyers {
            for course in &self.courses {
                let theirs = purchases.iter().filter(|one| one.buyer_id.as_str() == buyer.id && one.course_id.as_str() == course.id);
                let paid = theirs.filter(|one| is_owned(one, true)).collect::<Vec<_>>();
                // A buyer who was fully refunded may have bought again before the bank returned the refund.
                let once = paid.iter().filter(|one| !has_failed_refund(one)).count();
                assert!(once <= 1, "{} has paid twice for {}: {paid:#?}", buyer.email, course.slug);
                let reads = paid.iter().any(|one| is_owned(one, self.reads_while_disputed))
                    || members_audit::opens(stripe, &buyer.id, &self.sellers[course.seller].person.id, now);
                let answer = self.world.get(format!("/courses/{}/content", course.id)).bearer(&buyer.token).await;
                assert_eq!(answer.status, if reads { 200 } else { 403 }, "{} reads {}: {paid:#?}", buyer.email, course.slug);
            }
        }
    }

    /// The lines of `/sales` are the sales, and the totals are their sums plus members' payments.
    async fn check_sales(&self, purchases: &[Purchase], subscriptions: &[Subscription]) {
        for seller in &self.sellers {
            let lines = self.pages("/sales", &seller.person).await;
            let sold = purchases.iter().filter(|one| one.seller_id.as_str() == seller.person.id && one.paid_attempt().is_some());
            assert_eq!(lines.len(), sold.clone().count(), "{}", seller.person.email);
            let mut sums: BTreeMap<String, BTreeMap<&str, i64>> = BTreeMap::new();
            for (currency, settled) in sold.filter_map(Purchase::settled_sums) {
                *sums.entry(currency).or_default().entry("stripe_fee").or_default() += settled.stripe_fee;
            }
            for line in &lines {
                let of = sums.entry(text(&line["currency"]).to_owned()).or_default();
                let kept = whole(&line["application_fee"]) - whole(&line["application_fee_refunded"]);
                for (name, amount) in [
                    ("sales", 1),
                    ("gross", whole(&line["amount"])),
                    ("application_fee", kept),
                    ("refunded", whole(&line["refunded"])),
                    ("disputed", whole(&line["disputed"])),
                    ("net", whole(&line["net"])),
                    ("stripe_fee", whole(&line["stripe_fee"])),
                ] {
                    *of.entry(name).or_default() += amount;
                }
            }
            for one in subscriptions.iter().filter(|one| one.seller_id.as_str() == seller.person.id) {
                for paid in one.payments.iter().filter(|payment| payment.amount > 0).map(|payment| payment.sums(one.charge_type)) {
                    let of = sums.entry(one.currency.code().to_owned()).or_default();
                    for (name, amount) in [
                        ("sales", paid.sales),
                        ("gross", paid.gross),
                        ("application_fee", paid.application_fee),
                        ("refunded", paid.refunded),
                        ("net", paid.net),
                    ] {
                        *of.entry(name).or_default() += amount;
                    }
                }
                for (currency, fee) in one.payments.iter().filter_map(Payment::fee_of_stripe) {
                    *sums.entry(currency.unwrap_or(one.currency.code()).to_owned()).or_default().entry("stripe_fee").or_default() += fee;
                }
            }
            let answer = self.world.get("/sales").bearer(&seller.person.token).await.json();
            for totals in answer["totals"].as_array().expect("a list") {
                let Some(sums) = sums.remove(text(&totals["currency"])) else {
                    assert_eq!(totals["gross"], 0, "{totals}");
                    continue;
                };
                for (name, sum) in sums {
                    assert_eq!(whole(&totals[name]), sum, "{}: the total of {name}: {totals}", seller.person.email);
                }
            }
            assert!(sums.is_empty(), "{} has no totals of {sums:?}", seller.person.email);
        }
    }
}

/// Whether a refund was returned by the bank.
fn has_failed_refund(purchase: &Purchase) -> bool {
    purchase.movements().iter().any(|one| one.kind == MovementKind::Refund && one.state == MovementState::Failed)
}

/// Whether the platform bears part of it by the rules: a bank took or returned money, staff decided so, or somebody
/// refunded it in the Dashboard.
fn platform_may_lose(purchase: &Purchase) -> bool {
    let chosen = |one: &Movement| one.borne_by.is_some() || !one.is_ours();
    !purchase.disputes().is_empty() || has_failed_refund(purchase) || purchase.movements().iter().any(chosen)
}

/// Whether it was paid, and neither refunded nor lost to a dispute.
fn is_owned(purchase: &Purchase, while_disputed: bool) -> bool {
    let is_undecided = || purchase.disputes().iter().any(|dispute| dispute.status.is_open() && !dispute.status.is_appeal());
    purchase.paid_attempt().is_some() && purchase.refunded() + purchase.lost() < purchase.amount() && (while_disputed || !is_undecided())
}

/// Compares one purchase with Stripe.
fn check(stripe: &Stripe, purchase: &Purchase) {
    let id = purchase.id.as_str();
    let whose = |message: &str| format!("{message}: {purchase:#?}");
    let payments: Vec<&(String, Value)> = stripe.payments.iter().filter(|(_, payment)| payment["metadata"]["purchase_id"] == id).collect();
    for (account, payment) in &payments {
        assert_eq!(payment["metadata"]["stack_id"].as_str(), purchase.stack_id(), "{}", whose("the deployment"));
        let attempt = purchase.attempts().iter().find(|attempt| attempt.payment_intent.as_deref() == payment["id"].as_str());
        let attempt = attempt.unwrap_or_else(|| panic!("{}", whose(&format!("{} belongs to no attempt", payment["id"]))));
        assert_eq!(attempt.account.as_deref().unwrap_or_default(), account, "{}", whose("the account that was charged"));
    }
    let taken: Vec<&(String, Value)> = payments.into_iter().filter(|(_, payment)| payment["status"] == "succeeded").collect();
    for step in purchase.history() {
        assert!(["request:", "event:", "reconcile:"].iter().any(|kind| step.cause.starts_with(kind)), "{}", whose("a step without cause"));
    }
    let Some(paid) = purchase.paid_attempt() else {
        assert!(taken.is_empty(), "{}", whose("Stripe has money for it"));
        return;
    };
    assert_eq!(taken.len(), 1, "{}", whose("one purchase is one charge"));
    let (_, payment) = taken[0];
    assert_eq!(paid.payment_intent.as_deref(), payment["id"].as_str(), "{}", whose("the payment"));
    assert_eq!(
        (purchase.amount(), purchase.currency.code()),
        (whole(&payment["amount"]), text(&payment["currency"])),
        "{}",
        whose("the amount")
    );
    let charge = &stripe.charges[text(&payment["latest_charge"])];
    assert_eq!(purchase.refunded(), whole(&charge["amount_refunded"]), "{}", whose("what was refunded"));

    let refunds: Vec<&Value> = stripe.refunds.iter().filter(|refund| refund["payment_intent"] == payment["id"]).collect();
    let movement = |id: &Value| purchase.movements().iter().find(|movement| movement.stripe_id.as_deref() == id.as_str());
    for refund in &refunds {
        let by = refund["metadata"]["stack_id"].as_str();
        assert!(by.is_none() || by == purchase.stack_id(), "{}", whose("another deployment refunded it"));
        let state = if refund["status"] == "failed" { MovementState::Failed } else { MovementState::Done };
        let known = movement(&refund["id"]).map(|one| (one.kind, one.amount, one.state));
        assert_eq!(known, Some((MovementKind::Refund, whole(&refund["amount"]), state)), "{}", whose("a refund"));
        let cost = stripe.settled(&refund["balance_transaction"]).map(|moved| Settled { amount: -moved.amount, ..moved });
        let recorded = movement(&refund["id"]).filter(|one| one.state.is_done());
        let recorded = recorded.map(|one| one.as_settled(purchase.currency));
        assert!(recorded.is_none() || recorded == cost, "{}", whose(&format!("a refund costs {cost:?}")));
    }
    let brought = stripe.settled(&charge["balance_transaction"]);
    assert_eq!(purchase.settled(), brought.as_ref(), "{}", whose("what the charge brought"));
    let made = purchase.movements().iter().filter(|one| one.kind == MovementKind::Refund && one.stripe_id.is_some()).count();
    assert_eq!(made, refunds.len(), "{}", whose("refunds"));

    let disputes: BTreeMap<&str, (i64, Value)> = stripe
        .disputes
        .iter()
        .filter(|dispute| dispute["payment_intent"] == payment["id"])
        .map(|dispute| (text(&dispute["id"]), (whole(&dispute["amount"]), dispute["status"].clone())))
        .collect();
    let heard = |one: &Dispute| match (disputes.get(one.id.as_str()).map(|(_, status)| text(status)), one.status) {
        // A decision that moves no money is not in the books. If its event is lost, Stripe is asked after a week, which is not played here.
        (Some(decided @ "lost"), DisputeStatus::AppealNeedsResponse | DisputeStatus::AppealUnderReview)
        | (Some(decided @ "warning_closed"), DisputeStatus::WarningNeedsResponse | DisputeStatus::WarningUnderReview) => decided.into(),
        (_, status) => serde_json::to_value(status).expect("JSON"),
    };
    let recorded: BTreeMap<&str, (i64, Value)> =
        purchase.disputes().iter().map(|one| (one.id.as_str(), (one.amount, heard(one)))).collect();
    assert_eq!(disputes, recorded, "{}", whose("disputes"));
    for dispute in stripe.disputes.iter().filter(|dispute| dispute["payment_intent"] == payment["id"]) {
        let all = dispute["balance_transactions"].as_array().expect("a list");
        let moved: BTreeMap<&str, i64> = all.iter().map(|one| (text(&one["id"]), whole(&one["amount"]))).collect();
        let ours = purchase.disputes().iter().find(|one| one.id == text(&dispute["id"])).expect("it is recorded");
        let ours = ours.moves.iter().map(|one| (one.id.as_str(), one.moved.amount));
        assert_eq!(moved, ours.collect(), "{}", whose("what a dispute moved"));
    }

    // Refunds requested here include everybody's part; in the Dashboard the platform decides.
    let live = purchase.movements().iter().filter(|one| one.kind == MovementKind::Refund && one.is_under_way());
    if purchase.charge_type != ChargeType::Direct
        && live.map(|refund| if refund.is_ours() { refund.amount } else { 0 }).sum::<i64>() == purchase.amount()
    {
        let theirs: i64 = shares(purchase).into_iter().filter(|(account, _)| !account.is_empty()).map(|(_, amount)| amount).sum();
        assert_eq!(theirs, 0, "{}", whose("payees keep part of what was refunded"));
    }
    let transferred = transferred(purchase);
    for (account, amount) in &transferred {
        let groups = [id, text(&charge["transfer_group"])].into_iter().collect::<BTreeSet<_>>();
        let at_stripe: i64 =
            groups.into_iter().filter(|group| !group.is_empty()).map(|group| stripe.transferred(group, Some(account))).sum();
        assert_eq!(*amount, at_stripe, "{}", whose(&format!("{account}'s transfers")));
    }

    // Who has which part at Stripe, as charged.
    let fee = charge["application_fee"].as_str().map(|id| &stripe.fees[id]);
    let (fee_taken, fee_back) = fee.map_or((0, 0), |fee| (whole(&fee["amount"]), whole(&fee["amount_refunded"])));
    match purchase.charge_type {
        ChargeType::Direct => {
            assert_eq!((purchase.application_fee(), purchase.fee_refunded()), (fee_taken, fee_back), "{}", whose("the fee"));
            let kept = purchase.amount() - purchase.refunded() - purchase.disputed() - fee_taken + fee_back;
            assert_eq!(purchase.net(), kept, "{}", whose("the seller's part"));
        }
        ChargeType::Destination => {
            assert_eq!((purchase.application_fee(), purchase.fee_refunded()), (fee_taken, fee_back), "{}", whose("the fee"));
            if !is_converted(purchase) {
                let moved = transferred.get(&purchase.seller_account).copied().unwrap_or(0);
                assert_eq!(purchase.net(), moved - fee_taken + fee_back, "{}", whose("the seller's part"));
            }
        }
        ChargeType::Separate => {
            assert_eq!(fee_taken, 0, "{}", whose("a fee that Stripe collects"));
            let parts: i64 = paid.payees.iter().map(|payee| payee.amount).sum();
            assert_eq!(parts + purchase.application_fee(), purchase.amount(), "{}", whose("fee and parts"));
        }
    }
}

/// Whether the charge settled in another currency than the buyer paid in.
fn is_converted(purchase: &Purchase) -> bool {
    purchase.settled().is_some_and(|settled| settled.currency != purchase.currency.code())
}

/// What each payee's account has been sent and has kept, by our record, in the transfers' currency.
fn transferred(purchase: &Purchase) -> BTreeMap<String, i64> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    if purchase.charge_type == ChargeType::Destination {
        sums.insert(purchase.seller_account.clone(), purchase.transferred());
    } else if purchase.charge_type == ChargeType::Separate {
        for movement in purchase.movements().iter().filter(|one| one.state == MovementState::Done) {
            let sum = movement.payee_account.clone().map(|account| sums.entry(account).or_default());
            match (movement.kind, sum) {
                // What was deducted from a transfer before it was made never moved.
                (MovementKind::Transfer, Some(sum)) => *sum += purchase.left_to_transfer(movement.number),
                (MovementKind::Reversal, Some(sum)) if !movement.netted => *sum -= movement.as_settled(purchase.currency).amount,
                _ => {}
            }
        }
    }
    sums
}

/// The same as settled: by our record if nothing was converted, otherwise by Stripe's transactions. [`check`] has compared what we record of those.
fn settled_shares(stripe: &Stripe, purchase: &Purchase, shares: BTreeMap<String, i64>) -> Balances {
    let code = purchase.currency.code();
    let Some(charge) = purchase.paid_attempt().and_then(|paid| paid.charge.as_ref()) else { return Balances::new() };
    let groups = [purchase.id.as_str(), text(&stripe.charges[&charge.id]["transfer_group"])];
    let groups: Vec<&str> = groups.into_iter().filter(|group| !group.is_empty()).collect();
    let at_stripe = stripe.moved_by(purchase.charged_account().unwrap_or_default(), &stripe.charges[&charge.id], &groups);
    if at_stripe.keys().all(|(_, currency)| currency == code) {
        return shares.into_iter().map(|(account, amount)| ((account, code.to_owned()), amount)).collect();
    }
    at_stripe
}

/// Each refund of a sale that was converted, and each return of one, has a line with its exchange-rate difference, and there are no others.
fn check_differences(purchases: &[Purchase], ledger: &[Line]) {
    let lines = ledger.iter().filter(|line| line.purchase_id.is_some() && line.kind == LineKind::CurrencyDifference);
    let mut lines: BTreeMap<&str, &Line> = lines.map(|line| (line.stripe_id.as_str(), line)).collect();
    for purchase in purchases.iter().filter(|one| is_converted(one)) {
        for refund in purchase.movements().iter().filter(|one| one.kind == MovementKind::Refund) {
            let Some(id) = refund.stripe_id.as_deref() else { continue };
            let (line, of_return) = (lines.remove(id), lines.remove(format!("{id}#returned").as_str()));
            let Some(brought) = purchase.settled() else { continue };
            let part = (brought.amount * refund.amount).div_euclid(purchase.amount());
            let mut expected = vec![(line, part - refund.as_settled(purchase.currency).amount)];
            if refund.state.stands() {
                assert!(of_return.is_none(), "{of_return:?} of a refund that stands: {purchase:#?}");
            } else {
                let returned = refund.returned.as_ref().unwrap_or_else(|| panic!("what came back of {id} is unknown: {purchase:#?}"));
                expected.push((of_return, returned.amount - part));
            }
            for (line, difference) in expected {
                let line = line.unwrap_or_else(|| panic!("refund {} has no difference: {purchase:#?}", refund.number));
                assert!((difference - line.amount).abs() <= 1, "{difference} is not {line:?}: {purchase:#?}");
                assert_eq!(line.currency, brought.currency, "{purchase:#?}");
            }
        }
    }
    assert!(lines.is_empty(), "differences of no refund: {lines:#?}");
}

/// What each account has of a purchase, by our record, as charged; the platform's name is empty.
fn shares(purchase: &Purchase) -> BTreeMap<String, i64> {
    let mut shares: BTreeMap<String, i64> = BTreeMap::new();
    if purchase.paid_attempt().is_none() {
        return shares;
    }
    if purchase.charge_type == ChargeType::Separate {
        let done = || purchase.movements().iter().filter(|one| one.state == MovementState::Done);
        // Whatever was deducted from a transfer that was never made never moved.
        let made: Vec<Option<u32>> = done().filter(|one| one.kind == MovementKind::Transfer).map(|one| Some(one.number)).collect();
        for movement in done() {
            let share = movement.payee_account.clone().map(|account| shares.entry(account).or_default());
            match (movement.kind, share) {
                (MovementKind::Transfer, Some(share)) => *share += movement.amount,
                (MovementKind::Reversal, Some(share)) if made.contains(&movement.of) => *share -= movement.amount,
                _ => {}
            }
        }
    } else {
        shares.insert(purchase.seller_account.clone(), purchase.net());
    }
    let platform = match purchase.charge_type {
        ChargeType::Direct => purchase.application_fee() - purchase.fee_refunded(),
        _ => purchase.amount() - purchase.refunded() - purchase.disputed() - shares.values().sum::<i64>(),
    };
    shares.insert(String::new(), platform);
    shares
}
