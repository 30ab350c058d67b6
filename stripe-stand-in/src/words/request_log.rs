//! The log of API requests, for tests that count calls (`GET /_admin/requests`).

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

/// The log keeps this many requests.
const CAPACITY: usize = 20_000;

/// One request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Logged {
    /// Counts from 1 and never repeats, even after the log is cleared.
    pub(crate) n: u64,
    pub(crate) id: String,
    /// The stand-in's time, in epoch seconds.
    pub(crate) at: i64,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The `Stripe-Account` header.
    pub(crate) account: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) version: Option<String>,
    /// Where the secret key was: `bearer`, `basic`, `form` or `none`.
    pub(crate) auth: String,
    pub(crate) params: Value,
    /// `null` while in flight, or if the connection was closed without a response.
    pub(crate) status: Option<u16>,
    pub(crate) replayed: bool,
    /// The fault that was applied.
    pub(crate) fault: Option<String>,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<Logged>,
    last: u64,
}

impl RequestLog {
    /// Adds a request and returns its number.
    pub(crate) fn push(&mut self, mut entry: Logged) -> u64 {
        self.last += 1;
        entry.n = self.last;
        if self.entries.len() == CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.last
    }

    /// The request with a number, unless it was cleared.
    pub(crate) fn entry(&mut self, n: u64) -> Option<&mut Logged> {
        self.entries.iter_mut().rev().find(|entry| entry.n == n)
    }

    /// Requests with a number above `since`, oldest first.
    pub(crate) fn since(&self, since: u64) -> Vec<&Logged> {
        self.entries.iter().filter(|entry| entry.n > since).collect()
    }

    /// The number of the last request.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Clears the log.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
