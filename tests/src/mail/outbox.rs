//! Each mail is sent once, however the stream repeats or reorders records, and rather late than never.

use futures_util::future::join_all;
use local::aws::Outage;
use local::proxy::{Fault, Kind};
use serde_json::Value;
use shared::domain::mail::Mail;
use shared::store::outbox::MailState;
use time::Duration;

use crate::harness::World;

/// Signs up users, which queues a mail to each. Returns the stream's records.
async fn asked(world: &World, count: usize) -> Vec<Value> {
    for number in 0..count {
        world.stranger(&format!("p{number}@example.com")).await;
    }
    let records = world.new_mails();
    assert_eq!(records.len(), count);
    records
}

/// The id of a record's mail.
fn mail_id(record: &Value) -> String {
    let pk = record.pointer("/dynamodb/Keys/pk/S").and_then(Value::as_str);
    pk.and_then(shared::store::outbox::mail_id).expect("a key").to_owned()
}

fn addressees(world: &World) -> Vec<String> {
    let mut to: Vec<_> = world.mailbox().mails().into_iter().flat_map(|mail| mail.to).collect();
    to.sort();
    to
}

fn people(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("p{number}@example.com")).collect()
}

#[tokio::test]
async fn a_stream_that_repeats_itself_in_any_order_sends_each_mail_once() {
    let world = World::start().await;
    let records = asked(&world, 3).await;
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        // Each record twice in one event, and the whole event twice.
        let batch: Vec<_> = order.iter().chain(&order).map(|place| records[*place].clone()).collect();
        for _ in 0..2 {
            assert!(world.notify(&batch).await.batch_item_failures.is_empty());
        }
    }
    world.sweep().await;
    assert_eq!(addressees(&world), people(3));
}

#[tokio::test]
async fn deliveries_at_the_same_moment_send_each_mail_once() {
    let world = World::start().await;
    let records = asked(&world, 2).await;
    let deliveries = (0..8).map(|_| async {
        world.notify(&records).await;
        world.sweep().await;
    });
    join_all(deliveries).await;
    assert_eq!(addressees(&world), people(2));
}

#[tokio::test]
async fn the_sweep_sends_what_the_stream_lost_and_empties_the_outbox() {
    let world = World::start().await;
    asked(&world, 3).await;
    assert_eq!(world.app.store.due_mails(world.app.clock.now()).await.expect("the table is there").len(), 3);
    world.sweep().await;
    assert_eq!(addressees(&world), people(3));
    world.app.clock.advance(Duration::days(2));
    assert_eq!(world.app.store.due_mails(world.app.clock.now()).await.expect("the table is there"), Vec::<String>::new());
    world.sweep().await;
    assert_eq!(addressees(&world), people(3));
}

#[tokio::test]
async fn requesting_a_sent_mail_again_sends_no_second_one() {
    let world = World::start().await;
    let person = world.stranger("a@example.com").await;
    let user = person.id.parse().expect("it is an id");
    let email = shared::domain::user::Email::parse("a@example.com").expect("it is an address");
    let mail = Mail::confirm_email(&user, &email, world.app.clock.now());
    let (store, clock) = (&world.app.store, &world.app.clock);
    store.ask(&mail, clock.now()).await.expect("the table is there");
    world.pump().await;
    world.sweep().await;
    let sent = world.mailbox().mails().len();
    store.ask(&mail, clock.now()).await.expect("the table is there");
    for _ in 0..2 {
        world.pump().await;
        world.sweep().await;
    }
    assert_eq!(world.mailbox().mails().len(), sent);
    let row = store.mail(&mail.id()).await.expect("the table is there").expect("the row is there");
    assert_eq!(row.state, MailState::Sent);
    assert_eq!(store.due_mails(clock.now()).await.expect("the table is there"), Vec::<String>::new(), "the sweep tidies up");
}

#[tokio::test]
async fn mails_wait_while_ses_refuses_and_arrive_afterwards() {
    let world = World::start().await;
    let records = asked(&world, 2).await;
    world.mailbox().fail(Some(Outage::Refuses { status: 429, code: "TooManyRequestsException".into() }));
    assert!(world.notify(&records).await.batch_item_failures.is_empty(), "the stream continues");
    world.sweep().await;
    assert_eq!(addressees(&world), Vec::<String>::new());

    world.mailbox().fail(None);
    world.notify(&records).await;
    assert_eq!(addressees(&world), Vec::<String>::new(), "they wait until they are due");
    world.app.clock.advance(Duration::minutes(2));
    world.sweep().await;
    assert_eq!(addressees(&world), people(2));
    world.notify(&records).await;
    assert_eq!(addressees(&world), people(2));
}

/// What SES answers while the sender is not verified or the account is in the sandbox.
/// <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>
const NOT_VERIFIED: [&str; 2] = ["MessageRejected", "MailFromDomainNotVerifiedException"];

