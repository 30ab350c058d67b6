//! `POST /sessions` and `DELETE /sessions/current`

use futures_util::future::{join, join_all};
use local::proxy::{Fault, Gate, Kind};
use serde_json::json;
use time::Duration;

use crate::harness::{Answer, Call, PASSWORD, Person, World};

fn log_in<'a>(world: &'a World, email: &str, password: &str) -> Call<'a> {
    world.post("/sessions", json!({"email": email, "password": password}))
}

#[track_caller]
fn assert_throttled(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    let seconds = answer.header("retry-after").expect("it says for how long").to_owned();
    assert!((1..=900).contains(&seconds.parse().expect("it is a number of seconds")), "{seconds}");
    answer.is_problem(429, "throttled", &format!("too many failed log-ins; try again in {seconds} seconds"));
}

const WRONG: &str = "the e-mail or the password is wrong";

#[tokio::test]
async fn a_log_in_answers_with_the_user_and_a_new_token() {
    let world = World::start().await;
    let person = world.buyer("Somebody@example.com").await;
    let answer = log_in(&world, "somebody@EXAMPLE.com", PASSWORD).await;
    let me = world.get("/users/me").bearer(&person.token).await.json();
    answer.is(200, &json!({"user": me, "token": "[token]"}));
    assert_ne!(answer.text("token"), person.token);
    let cookie = format!("session={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1209600", answer.text("token"));
    assert_eq!(answer.header("set-cookie"), Some(cookie.as_str()));
}

#[tokio::test]
async fn a_log_in_takes_three_trips() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.proxy.clear();
    let slow = local::proxy::Kind::Delay(std::time::Duration::from_millis(200));
    world.proxy.inject(local::proxy::Fault::always(slow));
    world.log_in(&person).await;
    assert_eq!(world.proxy.sequential_trips(), 3);
    let mut operations = world.operations();
    operations.sort();
    let counted_and_taken_back = ["UpdateItem"; 4];
    // First the owner of the address, then the user and the password hash in parallel.
    assert_eq!(operations, [["GetItem"; 3].as_slice(), &["TransactWriteItems"], &counted_and_taken_back].concat());
}

