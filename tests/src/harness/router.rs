//! The table of routes that `cargo lambda watch` uses. A separate test compares it with template.yaml.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A path and method, and the function that serves them.
#[derive(Debug)]
struct Entry {
    method: String,
    template: String,
    function: String,
}

/// The route of one request.
#[derive(Debug)]
pub(super) struct Route {
    /// The function that serves it.
    pub(super) function: &'static str,
    /// `GET /courses/{slug}`
    pub(super) key: String,
    /// The values of the path's parameters.
    pub(super) parameters: BTreeMap<String, String>,
}

static ROUTES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let manifest: toml::Table = include_str!("../../../Cargo.toml").parse().expect("the manifest is TOML");
    let router = &manifest["workspace"]["metadata"]["lambda"]["watch"]["router"];
    let text = |value: &toml::Value| value.as_str().expect("it is a string").to_owned();
    let mut entries = Vec::new();
    for (template, methods) in router.as_table().expect("the router is a table") {
        for entry in methods.as_array().expect("methods are named") {
            entries.push(Entry { method: text(&entry["method"]), template: template.clone(), function: text(&entry["function"]) });
        }
    }
    // Literal segments take precedence over parameters.
    entries.sort_by_key(|entry| entry.template.matches('{').count());
    entries
});

/// Finds the route of a path without its query; `None` if API Gateway itself would answer 404.
pub(super) fn find(method: &str, path: &str) -> Option<Route> {
    ROUTES.iter().filter(|entry| entry.method == method).find_map(|entry| {
        let parameters = parameters(&entry.template, path)?;
        Some(Route { function: &entry.function, key: format!("{method} {}", entry.template), parameters })
    })
}

fn parameters(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (wanted, found) = (template.split('/'), path.split('/'));
    if wanted.clone().count() != found.clone().count() {
        return None;
    }
    let mut parameters = BTreeMap::new();
    for (wanted, found) in wanted.zip(found) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !found.is_empty() => {
                parameters.insert(name.to_owned(), found.to_owned());
            }
            None if wanted == found => {}
            _ => return None,
        }
    }
    Some(parameters)
}
