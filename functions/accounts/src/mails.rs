//! Limits mails that a signed-in user has sent to an address, which may be a stranger's, within a quarter of an hour.

use shared::app::App;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::user::Email;
use shared::http::{Request, identity};
use shared::store::throttle::{Try, window_ends_in};

/// How many a user may request, and how many one recipient gets from all users together.
const PER_USER: i64 = 5;
const PER_RECIPIENT: i64 = 5;

/// How many mails and sign-ups, including those with a taken address, one client address gets. An office or class shares one.
pub(crate) const PER_CLIENT: i64 = 60;

/// The counter for sign-ups and mails from the request's address.
pub(crate) fn client(app: &App, request: &Request) -> String {
    format!("sign-ups {}", identity::address(request, &app.config))
}

/// Counts a mail, in one trip to DynamoDB. False if its recipient has had too many: the requester must not see that,
/// because it reveals what others requested.
///
/// # Errors
/// [`Error::TooManyMails`], and if DynamoDB fails.
pub(crate) async fn count(app: &App, request: &Request, user: &UserId, to: &Email) -> Result<bool, Error> {
    let now = app.clock.now();
    let (user, client, to) = (format!("mails of {user}"), client(app, request), format!("mails to {}", to.key()));
    let (user, client, to) = tokio::join!(
        app.store.begin_try(&user, PER_USER, now),
        app.store.begin_try(&client, PER_CLIENT * app.config.address_limits, now),
        app.store.begin_try(&to, PER_RECIPIENT, now)
    );
    if (user?, client?) != (Try::Counted, Try::Counted) {
        return Err(Error::TooManyMails { retry_after: window_ends_in(now) });
    }
    Ok(to? == Try::Counted)
}
