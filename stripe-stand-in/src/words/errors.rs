//! Stripe's error envelope: <https://docs.stripe.com/api/errors>.

use serde_json::{Map, Value, json};

use crate::words::kind::Kind;

/// An error as the API returns it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) status: u16,
    error: Map<String, Value>,
    /// Whether the parameters themselves are wrong, so that nothing was executed.
    unexecuted: bool,
}

impl ApiError {
    /// An error with a status, `type` and message.
    pub(crate) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut error = Map::new();
        error.insert("type".into(), kind.into());
        error.insert("message".into(), message.into().into());
        Self { status, error, unexecuted: false }
    }

    /// A 400 `invalid_request_error`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A required parameter is missing.
    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    /// An object that does not exist (for this account): 404 if the path names it.
    pub(crate) fn no_such(kind: Kind, id: &str, param: &str) -> Self {
        let error = Self::new(404, "invalid_request_error", format!("No such {}: '{id}'", kind.noun()));
        error.code("resource_missing").param(param).of_parameters()
    }

    /// An object named by a parameter does not exist: 400.
    pub(crate) fn no_such_param(kind: Kind, id: &str, param: &str) -> Self {
        let mut error = Self::no_such(kind, id, param);
        error.status = 400;
        error
    }

    /// Marks an error as one about the parameters themselves. According to recordings, these are `parameter_…`
    /// and most names of objects that do not exist; other refusals (400 and 402) come from the execution.
    pub(crate) fn of_parameters(mut self) -> Self {
        self.unexecuted = true;
        self
    }

    /// Whether the request was executed. Then its response is stored under its idempotency key, and a retry is useless.
    pub(crate) fn is_executed(&self) -> bool {
        let parameter = self.error.get("code").and_then(Value::as_str).is_some_and(|code| code.starts_with("parameter_"));
        matches!(self.status, 400 | 402) && !self.unexecuted && !parameter
    }

    /// A card error (402) with its `code` and, for declines, the `decline_code`.
    pub(crate) fn card(code: &str, decline_code: Option<&str>, message: &str) -> Self {
        let mut error = Self::new(402, "card_error", message).code(code);
        if let Some(decline_code) = decline_code {
            error = error.with("decline_code", decline_code);
        }
        error
    }

    /// Sets `code`, and the page that explains it.
    pub(crate) fn code(self, code: &str) -> Self {
        let page = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"));
        self.with("code", code).with("doc_url", page)
    }

    /// Sets `param`.
    pub(crate) fn param(self, param: &str) -> Self {
        self.with("param", param)
    }

    /// Sets any other field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.error.insert(name.into(), value.into());
        self
    }

    /// The fields of the error, without the envelope (`last_payment_error` has the same ones).
    pub(crate) fn fields(&self) -> &Map<String, Value> {
        &self.error
    }

    /// The whole body.
    pub(crate) fn body(&self) -> Value {
        json!({ "error": self.error })
    }

    /// The whole body in the format of `/v2`: <https://docs.stripe.com/api-v2-overview#error-handling>. Only some errors have a type.
    pub(crate) fn body_v2(&self) -> Value {
        let own = self.error.get("code").and_then(Value::as_str).filter(|code| !code.starts_with("parameter_"));
        let idempotency = self.error.get("type").is_some_and(|kind| kind == "idempotency_error");
        let (code, kind) = match self.status {
            404 => ("not_found", None),
            429 => (own.unwrap_or("rate_limit"), Some("rate_limit")),
            _ if idempotency => (own.unwrap_or("idempotency_error"), Some("idempotency_error")),
            400 => (own.unwrap_or("invalid_fields"), None),
            401 => (own.unwrap_or("unauthorized"), None),
            403 => (own.unwrap_or("forbidden"), None),
            _ => (own.unwrap_or("api_error"), None),
        };
        let mut error = json!({ "code": code, "message": self.error.get("message") });
        if let Some(kind) = kind {
            error["type"] = kind.into();
        }
        json!({ "error": error })
    }
}
