//! `/users/me/terms-of-use`: users accept the operator's terms of use.

use serde::Deserialize;
use shared::app::App;
use shared::domain::error::Error;
use shared::http::view::UserView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;

/// How many times to look again when a concurrent write wins.
const TRIES: u32 = 3;

#[derive(Deserialize)]
struct Body {
    version: String,
}

/// `PUT`: accepts the terms that hold now, which the request names. Accepting them again changes nothing. Two trips to DynamoDB; both are
/// repeated for each concurrent request that wins.
pub(crate) async fn accept(app: &App, request: &Request) -> Result<Response, Error> {
    for _ in 0..TRIES {
        let mut user = identity::user(request, app).await?;
        let body: Body = request::json(request)?;
        let terms = app.config.terms_of_use.as_ref().ok_or(Error::NotFound("terms of use"))?;
        let accepted = terms.accept(Some(&body.version), app.clock.now())?;
        if terms.check(&user.accepted_terms).is_ok() || app.store.accept_terms(&mut user, accepted).await? == Written::Yes {
            return Ok(response::json(200, &UserView::own(&user)));
        }
    }
    Err(Error::Conflict)
}
