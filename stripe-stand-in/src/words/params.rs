//! Form parameters as Stripe parses them: nested names
//! (`line_items[0][price_data][currency]`), checked against the endpoint's parameters.
//!
//! Parameters are declared like `amount:i currency metadata:m expand[] transfer_data{destination amount:i}`: `:i` integer,
//! `:b` boolean, `:m` string map, `:any` anything, `:range` a time or its `gt/gte/lt/lte`, `:(a|b)` one of these,
//! `[]` array, `{}` object; otherwise a string.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::words::errors::ApiError;
use crate::words::form::Node;
use crate::words::json::Fields;

/// The parameters of an endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema(BTreeMap<String, Field>);

#[derive(Clone, Debug)]
struct Field {
    array: bool,
    kind: FieldKind,
}

#[derive(Clone, Debug)]
enum FieldKind {
    Text,
    Integer,
    Boolean,
    StringMap,
    Any,
    Range,
    OneOf(Vec<String>),
    Object(Schema),
}

impl Schema {
    /// Parses the notation above.
    pub(crate) fn parse(text: &str) -> Self {
        let spaced = text.replace('{', " { ").replace('}', " } ");
        let mut words = spaced.split_whitespace().peekable();
        Self::parse_fields(&mut words)
    }

    fn parse_fields<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Self {
        let mut fields = BTreeMap::new();
        while let Some(word) = words.next() {
            if word == "}" {
                break;
            }
            let (name, kind) = word.split_once(':').unwrap_or((word, ""));
            let (name, array) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
            let kind = if words.peek() == Some(&"{") {
                words.next();
                FieldKind::Object(Self::parse_fields(words))
            } else {
                match kind {
                    "" => FieldKind::Text,
                    "i" => FieldKind::Integer,
                    "b" => FieldKind::Boolean,
                    "m" => FieldKind::StringMap,
                    "any" => FieldKind::Any,
                    "range" => FieldKind::Range,
                    choices => FieldKind::OneOf(choices.trim_matches(['(', ')']).split('|').map(str::to_owned).collect()),
                }
            };
            fields.insert(name.to_owned(), Field { array, kind });
        }
        Self(fields)
    }

    /// The same with more parameters.
    pub(crate) fn with(mut self, more: &str) -> Self {
        self.0.extend(Self::parse(more).0);
        self
    }

    /// Restores the original JSON of parameters that are not validated, with its types.
    fn restore(&self, read: &mut Value, sent: &Value) {
        for (name, field) in &self.0 {
            let (Some(read), Some(sent)) = (read.get_mut(name), sent.get(name)) else { continue };
            match &field.kind {
                FieldKind::Any => *read = sent.clone(),
                FieldKind::Object(schema) if !field.array => schema.restore(read, sent),
                _ => {}
            }
        }
    }

    /// Validates JSON parameters.
    ///
    /// # Errors
    /// See [`Schema::read`].
    pub(crate) fn read_json(&self, sent: &Value) -> Result<Params, ApiError> {
        let Params(mut read) = self.read(&Node::of_json(sent))?;
        self.restore(&mut read, sent);
        Ok(Params(read))
    }

    /// Validates parameters and converts them to their types.
    ///
    /// # Errors
    /// 400 `parameter_unknown` for undeclared parameters, and a specific error for each wrong type.
    pub(crate) fn read(&self, tree: &Node) -> Result<Params, ApiError> {
        let mut unknown = Vec::new();
        let value = self.read_object(tree, "", &mut unknown)?;
        if let Some(first) = unknown.first() {
            let noun = if unknown.len() == 1 { "parameter" } else { "parameters" };
            return Err(ApiError::invalid(format!("Received unknown {noun}: {}", unknown.join(", ")))
                .code("parameter_unknown")
                .param(first));
        }
        Ok(Params(value))
    }

    fn read_object(&self, tree: &Node, path: &str, unknown: &mut Vec<String>) -> Result<Value, ApiError> {
        let Node::Map(entries) = tree else {
            // An empty string unsets an object.
            if matches!(tree, Node::Leaf(text) if text.is_empty()) {
                return Ok(Value::String(String::new()));
            }
            return Err(ApiError::invalid("Invalid object").param(path));
        };
        let mut out = Map::new();
        for (name, node) in entries {
            let path = nested(path, name);
            match self.0.get(name) {
                None => unknown.push(path),
                Some(field) => {
                    out.insert(name.clone(), field.read(node, &path, unknown)?);
                }
            }
        }
        Ok(Value::Object(out))
    }
}

