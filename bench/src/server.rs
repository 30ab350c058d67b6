//! A small HTTP server on a free port of 127.0.0.1.
//!
//! Everything that is measured shares the benchmark's single thread, so no request waits for another thread to wake up.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Failure;

/// A request and its complete body.
pub(crate) type Received = Request<Bytes>;

/// A server that runs until it is dropped. Its connections end when their clients close them.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers every request with `answer`. An error becomes a 500 with the reason.
    pub(crate) async fn start<F, W>(answer: F) -> Result<Self, Failure>
    where
        F: Fn(Received) -> W + Clone + Send + 'static,
        W: Future<Output = Result<Response<Bytes>, Failure>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| respond(answer.clone(), request));
                    // An error here means that the function was stopped.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, accepting })
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The origin, without a trailing slash.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn respond<F, W>(answer: F, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error>
where
    F: Fn(Received) -> W,
    W: Future<Output = Result<Response<Bytes>, Failure>>,
{
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let response = answer(Request::from_parts(head, body)).await.unwrap_or_else(|failure| {
        let mut response = Response::new(Bytes::from(failure.to_string()));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    Ok(response.map(Full::new))
}
