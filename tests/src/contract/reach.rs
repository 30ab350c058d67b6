//! What each function does with the table, read from the sources: which of the store's methods it calls, and which
//! actions and keys these use. Its role must grant exactly that.

use std::collections::{BTreeMap, BTreeSet};

use super::template::Template;
use super::{functions, list, sources, text};

/// A set of actions, and the prefixes of the partition keys they are used on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reach {
    on_table: BTreeSet<String>,
    on_index: BTreeSet<String>,
    keys: BTreeSet<String>,
}

impl Reach {
    fn add(&mut self, other: Self) {
        self.on_table.extend(other.on_table);
        self.on_index.extend(other.on_index);
        self.keys.extend(other.keys);
    }
}

/// A call in Rust: the name of the function and, for a method, its receiver if that is a single name.
#[derive(Debug, PartialEq, Eq)]
struct Call<'a> {
    receiver: Option<&'a str>,
    name: &'a str,
}

/// The calls in a piece of Rust: every name followed by a parenthesis, with or without type arguments.
fn calls(code: &str) -> Vec<Call<'_>> {
    let last_name = |code: &str| code.rfind(|letter: char| !letter.is_alphanumeric() && letter != '_').map_or(0, |place| place + 1);
    let mut found = Vec::new();
    for (place, _) in code.match_indices('(') {
        let before = &code[..place];
        let before = if before.ends_with('>') { before.rfind("::<").map_or(before, |generics| &before[..generics]) } else { before };
        let name = &before[last_name(before)..];
        if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
            continue;
        }
        let receiver =
            before[..before.len() - name.len()].trim_end().strip_suffix('.').map(str::trim_end).map(|before| &before[last_name(before)..]);
        found.push(Call { receiver, name });
    }
    found
}

/// Rust code without comments and tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    source.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// A function of the store.
struct Function {
    file: String,
    name: String,
    is_method: bool,
    body: String,
}

fn of_the_store() -> Vec<Function> {
    let mut found = Vec::new();
    for (path, source) in sources("shared/src/store") {
        for piece in code(&source).split("fn ").skip(1) {
            let (signature, body) = piece.split_once('{').expect("it has a body");
            let name = signature.split(['(', '<']).next().expect("there is a first part");
            let is_method = signature.contains("self");
            found.push(Function { file: path.display().to_string(), name: name.to_owned(), is_method, body: body.to_owned() });
        }
    }
    found
}

/// What one function does directly, without its calls.
fn direct(body: &str) -> Reach {
    let mut reach = Reach::default();
    for (trace, action) in [
        (".get_item()", "GetItem"),
        (".batch_get_item()", "BatchGetItem"),
        ("Put::builder()", "PutItem"),
        ("Update::builder()", "UpdateItem"),
        (".update_item()", "UpdateItem"),
        ("Delete::builder()", "DeleteItem"),
        (".delete_item()", "DeleteItem"),
        ("ConditionCheck::builder()", "ConditionCheckItem"),
        ("List::Table { pk: ", "Query"),
        ("key_condition_expression(\"pk = :pk", "Query"),
    ] {
        if body.contains(trace) {
            reach.on_table.insert(format!("dynamodb:{action}"));
        }
    }
    // What reads any list reads those that its callers name.
    if body.contains("List::Table { pk, prefix }") {
        reach.on_table.remove("dynamodb:Query");
    }
    let is_query_of_its_own = body.contains(".index_name(") && !body.contains("List::Index");
    if body.contains("List::Index { pk: ") || is_query_of_its_own {
        reach.on_index.insert("dynamodb:Query".to_owned());
    }
    for trace in ["Key::new(format!(\"", "List::Table { pk: format!(\"", "string(format!(\"USER"] {
        let first = |rest: &str| rest.split('#').next().expect("there is a first part").to_owned();
        let named = |rest: &str| if trace.ends_with("USER") { "USER".to_owned() } else { first(rest) };
        reach.keys.extend(body.split(trace).skip(1).map(|rest| format!("{}#*", named(rest))));
    }
    // A key without a variable part.
    reach.keys.extend(body.split("Key::new(\"").skip(1).map(|rest| rest.split('"').next().expect("there is a first part").to_owned()));
    reach
}

/// What a function of the store does, including its calls within the store.
fn reach(store: &[Function], at: usize, seen: &mut BTreeSet<usize>) -> Reach {
    let mut all = Reach::default();
    if !seen.insert(at) {
        return all;
    }
    let Function { file, body, .. } = &store[at];
    all.add(direct(body));
    for call in calls(body) {
        // A method counts if it is the store's own or makes a key. `get` on a map, for example, does not.
        if call.receiver.is_some_and(|receiver| receiver != "self") && call.name != "key" {
            continue;
        }
        let is_meant = |other: &usize| store[*other].name == call.name && store[*other].is_method == call.receiver.is_some();
        let named: Vec<_> = (0..store.len()).filter(is_meant).collect();
        // Modules have private functions with the same name.
        let here: Vec<_> = named.iter().copied().filter(|other| store[*other].file == *file).collect();
        for other in if here.is_empty() { named } else { here } {
            all.add(reach(store, other, seen));
        }
    }
    all
}

