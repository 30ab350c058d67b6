//! Amazon SES, API version 2. <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>

use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use shared::app::App;

use crate::render::Letter;

/// SES, and in whose name it sends.
#[derive(Clone, Debug)]
pub struct Mailer {
    client: Client,
    from: String,
}

/// Why a mail was not sent.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// Another time it may.
    ForNow(String),
    /// It never will be.
    ForGood(String),
}

fn content(text: &str) -> Content {
    Content::builder().data(text).charset("UTF-8").build().expect("the data is given")
}

impl Mailer {
    /// How long SES may take for one mail. A batch of the stream, each with this, ends before the function does.
    pub const TIMEOUT: Duration = Duration::from_secs(4);

    /// Sends as `MAIL_FROM`; `endpoint` is AWS's own where none is given.
    #[must_use]
    pub fn new(app: &App, endpoint: Option<String>) -> Self {
        let mut config = aws_sdk_sesv2::config::Builder::from(&app.aws);
        config.set_endpoint_url(endpoint);
        // SES knows no idempotency: what is sent twice arrives twice. The outbox tries again, and knows how often.
        config.set_retry_config(Some(RetryConfig::disabled()));
        config.set_timeout_config(Some(TimeoutConfig::builder().operation_timeout(Self::TIMEOUT).build()));
        Self { client: Client::from_conf(config.build()), from: app.config.mail_from.clone() }
    }

    /// Sends a letter. SES's id of the message.
    pub(crate) async fn send(&self, letter: &Letter) -> Result<String, Unsent> {
        let body = Body::builder().text(content(&letter.text)).html(content(&letter.html)).build();
        let message = Message::builder().subject(content(&letter.subject)).body(body).build();
        let result = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(&letter.to).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await;
        match result {
            Ok(answer) => Ok(answer.message_id.unwrap_or_default()),
            Err(SdkError::ServiceError(failure)) => {
                let code = failure.err().code().unwrap_or("unknown").to_owned();
                // SES quotes addresses in its messages; the code alone goes into the log and the row. What is wrong with the sender
                // or the account can be put right, what is wrong with the request cannot.
                Err(if code == "BadRequestException" { Unsent::ForGood(code) } else { Unsent::ForNow(code) })
            }
            Err(other) => Err(Unsent::ForNow(other.to_string())),
        }
    }
}
