//! SES, API version 2: SendEmail delivers to a mailbox in memory.
//!
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many mails to keep.
const KEPT: usize = 500;

/// A mail that SES accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// The id that SES assigned.
    pub id: String,
    /// When it was accepted, in milliseconds since 1970.
    pub at: u64,
    /// `FromEmailAddress`
    pub from: String,
    /// `Destination.ToAddresses`
    pub to: Vec<String>,
    /// `ConfigurationSetName`
    pub configuration_set: Option<String>,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// How SES fails during a simulated outage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// It refuses with this status and error code.
    Refuses {
        /// `429`, `500`, …
        status: u16,
        /// `TooManyRequestsException`, …
        code: String,
    },
    /// It accepts the mail, but its answer is lost.
    LosesAnswers,
}

/// One mailbox for all addresses.
#[derive(Debug, Default)]
pub struct Mailbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    mails: VecDeque<Mail>,
    count: u64,
    outage: Option<Outage>,
    feedback: Vec<Value>,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All mails, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.lock().mails.iter().cloned().collect()
    }

    /// Deletes all mails.
    pub fn clear(&self) {
        self.lock().mails.clear();
    }

    /// Makes SES fail from now on, or work again.
    pub fn fail(&self, outage: Option<Outage>) {
        self.lock().outage = outage;
    }

    /// The events about mails that bounced or were complained about since the last call, as EventBridge delivers them: of mails with a
    /// configuration set to `bounce` or `complaint` at SES's mailbox simulator. These are in the mailbox, too.
    /// <https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html#send-email-simulator>
    pub fn feedback(&self) -> Vec<Value> {
        std::mem::take(&mut self.lock().feedback)
    }

    /// The current outage, if any.
    pub fn outage(&self) -> Option<Outage> {
        self.lock().outage.clone()
    }

    /// `POST /v2/email/outbound-emails`
    pub(super) fn send(&self, headers: &HeaderMap, body: &Bytes) -> Response {
        let signed = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if !signed.is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ") && value.contains("/ses/aws4_request")) {
            return refuse(403, "MissingAuthenticationTokenException", "Missing Authentication Token");
        }
        let mail = match serde_json::from_slice::<Value>(body).map_err(|error| error.to_string()).and_then(|request| read(&request)) {
            Ok(mail) => mail,
            Err(fault) => return refuse(400, "BadRequestException", &fault),
        };
        let mut inner = self.lock();
        if let Some(Outage::Refuses { status, code }) = &inner.outage {
            return refuse(*status, code, "The local mailbox is set to refuse.");
        }
        inner.count += 1;
        let id = format!("{:016x}", inner.count);
        let mail = Mail { id: id.clone(), at: now(), ..mail };
        inner.feedback.extend(mail.to.iter().filter_map(|to| feedback(&mail, to)));
        inner.mails.push_back(mail);
        if inner.mails.len() > KEPT {
            inner.mails.pop_front();
        }
        if inner.outage == Some(Outage::LosesAnswers) {
            return refuse(504, "GatewayTimeout", "The mail was accepted; this response simulates a lost one.");
        }
        (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], json!({"MessageId": id}).to_string()).into_response()
    }
}

/// What SES reports about a mail to its simulator's addresses, which may have labels, such as `bounce+1@simulator.amazonses.com`.
/// <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>
fn feedback(mail: &Mail, to: &str) -> Option<Value> {
    let set = mail.configuration_set.as_deref()?;
    let (name, _) = to.strip_suffix("@simulator.amazonses.com").map(|name| name.split_once('+').unwrap_or((name, "")))?;
    let (kind, (field, what)) = match name {
        "bounce" => {
            let recipient =
                json!({"emailAddress": to, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"});
            ("Email Bounced", ("bounce", json!({"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [recipient]})))
        }
        "complaint" => {
            let complaint = json!({"complainedRecipients": [{"emailAddress": to}], "complaintFeedbackType": "abuse"});
            ("Email Complaint Received", ("complaint", complaint))
        }
        _ => return None,
    };
    let event_type = if field == "bounce" { "Bounce" } else { "Complaint" };
    let sent = json!({"messageId": mail.id, "source": mail.from, "destination": mail.to, "tags": {"ses:configuration-set": [set]}});
    let detail = json!({"eventType": event_type, field: what, "mail": sent});
    Some(json!({"version": "0", "id": mail.id, "detail-type": kind, "source": "aws.ses", "detail": detail}))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Parses a mail with a sender, a recipient, a subject and both parts. SES requires less, but the functions always send all of it.
fn read(request: &Value) -> Result<Mail, String> {
    let text = |pointer: &str| {
        let value = request.pointer(pointer).and_then(Value::as_str).filter(|value| !value.is_empty());
        value.map(str::to_owned).ok_or_else(|| format!("{pointer} is missing"))
    };
    let from = text("/FromEmailAddress")?;
    let to = request.pointer("/Destination/ToAddresses").and_then(Value::as_array).filter(|to| !to.is_empty());
    let to: Vec<String> = to.ok_or("there is no recipient")?.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    if let Some(bad) = to.iter().chain([&from]).find(|address| !address.contains('@') || address.contains(['\r', '\n'])) {
        return Err(format!("{bad:?} is not an address"));
    }
    let subject = text("/Content/Simple/Subject/Data")?;
    if subject.contains(['\r', '\n']) {
        return Err("the subject has more than one line".to_owned());
    }
    let (plain, html) = (text("/Content/Simple/Body/Text/Data")?, text("/Content/Simple/Body/Html/Data")?);
    let configuration_set = request["ConfigurationSetName"].as_str().map(str::to_owned);
    Ok(Mail { id: String::new(), at: 0, from, to, configuration_set, subject, text: plain, html })
}

fn refuse(status: u16, code: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [(header::CONTENT_TYPE.as_str(), "application/json"), ("x-amzn-errortype", code)];
    (status, headers, json!({"message": message}).to_string()).into_response()
}
