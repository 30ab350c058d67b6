//! The contents and recipients of mails.

use local::aws::Outage;
use serde_json::json;
use shared::domain::mail::Mail;
use time::Duration;

use crate::harness::{Shop, World, token_in};

/// A paid purchase whose mails so far were sent and discarded.
async fn sold(world: &World) -> (Shop, String) {
    let shop = world.shop().await;
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    let id = bought.json()["purchase"]["id"].as_str().expect("it has an id").to_owned();
    (shop, id)
}

/// Sends one mail and returns it; nothing else is sent.
async fn sent(world: &World, mail: &Mail) -> local::aws::Mail {
    world.pump().await;
    world.mailbox().clear();
    world.app.store.ask(mail, world.app.clock.now()).await.expect("the table is there");
    world.pump().await;
    let mut mails = world.mailbox().mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails.remove(0)
}

/// Checks that both parts of a mail contain each of the texts.
#[track_caller]
fn tells(mail: &local::aws::Mail, texts: &[&str]) {
    for text in texts {
        assert!(mail.text.contains(text), "no {text:?} in {}", mail.text);
        assert!(mail.html.contains(text), "no {text:?} in {}", mail.html);
    }
}

/// The subjects of the mails to an address, oldest first.
fn subjects(world: &World, address: &str) -> Vec<String> {
    world.mails_to(address).into_iter().map(|mail| mail.subject).collect()
}

#[tokio::test]
async fn a_purchase_sends_one_receipt_and_one_notice_however_often_it_is_reported() {
    let world = World::start().await;
    let (shop, id) = sold(&world).await;
    // Stripe's events report it again, and the buyer tries to buy again.
    world.deliver().await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 409);
    world.pump().await;
    world.sweep().await;
    assert_eq!(subjects(&world, &shop.buyer.email), ["Your receipt: Flask Microservices"]);
    assert_eq!(subjects(&world, &shop.seller.email), ["A Stripe account was connected", "You sold a course: Flask Microservices"]);

    let receipt = world.mails_to(&shop.buyer.email).remove(0);
    let course = format!("http://localhost:3000/course.html?id={}", shop.course_id);
    tells(&receipt, &["Flask Microservices", "50.00 USD", &id, &course]);
    assert!(!receipt.text.contains("25.00"), "the buyer does not see the platform's part");
    let notice = world.mails_to(&shop.seller.email).remove(1);
    tells(&notice, &["50.00 USD", "25.00 USD", &id, "http://localhost:3000/seller.html"]);
    assert!(!notice.text.contains(&shop.buyer.email), "the buyer's address is not revealed");
}

/// Whoever signs up with somebody else's address must not write to them through the title of a course.
#[tokio::test]
async fn an_address_that_nobody_confirmed_gets_three_mails_a_day_without_titles() {
    let world = World::start().await;
    let shop = world.shop().await;
    let stranger = world.stranger("victim@example.com").await;
    world.pump().await;
    world.mailbox().clear();
    let mut bought = Vec::new();
    for number in 0..5 {
        let course = world.course(&shop.seller, &format!("WIN at spam.example {number}"), 5000, "usd", 50).await;
        let answer = world.buy(&stranger, course["id"].as_str().expect("an id"), "pm_card_visa").await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        bought.push(answer.json()["purchase"]["id"].as_str().expect("an id").to_owned());
    }
    // Each counts once, however often it is tried.
    world.mailbox().fail(Some(Outage::Refuses { status: 429, code: "TooManyRequestsException".into() }));
    world.pump().await;
    world.mailbox().fail(None);
    world.app.clock.advance(Duration::minutes(2));
    world.sweep().await;
    let path = format!("/purchases/{}/refund", bought[0]);
    assert_eq!(world.post(path, json!({"amount": 5000})).bearer(&shop.seller.token).await.status, 200);
    world.pump().await;
    world.sweep().await;
    let mails = world.mails_to(&stranger.email);
    assert_eq!(mails.len(), 3, "{mails:?}");
    for mail in &mails {
        assert_eq!(mail.subject, "Your receipt");
        tells(mail, &["50.00 USD", "http://localhost:3000/purchase.html?id="]);
        assert!(!mail.text.contains("spam") && !mail.html.contains("spam") && !mail.text.contains("course.html"), "{}", mail.text);
    }
    // Mails about the account itself still come, and another address has its own count.
    world
        .app
        .store
        .ask(&Mail::password_changed(&stranger.id.parse().expect("an id"), world.app.clock.now()), world.app.clock.now())
        .await
        .expect("it is there");
    let other = world.stranger("other@example.com").await;
    assert_eq!(world.buy(&other, &shop.course_id, "pm_card_visa").await.status, 201);
    world.pump().await;
    assert_eq!(world.mails_to(&stranger.email).len(), 4);
    assert!(subjects(&world, &other.email).contains(&"Your receipt".to_owned()));

    // What was dropped stays dropped. The next day there are more, and with the address confirmed they have titles again.
    world.pass(Duration::days(1)).await;
    world.sweep().await;
    assert_eq!(world.mails_to(&stranger.email).len(), 4);
    let refund = async |id: &str| {
        assert_eq!(world.post(format!("/purchases/{id}/refund"), json!({"amount": 5000})).bearer(&shop.seller.token).await.status, 200);
        world.pump().await;
        world.mails_to(&stranger.email).pop().expect("it was sent")
    };
    let refunded = refund(&bought[1]).await;
    assert_eq!(refunded.subject, "Your refund");
    tells(&refunded, &["Your payment for a course was refunded in full", "50.00 USD"]);
    assert!(!refunded.html.contains("spam"), "{}", refunded.html);
    world.confirm(&stranger).await;
    assert_eq!(refund(&bought[2]).await.subject, "Your refund: WIN at spam.example 2");
}