impl Field {
    fn read(&self, node: &Node, path: &str, unknown: &mut Vec<String>) -> Result<Value, ApiError> {
        if !self.array {
            return self.kind.read(node, path, unknown);
        }
        match node {
            Node::Leaf(text) if text.is_empty() => Ok(Value::String(String::new())),
            Node::Leaf(_) => Err(ApiError::invalid("Invalid array").param(path)),
            Node::Map(entries) => {
                let mut items = Vec::new();
                for (name, node) in entries {
                    let place = name.parse::<u32>().map_err(|_| ApiError::invalid("Invalid array").param(path))?;
                    items.push((place, node));
                }
                items.sort_by_key(|(place, _)| *place);
                let values = items.into_iter().map(|(place, node)| self.kind.read(node, &format!("{path}[{place}]"), unknown));
                values.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
        }
    }
}

impl FieldKind {
    fn read(&self, node: &Node, path: &str, unknown: &mut Vec<String>) -> Result<Value, ApiError> {
        match self {
            Self::Any => Ok(node.to_value()),
            Self::Object(schema) => schema.read_object(node, path, unknown),
            Self::StringMap => read_string_map(node, path),
            Self::Range => match node {
                Node::Leaf(_) => Self::Integer.read(node, path, unknown),
                Node::Map(_) => Schema::parse("gt:i gte:i lt:i lte:i").read_object(node, path, unknown),
            },
            Self::Text => Ok(Value::String(leaf(node, path, "string")?.to_owned())),
            Self::Integer => {
                let text = leaf(node, path, "integer")?;
                if text.is_empty() {
                    return Err(empty(path));
                }
                text.parse::<i64>()
                    .map(Value::from)
                    .map_err(|_| ApiError::invalid(format!("Invalid integer: {text}")).code("parameter_invalid_integer").param(path))
            }
            Self::Boolean => match leaf(node, path, "boolean")? {
                // Python's spelling is accepted too.
                "true" | "True" => Ok(true.into()),
                "false" | "False" => Ok(false.into()),
                "" => Err(empty(path)),
                text => Err(ApiError::invalid(format!("Invalid boolean: {text}")).param(path)),
            },
            Self::OneOf(choices) => {
                let text = leaf(node, path, "string")?;
                if text.is_empty() || choices.iter().any(|choice| choice == text) {
                    return Ok(text.into());
                }
                let last = choices.len() - 1;
                let list = match last {
                    0 => choices[0].clone(),
                    _ => format!("{}, or {}", choices[..last].join(", "), choices[last]),
                };
                Err(ApiError::invalid(format!("Invalid {path}: must be one of {list}")).param(path))
            }
        }
    }
}

fn nested(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}[{name}]") }
}

fn leaf<'a>(node: &'a Node, path: &str, kind: &str) -> Result<&'a str, ApiError> {
    match node {
        Node::Leaf(text) => Ok(text),
        Node::Map(_) => Err(ApiError::invalid(format!("Invalid {kind}: {}", node.to_value())).param(path)),
    }
}

fn empty(path: &str) -> ApiError {
    ApiError::invalid(format!(
        "You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; however \
         '{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty value."
    ))
    .code("parameter_invalid_empty")
    .param(path)
}

/// Metadata: 50 keys, names of 40 characters, values of 500 (<https://docs.stripe.com/api/metadata>).
fn read_string_map(node: &Node, path: &str) -> Result<Value, ApiError> {
    let Node::Map(entries) = node else {
        return match node {
            Node::Leaf(text) if text.is_empty() => Ok(Value::String(String::new())),
            _ => Err(ApiError::invalid("Invalid object").param(path)),
        };
    };
    if entries.len() > 50 {
        return Err(ApiError::invalid("Metadata can have up to 50 keys.").param(path));
    }
    let mut out = Map::new();
    for (name, node) in entries {
        let text = leaf(node, &nested(path, name), "string")?;
        if name.chars().count() > 40 {
            return Err(ApiError::invalid(format!(
                "Metadata keys can have up to 40 characters, but you passed in a key that is {} characters.",
                name.chars().count()
            ))
            .param(path));
        }
        if text.chars().count() > 500 {
            return Err(ApiError::invalid(format!(
                "Metadata values can have up to 500 characters, but you passed in a value that is {} characters.",
                text.chars().count()
            ))
            .param(&nested(path, name)));
        }
        out.insert(name.clone(), text.into());
    }
    Ok(Value::Object(out))
}

