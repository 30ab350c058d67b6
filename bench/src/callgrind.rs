//! Instructions, counted by Valgrind's Callgrind: the same in every run, whatever else the machine does.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Failure;
use crate::measure::Subject;

/// What runs the binary.
const COMMAND: [&str; 3] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];

/// Over how many requests the warm ones are counted, and after how many.
const REQUESTS: u64 = 50;
const WARM_UP: u64 = 50;

/// How much longer than usual everything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Instructions since the start of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instructions {
    /// Until it polls for its first event.
    pub(crate) first_poll: u64,
    /// Until it has answered that and polls for the next.
    pub(crate) first_answer: u64,
}

/// Whether Valgrind is there.
pub(crate) fn available() -> bool {
    Command::new(COMMAND[0]).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Counts a start. Every figure is that of a process of its own, for Callgrind tells when a process ends.
pub(crate) async fn start(subject: &Subject) -> Result<Instructions, Failure> {
    Ok(Instructions { first_poll: after(subject, 0).await?, first_answer: after(subject, 1).await? })
}

/// Instructions from one event to the next, once the function is warm.
pub(crate) async fn warm(subject: &Subject) -> Result<u64, Failure> {
    Ok((after(subject, WARM_UP + REQUESTS).await? - after(subject, WARM_UP).await?) / REQUESTS)
}

/// Instructions from the start of a process until it polls again after so many requests.
async fn after(subject: &Subject, requests: u64) -> Result<u64, Failure> {
    let mut launch = subject.launch.clone();
    launch.under = COMMAND.map(str::to_owned).to_vec();
    launch.environment.insert("PATH", std::env::var("PATH").unwrap_or_default());
    launch.patience = PATIENCE;
    let mut process = launch.start(None).await?;
    process.polled().await?;
    for _ in 0..requests {
        process.give(subject.event.clone());
        let answer = process.answered().await?;
        subject.check(&answer.body)?;
        process.polled().await?;
    }
    collected(&process.terminate()?)
}

/// `==1234== Collected : 5678`
fn collected(text: &str) -> Result<u64, Failure> {
    let figure = text.lines().find_map(|line| line.split_once("Collected :")).map(|(_, figure)| figure.trim());
    Ok(figure.ok_or_else(|| format!("Callgrind counts nothing: {text}"))?.parse()?)
}
