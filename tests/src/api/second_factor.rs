//! `/users/me/second-factor`, and the codes that log-ins ask for.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::{join, join_all};
use local::proxy::{Fault, Gate, Kind};
use serde_json::{Value, json};
use shared::base::totp;
use time::Duration;

use crate::harness::{Answer, Call, PASSWORD, Person, World, token_in};

const PATH: &str = "/users/me/second-factor";
const REQUIRED: &str = "enter the code of your authenticator app, or a recovery code, as well";
const WRONG: &str = "the code is wrong or was used before; wait for the next one";

/// A user's authenticator app, and the recovery codes that they wrote down.
struct App {
    secret: String,
    recovery_codes: Vec<String>,
}

impl App {
    /// What it shows, on a device whose clock is ahead by these seconds.
    fn ahead(&self, world: &World, seconds: i64) -> String {
        totp::code(&self.secret, world.app.clock.now() + Duration::seconds(seconds)).expect("a code")
    }

    /// The next code that was not used yet.
    fn next(&self, world: &World) -> String {
        world.app.clock.advance(Duration::seconds(totp::STEP));
        self.ahead(world, 0)
    }
}

async fn begin(world: &World, person: &Person) -> String {
    let answer = world.post(PATH, json!({})).bearer(&person.token).await;
    let uri = "otpauth://totp/localhost%3A3000:";
    assert!(answer.text("uri").starts_with(uri) && answer.text("uri").contains(&answer.text("secret")), "{}", answer.body);
    answer.is(200, &json!({"secret": "[any]", "uri": "[any]"})).text("secret")
}

async fn enrol(world: &World, person: &Person) -> App {
    let mut app = App { secret: begin(world, person).await, recovery_codes: Vec::new() };
    let answer = world.put(PATH, json!({"code": app.ahead(world, 0)})).bearer(&person.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let codes = answer.json()["recovery_codes"].as_array().cloned().unwrap_or_default();
    app.recovery_codes = codes.iter().map(|code| code.as_str().expect("text").to_owned()).collect();
    app
}

fn log_in<'a>(world: &'a World, person: &Person, code: Option<&str>) -> Call<'a> {
    let mut body = json!({"email": person.email, "password": PASSWORD});
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    world.post("/sessions", body)
}

fn required(answer: &Answer) {
    answer.is_problem(401, "second_factor_required", REQUIRED);
    assert_eq!(answer.header("set-cookie"), None);
}

fn wrong(answer: &Answer) {
    answer.is_problem(401, "second_factor_wrong", WRONG);
    assert_eq!(answer.header("set-cookie"), None);
}

async fn me(world: &World, person: &Person) -> (Value, Value) {
    let me = world.get("/users/me").bearer(&person.token).await.json();
    (me["second_factor"].clone(), me["recovery_codes_left"].clone())
}

#[tokio::test]
async fn a_factor_is_on_once_its_user_has_shown_a_code_of_it() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let first = begin(&world, &person).await;
    let secret = begin(&world, &person).await;
    assert_ne!(first, secret, "the second takes the first one's place");
    let confirm = |code: &str| world.put(PATH, json!({"code": code})).cookie(&person.token);
    let of_first = App { secret: first, recovery_codes: Vec::new() };
    wrong(&confirm(&of_first.ahead(&world, 0)).await);
    assert_eq!(me(&world, &person).await, (json!(false), Value::Null));
    world.log_in(&person).await;

    let app = App { secret, recovery_codes: Vec::new() };
    let answer = confirm(&app.ahead(&world, 0)).await;
    let codes = answer.json()["recovery_codes"].clone();
    assert_eq!(codes.as_array().map(Vec::len), Some(10), "{}", answer.body);
    assert_eq!(me(&world, &person).await, (json!(true), json!(10)));
    let on = "your second factor is on already; switch it off first";
    confirm(&app.ahead(&world, 30)).await.is_problem(409, "second_factor_on", on);
    world.post(PATH, json!({})).bearer(&person.token).await.is_problem(409, "second_factor_on", on);

    world.pump().await;
    let subjects: Vec<_> = world.mails_to(&person.email).into_iter().map(|mail| mail.subject).collect();
    assert!(subjects.contains(&"Your second factor was switched on".to_owned()), "{subjects:?}");
    // Neither the table nor its stream or indexes have what a code could be made from.
    let stored = world.stored().await;
    assert!(!stored.contains(&app.secret) && !stored.contains("SECOND-FACTOR"));
}

