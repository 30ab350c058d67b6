//! Which charge type applies to whom: by default the one that fits the seller's account, else what the operator or the staff has fixed.

mod matrix;

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{Answer, Person, World, warned};

const CARD: &str = "pm_card_bypassPending";
/// The functions' own default, instead of the tests'.
const DEFAULT: (&str, &str) = ("CHARGE_TYPE", "");
const AT_A_CHARGE: &str = "Stripe rules out this charge for the account, whose losses it bears";
const AT_SETTING: &str = "Stripe rules out the charges agreed with a seller, whose losses it bears";

/// Where an account comes from: the API that makes it, or OAuth, and its type.
const ACCOUNTS: [(&str, &str, &str); 7] = [
    ("oauth", "standard", "direct"),
    ("v1", "standard", "direct"),
    ("v1", "express", "destination"),
    ("v1", "custom", "destination"),
    ("v2", "standard", "direct"),
    ("v2", "express", "destination"),
    ("v2", "custom", "destination"),
];

/// A seller with such an account, through all of Stripe's pages, and their course for 50.00 USD with a fee of 50 %.
async fn seller(world: &World, from: &str, kind: &str) -> (Person, String, String) {
    let count = world.stripe("/accounts?limit=100", None).await["data"].as_array().map_or(0, Vec::len);
    let seller = world.seller(&format!("{kind}{count}@example.com")).await;
    // Some accounts can never be charged for it, which is refused once they are known.
    let course = world.course(&seller, &format!("Course {kind} {count}"), 5000, "usd", 50).await;
    let account = if from == "oauth" { world.link(&seller).await } else { world.made_account(&seller, kind, "US").await };
    world.asked_stripe().await;
    (seller, account, course["id"].as_str().expect("an id").to_owned())
}

/// A new buyer asks to buy it with a card.
async fn sell(world: &World, course_id: &str) -> Answer {
    let count = world.app.clock.now().unix_timestamp_nanos();
    let buyer = world.buyer(&format!("buyer{count}@example.com")).await;
    world.buy(&buyer, course_id, CARD).await
}

/// The charge type of a sale that succeeds.
async fn sold(world: &World, course_id: &str) -> String {
    let answer = sell(world, course_id).await;
    assert_eq!((answer.status, &answer.json()["purchase"]["status"]), (201, &json!("paid")), "{}", answer.body);
    world.deliver().await;
    answer.json()["purchase"]["charge_type"].as_str().expect("a type").to_owned()
}

async fn balance(world: &World, account: &str) -> i64 {
    world.books().await["accounts"][account]["usd"]["balance"].as_i64().unwrap_or(0)
}

/// The balance of the platform: everybody's but these accounts'.
async fn platforms(world: &World, accounts: &[&str]) -> i64 {
    let books = world.books().await;
    let all = books["accounts"].as_object().expect("accounts").iter();
    all.filter(|(id, _)| !accounts.contains(&id.as_str())).map(|(_, one)| one["usd"]["balance"].as_i64().unwrap_or(0)).sum()
}

/// How this seller is charged, as staff see it.
async fn seen(world: &World, staff: &Person, seller: &Person) -> Value {
    let shown = world.get(format!("/admin/users/{}", seller.id)).bearer(&staff.token).await.json();
    let listed = world.get("/admin/users?limit=100").bearer(&staff.token).await.json();
    let listed = listed["items"].as_array().expect("a list").iter().find(|user| user["id"] == seller.id.as_str()).cloned();
    assert_eq!(listed, Some(shown.clone()));
    assert_eq!(world.get("/users/me").bearer(&seller.token).await.json().get("charges"), None, "only staff see it");
    shown["charges"].clone()
}

