//! Which handler serves which function.

use lambda_http::{Body, Request, Response};

use super::World;

/// Has a function answer a request, as its `main.rs` would.
pub(super) async fn dispatch(world: &World, function: &str, request: Request) -> Response<Body> {
    match function {
        "accounts" => accounts::handle(&world.app, request).await,
        "authorize" => authorize::handle(&world.payments.authorize, request).await,
        "charge" => charge::handle(&world.payments.charge, request).await,
        "courses" => courses::handle(&world.app, request).await,
        "oauth-callback" => oauth_callback::handle(&world.payments.oauth, request).await,
        "onboarding" => onboarding::handle(&world.payments.onboarding, request).await,
        "payment-methods" => payment_methods::handle(&world.payments.payment_methods, request).await,
        "purchases" => purchases::handle(&world.app, request).await,
        "refunds" => refunds::handle(&world.payments.refunds, request).await,
        "webhook" => webhook::handle(&world.payments.webhook, request).await,
        other => panic!("the tests do not know the function {other}"),
    }
}
