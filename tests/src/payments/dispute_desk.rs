//! `/admin/disputes`: staff see what to answer by when, and submit evidence once.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::harness::{Answer, Person, Shop, World};

/// A disputed purchase, and the staff.
struct Desk {
    world: World,
    shop: Shop,
    staff: Person,
    purchase: String,
    dispute: String,
}

/// The bank disputes the newest charge. Returns Stripe's dispute.
async fn disputed(world: &World, account: Option<&str>, body: Value) -> Value {
    world.deliver().await;
    let charge = world.stripe("/charges", account).await["data"][0]["id"].as_str().expect("an id").to_owned();
    let dispute = world.admin("POST", &format!("charges/{charge}/dispute"), body).await;
    world.deliver().await;
    dispute
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("{object}")).to_owned()
}

impl Desk {
    async fn open(settings: &[(&str, &str)]) -> Self {
        let world = World::with(settings).await;
        let shop = world.shop().await;
        let staff = world.staff("staff@example.com").await;
        let street = [("line1", "12 Long Lane"), ("postal_code", "94107"), ("city", "San Francisco"), ("country", "US")];
        let street: Vec<_> = street.map(|(name, text)| (format!("billing_details[address][{name}]"), text.to_owned())).into();
        let form =
            [("type", "card".to_owned()), ("card[token]", "tok_visa".to_owned()), ("billing_details[name]", "Jenny Rosen".to_owned())];
        let form = form.into_iter().chain(street.iter().map(|(name, text)| (name.as_str(), text.clone())));
        let card = world.in_dashboard("/payment_methods", None, &form.collect::<Vec<_>>()).await;
        let bought = world.buy(&shop.buyer, &shop.course_id, &id_of(&card)).await;
        assert_eq!(bought.status, 201, "{}", bought.body);
        let is_direct = settings.contains(&("CHARGE_TYPE", "direct"));
        let dispute = disputed(&world, is_direct.then_some(shop.account.as_str()), json!({})).await;
        let purchase = bought.json()["purchase"]["id"].as_str().expect("an id").to_owned();
        Self { dispute: id_of(&dispute), world, shop, staff, purchase }
    }

    fn path(&self) -> String {
        format!("/admin/disputes/{}/evidence", self.dispute)
    }

    async fn draft(&self) -> Answer {
        self.world.get(self.path()).bearer(&self.staff.token).await
    }

    async fn give(&self, text: &str, submit: bool) -> Answer {
        let body = json!({"evidence": {"access_activity_log": text, "service_date": ""}, "submit": submit});
        self.world.post(self.path(), body).bearer(&self.staff.token).await
    }

    async fn listed(&self, query: &str) -> Vec<Value> {
        listed(&self.world, &self.staff, query).await
    }

    async fn at_stripe(&self) -> Value {
        self.world.stripe(&format!("/disputes/{}", self.dispute), None).await
    }

    /// The entries about evidence in the audit log, oldest first: action, and whether it was submitted.
    async fn entries(&self) -> Vec<(String, Value)> {
        let answer = self.world.get("/admin/audit?limit=100").bearer(&self.staff.token).await.json();
        let all = answer["items"].as_array().expect("a list").iter().rev().filter(|one| one["dispute_id"] == self.dispute.as_str());
        let told = all.map(|one| {
            assert_eq!((&one["user_id"], &one["staff_id"]), (&json!(self.shop.seller.id), &json!(self.staff.id)), "{one}");
            assert_eq!(one["purchase_id"], self.purchase.as_str(), "{one}");
            (one["action"].as_str().expect("text").to_owned(), one["submitted"].clone())
        });
        told.collect()
    }

    /// How often evidence was sent to Stripe since the last question.
    async fn sent(&self) -> usize {
        let asked = self.world.asked_stripe().await;
        asked.iter().filter(|one| **one == format!("POST /v1/disputes/{}", self.dispute)).count()
    }
}

