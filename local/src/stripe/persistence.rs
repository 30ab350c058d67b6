//! The state file: a snapshot in JSON, replaced as a whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::server::Server;
use super::state::State;

/// Reads the state, or begins a new one where there is no file.
///
/// # Errors
/// What reading fails with; `InvalidData` for a file that is no state of this version.
pub(crate) fn load(path: &Path) -> io::Result<State> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{} is no state of this version ({error}); remove it to begin again", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::new()),
        Err(error) => Err(error),
    }
}

/// Writes a snapshot beside the file and puts it in its place, so that a crash leaves the old one or the new one.
///
/// # Errors
/// What writing fails with.
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

/// Writes changes within a second, for as long as the server lives.
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
