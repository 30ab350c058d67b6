//! Form-encoded parameters, nested by brackets: `line_items[0][price_data][currency]=usd`.

use std::collections::BTreeMap;

use serde_json::Value;

/// The sent parameters, nested by brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A value.
    Leaf(String),
    /// An object, or an array by index.
    Map(BTreeMap<String, Node>),
}

impl Node {
    /// Nests `a[b][0]=c`, from one or several form-encoded texts.
    pub(crate) fn parse(texts: &[&[u8]]) -> Self {
        let mut root = Self::Map(BTreeMap::new());
        for text in texts {
            for (name, value) in url::form_urlencoded::parse(text) {
                root.put(&segments(&name), &value);
            }
        }
        root
    }

    /// From JSON, in which `null` unsets a value.
    pub(crate) fn of_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Leaf(String::new()),
            Value::String(text) => Self::Leaf(text.clone()),
            Value::Bool(_) | Value::Number(_) => Self::Leaf(value.to_string()),
            Value::Array(items) => Self::Map(items.iter().enumerate().map(|(n, item)| (n.to_string(), Self::of_json(item))).collect()),
            Value::Object(fields) => Self::Map(fields.iter().map(|(name, value)| (name.clone(), Self::of_json(value))).collect()),
        }
    }

    fn put(&mut self, path: &[&str], value: &str) {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::Leaf(value.to_owned());
            return;
        };
        if let Self::Leaf(_) = self {
            *self = Self::Map(BTreeMap::new());
        }
        let Self::Map(entries) = self else { return };
        let name = if first.is_empty() { next_place(entries, rest) } else { (*first).to_owned() };
        entries.entry(name).or_insert_with(|| Self::Map(BTreeMap::new())).put(rest, value);
    }

    /// As JSON in which all values are strings.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Leaf(text) => text.as_str().into(),
            Self::Map(entries) => Value::Object(entries.iter().map(|(name, node)| (name.clone(), node.to_value())).collect()),
        }
    }
}

/// `a[][b]=1&a[][c]=2&a[][b]=3` is two objects: a name that the last one already has starts the next.
fn next_place(entries: &BTreeMap<String, Node>, rest: &[&str]) -> String {
    let count = entries.len();
    if let (Some(name), Some(Node::Map(last))) = (rest.first(), count.checked_sub(1).and_then(|n| entries.get(&n.to_string())))
        && !last.contains_key(*name)
    {
        return (count - 1).to_string();
    }
    count.to_string()
}

fn segments(name: &str) -> Vec<&str> {
    let Some(open) = name.find('[') else { return vec![name] };
    let mut parts = vec![&name[..open]];
    for part in name[open..].split('[').skip(1) {
        parts.push(part.strip_suffix(']').unwrap_or(part));
    }
    parts
}
