//! `GET /users/me/export`: what is stored of a person, for them alone.

use serde_json::{Value, json};
use time::Duration;

use crate::harness::{PASSWORD, World};

#[tokio::test]
async fn a_person_gets_all_that_is_stored_of_them_and_no_secret() {
    let world = World::start().await;
    let shop = world.shop().await;
    let staff = world.staff("staff@example.com").await;
    let payee = world.seller("payee@example.com").await;
    world.link(&payee).await;
    let content = json!({"content": "# Lesson one"});
    assert_eq!(world.put(format!("/courses/{}/content", shop.course_id), content).bearer(&shop.seller.token).await.status, 200);
    let outline = json!({"version": 0, "sections": [{"title": "Basics", "lessons": [{"title": "Routes"}]}]});
    let outline = world.put(format!("/courses/{}/outline", shop.course_id), outline).bearer(&shop.seller.token).await.json();
    let lesson = outline["sections"][0]["lessons"][0]["id"].as_str().expect("an id");
    let text = json!({"version": 0, "content": "# Routes"});
    let path = format!("/courses/{}/lessons/{lesson}", shop.course_id);
    assert_eq!(world.put(path, text).bearer(&shop.seller.token).await.status, 200);
    let theirs = world.course(&payee, "Shared", 2000, "usd", 10).await;
    let slug = theirs["slug"].as_str().expect("text");
    assert_eq!(world.share(slug, &payee, &[(&payee, 70), (&shop.seller, 30)]).await.status, 200);
    let offer = json!({"title": "Club", "monthly": {"amount": 1000}, "currency": "usd"});
    let club = format!("/sellers/{}/membership", shop.seller.id);
    assert_eq!(world.post(club.as_str(), offer).bearer(&shop.seller.token).await.status, 200);
    let joins = json!({"interval": "month", "payment_method": "pm_card_visa"});
    let joined = world.post(format!("{club}/subscribe"), joins).bearer(&shop.buyer.token).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    assert_eq!(world.buy(&shop.buyer, &shop.course_id, "pm_card_visa").await.status, 201);
    let bought = world.buy(&shop.seller, theirs["id"].as_str().expect("an id"), "pm_card_visa").await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    for page in [json!({"name": "Ada", "text": "I teach."}), json!({"handle": "countess"})] {
        assert_eq!(world.patch("/users/me/page", page).bearer(&shop.seller.token).await.status, 200);
    }
    let terms = json!({"terms": {"fee_percent": 20}});
    let path = format!("/admin/users/{}", shop.seller.id);
    assert_eq!(world.patch(path.as_str(), terms).bearer(&staff.token).await.status, 200);
    world.deliver().await;

    world.enter_password(&shop.seller).await;
    let answer = world.get("/users/me/export").bearer(&shop.seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"my-data.json\""));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    let file = answer.json();
    let get = async |path: &str| world.get(path).bearer(&shop.seller.token).await.json();
    assert_eq!(file["profile"]["user"], get("/users/me").await);
    let mut membership = get(&club).await;
    // That is no data of theirs.
    assert_eq!(membership.as_object_mut().and_then(|shown| shown.remove("available")), Some(json!(true)));
    assert_eq!(file["profile"]["membership"], membership);
    assert_eq!(file["profile"]["page"], get("/users/me/page").await);
    assert_eq!(file["profile"]["former_handles"], json!(["ada"]));
    assert_eq!(file["courses"], get("/users/me/courses").await["items"]);
    assert_eq!(file["contents"][0]["content"], "# Lesson one");
    assert_eq!(file["outlines"], json!([outline]));
    assert_eq!((&file["lessons"][0]["lesson_id"], &file["lessons"][0]["content"]), (&json!(lesson), &json!("# Routes")));
    assert_eq!(file["progress"], json!([]));
    assert_eq!(file["shares"], get("/users/me/shares").await["items"]);
    assert_eq!((file["shares"][0]["share"].as_i64(), file["shares"][0]["seller_id"].as_str()), (Some(30), Some(payee.id.as_str())));
    let sales = get("/sales").await;
    assert_eq!((&file["sales"], &file["profile"]["totals"]), (&sales["items"], &sales["totals"]));
    assert_eq!(file["members"], get(&format!("/sellers/{}/members", shop.seller.id)).await["items"]);
    let mut purchase = file["purchases"][0].clone();
    let history = purchase.as_object_mut().and_then(|purchase| purchase.remove("history")).expect("it has one");
    assert!(history.as_array().is_some_and(|steps| steps.iter().any(|step| step["status"] == "paid")), "{history}");
    assert_eq!(json!([purchase]), get("/purchases").await["items"]);
    assert_eq!((file["audit"][0]["action"].as_str(), file["audit"][0].get("staff_id")), (Some("terms"), None));
    assert!(!file["sessions"].as_array().expect("a list").is_empty());
    assert_eq!((file["next_cursor"].clone(), file["subscriptions"].clone()), (Value::Null, json!([])));
    assert!(file["note"].as_str().is_some_and(|note| note.contains("at Stripe")));

    for secret in ["argon2", "password_digest", "idempotency", "body\"", "access_token", &shop.buyer.email, &staff.email, &staff.id] {
        assert!(!answer.body.contains(secret), "{secret} is in the export");
    }
    for part in shop.seller.token.split('.').skip(1) {
        assert!(!answer.body.contains(part) && !answer.body.contains(&shared::base::entropy::digest(part)), "a session is in the export");
    }

    world.enter_password(&shop.buyer).await;
    let noted = world.put(format!("/courses/{}/progress", shop.course_id), json!({"lesson": lesson, "done": true}));
    let noted = noted.bearer(&shop.buyer.token).await.json();
    let other = world.get("/users/me/export").bearer(&shop.buyer.token).await.json();
    assert_eq!((&other["progress"], &other["outlines"], &other["lessons"]), (&json!([noted]), &json!([]), &json!([])));
    // What the seller and the platform keep of it is not the member's.
    let mut joined = other["subscriptions"][0].clone();
    let paid = joined.as_object_mut().and_then(|joined| joined.remove("payments")).expect("they have paid");
    assert_eq!(json!([joined]), world.get("/subscriptions").bearer(&shop.buyer.token).await.json()["items"]);
    assert_eq!((&paid[0]["amount"], &paid[0]["refunded"], paid.as_array().map(Vec::len)), (&json!(1000), &json!(0), Some(1)), "{paid}");
    for hidden in ["application_fee", "net", "refundable", "dispute"] {
        assert_eq!(paid[0].get(hidden), None, "{hidden}");
    }
    assert_eq!((other["subscriptions"].as_array().map(Vec::len), other["purchases"].as_array().map(Vec::len)), (Some(1), Some(1)));
    assert!(
        other["sales"] == json!([]) && other["audit"] == json!([]) && other["profile"]["stripe_customers"]["platform"].is_string(),
        "{other}"
    );
}