#[tokio::test]
async fn each_refund_is_mailed_once() {
    let world = World::start().await;
    let (shop, id) = sold(&world).await;
    world.pump().await;
    world.mailbox().clear();
    let refund = |amount: i64| world.post(format!("/purchases/{id}/refund"), json!({ "amount": amount })).bearer(&shop.seller.token);
    for amount in [1000, 500] {
        assert_eq!(refund(amount).await.status, 200);
        world.deliver().await;
        world.pump().await;
        world.sweep().await;
    }
    let mails = world.mails_to(&shop.buyer.email);
    assert_eq!(mails.len(), 2, "{mails:?}");
    tells(&mails[0], &["10.00 USD"]);
    tells(&mails[1], &["15.00 USD"]);
}

#[tokio::test]
async fn a_declined_card_is_mailed_to_nobody() {
    let world = World::start().await;
    let shop = world.shop().await;
    world.pump().await;
    world.mailbox().clear();
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa_chargeDeclined").await.status, 402);
    world.deliver().await;
    world.pump().await;
    assert!(world.mailbox().mails().is_empty());
}

#[tokio::test]
async fn refunds_are_mailed_to_the_buyer() {
    let world = World::start().await;
    let (shop, id) = sold(&world).await;
    let purchase = || id.parse().expect("it is an id");
    let refund = |name: &str, total| Mail::Refunded { purchase: purchase(), refund: name.to_owned(), total };

    let part = sent(&world, &refund("a", 1234)).await;
    assert_eq!((part.to.as_slice(), part.subject.as_str()), ([shop.buyer.email.clone()].as_slice(), "Your refund: Flask Microservices"));
    tells(&part, &["Part of your payment", "12.34 USD", "50.00 USD", &id, &format!("http://localhost:3000/purchase.html?id={id}")]);
    let whole = sent(&world, &refund("b", 5000)).await;
    tells(&whole, &["in full", "no longer in your library"]);
}

/// The mails to an address that are about disputes: subjects, and the texts.
fn of_disputes(world: &World, address: &str) -> Vec<(String, String)> {
    let told = |subject: &str| ["disput", "bank asks", "Inquiry", "Dispute"].iter().any(|word| subject.contains(word));
    world.mails_to(address).into_iter().filter(|mail| told(&mail.subject)).map(|mail| (mail.subject, mail.text)).collect()
}

