//! Measures starts, warm requests, and memory.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::Failure;
use crate::process::{Launch, Process};

/// How often each function is started. Medians are reported, because the fastest
/// and slowest starts say more about the machine than about the function.
const STARTS: usize = 41;

/// The number of requests before warm ones are measured, the requests per block, and the alternating blocks per function.
const WARM_UP: usize = 300;
const BLOCK: usize = 500;
const BLOCKS: usize = 4;

/// A function and its event, ready to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) launch: Launch,
    pub(crate) event: Bytes,
    /// The expected status of the answer; `None` if the function is not called over HTTP.
    pub(crate) status: Option<u64>,
}

/// Medians over many starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// From just before the process is created to its first poll.
    pub(crate) first_poll: Duration,
    /// From the first poll to the first answer.
    pub(crate) first_answer: Duration,
    /// CPU time until it waits for its second event.
    pub(crate) cpu: Duration,
}

/// Many sequential requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Warm {
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    /// CPU time per request.
    pub(crate) cpu: Duration,
    /// In bytes.
    pub(crate) peak_memory: u64,
}

/// Starts both alternately, so that other load on the machine affects both equally.
pub(crate) async fn starts(first: &Subject, second: &Subject) -> Result<[Start; 2], Failure> {
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..STARTS {
        for (subject, figures) in [first, second].into_iter().zip(&mut figures) {
            figures.push(start(subject).await?);
        }
    }
    Ok(figures.map(|figures| Start {
        first_poll: median(figures.iter().map(|start| start.first_poll)),
        first_answer: median(figures.iter().map(|start| start.first_answer)),
        cpu: median(figures.iter().map(|start| start.cpu)),
    }))
}

async fn start(subject: &Subject) -> Result<Start, Failure> {
    let mut process = subject.launch.start(Some(subject.event.clone())).await?;
    let polled = process.polled().await?;
    let answer = process.answered().await?;
    subject.check(&answer.body)?;
    process.polled().await?;
    settle().await;
    Ok(Start { first_poll: polled - process.started, first_answer: answer.at - process.started, cpu: process.cpu()? })
}

/// Waits until a process that has just polled is asleep. Only then is its CPU time complete.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Sends requests to both alternately, block by block.
pub(crate) async fn warm(first: &Subject, second: &Subject) -> Result<[Warm; 2], Failure> {
    let mut runs = [Run::start(first).await?, Run::start(second).await?];
    for _ in 0..BLOCKS {
        for run in &mut runs {
            run.block().await?;
        }
    }
    let [first, second] = runs;
    Ok([first.end()?, second.end()?])
}

/// The measurements of one function.
struct Run<'a> {
    subject: &'a Subject,
    process: Process,
    latencies: Vec<Duration>,
    cpu: Duration,
}

impl<'a> Run<'a> {
    async fn start(subject: &'a Subject) -> Result<Self, Failure> {
        let mut process = subject.launch.start(None).await?;
        process.polled().await?;
        let mut run = Self { subject, process, latencies: Vec::new(), cpu: Duration::ZERO };
        for _ in 0..WARM_UP {
            run.request().await?;
        }
        Ok(run)
    }

    async fn request(&mut self) -> Result<Duration, Failure> {
        self.process.give(self.subject.event.clone());
        let answer = self.process.answered().await?;
        self.process.polled().await?;
        self.subject.check(&answer.body)?;
        Ok(answer.at - answer.handed)
    }

    async fn block(&mut self) -> Result<(), Failure> {
        settle().await;
        let before = self.process.cpu()?;
        for _ in 0..BLOCK {
            let latency = self.request().await?;
            self.latencies.push(latency);
        }
        settle().await;
        self.cpu += self.process.cpu()? - before;
        Ok(())
    }

    fn end(mut self) -> Result<Warm, Failure> {
        self.latencies.sort_unstable();
        let count = self.latencies.len();
        Ok(Warm {
            median: self.latencies[count / 2],
            p99: self.latencies[count * 99 / 100],
            cpu: self.cpu / u32::try_from(count)?,
            peak_memory: self.process.peak_memory()?,
        })
    }
}

impl Subject {
    /// Checks that an answer has the expected status.
    pub(crate) fn check(&self, body: &Bytes) -> Result<(), Failure> {
        let answer: Value = serde_json::from_slice(body)?;
        match answer["statusCode"].as_u64() {
            status if status == self.status => Ok(()),
            _ => Err(format!("the answer was to have status {:?}: {}", self.status, String::from_utf8_lossy(body)).into()),
        }
    }
}

fn median(values: impl Iterator<Item = Duration>) -> Duration {
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}
