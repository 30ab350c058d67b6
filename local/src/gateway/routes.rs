//! Maps requests to functions with the table in `Cargo.toml` that `cargo lambda watch` reads.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The routes of an API.
#[derive(Clone, Debug)]
pub struct Routes {
    routes: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    method: String,
    template: String,
    function: String,
}

/// The route of one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) function: String,
    /// `GET /courses/{slug}`
    pub(super) key: String,
    pub(super) parameters: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Target {
    method: String,
    function: String,
}

impl Routes {
    /// Reads `[workspace.metadata.lambda.watch.router]` of a manifest.
    ///
    /// # Errors
    /// A sentence for the developer who changed the table.
    pub fn from_manifest(text: &str) -> Result<Routes, String> {
        let manifest: toml::Table = text.parse().map_err(|error| format!("Cargo.toml cannot be read: {error}"))?;
        let router = ["workspace", "metadata", "lambda", "watch", "router"]
            .into_iter()
            .try_fold(&toml::Value::Table(manifest), |value, name| value.get(name))
            .cloned()
            .ok_or("Cargo.toml has no [workspace.metadata.lambda.watch.router]")?;
        let router: BTreeMap<String, Vec<Target>> =
            router.try_into().map_err(|error| format!("the router in Cargo.toml cannot be read: {error}"))?;
        let mut routes: Vec<Entry> = router
            .into_iter()
            .flat_map(|(template, targets)| {
                targets.into_iter().map(move |target| Entry {
                    method: target.method,
                    template: template.clone(),
                    function: target.function,
                })
            })
            .collect();
        // Literal segments take precedence over parameters.
        routes.sort_by_key(|entry| entry.template.matches('{').count());
        Ok(Routes { routes })
    }

    /// The route of a path without its query; `None` if API Gateway itself answers 404.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Route> {
        self.routes.iter().filter(|entry| entry.method == method).find_map(|entry| {
            let parameters = parameters(&entry.template, path)?;
            Some(Route { function: entry.function.clone(), key: format!("{method} {}", entry.template), parameters })
        })
    }
}

fn parameters(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (wanted, found): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != found.len() {
        return None;
    }
    let mut parameters = BTreeMap::new();
    for (wanted, found) in wanted.into_iter().zip(found) {
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
