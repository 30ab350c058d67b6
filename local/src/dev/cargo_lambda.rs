//! cargo-lambda at the version that this project is tried with.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::processes::{command, run};
use super::words::say;
use crate::settings::Settings;

/// The version. `cargo lambda watch` is not the same in every one: see `functions.rs` on its environment.
pub(super) const VERSION: &str = "1.9.2";

/// The path of a cargo-lambda of [`VERSION`], installed if there is none.
pub(super) async fn find_or_install(settings: &Settings) -> Result<PathBuf, String> {
    let venv = settings.state("venv");
    if let Some(found) = find(settings, &venv).await {
        return Ok(found);
    }
    say(&format!("cargo-lambda {VERSION} is not installed; installing it."));
    if has_pip(settings).await {
        let package = format!("cargo-lambda=={VERSION}");
        let mut pip = command(settings, "python3");
        // A system's own Python refuses (PEP 668), in many words.
        pip.args(["-m", "pip", "install", "--quiet", &package]).stderr(Stdio::null());
        if !another_is_installed(settings).await
            && run("pip", &mut pip).await.is_ok()
            && let Some(found) = find(settings, &venv).await
        {
            return Ok(found);
        }
        say(&format!("Installing it into {}.", venv.display()));
        let mut make = command(settings, "python3");
        let made = run("python3 -m venv", make.args(["-m", "venv"]).arg(&venv)).await;
        let mut pip = command(settings, venv.join("bin/python"));
        if made.is_ok()
            && run("pip", pip.args(["-m", "pip", "install", "--quiet", &package])).await.is_ok()
            && let Some(found) = find(settings, &venv).await
        {
            return Ok(found);
        }
    }
    say("Building it from source, which takes some ten minutes.");
    let mut install = super::processes::cargo(settings);
    let install = install.args(["install", "cargo-lambda", "--version", VERSION, "--locked", "--root"]).arg(&venv);
    run("cargo install cargo-lambda", install).await.map_err(|error| {
        format!("{error}\nInstall cargo-lambda {VERSION} by hand (https://www.cargo-lambda.info/guide/installation.html), then try again.")
    })?;
    find(settings, &venv).await.ok_or_else(|| format!("cargo-lambda {VERSION} was installed and cannot be found in PATH"))
}

/// Looks in PATH, where pip puts programs, and in the folder here.
async fn find(settings: &Settings, venv: &Path) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    folders.push(venv.join("bin"));
    folders.extend(pip_folders(settings).await);
    for program in folders.into_iter().map(|folder| folder.join("cargo-lambda")) {
        if version(settings, &program).await.is_some_and(|version| version == VERSION) {
            return Some(program);
        }
    }
    None
}

async fn another_is_installed(settings: &Settings) -> bool {
    version(settings, Path::new("cargo-lambda")).await.is_some_and(|version| version != VERSION)
}

/// `1.9.2` of `cargo-lambda 1.9.2 (67129fc 2026-08-21Z)`.
async fn version(settings: &Settings, program: &Path) -> Option<String> {
    if program.is_absolute() && !program.is_file() {
        return None;
    }
    let output = command(settings, program).args(["lambda", "--version"]).output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(1).map(str::to_owned)
}

async fn has_pip(settings: &Settings) -> bool {
    let output = command(settings, "python3").args(["-m", "pip", "--version"]).output().await;
    output.is_ok_and(|output| output.status.success())
}

/// Where pip puts programs: for all, or for this user.
async fn pip_folders(settings: &Settings) -> Vec<PathBuf> {
    let script = "import sysconfig; print(sysconfig.get_path('scripts')); print(sysconfig.get_path('scripts', sysconfig.get_preferred_scheme('user')))";
    let Ok(output) = command(settings, "python3").args(["-c", script]).output().await else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect()
}
