//! `GET /sellers/{handle}`, `GET` and `PATCH /users/me/page`, and `GET /courses?seller=…`

use serde_json::{Value, json};

use crate::harness::{Answer, Person, World};

const TAKEN: &str = "another seller has or had this handle";
const FOR_EVERYBODY: &str = "public, max-age=0, s-maxage=60, stale-while-revalidate=60";

async fn edit(world: &World, seller: &Person, body: Value) -> Answer {
    world.patch("/users/me/page", body).bearer(&seller.token).await
}

async fn add_course(world: &World, seller: &Person, title: &str) -> Value {
    let body = json!({"title": title, "price": {"amount": 5000, "currency": "usd"}});
    let answer = world.post("/courses", body).bearer(&seller.token).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_seller_makes_a_page_that_everybody_can_read() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let none = json!({"seller_id": seller.id, "handle": null, "name": "", "text": "", "links": [], "updated_at": null});
    world.get("/users/me/page").bearer(&seller.token).await.is(200, &none);
    world.get("/sellers/ada-lovelace").await.is_problem(404, "not_found", "there is no such seller");

    world.proxy.clear();
    let links = json!([{"title": " My site ", "url": "https://Example.com"}, {"title": "צור קשר", "url": "https://bücher.example/a"}]);
    let made = edit(&world, &seller, json!({"name": " Ada Lovelace ", "text": "I teach **numbers**.\n", "links": links})).await;
    let mut operations = world.operations();
    operations[..2].sort();
    assert_eq!(operations, ["BatchGetItem", "GetItem", "TransactWriteItems"], "user and page in parallel, then the page");
    let page = json!({
        "seller_id": seller.id, "handle": "ada-lovelace", "name": "Ada Lovelace", "text": "I teach **numbers**.",
        "links": [{"title": "My site", "url": "https://example.com/"}, {"title": "צור קשר", "url": "https://xn--bcher-kva.example/a"}],
        "updated_at": made.json()["updated_at"],
    });
    made.is(200, &page);
    world.get("/users/me/page").bearer(&seller.token).await.is(200, &page);

    world.proxy.clear();
    let shown = world.get("/sellers/ada-lovelace").cookie(&seller.token).await;
    assert_eq!(world.operations(), ["GetItem", "GetItem"], "no session is read");
    shown.is(200, &page);
    assert_eq!((shown.header("cache-control"), shown.header("vary")), (Some(FOR_EVERYBODY), None));
    let again = world.get("/sellers/ada-lovelace").header("if-none-match", shown.header("etag").expect("it has one")).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));

    // Only what is given changes, and nothing is written if nothing does.
    let changed = edit(&world, &seller, json!({"text": "", "links": []})).await;
    assert_eq!((changed.status, changed.json()["name"].as_str(), changed.json()["links"].clone()), (200, Some("Ada Lovelace"), json!([])));
    world.proxy.clear();
    assert_eq!(edit(&world, &seller, json!({"name": "Ada Lovelace", "handle": "ada-lovelace"})).await.json(), changed.json());
    assert!(!world.operations().contains(&"TransactWriteItems".to_owned()));
}

