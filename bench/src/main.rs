//! The benchmark: every function compared with a Lambda that answers immediately, in one table.
//!
//! `bench` builds and measures. `bench --check` builds, and fails if a size, a number of instructions or a number of
//! calls exceeds its limit.
//! Times are never checked, because they depend on the machine as much as on the function. See `docs/performance.md`.

mod binaries;
mod callgrind;
mod event;
mod exchange;
mod limits;
mod measure;
mod process;
mod rehearsal;
mod report;
mod requests;
mod runtime_api;
mod server;
mod stack;
mod throughput;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::process::ExitCode;

use binaries::Binary;
use measure::Subject;
use rehearsal::Rehearsed;
use report::Row;
use requests::{FLOOR, FUNCTIONS, LEAN, Workload};
use stack::Stack;

/// Why there are no results, as a sentence.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str = "usage: bench [--check] [FUNCTION...]
       --check      only sizes, instructions and calls; fails where one is over its limit
       FUNCTION     only these";

/// The command line.
struct Arguments {
    check: bool,
    functions: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Self, Failure> {
        let (options, functions): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
        let known = |name: &String| FUNCTIONS.iter().any(|workload| workload.function == name);
        if options.iter().any(|option| option != "--check") || !functions.iter().all(known) {
            return Err(USAGE.into());
        }
        Ok(Self { check: !options.is_empty(), functions })
    }

    fn wants(&self, workload: &Workload) -> bool {
        self.functions.is_empty() || self.functions.iter().any(|name| name == workload.function)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(exceeded) if exceeded.is_empty() => ExitCode::SUCCESS,
        Ok(exceeded) => {
            eprintln!("bench: {}", exceeded.join("\nbench: "));
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the benchmark. Returns the exceeded limits, if limits are checked.
async fn run() -> Result<Vec<String>, Failure> {
    let arguments = Arguments::read()?;
    let workloads: Vec<Workload> = FUNCTIONS.into_iter().filter(|workload| arguments.wants(workload)).collect();
    if arguments.check {
        return check(&workloads).await;
    }
    let mut bench = Bench::start(build(&workloads, &[FLOOR.function, LEAN.function])?).await?;
    for workload in &workloads {
        let rehearsed = bench.rehearse(workload).await?;
        eprintln!("measuring {} {} …", workload.function, workload.title);
        bench.measure(workload, &rehearsed).await?;
    }
    println!("{}", report::table(&bench.rows));
    if arguments.functions.is_empty() {
        println!("\n{}", throughput::table(&bench.stack, &bench.binaries["charge"]).await?);
    }
    Ok(Vec::new())
}

/// Checks the figures that are the same in every run. The limits on instructions apply to an x86_64 machine.
async fn check(workloads: &[Workload]) -> Result<Vec<String>, Failure> {
    let counts = cfg!(target_arch = "x86_64");
    if counts && !callgrind::available() {
        return Err("Valgrind is needed to count instructions: apt-get install valgrind".into());
    }
    let binaries = build(workloads, &[])?;
    let stack = Stack::start().await?;
    rehearsal::buy_courses(&stack, &binaries["charge"]).await?;
    let (mut rows, mut exceeded) = (Vec::new(), Vec::new());
    for workload in workloads {
        let binary = &binaries[workload.function];
        let rehearsed = rehearsal::rehearse(&stack, workload, binary).await?;
        let counted = if counts { Some(callgrind::start(&rehearsed.subject).await?) } else { None };
        rehearsed.backend.check()?;
        let what = format!("{} {}", workload.function, workload.title);
        exceeded.extend(workload.limits.exceeded(&what, binary, rehearsed.calls, counted));
        rows.push(Row::counted(workload, binary, rehearsed.calls, counted));
    }
    println!("{}", report::table(&rows));
    Ok(exceeded)
}

/// Builds everything needed. `charge` is always built: it makes the purchases that other requests use.
fn build(workloads: &[Workload], yardsticks: &[&'static str]) -> Result<BTreeMap<&'static str, Binary>, Failure> {
    let functions = workloads.iter().map(|workload| workload.function);
    binaries::build(&yardsticks.iter().copied().chain(["charge"]).chain(functions).collect())
}

/// Everything that is running.
struct Bench {
    binaries: BTreeMap<&'static str, Binary>,
    stack: Stack,
    floor: Rehearsed,
    lean: Rehearsed,
    rows: Vec<Row>,
    /// The floor's peak memory, in bytes, from its first measurement.
    floor_memory: OnceCell<u64>,
    valgrind: bool,
}

impl Bench {
    async fn start(binaries: BTreeMap<&'static str, Binary>) -> Result<Self, Failure> {
        let stack = Stack::start().await?;
        rehearsal::buy_courses(&stack, &binaries["charge"]).await?;
        let floor = rehearsal::rehearse(&stack, &FLOOR, &binaries[FLOOR.function]).await?;
        let lean = rehearsal::rehearse(&stack, &LEAN, &binaries[LEAN.function]).await?;
        Ok(Self { binaries, stack, floor, lean, rows: Vec::new(), floor_memory: OnceCell::new(), valgrind: callgrind::available() })
    }

    fn binary(&self, workload: &Workload) -> Result<&Binary, Failure> {
        Ok(self.binaries.get(workload.function).ok_or("it was not built")?)
    }

    async fn rehearse(&self, workload: &Workload) -> Result<Rehearsed, Failure> {
        rehearsal::rehearse(&self.stack, workload, self.binary(workload)?).await
    }

    async fn measure(&mut self, workload: &Workload, rehearsed: &Rehearsed) -> Result<(), Failure> {
        if self.rows.is_empty() {
            self.measure_yardsticks().await?;
        }
        let row = self.row(workload, rehearsed).await?;
        self.rows.push(row);
        Ok(())
    }

    /// Measures the floor against itself, and the lean function. This shows how much of a ratio is chance.
    async fn measure_yardsticks(&mut self) -> Result<(), Failure> {
        for (workload, rehearsed) in [(&FLOOR, &self.floor), (&LEAN, &self.lean)] {
            let row = self.row(workload, rehearsed).await?;
            self.rows.push(row);
        }
        Ok(())
    }

    async fn row(&self, workload: &Workload, rehearsed: &Rehearsed) -> Result<Row, Failure> {
        let subject: &Subject = &rehearsed.subject;
        let [floor, start] = measure::starts(&self.floor.subject, subject).await?;
        let [lean, warm] = measure::warm(&self.lean.subject, subject).await?;
        let (counted, instructions) = match self.valgrind {
            true => (Some(callgrind::start(subject).await?), Some(callgrind::warm(subject).await?)),
            false => (None, None),
        };
        rehearsed.backend.check()?;
        let floor_memory = *self.floor_memory.get_or_init(|| warm.peak_memory);
        let figures = report::Figures { floor, start, lean, warm, floor_memory, instructions };
        Ok(Row::measured(workload, self.binary(workload)?, rehearsed.calls, counted, figures))
    }
}
