//! What the functions say in the log while something runs.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// A permanent listener, so that no place is ignored because nobody listened when it was first reached.
static ALWAYS: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Ear(Arc::default())));

/// Runs something. Returns its result, and the messages of its warnings.
pub(crate) async fn warned<T>(act: impl IntoFuture<Output = T>) -> (T, Vec<String>) {
    LazyLock::force(&ALWAYS);
    let messages: Arc<Mutex<Vec<String>>> = Arc::default();
    let result = act.into_future().with_subscriber(Ear(Arc::clone(&messages))).await;
    let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
    (result, std::mem::take(&mut messages))
}

struct Ear(Arc<Mutex<Vec<String>>>);

/// The `message` of an event.
struct Message(Option<String>);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(None);
        event.record(&mut message);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(message.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