#[tokio::test]
async fn only_a_session_with_a_recent_password_begins_confirms_and_switches_off() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.put(PATH, json!({"code": "123456"})).bearer(&person.token).await.is_problem(
        404,
        "not_found",
        "there is no such second factor; begin with POST",
    );
    world.delete(PATH).json(&json!({"code": "123456"})).bearer(&person.token).await.is_problem(
        404,
        "not_found",
        "there is no such second factor",
    );
    let app = App { secret: begin(&world, &person).await, recovery_codes: Vec::new() };
    world.app.clock.advance(Duration::minutes(16));
    let body = json!({"code": app.ahead(&world, 0)});
    for call in [world.post(PATH, json!({})), world.put(PATH, body.clone()), world.delete(PATH).json(&body)] {
        call.bearer(&person.token).await.is_problem(403, "password_required", "enter your password again first: PUT /sessions/current");
    }
    for call in [world.post(PATH, json!({})), world.put(PATH, body.clone()), world.delete(PATH).json(&body)] {
        call.await.is_problem(401, "not_signed_in", "log in first");
    }
    let foreign = world.put(PATH, body.clone()).cookie(&person.token).origin("https://evil.example").await;
    foreign.is_problem(403, "foreign_origin", "requests from this origin are not allowed to change anything");
    world.enter_password(&person).await;
    assert_eq!(world.put(PATH, json!({"code": app.ahead(&world, 0)})).bearer(&person.token).await.status, 200);
}

#[tokio::test]
async fn a_log_in_asks_for_the_code_only_after_the_right_password_and_takes_each_code_once() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let app = enrol(&world, &person).await;
    let first = app.ahead(&world, 0);
    wrong(&log_in(&world, &person, Some(&first)).await);

    let code = app.next(&world);
    let guess = json!({"email": person.email, "password": "wrong password", "code": code});
    world.post("/sessions", guess).await.is_problem(401, "bad_credentials", "the e-mail or the password is wrong");
    for none in [None, Some(""), Some("  ")] {
        required(&log_in(&world, &person, none).await);
    }
    let answer = log_in(&world, &person, Some(&format!("{} {}", &code[..3], &code[3..]))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!((&answer.json()["user"]["second_factor"], &answer.json()["user"]["recovery_codes_left"]), (&json!(true), &json!(10)));
    wrong(&log_in(&world, &person, Some(&code)).await);
    assert_eq!(world.get("/users/me").cookie(&answer.text("token")).await.status, 200);

    // Staff see that there is one, and not more.
    let staff = world.staff("staff@example.com").await;
    let shown = world.get(format!("/admin/users/{}", person.id)).bearer(&staff.token).await.json();
    assert_eq!((&shown["second_factor"], &shown["recovery_codes_left"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn of_several_log_ins_at_once_with_the_same_code_one_gets_a_session() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let app = enrol(&world, &person).await;
    for code in [app.next(&world), app.recovery_codes[0].clone()] {
        let answers = join_all((0..4).map(|_| log_in(&world, &person, Some(&code)).into_future())).await;
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401], "{code}");
        world.app.clock.advance(Duration::minutes(15));
    }
    assert_eq!(me(&world, &person).await, (json!(true), json!(9)));
}

#[tokio::test]
async fn clocks_may_differ_by_half_a_minute() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let app = enrol(&world, &person).await;
    world.app.clock.advance(Duration::minutes(5));
    for (ahead, status) in [(-60, 401), (60, 401), (-30, 200), (0, 200), (30, 200)] {
        assert_eq!(log_in(&world, &person, Some(&app.ahead(&world, ahead))).await.status, status, "{ahead}");
    }
}

#[tokio::test]
async fn a_recovery_code_works_once_and_its_user_is_told() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let app = enrol(&world, &person).await;
    let code = &app.recovery_codes[4];
    assert_eq!(log_in(&world, &person, Some(&code.to_lowercase().replace('-', ""))).await.status, 200);
    wrong(&log_in(&world, &person, Some(code)).await);
    assert_eq!(me(&world, &person).await, (json!(true), json!(9)));
    assert_eq!(log_in(&world, &person, Some(&app.recovery_codes[5])).await.status, 200);
    world.pump().await;
    let told = world.mails_to(&person.email).into_iter().filter(|mail| mail.subject == "A recovery code was used").count();
    assert!((1..=2).contains(&told), "{told}: those of one second are told once");
}

