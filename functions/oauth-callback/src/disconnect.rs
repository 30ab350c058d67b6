//! `DELETE /users/me/stripe`: ends a link.

use shared::error::Error;
use shared::http::{Request, Response, identity, response};

use crate::OAuthCallback;

/// Gives up the access at Stripe, then forgets the link: two DynamoDB trips and one Stripe call. What was sold
/// stays. Where there is no link, there is nothing to do. Only sellers have one, and who is a seller no more may
/// still end it.
///
/// An account that the platform made has nobody else's access to be given up: it is unlinked here and stays at Stripe, so
/// that past sales can be refunded. Its seller gets the same account back by asking for one of its type again.
///
/// # Errors
/// Where Stripe fails, nothing is forgotten, and the request can be made again.
pub async fn disconnect(oauth: &OAuthCallback, request: &Request) -> Result<Response, Error> {
    let user = identity::user(request, &oauth.app).await?;
    if let Some(link) = &user.stripe {
        if !link.made_by_platform {
            oauth.stripe.deauthorize(&link.account_id).await?;
        }
        // The event that Stripe sends may have forgotten the link already.
        let _either_way = oauth.app.store.unlink(&user.id, &link.account_id).await?;
    }
    Ok(response::no_content())
}
