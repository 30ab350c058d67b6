//! First payments that wait for the buyer, on a hosted page or at the bank, when the membership can no longer be joined.

use serde_json::{Value, json};
use time::Duration;

use super::{Club, DIRECT, offer};
use crate::harness::World;

/// Where a first payment waits for the buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    OnThePage,
    AtTheBank,
}

impl Waits {
    /// The buyer begins to join. Returns the subscription's id.
    async fn begin(self, world: &World, club: &Club) -> String {
        let body = match self {
            Self::OnThePage => json!({"interval": "month"}),
            Self::AtTheBank => json!({"interval": "month", "payment_method": "pm_card_threeDSecure2Required"}),
        };
        let asked = club.ask(world, body).await;
        assert_eq!(asked.status, 201, "{}", asked.body);
        world.pass(Duration::minutes(1)).await;
        asked.json()["subscription"]["id"].as_str().expect("an id").to_owned()
    }

    /// What could be paid at Stripe: the page, or the first payment.
    async fn at_stripe(self, world: &World, account: Option<&str>) -> Value {
        let list = if self == Self::OnThePage { "/checkout/sessions" } else { "/payment_intents" };
        world.stripe(list, account).await["data"][0]["status"].clone()
    }

    fn open(self) -> &'static str {
        if self == Self::OnThePage { "open" } else { "requires_action" }
    }

    fn closed(self) -> &'static str {
        if self == Self::OnThePage { "expired" } else { "canceled" }
    }
}

/// What can happen to an offer, its seller or its buyer meanwhile.
const CHANGES: [&str; 7] = ["taken down", "ended", "dearer", "monthly no more", "seller suspended", "unlinked", "buyer suspended"];

async fn change(world: &World, club: &Club, what: &str) {
    let (shop, seller) = (&club.shop, &club.shop.seller);
    let suspend = async |id: &str| {
        let staff = world.staff("staff@example.com").await;
        world.patch(format!("/admin/users/{id}"), json!({"suspended": {"reason": "Fraud"}})).bearer(&staff.token).await.status
    };
    let status = match what {
        "taken down" => {
            let staff = world.staff("staff@example.com").await;
            let path = format!("/courses/{}", shop.course_id);
            world.patch(path, json!({"taken_down": {"reason": "Copied"}})).bearer(&staff.token).await.status
        }
        "ended" => world.delete(format!("/sellers/{}/membership", seller.id)).bearer(&seller.token).await.status,
        "dearer" => {
            offer(world, seller, json!({"monthly": {"amount": 1100}, "currency": "usd"})).await;
            200
        }
        "monthly no more" => {
            offer(world, seller, json!({"yearly": {"amount": 10_000}, "currency": "usd"})).await;
            200
        }
        "seller suspended" => suspend(&seller.id).await,
        "buyer suspended" => suspend(&shop.buyer.id).await,
        "unlinked" => world.delete("/users/me/stripe").bearer(&seller.token).await.status,
        other => panic!("{other} is none"),
    };
    assert!((200..300).contains(&status), "{what}: {status}");
}

#[tokio::test]
async fn open_first_payments_are_withdrawn_once_the_membership_cannot_be_joined() {
    for (what, waits) in CHANGES.iter().flat_map(|what| [(*what, Waits::OnThePage), (*what, Waits::AtTheBank)]) {
        let world = World::start().await;
        let club = Club::open(&world).await;
        let id = waits.begin(&world, &club).await;
        world.asked_stripe().await;
        assert_eq!(world.close_pages().await.repaired, 0, "nothing has changed yet");
        assert_eq!(world.asked_stripe().await, Vec::<String>::new());
        assert_eq!(waits.at_stripe(&world, None).await, waits.open());
        change(&world, &club, what).await;
        assert_eq!(world.close_pages().await.repaired, 1, "{what}, {waits:?}");
        assert_eq!(waits.at_stripe(&world, None).await, waits.closed(), "{what}");
        let record = async || world.app.store.subscription(&id.parse().expect("an id")).await.expect("the table").expect("it is there");
        let ended = record().await;
        assert!(ended.status.is_failed() && ended.end.is_none(), "{what}: {ended:?}");
        world.asked_stripe().await;
        assert_eq!(world.close_pages().await.repaired, 0);
        assert_eq!(world.asked_stripe().await, Vec::<String>::new(), "{what}: it is withdrawn once");
        // Neither Stripe's events nor a whole run change that, and nobody is told of the end of what never began.
        world.deliver().await;
        world.pass(Duration::minutes(15)).await;
        world.reconcile().await;
        assert!(!record().await.status.is_open(), "{what}");
        assert!(club.at_stripe(&world, None).await.iter().all(|one| one["status"] == "canceled" || one["status"] == "incomplete_expired"));
        world.pump().await;
        let told: Vec<String> = world.mails_to(&club.shop.buyer.email).into_iter().map(|mail| mail.subject).collect();
        assert!(!told.iter().any(|subject| subject.contains("ends")), "{what}: {told:?}");
        assert_eq!(world.succeeded(None).await.len(), 0);
    }
}

