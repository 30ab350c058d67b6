//! The tables of a purchase's states: every state in the code is in its table, and the functions and tests that they name exist.

use std::collections::BTreeSet;

use super::{file, sources};

/// The names in backticks in a cell.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the table under a heading, split into cells.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split("//! # ").find(|section| section.starts_with(heading)).unwrap_or_else(|| panic!("there is no {heading}"));
    let rows = section.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2);
    rows.map(|row| row.trim_end_matches(" |").split(" |").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// An enum's variants in their stored form.
fn states(path: &str, name: &str) -> BTreeSet<String> {
    let source = file(path);
    let parsed = syn::parse_file(&source).expect("it is Rust");
    let found = parsed.items.iter().find_map(|item| match item {
        syn::Item::Enum(item) if item.ident == name => Some(item),
        _ => None,
    });
    let variants = &found.unwrap_or_else(|| panic!("{path} has no {name}")).variants;
    let snake = |text: String| {
        let mut snake = String::new();
        for letter in text.chars() {
            if letter.is_uppercase() && !snake.is_empty() {
                snake.push('_');
            }
            snake.push(letter.to_ascii_lowercase());
        }
        snake
    };
    variants.iter().map(|variant| snake(variant.ident.to_string())).collect()
}

#[test]
fn the_tables_list_every_state_and_only_existing_names() {
    let page = file("shared/core/src/domain/purchase/mod.rs");
    let code: Vec<String> =
        ["shared/core/src/domain/purchase", "tests/src/payments"].into_iter().flat_map(sources).map(|(_, source)| source).collect();
    let exists = |name: &str| code.iter().any(|source| source.contains(&format!("fn {name}(")));
    for (heading, path, name) in [
        ("Attempt", "status.rs", "AttemptStatus"),
        ("Purchase", "status.rs", "Status"),
        ("Movement", "movement.rs", "MovementState"),
        ("Dispute", "dispute.rs", "DisputeStatus"),
    ] {
        let rows = rows(&page, heading);
        let drawn: BTreeSet<String> = rows.iter().flat_map(|row| names(&row[0])).collect();
        assert_eq!(drawn, states(&format!("shared/core/src/domain/purchase/{path}"), name), "{heading}");
        for row in rows {
            for name in row[row.len() - 2..].iter().flat_map(|cell| names(cell)) {
                assert!(exists(&name), "{heading}: there is no {name}");
            }
        }
    }
}

/// The enums of states, which have methods for every question about them.
const STATES: [&str; 5] = ["Status", "AttemptStatus", "MovementState", "DisputeStatus", "MoveState"];

#[test]
fn no_code_compares_states_where_the_compiler_would_miss_a_new_one() {
    let mut told = Vec::new();
    for (path, source) in ["shared", "functions"].into_iter().flat_map(sources) {
        let of_tests = path.ends_with("tests.rs") || path.iter().any(|part| part == "tests" || part == "properties");
        for (number, line) in source.lines().enumerate().filter(|_| !of_tests) {
            let compares = |name: &&str| {
                let variant = format!(" {name}::");
                let is_matched = line.split_once("matches!(").is_some_and(|(_, rest)| rest.contains(&variant));
                line.contains(&format!("=={variant}")) || line.contains(&format!("!={variant}")) || is_matched
            };
            if STATES.iter().any(compares) {
                told.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert_eq!(told, Vec::<String>::new(), "ask a method of the enum, which matches all of its variants");
}
