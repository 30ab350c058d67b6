//! Most crates have no tests of their own: `test = false` saves their second compilation and a link. A test that is
//! added to such a crate would never run.

use super::{file, functions, sources};

#[test]
fn no_test_is_in_a_crate_whose_tests_do_not_run() {
    let folders =
        functions().into_iter().map(|name| format!("functions/{name}")).chain(["local", "operator", "stripe-stand-in"].map(Into::into));
    for folder in folders {
        let manifest = file(&format!("{folder}/Cargo.toml"));
        let silent =
            |target: &str| manifest.split("\n[").any(|table| table.starts_with(target) && table.lines().any(|line| line == "test = false"));
        for (path, source) in sources(&format!("{folder}/src")) {
            let target = if path.ends_with("src/main.rs") { "[bin]]" } else { "lib]" };
            assert!(!(silent(target) && source.contains("test]\n")), "{}: remove `test = false` from the manifest", path.display());
        }
    }
    // Examples in docstrings are none that compile, so that looking for them in each crate would only take time.
    for folder in ["functions", "local", "operator", "stripe-stand-in", "shared"] {
        for (path, source) in sources(folder) {
            let fences = source
                .lines()
                .filter(|line| line.trim_start().starts_with("//"))
                .filter_map(|line| line.split_once("```"))
                .map(|(_, kind)| kind);
            let opening: Vec<&str> = fences.step_by(2).collect();
            assert!(opening.iter().all(|kind| ["text", "ignore"].contains(kind)), "{}: {opening:?} is not compiled", path.display());
        }
    }
}
