//! Rebuilds the functions when their code changes.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::functions;
use super::words::say;
use crate::gateway::Gateway;
use crate::settings::Settings;

/// How often to check the files.
const LOOK: Duration = Duration::from_secs(1);

/// The files and folders that the functions are built from.
const SOURCES: [&str; 5] = ["functions", "shared", "web/course.html", "Cargo.toml", "Cargo.lock"];

/// Watches the code until dropped. `built` is the state that was built
/// last. If code does not compile, the previous build keeps answering.
pub(super) async fn follow(settings: &Settings, gateway: &Gateway, mut built: State) {
    loop {
        tokio::time::sleep(LOOK).await;
        let now = state(settings.root());
        if now == built {
            continue;
        }
        built = now;
        say("The code changed. Building the functions.");
        match functions::build(settings, &[]).await {
            Ok(()) => {
                gateway.renew();
                say("The new code is running.");
            }
            Err(error) => eprintln!("{error}\nThe previous build keeps running."),
        }
    }
}

/// The number of files, and the newest modification time.
pub(super) type State = (usize, SystemTime);

/// The current state of the code.
pub(super) fn state(root: &Path) -> State {
    let mut found = (0, SystemTime::UNIX_EPOCH);
    for source in SOURCES {
        add(&root.join(source), &mut found);
    }
    found
}

fn add(path: &Path, found: &mut State) {
    let Ok(metadata) = path.metadata() else { return };
    if metadata.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.for_each(|entry| add(&entry.path(), found));
        return;
    }
    found.0 += 1;
    found.1 = found.1.max(metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
}