#[tokio::test]
async fn whoever_holds_the_charge_is_told_by_when_to_answer_a_dispute() {
    for (charge_type, staff_answers) in [("destination", true), ("separate", true), ("direct", false)] {
        let world = World::with(&[("STAFF_EMAIL", "money@example.com"), ("CHARGE_TYPE", charge_type)]).await;
        let (shop, id) = sold(&world).await;
        world.deliver().await;
        let account = (!staff_answers).then_some(shop.account.as_str());
        let charge = world.stripe("/charges", account).await["data"][0]["id"].as_str().expect("an id").to_owned();
        let open = json!({"status": "warning_needs_response", "reason": "product_not_received"});
        let dispute = world.admin("POST", &format!("charges/{charge}/dispute"), open).await;
        let due =
            time::OffsetDateTime::from_unix_timestamp(dispute["evidence_details"]["due_by"].as_i64().expect("a time")).expect("a time");
        let due = format!("{}, 23:59 UTC", due.date());
        let dispute = dispute["id"].as_str().expect("an id").to_owned();
        let mut happens = vec![("", "A bank asks about a payment: Flask Microservices", true)];
        happens.push(("escalate", "An inquiry became a dispute: Flask Microservices", true));
        happens.push(("close", "Dispute lost: Flask Microservices", false));
        happens.push(("appeal", "A lost dispute can be appealed: Flask Microservices", true));
        happens.push(("win", "Dispute won: Flask Microservices", false));
        for (number, (what, subject, is_due)) in happens.into_iter().enumerate() {
            let body = if what == "win" { json!({"outcome": "won"}) } else { json!({"outcome": "lost"}) };
            let what = if what == "win" { "close" } else { what };
            if !what.is_empty() {
                // Events have the time in seconds.
                world.pass(Duration::seconds(2)).await;
                world.admin("POST", &format!("disputes/{dispute}/{what}"), body).await;
            }
            for _ in 0..2 {
                world.deliver().await;
                world.pump().await;
            }
            let (sellers, staffs) = (of_disputes(&world, &shop.seller.email), of_disputes(&world, "money@example.com"));
            assert_eq!(sellers.len(), number + 1, "{charge_type} {subject}: once");
            assert_eq!(staffs.len(), if staff_answers { number + 1 } else { 0 }, "{charge_type} {subject}");
            for (told, text) in sellers.last().into_iter().chain(staffs.last()) {
                assert_eq!(told, subject, "{charge_type}");
                assert!(text.contains("50.00 USD") && text.contains(&id), "{text}");
                assert_eq!(text.contains(&due), is_due, "{charge_type} {subject}: {text}");
            }
        }
        let (_, first) = of_disputes(&world, if staff_answers { "money@example.com" } else { &shop.seller.email }).remove(0);
        let place = if staff_answers { "staff desk has put a draft together" } else { "in your Stripe Dashboard" };
        assert!(first.contains(place) && first.contains("product not received"), "{first}");
        let (_, sellers) = of_disputes(&world, &shop.seller.email).remove(0);
        assert_eq!(sellers.contains("The platform answers the bank"), staff_answers, "{sellers}");
        assert!(of_disputes(&world, &shop.buyer.email).is_empty(), "the buyer knows it from the bank");
    }
}

#[tokio::test]
async fn a_seller_is_reminded_a_day_later_only_if_stripe_still_needs_something() {
    let world = World::start().await;
    let reminded = |email: &str| subjects(&world, email).iter().filter(|one| *one == "Your Stripe account is not ready yet").count();
    let mut sellers = Vec::new();
    for name in ["late", "done", "checked", "gone"] {
        let seller = world.seller(&format!("{name}@example.com")).await;
        let answer = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        match name {
            "done" => {
                world.onboard(&answer.text("url"), "submit").await;
            }
            // Stripe is verifying what was submitted.
            "checked" => {
                world.onboard(&answer.text("url"), "submit").await;
                let account = answer.text("account_id");
                world.admin("POST", &format!("accounts/{account}"), json!({"charges_enabled": false})).await;
            }
            "gone" => {
                world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
            }
            _ => {}
        }
        sellers.push(seller);
    }
    world.deliver().await;
    for (hours, expected) in [(23, 0), (1, 1), (24, 1)] {
        world.pass(Duration::hours(hours)).await;
        world.pump().await;
        world.sweep().await;
        assert_eq!(reminded(&sellers[0].email), expected, "after {hours} more hours");
    }
    for seller in &sellers[1..] {
        assert_eq!(reminded(&seller.email), 0, "{}", seller.email);
    }
    let again = world.post("/users/me/stripe/onboarding", json!({"type": "express"})).bearer(&world.log_in(&sellers[0]).await).await;
    assert_eq!(again.status, 200, "{}", again.body);
    world.pass(Duration::days(2)).await;
    world.sweep().await;
    assert_eq!(reminded(&sellers[0].email), 1, "once for an account");
}