/// The mark that an answer leaves on the device, as a cookie.
fn mark(answer: &Answer) -> String {
    let mut cookies = answer.headers.get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
    let mark = cookies.rfind(|cookie| cookie.starts_with("device=")).expect("it leaves a mark");
    mark.split(';').next().unwrap_or_default().to_owned()
}

fn assert_throttled(answer: &Answer) -> i64 {
    assert_eq!((answer.status, answer.text("code")), (429, "throttled".to_owned()), "{}", answer.body);
    answer.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("a number")
}

#[tokio::test]
async fn wrong_codes_of_strangers_close_neither_known_devices_nor_open_sessions() {
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    world.to_next_window();
    let (person, other) = (world.buyer("a@example.com").await, world.buyer("b@example.com").await);
    // A thief who knows the password was there before the factor was.
    let thiefs = mark(&log_in(&world, &person, None).await);
    let (app, others) = (enrol(&world, &person).await, enrol(&world, &other).await);
    let own = mark(&log_in(&world, &person, Some(&app.recovery_codes[0])).await);
    for attempt in 0..5 {
        // From many addresses, with no mark and with the one from before.
        let call = log_in(&world, &person, Some("000000")).from(format!("192.0.2.{attempt}"));
        wrong(&if attempt % 2 == 0 { call.header("cookie", thiefs.as_str()) } else { call }.await);
    }
    for code in [app.next(&world), app.recovery_codes[1].clone()] {
        for device in [thiefs.as_str(), "device=made-up", "none=1"] {
            let after = assert_throttled(&log_in(&world, &person, Some(&code)).header("cookie", device).await);
            assert!(after <= 900, "{after}");
        }
    }
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 200);
    let again = json!({"current_password": PASSWORD, "code": app.next(&world)});
    world.put("/sessions/current", again).bearer(&person.token).await.is_empty(204);
    let known = || log_in(&world, &person, Some(&app.next(&world))).header("cookie", own.as_str());
    assert_eq!(known().await.status, 200, "the owner logs in on a known device");
    assert_eq!(log_in(&world, &other, Some(&others.next(&world))).await.status, 200);

    // Nor do a hundred failures from the owner's own address.
    for number in 0..100 {
        let body = json!({"email": format!("{number}@example.com"), "password": "a guess"});
        assert_eq!(world.post("/sessions", body).from("198.51.100.9").await.status, 401);
    }
    assert_throttled(&log_in(&world, &other, Some(&others.next(&world))).from("198.51.100.9").await);
    assert_eq!(known().from("198.51.100.9").await.status, 200);
    let again = json!({"current_password": PASSWORD, "code": app.next(&world)});
    world.put("/sessions/current", again).bearer(&person.token).from("198.51.100.9").await.is_empty(204);

    // Known devices and each session have as many tries, counted by themselves.
    for _ in 0..5 {
        wrong(&log_in(&world, &person, Some("000000")).header("cookie", own.as_str()).await);
        wrong(&world.delete(PATH).json(&json!({"code": "000000"})).bearer(&person.token).await);
    }
    assert_throttled(&known().await);
    let code = app.next(&world);
    assert_throttled(&world.delete(PATH).json(&json!({"code": code})).bearer(&person.token).await);
    world.app.clock.advance(Duration::minutes(15));
    assert_eq!(log_in(&world, &person, Some(&app.ahead(&world, 0))).await.status, 200);
    assert_eq!(known().await.status, 200);
}

/// Moves the clock to the start of the next day in UTC.
fn to_next_day(world: &World) {
    let seconds = 86_400 - world.app.clock.now().unix_timestamp().rem_euclid(86_400);
    world.app.clock.advance(Duration::seconds(seconds + 1));
}

