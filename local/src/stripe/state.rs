//! The state of the stand-in: every account's objects, its clock, and what the platform may see.
//!
//! Objects are kept as the JSON that Stripe would answer, beside a `hidden` part that only the stand-in reads (a card's
//! behaviour, a session's cart). Everything here is serialised as it stands when a state file is set.

mod kind;
mod table;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::accounts::links::Door;
use super::faults::Fault;
use super::idempotency::Keys;
use super::jobs::Job;
use super::request_log::RequestLog;
use super::webhooks::Outbox;

pub(crate) use kind::Kind;
use table::Table;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// One stored object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What the API answers.
    pub(crate) object: Value,
    /// What only the stand-in knows.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) hidden: Object,
}

/// Money of one currency in an account, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Funds {
    pub(crate) available: i64,
    pub(crate) pending: i64,
}

/// What one account holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Store {
    tables: BTreeMap<Kind, Table>,
    /// Running balance by currency, kept apart from the transactions so that the books can be checked against them.
    pub(crate) funds: BTreeMap<String, Funds>,
}

/// What the platform may do with a connected account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Link {
    /// Never linked, or revoked.
    None,
    ReadOnly,
    ReadWrite,
}

/// Money that left or entered the accounts as a whole, by currency: the other side of the double entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outside {
    /// Paid in by cardholders, less what was given back to them.
    pub(crate) cardholders: i64,
    /// Kept by Stripe as fees.
    pub(crate) stripe: i64,
    /// Paid out to banks.
    #[serde(default)]
    pub(crate) banks: i64,
}

/// An authorisation code that was handed to a redirect.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AuthorizationCode {
    pub(crate) account: String,
    pub(crate) scope: String,
    pub(crate) expires_at: i64,
    /// The tokens issued for it, once used.
    pub(crate) issued: Option<Vec<String>>,
}

/// An access or refresh token of a connected account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) account: String,
    pub(crate) scope: String,
    pub(crate) refresh: bool,
    pub(crate) revoked: bool,
}

/// All state.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// The id of the platform's own account.
    pub(crate) platform: String,
    /// Seconds that the clock is ahead of the machine's, or of the time at which it is held.
    pub(crate) clock_offset: i64,
    /// The platform's secret keys that were made or rolled since the stand-in was started, and whether each still holds.
    #[serde(skip)]
    pub(crate) rolled_keys: BTreeMap<String, bool>,
    /// The time that the clock stands still at, but for the offset, in epoch seconds.
    #[serde(skip)]
    pub(crate) held_at: Option<i64>,
    stores: BTreeMap<String, Store>,
    pub(crate) links: BTreeMap<String, Link>,
    pub(crate) codes: BTreeMap<String, AuthorizationCode>,
    pub(crate) grants: BTreeMap<String, Grant>,
    pub(crate) outside: BTreeMap<String, Outside>,
    /// Account and login links by their path.
    #[serde(default)]
    pub(crate) doors: BTreeMap<String, Door>,
    /// Balance transactions that are not yet available: account and id.
    pub(crate) unsettled: Vec<(String, String)>,
    /// The subscriptions that have not ended: account and id.
    #[serde(default)]
    pub(crate) live: BTreeSet<(String, String)>,
    /// What is to happen by itself.
    pub(crate) jobs: Vec<Job>,
    /// How many events there have been.
    pub(crate) event_count: u64,
    pub(crate) outbox: Outbox,
    pub(crate) keys: Keys,
    #[serde(skip)]
    pub(crate) faults: Vec<Fault>,
    #[serde(skip)]
    pub(crate) log: RequestLog,
    /// Counts changes, so that a snapshot is written only when there is one.
    #[serde(skip)]
    pub(crate) version: u64,
}

impl State {
    /// An empty state with the platform's account in it.
    pub(crate) fn new() -> Self {
        let platform = "acct_1LocalPlatform0".to_owned();
        let mut state = Self {
            platform: platform.clone(),
            clock_offset: 0,
            rolled_keys: BTreeMap::new(),
            held_at: None,
            stores: BTreeMap::new(),
            links: BTreeMap::new(),
            codes: BTreeMap::new(),
            grants: BTreeMap::new(),
            outside: BTreeMap::new(),
            doors: BTreeMap::new(),
            unsettled: Vec::new(),
            live: BTreeSet::new(),
            jobs: Vec::new(),
            event_count: 0,
            outbox: Outbox::default(),
            keys: Keys::default(),
            faults: Vec::new(),
            log: RequestLog::default(),
            version: 1,
        };
        let object = super::accounts::build(
            &platform,
            &super::accounts::New { email: Some("platform@example.com".into()), ..Default::default() },
            state.now(),
        );
        state.insert(&platform, Kind::Account, object, Map::new());
        state
    }

    /// The stand-in's time, in epoch seconds.
    pub(crate) fn now(&self) -> i64 {
        self.held_at.unwrap_or_else(real_now) + self.clock_offset
    }

