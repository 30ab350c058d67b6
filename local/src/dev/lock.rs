//! Allows one local stack at a time, because two would write the same files.

use std::fs::{File, TryLockError};

use crate::settings::Settings;

/// The lock is held as long as the file is open.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code)] File);

pub(super) fn take(settings: &Settings) -> Result<Lock, String> {
    let path = settings.state("lock");
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err("The local stack is already running in this folder. Stop it first.".to_owned()),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