#[tokio::test]
async fn strangers_try_twenty_codes_a_day_and_the_owner_is_told_once() {
    const TOLD: &str = "Somebody knows your password but not your code";
    let world = World::start().await;
    to_next_day(&world);
    let person = world.buyer("a@example.com").await;
    let app = enrol(&world, &person).await;
    let own = mark(&log_in(&world, &person, Some(&app.next(&world))).await);
    let told = async || {
        world.pump().await;
        world.mails_to(&person.email).into_iter().filter(|mail| mail.subject == TOLD).count()
    };
    let guess = |number: u32| log_in(&world, &person, Some("000000")).from(format!("192.0.2.{number}"));
    world.to_next_window();
    for number in 0..20 {
        if number > 0 && number % 4 == 0 {
            // Four in each quarter of an hour, which is never too many in one.
            world.to_next_window();
        }
        wrong(&guess(number).await);
        assert_eq!(told().await, usize::from(number >= 4), "after {} wrong codes", number + 1);
    }
    world.to_next_window();
    for code in [app.next(&world), app.recovery_codes[0].clone(), "000000".to_owned()] {
        let after = assert_throttled(&log_in(&world, &person, Some(&code)).await);
        assert!(after > 80_000, "until the day ends: {after}");
    }
    assert_eq!(log_in(&world, &person, Some(&app.next(&world))).header("cookie", own.as_str()).await.status, 200);
    assert_eq!(told().await, 1);
    let mail = world.mails_to(&person.email).into_iter().find(|mail| mail.subject == TOLD).expect("a mail");
    assert!(mail.text.contains("somebody knows your password") && mail.text.contains("/forgot.html"), "{}", mail.text);

    to_next_day(&world);
    // Wrong passwords are something else.
    for _ in 0..5 {
        let body = json!({"email": person.email, "password": "a guess", "code": "000000"});
        assert_eq!(world.post("/sessions", body).await.status, 401);
    }
    assert_eq!(told().await, 1);
    for number in 0..5 {
        wrong(&guess(number).await);
    }
    assert_eq!(told().await, 2, "another day");
    world.to_next_window();
    assert_eq!(log_in(&world, &person, Some(&app.next(&world))).await.status, 200);
}

#[tokio::test]
async fn the_owner_is_told_of_wrong_codes_in_a_session_too() {
    let world = World::start().await;
    to_next_day(&world);
    let person = world.buyer("a@example.com").await;
    let app = enrol(&world, &person).await;
    for _ in 0..5 {
        let body = json!({"current_password": PASSWORD, "code": "000000"});
        wrong(&world.put("/sessions/current", body).bearer(&person.token).await);
    }
    world.pump().await;
    let subjects: Vec<_> = world.mails_to(&person.email).into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects.iter().filter(|subject| subject.contains("knows your password")).count(), 1, "{subjects:?}");
    // A factor that is being set up is nobody's secret yet.
    let other = world.buyer("b@example.com").await;
    begin(&world, &other).await;
    for _ in 0..5 {
        wrong(&world.put(PATH, json!({"code": "000000"})).bearer(&other.token).await);
    }
    world.pump().await;
    assert_eq!(world.mails_to(&other.email).len(), 0);
    drop(app);
}

#[tokio::test]
async fn whatever_takes_the_password_again_takes_the_code_too_by_bearer_and_by_cookie() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let app = enrol(&world, &person).await;
    let password = json!({"current_password": PASSWORD});
    let with_code = |mut body: Value, code: String| {
        body["code"] = json!(code);
        body
    };
    let enter = |body: Value| world.put("/sessions/current", body);
    required(&enter(password.clone()).bearer(&person.token).await);
    required(&enter(password.clone()).cookie(&person.token).await);
    let wrong_password = json!({"current_password": "wrong password", "code": app.next(&world)});
    enter(wrong_password).bearer(&person.token).await.is_problem(401, "bad_credentials", "the e-mail or the password is wrong");
    wrong(&enter(with_code(password.clone(), "000000".to_owned())).cookie(&person.token).await);
    enter(with_code(password.clone(), app.next(&world))).bearer(&person.token).await.is_empty(204);
    enter(with_code(password.clone(), app.next(&world))).cookie(&person.token).await.is_empty(204);

    for change in [json!({"password": "battery staple"}), json!({"email": "new@example.com"})] {
        let mut change = change;
        change["current_password"] = json!(PASSWORD);
        required(&world.patch("/users/me", change).bearer(&person.token).await);
    }
    let change = json!({"email": "new@example.com", "current_password": PASSWORD});
    let changed = world.patch("/users/me", with_code(change, app.next(&world))).bearer(&person.token).await;
    assert_eq!((changed.status, changed.json()["new_email"].clone()), (200, json!("new@example.com")), "{}", changed.body);

    required(&world.erase(&person.token).await);
    let id = person.id.parse().expect("an id");
    assert!(world.app.store.second_factor(&id).await.expect("the table").is_some());
    world.delete("/users/me").json(&with_code(password, app.next(&world))).bearer(&person.token).await.is_empty(204);
    assert!(world.app.store.second_factor(&id).await.expect("the table").is_none(), "it goes with its user");
}

