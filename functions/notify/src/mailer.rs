//! Amazon SES, API version 2. <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>

use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use shared::app::App;

use crate::render::Letter;

/// SES, the sender's address, and what reports bounces.
#[derive(Clone, Debug)]
pub struct Mailer {
    client: Client,
    from: String,
    configuration_set: Option<String>,
}

/// Why a mail was not sent.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// A retry may succeed.
    ForNow(String),
    /// It can never be sent.
    ForGood(String),
}

fn content(text: &str) -> Content {
    Content::builder().data(text).charset("UTF-8").build().expect("the data is given")
}

impl Mailer {
    /// Timeout of SES for one mail. A batch of the stream ends before the function does, even if each mail takes this long.
    pub const TIMEOUT: Duration = Duration::from_secs(4);

    /// Sends as `MAIL_FROM`; without an `endpoint`, to AWS.
    #[must_use]
    pub fn new(app: &App, endpoint: Option<String>) -> Self {
        let mut config = aws_sdk_sesv2::config::Builder::from(&app.aws);
        config.set_endpoint_url(endpoint);
        // SES has no idempotency, so a retried mail may arrive twice. The outbox does the retries and counts them.
        config.set_retry_config(Some(RetryConfig::disabled()));
        config.set_timeout_config(Some(TimeoutConfig::builder().operation_timeout(Self::TIMEOUT).build()));
        let (from, configuration_set) = (app.config.mail_from.clone(), app.config.mail_configuration_set.clone());
        Self { client: Client::from_conf(config.build()), from, configuration_set }
    }

    /// Sends a letter and returns SES's message id.
    pub(crate) async fn send(&self, letter: &Letter) -> Result<String, Unsent> {
        let body = Body::builder().text(content(&letter.text)).html(content(&letter.html)).build();
        let message = Message::builder().subject(content(&letter.subject)).body(body).build();
        let result = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .set_configuration_set_name(self.configuration_set.clone())
            .destination(Destination::builder().to_addresses(&letter.to).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await;
        match result {
            Ok(answer) => Ok(answer.message_id.unwrap_or_default()),
            Err(SdkError::ServiceError(failure)) => {
                let code = failure.err().code().unwrap_or("unknown").to_owned();
                // SES quotes addresses in its messages, so only the code goes into the log and the row.
                // Problems with the sender or the account can be fixed; problems with the request cannot.
                Err(if code == "BadRequestException" { Unsent::ForGood(code) } else { Unsent::ForNow(code) })
            }
            Err(other) => Err(Unsent::ForNow(other.to_string())),
        }
    }
}