async fn listed(world: &World, staff: &Person, query: &str) -> Vec<Value> {
    let answer = world.get(format!("/admin/disputes{query}")).bearer(&staff.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["items"].as_array().expect("a list").clone()
}

fn due(dispute: &Value) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(dispute["evidence_details"]["due_by"].as_i64().expect("a time")).expect("a time")
}

#[tokio::test]
async fn staff_see_what_to_answer_soonest_due_first_then_what_the_bank_reviews() {
    let world = World::start().await;
    let shop = world.shop().await;
    let mut disputes = Vec::new();
    for (number, status) in ["needs_response", "warning_needs_response", "needs_response"].into_iter().enumerate() {
        world.pass(Duration::days(1)).await;
        let buyer = world.buyer(&format!("buyer{number}@example.com")).await;
        assert_eq!(world.buy(&buyer, &shop.course_id, "pm_card_visa").await.status, 201);
        disputes.push((disputed(&world, None, json!({"status": status})).await, buyer));
    }
    let staff = world.staff("staff@example.com").await;
    world.proxy.clear();
    let list = world.get("/admin/disputes?limit=2").bearer(&staff.token).await;
    let mut calls = world.operations();
    calls.sort();
    assert_eq!(calls, ["BatchGetItem", "Query"]);
    let next = world.get(format!("/admin/disputes?limit=2&cursor={}", list.text("next_cursor"))).bearer(&staff.token).await;
    let all: Vec<Value> = [&list, &next].iter().flat_map(|page| page.json()["items"].as_array().expect("a list").clone()).collect();
    let ids = |all: &[Value]| all.iter().map(id_of).collect::<Vec<_>>();
    assert_eq!(ids(&all), disputes.iter().map(|(dispute, _)| id_of(dispute)).collect::<Vec<_>>());
    let (inquiry, buyer) = &disputes[1];
    let due_by = due(inquiry).format(&time::format_description::well_known::Rfc3339).expect("a time");
    assert_eq!((&all[1]["due_by"], &all[1]["status"]), (&json!(due_by), &json!("warning_needs_response")));
    assert_eq!((&all[1]["amount"], &all[1]["title"]), (&json!({"amount": 5000, "currency": "usd"}), &json!("Flask Microservices")));
    assert_eq!([&all[1]["buyer_id"], &all[1]["seller_id"]], [&json!(buyer.id), &json!(shop.seller.id)]);
    assert_eq!([&all[1]["answered_by"], &all[1]["account"], &all[1]["evidence"]], [&json!("staff"), &json!(null), &json!(null)]);

    // The first is answered in Stripe's Dashboard, and the last is lost.
    let (first, last) = (id_of(&disputes[0].0), id_of(&disputes[2].0));
    world.in_dashboard(&format!("/disputes/{first}"), None, &[("evidence[product_description]", "A course".to_owned())]).await;
    world.admin("POST", &format!("disputes/{last}/close"), json!({"outcome": "lost"})).await;
    world.deliver().await;
    let open = listed(&world, &staff, "?state=open").await;
    assert_eq!(ids(&open), [id_of(inquiry), first.clone()], "the one that the bank reviews comes last");
    assert_eq!(open[1]["status"], "under_review");
    let closed = listed(&world, &staff, "?state=closed").await;
    assert_eq!((ids(&closed), &closed[0]["status"]), (vec![last.clone()], &json!("lost")));
    // It is appealed, and so it is open again. Events have the time in seconds.
    world.pass(Duration::seconds(2)).await;
    world.admin("POST", &format!("disputes/{last}/appeal"), json!({})).await;
    world.deliver().await;
    assert_eq!(listed(&world, &staff, "").await.len(), 3);
    assert_eq!(listed(&world, &staff, "?state=closed").await, Vec::<Value>::new());

    let wrong = world.get("/admin/disputes?state=lost").bearer(&staff.token).await;
    wrong.is_problem(422, "invalid_request", "state must be open or closed");
    for path in ["/admin/disputes".to_owned(), format!("/admin/disputes/{first}/evidence")] {
        assert_eq!(world.get(path.as_str()).bearer(&shop.seller.token).await.status, 403);
        assert_eq!(world.get(path.as_str()).await.status, 401);
    }
}