/// Validated parameters.
#[derive(Clone, Debug)]
pub(crate) struct Params(Value);

impl Params {
    /// No parameters.
    pub(crate) fn none() -> Self {
        Self(Value::Object(Map::new()))
    }

    /// Parameters that are already JSON of the right types.
    pub(crate) fn from_value(value: Value) -> Self {
        Self(value)
    }

    /// Whether the parameter was sent, even as an empty string.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// Whether the parameter was sent as an empty string, which unsets it.
    pub(crate) fn unsets(&self, name: &str) -> bool {
        self.0[name].as_str() == Some("")
    }

    /// A non-empty string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.maybe(name)
    }

    /// A required string.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        match self.text(name) {
            Some(text) => Ok(text),
            None if self.has(name) => Err(empty(name)),
            None => Err(ApiError::missing(name)),
        }
    }

    /// An integer.
    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        self.0[name].as_i64()
    }

    /// A boolean, if sent.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.0[name].as_bool()
    }

    /// A boolean; false if not sent.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.flag(name).unwrap_or(false)
    }

    /// An object; empty if not sent.
    pub(crate) fn object(&self, name: &str) -> Self {
        match self.0.get(name) {
            Some(value) if value.is_object() => Self(value.clone()),
            _ => Self::none(),
        }
    }

    /// An array of objects.
    pub(crate) fn objects(&self, name: &str) -> Vec<Self> {
        self.0[name].as_array().map(|items| items.iter().cloned().map(Self).collect()).unwrap_or_default()
    }

    /// An array of strings.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.0[name].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    /// The parameter as JSON; `null` if not sent or unset.
    pub(crate) fn json(&self, name: &str) -> Value {
        if self.unsets(name) { Value::Null } else { self.0[name].clone() }
    }

    /// All of them as JSON.
    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    /// Metadata for a new object.
    pub(crate) fn metadata(&self) -> Value {
        self.merged_metadata(&Value::Null)
    }

    /// Metadata merged into an object's: an empty value removes a key, an empty `metadata` all keys.
    pub(crate) fn merged_metadata(&self, before: &Value) -> Value {
        let mut out = before.as_object().cloned().unwrap_or_default();
        if self.unsets("metadata") {
            out.clear();
        }
        for (name, value) in self.0["metadata"].as_object().into_iter().flatten() {
            if value.as_str() == Some("") {
                out.remove(name);
            } else {
                out.insert(name.clone(), value.clone());
            }
        }
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(schema: &str, form: &str) -> Result<Value, String> {
        Schema::parse(schema)
            .read(&Node::parse(&[form.as_bytes()]))
            .map(|params| params.0)
            .map_err(|error| error.body()["error"]["message"].as_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn nested_names_become_objects_and_arrays_in_order() {
        let schema = "items[]{name price{amount:i}} tags[] metadata:m";
        let form = "items[10][name]=b&items[2][name]=a&items[2][price][amount]=5&tags[]=x&tags[]=y&metadata[0]=zero";
        assert_eq!(
            read(schema, form),
            Ok(json!({
                "items": [{ "name": "a", "price": { "amount": 5 } }, { "name": "b" }],
                "tags": ["x", "y"],
                "metadata": { "0": "zero" },
            }))
        );
    }

    #[test]
    fn bare_brackets_begin_a_new_object_at_a_repeated_name() {
        assert_eq!(
            read("items[]{a b}", "items[][a]=1&items[][b]=2&items[][a]=3"),
            Ok(json!({ "items": [{ "a": "1", "b": "2" }, { "a": "3" }] }))
        );
    }

    #[test]
    fn every_unknown_parameter_is_named_with_its_path() {
        assert_eq!(read("a{b}", "a[c]=1&d=2&a[b]=3"), Err("Received unknown parameters: a[c], d".to_owned()));
    }

    #[test]
    fn wrong_types_are_refused() {
        assert_eq!(read("n:i", "n=4.5"), Err("Invalid integer: 4.5".to_owned()));
        assert_eq!(read("n:b", "n=yes"), Err("Invalid boolean: yes".to_owned()));
        assert_eq!(read("n[]", "n=x"), Err("Invalid array".to_owned()));
        assert_eq!(read("n{a}", "n=x"), Err("Invalid object".to_owned()));
        assert_eq!(read("n:(a|b)", "n=x"), Err("Invalid n: must be one of a, or b".to_owned()));
        assert!(read("n:m", &format!("n[k]={}", "v".repeat(501))).is_err());
    }
}
