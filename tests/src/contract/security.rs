//! The answers to the ASVS in `docs/security.md`: each requirement has one, and the tests and places that they name exist.

use std::collections::BTreeMap;
use std::fs;

use super::{file, root};

/// How many requirements of level 1 and 2 the ASVS 5.0.0 has: 70 and 183.
const REQUIREMENTS: usize = 253;

/// The texts in backticks.
fn named(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The source of a test's module, which is one of this crate, of `shared` or of a function.
fn source(module: &str) -> Option<String> {
    let path = module.replace("::", "/");
    let (name, rest) = path.split_once('/')?;
    let places = [
        format!("tests/src/{path}.rs"),
        format!("{name}/src/{rest}.rs"),
        format!("{name}/core/src/{rest}.rs"),
        format!("functions/{name}/src/{rest}.rs"),
    ];
    places.iter().find_map(|place| fs::read_to_string(root().join(place)).ok())
}

/// Whether a source has a function of this name with a test's attribute right above it.
fn has_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let above = before.strip_suffix("async ").unwrap_or(before).trim_end().lines().next_back().unwrap_or_default().trim();
    above.starts_with("#[test") || above.starts_with("#[tokio::test")
}

/// The requirements in a row's first cell: `1.2.3, 4.5.6 to 4.5.8`.
fn requirements(cell: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in cell.split(", ") {
        let (first, last) = part.split_once(" to ").unwrap_or((part, part));
        let [(section, first), (same, last)] = [first, last].map(|number| number.rsplit_once('.').expect("a requirement's number"));
        assert_eq!(section, same, "{part} has more than one section");
        let number = |text: &str| text.parse::<u32>().unwrap_or_else(|_| panic!("{part} is not a range of requirements"));
        found.extend((number(first)..=number(last)).map(|number| format!("{section}.{number}")));
    }
    found
}

#[test]
fn the_tests_and_places_that_the_page_names_exist() {
    let page = file("docs/security.md");
    let mut tests = 0;
    for name in named(&page) {
        if let Some((path, text)) = name.split_once(": ") {
            assert!(file(path).contains(text), "{path} does not contain: {text}");
        } else if let Some((module, test)) = name.rsplit_once("::") {
            let source = source(module).unwrap_or_else(|| panic!("there is no module {module}"));
            assert!(has_test(&source, test), "there is no test {name}");
            tests += 1;
        } else if name.contains('/') && name.ends_with(".rs") {
            file(name);
        }
    }
    assert!(tests > 100, "the page was not read");
}

#[test]
fn every_requirement_has_one_answer() {
    let page = file("docs/security.md");
    let (_, list) = page.split_once("\n## The list\n").expect("the page has the section");
    let mut answers = BTreeMap::new();
    for row in list.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |") && !line.starts_with("| ---")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [numbers, _, answer] = cells.as_slice() else { panic!("{row} has not three cells") };
        let (answer, reason) = answer.split_once(": ").unwrap_or_else(|| panic!("{row} has no answer with a reason"));
        assert!(answer != "holds" || !named(reason).is_empty(), "{row} names nothing that holds it");
        for requirement in requirements(numbers) {
            assert_eq!(answers.insert(requirement.clone(), answer), None, "{requirement} has two answers");
        }
    }
    assert_eq!(answers.len(), REQUIREMENTS);
    let count = |wanted: &str| answers.values().filter(|answer| **answer == wanted).count();
    let [hold, apply_not, left] = ["holds", "does not apply", "left"].map(count);
    assert_eq!(hold + apply_not + left, REQUIREMENTS, "there are other answers");
    let counted = format!("Of {REQUIREMENTS} requirements, {hold} hold, {apply_not} do not apply and {left} are left.");
    assert!(page.contains(&counted), "the page does not say: {counted}");
}
