//! Staff measures against a user: suspending them, ending their sessions, revoking the seller role.

use serde_json::json;

use crate::harness::{PASSWORD, World};

const SUSPENDED: &str = "this account is suspended; contact the staff";

#[tokio::test]
async fn a_suspended_user_is_logged_out_cannot_log_in_and_sells_nothing() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let path = format!("/admin/users/{}", shop.seller.id);
    let set = |body| world.patch(path.clone(), body).bearer(&staff.token);
    for body in [
        json!({"suspended": true}),
        json!({"suspended": {}}),
        json!({"suspended": {"reason": ""}}),
        json!({"suspended": {"reason": "x", "until": 1}}),
    ] {
        assert_eq!(set(body.clone()).await.status, 422, "{body}");
    }
    let suspended = set(json!({"suspended": {"reason": "Sells what is not theirs"}})).await;
    assert_eq!(
        (suspended.status, &suspended.json()["suspended"]["reason"]),
        (200, &json!("Sells what is not theirs")),
        "{}",
        suspended.body
    );

    world.get("/users/me").bearer(&shop.seller.token).await.is_problem(401, "not_signed_in", "log in first");
    world.get("/sales").cookie(&shop.seller.token).await.is_problem(401, "not_signed_in", "log in first");
    let log_in = |password: &str| world.post("/sessions", json!({"email": shop.seller.email, "password": password}));
    log_in(PASSWORD).await.is_problem(403, "account_suspended", SUSPENDED);
    log_in("wrong password").await.is_problem(401, "bad_credentials", "the e-mail or the password is wrong");
    let late = world.buyer("late@example.com").await;
    for payment_method in [json!("pm_card_visa"), json!(null)] {
        let mut body = json!({"course_id": shop.course_id});
        if payment_method.is_string() {
            body["payment_method"] = payment_method;
        }
        let answer = world.post("/courses/charge", body).bearer(&late.token).await;
        answer.is_problem(409, "seller_not_connected", "the seller of this course cannot be paid at the moment");
    }

    // After the suspension they must log in again; their old sessions stay closed.
    let back = set(json!({"suspended": null})).await;
    assert_eq!((back.status, back.json().get("suspended")), (200, None));
    assert_eq!(world.get("/users/me").bearer(&shop.seller.token).await.status, 401);
    world.app.clock.advance(time::Duration::seconds(1));
    let token = log_in(PASSWORD).await.text("token");
    assert_eq!(world.get("/users/me").bearer(&token).await.status, 200);
    assert_eq!(world.buy(&late, &shop.course_id, "pm_card_visa").await.status, 201);
}

#[tokio::test]
async fn a_former_seller_cannot_refund_sales() {
    let world = World::start().await;
    let shop = world.shop().await;
    let bought = world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.json();
    let path = format!("/purchases/{}/refund", bought["purchase"]["id"].as_str().expect("an id"));
    world.roles(&shop.seller, Some(false), None).await;
    world.asked_stripe().await;
    let refund = world.post(path.clone(), json!({})).bearer(&shop.seller.token).await;
    refund.is_problem(403, "not_a_seller", "only sellers may do this; ask the staff to make you one");
    assert!(world.asked_stripe().await.is_empty());
    let staff = world.staff("staff@example.com").await;
    assert_eq!(world.post(path, json!({})).bearer(&staff.token).await.status, 200);
}

#[tokio::test]
async fn the_staff_ends_somebodys_sessions() {
    let world = World::start().await;
    let (person, staff) = (world.buyer("a@example.com").await, world.staff("staff@example.com").await);
    let laptop = world.log_in(&person).await;
    let end = |token: &str| world.delete(format!("/admin/users/{}/sessions", person.id)).bearer(token);
    end(&person.token).await.is_problem(403, "forbidden", "you may not do this");
    world.app.clock.advance(time::Duration::seconds(1));
    end(&staff.token).await.is_empty(204);
    for token in [&person.token, &laptop] {
        world.get("/users/me").bearer(token).await.is_problem(401, "not_signed_in", "log in first");
    }
    world.app.clock.advance(time::Duration::seconds(1));
    let again = world.log_in(&person).await;
    assert_eq!(world.get("/users/me").bearer(&again).await.status, 200);
    let nobody = world.delete("/admin/users/usr_0000000000000000/sessions").bearer(&staff.token).await;
    nobody.is_problem(404, "not_found", "there is no such user");
}

