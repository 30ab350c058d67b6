//! Requests against the stand-ins: what they answer is recorded, and how often they are called is counted.

use crate::Failure;
use crate::binaries::{Binary, target_directory};
use crate::measure::Subject;
use crate::process::Launch;
use crate::requests::{Workload, purchase};
use crate::stack::{Backend, Calls, Stack};

/// The buyer's purchases before anything is measured: a page of them, and a customer that is known.
const PURCHASES: usize = 20;

/// A request that can be repeated.
#[derive(Debug)]
pub(crate) struct Rehearsed {
    /// How to measure it.
    pub(crate) subject: Subject,
    /// How often it called.
    pub(crate) calls: Calls,
    /// Answers while it is measured.
    pub(crate) backend: Backend,
}

/// Makes the request once, by a process of its own.
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

/// Lets the buyer buy a page of courses.
pub(crate) async fn buy_courses(stack: &Stack, charge: &Binary) -> Result<(), Failure> {
    let backend = stack.backend().await?;
    let mut process = rehearsing(&backend, charge)?.start(None).await?;
    let session = stack.session(&stack.buyer).await?;
    for number in 1..=PURCHASES {
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

/// A function's log is kept of the rehearsal only.
fn rehearsing(backend: &Backend, binary: &Binary) -> Result<Launch, Failure> {
    let folder = target_directory()?.join("bench");
    std::fs::create_dir_all(&folder)?;
    let mut launch = Launch::new(binary, backend.rehearsing());
    launch.log = Some(folder.join(format!("{}.log", binary.name)));
    Ok(launch)
}
