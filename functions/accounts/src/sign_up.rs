//! `POST /users`

use serde::Deserialize;
use shared::app::App;
use shared::base::password;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::user::{Email, TermsOfUse, User};
use shared::http::{Request, Response, identity, request};
use shared::store::Written;
use shared::store::throttle::{Try, window_ends_in};
use shared::store::token::Token;
use shared::store::users::{SignUps, TOO_MANY};

use crate::{mails, signed_in};

#[derive(Deserialize)]
struct Body {
    email: String,
    password: String,
    terms_version: Option<String>,
}

/// Creates a buyer's account and starts a session. Where the operator has terms of use, the request names the version that it accepts. One trip to DynamoDB: account, unique
/// address, session and the count of sign-ups from the client's address are one transaction.
pub(crate) async fn sign_up(app: &App, request: &Request) -> Result<Response, Error> {
    identity::check_origin(request, &app.config)?;
    let body: Body = request::json(request)?;
    let invalid = |fault: &str| Error::InvalidRequest(fault.to_owned());
    let email = Email::parse_new(&body.email).map_err(invalid)?;
    password::check(&body.password, &[&body.email, app.config.storefront_host()])?;

    let now = app.clock.now();
    let accept = |terms: &TermsOfUse| terms.accept(body.terms_version.as_deref(), now);
    let accepted = app.config.terms_of_use.as_ref().map(accept).transpose()?;

    let hash = password::hash(body.password, &app.entropy).await;
    let mut user = User::new(UserId::generate(&app.entropy), &email, &hash, now);
    user.accepted_terms.extend(accepted);
    let token = Token::generate(&user.id, &app.entropy);
    let address = mails::client(app, request);
    let from = SignUps { address: &address, most: mails::PER_CLIENT * app.config.address_limits };
    match app.store.add_user(&user, &email, &hash, Some(&token), Some(&from)).await? {
        Written::Yes => Ok(signed_in::answer(app, 201, &user, &token)),
        Written::No(TOO_MANY) => Err(Error::TooManySignUps { retry_after: window_ends_in(user.created_at) }),
        // Probing for taken addresses counts like signing up.
        Written::No(_) => match app.store.begin_try(from.address, from.most, user.created_at).await? {
            Try::Counted => Err(Error::EmailTaken),
            Try::Busy | Try::Exhausted => Err(Error::TooManySignUps { retry_after: window_ends_in(user.created_at) }),
        },
    }
}