#[tokio::test]
async fn it_is_switched_off_with_a_code_or_a_recovery_code() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let off = |code: String| world.delete(PATH).json(&json!({"code": code})).bearer(&person.token);
    let app = enrol(&world, &person).await;
    wrong(&off("000000".to_owned()).await);
    required(&off(String::new()).await);
    off(app.next(&world)).await.is_empty(204);
    assert_eq!(me(&world, &person).await, (json!(false), Value::Null));
    world.log_in(&person).await;

    let app = enrol(&world, &person).await;
    off(app.recovery_codes[0].clone()).await.is_empty(204);
    world.log_in(&person).await;

    // Whoever has lost app and recovery codes asks the operator.
    enrol(&world, &person).await;
    required(&log_in(&world, &person, None).await);
    operator::second_factor::switch_off(&world.app, &person.email).await.expect("it is on");
    world.log_in(&person).await;
    assert!(operator::second_factor::switch_off(&world.app, &person.email).await.is_err());
    let gone = world.app.store.second_factor(&person.id.parse().expect("an id")).await.expect("the table");
    assert!(gone.is_none());
    world.pump().await;
    let subjects: Vec<_> = world.mails_to(&person.email).into_iter().map(|mail| mail.subject).collect();
    assert!(subjects.contains(&"Your second factor was switched off".to_owned()), "{subjects:?}");
    let staff = world.staff("staff@example.com").await;
    let audit = world.get(format!("/admin/audit?user={}", person.id)).bearer(&staff.token).await.json()["items"].clone();
    let facts: Vec<_> = audit.as_array().expect("a list").iter().map(|entry| (&entry["action"], &entry["by"])).collect();
    assert_eq!(facts, [(&json!("second_factor_off"), &json!("operator"))], "what users do themselves is not in it");
}

#[tokio::test]
async fn a_new_password_by_mail_leaves_it_on() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("a@example.com").await;
    let app = enrol(&world, &person).await;
    world.pump().await;
    world.mailbox().clear();
    world.post("/password-resets", json!({"email": person.email})).await.is_empty(202);
    world.pump().await;
    let token = token_in(&world.mails_to(&person.email)[0]);
    world.put("/password-resets", json!({"token": token, "password": "battery staple"})).await.is_empty(204);
    let log_in = |code: Option<String>| world.post("/sessions", json!({"email": person.email, "password": "battery staple", "code": code}));
    required(&world.post("/sessions", json!({"email": person.email, "password": "battery staple"})).await);
    assert_eq!(log_in(Some(app.next(&world))).await.status, 200);
}

#[tokio::test]
async fn where_staff_need_one_they_act_as_staff_once_they_have_it() {
    let world = World::with(&[("STAFF_SECOND_FACTOR", "required")]).await;
    world.to_next_window();
    let (staff, buyer) = (world.staff("staff@example.com").await, world.buyer("buyer@example.com").await);
    let seller = world.seller("seller@example.com").await;
    let paths = ["/admin/users", "/admin/findings", "/admin/disputes", "/admin/applications"].map(str::to_owned).into_iter();
    let of_buyer = ["", "/purchases", "/sales"].map(|rest| format!("/admin/users/{}{rest}", buyer.id));
    let paths: Vec<_> = paths.chain(of_buyer).collect();
    let lacks = |answer: &Answer| {
        answer.is_problem(403, "second_factor_required_for_staff", "staff need a second factor: switch it on first");
    };
    let members = format!("/sellers/{}/members", seller.id);
    for path in &paths {
        lacks(&world.get(path.as_str()).bearer(&staff.token).await);
        world.get(path.as_str()).bearer(&buyer.token).await.is_problem(403, "forbidden", "you may not do this");
    }
    let appoint = || world.patch(format!("/admin/users/{}", buyer.id), json!({"is_seller": true})).bearer(&staff.token);
    lacks(&appoint().await);
    lacks(&world.delete(format!("/admin/users/{}/sessions", buyer.id)).bearer(&staff.token).await);
    // What is not only the staff's, they may do as much of as anybody.
    assert_eq!(world.get(members.as_str()).bearer(&staff.token).await.status, 403);
    assert_eq!(world.get("/users/me").bearer(&staff.token).await.json()["is_staff"], true);

    let app = enrol(&world, &staff).await;
    for path in paths.iter().chain([&members]) {
        assert_eq!(world.get(path.as_str()).bearer(&staff.token).await.status, 200, "{path}");
    }
    assert_eq!(appoint().await.status, 200);
    world.delete(PATH).json(&json!({"code": app.next(&world)})).bearer(&staff.token).await.is_empty(204);
    lacks(&appoint().await);
}