#[tokio::test]
async fn only_sellers_have_a_page_and_only_sound_ones() {
    let world = World::start().await;
    let (seller, buyer) = (world.seller("seller@example.com").await, world.buyer("buyer@example.com").await);
    world.patch("/users/me/page", json!({"name": "A"})).await.is_problem(401, "not_signed_in", "log in first");
    world.get("/users/me/page").await.is_problem(401, "not_signed_in", "log in first");
    let not_seller = "only sellers may do this; ask the staff to make you one";
    edit(&world, &buyer, json!({"name": "A"})).await.is_problem(403, "not_a_seller", not_seller);
    world.get("/users/me/page").bearer(&buyer.token).await.is_problem(403, "not_a_seller", not_seller);

    let name = "name must be one line of 1 to 100 characters, without hidden ones";
    let text = "text must be visible text, without control characters and overrides of direction";
    let url = "links[0].url must be an address of a site with https, at most 300 characters";
    let handle = "handle must be lower-case letters, digits and single hyphens, at most 40 characters";
    let link = |title: &str, url: &str| json!({"name": "A", "links": [{"title": title, "url": url}]});
    for (body, fault) in [
        (json!({"text": "No name."}), "missing field `name`"),
        (json!({"name": " "}), name),
        (json!({"name": "A\u{202e}B"}), name),
        (json!({"name": "A".repeat(101)}), name),
        (json!({"name": "A", "text": "a\u{202e}b"}), text),
        (json!({"name": "A", "text": "a\u{0}b"}), text),
        (json!({"name": "A", "text": "x".repeat(5001)}), "text must have at most 5000 characters"),
        (json!({"name": "A", "handle": "Ada"}), handle),
        (json!({"name": "A", "handle": "a".repeat(41)}), handle),
        (json!({"name": "A", "handle": "stripe"}), "handle is a reserved word"),
        (link("", "https://example.com"), "links[0].title must be one line of 1 to 60 characters, without hidden ones"),
        (link("T", "http://example.com"), url),
        (link("T", "javascript:alert(1)"), url),
        (link("T", "https://stripe.com@example.com"), url),
        (link("T", &format!("https://example.com/{}", "a".repeat(300))), url),
        (json!({"name": "A", "links": vec![json!({"title": "T", "url": "https://example.com"}); 9]}), "links: a page has at most 8"),
    ] {
        let call = world.patch("/users/me/page", body).bearer(&seller.token).undescribed();
        call.await.is_problem(422, "invalid_request", fault);
    }
    let list = json!({"name": "A", "links": [["T", "https://example.com"]]});
    assert_eq!(world.patch("/users/me/page", list).bearer(&seller.token).undescribed().await.status, 422);
    assert_eq!(world.get("/users/me/page").bearer(&seller.token).await.json()["handle"], Value::Null);
    for handle in ["-", "A", "a%2Fb", "%00", "usr_1", &"x".repeat(3000), &seller.id] {
        assert_eq!(world.get(format!("/sellers/{handle}")).await.status, 404, "{handle}");
    }
}

#[tokio::test]
async fn a_handle_is_its_first_sellers_for_good() {
    let world = World::start().await;
    let (one, two) = (world.seller("one@example.com").await, world.seller("two@example.com").await);
    assert_eq!(edit(&world, &one, json!({"name": "Ada"})).await.text("handle"), "ada");
    assert_eq!(edit(&world, &two, json!({"name": "Ada"})).await.text("handle"), "ada-2", "a derived one is numbered");
    edit(&world, &two, json!({"handle": "ada"})).await.is_problem(409, "handle_taken", TAKEN);
    assert_eq!(edit(&world, &one, json!({"handle": "countess"})).await.text("handle"), "countess");
    edit(&world, &two, json!({"handle": "ada"})).await.is_problem(409, "handle_taken", TAKEN);
    for handle in ["ada", "countess"] {
        assert_eq!(world.get(format!("/sellers/{handle}")).await.text("handle"), "countess");
    }
    // Back to one that they had, which takes none, however often.
    for handle in ["ada", "countess", "ada", "countess"] {
        assert_eq!(edit(&world, &one, json!({"handle": handle})).await.text("handle"), handle);
    }
    for number in 0..8 {
        assert_eq!(edit(&world, &one, json!({"handle": format!("h{number}")})).await.status, 200, "{number}");
    }
    let fault = "handle: a seller can have 10 of them";
    edit(&world, &one, json!({"handle": "one-more"})).await.is_problem(422, "invalid_request", fault);
    assert_eq!(edit(&world, &two, json!({"handle": "one-more"})).await.status, 200, "it was not taken");
    assert_eq!(edit(&world, &one, json!({"handle": "ada"})).await.status, 200);
}

