//! The tests' users.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::app::App;
use shared::domain::ids::UserId;
use shared::domain::user::{Email, User};
use shared::store::Written;
use shared::store::token::Token;

use super::World;

/// The password of every user.
pub(crate) const PASSWORD: &str = "correct horse";

/// A hash of [`PASSWORD`] with the least parameters: with those of a release, log-ins would take a tenth of all tests' time.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdCBvZiB0ZXN0cyAwMA$bkwt9KnweAYiSLT7JcxefOLmtd+enXzQkbafQcOS5ao";

/// A user with an open session.
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
    /// Signs up a buyer with a confirmed address.
    pub(crate) async fn buyer(&self, email: &str) -> Person {
        let person = self.stranger(email).await;
        self.confirm(&person).await;
        person
    }

    /// Confirms a user's address directly in the table.
    pub(crate) async fn confirm(&self, person: &Person) {
        let update = self.database().update_item().table_name(&self.app.config.table_name);
        let update = update.key("pk", AttributeValue::S(format!("USER#{}", person.id))).key("sk", AttributeValue::S("PROFILE".to_owned()));
        let update =
            update.update_expression("SET email_confirmed = :true").expression_attribute_values(":true", AttributeValue::Bool(true));
        update.send().await.expect("the table can be written");
    }

    /// Signs up a user whose address is not confirmed. It writes what `POST /users` writes, with a hash that is checked faster.
    pub(crate) async fn stranger(&self, email: &str) -> Person {
        let (App { store, entropy, clock, .. }, parsed) = (&self.app, Email::parse_new(email).expect("an address"));
        let user = User::new(UserId::generate(entropy), &parsed, HASH, clock.now());
        let token = Token::generate(&user.id, entropy);
        let added = store.add_user(&user, &parsed, HASH, Some(&token), None).await.expect("the table can be written");
        assert_eq!(added, Written::Yes, "{email} is taken");
        Person { id: user.id.to_string(), email: email.to_owned(), token: token.reveal() }
    }

    /// Signs up a user and makes them a seller.
    pub(crate) async fn seller(&self, email: &str) -> Person {
        let person = self.buyer(email).await;
        self.roles(&person, Some(true), None).await;
        person
    }

    /// Signs up a user and makes them a staff member.
    pub(crate) async fn staff(&self, email: &str) -> Person {
        let person = self.buyer(email).await;
        self.roles(&person, None, Some(true)).await;
        person
    }

    /// Grants or revokes roles directly in the table: nobody is told, and the audit log is empty.
    pub(crate) async fn roles(&self, person: &Person, is_seller: Option<bool>, is_staff: Option<bool>) {
        for (name, value) in [("is_seller", is_seller), ("is_staff", is_staff)] {
            let Some(value) = value else { continue };
            let update = self.database().update_item().table_name(&self.app.config.table_name);
            let update =
                update.key("pk", AttributeValue::S(format!("USER#{}", person.id))).key("sk", AttributeValue::S("PROFILE".to_owned()));
            let update = update.update_expression("SET #name = :value").condition_expression("attribute_exists(pk)");
            let update =
                update.expression_attribute_names("#name", name).expression_attribute_values(":value", AttributeValue::Bool(value));
            update.send().await.expect("the user is there");
        }
    }

    /// Enters their password again, as changes to where their money goes need it.
    pub(crate) async fn enter_password(&self, person: &Person) {
        self.put("/sessions/current", json!({"current_password": PASSWORD})).bearer(&person.token).await.is_empty(204);
    }

    /// Starts another session for them.
    pub(crate) async fn log_in(&self, person: &Person) -> String {
        let answer = self.post("/sessions", json!({"email": person.email, "password": PASSWORD})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.text("token")
    }
}
