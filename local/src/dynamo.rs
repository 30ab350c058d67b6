//! DynamoDB's API on 127.0.0.1, embedded. The local stack keeps its data in a file, tests in memory.

pub mod stream;

use std::io;
use std::path::Path;
use std::time::Duration;

pub use dynoxide::Database;
use tokio::task::JoinHandle;

use crate::net::{self, Server};

/// How often expired items are deleted. DynamoDB itself takes up to a few days, so nothing may rely on it. Each sweep reads the whole table.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A running DynamoDB.
#[derive(Debug)]
pub struct Dynamo {
    server: Server,
    sweeper: Option<JoinHandle<()>>,
    database: Handle,
}

/// [`Database`] does not implement `Debug`.
struct Handle(Database);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

/// Starts DynamoDB on `port` (0 takes any free one), with its data in `file`, or in memory if there is none.
///
/// # Errors
/// If the port is taken or the file is not a database.
pub async fn start(port: u16, file: Option<&Path>) -> io::Result<Dynamo> {
    let listener = net::listen(port)?;
    let database = open(file)?;
    let served = database.clone();
    let server = Server::spawn(listener, |listener, stopped| async move {
        let stopped = async {
            let _ = stopped.await;
        };
        if let Err(error) = dynoxide::server::serve_with_shutdown(listener, served, stopped).await {
            eprintln!("local: DynamoDB ended: {error}");
        }
    })?;
    // An in-memory database is gone before anything expires.
    let sweeper = file.map(|_| net::runtime().spawn(sweep(database.clone())));
    Ok(Dynamo { server, sweeper, database: Handle(database) })
}

impl Dynamo {
    /// An empty DynamoDB in memory on its own port, for tests.
    ///
    /// # Errors
    /// If no port is available.
    pub async fn memory() -> io::Result<Dynamo> {
        start(0, None).await
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The database behind the endpoint. `sweep_ttl()` immediately deletes expired items.
    pub fn database(&self) -> &Database {
        &self.database.0
    }

    /// Writes many items in DynamoDB's JSON (`{"pk":{"S":"…"},…}`), bypassing the API and the stream.
    ///
    /// # Errors
    /// If the table does not exist or an item does not fit it. Nothing is written then.
    pub fn import(&self, table: &str, items: Vec<serde_json::Value>) -> io::Result<()> {
        let items = items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
        self.database().import_items(table, items, dynoxide::ImportOptions::default()).map_err(io::Error::other)?;
        Ok(())
    }

    /// What is written to a table from now on; `None` if the table or its stream does not exist.
    pub fn stream(&self, table: &str) -> Option<stream::Stream> {
        stream::Stream::latest(self.database(), table)
    }

    /// Lets current requests finish and closes the file.
    pub async fn shutdown(self) {
        if let Some(sweeper) = &self.sweeper {
            sweeper.abort();
        }
        self.server.shutdown().await;
    }
}

fn open(file: Option<&Path>) -> io::Result<Database> {
    let database = match file {
        None => Database::memory(),
        Some(file) => {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            Database::new(&file.to_string_lossy())
        }
    };
    database.map_err(|error| io::Error::other(format!("DynamoDB: {error}")))
}

/// The embedded engine never deletes expired items by itself.
async fn sweep(database: Database) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            eprintln!("local: the TTL sweep failed: {error}");
        }
    }
}
