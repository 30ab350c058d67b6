//! What requests need: options, address, state.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::state::all::State;
use crate::words::options::Options;

/// Everything that requests need.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) options: Options,
    pub(crate) address: SocketAddr,
    state: Mutex<State>,
    /// Wakes the sender of webhooks.
    pub(crate) wake: Notify,
    pub(crate) client: reqwest::Client,
    /// Limits how many webhooks are sent concurrently.
    pub(crate) senders: Semaphore,
}

/// Each needs its own connection, and a process has a limited number.
const SENDERS: usize = 128;

impl Server {
    /// A server bound to this address.
    ///
    /// # Errors
    /// If no HTTP client can be made for the webhooks.
    pub(crate) fn new(options: Options, address: SocketAddr, mut state: State) -> io::Result<Self> {
        state.outbox.endpoints = options.webhooks.clone();
        // Redirects do not count as deliveries, and proxies are not needed. If built together
        // with the functions, reqwest has TLS but no provider, and needs one even for plain HTTP.
        let _installed_already = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.build().map_err(io::Error::other)?;
        Ok(Self { options, address, state: Mutex::new(state), wake: Notify::new(), client, senders: Semaphore::new(SENDERS) })
    }

    /// The state, locked. Never hold it across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