#[tokio::test]
async fn mails_that_wait_for_the_sender_to_be_verified_arrive_days_later_within_the_half_hour() {
    for code in NOT_VERIFIED {
        let world = World::start().await;
        let records = asked(&world, 2).await;
        world.mailbox().fail(Some(Outage::Refuses { status: 400, code: code.into() }));
        world.notify(&records).await;
        // Five days, in steps of an hour.
        for _ in 0..120 {
            world.app.clock.advance(Duration::hours(1));
            world.sweep().await;
        }
        assert_eq!(addressees(&world), Vec::<String>::new());
        world.mailbox().fail(None);
        world.app.clock.advance(Duration::minutes(32));
        world.sweep().await;
        assert_eq!(addressees(&world), people(2), "{code}");
    }
}

#[tokio::test]
async fn a_mail_that_ses_never_accepts_is_given_up_after_a_week() {
    let world = World::start().await;
    let records = asked(&world, 1).await;
    world.mailbox().fail(Some(Outage::Refuses { status: 400, code: "MessageRejected".into() }));
    world.notify(&records).await;
    let id = mail_id(&records[0]);
    let began = world.app.clock.now();
    let row = loop {
        let row = world.app.store.mail(&id).await.expect("the table is there").expect("the row is there");
        if row.state != MailState::Waiting {
            break row;
        }
        world.app.clock.advance(Duration::minutes(32));
        world.sweep().await;
    };
    assert_eq!((row.state, (world.app.clock.now() - began).whole_days()), (MailState::Failed, 7));

    world.mailbox().fail(None);
    world.app.clock.advance(Duration::hours(5));
    world.sweep().await;
    world.notify(&records).await;
    assert_eq!(addressees(&world), Vec::<String>::new());
}

#[tokio::test]
async fn a_mail_during_whose_tries_the_function_ends_is_given_up_after_ten_of_them() {
    let world = World::start().await;
    let records = asked(&world, 1).await;
    let id = mail_id(&records[0]);
    let dies = || async {
        let lease = world.app.store.lease_mail(&id, Duration::minutes(3), world.app.clock.now()).await.expect("the table is there");
        assert!(matches!(lease, shared::store::outbox::Lease::Taken(_)));
        world.app.clock.advance(Duration::minutes(3));
    };
    let state = || async { world.app.store.mail(&id).await.expect("the table is there").expect("the row is there").state };
    for _ in 0..9 {
        dies().await;
    }
    // A try that SES has answered begins the count anew.
    world.mailbox().fail(Some(Outage::Refuses { status: 400, code: "MessageRejected".into() }));
    world.sweep().await;
    world.app.clock.advance(Duration::minutes(32));
    world.mailbox().fail(None);
    for _ in 0..10 {
        dies().await;
    }
    assert_eq!(state().await, MailState::Waiting);
    world.sweep().await;
    assert_eq!((state().await, addressees(&world)), (MailState::Failed, Vec::new()));
}

#[tokio::test]
async fn a_request_that_ses_cannot_read_is_given_up_immediately() {
    let world = World::with(&[("MAIL_FROM", "nobody")]).await;
    let records = asked(&world, 1).await;
    world.notify(&records).await;
    assert_eq!(addressees(&world), Vec::<String>::new());
    assert_eq!(
        world.app.store.due_mails(world.app.clock.now() + Duration::days(1)).await.expect("the table is there"),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_record_whose_mail_cannot_be_leased_is_delivered_again() {
    let world = World::start().await;
    let records = asked(&world, 2).await;
    // DynamoDB refuses the lease of the first mail, including the SDK's retries.
    world.proxy.inject(Fault::next("UpdateItem", Kind::InternalServerError).times(3));
    let answer = world.notify(&records).await;
    let failed: Vec<_> = answer.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
    assert_eq!(failed, [records[0]["dynamodb"]["SequenceNumber"].as_str().expect("a number")]);
    assert_eq!(addressees(&world), ["p1@example.com"]);
    assert!(world.notify(&records).await.batch_item_failures.is_empty());
    assert_eq!(addressees(&world), people(2));
}

#[tokio::test]
async fn a_mail_whose_sender_died_is_left_to_the_sweep() {
    let world = World::start().await;
    let records = asked(&world, 1).await;
    let id = mail_id(&records[0]);
    let lease = world.app.store.lease_mail(&id, Duration::minutes(3), world.app.clock.now()).await.expect("the table is there");
    assert!(matches!(lease, shared::store::outbox::Lease::Taken(_)));
    world.notify(&records).await;
    world.sweep().await;
    assert_eq!(addressees(&world), Vec::<String>::new(), "somebody has it");
    world.app.clock.advance(Duration::minutes(3));
    world.sweep().await;
    assert_eq!(addressees(&world), people(1));
}

#[tokio::test]
async fn other_items_and_other_events_send_nothing() {
    let world = World::start().await;
    asked(&world, 1).await;
    let record = serde_json::json!({"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": "USER#usr_1"}, "sk": {"S": "PROFILE"}}, "SequenceNumber": "1"}});
    assert!(world.notify(&[record]).await.batch_item_failures.is_empty());
    assert!(world.notify(&[]).await.batch_item_failures.is_empty());
    assert_eq!(addressees(&world), Vec::<String>::new());
}
