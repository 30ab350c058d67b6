//! The process's only HTTP client. Stripe and every AWS service use it, so a
//! cold start creates one client, one connection pool and one TLS configuration.
//!
//! Its root certificates are Mozilla's, compiled in as trust anchors that need no
//! parsing. Loading the system's certificates takes longer than the first request.

use std::time::Duration;

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared as _;
use aws_smithy_types::body::SdkBody;

pub use reqwest::Client;

use super::trace::Call;

/// The time limit for opening a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(2);

/// Creates the client. It follows no redirects and uses no proxy, because its requests carry credentials.
///
/// # Panics
/// If the TLS configuration is invalid. It depends only on this file.
#[must_use]
pub fn client() -> Client {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT)
        // Lambda freezes a function between requests; a connection that was idle for long is probably dead.
        .pool_idle_timeout(Duration::from_secs(50))
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("the client's settings are sound")
}

/// Opens a connection to a server in the background, which the first request then finds in the pool. Nobody waits for it, and nothing
/// fails because of it.
pub fn connect(client: &Client, server: &str) {
    tokio::spawn(open(client.clone(), server.to_owned()));
}

/// Makes a request without credentials, since the client has no other way to connect. Any answer will do.
async fn open(client: Client, server: String) {
    if let Err(error) = client.head(server).timeout(CONNECT).send().await {
        tracing::debug!(%error, "no connection was opened in advance");
    }
}

/// Lets the AWS SDK use the process's client.
#[derive(Clone, Debug)]
pub struct AwsTransport(pub reqwest::Client);

impl HttpClient for AwsTransport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.clone().into_shared()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("reqwest", None))
    }
}

impl HttpConnector for AwsTransport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { send(&client, request).await })
    }
}

async fn send(client: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let body = body.bytes().map(<[u8]>::to_vec).ok_or_else(|| ConnectorError::user("the body is a stream".into()))?;
    let request = reqwest::Request::try_from(lambda_http::http::Request::from_parts(head, body))
        .map_err(|error| ConnectorError::user(error.into()))?;
    let mut call = Call::begin(&request);
    let answer = client.execute(request).await.map_err(connector_error)?;
    call.answered(answer.status().as_u16());
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.map_err(connector_error)?;
    let mut response = lambda_http::http::Response::new(SdkBody::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}

/// Classifies the failure for the SDK's retries.
fn connector_error(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    /// A server that tells of each connection and each request. It refuses requests by HEAD.
    async fn server() -> (String, mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (told, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("it listens");
                let told = told.clone();
                told.send("connection".to_owned()).expect("somebody listens");
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                        let answer: &[u8] = if text.starts_with("HEAD") {
                            b"HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n"
                        } else {
                            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
                        };
                        stream.write_all(answer).await.expect("it is open");
                        told.send(text.split(' ').next().unwrap_or_default().to_owned()).expect("somebody listens");
                    }
                });
            }
        });
        (address, heard)
    }

    #[tokio::test]
    async fn the_first_request_uses_the_connection_that_was_opened_in_advance() {
        let (address, mut heard) = server().await;
        let client = client();
        open(client.clone(), address.clone()).await;
        assert_eq!(client.get(&address).send().await.expect("it answers").text().await.expect("a body"), "ok");
        for wanted in ["connection", "HEAD", "GET"] {
            assert_eq!(heard.recv().await.as_deref(), Some(wanted));
        }
    }
}
