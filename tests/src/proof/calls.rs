//! The calls that a request actually makes: for each call to DynamoDB, SES or Stripe, the places in our code that wait for it.
//!
//! The AWS SDK and the gateway report each request to `tracing` in the very task that
//! waits for the answer, so the stack at that moment is the chain of our own functions.

use std::backtrace::Backtrace;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// A line of a file, relative to the workspace's root.
pub(super) type Place = (String, usize);

/// The places that wait for one call, outermost first.
pub(super) type Chain = Vec<Place>;

/// A permanent listener. `tracing` asks only once per place, when it is first reached, whether
/// anybody is interested. Without a listener at that moment the place would be ignored permanently.
static ALWAYS: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Ear(Arc::default())));

/// Lets [`overheard`] hear everything from now on.
pub(super) fn listen() {
    LazyLock::force(&ALWAYS);
}

/// Runs something and returns the calls that it made.
pub(super) async fn overheard(act: impl Future<Output = ()>) -> BTreeSet<Chain> {
    let chains: Arc<Mutex<BTreeSet<Chain>>> = Arc::default();
    act.with_subscriber(Ear(Arc::clone(&chains))).await;
    let mut chains = chains.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut chains)
}

struct Ear(Arc<Mutex<BTreeSet<Chain>>>);

impl Ear {
    fn note(&self) {
        let chain = chain(&Backtrace::force_capture().to_string());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(chain);
    }
}

impl Subscriber for Ear {
    /// The SDK has a span for each try, and the gateway an event for each response.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let of_aws = metadata.is_span() && metadata.name() == "try_attempt" && metadata.target().starts_with("aws_smithy_runtime");
        of_aws || (metadata.is_event() && metadata.target().starts_with("shared::stripe"))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.note();
        Id::from_u64(1)
    }

    fn event(&self, _: &Event<'_>) {
        self.note();
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The lines of a backtrace that belong to the functions or to `shared`.
fn chain(backtrace: &str) -> Chain {
    let root = env!("CARGO_MANIFEST_DIR").trim_end_matches("tests");
    let mut places: Chain = Vec::new();
    for line in backtrace.lines() {
        let Some(place) = line.trim_start().strip_prefix("at ") else { continue };
        let mut parts = place.rsplitn(3, ':');
        let (Some(_column), Some(line), Some(file)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let file = file.strip_prefix(root).unwrap_or(file);
        if (file.starts_with("functions/") || file.starts_with("shared/src/"))
            && places.last().is_none_or(|last| last.0 != file || last.1.to_string() != line)
        {
            places.extend(line.parse().ok().map(|line| (file.to_owned(), line)));
        }
    }
    places.reverse();
    places
}
