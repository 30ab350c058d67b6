//! Checks that files agree that no compiler checks together: template.yaml, openapi.yaml, the
//! local router in Cargo.toml, and what the functions read from their environment and answer.

mod advisories;
mod alarms;
mod copies;
mod deploy;
mod events;
mod harnesses;
mod layers;
mod moves;
pub(crate) mod openapi;
mod problems;
mod reach;
mod releases;
mod roles;
mod routes;
mod security;
mod settings;
mod stack;
mod storefront;
mod table;
mod template;
mod throttling;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of the project.
fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The functions: the folders under `functions/`.
fn functions() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("functions")).expect("the folder is there");
    folders.map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is UTF-8")).collect()
}

/// The Rust sources under a folder, each with its path.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("it is UTF-8");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list"))
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = value.as_object().unwrap_or_else(|| panic!("{value} is not a mapping"));
    entries.iter().map(|(name, value)| (name.as_str(), value))
}

fn strings(value: &Value) -> BTreeSet<&str> {
    list(value).iter().map(text).collect()
}

/// Every string anywhere within a value.
fn all_strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| all_strings(item, found)),
        Value::Object(entries) => entries.values().for_each(|item| all_strings(item, found)),
        _ => {}
    }
}
