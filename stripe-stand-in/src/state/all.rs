//! The state of the stand-in: every account's objects, its clock, and what the platform may see.
//!
//! Objects are stored as the JSON that Stripe would return, with a `hidden` part that only the stand-in reads,
//! such as a card's behavior or a session's cart. If a state file is set, everything here is serialized to it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::agenda::Agenda;
use crate::state::calls::Calls;
use crate::state::door::Door;
use crate::state::embedded::Embedded;
use crate::state::outbox::Outbox;
use crate::state::row::{AuthorizationCode, Funds, Grant, Link, Outside, Row};
use crate::state::settings::Settings;
use crate::state::table::Table;
use crate::state::traffic::Traffic;
use crate::words::clock;
use crate::words::faults::Fault;
use crate::words::idempotency::Keys;
use crate::words::json::{Fields, Object};
use crate::words::kind::Kind;
use crate::words::request_log::RequestLog;

/// What one account holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Store {
    tables: BTreeMap<Kind, Table>,
    /// Running balance by currency, separate from the transactions so that the books can be checked against them.
    pub(crate) funds: BTreeMap<String, Funds>,
}

/// All state.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// The id of the platform's own account.
    pub(crate) platform: String,
    /// How many seconds the clock is ahead of the machine's, or of the time at which it is held.
    pub(crate) clock_offset: i64,
    /// The platform's secret keys that were created or rolled since the start, and whether each is still valid.
    #[serde(skip)]
    pub(crate) rolled_keys: BTreeMap<String, bool>,
    /// The time at which the clock is held, without the offset, in epoch seconds.
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
    /// Account Sessions by their client secret.
    #[serde(default)]
    pub(crate) embedded: BTreeMap<String, Embedded>,
    /// Balance transactions that are not yet available: account and id.
    pub(crate) unsettled: Vec<(String, String)>,
    /// When the first of them becomes available, if known.
    #[serde(skip)]
    pub(crate) settles_at: Option<i64>,
    /// The subscriptions that have not ended: account and id.
    #[serde(default)]
    pub(crate) live: BTreeSet<(String, String)>,
    /// When something next happens to each of them.
    #[serde(skip)]
    pub(crate) calls: Calls,
    /// Scheduled jobs.
    pub(crate) jobs: Agenda,
    /// The number of events so far.
    pub(crate) event_count: u64,
    pub(crate) outbox: Outbox,
    pub(crate) keys: Keys,
    #[serde(skip)]
    pub(crate) settings: Settings,
    #[serde(skip)]
    pub(crate) faults: Vec<Fault>,
    #[serde(skip)]
    pub(crate) log: RequestLog,
    #[serde(skip)]
    pub(crate) traffic: Traffic,
    /// Counts changes, so that a snapshot is only written after a change.
    #[serde(skip)]
    pub(crate) version: u64,
}

impl State {
    /// An empty state, without the platform's account.
    pub(crate) fn new() -> Self {
        Self {
            platform: "acct_1LocalPlatform0".to_owned(),
            clock_offset: 0,
            rolled_keys: BTreeMap::new(),
            held_at: None,
            stores: BTreeMap::new(),
            links: BTreeMap::new(),
            codes: BTreeMap::new(),
            grants: BTreeMap::new(),
            outside: BTreeMap::new(),
            doors: BTreeMap::new(),
            embedded: BTreeMap::new(),
            unsettled: Vec::new(),
            settles_at: None,
            live: BTreeSet::new(),
            calls: Calls::default(),
            jobs: Agenda::default(),
            event_count: 0,
            outbox: Outbox::default(),
            keys: Keys::default(),
            settings: Settings::default(),
            faults: Vec::new(),
            log: RequestLog::default(),
            traffic: Traffic::default(),
            version: 1,
        }
    }

