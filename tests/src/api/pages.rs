//! `GET /pages/courses/{slug}`, `GET /pages/sitemap.xml` and `GET /pages/robots.txt`

use serde_json::{Value, json};
use time::Duration;

use super::catalogue::{copies, written};
use crate::harness::{Answer, Person, World};

const SHOP: &str = "http://localhost:3000";
const FOR_EVERYBODY: &str = "public, max-age=0, s-maxage=60, stale-while-revalidate=60";

async fn add(world: &World, seller: &Person, title: &str, description: &str) -> Value {
    let body = json!({"title": title, "description": description, "price": {"amount": 4950, "currency": "eur"}});
    let answer = world.post("/courses", body).bearer(&seller.token).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

/// What is between two texts.
fn between<'a>(body: &'a str, begin: &str, end: &str) -> &'a str {
    let rest = body.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {body}")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} after {begin}")).0
}

/// What search engines read in a page.
fn structured(page: &Answer) -> Value {
    serde_json::from_str(between(&page.body, r#"<script type="application/ld+json">"#, "</script>")).expect("it is JSON")
}

fn is_not_found(page: &Answer) {
    assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.body.contains("<title>Not found – Lectern</title>") && page.body.contains("We couldn’t find this course."));
    assert!(page.body.contains(r#"<meta name="robots" content="noindex">"#) && !page.body.contains("canonical"), "{}", page.body);
}

#[tokio::test]
async fn a_courses_page_has_a_head_and_says_what_everybody_sees() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let course = add(&world, &seller, "Flask Microservices", "Build\n services. ").await;
    world.proxy.clear();
    let page = world.get("/pages/courses/flask-microservices").await;
    assert_eq!(world.operations(), ["GetItem", "BatchGetItem"]);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some(FOR_EVERYBODY));

    let body = &page.body;
    let address = format!("{SHOP}/courses/flask-microservices");
    for part in [
        "<html lang=\"en\">",
        "<title>Flask Microservices – Lectern</title>",
        "<meta name=\"description\" content=\"Build services.\">",
        &format!("<link rel=\"canonical\" href=\"{address}\">"),
        &format!("<meta property=\"og:url\" content=\"{address}\">"),
        "<meta property=\"og:title\" content=\"Flask Microservices\">",
        &format!("<meta property=\"og:image\" content=\"{SHOP}/card.png\">"),
        "<meta name=\"twitter:card\" content=\"summary_large_image\">",
        "<h1 dir=\"auto\">Flask Microservices</h1>",
        "Build\n services. </div>",
        "EUR 49.50",
        "<script type=\"module\" src=\"/js/pages/course.js\"></script>",
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
    assert!(!body.contains("noindex") && !body.contains("<!--"), "{body}");
    assert_eq!(body.matches("<title>").count(), 1);
    assert_eq!(
        structured(&page),
        json!({
            "@context": "https://schema.org", "@type": "Course", "name": "Flask Microservices", "description": "Build services.", "url": address,
            "datePublished": course["created_at"], "dateModified": course["updated_at"],
            "provider": {"@type": "Organization", "name": "Lectern", "url": SHOP},
            "offers": [{
                "@type": "Offer", "category": "Paid", "url": address, "price": "49.50", "priceCurrency": "EUR",
                "availability": "https://schema.org/InStock",
            }],
        })
    );
}

#[tokio::test]
async fn the_page_is_the_same_with_a_session() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    add(&world, &seller, "Flask", "").await;
    let page = world.get("/pages/courses/flask").await;
    world.proxy.clear();
    for own in
        [world.get("/pages/courses/flask").cookie(&seller.token).await, world.get("/pages/courses/flask").bearer(&seller.token).await]
    {
        assert_eq!((own.status, &own.body, own.header("cache-control")), (200, &page.body, Some(FOR_EVERYBODY)));
        assert_eq!(own.header("set-cookie"), None);
    }
    assert_eq!(world.operations(), ["GetItem", "BatchGetItem", "GetItem", "BatchGetItem"], "no session was read");
    assert!(page.body.contains("A course on Lectern.") && page.body.contains("There’s no description yet."));
}

#[tokio::test]
async fn what_sellers_write_is_text_wherever_it_stands() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let texts = [
        "</title><script>alert(1)</script>",
        "\" onload=\"alert(1)\" x='",
        "</script><script>alert(2)</script><!--",
        "דוגמה עברית & عربي <b>x</b> 🦀 \u{1f469}\u{200d}\u{1f4bb}",
    ];
    for text in texts {
        let course = add(&world, &seller, text, text).await;
        let page = world.get(format!("/pages/courses/{}", course["slug"].as_str().expect("it has one"))).await;
        assert_eq!(page.status, 200, "{}", page.body);
        // The page's early script, its own module, and the structured data.
        assert_eq!(page.body.matches("<script").count(), 3, "{}", page.body);
        assert_eq!(page.body.matches("</script>").count(), 3, "{}", page.body);
        assert_eq!((page.body.matches("<title>").count(), page.body.matches("</title>").count()), (1, 1));
        assert!(!page.body.contains("onload=\"alert") && !page.body.contains("<b>") && !page.body.contains("<!--"), "{}", page.body);
        let data = structured(&page);
        assert_eq!((data["name"].as_str(), data["description"].as_str()), (Some(text), Some(text)));
        let title = between(&page.body, "<title>", " – Lectern</title>");
        let unescaped = title.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        assert_eq!(unescaped, text);
    }
}

