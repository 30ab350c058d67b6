//! Stripe's error envelope: <https://docs.stripe.com/api/errors>.

use serde_json::{Map, Value, json};

use super::state::Kind;

/// An error as the API answers it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) status: u16,
    error: Map<String, Value>,
}

impl ApiError {
    /// An error of that status, `type` and message.
    pub(crate) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut error = Map::new();
        error.insert("type".into(), kind.into());
        error.insert("message".into(), message.into().into());
        Self { status, error }
    }

    /// A 400 `invalid_request_error`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A required parameter was left out.
    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    /// An object that does not exist (for this account): 404 when it is what the path names.
    pub(crate) fn no_such(kind: Kind, id: &str, param: &str) -> Self {
        Self::new(404, "invalid_request_error", format!("No such {}: '{id}'", kind.noun())).code("resource_missing").param(param)
    }

    /// An object named by a parameter does not exist: 400.
    pub(crate) fn no_such_param(kind: Kind, id: &str, param: &str) -> Self {
        let mut error = Self::no_such(kind, id, param);
        error.status = 400;
        error
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
}
