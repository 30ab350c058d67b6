//! The layers of the stand-in: a file only uses those below it, and those before it in its own layer.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// All files, lowest layer first. A file belongs as low as possible.
const FLOORS: [(&str, &str); 6] = [
    (
        "words",
        "json ids clock form html limits options kind errors versions http params countries email cards money rates calendar request_log faults \
         idempotency",
    ),
    ("state", "row table door embedded agenda calls outbox settings traffic all"),
    ("events", "context endpoints emit"),
    (
        "engine",
        "exchange ledger application_fees accounts::people accounts::build accounts::known accounts::v2_shape accounts::thin accounts::rows accounts::banks \
         accounts::requirements borders customer_rows tokens payment_methods customers discounts charges refund_row transfers radar disputes refunds payouts \
         settlement attempts debits payments new_payment_intent setup_intents \
         payment_intents billing::lines billing::products billing::prices billing::rows billing::invoices billing::periods \
         billing::pending billing::subscriptions billing::changes billing::cycle checkout_rows checkout_subscribe checkout \
         billing::attached consequences time",
    ),
    (
        "resources",
        "list expand account_links account_sessions accounts external_accounts persons application_fees balance charges new_checkout_session checkout_sessions coupons customers \
         disputes events invoice_items invoices payment_intents payment_methods payouts prices products radar refunds setup_intents subscriptions \
         test_clocks tokens transfers webhook_endpoints v2_list v2_accounts v2_account_links event_destinations routes",
    ),
    (
        "server",
        "host auth persistence deliveries jobs account_pages embedded invoice_pages oauth pages api admin::read admin::objects admin::steer connections run",
    ),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The position of every module, counted from the lowest.
fn places() -> BTreeMap<String, usize> {
    let all = FLOORS.iter().flat_map(|(floor, files)| files.split_whitespace().map(move |file| format!("{floor}::{file}")));
    all.enumerate().map(|(place, module)| (module, place)).collect()
}

/// Every module with its text, except the root and the program.
fn modules() -> BTreeMap<String, String> {
    fn walk(folder: &Path, module: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let inner = if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") };
            if path.is_dir() {
                walk(&path, &inner, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.insert(inner, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&source(), "", &mut found);
    found.retain(|module, _| module != "lib" && module != "main");
    found
}

/// The code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The paths that begin with `crate::`, with braces expanded.
fn paths(code: &str) -> BTreeSet<String> {
    fn of(text: &str, before: &str, found: &mut BTreeSet<String>) {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
        let path = format!("{before}{}", &text[..end]);
        if !text[end..].starts_with('{') {
            found.insert(path);
            return;
        }
        let (mut depth, mut start) = (0, end + 1);
        for (at, c) in text[end..].char_indices().map(|(at, c)| (end + at, c)) {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => return of(text[start..at].trim(), &path, found),
                '}' => depth -= 1,
                ',' if depth == 1 => {
                    of(text[start..at].trim(), &path, found);
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with('$') {
            of(&code[at + "crate::".len()..], "", &mut found);
        }
    }
    found
}

/// The module of a path: its longest prefix that is a module.
fn module_of(path: &str, places: &BTreeMap<String, usize>) -> Option<String> {
    let segments: Vec<&str> = path.split("::").collect();
    (1..=segments.len()).rev().map(|length| segments[..length].join("::")).find(|beginning| places.contains_key(beginning))
}

#[test]
fn no_file_uses_one_above_it() {
    let places = places();
    let mut wrong = Vec::new();
    for (module, text) in modules() {
        if module.ends_with("::mod") {
            continue;
        }
        let Some(place) = places.get(&module) else {
            wrong.push(format!("{module} is in no layer"));
            continue;
        };
        for path in paths(&code(&text)) {
            match module_of(&path, &places) {
                Some(other) if places[&other] < *place => {}
                Some(other) if other == module => wrong.push(format!("{module} names itself: {path}")),
                Some(_) => wrong.push(format!("{module} is below {path}")),
                None => wrong.push(format!("{module} names {path}, which is in no file")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// So that all dependencies of a file are in its paths from the root.
#[test]
fn nothing_is_named_by_super() {
    for (module, text) in modules() {
        let code = code(&text);
        assert!(!code.contains("super::"), "{module} names something by super::");
        if module.ends_with("::mod") {
            let more = code.lines().find(|line| !line.trim().is_empty() && !line.contains("mod ") && !line.starts_with("pub use "));
            assert_eq!(more, None, "{module} only declares");
        }
    }
}

#[test]
fn every_listed_module_exists() {
    let modules = modules();
    for module in places().keys() {
        assert!(modules.contains_key(module), "there is no file for {module}");
    }
}

#[test]
fn dependencies_are_found_in_every_notation() {
    let code = "use crate::engine::{self, refunds, billing::{cycle, lines::Line}};\nlet x = crate::server::api::answer();";
    let found: Vec<String> = paths(code).into_iter().collect();
    assert_eq!(found, ["engine::billing::cycle", "engine::billing::lines::Line", "engine::refunds", "engine::self", "server::api::answer"]);
}
