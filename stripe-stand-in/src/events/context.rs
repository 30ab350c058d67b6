//! The context of an endpoint: the state, the current account, and the request.

use serde_json::Value;

use crate::state::all::State;
use crate::words::errors::ApiError;
use crate::words::kind::Kind;

/// A consequence for the current account's object with this id.
pub(crate) type Consequence = fn(&mut Context, &str);

/// The consequences of events, in the order in which they happen.
#[derive(Debug)]
pub(crate) struct After {
    /// A PaymentIntent was paid.
    pub(crate) paid: &'static [Consequence],
    /// The bank of a PaymentIntent answers later.
    pub(crate) processing: &'static [Consequence],
    /// An attempt to pay a PaymentIntent failed.
    pub(crate) failed: &'static [Consequence],
    /// A PaymentIntent is waiting for the cardholder.
    pub(crate) authentication_wanted: &'static [Consequence],
    /// A SetupIntent succeeded.
    pub(crate) set_up: &'static [Consequence],
    /// An invoice was paid.
    pub(crate) invoice_paid: &'static [Consequence],
    /// An attempt to pay an invoice failed.
    pub(crate) invoice_failed: &'static [Consequence],
    /// A subscription's due invoice was paid.
    pub(crate) subscribed: &'static [Consequence],
}

/// A request being processed.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a mut State,
    /// The current account: `Stripe-Account`, the token's account, or the platform.
    pub(crate) account: String,
    /// `null` in events that no API request caused.
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// The origin at which the caller reached the stand-in, for URLs of hosted pages.
    pub(crate) origin: String,
    /// Whether the caller used a publishable key, as a browser does.
    pub(crate) browser: bool,
    /// The platform's client id.
    pub(crate) client_id: String,
    /// The caller's key, as error messages show it.
    pub(crate) shown_key: String,
    pub(crate) after: &'static After,
}

impl Context<'_> {
    /// The stand-in's time, in epoch seconds.
    pub(crate) fn now(&self) -> i64 {
        self.state.now()
    }

    /// Whether the current account is a connected one.
    pub(crate) fn is_connected(&self) -> bool {
        self.account != self.state.platform
    }

    /// A stored object of the current account, for a response.
    ///
    /// # Errors
    /// 404 `resource_missing`.
    pub(crate) fn fetch(&self, kind: Kind, id: &str, param: &str) -> Result<Value, ApiError> {
        self.state.object(&self.account, kind, id).cloned().ok_or_else(|| ApiError::no_such(kind, id, param))
    }

    /// An object named by a parameter.
    ///
    /// # Errors
    /// 400 `resource_missing`.
    pub(crate) fn fetch_param(&self, kind: Kind, id: &str, param: &str) -> Result<Value, ApiError> {
        self.state.object(&self.account, kind, id).cloned().ok_or_else(|| ApiError::no_such_param(kind, id, param))
    }

    /// Stores a new object in the current account.
    pub(crate) fn insert(&mut self, kind: Kind, object: Value) {
        let account = self.account.clone();
        self.state.insert(&account, kind, object, serde_json::Map::new());
    }

    /// Sets fields of the current account's stored object.
    pub(crate) fn set(&mut self, kind: Kind, id: &str, fields: Value) {
        let account = self.account.clone();
        self.state.set(&account, kind, id, fields);
    }

    /// Runs the consequences of something that happened.
    pub(crate) fn follow(&mut self, what: fn(&After) -> &'static [Consequence], id: &str) {
        for consequence in what(self.after) {
            consequence(self, id);
        }
    }

    /// Runs something as another account.
    pub(crate) fn as_account<T>(&mut self, account: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.account, account.to_owned());
        let result = work(self);
        self.account = before;
        result
    }
}

impl<'a> Context<'a> {
    /// A context for work that no request caused.
    pub(crate) fn internal(state: &'a mut State, account: &str, after: &'static After) -> Self {
        Self {
            state,
            account: account.to_owned(),
            request_id: None,
            idempotency_key: None,
            origin: String::new(),
            browser: false,
            client_id: String::new(),
            shown_key: String::new(),
            after,
        }
    }
}
