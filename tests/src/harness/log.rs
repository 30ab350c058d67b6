//! What the functions say in the log while something runs.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// A permanent listener, so that no place is ignored because nobody listened when it was first reached.
static ALWAYS: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Ear { level: Level::INFO, lines: Arc::default() }));

/// Runs something. Returns its result, and the messages of its warnings.
pub(crate) async fn warned<T>(act: impl IntoFuture<Output = T>) -> (T, Vec<String>) {
    let (result, lines) = listen(Level::WARN, act).await;
    (result, lines.into_iter().filter(|line| line.level == Level::WARN).filter_map(|line| line.message).collect())
}

/// Runs something. Returns its result, and all that a release logs, with all fields.
pub(crate) async fn logged<T>(act: impl IntoFuture<Output = T>) -> (T, Vec<String>) {
    let (result, lines) = listen(Level::INFO, act).await;
    (result, lines.into_iter().map(|line| line.text).collect())
}

async fn listen<T>(level: Level, act: impl IntoFuture<Output = T>) -> (T, Vec<Line>) {
    LazyLock::force(&ALWAYS);
    let lines: Arc<Mutex<Vec<Line>>> = Arc::default();
    let result = act.into_future().with_subscriber(Ear { level, lines: Arc::clone(&lines) }).await;
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    (result, std::mem::take(&mut lines))
}

/// Hears this level and those above.
struct Ear {
    level: Level,
    lines: Arc<Mutex<Vec<Line>>>,
}

/// An event, or the beginning of a span.
struct Line {
    level: Level,
    message: Option<String>,
    /// All fields.
    text: String,
}

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        Self { level: *metadata.level(), message: None, text: format!("{}:", metadata.target()) }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _always = write!(self.text, " {}={value:?}", field.name());
        if field.name() == "message" {
            self.message = Some(format!("{value:?}"));
        }
    }
}

impl Ear {
    fn keep(&self, line: Line) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::of(event.metadata());
        event.record(&mut line);
        self.keep(line);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line::of(span.metadata());
        span.record(&mut line);
        line.message = None;
        self.keep(line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