#[tokio::test]
async fn the_export_takes_a_password_that_was_entered_lately() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    world.get("/users/me/export").await.is_problem(401, "not_signed_in", "log in first");
    world.operations();
    assert_eq!(world.get("/users/me/export").cookie(&person.token).await.status, 200);
    let operations = world.operations();
    assert_eq!(
        (operations.len(), operations[0].as_str()),
        (19, "BatchGetItem"),
        "session, offer, totals, application and page, fourteen lists: {operations:?}"
    );
    world.pass(Duration::minutes(16)).await;
    let late = world.get("/users/me/export").cookie(&person.token).await;
    late.is_problem(403, "password_required", "enter your password again first: PUT /sessions/current");
    world.put("/sessions/current", json!({"current_password": PASSWORD})).cookie(&person.token).await.is_empty(204);
    assert_eq!(world.get("/users/me/export").cookie(&person.token).await.status, 200);
    for cursor in ["x", "14", "0.!", "-1", "3.AAAA"] {
        let bad = world.get(format!("/users/me/export?cursor={cursor}")).bearer(&person.token).await;
        bad.is_problem(400, "bad_cursor", "cursor must be the next_cursor of an earlier response of the same list");
    }
}

#[tokio::test]
async fn a_large_export_comes_in_parts_that_fit_into_an_answer() {
    let world = World::start().await;
    let seller = world.seller("a@example.com").await;
    // The largest contents, of characters that JSON escapes twice.
    let content = json!({"content": "\"\n".repeat(16_000)});
    for number in 0..60 {
        let course = world.course(&seller, &format!("Course {number}"), 1000, "usd", 10).await;
        let path = format!("/courses/{}/content", course["slug"].as_str().expect("text"));
        assert_eq!(world.put(path, content.clone()).bearer(&seller.token).await.status, 200);
    }
    let (mut parts, mut contents, mut courses, mut cursor) = (0, Vec::new(), 0, String::new());
    loop {
        let answer = world.get(format!("/users/me/export{cursor}")).bearer(&seller.token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        // Lambda's answer is JSON with the body as a string in it.
        assert!(json!(answer.body).to_string().len() < 6_000_000, "{}", answer.body.len());
        let part = answer.json();
        assert_eq!(part.get("profile").is_some(), parts == 0);
        courses += part["courses"].as_array().expect("a list").len();
        contents.extend(part["contents"].as_array().expect("a list").iter().map(|one| one["course_id"].clone()));
        parts += 1;
        let Some(next) = part["next_cursor"].as_str() else { break };
        cursor = format!("?cursor={next}");
    }
    contents.sort_by_key(ToString::to_string);
    contents.dedup();
    assert_eq!((courses, contents.len()), (60, 60));
    assert!((2..20).contains(&parts), "{parts}");
}
