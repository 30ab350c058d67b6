//! Release binaries as they are deployed, and their sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::Value;

use crate::Failure;

/// How many bytes a ZIP archive with one file named `bootstrap` adds to the
/// compressed file: a local header, a directory entry and the end of the directory.
const ZIP_FRAME: u64 = 30 + 46 + 22 + 2 * "bootstrap".len() as u64;

/// A built function.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    /// The package's name.
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// The size in bytes, stripped.
    pub(crate) size: u64,
    /// The size in bytes as an archive for Lambda, compressed like `zip -9`.
    pub(crate) zipped: u64,
}

/// Builds packages as they are deployed, all by one script, which explains why no package gets another's features.
pub(crate) fn build(packages: &BTreeSet<&'static str>) -> Result<BTreeMap<&'static str, Binary>, Failure> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/build-release");
    let mut build = Command::new(script);
    // `cargo run` has set these for this program. If they change, `ring` and everything that needs it is rebuilt.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            build.env_remove(name);
        }
    }
    if !build.arg(architecture).args(packages).status()?.success() {
        return Err("not everything builds".into());
    }
    let folder = target_directory()?.join("lambda");
    let built = packages.iter().map(|package| {
        let path = folder.join(package).join("bootstrap");
        Ok((*package, Binary { name: package, size: fs::metadata(&path)?.len(), zipped: zipped(&path)?, path }))
    });
    built.collect()
}

/// The cargo that runs the benchmark, in the workspace.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Cargo's target directory, wherever the environment puts it.
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
