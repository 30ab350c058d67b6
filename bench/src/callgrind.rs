//! Instruction counts by Valgrind's Callgrind. They are the same in every run, whatever else the machine does.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Failure;
use crate::measure::Subject;

/// The command that runs the binary.
const COMMAND: [&str; 3] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];

/// How many warm requests to count, and how many to send before.
const REQUESTS: u64 = 50;
const WARM_UP: u64 = 50;

/// The time limit for a step, longer than usual because Valgrind is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Instruction counts since the start of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instructions {
    /// Until it polls for its first event.
    pub(crate) first_poll: u64,
    /// Until it has answered the first event and polls again.
    pub(crate) first_answer: u64,
}

/// Whether Valgrind is installed.
pub(crate) fn available() -> bool {
    Command::new(COMMAND[0]).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Counts a start. Each figure needs its own process, because Callgrind only reports when a process ends.
pub(crate) async fn start(subject: &Subject) -> Result<Instructions, Failure> {
    Ok(Instructions { first_poll: after(subject, 0).await?, first_answer: after(subject, 1).await? })
}

/// The number of instructions per event once the function is warm.
pub(crate) async fn warm(subject: &Subject) -> Result<u64, Failure> {
    Ok((after(subject, WARM_UP + REQUESTS).await? - after(subject, WARM_UP).await?) / REQUESTS)
}

/// The number of instructions from the start of a process until it polls again after this many requests.
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

/// Parses `==1234== Collected : 5678`.
fn collected(text: &str) -> Result<u64, Failure> {
    let figure = text.lines().find_map(|line| line.split_once("Collected :")).map(|(_, figure)| figure.trim());
    Ok(figure.ok_or_else(|| format!("Callgrind counts nothing: {text}"))?.parse()?)
}
