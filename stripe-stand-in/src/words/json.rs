//! Shorthands for JSON objects.

use serde_json::{Map, Value, json};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// Shorthands for reading JSON objects.
pub(crate) trait Fields {
    /// A string field, or the empty string.
    fn text(&self, name: &str) -> &str;
    /// An integer field, or 0.
    fn int(&self, name: &str) -> i64;
    /// A boolean field, or false.
    fn flag(&self, name: &str) -> bool;
    /// A string field that is present and not empty.
    fn maybe(&self, name: &str) -> Option<&str>;
}

/// A list object, as nested in others (such as an application fee's refunds).
pub(crate) fn list_object(data: Vec<Value>, url: &str) -> Value {
    let total = data.len();
    json!({ "object": "list", "data": data, "has_more": false, "total_count": total, "url": url })
}
