//! What requests need: options, address, state.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{Notify, Semaphore};

use crate::state::all::State;
use crate::words::options::Options;

/// Sends webhooks, over plain HTTP.
pub(crate) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

/// Everything that requests need.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) options: Options,
    pub(crate) address: SocketAddr,
    state: Mutex<State>,
    /// Wakes the sender of webhooks.
    pub(crate) wake: Notify,
    pub(crate) client: Client,
    /// Limits how many webhooks are sent concurrently.
    pub(crate) senders: Semaphore,
}

/// Each needs its own connection, and a process has a limited number.
const SENDERS: usize = 128;

impl Server {
    /// A server bound to this address.
    pub(crate) fn new(options: Options, address: SocketAddr, mut state: State) -> Self {
        state.outbox.endpoints = options.webhooks.clone();
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { options, address, state: Mutex::new(state), wake: Notify::new(), client, senders: Semaphore::new(SENDERS) }
    }

    /// The state, locked. Never hold it across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