#[tokio::test]
async fn where_staff_need_none_they_go_on_without() {
    let world = World::with(&[("STAFF_SECOND_FACTOR", "optional")]).await;
    let staff = world.staff("staff@example.com").await;
    assert_eq!(world.get("/admin/users").bearer(&staff.token).await.status, 200);
}

#[tokio::test]
async fn other_sessions_end_when_a_factor_is_switched_on_or_off() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("test@buyer.com").await;
    let other = world.log_in(&person).await;
    assert_eq!(world.get("/users/me").bearer(&other).await.status, 200);
    let app = enrol(&world, &person).await;
    assert_eq!(world.get("/users/me").bearer(&other).await.status, 401, "it may be a thief's");
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 200);
    let later = log_in(&world, &person, Some(&app.next(&world))).await.text("token");
    assert_eq!(world.get("/users/me").bearer(&later).await.status, 200);
    world.delete(PATH).json(&json!({"code": app.next(&world)})).bearer(&person.token).await.is_empty(204);
    assert_eq!(world.get("/users/me").bearer(&later).await.status, 401);
    assert_eq!(world.get("/users/me").bearer(&person.token).await.status, 200);
}

fn with_code(mut body: Value, code: Option<String>) -> Value {
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    body
}

/// Asks for another address with a session, and the code if there is a factor.
async fn ask_to_move(world: &World, token: &str, to: &str, code: Option<String>) {
    let change = with_code(json!({"email": to, "current_password": PASSWORD}), code);
    assert_eq!(world.patch("/users/me", change).bearer(token).await.status, 200);
    world.pump().await;
}

/// Confirms the new address, and returns the token that the old one gets to undo it.
async fn move_to(world: &World, person: &Person, to: &str) -> String {
    let confirm = world.mails_to(to).into_iter().rfind(|mail| mail.subject == "Confirm your new email address").expect("a mail");
    world.put("/email-confirmations", json!({"token": token_in(&confirm)})).await.is_empty(204);
    world.pump().await;
    token_in(&world.mails_to(&person.email).into_iter().rfind(|mail| mail.subject == "Your email address was changed").expect("a mail"))
}

const OWNERS: &str = "the owner's new one";

async fn undo(world: &World, token: &str) {
    world.put("/password-resets", json!({"token": token, "password": OWNERS})).await.is_empty(204);
}

fn log_in_again<'a>(world: &'a World, person: &Person, code: Option<String>) -> Call<'a> {
    world.post("/sessions", with_code(json!({"email": person.email, "password": OWNERS}), code))
}

