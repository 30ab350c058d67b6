//! What each function does with the table, read from the sources: which of the store's methods it calls, and which
//! actions, keys and lists of the indexes these use. Its role must grant exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::template::Template;
use super::{functions, list, sources, text};

/// A set of actions, and the prefixes of the partition keys they are used on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reach {
    on_table: BTreeSet<String>,
    keys: BTreeSet<String>,
    /// The index's name and the partition, as in `dynamodb:LeadingKeys`.
    lists: BTreeSet<(String, String)>,
}

impl Reach {
    fn add(&mut self, other: Self) {
        self.on_table.extend(other.on_table);
        self.keys.extend(other.keys);
        self.lists.extend(other.lists);
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
    source: Rc<str>,
    name: String,
    is_method: bool,
    body: String,
}

fn of_the_store() -> Vec<Function> {
    let mut found = Vec::new();
    for (path, source) in sources("shared/src/store") {
        let source: Rc<str> = code(&source).into();
        for piece in source.split("fn ").skip(1) {
            let (signature, body) = piece.split_once('{').expect("it has a body");
            let name = signature.split(['(', '<']).next().expect("there is a first part");
            let is_method = signature.contains("self");
            let file = path.display().to_string();
            found.push(Function { file, source: source.clone(), name: name.to_owned(), is_method, body: body.to_owned() });
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
    for trace in ["Key::new(format!(\"", "List::Table { pk: format!(\"", "string(format!(\"USER"] {
        let first = |rest: &str| rest.split('#').next().expect("there is a first part").to_owned();
        let named = |rest: &str| if trace.ends_with("USER") { "USER".to_owned() } else { first(rest) };
        reach.keys.extend(body.split(trace).skip(1).map(|rest| format!("{}#*", named(rest))));
    }
    // A key without a variable part.
    reach.keys.extend(body.split("Key::new(\"").skip(1).map(|rest| rest.split('"').next().expect("there is a first part").to_owned()));
    reach
}

/// What a key begins with, as a pattern of IAM: `rest` begins with its text, a constant's name, or a call to what makes it.
fn patterns(store: &[Function], within: &Function, rest: &str) -> BTreeSet<String> {
    let pattern = |text: &str| {
        let text = text.split('"').next().expect("there is a first part");
        text.split_once('{').map_or_else(|| text.to_owned(), |(first, _)| format!("{first}*"))
    };
    if let Some(text) = rest.strip_prefix("format!(\"").or_else(|| rest.strip_prefix('"')) {
        return BTreeSet::from([pattern(text)]);
    }
    let name = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().expect("there is a first part");
    let found: BTreeSet<_> = if rest[name.len()..].starts_with('(') {
        let makers = || store.iter().filter(|function| function.name == name);
        let here: Vec<_> = makers().filter(|function| function.file == within.file).collect();
        let makers = if here.is_empty() { makers().collect() } else { here };
        let formats = makers.iter().flat_map(|maker| maker.body.split("format!(\"").skip(1));
        let texts = makers.iter().flat_map(|maker| maker.body.split("\".to_owned()").filter_map(|before| before.rsplit_once('"')));
        let whole = texts.filter(|(before, _)| !before.ends_with("format!(")).map(|(_, text)| text);
        formats.chain(whole.filter(|text| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'#'))).map(pattern).collect()
    } else {
        within.source.split(&format!("const {name}: &str = \"")).skip(1).map(pattern).collect()
    };
    assert!(!found.is_empty(), "{}: {name} makes a partition of an index that this test cannot tell", within.file);
    found
}

/// The lists that a function of the store reads directly.
fn lists(store: &[Function], function: &Function) -> BTreeSet<(String, String)> {
    let body = function.body.as_str();
    let named = body.split("List::Index { pk: ").skip(1).map(|rest| ("gsi1".to_owned(), rest));
    // What reads any list reads those that its callers name.
    let own = if body.contains("List::Index { pk }") { "" } else { body };
    let queries = own.split(".index_name(\"").skip(1).map(|rest| {
        let (index, rest) = rest.split_once('"').expect("a string ends");
        let (_, condition) = rest.split_once(&format!("\"{index}pk = :")).expect("a query has a partition");
        let value = condition.split([' ', '"']).next().expect("there is a first part");
        let (_, partition) = rest.split_once(&format!("(\":{value}\", string(")).expect("the partition has a value");
        (index.to_owned(), partition)
    });
    // Likewise.
    let queries = queries.filter(|(_, partition)| !partition.starts_with("gsi2pk)"));
    let due = body.split("self.due_items(").skip(1).map(|rest| ("gsi2".to_owned(), rest));
    let found = named.chain(queries).chain(due);
    found.flat_map(|(index, key)| patterns(store, function, key).into_iter().map(move |key| (index.clone(), key))).collect()
}

/// What a function of the store does, including its calls within the store.
fn reach(store: &[Function], at: usize, seen: &mut BTreeSet<usize>) -> Reach {
    let mut all = Reach::default();
    if !seen.insert(at) {
        return all;
    }
    let Function { file, body, .. } = &store[at];
    all.add(direct(body));
    all.lists.extend(lists(store, &store[at]));
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
            if code.contains("debts::owing(") {
                used.extend(["totals_of", "made_accounts_of"]);
            }
            if code.contains("work::subscriptions") {
                used.extend(["subscription", "write_subscription"]);
            }
            if code.contains("work::subscriptions") && code.contains("give_back(") {
                used.push("write_subscription_by_staff");
            }
            for (name, called) in [
                ("count", ["count_decline"].as_slice()),
                ("count_in_browser", &["user", "count_decline"]),
                ("take_try", &["take_try"]),
                ("take_secret", &["take_secret"]),
            ] {
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
        let keys = statement.pointer("/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys");
        let keys = keys.into_iter().flat_map(list).map(|key| text(key).to_owned());
        if let Some(index) = statement["Resource"].get("Fn::Sub") {
            let index = text(index).trim_start_matches("${Table.Arn}/index/");
            assert_eq!(actions.collect::<Vec<_>>(), ["dynamodb:Query"], "{function}: {statement}");
            all.lists.extend(keys.map(|key| (index.to_owned(), key)));
            continue;
        }
        all.on_table.extend(actions);
        all.keys.extend(keys);
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
