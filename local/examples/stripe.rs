//! The Stripe stand-in alone: `cargo run -p local --example stripe [PORT]`. Prints its address, and stops when its
//! standard input ends.
//!
//! It may be told of an API that it works with: `REDIRECT_URI` is the one address that its OAuth page sends browsers
//! back to, and `WEBHOOK_URL` and `CONNECT_WEBHOOK_URL` are where it sends the events of the platform's account and of
//! connected accounts, signed with `whsec_local` and `whsec_local_connect`. Without them it registers none.

use std::env;
use std::io::Read as _;

use local::stripe::{Options, WebhookEndpoint, start};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let webhook =
        |variable, secret: &str, connect| env::var(variable).ok().map(|url| WebhookEndpoint { url, secret: secret.to_owned(), connect });
    let stand_in = start(Options {
        port: env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0),
        redirect_uris: env::var("REDIRECT_URI").into_iter().collect(),
        webhooks: [webhook("WEBHOOK_URL", "whsec_local", false), webhook("CONNECT_WEBHOOK_URL", "whsec_local_connect", true)]
            .into_iter()
            .flatten()
            .collect(),
        ..Options::default()
    })
    .await?;
    println!("{}", stand_in.url());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    stand_in.shutdown().await;
    Ok(())
}