#[tokio::test]
async fn two_staff_who_remove_each_others_role_cannot_both_succeed() {
    for _ in 0..5 {
        let world = World::start().await;
        let (one, two) = (world.staff("one@example.com").await, world.staff("two@example.com").await);
        // Both read that they are staff before either writes.
        let gate = local::proxy::Gate::new();
        world.proxy.inject(local::proxy::Fault::next("TransactWriteItems", local::proxy::Kind::Hold(gate.clone())));
        let unmake = |who: &str, by: &str| world.patch(format!("/admin/users/{who}"), json!({"is_staff": false})).bearer(by).into_future();
        let second = async {
            gate.reached().await;
            let answer = unmake(&one.id, &two.token).await;
            gate.open();
            answer
        };
        let (late, early) = futures_util::future::join(unmake(&two.id, &one.token), second).await;
        assert_eq!(early.status, 200, "{}", early.body);
        late.is_problem(409, "conflict", "another request changed it at the same time; read it again and retry");
        let left = [&one, &two].map(|person| world.get("/admin/users").bearer(&person.token).into_future());
        let statuses: Vec<u16> = futures_util::future::join_all(left).await.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [403, 200]);
    }
}

#[tokio::test]
async fn staff_are_suspended_only_after_the_role_is_removed() {
    let world = World::start().await;
    let (one, two) = (world.staff("one@example.com").await, world.staff("two@example.com").await);
    let suspend = json!({"suspended": {"reason": "Left"}});
    let path = format!("/admin/users/{}", two.id);
    let answer = world.patch(path.clone(), suspend.clone()).bearer(&one.token).await;
    answer.is_problem(422, "invalid_request", "suspended: remove their staff role first");
    assert_eq!(world.patch(path.clone(), json!({"is_staff": false})).bearer(&one.token).await.status, 200);
    assert_eq!(world.patch(path, suspend).bearer(&one.token).await.status, 200);
    assert_eq!(world.get("/users/me").bearer(&two.token).await.status, 401);
}

#[tokio::test]
async fn a_misspelled_term_is_refused_and_removes_nothing() {
    let world = World::start().await;
    let (seller, staff) = (world.seller("seller@example.com").await, world.staff("staff@example.com").await);
    let path = format!("/admin/users/{}", seller.id);
    let set = |terms| world.patch(path.clone(), json!({"terms": terms})).bearer(&staff.token);
    let agreed = json!({"charge_type": "direct", "fee_percent": 10});
    assert_eq!(set(agreed.clone()).await.status, 200);
    for slip in [json!({"fee_percnt": 5}), json!({"fee_percent": 5, "note": "x"}), json!([]), json!(["direct", 5]), json!("none")] {
        assert_eq!(set(slip.clone()).await.status, 422, "{slip}");
    }
    assert_eq!(world.get(path.clone()).bearer(&staff.token).await.json()["terms"], agreed);
}

#[tokio::test]
async fn another_programs_odd_cookie_logs_nobody_out() {
    let world = World::start().await;
    let shop = world.shop().await;
    let person = &shop.buyer;
    let course = world.get("/courses").await.json()["items"][0].clone();
    let outline = format!("/courses/{}/outline", course["slug"].as_str().expect("a slug"));
    for cookies in [
        format!("note=café; session={}", person.token),
        format!("session={}; note=café", person.token),
        format!("ключ=значение; a=b=c; =; ; flag; session={}", person.token),
        format!("sessions=x; xsession=y; session={}", person.token),
    ] {
        let me = world.get("/users/me").header("cookie", cookies.clone()).await;
        assert_eq!((me.status, me.text("id")), (200, person.id.clone()), "{cookies}");
        let answer = world.get(&outline).header("cookie", cookies.clone()).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private, no-cache")), "{cookies}");
    }
}