#[tokio::test]
async fn a_disputes_item_is_written_with_its_purchase_and_costs_no_trip() {
    let desk = Desk::open(&[]).await;
    let world = &desk.world;
    assert_eq!(desk.give("Opened it.", false).await.status, 200);
    world.admin("POST", &format!("disputes/{}/close", desk.dispute), json!({"outcome": "won"})).await;
    world.proxy.clear();
    let event = world.event("charge.dispute.closed", |one| one["id"] == desk.dispute.as_str()).await.expect("it happened");
    assert_eq!(world.tell(&event).await.status, 200);
    assert_eq!(world.operations(), ["BatchGetItem", "TransactWriteItems"]);
    let closed = desk.listed("?state=closed").await;
    assert_eq!((closed.len(), &closed[0]["status"], &closed[0]["evidence"]["state"]), (1, &json!("won"), &json!("staged")));
    assert!(desk.listed("").await.is_empty());
}

#[tokio::test]
async fn the_draft_has_what_is_known_and_what_was_staged() {
    let desk = Desk::open(&[]).await;
    let world = &desk.world;
    world.patch(format!("/courses/{}", desk.shop.course_id), json!({"description": "Seven parts."})).bearer(&desk.shop.seller.token).await;
    world.asked_stripe().await;
    let draft = desk.draft().await;
    assert_eq!(draft.status, 200, "{}", draft.body);
    assert_eq!(world.asked_stripe().await, [format!("GET /v1/disputes/{}", desk.dispute)]);
    let texts = &draft.json()["evidence"];
    assert_eq!(texts["customer_email_address"], desk.shop.buyer.email.as_str());
    assert_eq!(
        (&texts["customer_name"], &texts["billing_address"]),
        (&json!("Jenny Rosen"), &json!("12 Long Lane, 94107, San Francisco, US"))
    );
    assert_eq!(texts["product_description"], "An online course: \u{201c}Flask Microservices\u{201d}. Seven parts.");
    assert_eq!(texts["service_date"], world.app.clock.now().date().to_string());
    assert_eq!((&texts["access_activity_log"], &texts["refund_policy_disclosure"]), (&json!(""), &json!("")));
    let rest = texts["uncategorized_text"].as_str().expect("text");
    assert!(rest.contains(&desk.purchase) && rest.contains("/receipts/ch_"), "{rest}");

    assert_eq!(desk.give("Opened it.", false).await.status, 200);
    let again = desk.draft().await.json();
    assert_eq!(
        (&again["evidence"]["access_activity_log"], &again["dispute"]["evidence"]["state"]),
        (&json!("Opened it."), &json!("staged"))
    );
    assert_eq!(again["evidence"]["customer_email_address"], desk.shop.buyer.email.as_str(), "what was not staged stays a draft");
    // Nothing of it is stored here.
    assert!(!world.stored().await.contains("Opened it."));
}

#[tokio::test]
async fn the_draft_says_where_the_refund_policy_was_shown_if_there_is_one() {
    let url = "https://shop.example.com/refunds";
    let desk = Desk::open(&[("REFUND_POLICY_URL", url)]).await;
    assert_eq!(desk.world.get("/config").await.json()["refund_policy_url"], url);
    let shown = desk.draft().await.json()["evidence"]["refund_policy_disclosure"].clone();
    let expected =
        format!("The refund policy is at {url}. Before the customer paid, the course's page linked to it, next to the button that buys.");
    assert_eq!(shown, json!(expected));
    // What staff write themselves is kept.
    let body = json!({"evidence": {"refund_policy_disclosure": "No refunds."}, "submit": false});
    let staged = desk.world.post(desk.path(), body).bearer(&desk.staff.token).await;
    assert_eq!(staged.status, 200, "{}", staged.body);
    assert_eq!(desk.draft().await.json()["evidence"]["refund_policy_disclosure"], "No refunds.");
}

