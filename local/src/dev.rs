//! `local dev` and `local stack`: start everything in the right order and stop it again.

mod functions;
mod lock;
mod processes;
mod pump;
mod rebuild;
mod stand_ins;
mod words;

use std::path::Path;
use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::settings::{Settings, Stripe};
use stand_ins::StandIns;

/// Prefixes of the files that a run leaves for the next one.
const STATE: [&str; 4] = ["dynamodb.sqlite", "dynamodb-test-mode.sqlite", "stripe.json", "token-keys.json"];

/// Runs everything until Ctrl-C or SIGTERM.
///
/// # Errors
/// A sentence for the user: what is missing, what failed, or which process died.
pub async fn dev(root: &Path) -> Result<(), String> {
    supervise(root, Mode::Dev).await
}

/// Runs only the stand-ins, for a separate `cargo lambda watch`.
///
/// # Errors
/// As for [`dev`].
pub async fn stack(root: &Path) -> Result<(), String> {
    supervise(root, Mode::Stack).await
}

/// Deletes the state of earlier runs.
///
/// # Errors
/// If the stack is running, or a file cannot be deleted.
pub fn reset(root: &Path) -> Result<(), String> {
    let settings = Settings::load(root)?;
    let _lock = lock::take(&settings)?;
    let folder = settings.state("");
    let failed = |error: std::io::Error| format!("{} cannot be emptied: {error}", folder.display());
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        // Open databases have additional files next to them.
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
            // Ctrl-C reaches the whole process group: a child that it ended has not failed.
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
        // A second signal means: stop immediately.
        () = signals.next() => processes::kill_all(),
    }
    if let Some(stand_ins) = stand_ins {
        StandIns::shutdown(stand_ins).await;
    }
    result
}

/// Starts everything. Returns only if something fails.
async fn up(settings: &Settings, mode: Mode, running: &mut Option<StandIns>) -> Result<(), String> {
    let began = Instant::now();
    let mut not_needed = Vec::new();
    if mode == Mode::Stack {
        // `cargo lambda watch` may already be running.
        not_needed.push("API_PORT");
    }
    if let Stripe::TestMode(_) = settings.stripe() {
        not_needed.push("STRIPE_PORT");
        words::say("Stripe's test mode is used, with the keys in the environment or in .env.");
    }
    settings.ports().check(&not_needed)?;
    let code = rebuild::state(settings.root());
    if mode == Mode::Dev {
        words::say("Building the functions. The first time takes some minutes.");
        functions::build(settings, &["operator"]).await?;
    }

    words::say("Starting the stand-ins.");
    let stand_ins = running.insert(stand_ins::start(settings).await?);
    for command in ["table", "fixtures"] {
        let mut operator = processes::cargo(settings);
        operator.args(["run", "--quiet", "--bin", "operator", "--", command]).envs(settings.operator());
        processes::run(&format!("operator {command}"), &mut operator).await?;
    }

    if mode == Mode::Stack {
        words::stack_is_ready(settings, began.elapsed());
        tokio::join!(pump::pump(settings, stand_ins.dynamo(), stand_ins.mailbox()), pump::schedules(settings));
        std::future::pending::<()>().await;
        return Ok(());
    }
    words::say("Starting the functions.");
    let gateway = functions::serve(settings).await?;
    functions::ready(settings).await?;
    words::dev_is_ready(settings, began.elapsed());
    tokio::join!(
        pump::pump(settings, stand_ins.dynamo(), stand_ins.mailbox()),
        pump::schedules(settings),
        rebuild::follow(settings, &gateway, code)
    );
    Ok(())
}

/// The signals that stop the stack.
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

    /// Whether a signal has arrived or arrives within 300 ms.
    async fn soon(&mut self) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(300), self.next()).await.is_ok()
    }
}
