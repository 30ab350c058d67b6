//! The handlers of the functions.

use lambda_http::{Body, Request, Response};

use super::World;

/// Has a function answer a request, as its `main.rs` would. Boxed, because the combined future of all functions is too big for a stack.
pub(super) async fn dispatch(world: &World, function: &str, request: Request) -> Response<Body> {
    if function != "webhook"
        && let Some(refusal) = shared::http::turned_away(&request, &world.app.config).await
    {
        return refusal;
    }
    match function {
        "accounts" => Box::pin(accounts::handle(&world.app, request)).await,
        "authorize" => Box::pin(authorize::handle(&world.app, request)).await,
        "charge" => Box::pin(charge::handle(&world.payments.charge, request)).await,
        "courses" => Box::pin(courses::handle(&world.app, request)).await,
        "memberships" => Box::pin(memberships::handle(&world.payments.memberships, request)).await,
        "oauth-callback" => Box::pin(oauth_callback::handle(&world.payments.oauth, request)).await,
        "onboarding" => Box::pin(onboarding::handle(&world.payments.onboarding, request)).await,
        "pages" => Box::pin(pages::handle(&world.app, request)).await,
        "payment-methods" => Box::pin(payment_methods::handle(&world.payments.payment_methods, request)).await,
        "purchases" => Box::pin(purchases::handle(&world.app, request)).await,
        "refunds" => Box::pin(refunds::handle(&world.payments.refunds, request)).await,
        "webhook" => Box::pin(webhook::handle(&world.payments.webhook, request)).await,
        other => panic!("the tests do not know the function {other}"),
    }
}