/// What a bank asks for where nothing was shipped.
#[tokio::test]
async fn the_draft_says_when_the_course_was_opened_and_which_terms_were_accepted() {
    let settings = [("TERMS_OF_USE_URL", "https://shop.example.com/terms"), ("TERMS_OF_USE_VERSION", "2033-06")];
    let mut world = World::with(&settings).await;
    let seller = world.seller("seller@example.com").await;
    let buyer = world.buyer("buyer@example.com").await;
    for person in [&seller, &buyer] {
        let accepted = world.put("/users/me/terms-of-use", json!({"version": "2033-06"})).bearer(&person.token).await;
        assert_eq!(accepted.status, 200, "{}", accepted.body);
    }
    let account = world.link(&seller).await;
    let course = world.course(&seller, "Sums", 5000, "usd", 50).await;
    let other = world.course(&seller, "More sums", 5000, "usd", 50).await;
    let (course_id, text) = (id_of(&course), format!("/courses/{}/content", course["slug"].as_str().expect("a slug")));
    world.pass(Duration::hours(1)).await;
    let bought = world.buy(&buyer, &course_id, "pm_card_visa").await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    assert_eq!(world.buy(&buyer, &id_of(&other), "pm_card_visa").await.status, 201);
    let read = async |token: &str| {
        world.operations();
        assert_eq!(world.get(text.as_str()).bearer(token).await.status, 200);
        world.operations()
    };
    let minute = || {
        let at = world.app.clock.now();
        format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
    };
    let first = minute();
    assert_eq!(read(&buyer.token).await, ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]);
    world.pass(Duration::minutes(1)).await;
    assert_eq!(read(&buyer.token).await, ["BatchGetItem", "BatchGetItem"], "once a day");
    world.pass(Duration::days(2)).await;
    let last = minute();
    assert_eq!(read(&buyer.token).await.len(), 3);
    assert_eq!(read(&seller.token).await.len(), 2, "it is theirs");
    assert_eq!(world.get(format!("/courses/{}/content", other["slug"].as_str().expect("a slug"))).bearer(&buyer.token).await.status, 200);

    // Later terms say nothing about this sale.
    world.reconfigure(|config| {
        let terms = config.terms_of_use.as_mut().expect("there are some");
        terms.version = "2033-07".to_owned();
    });
    let later = world.put("/users/me/terms-of-use", json!({"version": "2033-07"})).bearer(&buyer.token).await;
    assert_eq!(later.status, 200, "{}", later.body);
    let charges = world.stripe("/charges", None).await;
    let mine = charges["data"].as_array().expect("a list").iter().find(|one| one["metadata"]["course_id"] == course_id.as_str());
    let dispute = world.admin("POST", &format!("charges/{}/dispute", id_of(mine.expect("a charge"))), json!({})).await;
    world.deliver().await;
    let staff = world.staff("staff@example.com").await;
    let draft = world.get(format!("/admin/disputes/{}/evidence", id_of(&dispute))).bearer(&staff.token).await.json();
    let log = format!(
        "Logged in to their account, the customer opened the paid content of \u{201c}Sums\u{201d} on 2 days, \
         first at {first}, and on the last of these days at {last}."
    );
    assert!(first.starts_with("2033-06-15 11:") && last.starts_with("2033-06-17 11:"), "{first} {last}");
    assert_eq!(draft["evidence"]["access_activity_log"], log);
    let rest = draft["evidence"]["uncategorized_text"].as_str().expect("text");
    assert!(rest.contains("At 2033-06-15 10:") && rest.contains("the customer accepted the terms of use, version 2033-06."), "{rest}");
    assert!(account.starts_with("acct_") && !rest.contains("2033-07"), "{rest}");

    // It is the buyer's, and goes with them.
    let token = world.log_in(&buyer).await;
    let export = world.get("/users/me/export").bearer(&token).await.json();
    let days: Vec<&Value> = export["opened"].as_array().expect("a list").iter().map(|one| &one["days"]).collect();
    assert_eq!(days, [1, 2], "{}", export["opened"]);
    world.erase(&token).await.is_empty(204);
    world.pass(Duration::minutes(6)).await;
    let report = world.erase_at_stripe().await;
    assert_eq!((report.done, report.waiting), (1, 0), "{report:?}");
    assert!(world.items().await.iter().all(|item| !item.contains("OPENED#")));
}

