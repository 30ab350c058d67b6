//! The table's items, which `docs/architecture.md` lists.

use std::collections::BTreeSet;

use operator::restore::rules::Rule;

use super::{file, sources};

/// The part of a key before its first variable: `USER` of `USER#<user>` and of `USER#{user}`. Empty if the key begins with a variable.
fn stem(key: &str) -> String {
    key.split(['#', '<', '{', '"']).next().unwrap_or_default().to_owned()
}

/// The keys of the documented items: the stems of `pk` and of `sk`.
fn documented() -> BTreeSet<(String, String)> {
    let page = file("docs/architecture.md");
    let section = page.split("\n## ").find(|section| section.starts_with("The table\n")).expect("the page has the section");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    let cells = rows.map(|row| row.split('|').map(str::trim).map(str::to_owned).collect::<Vec<_>>());
    let mut keys = BTreeSet::new();
    for row in cells {
        let [_, _, pk, sk, ..] = row.as_slice() else { panic!("{row:?}") };
        keys.extend(sk.split(", ").map(|sk| (stem(pk.trim_matches('`')), stem(sk.trim_matches('`')))));
    }
    keys
}

/// The string literals between a call's parentheses.
fn literals(source: &str) -> Vec<String> {
    let (mut depth, mut found, mut literal) = (1, Vec::new(), None::<String>);
    for character in source.chars() {
        match (character, &mut literal) {
            ('"', Some(text)) => {
                found.push(std::mem::take(text));
                literal = None;
            }
            ('"', None) => literal = Some(String::new()),
            (other, Some(text)) => text.push(other),
            ('(', None) => depth += 1,
            (')', None) if depth == 1 => break,
            (')', None) => depth -= 1,
            _ => {}
        }
    }
    found
}

#[test]
fn every_kind_of_item_has_a_rule_for_a_restore() {
    for (pk, sk) in documented() {
        assert!(
            Rule::of(&format!("{pk}#1"), &format!("{sk}#1")).is_some(),
            "make restore does not know ({pk}, {sk}): operator/src/restore/rules.rs"
        );
    }
    assert_eq!(Rule::of("OTHER#1", "OTHER"), None);
}

#[test]
fn the_documented_items_have_exactly_the_keys_of_the_store() {
    let documented = documented();
    assert!(documented.len() > 30, "the table was not read");
    let store: String = sources("shared/src/store").into_iter().map(|(_, source)| source).collect();
    let mut made = BTreeSet::new();
    for call in store.split("Key::new(").skip(1) {
        let keys = literals(call);
        let Some(pk) = keys.first().map(|pk| stem(pk)).filter(|pk| !pk.is_empty()) else { continue };
        let sk = keys.get(1).map(|sk| stem(sk)).unwrap_or_default();
        // A sort key that begins with a variable is one of the documented ones.
        if sk.is_empty() {
            assert!(documented.iter().any(|(one, _)| *one == pk), "{pk} is not documented");
        } else {
            assert!(documented.contains(&(pk.clone(), sk.clone())), "({pk}, {sk}) is not documented");
        }
        made.insert(pk);
    }
    for (pk, sk) in documented {
        assert!(made.contains(&pk), "no item has the documented key {pk}");
        let named = sk.is_empty() || store.contains(&format!("\"{sk}\"")) || store.contains(&format!("\"{sk}#"));
        assert!(named, "no item of {pk} has the documented key {sk}");
    }
}