#[tokio::test]
async fn a_seller_is_told_once_what_stripe_wants_and_that_it_stopped_the_account_and_so_are_the_staff() {
    let world = World::with(&[("STAFF_EMAIL", "staff@example.com")]).await;
    let (seller, onlooker) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    let account = world.made_account(&seller, "express", "US").await;
    world.made_account(&onlooker, "express", "US").await;
    let told = |email: &str, subject: &str| subjects(&world, email).iter().filter(|one| *one == subject).count();
    let counts = || {
        let [due, stopped] = ["Stripe needs information from you", "Your Stripe account was stopped"].map(|one| told(&seller.email, one));
        [due, stopped, told("staff@example.com", "A seller's Stripe account was stopped")]
    };
    let settle = async || {
        world.deliver().await;
        world.pump().await;
        world.sweep().await;
    };
    settle().await;
    assert_eq!(counts(), [0, 0, 0], "nothing is wanted of a new account");

    let demand = json!({"demand": ["individual.verification.document"], "seconds": 3 * 86_400});
    world.admin("POST", &format!("accounts/{account}/requirements"), demand).await;
    settle().await;
    assert_eq!(counts(), [1, 0, 0]);
    // The seller looks, and Stripe reports the account again.
    assert_eq!(world.get("/users/me/stripe").bearer(&seller.token).await.status, 200);
    world.admin("POST", &format!("accounts/{account}"), json!({"metadata": {"seen": "yes"}})).await;
    settle().await;
    assert_eq!(counts(), [1, 0, 0]);

    world.pass(Duration::days(4)).await;
    settle().await;
    assert_eq!(counts(), [1, 1, 1]);
    // What the seller submits is refused: the same is wanted again, for another reason.
    let failure = json!({"requirement": "individual.verification.document", "code": "verification_document_expired", "reason": "The document has expired."});
    world.admin("POST", &format!("accounts/{account}/requirements"), json!({"verdict": "failed", "failure": failure})).await;
    settle().await;
    assert_eq!(counts(), [1, 2, 2]);
    let refused = world.mails_to(&seller.email).into_iter().rfind(|mail| mail.subject == "Your Stripe account was stopped");
    tells(&refused.expect("it was sent"), &["The document has expired."]);
    world.admin("POST", &format!("accounts/{account}/requirements"), json!({"verdict": "complete"})).await;
    settle().await;
    assert_eq!(counts(), [1, 2, 2]);
    assert_eq!(told(&onlooker.email, "Your Stripe account was stopped"), 0);
}

#[tokio::test]
async fn a_seller_and_the_staff_are_told_once_that_sales_lack_something_although_stripe_gives_no_reason() {
    let world = World::with(&[("STAFF_EMAIL", "staff@example.com"), ("CHARGE_TYPE", "")]).await;
    let seller = world.seller("seller@example.com").await;
    let account = world.made_account(&seller, "express", "US").await;
    let set = async |card_payments: &str, transfers: &str| {
        let capabilities = json!({"card_payments": card_payments, "transfers": transfers});
        world.admin("POST", &format!("accounts/{account}"), json!({"capabilities": capabilities, "charges_enabled": true})).await;
        world.deliver().await;
    };
    let settle = async || {
        world.pump().await;
        world.sweep().await;
    };
    let told = || {
        [(&*seller.email, "Your Stripe account was stopped"), ("staff@example.com", "A seller's Stripe account was stopped")]
            .map(|(email, subject)| subjects(&world, email).iter().filter(|one| *one == subject).count())
    };
    // It is not needed for the seller's sales.
    set("inactive", "active").await;
    settle().await;
    assert_eq!(told(), [0, 0]);
    set("active", "inactive").await;
    settle().await;
    assert_eq!(told(), [1, 1]);
    // Stripe reports the account again, and the seller looks.
    set("inactive", "inactive").await;
    assert_eq!(world.get("/users/me/stripe").bearer(&world.log_in(&seller).await).await.status, 200);
    settle().await;
    assert_eq!(told(), [1, 1]);
}

