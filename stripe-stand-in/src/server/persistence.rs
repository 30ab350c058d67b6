//! The state file: a JSON snapshot that is replaced as a whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::accounts::rows;
use crate::server::host::Server;
use crate::state::all::State;
use crate::state::settings::Settings;

/// Reads the state, or creates a new one if there is no file.
///
/// # Errors
/// If reading fails; `InvalidData` if the file is not a state of this version.
pub(crate) fn load(path: &Path, settings: Settings) -> io::Result<State> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(|state: State| {
                let mut state = state.with(settings);
                state.look_up();
                state
            })
            .map_err(|error| {
                let message = format!("{} is not a state of this version ({error}); remove it to start over", path.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(rows::found(settings)),
        Err(error) => Err(error),
    }
}

/// Writes a snapshot next to the file and then replaces it, so that a crash leaves either the old or the new one.
///
/// # Errors
/// If writing fails.
pub(crate) fn save(server: &Server, path: &Path) -> io::Result<()> {
    let bytes = serde_json::to_vec(&*server.state())?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}

/// Writes changes within a second, while the server lives.
pub(crate) async fn run(server: Arc<Server>, path: PathBuf) {
    let mut written = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let version = server.state().version;
        if version != written {
            match save(&server, &path) {
                Ok(()) => written = version,
                Err(error) => eprintln!("stripe: cannot write {}: {error}", path.display()),
            }
        }
    }
}