#[tokio::test]
async fn undoing_a_change_of_address_takes_away_the_factor_that_a_thief_switched_on_meanwhile() {
    for before_the_move in [true, false] {
        let world = World::start().await;
        world.to_next_window();
        let owner = world.buyer("owner@example.com").await;
        let thief = Person { token: world.log_in(&owner).await, ..owner.clone() };
        ask_to_move(&world, &thief.token, "thief@example.com", None).await;
        let link = if before_the_move {
            enrol(&world, &thief).await;
            move_to(&world, &owner, "thief@example.com").await
        } else {
            let link = move_to(&world, &owner, "thief@example.com").await;
            enrol(&world, &thief).await;
            link
        };
        world.pump().await;
        world.mailbox().clear();
        undo(&world, &link).await;
        let back = log_in_again(&world, &owner, None).await;
        assert_eq!((back.status, &back.json()["user"]["second_factor"]), (200, &json!(false)), "{}", back.body);
        assert_eq!(world.get("/users/me").bearer(&thief.token).await.status, 401);
        let gone = world.app.store.second_factor(&owner.id.parse().expect("an id")).await.expect("the table");
        assert!(gone.is_none(), "the thief's secret is deleted, too");
        world.pump().await;
        let mut subjects: Vec<_> = world.mails_to(&owner.email).into_iter().map(|mail| mail.subject).collect();
        subjects.sort();
        assert_eq!(subjects, ["Your password was changed", "Your second factor was switched off"]);
        // The owner can set up their own.
        enrol(&world, &Person { token: back.text("token"), ..owner.clone() }).await;
    }
}

#[tokio::test]
async fn undoing_a_change_of_address_leaves_a_factor_that_is_older_than_the_change() {
    for is_noted in [true, false] {
        let world = World::start().await;
        world.to_next_window();
        let owner = world.buyer("owner@example.com").await;
        let app = enrol(&world, &owner).await;
        if !is_noted {
            // Factors from before the time was noted.
            let update = world.database().update_item().table_name(&world.app.config.credentials_table);
            let update = update.key("pk", AttributeValue::S(format!("USER#{}", owner.id)));
            let update = update.key("sk", AttributeValue::S("SECOND-FACTOR".to_owned())).update_expression("REMOVE on_since");
            update.condition_expression("attribute_exists(on_since)").send().await.expect("the factor is there");
        }
        world.app.clock.advance(Duration::minutes(1));
        ask_to_move(&world, &owner.token, "new@example.com", Some(app.next(&world))).await;
        let link = move_to(&world, &owner, "new@example.com").await;
        undo(&world, &link).await;
        required(&log_in_again(&world, &owner, None).await);
        assert_eq!(log_in_again(&world, &owner, Some(app.next(&world))).await.status, 200);
    }
}

#[tokio::test]
async fn a_factor_that_a_thief_switches_on_while_the_change_is_undone_goes_as_well() {
    let world = World::start().await;
    world.to_next_window();
    let owner = world.buyer("owner@example.com").await;
    let thief = Person { token: world.log_in(&owner).await, ..owner.clone() };
    ask_to_move(&world, &thief.token, "thief@example.com", None).await;
    let link = move_to(&world, &owner, "thief@example.com").await;
    let theirs = App { secret: begin(&world, &thief).await, recovery_codes: Vec::new() };
    let gate = Gate::new();
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::Hold(gate.clone())));
    let meanwhile = async {
        gate.reached().await;
        let confirmed = world.put(PATH, json!({"code": theirs.ahead(&world, 0)})).bearer(&thief.token).await;
        gate.open();
        confirmed.status
    };
    let ((), confirmed) = join(undo(&world, &link), meanwhile).await;
    assert_eq!(confirmed, 200);
    assert_eq!(log_in_again(&world, &owner, None).await.status, 200);
}

#[tokio::test]
async fn staff_who_lose_their_factor_meanwhile_take_nobodys_role() {
    let world = World::with(&[("STAFF_SECOND_FACTOR", "required")]).await;
    world.to_next_window();
    let (mut staff, other) = (world.staff("staff@example.com").await, world.staff("other@example.com").await);
    let app = enrol(&world, &staff).await;
    let dismiss = |staff: &Person| world.patch(format!("/admin/users/{}", other.id), json!({"is_staff": false})).bearer(&staff.token);
    let gate = Gate::new();
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::Hold(gate.clone())));
    let meanwhile = async {
        gate.reached().await;
        operator::second_factor::switch_off(&world.app, &staff.email).await.expect("it is on");
        gate.open();
    };
    let (late, ()) = join(dismiss(&staff).into_future(), meanwhile).await;
    assert_eq!((late.status, late.text("code")), (409, "conflict".to_owned()), "{}", late.body);
    assert_eq!(world.get("/users/me").bearer(&other.token).await.json()["is_staff"], true);
    drop(app);
    staff.token = world.log_in(&staff).await;
    enrol(&world, &staff).await;
    assert_eq!(dismiss(&staff).await.status, 200);
}

