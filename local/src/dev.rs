//! `local dev` and `local stack`: everything up in the right order, and everything down again.

mod cargo_lambda;
mod functions;
mod lock;
mod processes;
mod pump;
mod stand_ins;
mod words;

use std::path::Path;
use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::settings::{Settings, Stripe};
use stand_ins::StandIns;

/// How the names of the files begin that a run leaves for the next.
const STATE: [&str; 4] = ["dynamodb.sqlite", "dynamodb-test-mode.sqlite", "stripe.json", "token-keys.json"];

/// Runs everything, `cargo lambda watch` included, until Ctrl-C or SIGTERM.
///
/// # Errors
/// A sentence for the person at the terminal: what is missing, what failed, which process died.
pub async fn dev(root: &Path) -> Result<(), String> {
    supervise(root, Mode::Dev).await
}

/// Runs the stand-ins alone, for a `cargo lambda watch` that somebody else starts.
///
/// # Errors
/// As for [`dev`].
pub async fn stack(root: &Path) -> Result<(), String> {
    supervise(root, Mode::Stack).await
}

/// Deletes the state of earlier runs.
///
/// # Errors
/// Where the stack runs, or a file cannot be deleted.
pub fn reset(root: &Path) -> Result<(), String> {
    let settings = Settings::load(root)?;
    let _lock = lock::take(&settings)?;
    let folder = settings.state("");
    let failed = |error: std::io::Error| format!("{} cannot be emptied: {error}", folder.display());
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        // The databases have further files beside them while they are in use.
        if STATE.iter().any(|state| name.to_string_lossy().starts_with(state)) {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    println!("The next start begins with an empty table, an empty Stripe, and the fixtures.");
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Dev,
    Stack,
}

async fn supervise(root: &Path, mode: Mode) -> Result<(), String> {
    let mut signals = Signals::new().map_err(|error| format!("signals cannot be received: {error}"))?;
    processes::adopt_orphans();
    let settings = Settings::load(root)?;
    let _lock = lock::take(&settings)?;
    let mut stand_ins = None;
    let result = tokio::select! {
        result = up(&settings, mode, &mut stand_ins) => match result {
            // Ctrl-C reaches the whole process group: a child that ends by it has not failed.
            Err(_) if signals.soon().await => Ok(()),
            result => result,
        },
        () = signals.next() => Ok(()),
    };
    if result.is_ok() {
        println!("\nStopping.");
    }
    tokio::select! {
        () = processes::end_all() => {}
        // Whoever asks twice does not want to wait.
        () = signals.next() => processes::kill_all(),
    }
    if let Some(stand_ins) = stand_ins {
        StandIns::shutdown(stand_ins).await;
    }
    result
}

/// Starts everything; returns only if something goes wrong.
async fn up(settings: &Settings, mode: Mode, running: &mut Option<StandIns>) -> Result<(), String> {
    let began = Instant::now();
    let mut not_needed = Vec::new();
    if mode == Mode::Stack {
        // A `cargo lambda watch` may run already.
        not_needed.push("API_PORT");
    }
    if let Stripe::TestMode(_) = settings.stripe() {
        not_needed.push("STRIPE_PORT");
        words::say("Stripe's test mode is used, with the keys in the environment or in .env.");
    }
    settings.ports().check(&not_needed)?;
    let cargo_lambda = match mode {
        Mode::Dev => Some(cargo_lambda::find_or_install(settings).await?),
        Mode::Stack => None,
    };
    if mode == Mode::Dev {
        words::say("Building the functions. The first time takes some minutes.");
        processes::run("cargo build", processes::cargo(settings).arg("build")).await?;
    }
    words::say("Building the operator's commands.");
    processes::run("cargo build -p operator", processes::cargo(settings).args(["build", "-p", "operator"])).await?;

    words::say("Starting the stand-ins.");
    let stand_ins = running.insert(stand_ins::start(settings).await?);
    for command in ["table", "fixtures"] {
        let mut operator = processes::cargo(settings);
        operator.args(["run", "--quiet", "-p", "operator", "--", command]).envs(settings.operator());
        processes::run(&format!("operator {command}"), &mut operator).await?;
    }

    let Some(cargo_lambda) = cargo_lambda else {
        words::stack_is_ready(settings, began.elapsed());
        pump::pump(settings, stand_ins.dynamo()).await;
        std::future::pending::<()>().await;
        return Ok(());
    };
    words::say("Starting the functions.");
    let mut watch = functions::watch(settings, &cargo_lambda)?;
    tokio::select! {
        status = watch.wait() => return Err(processes::ended("cargo lambda watch", status)),
        ready = functions::ready(settings) => ready?,
    }
    words::dev_is_ready(settings, began.elapsed());
    let ended = tokio::select! {
        status = watch.wait() => status,
        () = async {
            pump::pump(settings, stand_ins.dynamo()).await;
            std::future::pending::<()>().await;
        } => unreachable!("nothing ends what is pending"),
    };
    Err(processes::ended("cargo lambda watch", ended))
}

/// What asks the stack to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    /// Whether a signal is there, or about to arrive.
    async fn soon(&mut self) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(300), self.next()).await.is_ok()
    }
}
