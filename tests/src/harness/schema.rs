//! JSON Schema, as far as openapi.yaml uses it: <https://json-schema.org/draft/2020-12/json-schema-validation>. An unknown keyword is an
//! error, so that the document cannot contain anything that is not checked.

use regex_lite::Regex;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

/// Resolves a `$ref`. Returns any other value unchanged.
pub(super) fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    reference.map_or(value, |pointer| document.pointer(pointer).unwrap_or_else(|| panic!("there is no {pointer}")))
}

/// Reports where and why a value does not match the schema. An undescribed
/// field is an error, unless the schema gives a type for other fields.
pub(super) fn compare(document: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let schema = resolve(document, schema).as_object().unwrap_or_else(|| panic!("{schema} is not a schema"));
    if let Some(parts) = schema.get("allOf") {
        return compare(document, &Value::Object(together(document, list(parts))), value, path);
    }
    let is = |good: bool, why: &dyn Fn() -> String| if good { Ok(()) } else { Err(format!("{path} {}: {value}", why())) };
    let length = |value: &Value| value.as_str().map(|text| text.chars().count() as i64);
    let number = |bound: &Value| bound.as_i64().expect("a bound is a whole number");
    for (keyword, says) in schema {
        match keyword.as_str() {
            "type" => is(is_of(says, value), &|| format!("is not {says}"))?,
            "enum" => is(list(says).contains(value), &|| format!("is none of {says}"))?,
            "const" => is(says == value, &|| format!("is not {says}"))?,
            "minimum" => is(value.as_i64().is_none_or(|value| value >= number(says)), &|| format!("is less than {says}"))?,
            "maximum" => is(value.as_i64().is_none_or(|value| value <= number(says)), &|| format!("is more than {says}"))?,
            "minLength" => is(length(value).is_none_or(|length| length >= number(says)), &|| format!("is shorter than {says}"))?,
            "maxLength" => is(length(value).is_none_or(|length| length <= number(says)), &|| format!("is longer than {says}"))?,
            "maxItems" => is(value.as_array().is_none_or(|all| all.len() as i64 <= number(says)), &|| format!("has more than {says}"))?,
            "minProperties" => {
                is(value.as_object().is_none_or(|all| all.len() as i64 >= number(says)), &|| format!("has fewer than {says}"))?
            }
            "pattern" => {
                let pattern = Regex::new(text(says)).unwrap_or_else(|error| panic!("{says}: {error}"));
                is(value.as_str().is_none_or(|value| pattern.is_match(value)), &|| format!("does not match {says}"))?;
            }
            "format" => is(value.as_str().is_none_or(|value| has_form(text(says), value)), &|| format!("is not {says}"))?,
            "anyOf" => {
                let any = list(says).iter().any(|one| compare(document, one, value, path).is_ok());
                is(any, &|| "matches none of the alternatives".to_owned())?;
            }
            "oneOf" => {
                let fitting = list(says).iter().filter(|one| compare(document, one, value, path).is_ok()).count();
                is(fitting == 1, &|| format!("matches {fitting} alternatives instead of one"))?;
            }
            "required" => {
                let missing = |name: &&Value| value.as_object().is_some_and(|fields| !fields.contains_key(text(name)));
                is(!list(says).iter().any(|name| missing(&name)), &|| format!("lacks one of {says}"))?;
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    compare(document, says, item, &format!("{path}[{at}]"))?;
                }
            }
            "properties" | "propertyNames" | "additionalProperties" => {}
            "description" | "examples" | "default" | "$ref" => {}
            other => panic!("the tests do not know the keyword {other}"),
        }
    }
    match value {
        Value::Object(fields) => compare_fields(document, schema, fields, path),
        _ => Ok(()),
    }
}

/// Combines the objects of an `allOf`: all their fields, and all their required fields.
fn together(document: &Value, parts: &[Value]) -> Map<String, Value> {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts.iter().map(|part| resolve(document, part)) {
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties.into()),
        ("required".to_owned(), required.into()),
    ])
}

fn compare_fields(document: &Value, schema: &Map<String, Value>, fields: &Map<String, Value>, path: &str) -> Result<(), String> {
    let (named, others) = (schema.get("properties"), schema.get("additionalProperties"));
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match (named.and_then(|named| named.get(name)), others) {
            (Some(schema), _) | (None, Some(schema)) => compare(document, schema, value, &path)?,
            // An object without any description may have any fields.
            (None, None) if named.is_none() => {}
            (None, None) => return Err(format!("{path} is not described: {value}")),
        }
        if let Some(names) = schema.get("propertyNames") {
            compare(document, names, &Value::String(name.clone()), &path)?;
        }
    }
    Ok(())
}

fn is_of(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match text(kind) {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the tests do not know the type {other}"),
    };
    kinds.as_array().map_or_else(|| is(kinds), |kinds| kinds.iter().any(is))
}

fn has_form(format: &str, value: &str) -> bool {
    match format {
        "date-time" => OffsetDateTime::parse(value, &Rfc3339).is_ok(),
        "uri" => Url::parse(value).is_ok(),
        other => panic!("the tests do not know the format {other}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list"))
}
