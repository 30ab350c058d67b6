//! Faults that the proxy injects, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// A fault that affects some of the requests.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The affected operation, as in [`Call::operation`](super::Call); `None` for all.
    pub operation: Option<String>,
    /// How many matching requests pass first.
    pub skip: usize,
    /// How many requests it then affects; `usize::MAX` for all.
    pub times: usize,
    /// What happens to them.
    pub kind: Kind,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The connection closes before the work is done.
    Drop,
    /// The work is done, but the connection closes without an answer.
    LoseAnswer,
    /// The request waits before it is forwarded.
    Delay(Duration),
    /// The request waits until the test opens the gate.
    Hold(Gate),
    /// The work is done, but its answer waits until the test opens the gate.
    HoldAnswer(Gate),
    /// The proxy answers with this status and body; nothing is done.
    Answer {
        /// The status.
        status: u16,
        /// The body, JSON or not.
        body: String,
    },
    /// 500 `InternalServerError`; nothing is done.
    InternalServerError,
    /// 400 `ProvisionedThroughputExceededException`; nothing is done.
    Throttle,
    /// DynamoDB's answer while another transaction holds an item: `TransactionCanceledException` with the reason
    /// `TransactionConflict` for the first item of a TransactWriteItems, `TransactionConflictException` for a single write.
    TransactionConflict,
}

impl Fault {
    /// Affects the next request of `operation` only.
    pub fn next(operation: &str, kind: Kind) -> Fault {
        Fault { operation: Some(operation.to_owned()), skip: 0, times: 1, kind }
    }

    /// Affects every request of every operation.
    pub fn always(kind: Kind) -> Fault {
        Fault { operation: None, skip: 0, times: usize::MAX, kind }
    }

    /// Holds one request of any operation at the gate.
    pub fn hold(gate: &Gate) -> Fault {
        Fault { operation: None, skip: 0, times: 1, kind: Kind::Hold(gate.clone()) }
    }

    pub(super) fn is_held_at(&self, gate: &Gate) -> bool {
        matches!(&self.kind, Kind::Hold(held) if Arc::ptr_eq(&held.arrived, &gate.arrived))
    }

    /// Lets the first `skip` matching requests pass.
    #[must_use]
    pub fn skip(self, skip: usize) -> Fault {
        Fault { skip, ..self }
    }

    /// Affects `times` requests.
    #[must_use]
    pub fn times(self, times: usize) -> Fault {
        Fault { times, ..self }
    }
}

/// Holds requests until a test has seen them arrive and releases them.
#[derive(Clone, Debug)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate { arrived: Arc::new(Semaphore::new(0)), opened: Arc::new(Semaphore::new(0)) }
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Waits until one more request has reached the gate.
    pub async fn reached(&self) {
        if let Ok(permit) = self.arrived.acquire().await {
            permit.forget();
        }
    }

    /// Releases one held request, or the next one to arrive.
    pub fn open(&self) {
        self.opened.add_permits(1);
    }

    pub(super) async fn wait(&self) {
        self.arrived.add_permits(1);
        if let Ok(permit) = self.opened.acquire().await {
            permit.forget();
        }
    }
}

/// Finds the fault for a request of `operation`, and counts it.
pub(super) fn strike(faults: &mut Vec<Fault>, operation: &str) -> Option<Kind> {
    let mut struck = None;
    for fault in faults.iter_mut() {
        if fault.operation.as_deref().is_some_and(|wanted| wanted != operation) {
            continue;
        }
        if fault.skip > 0 {
            fault.skip -= 1;
        } else if struck.is_none() && fault.times > 0 {
            fault.times = if fault.times == usize::MAX { usize::MAX } else { fault.times - 1 };
            struck = Some(fault.kind.clone());
        }
    }
    faults.retain(|fault| fault.times > 0);
    struck
}
