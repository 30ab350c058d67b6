//! What others do meanwhile: endpoints that were created by hand, and other writers of the secret.

use local::proxy::Gate;

use super::*;

const MOVE: &str = "UpdateSecretVersionStage";
const CONNECT: &str = "http://localhost:9000/webhooks/stripe/connect";

async fn make_connect_by_hand(world: &World) -> Value {
    let url = format!("{}/v1/webhook_endpoints", world.app.config.stripe_api_base);
    let body = format!("url={CONNECT}&connect=true&enabled_events[]=account.updated&api_version=2026-09-30.endive");
    let request = world.app.http.post(url).bearer_auth("sk_test_local").header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await.expect("the stand-in runs").text().await.expect("it is text");
    serde_json::from_str(&answer).expect("it is JSON")
}

async fn delete(world: &World, endpoint: &Value) {
    let url = format!("{}/v1/webhook_endpoints/{}", world.app.config.stripe_api_base, endpoint["id"].as_str().expect("an id"));
    world.app.http.delete(url).bearer_auth("sk_test_local").send().await.expect("it runs").error_for_status().expect("it is deleted");
}

fn push(value: &mut Value, list: &str, text: &Value) {
    value[list].as_array_mut().expect("a list").push(text.clone());
}

#[tokio::test]
async fn our_own_secrets_in_the_list_say_nothing_of_an_endpoint_that_was_created_by_hand() {
    let (world, secret) = World::with_secret(&empty()).await;
    set_up(&world, &secret).await;
    let [_, ours] = registered(&world).await.try_into().expect("there are two");
    delete(&world, &ours).await;
    let own = make_connect_by_hand(&world).await;
    // The list has the secrets of the deleted endpoint and of the destination of thin events.
    assert_eq!(sorted(&secret.value().await["connect_webhook_secrets"]).len(), 2);
    let refused = try_set_up(&world, &secret, None).await.expect_err("its events cannot be verified");
    let id = own["id"].as_str().expect("an id");
    let told = format!(
        "{id} exists at {CONNECT}, but its signing secret is not in connect_webhook_secrets: add it there, or delete {id} at Stripe"
    );
    assert_eq!(refused, told);

    // Its own is there, but not that of another.
    let other = make_connect_by_hand(&world).await;
    let mut value = secret.value().await;
    push(&mut value, "connect_webhook_secrets", &own["secret"]);
    secret.put(&value).await;
    let refused = try_set_up(&world, &secret, None).await.expect_err("whose it is, nobody knows");
    assert!(refused.starts_with(&format!("2 endpoints at {CONNECT} were created by hand")), "{refused}");
    push(&mut value, "connect_webhook_secrets", &other["secret"]);
    secret.put(&value).await;
    let lines = set_up(&world, &secret).await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(registered(&world).await.len(), 3, "none is created next to them");
}

#[tokio::test]
async fn what_an_earlier_version_stored_is_taken_for_its_own_endpoints() {
    let (world, secret) = World::with_secret(&empty()).await;
    set_up(&world, &secret).await;
    let mut value = secret.value().await;
    value.as_object_mut().expect("an object").remove("webhook_endpoint_digests");
    secret.put(&value).await;
    assert!(set_up(&world, &secret).await.iter().all(|line| line.ends_with("is up to date")));

    let own = make_connect_by_hand(&world).await;
    let refused = try_set_up(&world, &secret, None).await.expect_err("its events cannot be verified");
    assert!(refused.contains("its signing secret is not in connect_webhook_secrets"), "{refused}");
    push(&mut value, "connect_webhook_secrets", &own["secret"]);
    secret.put(&value).await;
    assert_eq!(set_up(&world, &secret).await.len(), 3);
}

/// Somebody writes the secret after a run has read it and before the run writes: the value at the end.
async fn written_meanwhile(held: &str) -> (World, Secret, Value) {
    let (world, secret) = World::with_secret(&empty()).await;
    let gate = Gate::new();
    secret.proxy().inject(Fault::next(held, Kind::Hold(gate.clone())));
    let run = set_up(&world, &secret);
    let meanwhile = async {
        gate.reached().await;
        let mut value = secret.value().await;
        value["secret_key"] = json!("sk_test_newer");
        push(&mut value, "webhook_secrets", &json!("whsec_newer"));
        secret.put(&value).await;
        gate.open();
    };
    let (lines, ()) = tokio::join!(run, meanwhile);
    assert!(lines.len() == 3 && lines.iter().all(|line| line.starts_with("created ")), "{lines:?}");
    let value = secret.value().await;
    (world, secret, value)
}

#[tokio::test]
async fn what_somebody_else_writes_into_the_secret_meanwhile_is_kept() {
    for held in [WRITE, MOVE] {
        let (_world, _secret, value) = written_meanwhile(held).await;
        assert_eq!(value["secret_key"], "sk_test_newer", "{held}");
        let lists = ["webhook_secrets", "connect_webhook_secrets", "webhook_endpoints"].map(|list| sorted(&value[list]).len());
        assert_eq!(lists, [2, 2, 3], "{held}: {lists:?}");
        assert!(sorted(&value["webhook_secrets"]).contains(&"whsec_newer"), "{held}");
    }
}

#[tokio::test]
async fn a_lost_answer_stores_no_secret_twice() {
    let (world, secret) = World::with_secret(&empty()).await;
    for operation in [WRITE, MOVE] {
        secret.proxy().inject(Fault::next(operation, Kind::LoseAnswer));
    }
    set_up(&world, &secret).await;
    let value = secret.value().await;
    let lists = ["webhook_secrets", "connect_webhook_secrets", "webhook_endpoints"].map(|list| sorted(&value[list]).len());
    assert_eq!(lists, [1, 2, 3]);
    assert!(set_up(&world, &secret).await.iter().all(|line| line.ends_with("is up to date")));
}
