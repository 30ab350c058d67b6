//! The Stripe stand-in alone: `cargo run -p local --example stripe [PORT]`. Prints its address, and stops when its
//! standard input ends.

use std::io::Read as _;

use local::stripe::{Options, start};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    let stand_in = start(Options { port, ..Options::default() }).await?;
    println!("{}", stand_in.url());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    stand_in.shutdown().await;
    Ok(())
}