#[tokio::test]
async fn of_two_sellers_who_want_a_handle_at_once_one_gets_it() {
    let world = World::start().await;
    let (one, two) = (world.seller("one@example.com").await, world.seller("two@example.com").await);
    let want = |seller: &Person| edit_as(&world, seller.clone(), json!({"name": "Ada", "handle": "ada"}));
    let (first, second) = tokio::join!(want(&one), want(&two));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    // And both changes of one seller are kept.
    let (name, text) =
        tokio::join!(edit_as(&world, one.clone(), json!({"name": "B"})), edit_as(&world, one.clone(), json!({"name": "B", "text": "t"})));
    assert_eq!((name.status, text.status), (200, 200));
    let page = world.get("/users/me/page").bearer(&one.token).await.json();
    assert_eq!((&page["name"], &page["text"]), (&json!("B"), &json!("t")));
}

async fn edit_as(world: &World, seller: Person, body: Value) -> Answer {
    edit(world, &seller, body).await
}

#[tokio::test]
async fn who_may_not_sell_has_no_page() {
    let world = World::start().await;
    let (seller, staff) = (world.seller("seller@example.com").await, world.staff("staff@example.com").await);
    assert_eq!(edit(&world, &seller, json!({"name": "Ada"})).await.status, 200);
    let course = add_course(&world, &seller, "Flask").await;
    let path = format!("/admin/users/{}", seller.id);
    let set = |body: Value| world.patch(path.clone(), body).bearer(&staff.token);
    let shown = async || {
        let status = world.get("/sellers/ada").await.status;
        let course = world.get("/courses/flask").await.json();
        assert_eq!(course["seller"].get("handle").is_some(), status == 200);
        assert_eq!(world.get("/pages/sellers/ada").await.status, status);
        status
    };
    assert_eq!(shown().await, 200);
    for (away, back) in [
        (json!({"suspended": {"reason": "Sells what is not theirs"}}), json!({"suspended": null})),
        (json!({"is_seller": false}), json!({"is_seller": true})),
    ] {
        assert_eq!(set(away.clone()).await.status, 200);
        assert_eq!(shown().await, 404, "{away}");
        assert_eq!(set(back).await.status, 200);
        assert_eq!(shown().await, 200, "{away}");
    }
    assert_eq!(course["seller"], json!({"id": seller.id}));
}

#[tokio::test]
async fn a_page_that_is_made_while_its_seller_is_suspended_is_not_made() {
    let world = World::start().await;
    let (mut seller, staff) = (world.seller("seller@example.com").await, world.staff("staff@example.com").await);
    let suspend = json!({"suspended": {"reason": "Sells what is not theirs"}});
    for round in 0..4 {
        let body = json!({"name": "Ada", "handle": format!("ada-{round}")});
        let (made, suspended) = tokio::join!(
            edit_as(&world, seller.clone(), body),
            world.patch(format!("/admin/users/{}", seller.id), suspend.clone()).bearer(&staff.token)
        );
        assert_eq!(suspended.status, 200, "{}", suspended.body);
        assert!([200, 401, 403, 409].contains(&made.status), "{}", made.body);
        assert_eq!(world.get(format!("/sellers/ada-{round}")).await.status, 404);
        world.patch(format!("/admin/users/{}", seller.id), json!({"suspended": null})).bearer(&staff.token).await;
        world.app.clock.advance(time::Duration::seconds(1));
        seller.token = world.log_in(&seller).await;
    }
}

#[tokio::test]
async fn an_erased_seller_leaves_a_handle_that_nobody_gets_and_that_says_nothing() {
    let world = World::start().await;
    let (seller, other) = (world.seller("seller@example.com").await, world.seller("other@example.com").await);
    assert_eq!(edit(&world, &seller, json!({"name": "Ada Lovelace", "text": "Born in London."})).await.status, 200);
    assert_eq!(edit(&world, &seller, json!({"handle": "countess"})).await.status, 200);
    world.erase(&seller.token).await.is_empty(204);
    for handle in ["ada-lovelace", "countess"] {
        assert_eq!(world.get(format!("/sellers/{handle}")).await.status, 404);
        assert_eq!(world.get(format!("/pages/sellers/{handle}")).await.status, 404);
        edit(&world, &other, json!({"name": "O", "handle": handle})).await.is_problem(409, "handle_taken", TAKEN);
    }
    let stored = world.items().await.join("\n");
    for word in ["ada-lovelace", "countess", "Lovelace", "London"] {
        assert!(!stored.contains(word), "{word} is still stored");
    }
    let handles: Vec<String> = stored.split("HANDLE#").skip(1).map(|rest| rest[..20].to_owned()).collect();
    assert_eq!(handles.len(), 2, "{handles:?}");
}

