//! Parses what Stripe sends. Stripe's types allow `null` where ours have a default, and other
//! API versions and payment methods have fields in other formats. Fields that cannot be parsed
//! are skipped; an object only fails if it lacks a field without which it is meaningless.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;
use serde_path_to_error::Segment;

/// How many fields of an object may be skipped.
const MOST: usize = 64;

/// Parses a response or an event.
///
/// # Errors
/// If it is not JSON or lacks a required field.
pub fn bytes<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    match serde_json::from_slice(body) {
        Ok(read) => Ok(read),
        Err(_) => value(serde_json::from_slice(body)?),
    }
}

/// Parses a JSON object.
///
/// # Errors
/// If it lacks a required field.
pub fn value<T: DeserializeOwned>(mut object: Value) -> Result<T, serde_json::Error> {
    leave_out_nulls(&mut object);
    let mut tries = 0;
    loop {
        let error = match serde_path_to_error::deserialize(&object) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        let path: Vec<&Segment> = error.path().iter().take_while(|segment| !matches!(segment, Segment::Unknown)).collect();
        tries += 1;
        if tries > MOST || !take_out(&mut object, &path) {
            return Err(error.into_inner());
        }
        tracing::warn!(path = %error.path(), "a field from Stripe cannot be parsed and is skipped");
    }
}

/// An id, or the id of the object that it was expanded to; `None` for anything else.
///
/// # Errors
/// If the JSON is invalid.
pub fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(id) => Some(id),
        Value::Object(mut object) => match object.remove("id") {
            Some(Value::String(id)) => Some(id),
            _ => None,
        },
        _ => None,
    })
}

/// A field that is `null` means the same as one that is absent.
fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

/// Removes what a path leads to. Returns whether it was there.
fn take_out(value: &mut Value, path: &[&Segment]) -> bool {
    let Some((last, before)) = path.split_last() else { return false };
    let mut place = value;
    for segment in before {
        let next = match (segment, place) {
            (Segment::Map { key }, Value::Object(fields)) => fields.get_mut(key),
            (Segment::Seq { index }, Value::Array(values)) => values.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else { return false };
        place = next;
    }
    match (last, place) {
        (Segment::Map { key }, Value::Object(fields)) => fields.remove(key).is_some(),
        (Segment::Seq { index }, Value::Array(values)) if *index < values.len() => {
            values.remove(*index);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        amount: i64,
        metadata: HashMap<String, String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        id: String,
        #[serde(default)]
        inner: Inner,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default, deserialize_with = "id")]
        charge: Option<String>,
    }

    #[test]
    fn unreadable_fields_are_skipped_and_the_rest_is_read() {
        let sent = json!({
            "id": "x_1", "charge": { "id": "ch_1", "object": "charge" },
            "inner": { "amount": null, "metadata": { "kept": "1", "odd": 2, "none": null } },
            "list": [{ "amount": 1 }, "odd", { "amount": 2, "metadata": [] }],
        });
        let read: Outer = bytes(sent.to_string().as_bytes()).expect("it has its id");
        let kept = HashMap::from([("kept".to_owned(), "1".to_owned())]);
        assert_eq!(read.inner, Inner { amount: 0, metadata: kept });
        assert_eq!(read.list.iter().map(|one| one.amount).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(read.charge.as_deref(), Some("ch_1"));
    }

    #[test]
    fn required_fields_are_required() {
        for sent in ["", "null", "[]", "7", "{\"id\":null}", "{\"id\":1}", "{\"inner\":{}}"] {
            assert!(bytes::<Outer>(sent.as_bytes()).is_err(), "{sent}");
        }
    }
}
