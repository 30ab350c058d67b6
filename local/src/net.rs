//! What every server of the local stack needs: a runtime, a loopback port, an HTTP client.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a server waits for current requests before it stops anyway.
const GRACE: Duration = Duration::from_secs(2);

thread_local! {
    static IS_HOST: Cell<bool> = const { Cell::new(false) };
}

/// Makes the servers that this thread starts from now on use the thread's current runtime. On a single-threaded runtime everything
/// then happens one step at a time, in the same order every time.
pub fn host_servers_on_this_thread() {
    IS_HOST.set(true);
}

/// The runtime of the local servers.
///
/// It is separate, so that a server started in one test outlives that test's
/// runtime and can serve the next one. See also [`host_servers_on_this_thread`].
pub(crate) fn runtime() -> Handle {
    if IS_HOST.get() {
        return Handle::current();
    }
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("local-stack")
            .enable_all()
            .build()
            .expect("the operating system lets a process start threads")
    });
    RUNTIME.handle().clone()
}

/// Listens on 127.0.0.1; port 0 takes any free one.
pub(crate) fn listen(port: u16) -> io::Result<tokio::net::TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let runtime = runtime();
    let _entered = runtime.enter();
    tokio::net::TcpListener::from_std(listener)
}

/// A client for plain HTTP that keeps its connections.
pub(crate) fn client() -> Client<HttpConnector, Body> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Runs `serve` on the local runtime. It receives the listener and a future that resolves at shutdown.
    pub(crate) fn spawn<S, F>(listener: tokio::net::TcpListener, serve: S) -> io::Result<Server>
    where
        S: FnOnce(tokio::net::TcpListener, oneshot::Receiver<()>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let port = listener.local_addr()?.port();
        let (stop, stopped) = oneshot::channel();
        let task = runtime().spawn(serve(listener, stopped));
        Ok(Server { port, stop: Some(stop), task })
    }

    /// Serves an axum application.
    pub(crate) fn axum(listener: tokio::net::TcpListener, app: axum::Router) -> io::Result<Server> {
        Server::spawn(listener, |listener, stopped| async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(async {
                let _ = stopped.await;
            });
            if let Err(error) = served.await {
                eprintln!("local: a server ended: {error}");
            }
        })
    }

    /// The origin, without a trailing slash.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stops accepting connections, gives current requests a moment to finish, and ends.
    pub(crate) async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = tokio::time::timeout(GRACE, &mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
