//! One function and the processes that serve it, each one request at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::Options;
use super::runtime_api::{Event, Line, RuntimeApi, Said};

/// The environment variables that Lambda sets for a function.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
const LAMBDA_S_OWN: [(&str, &str); 3] =
    [("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"), ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"), ("AWS_LAMBDA_LOG_STREAM_NAME", "local")];

/// Numbers processes and requests, from one.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// How an invocation ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered(Bytes),
    /// There was no answer. The reason has already been shown to the user.
    Failed(String),
}

/// A function and its processes.
#[derive(Debug)]
pub(super) struct Function {
    name: String,
    program: PathBuf,
    environment: BTreeMap<String, String>,
    timeout: Duration,
    places: Semaphore,
    idle: Mutex<Vec<Instance>>,
    /// Counts renewals. Processes of an older generation get no more requests.
    generation: AtomicU64,
    runtime_api: Arc<RuntimeApi>,
}

/// A process. Dropping it kills the process.
#[derive(Debug)]
struct Instance {
    child: Child,
    line: Line,
    generation: u64,
}

impl Function {
    pub(super) fn new(name: &str, program: &Path, options: &Options, runtime_api: Arc<RuntimeApi>) -> Function {
        Function {
            name: name.to_owned(),
            program: program.to_owned(),
            environment: options.environment.clone(),
            timeout: options.timeout,
            places: Semaphore::new(options.concurrency),
            idle: Mutex::new(Vec::new()),
            generation: AtomicU64::new(0),
            runtime_api,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Ends idle processes now, and busy ones after their current request.
    pub(super) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A live process: the one that answered last, or a new one.
    fn instance(&self) -> Result<Instance, String> {
        while let Some(mut instance) = { self.idle().pop() } {
            match instance.child.try_wait() {
                Ok(None) => return Ok(instance),
                Ok(Some(status)) => eprintln!("local: {} died while idle ({status}); a new process replaces it", self.name),
                Err(error) => eprintln!("local: the state of {} is unknown: {error}", self.name),
            }
        }
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let line = self.runtime_api.line(&self.name, number);
        let mut command = Command::new(&self.program);
        // Never pass the user's AWS settings to a function: they may be real.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .envs(&self.environment)
            .envs(LAMBDA_S_OWN)
            .env("AWS_LAMBDA_FUNCTION_NAME", &self.name)
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.name))
            .env("AWS_LAMBDA_RUNTIME_API", &line.address)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        // Ctrl-C in a terminal is for this program, which ends the functions when they have no more requests.
        #[cfg(unix)]
        command.process_group(0);
        let generation = self.generation.load(Ordering::SeqCst);
        let child = command.spawn().map_err(|error| format!("{} cannot be run: {error}", self.program.display()))?;
        Ok(Instance { child, line, generation })
    }

    async fn answer(&self, body: Bytes) -> Outcome {
        let Ok(_place) = self.places.acquire().await else { return Outcome::Failed("the gateway stops".to_owned()) };
        let mut instance = match self.instance() {
            Ok(instance) => instance,
            Err(reason) => return self.failed(reason),
        };
        let id = request_id();
        let deadline = (SystemTime::now() + self.timeout).duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        // This only fails when the gateway is gone.
        let _ = instance.line.events.send(Event { id: id.clone(), deadline, body });
        let said = async {
            while let Some((about, said)) = instance.line.said.recv().await {
                if about == id {
                    return Some(said);
                }
            }
            None
        };
        let outcome = tokio::select! {
            biased;
            said = said => match said {
                Some(Said::Answer(answer)) => Outcome::Answered(answer),
                Some(Said::Error(error)) => self.failed(format!("{} failed: {error}", self.name)),
                None => return self.failed(format!("{} was lost", self.name)),
            },
            status = instance.child.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                return self.failed(format!("{} died during a request ({status}); the next request starts another", self.name));
            }
            () = tokio::time::sleep(self.timeout) => {
                return self.failed(format!("{} did not answer within {} s and was killed", self.name, self.timeout.as_secs()));
            }
        };
        let mut idle = self.idle();
        if instance.generation == self.generation.load(Ordering::SeqCst) {
            idle.push(instance);
        }
        outcome
    }

    fn failed(&self, reason: String) -> Outcome {
        eprintln!("local: {reason}");
        Outcome::Failed(reason)
    }
}

/// Has the function answer an event. It finishes even if the client disconnects.
pub(super) async fn invoke(function: &Arc<Function>, event: Bytes) -> Outcome {
    let function = Arc::clone(function);
    let answer = tokio::spawn(async move { function.answer(event).await });
    answer.await.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
}

/// An id in the format of Lambda's.
pub(super) fn request_id() -> String {
    format!("00000000-0000-4000-8000-{:012}", NUMBERS.fetch_add(1, Ordering::Relaxed))
}
