//! E-mail addresses, and clients' IP addresses.

use serde_json::json;

use crate::harness::{PASSWORD, World};

#[tokio::test]
async fn only_a_single_mailbox_can_sign_up() {
    let world = World::start().await;
    let person = world.buyer("a@example.com").await;
    for email in ["a@b.com,c@d.com", "x<y@z.com>", "a\u{200b}@b.com", "a@b\u{202e}.com", "a@-b.com", "a@b_c.com", "a@127.0.0.1"] {
        let fault = "email must be an address such as name@example.com";
        world.post("/users", json!({"email": email, "password": PASSWORD})).await.is_problem(422, "invalid_request", fault);
        let change = json!({"email": email, "current_password": PASSWORD});
        world.patch("/users/me", change).bearer(&person.token).await.is_problem(422, "invalid_request", fault);
    }
}

#[tokio::test]
async fn an_address_in_another_script_is_one_account_however_it_is_written() {
    let world = World::start().await;
    let sign_up = |email: &str| world.post("/users", json!({"email": email, "password": PASSWORD}));
    let first = sign_up("leser@bücher.example").await;
    assert_eq!((first.status, &first.json()["user"]["email"]), (201, &json!("leser@xn--bcher-kva.example")));
    for email in ["leser@xn--bcher-kva.example", "Leser@BÜCHER.example"] {
        assert_eq!(sign_up(email).await.status, 409, "{email}");
        assert_eq!(world.post("/sessions", json!({"email": email, "password": PASSWORD})).await.status, 200, "{email}");
    }
}

#[tokio::test]
async fn sign_ups_and_probes_from_one_address_are_limited() {
    let world = World::with(&[("ADDRESS_LIMITS", "1")]).await;
    world.to_next_window();
    let sign_up = |number: u32, address: &'static str| {
        world.post("/users", json!({"email": format!("{number}@example.com"), "password": PASSWORD})).from(address)
    };
    for number in 0..30 {
        assert_eq!(sign_up(number, "198.51.100.7").await.status, 201);
        assert_eq!(sign_up(number, "198.51.100.7").await.status, 409);
    }
    for number in [30, 0] {
        let held_up = sign_up(number, "198.51.100.7").await;
        assert_eq!((held_up.status, held_up.text("code")), (429, "too_many_sign_ups".to_owned()), "{}", held_up.body);
        assert!(held_up.header("retry-after").is_some());
    }
    assert_eq!(sign_up(30, "198.51.100.8").await.status, 201);
    world.to_next_window();
    assert_eq!(sign_up(31, "198.51.100.7").await.status, 201);
}
