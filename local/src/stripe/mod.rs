//! A Stripe that runs on this machine: stateful, with Connect, OAuth, hosted pages and webhooks.
//!
//! It answers as `api.stripe.com`, `connect.stripe.com` and `checkout.stripe.com` do, for what a marketplace calls.
//! Tests steer it through `/_admin/` (see [`admin`]). What it does not have: other payment methods
//! than cards, taxes, discounts, metered prices, currency conversion.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod accounts;
pub mod admin;
mod api;
mod application_fees;
mod auth;
mod balance;
mod billing;
mod cards;
mod charges;
mod checkout;
mod context;
mod customers;
mod disputes;
mod errors;
mod events;
mod expand;
mod faults;
mod form;
mod idempotency;
mod jobs;
mod ledger;
mod list;
mod money;
mod oauth;
mod pages;
mod params;
mod payment_intents;
mod payment_methods;
mod payments;
mod payouts;
mod persistence;
mod refunds;
mod request_log;
mod routes;
mod server;
mod setup_intents;
mod state;
mod tokens;
mod transfers;
mod webhook_endpoints;
mod webhooks;

pub use state::seed_ids;
pub use webhooks::WebhookEndpoint;

/// How to run the stand-in.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 is any free one.
    pub port: u16,
    /// Where state is kept between runs; nowhere unless set.
    pub state_file: Option<PathBuf>,
    /// The platform's secret key.
    pub secret_key: String,
    /// The platform's publishable key.
    pub publishable_key: String,
    /// The platform's OAuth client id.
    pub client_id: String,
    /// The registered redirect URIs of OAuth, matched exactly. Where there is none, any address of this machine is taken.
    pub redirect_uris: Vec<String>,
    /// Where events are sent.
    pub webhooks: Vec<WebhookEndpoint>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            state_file: None,
            secret_key: "sk_test_local".to_owned(),
            publishable_key: "pk_test_local".to_owned(),
            client_id: "ca_local".to_owned(),
            redirect_uris: Vec::new(),
            webhooks: Vec::new(),
        }
    }
}

/// A stand-in that runs. It stops when it is dropped; [`StandIn::shutdown`] also writes its state.
#[derive(Debug)]
pub struct StandIn {
    server: Arc<server::Server>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts the stand-in.
///
/// # Errors
/// Where the port is taken, or the state file cannot be read.
pub async fn start(options: Options) -> io::Result<StandIn> {
    let state = match &options.state_file {
        Some(path) => persistence::load(path)?,
        None => state::State::new(),
    };
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let address = listener.local_addr()?;
    let server = Arc::new(server::Server::new(options, address, state)?);
    let tasks = server::spawn(&server, listener);
    Ok(StandIn { server, tasks })
}

impl StandIn {
    /// Where it answers: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Stops it and writes its state.
    pub async fn shutdown(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // Cancelled, as it should be.
            let _ = task.await;
        }
        if let Some(path) = &self.server.options.state_file
            && let Err(error) = persistence::save(&self.server, path)
        {
            eprintln!("stripe: cannot write {}: {error}", path.display());
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