#[tokio::test]
async fn nobody_is_told_of_a_stop_that_is_over_when_the_mail_would_be_sent() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let account = world.made_account(&seller, "express", "US").await;
    let demand = json!({"demand": ["individual.verification.document"], "seconds": 86_400});
    world.admin("POST", &format!("accounts/{account}/requirements"), demand).await;
    world.pass(Duration::days(2)).await;
    world.deliver().await;
    world.admin("POST", &format!("accounts/{account}/requirements"), json!({"verdict": "complete"})).await;
    world.deliver().await;
    for transfers in ["inactive", "active"] {
        let fields = json!({"capabilities": {"card_payments": "active", "transfers": transfers}});
        world.admin("POST", &format!("accounts/{account}"), fields).await;
        world.deliver().await;
    }
    world.pump().await;
    world.sweep().await;
    let stopped = subjects(&world, &seller.email).into_iter().filter(|one| one == "Your Stripe account was stopped");
    assert_eq!(stopped.count(), 0);
}

#[tokio::test]
async fn a_payout_that_the_bank_sent_back_is_told_to_its_seller_and_staff() {
    let world = World::start().await;
    let (staff, seller) = (world.staff("staff@example.com").await, world.seller("seller@example.com").await);
    let account = world.made_account(&seller, "express", "US").await;
    let course = world.course(&seller, "Django", 4000, "usd", 50).await;
    let buyer = world.buyer("buyer@example.com").await;
    assert_eq!(world.buy(&buyer, course["id"].as_str().expect("an id"), "pm_card_bypassPending").await.status, 201);
    let made = world.admin("POST", &format!("accounts/{account}/payout"), json!({})).await;
    let payout = made["payouts"][0]["id"].as_str().or(made["payouts"][0].as_str()).unwrap_or_else(|| panic!("{made}")).to_owned();
    world.admin("POST", &format!("payouts/{payout}/fail"), json!({"reason": "account_closed"})).await;
    let event = world.event("payout.failed", |one| one["id"] == payout.as_str()).await.expect("it happened");
    for _ in 0..2 {
        assert_eq!(world.tell(&event).await.status, 200);
        world.pump().await;
    }
    let told =
        world.mails_to(&seller.email).into_iter().filter(|mail| mail.subject == "A payout did not reach your bank").collect::<Vec<_>>();
    assert_eq!(told.len(), 1);
    tells(&told[0], &[&payout, "seller.html"]);
    let found = world.get("/admin/findings").bearer(&staff.token).await.json();
    assert_eq!((found["items"].as_array().map(Vec::len), &found["items"][0]["kind"]), (Some(1), &json!("payout_failed")), "{found}");
}

#[tokio::test]
async fn a_mail_about_a_failed_renewal_names_the_membership() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    let mail = Mail::RenewalFailed {
        user: person.id.parse().expect("an id"),
        invoice: "in_1".into(),
        first: false,
        title: "Tea & <b>cakes</b>".into(),
    };
    let mail = sent(&world, &mail).await;
    assert_eq!(
        (mail.to.as_slice(), mail.subject.as_str()),
        (["a@example.com".to_owned()].as_slice(), "A renewal did not go through: Tea & <b>cakes</b>")
    );
    assert!(mail.html.contains("Tea &amp; &lt;b&gt;cakes&lt;/b&gt;") && !mail.html.contains("<b>"), "{}", mail.html);
}

#[tokio::test]
async fn a_mail_contains_no_secret_except_its_links_token() {
    let world = World::start().await;
    let (shop, _) = sold(&world).await;
    world.app.clock.advance(Duration::minutes(2));
    world.post("/password-resets", json!({"email": shop.buyer.email})).await.is_empty(202);
    world.pump().await;
    let mails = world.mailbox().mails();
    assert!(mails.len() >= 3, "{mails:?}");
    for mail in mails {
        let all = format!("{}{}{}", mail.subject, mail.text, mail.html);
        for secret in [shop.buyer.token.as_str(), shop.seller.token.as_str(), "sk_test", "whsec_", "pi_", "cus_", "$argon2id$"] {
            assert!(!all.contains(secret), "{secret} in {}", mail.subject);
        }
        assert!(!all.contains("acct_") || mail.to == [shop.seller.email.as_str()], "only its owner learns which account: {}", mail.subject);
        if all.contains(".html#") {
            assert_eq!(token_in(&mail).len(), 60, "a user's part and 256 bits");
        }
    }
}
