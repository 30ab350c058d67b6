//! AWS clients, built directly from the environment. `aws_config`'s loader tries
//! more sources than a function has, and takes longer than the rest of a cold start.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::transport::AwsTransport;

/// The time limits for one try and for all tries of a request. DynamoDB answers in milliseconds; an answer that takes a
/// second will not come.
const ATTEMPT: Duration = Duration::from_secs(2);
const OPERATION: Duration = Duration::from_secs(6);

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Region, credentials and timeouts, from the environment that Lambda sets.
#[must_use]
pub fn config(client: reqwest::Client) -> SdkConfig {
    let credentials = Credentials::new(
        variable("AWS_ACCESS_KEY_ID").unwrap_or_default(),
        variable("AWS_SECRET_ACCESS_KEY").unwrap_or_default(),
        variable("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
        .region(Region::new(variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned())))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(AwsTransport(client))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build())
        .build()
}

/// The endpoint in `AWS_ENDPOINT_URL_<SERVICE>` or `AWS_ENDPOINT_URL`, if set.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
#[must_use]
pub fn endpoint(service: &str) -> Option<String> {
    variable(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// The address of DynamoDB: the given endpoint, or AWS's own for the region.
/// <https://docs.aws.amazon.com/general/latest/gr/ddb.html>
#[must_use]
pub fn dynamodb_address(config: &SdkConfig, endpoint: Option<String>) -> String {
    let region = config.region().map_or("us-east-1", AsRef::as_ref);
    endpoint.unwrap_or_else(|| format!("https://dynamodb.{region}.amazonaws.com"))
}

/// A DynamoDB client. Without an `endpoint` it uses AWS's own.
#[must_use]
pub fn dynamodb(config: &SdkConfig, endpoint: Option<String>) -> aws_sdk_dynamodb::Client {
    let mut builder = aws_sdk_dynamodb::config::Builder::from(config);
    builder.set_endpoint_url(endpoint);
    aws_sdk_dynamodb::Client::from_conf(builder.build())
}

/// A Secrets Manager client. Without an `endpoint` it uses AWS's own.
#[cfg(feature = "stripe")]
#[must_use]
pub fn secrets_manager(config: &SdkConfig, endpoint: Option<String>) -> aws_sdk_secretsmanager::Client {
    let mut builder = aws_sdk_secretsmanager::config::Builder::from(config);
    builder.set_endpoint_url(endpoint);
    aws_sdk_secretsmanager::Client::from_conf(builder.build())
}
