//! Release binaries: built one by one, and their sizes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::Value;

use crate::Failure;

/// The bytes that a ZIP archive with one file named `bootstrap` adds to the compressed file: a local header, an entry in
/// the directory, and the directory's end.
const ZIP_FRAME: u64 = 30 + 46 + 22 + 2 * "bootstrap".len() as u64;

/// A built function.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    /// In bytes, stripped.
    pub(crate) size: u64,
    /// In bytes, as an archive that Lambda takes, compressed as `zip -9` does.
    pub(crate) zipped: u64,
}

/// Builds a package by itself. Cargo unifies features over all packages that one command builds, and what the local
/// stack needs must not get into a function.
pub(crate) fn build(package: &str) -> Result<Binary, Failure> {
    let status = cargo().args(["build", "--release", "--package", package]).status()?;
    if !status.success() {
        return Err(format!("{package} does not build").into());
    }
    let path = target_directory()?.join("release").join(package);
    let zipped = zipped(&path)?;
    Ok(Binary { size: fs::metadata(&path)?.len(), zipped, path })
}

/// Cargo, as the one that runs the benchmark, in the workspace.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Cargo's target directory, wherever the environment has put it.
pub(crate) fn target_directory() -> Result<PathBuf, Failure> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    Ok(metadata["target_directory"].as_str().ok_or("Cargo names no target directory")?.into())
}

fn zipped(path: &Path) -> Result<u64, Failure> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&fs::read(path)?)?;
    Ok(encoder.finish()?.len() as u64 + ZIP_FRAME)
}