#[tokio::test]
async fn an_open_first_payment_is_withdrawn_on_the_account_of_a_direct_seller() {
    for waits in [Waits::OnThePage, Waits::AtTheBank] {
        let world = World::with(&DIRECT).await;
        let club = Club::open(&world).await;
        waits.begin(&world, &club).await;
        change(&world, &club, "taken down").await;
        assert_eq!(world.close_pages().await.repaired, 1, "{waits:?}");
        assert_eq!(waits.at_stripe(&world, Some(&club.shop.account)).await, waits.closed());
    }
}

#[tokio::test]
async fn another_course_keeps_open_pages_open() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    world.course(&club.shop.seller, "Another course", 5000, "usd", 10).await;
    Waits::OnThePage.begin(&world, &club).await;
    change(&world, &club, "taken down").await;
    assert_eq!(world.close_pages().await.repaired, 0);
    assert_eq!(Waits::OnThePage.at_stripe(&world, None).await, "open");
}

/// As with purchases: nothing is refunded by itself, and the seller or staff can refund it.
#[tokio::test]
async fn a_buyer_who_pays_before_the_page_is_closed_has_joined() {
    for what in ["taken down", "ended", "dearer", "seller suspended"] {
        let world = World::start().await;
        let club = Club::open(&world).await;
        let id = Waits::OnThePage.begin(&world, &club).await;
        change(&world, &club, what).await;
        let session = world.stripe("/checkout/sessions", None).await["data"][0]["id"].as_str().expect("an id").to_owned();
        world.admin("POST", &format!("checkout/sessions/{session}/pay"), json!({"card": "pm_card_visa"})).await;
        assert_eq!(world.close_pages().await.repaired, 1, "{what}");
        let joined = club.subscription(&world, &id).await;
        assert_eq!((&joined["status"], &joined["amount"]), (&json!("active"), &json!(1000)), "{what}: {joined}");
        world.deliver().await;
        let content = world.get(format!("/courses/{}/content", club.shop.course_id)).bearer(&club.shop.buyer.token).await.status;
        assert_eq!(content == 200, what != "taken down", "{what}: {content}");
        let staff = world.staff("desk@example.com").await;
        let refund = world.post(format!("/subscriptions/{id}/refund"), json!({})).bearer(&staff.token).await;
        assert!((200..300).contains(&refund.status), "{what}: {}", refund.body);
        world.books().await;
    }
}

#[tokio::test]
async fn a_page_of_another_deployment_or_of_a_request_at_work_is_left_alone() {
    let world = World::start().await;
    let club = Club::open(&world).await;
    let id = Waits::OnThePage.begin(&world, &club).await.parse().expect("an id");
    change(&world, &club, "ended").await;
    let read = async || world.app.store.subscription(&id).await.expect("the table").expect("it is there");
    let mut leased = read().await;
    leased.leased_until = world.app.clock.now() + Duration::seconds(30);
    let body = leased.body.clone();
    assert_eq!(world.app.store.write_subscription(&mut leased, None).await.expect("the table"), shared::store::Written::Yes);
    assert_eq!(world.close_pages().await.repaired, 0);
    world.pass(Duration::minutes(1)).await;
    let mut theirs = read().await;
    theirs.body = body.replace(&world.app.config.stack_id, "another");
    assert_ne!(theirs.body, body);
    assert_eq!(world.app.store.write_subscription(&mut theirs, None).await.expect("the table"), shared::store::Written::Yes);
    assert_eq!(world.close_pages().await.repaired, 0);
    assert_eq!(Waits::OnThePage.at_stripe(&world, None).await, "open");
    let mut ours = read().await;
    ours.body = body;
    assert_eq!(world.app.store.write_subscription(&mut ours, None).await.expect("the table"), shared::store::Written::Yes);
    assert_eq!(world.close_pages().await.repaired, 1);
}