#[tokio::test]
async fn a_sellers_published_courses_are_listed_in_pages() {
    let world = World::start().await;
    let (one, two) = (world.seller("one@example.com").await, world.seller("two@example.com").await);
    for title in ["A", "B", "C"] {
        add_course(&world, &one, title).await;
        add_course(&world, &two, &format!("Not {title}")).await;
    }
    let list = async |query: &str| world.get(format!("/courses?seller={}{query}", one.id)).await.json();
    let slugs = |list: &Value| list["items"].as_array().expect("a list").iter().map(|one| one["slug"].clone()).collect::<Vec<_>>();
    world.proxy.clear();
    let first = list("&limit=2").await;
    assert_eq!(world.operations(), ["Query", "BatchGetItem"]);
    assert_eq!(slugs(&first), ["c", "b"]);
    let mut alone = world.get("/courses/c").await.json();
    alone.as_object_mut().expect("a course").remove("for_sale");
    assert_eq!(first["items"][0], alone);
    let second = list(&format!("&limit=2&cursor={}", first["next_cursor"].as_str().expect("there is more"))).await;
    assert_eq!((slugs(&second), &second["next_cursor"]), (vec![json!("a")], &Value::Null));

    // A new address, an unpublished course, a deleted one.
    let change = |slug: &str, body: Value| world.patch(format!("/courses/{slug}"), body).bearer(&one.token);
    assert_eq!(change("a", json!({"slug": "z"})).await.status, 200);
    assert_eq!(change("b", json!({"published": false})).await.status, 200);
    world.delete("/courses/c").bearer(&one.token).await.is_empty(204);
    assert_eq!(slugs(&list("").await), ["z"]);

    let fault = |query: &str| world.get(format!("/courses?{query}"));
    fault("seller=x").await.is_problem(422, "invalid_request", "seller must be a seller's id");
    let both = format!("q=a&seller={}", one.id);
    fault(&both).await.is_problem(422, "invalid_request", "q and seller cannot be given together");
}

#[tokio::test]
async fn the_staff_clear_a_page_and_the_audit_log_says_so() {
    let world = World::start().await;
    let (seller, staff) = (world.seller("seller@example.com").await, world.staff("staff@example.com").await);
    let path = format!("/admin/users/{}", seller.id);
    let clear = |token: &str| world.patch(path.clone(), json!({"clear_page": true})).bearer(token);
    let actions = async || {
        let log = world.get("/admin/audit").bearer(&staff.token).await.json();
        let actions = log["items"].as_array().expect("a list").iter().filter(|entry| entry["action"] == "page_cleared").count();
        (actions, log["items"][0].clone())
    };
    assert_eq!(clear(&staff.token).await.status, 200, "there is nothing to clear");
    assert_eq!(actions().await.0, 0);
    let links = json!([{"title": "Elsewhere", "url": "https://example.com"}]);
    assert_eq!(edit(&world, &seller, json!({"name": "Ada", "text": "Something mean", "links": links})).await.status, 200);
    clear(&seller.token).await.is_problem(403, "forbidden", "you may not do this");
    world.pump().await;
    let before = world.mails_to(&seller.email).len();
    assert_eq!(clear(&staff.token).await.status, 200);
    let page = world.get("/sellers/ada").await.json();
    assert_eq!((&page["name"], &page["text"], &page["links"]), (&json!("Ada"), &json!(""), &json!([])));
    let (count, entry) = actions().await;
    assert_eq!((count, &entry["staff_id"], &entry["user_id"]), (1, &json!(staff.id), &json!(seller.id)));
    assert!(!entry.to_string().contains("mean"));
    assert_eq!(clear(&staff.token).await.status, 200);
    assert_eq!(actions().await.0, 1, "a second time does nothing");
    world.pump().await;
    assert_eq!(world.mails_to(&seller.email).len(), before);
}