#[tokio::test]
async fn a_long_description_is_cut_at_a_word_for_the_head() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let words = "größe ".repeat(100);
    add(&world, &seller, "Long", &words).await;
    let page = world.get("/pages/courses/long").await;
    let summary = between(&page.body, "<meta name=\"description\" content=\"", "\">");
    assert!(summary.ends_with("größe…") && (140..=161).contains(&summary.chars().count()), "{summary}");
    assert!(page.body.contains(&words), "the page itself has all of it");
}

#[tokio::test]
async fn courses_that_are_not_offered_are_not_found() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let staff = world.staff("staff@example.com").await;
    let (hidden, down) = (add(&world, &seller, "Hidden", "").await, add(&world, &seller, "Down", "").await);
    world.patch("/courses/hidden", json!({"published": false})).bearer(&seller.token).await;
    let body = json!({"taken_down": {"reason": "A copy."}});
    assert_eq!(world.patch("/courses/down", body).bearer(&staff.token).await.status, 200);
    add(&world, &seller, "Deleted", "").await;
    world.delete("/courses/deleted").bearer(&seller.token).await.is_empty(204);
    let ids = [&hidden, &down].map(|course| course["id"].as_str().expect("it has one").to_owned());
    for name in ["hidden", "down", "deleted", "nothing", "-", "charge", "a%2Fb", "%F0%9F%A6%80", "%00", &"x".repeat(3000), &ids[0], &ids[1]]
    {
        is_not_found(&world.get(format!("/pages/courses/{name}")).await);
        is_not_found(&world.get(format!("/pages/courses/{name}")).bearer(&seller.token).await);
    }
}

#[tokio::test]
async fn a_former_slug_redirects_for_good_and_never_to_another_seller() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    add(&world, &seller, "First", "").await;
    let rename = |from: &str, to: &str| world.patch(format!("/courses/{from}"), json!({"slug": to})).bearer(&seller.token);
    assert_eq!(rename("first", "second").await.status, 200);
    assert_eq!(rename("second", "third").await.status, 200);
    let leads = async |from: &str, to: &str| {
        let moved = world.get(format!("/pages/courses/{from}")).await;
        assert_eq!((moved.status, moved.body.as_str()), (301, ""));
        assert_eq!(moved.header("location"), Some(format!("{SHOP}/courses/{to}").as_str()));
    };
    leads("first", "second").await;
    leads("second", "third").await;
    assert_eq!(world.get("/pages/courses/third").await.status, 200);

    // Back and forth there is no circle.
    assert_eq!(rename("third", "first").await.status, 200);
    assert_eq!(world.get("/pages/courses/first").await.status, 200);
    leads("second", "third").await;
    leads("third", "first").await;

    world.delete("/courses/first").bearer(&seller.token).await.is_empty(204);
    is_not_found(&world.get("/pages/courses/first").await);
}