#[tokio::test]
async fn an_unknown_address_gets_the_answer_of_a_wrong_password() {
    let world = World::start().await;
    world.buyer("a@example.com").await;
    for (email, password) in [("a@example.com", "wrong password"), ("a@example.com", ""), ("nobody@example.com", PASSWORD)] {
        let answer = log_in(&world, email, password).await;
        answer.is_problem(401, "bad_credentials", WRONG);
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn pages_of_other_sites_log_nobody_in() {
    let world = World::start().await;
    world.buyer("a@example.com").await;
    let answer = log_in(&world, "a@example.com", PASSWORD).origin("https://evil.example").await;
    answer.is_problem(403, "foreign_origin", "requests from this origin are not allowed to change anything");
}

#[tokio::test]
async fn ten_wrong_passwords_block_an_account_until_the_window_ends() {
    let world = World::start().await;
    world.to_next_window();
    let (person, other) = (world.buyer("a@example.com").await, world.buyer("b@example.com").await);
    for attempt in 0..10 {
        // An attacker has many IP addresses, and spells the e-mail address in many ways.
        let email = if attempt % 2 == 0 { "a@example.com" } else { "A@Example.com" };
        let answer = log_in(&world, email, "wrong password").from(format!("192.0.2.{attempt}")).await;
        answer.is_problem(401, "bad_credentials", WRONG);
    }
    for password in ["wrong password", PASSWORD] {
        assert_throttled(&log_in(&world, "a@example.com", password).from("192.0.2.200").await);
    }
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 200, "open sessions continue");
    world.log_in(&other).await;

    world.app.clock.advance(Duration::minutes(15));
    world.log_in(&person).await;
}

/// The mark that an answer leaves on the device.
fn mark(answer: &Answer) -> String {
    let mut cookies = answer.headers.get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
    let mark = cookies.rfind(|cookie| cookie.starts_with("device=")).expect("it leaves a mark");
    assert!(mark.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000"), "{mark}");
    mark.split(';').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_strangers_attempts_do_not_lock_out_the_users_devices() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let other = log_in(&world, &world.buyer("b@example.com").await.email, PASSWORD).await;
    let known = mark(&log_in(&world, "a@example.com", PASSWORD).await);
    let guess = |cookie: &str| log_in(&world, "a@example.com", "a guess").header("cookie", cookie).from("198.51.100.7");
    // Invented marks, and those of another account, count as no mark.
    for number in 0..10 {
        let shown = if number % 2 == 0 { mark(&other) } else { format!("device=made-up-{number}") };
        guess(&shown).await.is_problem(401, "bad_credentials", WRONG);
    }
    for shown in [mark(&other).as_str(), "device=", "device=made-up", "other=1"] {
        assert_throttled(&log_in(&world, "a@example.com", PASSWORD).header("cookie", shown).await);
    }
    let own = || log_in(&world, "a@example.com", PASSWORD).header("cookie", known.as_str());
    assert_eq!(own().await.status, 200, "the owner logs in on a known device");

    // A stolen device has as many attempts as an account, and they do not count against the account.
    for _ in 0..10 {
        guess(&known).await.is_problem(401, "bad_credentials", WRONG);
    }
    assert_throttled(&own().await);
    world.app.clock.advance(Duration::minutes(15));
    assert_eq!(own().await.status, 200);

    // A new password invalidates the marks of all devices except the one that set it.
    let change = json!({"password": "battery staple", "current_password": PASSWORD});
    let changed = world.patch("/users/me", change).bearer(&person.token).await;
    assert_ne!(mark(&changed), known);
    for _ in 0..10 {
        guess(&known).await.is_problem(401, "bad_credentials", WRONG);
    }
    let new = || log_in(&world, "a@example.com", "battery staple");
    assert_throttled(&new().header("cookie", known.as_str()).await);
    assert_eq!(new().header("cookie", mark(&changed)).await.status, 200);
}

#[tokio::test]
async fn an_address_without_an_account_is_throttled_like_one_with() {
    let world = World::start().await;
    world.to_next_window();
    for _ in 0..10 {
        log_in(&world, "nobody@example.com", PASSWORD).await.is_problem(401, "bad_credentials", WRONG);
    }
    assert_throttled(&log_in(&world, "nobody@example.com", PASSWORD).await);
}

#[tokio::test]
async fn of_thirty_concurrent_wrong_passwords_ten_are_checked() {
    let world = World::start().await;
    world.to_next_window();
    world.buyer("a@example.com").await;
    let answers = join_all((0..30).map(|_| log_in(&world, "a@example.com", "wrong password").into_future())).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((looked_at, refused), (10, 20));
}

#[tokio::test]
async fn good_log_ins_are_not_held_up() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let answers = join_all((0..30).map(|_| log_in(&world, "a@example.com", PASSWORD).into_future())).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "even if more arrive concurrently than may fail");
    for _ in 0..9 {
        log_in(&world, "a@example.com", "wrong password").await.is_problem(401, "bad_credentials", WRONG);
    }
    for _ in 0..15 {
        world.log_in(&person).await;
    }
}

#[tokio::test]
async fn a_hundred_failures_block_one_address_only() {
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    for ten in 0..10 {
        let attempt = |one| log_in(&world, &format!("nobody{ten}{one}@example.com"), "wrong password").from("198.51.100.7");
        let answers = join_all((0..10).map(|one| attempt(one).into_future())).await;
        assert!(answers.iter().all(|answer| answer.status == 401));
    }
    let forged = || log_in(&world, "a@example.com", PASSWORD).from("198.51.100.7").header("x-forwarded-for", "203.0.113.9");
    assert_throttled(&forged().await);
    world.log_in(&person).await;

    for _ in 0..10 {
        assert_throttled(&forged().await);
    }
    world.log_in(&person).await;
}

