//! The local stack's messages to its user.

use std::time::Duration;

use super::functions;
use crate::settings::{Settings, Stripe};

/// Announces a step.
pub(super) fn say(step: &str) {
    println!("==> {step}");
}

/// Announces that everything is ready.
pub(super) fn dev_is_ready(settings: &Settings, took: Duration) {
    println!("\nReady in {} s.\n", took.as_secs());
    addresses(settings, true);
    println!("\n  Ctrl-C stops everything; `make dev-reset` starts over.\n");
}

/// Announces that the stand-ins are ready.
pub(super) fn stack_is_ready(settings: &Settings, took: Duration) {
    println!("\nReady in {} s.\n", took.as_secs());
    addresses(settings, false);
    let overrides = settings.overrides();
    let set = match overrides.is_empty() {
        true => String::new(),
        false => format!("CARGO_LAMBDA_WATCH='{}' ", functions::environment(&overrides).replace('\'', r"'\''")),
    };
    let port = match settings.ports().api {
        9000 => String::new(),
        port => format!(" --invoke-port {port}"),
    };
    println!("\n  Serve the API with:  {set}cargo lambda watch{port}");
    println!("\n  Ctrl-C stops everything; `make dev-reset` starts over.\n");
}

fn addresses(settings: &Settings, api: bool) {
    let ports = settings.ports();
    let line = |what: &str, port: u16, more: &str| println!("  {what:<18} http://localhost:{port}{more}");
    line("Storefront", ports.storefront, "");
    if api {
        line("API", ports.api, "");
    }
    if let Stripe::StandIn = settings.stripe() {
        line("Stripe stand-in", ports.stripe, "");
    }
    line("DynamoDB", ports.dynamodb, "");
    line("AWS stand-ins", ports.aws, "");
    line("Mailbox", ports.aws, "/mailbox");
    println!("\n  Log in as test@buyer.com, test@seller.com or test@admin.com, password justatest.");
    if let Stripe::TestMode(keys) = settings.stripe() {
        test_mode(settings, keys.webhook_secret.is_some());
    }
}

fn test_mode(settings: &Settings, has_secret: bool) {
    let api = format!("localhost:{}", settings.ports().api);
    println!("\n  Stripe is Stripe's test mode. To receive its webhooks, also run:");
    println!("    stripe listen --forward-to {api}/webhooks/stripe --forward-connect-to {api}/webhooks/stripe/connect");
    if !has_secret {
        println!("  It prints a secret (whsec_…): put it into .env as STRIPE_WEBHOOK_SECRET and start again.");
    }
    println!("  Register http://{api}/users/oauth/callback as a redirect URI in Stripe's Connect settings.");
}