#[tokio::test]
async fn evidence_is_staged_as_often_as_wanted_and_submitted_once() {
    let desk = Desk::open(&[]).await;
    let world = &desk.world;
    for text in ["One", "Two"] {
        world.app.clock.advance(Duration::seconds(1));
        let staged = desk.give(text, false).await;
        assert_eq!((staged.status, &staged.json()["evidence"]["state"]), (200, &json!("staged")), "{}", staged.body);
    }
    assert_eq!(desk.at_stripe().await["evidence"]["access_activity_log"], "Two");
    world.app.clock.advance(Duration::seconds(1));
    world.asked_stripe().await;
    world.proxy.clear();
    let submitted = desk.give("Three", true).await;
    assert_eq!((submitted.status, &submitted.json()["status"]), (200, &json!("under_review")), "{}", submitted.body);
    assert_eq!(submitted.json()["evidence"]["state"], "submitted");
    let operations = world.operations();
    assert_eq!(operations.iter().filter(|one| *one == "TransactWriteItems").count(), 2, "{operations:?}");
    assert_eq!(operations.len(), 4, "session and dispute are read in parallel: {operations:?}");
    assert_eq!(world.asked_stripe().await, [format!("GET /v1/disputes/{}", desk.dispute), format!("POST /v1/disputes/{}", desk.dispute)]);

    // The same again is the same, and other evidence is refused, before and after Stripe's event.
    for _ in 0..2 {
        let again = desk.give("Three", true).await;
        assert_eq!((again.status, &again.json()["evidence"]), (200, &submitted.json()["evidence"]), "{}", again.body);
        for submit in [true, false] {
            let other = desk.give("Four", submit).await;
            other.is_problem(409, "evidence_submitted", "evidence for this dispute was submitted already, which is possible only once");
        }
        world.deliver().await;
        assert_eq!(desk.listed("").await[0]["status"], "under_review");
    }
    assert_eq!(desk.sent().await, 0);
    let evidence = desk.at_stripe().await;
    assert_eq!(
        (&evidence["evidence_details"]["submission_count"], &evidence["evidence"]["access_activity_log"]),
        (&json!(1), &json!("Three"))
    );
    let staged = |submitted: bool| ("dispute_evidence".to_owned(), json!(submitted));
    assert_eq!(desk.entries().await, [staged(false), staged(false), staged(true)]);
}

#[tokio::test]
async fn after_a_lost_response_the_same_request_finds_the_outcome() {
    for (kind, arrived) in [("drop_after", true), ("drop_before", false)] {
        let desk = Desk::open(&[]).await;
        let world = &desk.world;
        let path = format!("/v1/disputes/{}", desk.dispute);
        let fault = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": kind}});
        world.admin("POST", "faults", fault).await;
        let lost = desk.give("Opened it.", true).await;
        assert_eq!(lost.status, 503, "{kind}: {}", lost.body);
        assert_eq!(desk.listed("").await[0]["evidence"]["state"], "unknown", "{kind}");
        if !arrived {
            let other = desk.give("Something else", true).await;
            assert_eq!((other.status, other.text("code").as_str()), (409, "conflict"), "it may still be under way");
        }
        let found = desk.give("Opened it.", true).await;
        assert_eq!((found.status, &found.json()["evidence"]["state"]), (200, &json!("submitted")), "{kind}: {}", found.body);
        assert_eq!(desk.at_stripe().await["evidence_details"]["submission_count"], 1, "{kind}");
        assert_eq!(desk.entries().await.len(), 1, "{kind}: it was one request");
    }
}

