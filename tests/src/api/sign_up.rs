//! `POST /users`

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{PASSWORD, World, assert_shape};

#[tokio::test]
async fn a_new_user_is_a_buyer_and_signed_in() {
    let world = World::start().await;
    let answer = world.post("/users", json!({"email": " New@Example.com ", "password": PASSWORD})).await;
    answer.is(
        201,
        &json!({
            "user": {
                "id": "[user]",
                "email": "New@Example.com",
                "email_confirmed": false,
                "is_seller": false,
                "is_staff": false,
                "second_factor": false,
                "created_at": "[time]",
                "stripe": {
                    "connected": false,
                    "account_id": null,
                    "account_type": null,
                    "charges_enabled": false,
                    "scope": null,
                    "livemode": null,
                },
            },
            "token": "[token]",
        }),
    );
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(world.operations(), ["TransactWriteItems"], "account, address and session are one write");

    let token = answer.text("token");
    let cookie = format!("session={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1209600");
    assert_eq!(answer.header("set-cookie"), Some(cookie.as_str()));
    for call in [world.get("/users/me").bearer(&token), world.get("/users/me").cookie(&token)] {
        call.await.is(200, &answer.json()["user"]);
    }
}

#[tokio::test]
async fn a_deployed_cookie_travels_over_tls_only_and_no_other_site_can_set_it() {
    let world = World::with(&[("PUBLIC_API_URL", "https://api.example.com")]).await;
    let answer = world.post("/users", json!({"email": "new@example.com", "password": PASSWORD})).await;
    let cookie = answer.header("set-cookie").expect("a cookie is set");
    let (pair, attributes) = cookie.split_once("; ").expect("it has attributes");
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=1209600; Secure");
    assert!(pair.starts_with("__Host-session="), "{pair}");
    assert_eq!(world.get("/users/me").header("cookie", pair).await.status, 200);
    let bare = pair.replace("__Host-", "");
    assert_eq!(world.get("/users/me").header("cookie", bare).await.status, 401, "a cookie that another site may have set");
}

#[tokio::test]
async fn an_address_is_taken_once_whatever_its_case() {
    let world = World::start().await;
    world.buyer("somebody@example.com").await;
    let again = world.post("/users", json!({"email": "SomeBody@EXAMPLE.com", "password": "another password"})).await;
    again.is_problem(409, "email_taken", "an account with this e-mail already exists");
    assert_eq!(again.header("set-cookie"), None);
}

#[tokio::test]
async fn only_one_of_thirty_concurrent_sign_ups_with_one_address_wins() {
    let world = World::start().await;
    let calls = (0..30).map(|_| world.post("/users", json!({"email": "race@example.com", "password": PASSWORD})).into_future());
    let answers = join_all(calls).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1]), (201, 409));
    assert_eq!(statuses[29], 409);

    let winner = answers.iter().find(|answer| answer.status == 201).expect("one won");
    let log_in = world.post("/sessions", json!({"email": "race@example.com", "password": PASSWORD})).await;
    assert_shape(&log_in.json()["user"], &winner.json()["user"]);
    assert_eq!(world.stored().await.matches("PROFILE").count(), 1, "the losers left nothing");
}

const EASY: &str = "password is too easy to guess; use several words, or let a password manager make one";

