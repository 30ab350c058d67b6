//! Thin events of accounts that were created by `/v2`. They follow from how `/v2` shows an account before and after a
//! change: <https://docs.stripe.com/api/v2/core/accounts/event-types>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engine::accounts::v2_shape::{self, CONFIGURATIONS, INCLUDES};
use crate::events::context::Context;
use crate::state::all::State;

/// An account with everything that `/v2` shows; `null` for one that it does not know.
pub(crate) fn seen(state: &State, id: &str) -> Value {
    let all: Vec<String> = INCLUDES.split('|').map(str::to_owned).collect();
    v2_shape::answer(state, id, &all)
}

/// Records that something happened to an account: `created`, `closed`.
pub(crate) fn announce(ctx: &mut Context, id: &str, what: &str) {
    emit(ctx, id, &format!("v2.core.account.{what}"), Value::Null);
}

/// Records what has changed since an account was [`seen`]: one event for the account, and one for each part of it.
pub(crate) fn announce_changes(ctx: &mut Context, id: &str, before: &Value) {
    let after = seen(ctx.state, id);
    if before.is_null() || *before == after {
        return;
    }
    announce(ctx, id, "updated");
    for part in ["defaults", "future_requirements", "identity", "requirements"] {
        if before[part] != after[part] {
            emit(ctx, id, &format!("v2.core.account[{part}].updated"), Value::Null);
        }
    }
    for name in CONFIGURATIONS {
        let (old, new) = (Configuration::of(&before["configuration"][name]), Configuration::of(&after["configuration"][name]));
        for (capability, status) in &new.statuses {
            if old.statuses.get(capability).is_some_and(|before| before != status) {
                let event = format!("v2.core.account[configuration.{name}].capability_status_updated");
                emit(ctx, id, &event, json!({ "updated_capability": capability }));
            }
        }
        if old.rest != new.rest || !old.statuses.keys().eq(new.statuses.keys()) {
            emit(ctx, id, &format!("v2.core.account[configuration.{name}].updated"), Value::Null);
        }
    }
}

fn emit(ctx: &mut Context, id: &str, event: &str, data: Value) {
    let related = json!({ "id": id, "type": "v2.core.account", "url": format!("/v2/core/accounts/{id}") });
    ctx.emit_thin(id, event, related, data);
}

/// A configuration: the status of each capability, by its path, and everything else.
struct Configuration {
    statuses: BTreeMap<String, String>,
    rest: Value,
}

impl Configuration {
    fn of(configuration: &Value) -> Self {
        let (mut rest, mut statuses) = (configuration.clone(), BTreeMap::new());
        let capabilities = rest.as_object_mut().and_then(|fields| fields.remove("capabilities")).unwrap_or_default();
        collect(&capabilities, "", &mut statuses);
        Self { statuses, rest }
    }
}

fn collect(capabilities: &Value, path: &str, statuses: &mut BTreeMap<String, String>) {
    if let Some(status) = capabilities["status"].as_str() {
        statuses.insert(path.to_owned(), status.to_owned());
        return;
    }
    for (name, inner) in capabilities.as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(inner, &path, statuses);
    }
}
