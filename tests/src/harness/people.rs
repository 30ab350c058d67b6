//! The users of the tests.

use serde_json::json;

use super::World;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse";

/// Somebody with an account and an open session.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// Their id.
    pub(crate) id: String,
    /// Their e-mail address.
    pub(crate) email: String,
    /// The token of their session.
    pub(crate) token: String,
}

impl World {
    /// Signs somebody up: a buyer.
    pub(crate) async fn buyer(&self, email: &str) -> Person {
        let answer = self.post("/users", json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let body = answer.json();
        let text = |pointer: &str| body.pointer(pointer).and_then(|value| value.as_str()).expect("it is there").to_owned();
        Person { id: text("/user/id"), email: email.to_owned(), token: text("/token") }
    }

    /// Signs somebody up and makes them a seller.
    pub(crate) async fn seller(&self, email: &str) -> Person {
        let person = self.buyer(email).await;
        self.roles(&person, Some(true), None).await;
        person
    }

    /// Signs somebody up and makes them a member of staff.
    pub(crate) async fn staff(&self, email: &str) -> Person {
        let person = self.buyer(email).await;
        operator::staff::appoint(&self.app, email).await.expect("they signed up");
        person
    }

    /// Gives or takes roles, past the API.
    pub(crate) async fn roles(&self, person: &Person, is_seller: Option<bool>, is_staff: Option<bool>) {
        let id = person.id.parse().expect("it is an id");
        self.app.store.set_roles(&id, is_seller, is_staff).await.expect("the table is there").expect("the user is there");
    }

    /// Begins another session of theirs.
    pub(crate) async fn log_in(&self, person: &Person) -> String {
        let answer = self.post("/sessions", json!({"email": person.email, "password": PASSWORD})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.text("token")
    }
}