#[tokio::test]
async fn invalid_sign_ups_are_refused_with_a_reason() {
    let world = World::start().await;
    let long = "x".repeat(257);
    for (body, detail) in [
        (json!({"password": PASSWORD}), "missing field `email` at line 1 column 28"),
        (json!({"email": "a@example.com"}), "missing field `password` at line 1 column 25"),
        (
            json!({"email": "a@example.com", "password": 12345678}),
            "password: invalid type: integer `12345678`, expected a string at line 1 column 44",
        ),
        (json!({"email": null, "password": PASSWORD}), "email: invalid type: null, expected a string at line 1 column 13"),
        (json!({"email": "example.com", "password": PASSWORD}), "email must be an address such as name@example.com"),
        (json!({"email": "a@example.com", "password": "7 chars"}), "password must have 8 to 256 characters"),
        (json!({"email": "a@example.com", "password": long}), "password must have 8 to 256 characters"),
        (json!([]), "invalid type: sequence, expected an object at line 1 column 0"),
        (json!(["a@example.com", PASSWORD]), "invalid type: sequence, expected an object at line 1 column 0"),
    ] {
        world.post("/users", body).await.is_problem(422, "invalid_request", detail);
    }
    for (email, password) in [("a@example.com", "Passw0rd!"), ("maria.gomez@example.com", "maria.gomez")] {
        world.post("/users", json!({"email": email, "password": password})).await.is_problem(422, "password_too_weak", EASY);
    }
    assert_eq!(world.operations(), Vec::<String>::new(), "DynamoDB was not asked");
}

#[tokio::test]
async fn bodies_that_are_not_json_are_refused_with_a_reason() {
    let world = World::start().await;
    let post = || world.call("POST", "/users");
    post().text("{\"email\":").await.is_problem(
        400,
        "malformed_json",
        "the body is not valid JSON: EOF while parsing a value at line 1 column 9",
    );
    post().await.is_problem(400, "malformed_json", "the body is not valid JSON: EOF while parsing a value at line 1 column 0");
    post().text("{\"email\":\"a@example.com\",\"password\":\"correct horse\"} {}").await.is_problem(
        400,
        "malformed_json",
        "the body is not valid JSON: trailing characters at line 1 column 54",
    );
    post().bytes(b"{\"email\":\"\xff\xfe@example.com\",\"password\":\"correct horse\"}").await.is_problem(
        400,
        "malformed_json",
        "the body is not valid JSON: it is not UTF-8",
    );
    post().header("content-type", "text/plain").await.is_problem(
        415,
        "unsupported_media_type",
        "the body must be sent as application/json",
    );
    let large = json!({"email": "a@example.com", "password": PASSWORD, "padding": "x".repeat(65_536)});
    for call in [post().json(&large), post().bytes(large.to_string().as_bytes())] {
        call.await.is_problem(413, "body_too_large", "the body must have at most 65536 bytes");
    }
    assert_eq!(world.operations(), Vec::<String>::new(), "DynamoDB was not asked");
}

#[tokio::test]
async fn a_body_may_come_in_base64_and_have_fields_that_we_do_not_know() {
    let world = World::start().await;
    let body = json!({"email": "a@example.com", "password": "pässwörd 🦀", "newsletter": true, "is_staff": true});
    let answer = world.call("POST", "/users").bytes(body.to_string().as_bytes()).undescribed().await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.json()["user"]["is_staff"], false, "nobody appoints themselves");
}

#[tokio::test]
async fn neither_password_nor_token_is_stored() {
    let world = World::start().await;
    let joined = world.post("/users", json!({"email": "a@example.com", "password": PASSWORD})).await;
    let (id, token) = (joined.json()["user"]["id"].as_str().expect("an id").to_owned(), joined.text("token"));
    let stored = world.stored().await;
    let secret = token.split_once('.').expect("it has two parts").1;
    assert!(stored.contains("a@example.com"), "{stored}");
    let hash = world.app.store.password_hash(&id.parse().expect("an id")).await.expect("the table is there").expect("a hash");
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    // The hash is not in the item that others read and that the index and the stream copy.
    for secret in [PASSWORD, secret, &hash, "argon2"] {
        assert!(!stored.contains(secret), "{secret} is in {stored}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_sign_nobody_up() {
    let world = World::start().await;
    let post = || world.post("/users", json!({"email": "a@example.com", "password": PASSWORD}));
    for call in [
        post().origin("https://evil.example"),
        post().origin("null"),
        post().origin("http://localhost:3001"),
        post().origin("http://localhost:3000.evil.example"),
        post().header("sec-fetch-site", "cross-site"),
    ] {
        call.await.is_problem(403, "foreign_origin", "requests from this origin are not allowed to change anything");
    }
    assert_eq!(post().origin("https://partner.example").await.status, 201);
}
