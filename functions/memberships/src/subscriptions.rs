//! `/subscriptions`

use shared::domain::error::Error;
use shared::domain::ids::SubscriptionId;
use shared::domain::membership::Subscription;
use shared::domain::user::User;
use shared::http::view::SubscriptionView;
use shared::http::{Request, Response, identity, request, response};
use shared::work::Services;

/// `GET /subscriptions`: the signed-in user's subscriptions and attempts to
/// subscribe, newest first. One trip to DynamoDB: user and page are read in parallel.
pub(crate) async fn list(services: &Services, request: &Request) -> Result<Response, Error> {
    let app = &services.app;
    let session = identity::required(request, &app.config)?;
    let page = request::page(request)?;

    let (user, subscriptions) = tokio::join!(identity::user(request, app), app.store.subscriptions_of(session.token.user_id(), &page));
    user?;
    Ok(response::json(200, &response::list(subscriptions?, |subscription| SubscriptionView::from(&subscription))))
}

/// `GET /subscriptions/{id}`: one of the signed-in user's subscriptions. One trip to DynamoDB.
pub(crate) async fn show(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let (_, subscription) = own(services, request, id).await?;
    Ok(response::json(200, &SubscriptionView::from(&subscription)))
}

/// The signed-in user and the subscription, if it is theirs.
pub(crate) async fn own(services: &Services, request: &Request, id: &str) -> Result<(User, Subscription), Error> {
    let app = &services.app;
    let session = identity::required(request, &app.config)?;
    let unknown = || Error::NotFound("subscription");
    // The id contains its buyer, and the token its user.
    let id: Option<SubscriptionId> = id.parse().ok().filter(|id: &SubscriptionId| id.buyer() == *session.token.user_id());
    let Some(id) = id else {
        identity::user(request, app).await?;
        return Err(unknown());
    };
    let (user, subscription) = tokio::join!(identity::user(request, app), app.store.subscription(&id));
    let user = user?;
    let subscription = subscription?.filter(|subscription| subscription.buyer_id == user.id).ok_or_else(unknown)?;
    Ok((user, subscription))
}
