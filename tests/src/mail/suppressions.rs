//! Mails that bounced, and mails that somebody marked as spam: nothing is sent to these addresses any more.

use local::proxy::{Fault, Kind};
use serde_json::{Value, json};
use shared::domain::mail::Mail;
use shared::domain::user::Email;
use shared::store::outbox::MailState;
use time::Duration;

use crate::harness::{PASSWORD, Person, World, token_in};

const BOUNCES: &str = "bounce@simulator.amazonses.com";

/// Passes what SES has reported to `notify`. Returns how much that was.
async fn reported(world: &World) -> usize {
    let events = world.mailbox().feedback();
    for event in &events {
        assert!(world.feedback(event).await);
    }
    events.len()
}

/// An event as SES documents it. <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html>
fn event(detail: &Value) -> Value {
    let mail = json!({"timestamp": "2026-11-01T08:00:00.000Z", "messageId": "0100", "source": "courses@example.com", "destination": ["a@example.com"]});
    let mut event = json!({"version": "0", "id": "1", "detail-type": "Email Bounced", "source": "aws.ses", "detail": detail});
    event["detail"]["mail"] = mail;
    event
}

fn bounce(kind: &str, address: &str) -> Value {
    let recipient =
        json!({"emailAddress": address, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"});
    event(
        &json!({"eventType": "Bounce", "bounce": {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": [recipient], "feedbackId": "1"}}),
    )
}

fn complaint(kind: &Value, address: &str) -> Value {
    let complaint =
        json!({"complainedRecipients": [{"emailAddress": address}], "complaintFeedbackType": kind, "feedbackId": "1", "userAgent": "ISP"});
    event(&json!({"eventType": "Complaint", "complaint": complaint}))
}

async fn reason(world: &World, person: &Person) -> Option<String> {
    let me = world.get("/users/me").bearer(&person.token).await.json();
    me.get("mail_suppressed").map(|one| one["reason"].as_str().expect("a text").to_owned())
}

/// Asks for a link that sets a new password. Returns the state of its mail after all has been sent that will be.
async fn asked_for_a_link(world: &World, address: &str) -> MailState {
    world.app.clock.advance(Duration::minutes(2));
    let mail = || Mail::password_reset(&Email::parse(address).expect("an address"), world.app.clock.now()).id();
    // A minute may end meanwhile.
    let before = mail();
    world.post("/password-resets", json!({"email": address})).await.is_empty(202);
    let after = mail();
    world.pump().await;
    world.sweep().await;
    let store = &world.app.store;
    let row = store.mail(&after).await.expect("the table").or(store.mail(&before).await.expect("the table"));
    row.expect("it was queued").state
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_bounced_and_its_user_and_staff_see_it() {
    let world = World::start().await;
    let staff = world.staff("staff@example.com").await;
    let (person, other) = (world.stranger(BOUNCES).await, world.stranger("other@example.com").await);
    world.pump().await;
    assert_eq!((world.mails_to(BOUNCES).len(), reason(&world, &person).await), (1, None));
    assert_eq!(reported(&world).await, 1);
    assert_eq!((reason(&world, &person).await.as_deref(), reason(&world, &other).await), (Some("bounce"), None));
    let seen = world.get(format!("/admin/users/{}", person.id)).bearer(&staff.token).await.json();
    assert_eq!(seen["mail_suppressed"], world.get("/users/me").bearer(&person.token).await.json()["mail_suppressed"]);

    // The mails of others are sent, also those after it in the same batch.
    world.app.clock.advance(Duration::minutes(2));
    for address in [BOUNCES, "other@example.com"] {
        world.post("/password-resets", json!({"email": address})).await.is_empty(202);
    }
    world.pump().await;
    assert_eq!((world.mails_to(BOUNCES).len(), world.mails_to("other@example.com").len()), (1, 2));
    assert_eq!(asked_for_a_link(&world, BOUNCES).await, MailState::Suppressed);
    let due = world.app.store.due_mails(world.app.clock.now() + Duration::days(30)).await.expect("the table");
    assert_eq!(due, Vec::<String>::new(), "nothing waits for another try");
    assert_eq!((world.mails_to(BOUNCES).len(), reported(&world).await), (1, 0));
}

#[tokio::test]
async fn mail_is_sent_again_once_the_user_has_another_address() {
    let world = World::start().await;
    let person = world.stranger(BOUNCES).await;
    world.pump().await;
    world.confirm(&person).await;
    reported(&world).await;
    assert_eq!(reason(&world, &person).await.as_deref(), Some("bounce"));
    let change = json!({"email": "new@example.com", "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", change).bearer(&person.token).await.status, 200);
    world.pump().await;
    assert_eq!(reason(&world, &person).await.as_deref(), Some("bounce"), "nobody has seen mail at the new one yet");
    let token = token_in(&world.mails_to("new@example.com")[0]);
    world.put("/email-confirmations", json!({"token": token})).await.is_empty(204);
    assert_eq!(reason(&world, &person).await, None);
    let old = Email::parse(BOUNCES).expect("an address");
    assert_eq!(world.app.store.suppression_of(&old).await.expect("the table"), None);
    assert_eq!(asked_for_a_link(&world, "new@example.com").await, MailState::Sent);

    // The old address is told of the change, and bounces again. That is not the user's address any more.
    assert_eq!(reported(&world).await, 1);
    assert_eq!(reason(&world, &person).await, None);
}

#[tokio::test]
async fn only_permanent_bounces_and_complaints_suppress_an_address() {
    let world = World::start().await;
    let nothing = json!(null);
    let cases = [
        (bounce("Permanent", "a0@example.com"), Some("bounce")),
        (bounce("Permanent", "A. Zero <A1@Example.com>"), Some("bounce")),
        (bounce("Transient", "a2@example.com"), None),
        (bounce("Undetermined", "a3@example.com"), None),
        (complaint(&json!("abuse"), "a4@example.com"), Some("complaint")),
        (complaint(&nothing, "a5@example.com"), Some("complaint")),
        (complaint(&json!("not-spam"), "a6@example.com"), None),
        (bounce("Permanent", "no address"), None),
        (event(&json!({"eventType": "Delivery", "delivery": {"recipients": ["a8@example.com"]}})), None),
    ];
    for (number, (event, expected)) in cases.iter().enumerate() {
        let person = world.stranger(&format!("a{number}@example.com")).await;
        for _ in 0..2 {
            assert!(world.feedback(event).await, "{event}");
        }
        assert_eq!(reason(&world, &person).await.as_deref(), *expected, "{event}");
        let state = asked_for_a_link(&world, &person.email).await;
        assert_eq!(state, if expected.is_some() { MailState::Suppressed } else { MailState::Sent }, "{event}");
    }
}

#[tokio::test]
async fn a_bounce_that_could_not_be_recorded_is_delivered_again() {
    let world = World::start().await;
    let person = world.stranger(BOUNCES).await;
    world.pump().await;
    let event = world.mailbox().feedback().remove(0);
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::InternalServerError).times(3));
    assert!(!world.feedback(&event).await);
    assert_eq!(reason(&world, &person).await, None);
    assert!(world.feedback(&event).await);
    assert_eq!(reason(&world, &person).await.as_deref(), Some("bounce"));
}

#[tokio::test]
async fn an_erasure_takes_it_along() {
    let world = World::start().await;
    let person = world.stranger(BOUNCES).await;
    world.pump().await;
    reported(&world).await;
    let items = world.items().await;
    let suppressed: Vec<_> = items.iter().filter(|item| item.contains("SUPPRESSED#")).collect();
    assert!(suppressed.len() == 1 && !suppressed[0].contains("simulator.amazonses.com"), "{suppressed:?}");
    world.erase(&person.token).await.is_empty(204);
    world.pump().await;
    assert!(!world.items().await.iter().any(|item| item.contains("SUPPRESSED#") || item.contains("simulator.amazonses.com")));
}

#[tokio::test]
async fn whoever_signs_up_with_a_suppressed_address_sees_why_no_mail_comes() {
    let world = World::start().await;
    let other = world.buyer("other@example.com").await;
    let change = json!({"email": BOUNCES, "current_password": PASSWORD});
    assert_eq!(world.patch("/users/me", change).bearer(&other.token).await.status, 200);
    world.pump().await;
    assert_eq!((reported(&world).await, reason(&world, &other).await), (1, None));

    let person = world.stranger(BOUNCES).await;
    assert_eq!(reason(&world, &person).await, None);
    world.pump().await;
    assert_eq!((world.mails_to(BOUNCES).len(), reason(&world, &person).await.as_deref()), (1, Some("bounce")));
}
