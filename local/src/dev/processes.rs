//! Child processes. They start with a clean environment, and all of them are ended at exit.

use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};
use tokio::process::Command;

use crate::settings::Settings;

/// How long processes may take to end by themselves.
const GRACE: Duration = Duration::from_secs(5);

/// Variables that `cargo run` set for this program. If children inherited them, cargo would consider other builds stale.
const CARGO_S_OWN: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// A cargo command at the repository's root.
pub(super) fn cargo(settings: &Settings) -> Command {
    command(settings, std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command at the repository's root, without standard input.
pub(super) fn command(settings: &Settings, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(settings.root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if CARGO_S_OWN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end.
pub(super) async fn run(name: &str, command: &mut Command) -> Result<(), String> {
    match command.status().await {
        Ok(status) if status.success() => Ok(()),
        other => Err(ended(name, other)),
    }
}

/// Describes how a process ended unexpectedly.
pub(super) fn ended(name: &str, status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("`{name}` ended: {status}"),
        Err(error) => format!("`{name}` could not be run: {error}"),
    }
}

/// Makes orphaned grandchildren children of this process, so that [`end_all`] finds them.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

/// Asks every descendant process to end, waits, and kills those that remain.
pub(super) async fn end_all() {
    // Functions are in their own process groups, so Ctrl-C has not reached them. Once `cargo lambda watch` has ended, nothing shows that
    // they were its children. So collect all descendants before ending any.
    let family = descendants();
    signal(&family, Signal::INT);
    let gone = async {
        while !remaining(&family).is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(GRACE, gone).await.is_err() {
        signal(&remaining(&family), Signal::KILL);
    }
    kill_all();
}

/// Kills every descendant process.
pub(super) fn kill_all() {
    signal(&descendants(), Signal::KILL);
}

fn signal(processes: &[i32], signal: Signal) {
    for pid in processes.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        let _ = kill_process(pid, signal);
    }
}

fn remaining(family: &[i32]) -> Vec<i32> {
    let parents = parents();
    family.iter().copied().filter(|pid| parents.contains_key(pid)).collect()
}

/// Every descendant process, parents first.
fn descendants() -> Vec<i32> {
    let parents = parents();
    let mut family = vec![getpid().as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family.split_off(1)
}

/// Every running process with its parent.
fn parents() -> HashMap<i32, i32> {
    from_proc().unwrap_or_else(from_ps)
}

/// Linux: parses `pid (name) state ppid …` in /proc/PID/stat. Zombies do not count.
fn from_proc() -> Option<HashMap<i32, i32>> {
    let stat = |pid: i32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = line.rsplit(')').next()?.split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        (state != "Z").then_some((pid, parent))
    };
    stat(getpid().as_raw_nonzero().get())?;
    let folders = std::fs::read_dir("/proc").ok()?;
    Some(folders.filter_map(|entry| stat(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect())
}

/// Other systems: asks `ps`.
fn from_ps() -> HashMap<i32, i32> {
    let Ok(output) = std::process::Command::new("ps").args(["-A", "-o", "pid=", "-o", "ppid=", "-o", "stat="]).output() else {
        return HashMap::new();
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (pid, parent, state) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?);
            (!state.starts_with('Z')).then_some((pid, parent))
        })
        .collect()
}
