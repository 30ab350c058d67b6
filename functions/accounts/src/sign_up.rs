//! `POST /users`

use serde::Deserialize;
use shared::app::App;
use shared::error::Error;
use shared::http::{Request, Response, identity, request};
use shared::ids::UserId;
use shared::password;
use shared::store::Written;
use shared::store::sessions::Token;
use shared::user::{Email, User};

use crate::signed_in;

#[derive(Deserialize)]
struct Body {
    email: String,
    password: String,
}

/// Makes an account, a buyer's, and signs it in. One trip to DynamoDB: account, unique address and session are one
/// transaction.
pub(crate) async fn sign_up(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Body = request::json(request)?;
    let invalid = |fault: &str| Error::InvalidRequest(fault.to_owned());
    let email = Email::parse(&body.email).map_err(invalid)?;
    password::check(&body.password).map_err(invalid)?;

    let user = User {
        id: UserId::generate(&app.entropy),
        email: email.written().to_owned(),
        email_confirmed: false,
        password_hash: password::hash(body.password, &app.entropy).await,
        is_seller: false,
        is_staff: false,
        created_at: app.clock.now(),
        stripe: None,
        terms: None,
        customers: Default::default(),
        customers_asked: Default::default(),
        card_changes: 0,
    };
    let token = Token::generate(&user.id, &app.entropy);
    match app.store.add_user(&user, &email, Some(&token)).await? {
        Written::Yes => Ok(signed_in::answer(app, 201, &user, &token)),
        Written::No(_) => Err(Error::EmailTaken),
    }
}