    /// The same state with these settings.
    pub(crate) fn with(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Rebuilds what is not in the file: indexes, and when subscriptions need attention.
    pub(crate) fn look_up(&mut self) {
        self.outbox.look_up();
        for one in self.live.clone() {
            self.calls.forget(one);
        }
    }

    /// The stand-in's time, in epoch seconds.
    pub(crate) fn now(&self) -> i64 {
        self.held_at.unwrap_or_else(clock::real_now) + self.clock_offset
    }

    /// The ids of all accounts with any objects, including the platform's.
    pub(crate) fn account_ids(&self) -> Vec<String> {
        self.stores.keys().cloned().collect()
    }

    /// What an account holds.
    pub(crate) fn store(&self, account: &str) -> Option<&Store> {
        self.stores.get(account)
    }

    /// What an account holds, created if necessary.
    pub(crate) fn store_mut(&mut self, account: &str) -> &mut Store {
        self.version += 1;
        self.stores.entry(account.to_owned()).or_default()
    }

    /// The objects of one kind in an account, oldest first.
    pub(crate) fn rows(&self, account: &str, kind: Kind) -> &[Row] {
        self.stores.get(account).and_then(|s| s.tables.get(&kind)).map_or(&[], Table::rows)
    }

    /// The objects of one kind in an account that belong to another object, oldest first, such as a charge's refunds.
    pub(crate) fn children<'a>(&'a self, account: &str, kind: Kind, parent: &str) -> impl DoubleEndedIterator<Item = &'a Row> + use<'a> {
        let table = self.stores.get(account).and_then(|store| store.tables.get(&kind));
        let rows: Vec<&Row> = table.map(|table| table.children(parent).collect()).unwrap_or_default();
        rows.into_iter()
    }

    /// The position of an object among those of its kind in an account.
    pub(crate) fn place(&self, account: &str, kind: Kind, id: &str) -> Option<usize> {
        self.stores.get(account)?.tables.get(&kind)?.place(id)
    }

    /// One stored object.
    pub(crate) fn row(&self, account: &str, kind: Kind, id: &str) -> Option<&Row> {
        self.stores.get(account)?.tables.get(&kind)?.get(id)
    }

    /// One stored object, for changes.
    pub(crate) fn row_mut(&mut self, account: &str, kind: Kind, id: &str) -> Option<&mut Row> {
        self.version += 1;
        self.note_billing(account, kind, id);
        self.stores.get_mut(account)?.tables.get_mut(&kind)?.get_mut(id)
    }

    /// A subscription or one of its invoices is about to change, so what happens to it next may change.
    fn note_billing(&mut self, account: &str, kind: Kind, id: &str) {
        let subscription = match kind {
            Kind::Subscription => Some(id.to_owned()),
            Kind::Invoice => self
                .object(account, kind, id)
                .and_then(|invoice| invoice["parent"]["subscription_details"].maybe("subscription").map(str::to_owned)),
            _ => None,
        };
        if let Some(subscription) = subscription {
            self.calls.forget((account.to_owned(), subscription));
        }
    }

    /// The object as the API returns it.
    pub(crate) fn object(&self, account: &str, kind: Kind, id: &str) -> Option<&Value> {
        self.row(account, kind, id).map(|row| &row.object)
    }

    /// Stores an object under its `id`.
    pub(crate) fn insert(&mut self, account: &str, kind: Kind, object: Value, hidden: Object) {
        let id = object.text("id").to_owned();
        self.store_mut(account).tables.entry(kind).or_default().insert(Row { object, hidden });
        self.note_billing(account, kind, &id);
    }

    /// Removes an object without a trace.
    pub(crate) fn remove(&mut self, account: &str, kind: Kind, id: &str) {
        if let Some(table) = self.store_mut(account).tables.get_mut(&kind) {
            table.remove(id);
        }
    }

    /// Sets fields of a stored object; does nothing if it is missing.
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

    /// The platform's access to an account.
    pub(crate) fn link(&self, account: &str) -> Link {
        self.links.get(account).copied().unwrap_or(Link::None)
    }

    /// The Connect account object of an account.
    pub(crate) fn account(&self, account: &str) -> Option<&Value> {
        self.object(account, Kind::Account, account)
    }
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
