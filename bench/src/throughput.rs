//! How many purchases a second many instances of `charge` make together, against the stand-ins: what a purchase costs
//! all who take part in it, on one machine, and that nothing in its path waits for another purchase.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shared::ids::CourseId;

use crate::Failure;
use crate::binaries::{Binary, target_directory};
use crate::process::{Launch, Process};
use crate::requests::purchase;
use crate::stack::Stack;

/// How many instances there are, one request at a time each, as Lambda has it.
const AT_ONCE: [usize; 3] = [1, 16, 64];

/// Everybody buys the same courses: one before anything is measured, so that Stripe has the customer, and the others then. Nobody
/// buys many, for the stand-in of DynamoDB adds up all that stands under one partition key at each write there.
const BUYERS: usize = 64;
const COURSES: usize = 10;

/// A line for each number of instances, in Markdown.
pub(crate) async fn table(stack: &Stack, charge: &Binary) -> Result<String, Failure> {
    let mut lines = vec!["| purchases at once | a second | p50 ms | p99 ms |".to_owned(), "| --: | --: | --: | --: |".to_owned()];
    let first = stack.new_course("throughput-first").await?;
    let mut courses = Vec::new();
    for number in 1..=COURSES {
        courses.push(stack.new_course(&format!("throughput-{number}")).await?);
    }
    for at_once in AT_ONCE {
        eprintln!("measuring {at_once} purchases at once …");
        let (latencies, time) = measure(stack, charge, at_once, &first, &courses).await?;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let rate = latencies.len() as f64 / time.as_secs_f64();
        let (median, p99) = (latencies[latencies.len() / 2], latencies[latencies.len() * 99 / 100]);
        lines.push(format!("| {at_once} | {rate:.0} | {:.1} | {:.1} |", milliseconds(median), milliseconds(p99)));
    }
    Ok(lines.join("\n"))
}

/// How long each purchase took, the shortest first, and how long all of them.
async fn measure(
    stack: &Stack,
    charge: &Binary,
    at_once: usize,
    first: &CourseId,
    courses: &[CourseId],
) -> Result<(Vec<Duration>, Duration), Failure> {
    let logs = target_directory()?.join("throughput");
    fs::create_dir_all(&logs)?;
    let mut instances = Vec::new();
    for instance in 0..at_once {
        let mut launch = Launch::new(charge, stack.environment());
        let log = logs.join(format!("{instance}.log"));
        launch.log = Some(log.clone());
        let mut process = launch.start(None).await?;
        process.polled().await?;
        let mut events = Vec::new();
        for buyer in (instance..BUYERS).step_by(at_once) {
            let buyer = stack.new_buyer(&format!("buyer-{at_once}-{buyer}@example.com")).await?;
            let session = stack.session(&buyer).await?;
            buy(&mut process, &log, purchase(first.as_str(), &session).to_bytes()).await?;
            events.extend(courses.iter().map(|course| purchase(course.as_str(), &session).to_bytes()));
        }
        instances.push((process, log, events));
    }
    let begun = Instant::now();
    let work = instances.into_iter().map(|(mut process, log, events)| async move {
        let mut latencies = Vec::new();
        for event in events {
            latencies.push(buy(&mut process, &log, event).await?);
        }
        Ok::<_, Failure>(latencies)
    });
    let tasks: Vec<_> = work.map(tokio::spawn).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let time = begun.elapsed();
    latencies.sort_unstable();
    Ok((latencies, time))
}

/// One purchase, which must succeed; where it does not, the function's log says why.
async fn buy(process: &mut Process, log: &Path, event: Bytes) -> Result<Duration, Failure> {
    process.give(event);
    let answer = process.answered().await?;
    process.polled().await?;
    if !answer.body.starts_with(b"{\"statusCode\":201") {
        return Err(format!("a purchase failed, see {}: {}", log.display(), String::from_utf8_lossy(&answer.body)).into());
    }
    Ok(answer.at - answer.handed)
}