/// The headers that CloudFront adds, with the viewer's address.
fn through_cloudfront<'a>(call: Call<'a>, secret: &str, viewer: &str) -> Call<'a> {
    call.from("192.0.2.1").header("x-origin-secret", secret).header("x-viewer-address", viewer)
}

#[tokio::test]
async fn behind_our_cloudfront_the_viewers_address_counts_and_claims_do_not() {
    let world = World::with(&[("ORIGIN_SECRET", "what only CloudFront knows"), ("ADDRESS_LIMITS", "1")]).await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    for ten in 0..10 {
        let attempt = |one| {
            let call = log_in(&world, &format!("nobody{ten}{one}@example.com"), "wrong password");
            through_cloudfront(call, "what only CloudFront knows", "2001:db8::7")
        };
        let answers = join_all((0..10).map(|one| attempt(one).into_future())).await;
        assert!(answers.iter().all(|answer| answer.status == 401));
    }
    let good = || log_in(&world, &person.email, PASSWORD);
    assert_throttled(&through_cloudfront(good(), "what only CloudFront knows", "2001:db8::7").await);
    // An IPv6 customer has a whole network, so all of its addresses count as one.
    assert_throttled(&through_cloudfront(good(), "what only CloudFront knows", "2001:db8::ffff:8").await);
    // Other viewers at the same edge are not throttled, nor are clients that bypass CloudFront.
    assert_eq!(through_cloudfront(good(), "what only CloudFront knows", "2001:db8:0:1::7").await.status, 200);
    assert_eq!(through_cloudfront(good(), "a guess", "2001:db8::7").await.status, 200);
    assert_eq!(through_cloudfront(good(), "", "2001:db8::7").await.status, 200);
}

#[tokio::test]
async fn with_a_firewall_in_front_of_cloudfront_nobody_goes_around_it() {
    let secret = "what only CloudFront knows";
    let world = World::with(&[("ORIGIN_SECRET", secret), ("CLOUDFRONT_ONLY", "true")]).await;
    for path in ["/courses", "/users/me", "/config", "/pages/robots.txt"] {
        for shown in [None, Some(""), Some("a guess")] {
            let call = world.get(path).undescribed();
            let answer = match shown {
                Some(shown) => through_cloudfront(call, shown, "2001:db8::7").await,
                None => call.await,
            };
            answer.is_problem(403, "forbidden", "you may not do this");
        }
        assert_ne!(through_cloudfront(world.get(path), secret, "2001:db8::7").await.status, 403, "{path}");
    }
    // Stripe calls the API itself, and signs what it sends.
    world.post("/webhooks/stripe", json!({})).await.is_problem(400, "bad_signature", "the signature is invalid");
}

#[tokio::test]
async fn without_a_cloudfront_nobody_chooses_the_address_that_counts() {
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    world.to_next_window();
    for ten in 0..10 {
        let attempt = |one| {
            let call = log_in(&world, &format!("nobody{ten}{one}@example.com"), "wrong password");
            through_cloudfront(call, "", &format!("198.51.100.{ten}{one}"))
        };
        join_all((0..10).map(|one| attempt(one).into_future())).await;
    }
    assert_throttled(&log_in(&world, "b@example.com", PASSWORD).from("192.0.2.1").await);
}

async fn status_of(world: &World, token: &str) -> u16 {
    world.get("/users/me").bearer(token).await.status
}

#[tokio::test]
async fn logging_out_ends_that_session_everywhere_and_no_other() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    let other = world.log_in(&person).await;
    world.proxy.clear();
    for call in [world.delete("/sessions/current").cookie(&person.token), world.delete("/sessions/current").bearer(&person.token)] {
        let answer = call.await;
        answer.is_empty(204);
        assert_eq!(answer.header("set-cookie"), Some("session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"));
        assert_eq!(world.operations(), ["DeleteItem"]);
    }
    assert_eq!(status_of(&world, &person.token).await, 401);
    assert_eq!(status_of(&world, &other).await, 200);
}