/// Where the addresses in a sitemap lead.
fn locations(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/xml; charset=utf-8")), "{}", answer.body);
    assert!(answer.body.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><"), "{}", answer.body);
    answer.body.split("<loc>").skip(1).map(|rest| rest.split_once("</loc>").expect("it ends").0.to_owned()).collect()
}

#[tokio::test]
async fn sitemaps_list_what_is_offered_by_the_month_in_which_it_was_created() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    let of = |month: &str| world.get(format!("/pages/sitemap.xml?month={month}"));
    let june = format!("{SHOP}/sitemap.xml?month=2033-06");
    assert_eq!(locations(&world.get("/pages/sitemap.xml").await), std::slice::from_ref(&june), "with an empty catalogue");
    assert_eq!(locations(&of("2033-06").await), [format!("{SHOP}/")]);

    for title in ["Old", "Older"] {
        add(&world, &seller, title, "").await;
    }
    world.pass(Duration::days(40)).await;
    let seller = Person { token: world.log_in(&seller).await, ..seller };
    let new = add(&world, &seller, "New", "").await;
    add(&world, &seller, "Hidden", "").await;
    world.patch("/courses/hidden", json!({"published": false})).bearer(&seller.token).await;

    world.proxy.clear();
    assert_eq!(locations(&world.get("/pages/sitemap.xml").await), [june, format!("{SHOP}/sitemap.xml?month=2033-07")]);
    assert_eq!(world.operations(), ["Query"]);

    let sitemap = of("2033-07").await;
    assert_eq!(world.operations(), ["Query", "BatchGetItem"]);
    assert_eq!(sitemap.header("cache-control"), Some(FOR_EVERYBODY));
    assert_eq!(locations(&sitemap), ["", "courses/new"].map(|path| format!("{SHOP}/{path}")));
    assert!(sitemap.body.contains(&format!("<lastmod>{}</lastmod>", new["updated_at"].as_str().expect("a time"))), "{}", sitemap.body);
    assert_eq!(locations(&of("2033-06").await), ["", "courses/older", "courses/old"].map(|path| format!("{SHOP}/{path}")));

    // The page of a seller is where their courses are.
    assert_eq!(world.patch("/users/me/page", json!({"name": "Ada"})).bearer(&seller.token).await.status, 200);
    assert_eq!(locations(&of("2033-07").await), ["", "courses/new", "sellers/ada"].map(|path| format!("{SHOP}/{path}")));
    let staff = world.staff("staff@example.com").await;
    let path = format!("/admin/users/{}", seller.id);
    assert_eq!(world.patch(path, json!({"is_seller": false})).bearer(&staff.token).await.status, 200);
    assert_eq!(locations(&of("2033-07").await), ["", "courses/new"].map(|path| format!("{SHOP}/{path}")), "it is hidden");
    for empty in ["2033-05", "2033-08"] {
        assert_eq!(locations(&of(empty).await), [format!("{SHOP}/")], "{empty}");
    }
    for wrong in ["", "2026", "2026-13", "2026-00", "x"] {
        let fault = "month must be a year and a month, for example 2026-11";
        of(wrong).undescribed().await.is_problem(422, "invalid_request", fault);
    }
}

#[tokio::test]
async fn a_sitemap_reads_a_hundred_courses_a_trip_and_has_at_most_a_thousand() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    world.proxy.clear();
    add(&world, &seller, "Copy", "").await;
    let course = written(&world);
    world.import(copies(&course, 0..250));
    world.proxy.clear();
    assert_eq!(locations(&world.get("/pages/sitemap.xml?month=2033-06").await).len(), 1 + 251);
    assert_eq!(world.operations(), ["Query", "Query", "Query", "BatchGetItem"]);
    world.import(copies(&course, 250..1100));
    world.proxy.clear();
    assert_eq!(locations(&world.get("/pages/sitemap.xml?month=2033-06").await).len(), 1 + 1000);
    assert_eq!(world.operations(), [&["Query"; 10][..], &["BatchGetItem"]].concat());
}

