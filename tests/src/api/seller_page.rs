//! `GET /pages/sellers/{handle}`

use serde_json::{Value, json};

use crate::harness::{Answer, Person, World};

const SHOP: &str = "http://localhost:3000";
const FOR_EVERYBODY: &str = "public, max-age=0, s-maxage=60, stale-while-revalidate=60";

async fn add(world: &World, seller: &Person, title: &str) {
    let body = json!({"title": title, "description": "About it.", "price": {"amount": 4950, "currency": "eur"}});
    let answer = world.post("/courses", body).bearer(&seller.token).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

async fn edit(world: &World, seller: &Person, body: Value) {
    let answer = world.patch("/users/me/page", body).bearer(&seller.token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn structured(page: &Answer) -> Value {
    let rest = page.body.split_once(r#"<script type="application/ld+json">"#).expect("there is some").1;
    serde_json::from_str(rest.split_once("</script>").expect("it ends").0).expect("it is JSON")
}

fn is_not_found(page: &Answer) {
    assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.body.contains("<title>Not found – Lectern</title>") && page.body.contains("We couldn’t find this teacher."));
    assert!(page.body.contains(r#"<meta name="robots" content="noindex">"#) && !page.body.contains("canonical"), "{}", page.body);
}

#[tokio::test]
async fn a_sellers_page_says_who_they_are_and_what_they_teach() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let links = json!([{"title": "My <site>", "url": "https://example.com/?a=1&b=\"2\""}]);
    edit(&world, &seller, json!({"name": "Ada & Co", "handle": "ada", "text": "# Hello\n\nI teach **numbers**.", "links": links})).await;
    add(&world, &seller, "Flask").await;
    world.proxy.clear();
    let page = world.get("/pages/sellers/ada").await;
    let mut operations = world.operations();
    operations[1..].sort();
    assert_eq!(operations, ["GetItem", "BatchGetItem", "Query"]);
    assert_eq!(
        (page.status, page.header("content-type"), page.header("cache-control")),
        (200, Some("text/html; charset=utf-8"), Some(FOR_EVERYBODY))
    );
    let address = format!("{SHOP}/sellers/ada");
    for part in [
        "<title>Ada &amp; Co – Lectern</title>",
        "<meta name=\"description\" content=\"Hello I teach numbers.\">",
        &format!("<link rel=\"canonical\" href=\"{address}\">"),
        "<meta property=\"og:type\" content=\"profile\">",
        &format!("<meta property=\"og:url\" content=\"{address}\">"),
        "<h1 dir=\"auto\">Ada &amp; Co</h1>",
        "<h2>Hello</h2>\n<p>I teach <strong>numbers</strong>.</p>",
        "<a href=\"https://example.com/?a=1&amp;b=%222%22\" rel=\"nofollow ugc noopener noreferrer\"><bdi>My &lt;site&gt;</bdi></a>",
        "<div class=\"card-cover\" data-seed=\"flask\"></div><h3><a href=\"/courses/flask\" dir=\"auto\">Flask</a></h3>\
         <p class=\"card-text\" dir=\"auto\">About it.</p><p class=\"card-foot\">EUR 49.50</p>",
        "<script type=\"module\" src=\"/js/pages/seller-page.js\"></script>",
    ] {
        assert!(page.body.contains(part), "{part} is not in {}", page.body);
    }
    assert!(!page.body.contains("noindex") && !page.body.contains("<!--") && !page.body.contains("membership-offer"), "{}", page.body);
    let own = world.get("/users/me/page").bearer(&seller.token).await.json();
    assert_eq!(
        structured(&page),
        json!({
            "@context": "https://schema.org", "@type": "ProfilePage", "url": address, "dateCreated": own["updated_at"], "dateModified": own["updated_at"],
            "mainEntity": {
                "@type": "Person", "name": "Ada & Co", "alternateName": "ada", "identifier": seller.id, "description": "Hello I teach numbers.",
                "url": address, "sameAs": ["https://example.com/?a=1&b=%222%22"],
            },
        })
    );
    let with_session = world.get("/pages/sellers/ada").cookie(&seller.token).await;
    assert_eq!((with_session.body, with_session.status), (page.body, 200));
}

#[tokio::test]
async fn what_sellers_write_of_themselves_is_no_markup() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    for text in [
        "</title><script>alert(1)</script>",
        "\" onload=\"alert(1)\" x='",
        "</script><script>alert(2)</script><!--",
        "[a](javascript:alert(1)) <img src=x onerror=alert(1)>",
    ] {
        let links = json!([{"title": text, "url": format!("https://example.com/{text}")}]);
        edit(&world, &seller, json!({"name": text, "handle": "ada", "text": text, "links": links})).await;
        let page = world.get("/pages/sellers/ada").await;
        // The page's early script, its own module, and the structured data.
        assert_eq!((page.body.matches("<script").count(), page.body.matches("</script>").count()), (3, 3), "{}", page.body);
        assert_eq!((page.body.matches("<title>").count(), page.body.matches("</title>").count()), (1, 1));
        for bad in ["<img src=x", "href=\"javascript", "<!--"] {
            assert!(!page.body.contains(bad), "{bad} is in {}", page.body);
        }
        // Between elements, quotes are text.
        let (before, rest) = page.body.split_once("<div class=\"markdown\"").expect("the text is there");
        let after = rest.split_once("</div>").expect("it ends").1;
        assert!(![before, after].iter().any(|part| part.contains("onload=\"alert")), "{}", page.body);
        assert_eq!(structured(&page)["mainEntity"]["name"].as_str(), Some(text));
    }
}

#[tokio::test]
async fn courses_come_in_pages_and_the_membership_goes_with_them() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    edit(&world, &seller, json!({"name": "Ada"})).await;
    let club = format!("/sellers/{}/membership", seller.id);
    let offer = json!({"title": "Club", "monthly": {"amount": 1000}, "yearly": {"amount": 10000}, "currency": "usd"});
    assert_eq!(world.post(club.as_str(), offer).bearer(&seller.token).await.status, 200);
    let page = world.get("/pages/sellers/ada").await;
    assert!(page.body.contains("There are no courses here at the moment.") && !page.body.contains("membership-offer"), "{}", page.body);
    for number in 0..30 {
        add(&world, &seller, &format!("Course {number}")).await;
    }
    let first = world.get("/pages/sellers/ada").await;
    assert!(
        first.body.contains("<h2 id=\"membership-title\" dir=\"auto\">Club</h2>")
            && first.body.contains("USD 10.00 a month, or USD 100.00 a year")
    );
    assert_eq!(first.body.matches("<li class=\"card\">").count(), 24);
    let next = first.body.split_once("href=\"/sellers/ada?cursor=").expect("there are more").1.split_once('"').expect("it ends").0;
    let second = world.get(format!("/pages/sellers/ada?cursor={next}")).await;
    assert_eq!(second.body.matches("<li class=\"card\">").count(), 6);
    assert!(!second.body.contains("More courses") && second.body.contains(&format!("rel=\"canonical\" href=\"{SHOP}/sellers/ada\"")));
    world.get("/pages/sellers/ada?cursor=x").await.is_problem(
        400,
        "bad_cursor",
        "cursor must be the next_cursor of an earlier response of the same list",
    );

    world.delete(club.as_str()).bearer(&seller.token).await.is_empty(204);
    assert!(!world.get("/pages/sellers/ada").await.body.contains("membership-offer"));
}

#[tokio::test]
async fn a_former_handle_redirects_to_the_present_one_and_others_are_not_found() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    for name in ["ada", "none", "-", "usr_1", "a%2Fb", "%00", &"x".repeat(3000), &seller.id] {
        is_not_found(&world.get(format!("/pages/sellers/{name}")).await);
    }
    edit(&world, &seller, json!({"name": "Ada"})).await;
    for handle in ["second", "third"] {
        edit(&world, &seller, json!({"handle": handle})).await;
    }
    for old in ["ada", "second"] {
        let moved = world.get(format!("/pages/sellers/{old}")).await;
        assert_eq!((moved.status, moved.body.as_str()), (301, ""));
        assert_eq!(moved.header("location"), Some(format!("{SHOP}/sellers/third").as_str()));
    }
    edit(&world, &seller, json!({"handle": "ada"})).await;
    assert_eq!(world.get("/pages/sellers/ada").await.status, 200);
    assert_eq!(world.get("/pages/sellers/third").await.header("location"), Some(format!("{SHOP}/sellers/ada").as_str()));

    let path = format!("/admin/users/{}", seller.id);
    let staff = world.staff("staff@example.com").await;
    let suspend = json!({"suspended": {"reason": "Sells what is not theirs"}});
    assert_eq!(world.patch(path, suspend).bearer(&staff.token).await.status, 200);
    for handle in ["ada", "second", "third"] {
        is_not_found(&world.get(format!("/pages/sellers/{handle}")).await);
    }
}
