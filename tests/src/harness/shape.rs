//! Compares whole bodies, with placeholders for values that differ each time.

use serde_json::Value;

/// Compares all of a body. In the expected one, `[user]`, `[course]`, `[purchase]`, `[time]`, `[token]` and `[cursor]`
/// match any text of that form, and `[any]` matches any value.
#[track_caller]
pub(crate) fn assert_shape(actual: &Value, expected: &Value) {
    if let Err(fault) = compare(actual, expected, "body") {
        panic!("{fault}\n   found: {actual}\nexpected: {expected}");
    }
}

fn compare(actual: &Value, expected: &Value, path: &str) -> Result<(), String> {
    match (actual, expected) {
        (_, Value::String(any)) if any == "[any]" => Ok(()),
        (Value::String(actual), Value::String(expected)) if placeholder(expected).is_some_and(|fits| fits(actual)) => Ok(()),
        (Value::Object(found), Value::Object(wanted)) => {
            let names = found.keys().chain(wanted.keys());
            names.into_iter().try_for_each(|name| {
                let path = format!("{path}.{name}");
                match (found.get(name), wanted.get(name)) {
                    (Some(found), Some(wanted)) => compare(found, wanted, &path),
                    (None, _) => Err(format!("{path} is missing")),
                    (_, None) => Err(format!("{path} is there")),
                }
            })
        }
        (Value::Array(found), Value::Array(wanted)) if found.len() == wanted.len() => found
            .iter()
            .zip(wanted)
            .enumerate()
            .try_for_each(|(index, (found, wanted))| compare(found, wanted, &format!("{path}[{index}]"))),
        _ if actual == expected => Ok(()),
        _ => Err(format!("{path} is {actual}, not {expected}")),
    }
}

fn placeholder(text: &str) -> Option<fn(&str) -> bool> {
    Some(match text {
        "[user]" => |text| id(text, "usr_", &[16]),
        "[course]" => |text| id(text, "crs_", &[16, 18]),
        "[purchase]" => |text| id(text, "pur_", &[16, 18]),
        "[token]" => |text| text.len() == 60 && text.as_bytes()[16] == b'.',
        "[cursor]" => |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
        "[time]" => is_time,
        _ => return None,
    })
}

fn id(text: &str, prefix: &str, lengths: &[usize]) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else { return false };
    let parts: Vec<&str> = rest.split('_').collect();
    parts.iter().map(|part| part.len()).eq(lengths.iter().copied())
        && parts.concat().bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// RFC 3339 in UTC, to the second or finer.
fn is_time(text: &str) -> bool {
    let form: String = text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    let Some(rest) = form.strip_prefix("0000-00-00T00:00:00") else { return false };
    rest == "Z" || rest.strip_prefix('.').and_then(|rest| rest.strip_suffix('Z')).is_some_and(|rest| rest.chars().all(|digit| digit == '0'))
}