#[tokio::test]
async fn a_courses_page_lists_its_lessons_and_leads_to_its_seller() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    add(&world, &seller, "Flask", "").await;
    assert!(!world.get("/pages/courses/flask").await.body.contains("In this course"));
    let lessons = json!([{"title": "Hello <b>", "minutes": 70, "preview": true}, {"title": "Routes"}]);
    let outline = json!({"version": 0, "sections": [{"title": "Basics", "lessons": lessons}, {"title": "Empty", "lessons": []}]});
    assert_eq!(world.put("/courses/flask/outline", outline).bearer(&seller.token).await.status, 200);
    let named = world.patch("/users/me/page", json!({"name": "Ada & Co", "handle": "ada"})).bearer(&seller.token).await;
    assert_eq!(named.status, 200, "{}", named.body);
    let page = world.get("/pages/courses/flask").await;
    for part in [
        "<h2 id=\"outline-title\">In this course</h2><p class=\"muted\">2 lessons, over 1 h 10 min</p><h3 dir=\"auto\">Basics</h3>",
        "<span class=\"lesson-title\" dir=\"auto\">Hello &lt;b&gt;</span><span class=\"muted small lesson-time\">1 h 10 min</span>\
         <span class=\"button button-small\" aria-disabled=\"true\">Preview</span>",
        "<li><span class=\"lesson-title\" dir=\"auto\">Routes</span></li>",
        "By <a href=\"/sellers/ada\"><bdi>Ada &amp; Co</bdi></a>",
    ] {
        assert!(page.body.contains(part), "{part} is not in {}", page.body);
    }
    assert!(!page.body.contains("Empty"), "a section without lessons");
    assert_eq!(structured(&page)["author"], json!({"@type": "Person", "name": "Ada & Co", "url": format!("{SHOP}/sellers/ada")}));

    let outline = json!({"version": 1, "sections": []});
    assert_eq!(world.put("/courses/flask/outline", outline).bearer(&seller.token).await.status, 200);
    assert!(!world.get("/pages/courses/flask").await.body.contains("In this course"));
}

#[tokio::test]
async fn head_is_answered_as_get_without_a_body() {
    let world = World::start().await;
    let seller = world.seller("seller@example.com").await;
    add(&world, &seller, "First", "").await;
    assert_eq!(world.patch("/courses/first", json!({"slug": "second"})).bearer(&seller.token).await.status, 200);
    assert_eq!(world.patch("/users/me/page", json!({"name": "Ada"})).bearer(&seller.token).await.status, 200);
    let paths = [
        "courses/second",
        "courses/first",
        "courses/none",
        "sellers/ada",
        "sellers/none",
        "sitemap.xml",
        "sitemap.xml?month=2033-06",
        "robots.txt",
    ];
    for path in paths {
        let get = world.get(format!("/pages/{path}")).await;
        let head = world.call("HEAD", format!("/pages/{path}")).await;
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        for name in ["content-type", "cache-control", "location", "strict-transport-security"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
    let wrong = world.call("HEAD", "/pages/sitemap.xml?month=x").undescribed().await;
    assert_eq!((wrong.status, wrong.body.as_str()), (422, ""));
    assert_eq!(world.call("POST", "/pages/courses/second").to("pages").undescribed().await.status, 405);
}

#[tokio::test]
async fn robots_learn_where_the_sitemap_is() {
    let world = World::start().await;
    world.proxy.clear();
    let robots = world.get("/pages/robots.txt").await;
    assert_eq!((robots.status, robots.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(robots.body, format!("User-agent: *\nAllow: /api/courses\nDisallow: /api/\n\nSitemap: {SHOP}/sitemap.xml\n"));
    assert_eq!(world.operations(), Vec::<String>::new());
}
