//! The Stripe stand-in alone: `cargo run -p local --example stripe [PORT]`. Prints its address, and stops when its
//! standard input ends.
//!
//! `REDIRECT_URI` is the one address that its OAuth page sends browsers back to. It has no webhook endpoints but those that
//! its API is asked to make.

use std::env;
use std::io::Read as _;

use local::stripe::{Options, start};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let stand_in = start(Options {
        port: env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0),
        redirect_uris: env::var("REDIRECT_URI").into_iter().collect(),
        ..Options::default()
    })
    .await?;
    println!("{}", stand_in.url());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    stand_in.shutdown().await;
    Ok(())
}