    /// The ids of all accounts that hold anything, the platform's included.
    pub(crate) fn account_ids(&self) -> Vec<String> {
        self.stores.keys().cloned().collect()
    }

    /// What an account holds.
    pub(crate) fn store(&self, account: &str) -> Option<&Store> {
        self.stores.get(account)
    }

    /// What an account holds, made if need be.
    pub(crate) fn store_mut(&mut self, account: &str) -> &mut Store {
        self.version += 1;
        self.stores.entry(account.to_owned()).or_default()
    }

    /// The objects of one kind in an account, oldest first.
    pub(crate) fn rows(&self, account: &str, kind: Kind) -> &[Row] {
        self.stores.get(account).and_then(|s| s.tables.get(&kind)).map_or(&[], Table::rows)
    }

    /// One stored object.
    pub(crate) fn row(&self, account: &str, kind: Kind, id: &str) -> Option<&Row> {
        self.stores.get(account)?.tables.get(&kind)?.get(id)
    }

    /// One stored object, to be changed.
    pub(crate) fn row_mut(&mut self, account: &str, kind: Kind, id: &str) -> Option<&mut Row> {
        self.version += 1;
        self.stores.get_mut(account)?.tables.get_mut(&kind)?.get_mut(id)
    }

    /// The object as the API answers it.
    pub(crate) fn object(&self, account: &str, kind: Kind, id: &str) -> Option<&Value> {
        self.row(account, kind, id).map(|row| &row.object)
    }

    /// Stores an object; its `id` is its key.
    pub(crate) fn insert(&mut self, account: &str, kind: Kind, object: Value, hidden: Object) {
        self.store_mut(account).tables.entry(kind).or_default().insert(Row { object, hidden });
    }

    /// Takes an object away as if it had never been.
    pub(crate) fn remove(&mut self, account: &str, kind: Kind, id: &str) {
        if let Some(table) = self.store_mut(account).tables.get_mut(&kind) {
            table.remove(id);
        }
    }

    /// Sets fields of a stored object; a missing object is left missing.
    pub(crate) fn set(&mut self, account: &str, kind: Kind, id: &str, fields: Value) {
        if let (Some(row), Value::Object(fields)) = (self.row_mut(account, kind, id), fields) {
            for (name, value) in fields {
                row.object[name] = value;
            }
        }
    }

    /// Sets a hidden field of a stored object.
    pub(crate) fn hide(&mut self, account: &str, kind: Kind, id: &str, name: &str, value: Value) {
        if let Some(row) = self.row_mut(account, kind, id) {
            row.hidden.insert(name.to_owned(), value);
        }
    }

    /// A hidden field of a stored object.
    pub(crate) fn hidden(&self, account: &str, kind: Kind, id: &str, name: &str) -> Option<&Value> {
        self.row(account, kind, id)?.hidden.get(name)
    }

    /// The account that holds an object of that id.
    pub(crate) fn owner_of(&self, kind: Kind, id: &str) -> Option<String> {
        self.stores
            .iter()
            .find(|(_, store)| store.tables.get(&kind).is_some_and(|t| t.get(id).is_some()))
            .map(|(account, _)| account.clone())
    }

    /// What the platform may do with that account.
    pub(crate) fn link(&self, account: &str) -> Link {
        self.links.get(account).copied().unwrap_or(Link::None)
    }

    /// The Connect account object of an account.
    pub(crate) fn account(&self, account: &str) -> Option<&Value> {
        self.object(account, Kind::Account, account)
    }
}

/// The machine's time in epoch seconds.
pub(crate) fn real_now() -> i64 {
    real_now_ms() / 1000
}

/// The machine's time in epoch milliseconds.
pub(crate) fn real_now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A new id: the prefix and 24 random letters and digits.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", random_text(24))
}

/// Random letters and digits. Not a secret: this Stripe has none worth keeping.
pub(crate) fn random_text(length: usize) -> String {
    IDS.with_borrow_mut(|ids| std::iter::repeat_with(|| ids.alphanumeric()).take(length).collect())
}

thread_local! {
    static IDS: RefCell<Rng> = RefCell::new(Rng::new());
}

/// Has a stand-in that this thread runs draw the same ids each time.
pub fn seed_ids(seed: u64) {
    IDS.with_borrow_mut(|ids| ids.seed(seed));
}

/// Shorthands to read JSON objects.
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

impl Fields for Value {
    fn text(&self, name: &str) -> &str {
        self[name].as_str().unwrap_or_default()
    }

    fn int(&self, name: &str) -> i64 {
        self[name].as_i64().unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        self[name].as_bool().unwrap_or_default()
    }

    fn maybe(&self, name: &str) -> Option<&str> {
        self[name].as_str().filter(|text| !text.is_empty())
    }
}

/// A list object, as nested in others (an application fee's refunds).
pub(crate) fn list_object(data: Vec<Value>, url: &str) -> Value {
    let total = data.len();
    json!({ "object": "list", "data": data, "has_more": false, "total_count": total, "url": url })
}
