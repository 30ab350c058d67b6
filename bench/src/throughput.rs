//! How many purchases per second many instances of `charge` make together, against the stand-ins. This shows the total cost of a
//! purchase on one machine, and that no purchase waits for another.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shared::domain::ids::CourseId;

use crate::Failure;
use crate::binaries::{Binary, target_directory};
use crate::process::{Launch, Process};
use crate::requests::purchase;
use crate::stack::Stack;

/// The numbers of instances. As on Lambda, each handles one request at a time.
const AT_ONCE: [usize; 3] = [1, 16, 64];

/// Every buyer buys the same courses: one before the measurement, so that Stripe has the customer, and the others during it. The number
/// is small because the DynamoDB stand-in adds up everything under a partition key at each write there.
const BUYERS: usize = 64;
const COURSES: usize = 10;

/// A Markdown table with a row for each number of instances.
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

/// The duration of each purchase, shortest first, and the total duration.
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

/// Makes one purchase. If it fails, the error names the function's log.
async fn buy(process: &mut Process, log: &Path, event: Bytes) -> Result<Duration, Failure> {
    process.give(event);
    let answer = process.answered().await?;
    process.polled().await?;
    if !answer.body.starts_with(b"{\"statusCode\":201") {
        return Err(format!("a purchase failed, see {}: {}", log.display(), String::from_utf8_lossy(&answer.body)).into());
    }
    Ok(answer.at - answer.handed)
}