/// Staff agree on a charge type with a seller; `None` is the platform's.
async fn agree(world: &World, staff: &Person, seller: &Person, charge_type: Option<&str>) -> Answer {
    let terms = charge_type.map_or(json!(null), |charge_type| json!({"charge_type": charge_type}));
    let answer = world.patch(format!("/admin/users/{}", seller.id), json!({"terms": terms})).bearer(&staff.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// Stripe says which capabilities an account has.
async fn can(world: &World, account: &str, card_payments: &str, transfers: &str, country: &str) {
    let capabilities = json!({"card_payments": card_payments, "transfers": transfers});
    let fields = json!({"capabilities": capabilities, "charges_enabled": card_payments == "active", "country": country});
    world.admin("POST", &format!("accounts/{account}"), fields).await;
    world.deliver().await;
    world.asked_stripe().await;
}

/// Their account is disconnected, and they link an account of their own.
async fn move_to_standard(world: &World, seller: &Person) -> String {
    world.enter_password(seller).await;
    world.delete("/users/me/stripe").bearer(&seller.token).await.is_empty(204);
    world.link(seller).await
}

#[tokio::test]
async fn each_account_is_charged_where_its_losses_are_borne() {
    for (from, kind, charge_type) in ACCOUNTS {
        let api = if from == "v1" { "v1" } else { "v2" };
        let world = World::with(&[DEFAULT, ("ACCOUNTS_API", api)]).await;
        let staff = world.staff("staff@example.com").await;
        let (seller, account, course_id) = seller(&world, from, kind).await;
        assert_eq!(seen(&world, &staff, &seller).await, json!({"type": charge_type, "ruled_out": false}), "{from} {kind}");
        let (got, warnings) = warned(sold(&world, &course_id)).await;
        assert_eq!((got.as_str(), warnings), (charge_type, Vec::new()), "{from} {kind}");

        // The fee reaches the platform, and Stripe's own fee is paid where the charge is.
        let direct = charge_type == "direct";
        let (on_account, on_platform) = (world.succeeded(Some(&account)).await.len(), world.succeeded(None).await.len());
        assert_eq!((on_account, on_platform), if direct { (1, 0) } else { (0, 1) }, "{from} {kind}");
        let balances = (platforms(&world, &[&account]).await, balance(&world, &account).await);
        assert_eq!(balances, if direct { (2500, 2325) } else { (2325, 2500) }, "{from} {kind}");
        let fees = world.stripe("/application_fees", None).await;
        assert_eq!(fees["data"][0]["amount"], 2500, "{from} {kind}");
    }
}

/// As with the recipient agreement: <https://docs.stripe.com/connect/service-agreement-types#recipient>.
#[tokio::test]
async fn an_account_that_is_only_paid_out_is_never_charged_directly() {
    for (from, kind) in [("oauth", "standard"), ("v2", "express")] {
        let world = World::with(&[DEFAULT]).await;
        let staff = world.staff("staff@example.com").await;
        let (seller, account, course_id) = seller(&world, from, kind).await;
        can(&world, &account, "unrequested", "active", "US").await;
        assert_eq!(seen(&world, &staff, &seller).await, json!({"type": "destination", "ruled_out": kind == "standard"}));
        assert_eq!(sold(&world, &course_id).await, "destination", "{kind}");
        assert!(world.succeeded(Some(&account)).await.is_empty());
        // Not even if staff asks for it.
        agree(&world, &staff, &seller, Some("direct")).await;
        let refused = sell(&world, &course_id).await;
        assert_eq!(
            (refused.status, refused.text("code"), refused.text("capability").as_str()),
            (409, "seller_capability_missing".to_owned(), "card_payments")
        );
        agree(&world, &staff, &seller, None).await;
        // Abroad a destination charge would settle there, which needs cards; so the account is sent its part afterwards.
        can(&world, &account, "unrequested", "active", "TH").await;
        assert_eq!(seen(&world, &staff, &seller).await, json!({"type": "separate", "ruled_out": kind == "standard"}));
        assert_eq!(sold(&world, &course_id).await, "separate", "{kind}");
        agree(&world, &staff, &seller, Some("destination")).await;
        let refused = sell(&world, &course_id).await;
        assert_eq!((refused.status, refused.text("capability").as_str()), (409, "card_payments"), "{}", refused.body);
        assert!(world.succeeded(Some(&account)).await.is_empty());
    }
}

#[tokio::test]
async fn a_course_with_payees_is_charged_separately_unless_its_seller_is_on_direct_charges() {
    let world = World::with(&[DEFAULT]).await;
    let staff = world.staff("staff@example.com").await;
    let (author, account, course_id) = seller(&world, "v2", "express").await;
    let (partner, partners, _) = seller(&world, "v2", "custom").await;
    let (own, _, their_course) = seller(&world, "oauth", "standard").await;
    assert_eq!(world.share(&course_id, &author, &[(&author, 70), (&partner, 30)]).await.status, 200);
    let (got, warnings) = warned(sold(&world, &course_id)).await;
    assert_eq!((got.as_str(), warnings), ("separate", Vec::new()));
    assert_eq!((balance(&world, &account).await, balance(&world, &partners).await), (1750, 750));
    assert_eq!(seen(&world, &staff, &author).await, json!({"type": "destination", "ruled_out": false}), "without payees");

    // Naming a payee must not make the platform liable for a seller whose losses Stripe bears.
    let detail = "your sales are charged on your own Stripe account, where they cannot be shared; ask the staff";
    world.share(&their_course, &own, &[(&own, 50), (&partner, 50)]).await.is_problem(409, "sales_not_shareable", detail);
    assert_eq!(sold(&world, &their_course).await, "direct");

    // Staff may decide so, and are told.
    let (answer, warnings) = warned(agree(&world, &staff, &own, Some("separate"))).await;
    assert_eq!((&answer.json()["charges"], warnings), (&json!({"type": "separate", "ruled_out": true}), vec![AT_SETTING.to_owned()]));
    assert_eq!(world.share(&their_course, &own, &[(&own, 50), (&partner, 50)]).await.status, 200);
    let (got, warnings) = warned(sold(&world, &their_course)).await;
    assert_eq!((got.as_str(), warnings), ("separate", vec![AT_A_CHARGE.to_owned()]));

    // A payee whose losses Stripe bears is paid, and the log says it.
    assert_eq!(world.share(&course_id, &author, &[(&author, 50), (&own, 50)]).await.status, 200);
    let (got, warnings) = warned(sold(&world, &course_id)).await;
    assert_eq!((got.as_str(), warnings), ("separate", vec![AT_A_CHARGE.to_owned()]));
}

/// A sale whose payee could never be paid would leave their part on the platform.
#[tokio::test]
async fn an_account_that_asks_for_no_transfers_is_no_payees() {
    let world = World::with(&[DEFAULT]).await;
    let (author, account, course_id) = seller(&world, "v2", "express").await;
    let (partner, partners, _) = seller(&world, "v2", "standard").await;
    let refused = world.share(&course_id, &author, &[(&author, 50), (&partner, 50)]).await;
    let detail = format!("payees: the Stripe account of {} receives no transfers", partner.id);
    refused.is_problem(422, "invalid_request", &detail);
    assert_eq!(sold(&world, &course_id).await, "destination", "nothing has changed");

    // A payee who has accepted, and then moves to such an account.
    let (other, _, _) = seller(&world, "v2", "express").await;
    assert_eq!(world.share(&course_id, &author, &[(&author, 50), (&other, 50)]).await.status, 200);
    world.enter_password(&other).await;
    world.delete("/users/me/stripe").bearer(&other.token).await.is_empty(204);
    world.enter_password(&other).await;
    world.made_account(&other, "standard", "US").await;
    let before = (balance(&world, &account).await, platforms(&world, &[&account, &partners]).await);
    let refused = sell(&world, &course_id).await;
    refused.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
    assert_eq!((balance(&world, &account).await, platforms(&world, &[&account, &partners]).await), before);
    world.delete(format!("/courses/{course_id}/share")).bearer(&other.token).await.is_empty(204);
    assert_eq!(sold(&world, &course_id).await, "destination");
}

#[tokio::test]
async fn a_shared_course_whose_seller_moves_to_direct_charges_is_not_sold_until_it_is_theirs_alone() {
    let world = World::with(&[DEFAULT, ("ORPHAN_POLICY", "report")]).await;
    let (author, old, course_id) = seller(&world, "v2", "express").await;
    let (partner, partners, _) = seller(&world, "v2", "express").await;
    assert_eq!(world.share(&course_id, &author, &[(&author, 50), (&partner, 50)]).await.status, 200);
    let paid = sell(&world, &course_id).await.json()["purchase"].clone();
    world.deliver().await;
    let late = world.buyer("late@example.com").await;
    let open = || world.post("/courses/charge", json!({"course_id": course_id})).bearer(&late.token);
    assert_eq!(open().await.status, 201);
    let session = world.stripe("/checkout/sessions", None).await["data"][0]["id"].as_str().expect("an id").to_owned();

    let new = move_to_standard(&world, &author).await;
    let refused = sell(&world, &course_id).await;
    refused.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
    world.pass(Duration::minutes(1)).await;
    assert_eq!(world.close_pages().await.repaired, 1, "the page of the old offer");
    assert_eq!(world.stripe(&format!("/checkout/sessions/{session}"), None).await["status"], "expired");
    world.deliver().await;
    assert_eq!(open().await.text("code"), "seller_not_connected");
    assert!(world.succeeded(Some(&new)).await.is_empty());
    assert_eq!(world.succeeded(None).await.len(), 1, "the first sale");
    assert_eq!((balance(&world, &old).await, balance(&world, &partners).await), (1250, 1250));

    // What was sold before is refunded as it was sold.
    world.pass(Duration::days(3)).await;
    let path = format!("/purchases/{}/refund", paid["id"].as_str().expect("an id"));
    let refunded = world.post(path, json!({})).bearer(&author.token).await;
    assert_eq!(refunded.status, 200, "{}", refunded.body);
    assert_eq!((balance(&world, &old).await, balance(&world, &partners).await, balance(&world, &new).await), (0, 0, 0));

    // Once nobody shares it, it is sold directly. The seller gets all but the fees.
    world.enter_password(&partner).await;
    world.delete(format!("/courses/{course_id}/share")).bearer(&partner.token).await.is_empty(204);
    assert_eq!(sold(&world, &course_id).await, "direct");
    assert_eq!((balance(&world, &new).await, balance(&world, &old).await, balance(&world, &partners).await), (2325, 0, 0));
}

/// On the same account, so that nothing but the charge type is wrong with the page.
#[tokio::test]
async fn the_open_page_of_a_shared_course_is_closed_when_its_seller_goes_to_direct_charges() {
    let world = World::with(&[DEFAULT]).await;
    let staff = world.staff("staff@example.com").await;
    let (author, _, course_id) = seller(&world, "v2", "express").await;
    let (partner, _, _) = seller(&world, "v2", "express").await;
    assert_eq!(world.share(&course_id, &author, &[(&author, 50), (&partner, 50)]).await.status, 200);
    let buyer = world.buyer("buyer@example.com").await;
    let opened = world.post("/courses/charge", json!({"course_id": course_id})).bearer(&buyer.token).await;
    assert_eq!((opened.status, &opened.json()["purchase"]["charge_type"]), (201, &json!("separate")), "{}", opened.body);
    world.pass(Duration::minutes(1)).await;
    assert_eq!(world.close_pages().await.repaired, 0, "the offer stands");
    agree(&world, &staff, &author, Some("direct")).await;
    world.pass(Duration::minutes(1)).await;
    assert_eq!(world.close_pages().await.repaired, 1);
    assert_eq!(world.stripe("/checkout/sessions", None).await["data"][0]["status"], "expired");
}

#[tokio::test]
async fn an_open_attempt_is_finished_as_it_was_begun_though_the_seller_moves() {
    for way in ["page", "bank"] {
        let world = World::with(&[DEFAULT]).await;
        let (author, old, course_id) = seller(&world, "v2", "express").await;
        let buyer = world.buyer("buyer@example.com").await;
        let body = match way {
            "page" => json!({"course_id": course_id}),
            _ => json!({"course_id": course_id, "payment_method": "pm_card_threeDSecure2Required"}),
        };
        let ask = || world.post("/courses/charge", body.clone()).bearer(&buyer.token);
        let begun = ask().await;
        assert_eq!((begun.status, &begun.json()["purchase"]["charge_type"]), (201, &json!("destination")), "{}", begun.body);
        let new = move_to_standard(&world, &author).await;
        world.pass(Duration::seconds(40)).await;
        let again = ask().await.json();
        for name in ["checkout_url", "client_secret", "stripe_account"] {
            assert_eq!(again.get(name), begun.json().get(name), "{way}: the same attempt goes on");
        }
        assert_eq!(again["purchase"]["charge_type"], "destination");
        if way == "page" {
            let session = world.stripe("/checkout/sessions", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
            world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({"card": CARD})).await;
        } else {
            let secret = again["client_secret"].as_str().expect("a secret").to_owned();
            let id = secret.split("_secret_").next().expect("an id");
            world.admin("POST", &format!("payment_intents/{id}/authenticate"), json!({"outcome": "succeed"})).await;
        }
        world.deliver().await;
        let purchase = world.get("/purchases").bearer(&buyer.token).await.json()["items"][0].clone();
        assert_eq!((&purchase["status"], &purchase["charge_type"]), (&json!("paid"), &json!("destination")), "{way}");
        assert_eq!((balance(&world, &old).await, balance(&world, &new).await), (2500, 0), "{way}: on the account that it was begun for");
        assert_eq!(sold(&world, &course_id).await, "direct", "{way}: the next sale");
        assert_eq!((balance(&world, &old).await, balance(&world, &new).await), (2500, 2325));
    }
}

#[tokio::test]
async fn what_is_fixed_goes_before_what_fits_and_staff_are_warned() {
    for platform in ["destination", "separate", "direct", ""] {
        let world = World::with(&[("CHARGE_TYPE", platform)]).await;
        let staff = world.staff("staff@example.com").await;
        let (standard, account, course_id) = seller(&world, "oauth", "standard").await;
        let (express, _, other_id) = seller(&world, "v1", "express").await;
        let of = |fitting: &str| if platform.is_empty() { fitting.to_owned() } else { platform.to_owned() };
        let (own, others) = (of("direct"), of("destination"));
        assert_eq!(seen(&world, &staff, &standard).await, json!({"type": own, "ruled_out": own != "direct"}));
        assert_eq!(seen(&world, &staff, &express).await, json!({"type": others, "ruled_out": false}));
        let (got, warnings) = warned(sold(&world, &course_id)).await;
        let expected = if own == "direct" { vec![] } else { vec![AT_A_CHARGE.to_owned()] };
        assert_eq!((&got, warnings), (&own, expected), "{platform}");
        let (got, warnings) = warned(sold(&world, &other_id)).await;
        assert_eq!((&got, warnings), (&others, Vec::new()), "{platform}");

        for fixed in ["direct", "destination", "separate"] {
            for (seller, course, is_standard) in [(&standard, &course_id, true), (&express, &other_id, false)] {
                let ruled_out = is_standard && fixed != "direct";
                let (answer, warnings) = warned(agree(&world, &staff, seller, Some(fixed))).await;
                assert_eq!(answer.json()["charges"], json!({"type": fixed, "ruled_out": ruled_out}), "{}", answer.body);
                assert_eq!(warnings, if ruled_out { vec![AT_SETTING] } else { vec![] }, "{fixed}");
                let (got, warnings) = warned(sold(&world, course)).await;
                assert_eq!((got.as_str(), warnings.len()), (fixed, usize::from(ruled_out)), "{fixed} {is_standard}");
            }
        }
        agree(&world, &staff, &standard, None).await;
        assert_eq!(sold(&world, &course_id).await, own, "the platform's again");
        assert!(!world.succeeded(Some(&account)).await.is_empty());
        let nobody = world.seller("nobody@example.com").await;
        assert_eq!(seen(&world, &staff, &nobody).await, json!(null), "not known without an account");
    }
}

#[tokio::test]
async fn memberships_are_charged_where_the_accounts_losses_are_borne() {
    let world = World::with(&[DEFAULT]).await;
    let staff = world.staff("staff@example.com").await;
    let mut members = Vec::new();
    let subscribe = async |seller: &Person, buyer: &Person| {
        let body = json!({"interval": "month", "payment_method": "pm_card_visa"});
        let path = format!("/sellers/{}/membership/subscribe", seller.id);
        let answer = world.post(path, body).bearer(&buyer.token).await;
        assert_eq!((answer.status, &answer.json()["subscription"]["status"]), (201, &json!("active")), "{}", answer.body);
        world.deliver().await;
        answer.json()["subscription"]["charge_type"].as_str().expect("a type").to_owned()
    };
    for (place, (from, kind, charge_type)) in ACCOUNTS.into_iter().filter(|(from, ..)| *from != "v1").enumerate() {
        let (seller, account, _) = seller(&world, from, kind).await;
        let offer = json!({"monthly": {"amount": 1000}, "currency": "usd"});
        assert_eq!(world.post(format!("/sellers/{}/membership", seller.id), offer).bearer(&seller.token).await.status, 200);
        let buyer = world.buyer(&format!("member{place}@example.com")).await;
        let (got, warnings) = warned(subscribe(&seller, &buyer)).await;
        assert_eq!((got.as_str(), warnings), (charge_type, Vec::new()), "{from} {kind}");
        assert_eq!(world.succeeded(Some(&account)).await.len(), usize::from(charge_type == "direct"), "{from} {kind}");
        members.push((seller, account));
    }

    // What staff agrees on later is for later members. The first one's renewals stay where they are.
    let (seller, account) = &members[0];
    agree(&world, &staff, seller, Some("separate")).await;
    let late = world.buyer("late@example.com").await;
    let (got, warnings) = warned(subscribe(seller, &late)).await;
    assert_eq!((got.as_str(), warnings), ("destination", vec![AT_A_CHARGE.to_owned()]), "a membership has one payee");
    world.pass(Duration::days(32)).await;
    world.deliver().await;
    assert_eq!(world.succeeded(Some(account)).await.len(), 2, "the first member's second month");
}

#[tokio::test]
async fn the_smallest_price_is_that_of_the_charge_that_fits() {
    let world = World::with(&[DEFAULT]).await;
    let price = |amount: i64, currency: &str| json!({"price": {"amount": amount, "currency": currency}});
    let seller = world.seller("seller@example.com").await;
    let course = world.course(&seller, "A course", 50, "usd", 0).await;
    let path = format!("/courses/{}", course["id"].as_str().expect("an id"));
    let costs = async |amount: i64, currency: &str| world.patch(path.as_str(), price(amount, currency)).bearer(&seller.token).await.status;
    // Without an account it is that of a charge on the platform, in the US.
    assert_eq!((costs(5530, "inr").await, costs(5531, "inr").await), (422, 200));
    assert_eq!(costs(50, "usd").await, 200);
    // Directly on the seller's account, in Hong Kong.
    let account = world.link(&seller).await;
    can(&world, &account, "active", "active", "HK").await;
    assert_eq!((costs(63, "usd").await, costs(64, "usd").await), (422, 200));
    assert_eq!(sold(&world, course["id"].as_str().expect("an id")).await, "direct");
    assert_eq!(world.succeeded(Some(&account)).await[0]["amount"], 64);
    // A course with payees is charged on the platform. On direct charges it is not sold, so what counts is the price without them.
    let staff = world.staff("staff@example.com").await;
    let partner = world.seller("partner@example.com").await;
    world.link(&partner).await;
    agree(&world, &staff, &seller, Some("destination")).await;
    assert_eq!(world.share(&path["/courses/".len()..], &seller, &[(&seller, 50), (&partner, 50)]).await.status, 200);
    agree(&world, &staff, &seller, None).await;
    assert_eq!((costs(63, "usd").await, costs(64, "usd").await), (422, 200));
}