#[tokio::test]
async fn evidence_that_never_arrived_can_be_replaced() {
    let desk = Desk::open(&[]).await;
    let world = &desk.world;
    let path = format!("/v1/disputes/{}", desk.dispute);
    let fault = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": "drop_before"}});
    world.admin("POST", "faults", fault).await;
    assert_eq!(desk.give("Opened it.", true).await.status, 503);
    world.pass(Duration::minutes(3)).await;
    let other = desk.give("Opened it twice.", true).await;
    assert_eq!((other.status, &other.json()["evidence"]["state"]), (200, &json!("submitted")), "{}", other.body);
    let evidence = desk.at_stripe().await;
    assert_eq!(
        (&evidence["evidence_details"]["submission_count"], &evidence["evidence"]["access_activity_log"]),
        (&json!(1), &json!("Opened it twice."))
    );
}

/// The status only says that somebody submitted evidence.
#[tokio::test]
async fn evidence_of_the_dashboard_is_not_taken_for_ours() {
    for staged in [false, true] {
        let desk = Desk::open(&[]).await;
        let world = &desk.world;
        if staged {
            assert_eq!(desk.give("Staged.", false).await.status, 200);
        }
        let path = format!("/v1/disputes/{}", desk.dispute);
        let fault = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": "drop_before"}});
        world.admin("POST", "faults", fault).await;
        assert_eq!(desk.give("Opened it.", true).await.status, 503);
        let theirs = [("evidence[product_description]", "A course".to_owned())];
        world.in_dashboard(&format!("/disputes/{}", desk.dispute), None, &theirs).await;
        let early = desk.give("Opened it.", true).await;
        assert_eq!((early.status, early.text("code").as_str()), (409, "conflict"), "ours may still be under way");
        world.pass(Duration::minutes(3)).await;
        for _ in 0..2 {
            let again = desk.give("Opened it.", true).await;
            again.is_problem(409, "evidence_submitted", "evidence for this dispute was submitted already, which is possible only once");
            let known = desk.listed("").await[0]["evidence"].clone();
            assert_eq!((&known["state"], &known["code"]), (&json!("refused"), &json!("submitted_elsewhere")), "staged: {staged}");
        }
        let at_stripe = desk.at_stripe().await;
        assert_eq!(at_stripe["evidence_details"]["submission_count"], 1);
        assert_ne!(at_stripe["evidence"]["access_activity_log"], "Opened it.");
        let last = desk.entries().await.pop().expect("an entry");
        assert_eq!(last.0, "dispute_evidence_refused");
    }
}

#[tokio::test]
async fn of_two_at_once_one_is_submitted() {
    let desk = Desk::open(&[]).await;
    let (one, two) = futures_util::future::join(desk.give("One", true), desk.give("Two", true)).await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", one.body, two.body);
    assert_eq!(desk.at_stripe().await["evidence_details"]["submission_count"], 1);
    assert_eq!(desk.entries().await.len(), 1);
}

#[tokio::test]
async fn what_stripe_refuses_is_on_record_and_can_be_given_again() {
    let desk = Desk::open(&[]).await;
    let refusal = json!({"kind": "status", "status": 400, "code": "parameter_invalid_string"});
    desk.world.fault("POST", &format!("/v1/disputes/{}", desk.dispute), refusal).await;
    let refused = desk.give("Opened it.", true).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (409, "evidence_refused"), "{}", refused.body);
    let known = desk.listed("").await[0]["evidence"].clone();
    assert_eq!((&known["state"], &known["code"]), (&json!("refused"), &json!("parameter_invalid_string")));
    desk.world.app.clock.advance(Duration::seconds(1));
    assert_eq!(desk.give("Opened it.", true).await.status, 200);
    let mut actions: Vec<String> = desk.entries().await.into_iter().map(|(action, _)| action).collect();
    // The first two may have the same time.
    actions.sort();
    assert_eq!(actions, ["dispute_evidence", "dispute_evidence", "dispute_evidence_refused"]);
}