#[tokio::test]
async fn a_right_code_of_a_session_that_ended_meanwhile_is_no_wrong_code() {
    let world = World::start().await;
    world.to_next_window();
    let person = world.buyer("sue@example.com").await;
    let app = enrol(&world, &person).await;
    let other = log_in(&world, &person, Some(&app.next(&world))).await.text("token");
    let gate = Gate::new();
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::Hold(gate.clone())));
    let code = app.next(&world);
    let late = world.delete(PATH).json(&json!({"code": code})).bearer(&person.token).into_future();
    let meanwhile = async {
        gate.reached().await;
        world.delete("/sessions").bearer(&other).await.is_empty(204);
        gate.open();
    };
    let (late, ()) = join(late, meanwhile).await;
    late.is_problem(401, "not_signed_in", "log in first");
    assert_eq!(me(&world, &Person { token: other.clone(), ..person.clone() }).await.0, json!(true), "the factor stays on");

    // A double click: the second request comes when the factor is off.
    let gate = Gate::new();
    world.proxy.inject(Fault::next("GetItem", Kind::Hold(gate.clone())));
    let code = app.next(&world);
    let switch = || world.delete(PATH).json(&json!({"code": code})).bearer(&other).into_future();
    let first = async {
        gate.reached().await;
        let first = switch().await;
        gate.open();
        first
    };
    let (second, first) = join(switch(), first).await;
    assert_eq!(first.status, 204, "{}", first.body);
    wrong(&second);
    assert!(!world.stored().await.contains("failures"), "neither counts as a guess");
}

/// Whoever knows the password goes on logging in while the owner switches the factor on.
#[tokio::test]
async fn a_log_in_that_read_the_user_before_the_switch_ends_with_it() {
    let world = World::start().await;
    let person = world.buyer("sue@example.com").await;
    let app = App { secret: begin(&world, &person).await, recovery_codes: Vec::new() };
    let gate = Gate::new();
    // The owner's request has looked at the clock, and is held just before it writes.
    world.proxy.inject(Fault::next("TransactWriteItems", Kind::Hold(gate.clone())));
    let owner = world.put(PATH, json!({"code": app.ahead(&world, 0)})).bearer(&person.token).into_future();
    let thief = async {
        gate.reached().await;
        world.app.clock.advance(Duration::seconds(5));
        let answer = log_in(&world, &person, None).await;
        gate.open();
        answer
    };
    let (owner, thief) = join(owner, thief).await;
    assert_eq!((thief.status, owner.status), (200, 200), "{}{}", thief.body, owner.body);
    let me = async |token: &str| world.get("/users/me").bearer(token).await.status;
    assert_eq!((me(&thief.text("token")).await, me(&person.token).await), (401, 200));
}

#[tokio::test]
async fn nobody_sets_one_up_for_an_address_that_is_not_theirs() {
    let world = World::start().await;
    let squatter = world.stranger("victim@example.com").await;
    let refused = "confirm your e-mail address first";
    world.post(PATH, json!({})).bearer(&squatter.token).await.is_problem(403, "email_not_confirmed", refused);
    world.put(PATH, json!({"code": "000000"})).bearer(&squatter.token).await.is_problem(403, "email_not_confirmed", refused);
    for number in 0..5 {
        let (current, new) = if number % 2 == 0 { (PASSWORD, "battery staple") } else { ("battery staple", PASSWORD) };
        let body = json!({"current_password": current, "password": new});
        assert_eq!(world.patch("/users/me", body).bearer(&squatter.token).await.status, 200);
    }
    world.pump().await;
    let subjects: Vec<String> = world.mails_to("victim@example.com").into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, ["Confirm your email address"], "the stranger gets one mail");
}

/// A double click sends the same code twice.
#[tokio::test]
async fn a_code_that_was_sent_twice_counts_as_no_guess() {
    let world = World::start().await;
    let person = world.buyer("sue@example.com").await;
    let app = enrol(&world, &person).await;
    let code = app.next(&world);
    assert_eq!(log_in(&world, &person, Some(&code)).await.status, 200);
    for _ in 0..10 {
        wrong(&log_in(&world, &person, Some(&code)).await);
    }
    assert_eq!(log_in(&world, &person, Some(&app.next(&world))).await.status, 200);
}
