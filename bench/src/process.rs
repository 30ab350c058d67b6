//! A function as a process, started with only its own environment, as on Lambda. Its figures come from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;
use crate::binaries::Binary;
use crate::runtime_api::{Answer, RuntimeApi, Step};

/// The function's variables, without those that Lambda sets for every function.
pub(crate) type Environment = BTreeMap<&'static str, String>;

/// How to start a function.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The function's name.
    pub(crate) name: &'static str,
    /// The release binary.
    pub(crate) program: PathBuf,
    /// Its own variables.
    pub(crate) environment: Environment,
    /// The command that runs the binary, with its arguments; usually empty.
    pub(crate) under: Vec<String>,
    /// The file for its log; `None` while it is measured.
    pub(crate) log: Option<PathBuf>,
    /// The time limit for each step.
    pub(crate) patience: Duration,
}

/// A running function. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    api: RuntimeApi,
    name: String,
    patience: Duration,
    /// Just before the process was created.
    pub(crate) started: Instant,
}

impl Launch {
    /// Runs the binary directly.
    pub(crate) fn new(binary: &Binary, environment: Environment) -> Self {
        let (program, under) = (binary.path.clone(), Vec::new());
        Self { name: binary.name, program, environment, under, log: None, patience: Duration::from_secs(10) }
    }

    /// Starts the process. An `event` given here is available before its first poll.
    pub(crate) async fn start(&self, event: Option<Bytes>) -> Result<Process, Failure> {
        let api = RuntimeApi::start().await?;
        if let Some(event) = event {
            api.give(event);
        }
        let name = self.name.to_owned();
        let mut command = match self.under.split_first() {
            Some((runner, arguments)) => {
                let mut command = Command::new(runner);
                command.args(arguments).arg(&self.program).stderr(Stdio::piped());
                command
            }
            None => Command::new(&self.program),
        };
        let output = match &self.log {
            Some(file) => Stdio::from(fs::File::create(file)?),
            None => Stdio::null(),
        };
        command.env_clear().envs(lambda_variables(&name)).envs(&self.environment).env("AWS_LAMBDA_RUNTIME_API", api.address());
        command.stdin(Stdio::null()).stdout(output);
        let started = Instant::now();
        let child = command.spawn().map_err(|error| format!("{}: {error}", self.program.display()))?;
        Ok(Process { child, api, name, patience: self.patience, started })
    }
}

/// The variables that Lambda sets for every function.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
fn lambda_variables(name: &str) -> [(&'static str, String); 8] {
    [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]bench".to_owned()),
    ]
}

impl Process {
    /// Provides an event for the next poll.
    pub(crate) fn give(&self, event: Bytes) {
        self.api.give(event);
    }

    /// Waits until the function polls for an event.
    pub(crate) async fn polled(&mut self) -> Result<Instant, Failure> {
        match self.step().await? {
            Step::Polled { at } => Ok(at),
            other => Err(format!("{} was to poll, but: {other:?}", self.name).into()),
        }
    }

    /// Waits for the answer to an event.
    pub(crate) async fn answered(&mut self) -> Result<Answer, Failure> {
        match self.step().await? {
            Step::Answered(answer) => Ok(answer),
            other => Err(format!("{} was to answer, but: {other:?}", self.name).into()),
        }
    }

    async fn step(&mut self) -> Result<Step, Failure> {
        match tokio::time::timeout(self.patience, self.api.step()).await {
            Ok(Some(Step::Failed(reason))) => Err(format!("{} failed: {reason}", self.name).into()),
            Ok(Some(step)) => Ok(step),
            Ok(None) => Err(format!("{}: the Runtime API is gone", self.name).into()),
            Err(_) => {
                let state = self.child.try_wait()?.map_or("it still runs".to_owned(), |status| status.to_string());
                Err(format!("{} did nothing for {:?}; {state}", self.name, self.patience).into())
            }
        }
    }

    /// The CPU time of all threads so far, user and system, in nanoseconds as the scheduler records it. It is exact while the
    /// process sleeps, and does not include threads that have ended.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let mut total = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let figures = fs::read_to_string(thread?.path().join("schedstat"))?;
            total += figures.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// The peak resident memory, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Asks the process to end. Returns its standard error if it runs under another program.
    pub(crate) fn terminate(mut self) -> Result<String, Failure> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut text)?;
        }
        self.child.wait()?;
        Ok(text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