#[tokio::test]
async fn the_seller_answers_a_dispute_of_a_direct_charge() {
    let desk = Desk::open(&[("CHARGE_TYPE", "direct")]).await;
    let one = desk.listed("").await.remove(0);
    assert_eq!((&one["answered_by"], &one["account"]), (&json!("seller"), &json!(desk.shop.account)));
    let detail = "this payment was made on the seller's own Stripe account, so the seller answers the dispute, in their Stripe Dashboard";
    desk.world.asked_stripe().await;
    desk.draft().await.is_problem(409, "dispute_is_the_sellers", detail);
    desk.give("Opened it.", true).await.is_problem(409, "dispute_is_the_sellers", detail);
    assert!(desk.world.asked_stripe().await.is_empty());
    assert!(desk.entries().await.is_empty());
}

#[tokio::test]
async fn nothing_is_sent_once_the_day_has_passed_or_the_bank_has_decided() {
    let mut desk = Desk::open(&[]).await;
    let appeal = "the bank takes no evidence for this dispute: it is decided, or it is an appeal, which is made in the Stripe Dashboard";
    desk.world.pass(Duration::days(10)).await;
    desk.staff.token = desk.world.log_in(&desk.staff).await;
    desk.world.asked_stripe().await;
    desk.give("Opened it.", true).await.is_problem(409, "dispute_past_due", "the day by which to answer this dispute has passed");
    for what in ["close", "appeal"] {
        desk.world.admin("POST", &format!("disputes/{}/{what}", desk.dispute), json!({"outcome": "lost"})).await;
        // Stripe knows it, even if its event has not arrived.
        desk.give("Opened it.", true).await.is_problem(409, "dispute_not_answerable", appeal);
    }
    assert_eq!((desk.sent().await, desk.entries().await.len()), (0, 0));
}

#[tokio::test]
async fn an_inquiry_that_became_a_dispute_takes_evidence_again() {
    // Stripe would replay the response that was lost: it is the inquiry's.
    for is_lost in [false, true] {
        let world = World::start().await;
        let shop = world.shop().await;
        let staff = world.staff("staff@example.com").await;
        let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
        let dispute = id_of(&disputed(&world, None, json!({"status": "warning_needs_response"})).await);
        let desk = Desk { purchase: id_of(&bought.json()["purchase"]), dispute, world, shop, staff };
        if is_lost {
            let path = format!("/v1/disputes/{}", desk.dispute);
            let fault = json!({"match": {"method": "POST", "path": path}, "times": 3, "fault": {"kind": "drop_after"}});
            desk.world.admin("POST", "faults", fault).await;
            assert_eq!(desk.give("Opened it.", true).await.status, 503);
        } else {
            assert_eq!(desk.give("Opened it.", true).await.json()["status"], "warning_under_review");
        }
        desk.world.admin("POST", &format!("disputes/{}/escalate", desk.dispute), json!({})).await;
        desk.world.deliver().await;
        desk.world.app.clock.advance(Duration::minutes(3));
        let again = desk.give("Opened it.", true).await;
        assert_eq!((again.status, &again.json()["status"]), (200, &json!("under_review")), "{}", again.body);
        assert_eq!(desk.at_stripe().await["status"], "under_review", "lost: {is_lost}");
        assert_eq!(desk.entries().await.len(), 2);
    }
}