/// What each function of the project does.
fn by_function() -> BTreeMap<String, Reach> {
    let store = of_the_store();
    let methods: BTreeMap<&str, usize> = store.iter().enumerate().map(|(at, function)| (function.name.as_str(), at)).collect();
    let of = |folder: &String| {
        let mut all = Reach::default();
        let mut is_told_by_events = false;
        for (path, source) in sources(&format!("functions/{folder}/src")) {
            let code = code(&source);
            let mut used: Vec<&str> =
                calls(&code).into_iter().filter(|call| call.receiver == Some("store")).map(|call| call.name).collect();
            for (name, called) in [("user", "user_by_token"), ("user_with_password", "user_and_recency")] {
                if code.contains(&format!("identity::{name}(")) {
                    used.push(called);
                }
            }
            // The settlement uses the table on behalf of its caller.
            if ["change", "carry_out", "withdraw"].iter().any(|name| code.contains(&format!("settlement::{name}("))) {
                used.extend(["purchase", "write_outcome"]);
            }
            // Stripe may refuse a refund of the staff's, which the audit log says.
            if ["change_by_staff", "carry_out", "observe"].iter().any(|name| code.contains(&format!("settlement::{name}("))) {
                used.extend(["purchase", "write_outcome", "write_by_staff"]);
            }
            if code.contains("refund_caps::write_within_caps(") {
                used.push("totals_of");
            }
            if code.contains("work::subscriptions") {
                used.extend(["subscription", "write_subscription"]);
            }
            if code.contains("work::subscriptions") && code.contains("give_back(") {
                used.push("write_subscription_by_staff");
            }
            for (name, called) in
                [("count", ["count_decline"].as_slice()), ("count_in_browser", &["user", "count_decline"]), ("take_try", &["take_try"])]
            {
                if code.contains(&format!("declines::{name}(")) {
                    used.extend(called);
                }
            }
            for (name, called) in [("keep", "keep_customer"), ("on_platform", "keep_customer"), ("replace", "replace_customer")] {
                if code.contains(&format!("customers::{name}(")) {
                    used.extend([called, "leave_to_erasure"]);
                }
            }
            is_told_by_events |= code.contains("EventMark {");
            for name in used {
                let at = methods.get(name).unwrap_or_else(|| panic!("{}: the store has no {name}", path.display()));
                all.add(reach(&store, *at, &mut BTreeSet::new()));
            }
        }
        // Only functions that receive events write an outcome with an event's mark.
        if !is_told_by_events {
            all.keys.remove("EVENT#*");
        }
        all
    };
    functions().iter().map(|folder| (folder.clone(), of(folder))).collect()
}

fn granted(template: &Template, function: &str) -> Reach {
    let mut all = Reach::default();
    for statement in template.statements(function) {
        let actions = statement["Action"].as_array().map_or_else(|| vec![&statement["Action"]], |many| many.iter().collect());
        // Lambda reads the stream, not the function.
        if statement["Resource"].pointer("/Fn::GetAtt/1").is_some_and(|attribute| attribute == "StreamArn") {
            continue;
        }
        // Checked by roles.rs.
        if statement["Resource"].pointer("/Fn::GetAtt/0").is_some_and(|resource| resource == "CredentialsTable") {
            continue;
        }
        let actions = actions.into_iter().map(text).filter(|action| action.starts_with("dynamodb:")).map(str::to_owned);
        // Which lists of the index a role may read is in roles.rs.
        if statement["Resource"].get("Fn::Sub").is_some() {
            all.on_index.extend(actions);
            continue;
        }
        all.on_table.extend(actions);
        let keys = statement.pointer("/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys");
        all.keys.extend(keys.into_iter().flat_map(list).map(|key| text(key).to_owned()));
    }
    all
}

#[test]
fn a_role_grants_exactly_what_its_function_does_with_the_table() {
    let template = Template::read();
    let granted: BTreeMap<_, _> =
        template.functions().into_iter().map(|(folder, id)| (folder.to_owned(), granted(&template, id))).collect();
    assert_eq!(granted, by_function());
}

#[test]
fn calls_are_found_with_and_without_receivers_and_type_arguments() {
    let found = calls("let a = self.get::<Map<K, V>>(&profile(id)); app\n    .store\n    .take::<T>(x.0); (1)");
    let call = |receiver, name| Call { receiver, name };
    assert_eq!(found, [call(Some("self"), "get"), call(None, "profile"), call(Some("store"), "take")]);
}
