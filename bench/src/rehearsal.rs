//! Sends requests to the stand-ins, records the answers and counts the calls.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Failure;
use crate::binaries::{Binary, target_directory};
use crate::measure::Subject;
use crate::process::Launch;
use crate::requests::{Workload, purchase};
use crate::stack::{Backend, Calls, Stack};

/// How many purchases the buyer has before the measurement: enough for one page. They also create the customer.
const PURCHASES: usize = 20;

/// A request that can be repeated.
#[derive(Debug)]
pub(crate) struct Rehearsed {
    /// How to measure it.
    pub(crate) subject: Subject,
    /// The number of calls it makes.
    pub(crate) calls: Calls,
    /// Answers the calls during the measurement.
    pub(crate) backend: Backend,
}

/// Sends the request once, to a new process.
pub(crate) async fn rehearse(stack: &Stack, workload: &Workload, binary: &Binary) -> Result<Rehearsed, Failure> {
    let event = workload.prepare(stack).await?;
    let backend = stack.backend().await?;
    let launch = rehearsing(&backend, binary)?;
    let mut subject = Subject { launch, event: event.clone(), status: workload.status };

    let mut process = subject.launch.start(None).await?;
    process.polled().await?;
    backend.count();
    process.give(event);
    let answer = process.answered().await?;
    subject.check(&answer.body).map_err(|failure| format!("{} {}: {failure}", workload.function, workload.title))?;
    let calls = backend.counted();

    subject.launch = Launch::new(binary, backend.playing());
    Ok(Rehearsed { subject, calls, backend })
}

/// How many cards one buyer may have charged in a minute, see `shared/src/store/declines.rs`.
const A_MINUTE: usize = 10;

async fn next_minute() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    tokio::time::sleep(Duration::from_secs(61 - now.as_secs() % 60)).await;
}

/// Has the buyer buy a page of courses.
pub(crate) async fn buy_courses(stack: &Stack, charge: &Binary) -> Result<(), Failure> {
    let backend = stack.backend().await?;
    let mut process = rehearsing(&backend, charge)?.start(None).await?;
    let session = stack.session(&stack.buyer).await?;
    for number in 1..=PURCHASES {
        if number % A_MINUTE == 0 {
            next_minute().await;
        }
        let course = stack.new_course(&format!("course-{number}")).await?;
        process.polled().await?;
        process.give(purchase(course.as_str(), &session).to_bytes());
        let answer = process.answered().await?;
        if !answer.body.starts_with(b"{\"statusCode\":201") {
            return Err(format!("a purchase failed: {}", String::from_utf8_lossy(&answer.body)).into());
        }
    }
    Ok(())
}

/// Only the rehearsal writes the function's log to a file.
fn rehearsing(backend: &Backend, binary: &Binary) -> Result<Launch, Failure> {
    let folder = target_directory()?.join("bench");
    std::fs::create_dir_all(&folder)?;
    let mut launch = Launch::new(binary, backend.rehearsing());
    launch.log = Some(folder.join(format!("{}.log", binary.name)));
    Ok(launch)
}