#[tokio::test]
async fn evidence_needs_a_recent_password_sound_texts_and_a_known_dispute() {
    let desk = Desk::open(&[]).await;
    let world = &desk.world;
    let post = |body: Value| world.post(desk.path(), body).bearer(&desk.staff.token).into_future();
    for (evidence, detail) in [
        (json!({}), "evidence must have at least one text"),
        (json!({"product_description": " "}), "evidence must have at least one text"),
        (json!({"receipt": "file_1"}), "evidence.receipt is not a text that can be given here"),
        (json!({"product_description": "x".repeat(20_001)}), "evidence.product_description must have at most 20000 characters"),
    ] {
        let answer = world.post(desk.path(), json!({"evidence": evidence, "submit": true})).bearer(&desk.staff.token).undescribed().await;
        answer.is_problem(422, "invalid_request", detail);
    }
    let body = json!({"evidence": {"product_description": "A course"}, "submit": true});
    assert_eq!(world.post(desk.path(), body.clone()).bearer(&desk.shop.seller.token).await.status, 403);
    for id in ["dp_unknown", "dp-1", "x%20y"] {
        let path = format!("/admin/disputes/{id}/evidence");
        world.get(path.as_str()).bearer(&desk.staff.token).await.is_problem(404, "not_found", "there is no such dispute");
        world.post(path, body.clone()).bearer(&desk.staff.token).await.is_problem(404, "not_found", "there is no such dispute");
    }
    world.app.clock.advance(Duration::minutes(16));
    assert_eq!(post(body.clone()).await.text("code"), "password_required");
    assert_eq!(desk.draft().await.status, 200, "reading does not need it");
    world.enter_password(&desk.staff).await;
    assert_eq!(post(body).await.status, 200);
}

#[tokio::test]
async fn a_decided_dispute_expires_a_year_after_it_was_opened() {
    let desk = Desk::open(&[]).await;
    let stored = async || {
        let items = desk.world.items().await;
        items.into_iter().find(|item| item.contains(&format!("DISPUTE#{}", desk.dispute))).expect("it is stored")
    };
    assert!(!stored().await.contains("\"ttl\""), "an open one stays");
    let opened_at = desk.world.app.store.dispute(&desk.dispute).await.expect("the table").expect("it is stored").opened_at;
    desk.world.pass(Duration::days(20)).await;
    desk.world.admin("POST", &format!("disputes/{}/close", desk.dispute), json!({"outcome": "lost"})).await;
    desk.world.deliver().await;
    let ttl = (opened_at + Duration::days(365)).unix_timestamp();
    assert!(stored().await.contains(&format!("\"ttl\": N(\"{ttl}\")")), "{}", stored().await);
}

#[tokio::test]
async fn a_copied_table_answers_no_dispute_of_the_other_deployment() {
    let desk = Desk::open(&[("STACK_ID", "first")]).await;
    let copy = desk.world.beside(&[("STACK_ID", "second"), ("TABLE_NAME", "courses-copied")]).await;
    copy.copy_of(&desk.world).await;
    let body = json!({"evidence": {"product_description": "A course"}, "submit": true});
    for answer in [copy.get(desk.path()).bearer(&desk.staff.token).await, copy.post(desk.path(), body).bearer(&desk.staff.token).await] {
        answer.is_problem(404, "not_found", "there is no such dispute");
    }
    assert_eq!(desk.at_stripe().await["status"], "needs_response");
    assert_eq!(desk.draft().await.status, 200);
}

/// The bank takes evidence once, and a member of staff could spoil it.
#[tokio::test]
async fn nobody_answers_a_dispute_of_their_own_sale_or_purchase() {
    let desk = Desk::open(&[]).await;
    for person in [&desk.shop.seller, &desk.shop.buyer] {
        desk.world.roles(person, None, Some(true)).await;
        desk.world.enter_password(person).await;
        let body = json!({"evidence": {"access_activity_log": "."}, "submit": true});
        let answer = desk.world.post(desk.path(), body).bearer(&person.token).await;
        assert_eq!((answer.status, answer.text("code")), (403, "forbidden".to_owned()), "{}", answer.body);
    }
    assert_eq!(desk.sent().await, 0);
    assert_eq!(desk.give("Opened on the first day.", true).await.status, 200);
}
