//! The minimum that a function with these clients does: a DynamoDB client, one secret fetched at the start, an HTTP
//! client for an API outside of AWS, and one GetItem per request.
//!
//! It shares only dependencies with the functions, so the difference shows the cost of `shared`.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::SdkConfig;
use aws_types::region::Region;
use lambda_http::{Body, Error, Request, Response, run, service_fn};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// The SDK's own HTTP client. Its endpoints use plain HTTP here, so it has no root certificates to parse.
fn aws() -> Result<SdkConfig, Error> {
    let tls = TlsContext::builder().with_trust_store(TrustStore::empty()).build()?;
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
    let credentials = Credentials::new(variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), None, None, "environment");
    Ok(SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
        .region(Region::new(variable("AWS_REGION")))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .build())
}

/// Embedded root certificates, as in the functions.
fn http() -> Result<reqwest::Client, Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = aws()?;
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::config::Builder::from(&aws).endpoint_url(variable("AWS_ENDPOINT_URL_DYNAMODB")).build(),
    );
    let secrets = aws_sdk_secretsmanager::Client::from_conf(
        aws_sdk_secretsmanager::config::Builder::from(&aws).endpoint_url(variable("AWS_ENDPOINT_URL_SECRETS_MANAGER")).build(),
    );
    let secret = secrets.get_secret_value().secret_id(variable("STRIPE_SECRET_ARN")).send().await?;
    let http = http()?;
    // Otherwise the optimiser could remove it as unused.
    std::hint::black_box((&secret, &http));
    let table = variable("TABLE_NAME");
    run(service_fn(|request: Request| answer(&dynamodb, &table, request))).await
}

/// `GET /courses/{slug}`: reads the item of a course's page and returns its sort key.
async fn answer(dynamodb: &aws_sdk_dynamodb::Client, table: &str, request: Request) -> Result<Response<Body>, Error> {
    let slug = request.uri().path().rsplit('/').next().unwrap_or_default();
    let found = dynamodb
        .get_item()
        .table_name(table)
        .key("pk", AttributeValue::S(format!("SLUG#{slug}")))
        .key("sk", AttributeValue::S("SLUG".to_owned()))
        .consistent_read(true)
        .send()
        .await?;
    let sort_key = found.item().and_then(|item| item.get("sk")).and_then(|value| value.as_s().ok());
    let response = Response::builder().status(if sort_key.is_some() { 200 } else { 404 });
    Ok(response.body(Body::from(sort_key.cloned().unwrap_or_default()))?)
}