#[tokio::test]
async fn logging_out_asks_for_a_token_and_for_our_own_pages() {
    let world = World::start().await;
    let Person { token, .. } = world.buyer("a@example.com").await;
    world.delete("/sessions/current").await.is_problem(401, "not_signed_in", "log in first");
    let foreign = || world.delete("/sessions/current").origin("https://evil.example");
    foreign().cookie(&token).await.is_problem(403, "foreign_origin", "requests from this origin are not allowed to change anything");
    assert_eq!(status_of(&world, &token).await, 200);
    foreign().bearer(&token).await.is_empty(204);
}

#[tokio::test]
async fn all_other_sessions_end_at_once() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    let others = [world.log_in(&person).await, world.log_in(&person).await];
    let stranger = world.buyer("b@example.com").await;
    world.delete("/sessions").bearer(&person.token).await.is_empty(204);
    for other in &others {
        assert_eq!(status_of(&world, other).await, 401);
    }
    assert_eq!((status_of(&world, &person.token).await, status_of(&world, &stranger.token).await), (200, 200));
    let later = world.log_in(&person).await;
    assert_eq!(status_of(&world, &later).await, 200);
    // A thief's session shuts nobody out, and does not get a fresh quarter of an hour.
    world.app.clock.advance(Duration::minutes(14));
    world.delete("/sessions").bearer(&later).await.is_empty(204);
    world.app.clock.advance(Duration::minutes(2));
    world.delete("/sessions").bearer(&later).await.is_problem(
        403,
        "password_required",
        "enter your password again first: PUT /sessions/current",
    );
}

/// A thief keeps requests in flight that would start their session anew.
#[tokio::test]
async fn a_session_that_was_ended_meanwhile_does_not_outlive_the_others() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    let thief = world.log_in(&person).await;
    let gate = Gate::new();
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::Hold(gate.clone())));
    let late = world.delete("/sessions").bearer(&thief).into_future();
    let owner = async {
        gate.reached().await;
        world.delete("/sessions").bearer(&person.token).await.is_empty(204);
        gate.open();
    };
    let (late, ()) = join(late, owner).await;
    late.is_problem(401, "not_signed_in", "log in first");
    assert_eq!((status_of(&world, &thief).await, status_of(&world, &person.token).await), (401, 200));
}

#[tokio::test]
async fn sessions_end_after_fourteen_days_before_dynamodb_deletes_them() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.app.clock.advance(Duration::days(14) - Duration::minutes(1));
    assert_eq!(status_of(&world, &person.token).await, 200);
    world.app.clock.advance(Duration::minutes(1));
    let answer = world.get("/users/me").bearer(&person.token).await;
    answer.is_problem(401, "not_signed_in", "log in first");
    world.delete("/sessions/current").bearer(&person.token).await.is_empty(204);
}

#[tokio::test]
async fn made_up_tokens_are_worth_nothing() {
    let world = World::start().await;
    let (person, other) = (world.buyer("a@example.com").await, world.buyer("b@example.com").await);
    let (part, secret) = person.token.split_once('.').expect("it has two parts");
    let others_part = other.token.split_once('.').expect("it has two parts").0;
    let tokens = [
        String::new(),
        "x".to_owned(),
        part.to_owned(),
        format!("{others_part}.{secret}"),
        format!("{part}.{}", "A".repeat(43)),
        format!("{part}.{secret}A"),
        format!("{part}.{}#", &secret[..42]),
    ];
    for token in tokens {
        assert_eq!(status_of(&world, &token).await, 401, "{token}");
        assert_eq!(world.get("/users/me").cookie(&token).await.status, 401, "{token}");
    }
    assert_eq!(status_of(&world, &person.token).await, 200);
}
