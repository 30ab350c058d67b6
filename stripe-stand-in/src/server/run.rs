//! Starting and stopping.

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::engine::accounts::rows;
use crate::server::connections;
use crate::server::host;
use crate::server::persistence;
use crate::state::settings::Settings;
use crate::words::options::{Options, WebhookEndpoint};

/// A running stand-in. It stops when dropped; [`StandIn::shutdown`] also writes its state.
#[derive(Debug)]
pub struct StandIn {
    server: Arc<host::Server>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts the stand-in.
///
/// # Errors
/// If the port is taken, the state file cannot be read, or a webhook endpoint has a blank for a secret.
pub async fn start(options: Options) -> io::Result<StandIn> {
    if !options.webhooks.iter().all(WebhookEndpoint::has_secret) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a webhook endpoint's secret is blank"));
    }
    let state = match &options.state_file {
        Some(path) => persistence::load(path, Settings::of(&options))?,
        None => rows::found(Settings::of(&options)),
    };
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let address = listener.local_addr()?;
    let server = Arc::new(host::Server::new(options, address, state));
    let tasks = connections::spawn(&server, listener);
    Ok(StandIn { server, tasks })
}

impl StandIn {
    /// Its URL: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Stops it and writes its state.
    pub async fn shutdown(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // Canceled, as expected.
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
