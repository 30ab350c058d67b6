//! What an endpoint works with: the state, the account that is acted on, and the request.

use serde_json::Value;

use super::errors::ApiError;
use super::state::{Kind, State};

/// One request at work.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a mut State,
    /// The account that is acted on: `Stripe-Account`, the token's account, or the platform.
    pub(crate) account: String,
    /// `null` in events that no API request caused.
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// The origin under which the caller reached the stand-in, for addresses of hosted pages.
    pub(crate) origin: String,
    /// Whether a publishable key asks, as a browser does.
    pub(crate) browser: bool,
    /// The platform's client id.
    pub(crate) client_id: String,
}

impl Context<'_> {
    /// The stand-in's time, in epoch seconds.
    pub(crate) fn now(&self) -> i64 {
        self.state.now()
    }

    /// Whether a connected account is acted on.
    pub(crate) fn is_connected(&self) -> bool {
        self.account != self.state.platform
    }

    /// A stored object of the account acted on, as an answer.
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

    /// Stores a new object of the account acted on.
    pub(crate) fn insert(&mut self, kind: Kind, object: Value) {
        let account = self.account.clone();
        self.state.insert(&account, kind, object, serde_json::Map::new());
    }

    /// Sets fields of a stored object of the account acted on.
    pub(crate) fn set(&mut self, kind: Kind, id: &str, fields: Value) {
        let account = self.account.clone();
        self.state.set(&account, kind, id, fields);
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
    /// For work that no request asked for.
    pub(crate) fn internal(state: &'a mut State, account: &str) -> Self {
        Self {
            state,
            account: account.to_owned(),
            request_id: None,
            idempotency_key: None,
            origin: String::new(),
            browser: false,
            client_id: String::new(),
        }
    }
}
