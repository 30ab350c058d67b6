//! Pending webhook deliveries, and how they are disturbed.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::words::clock::real_now_ms;
use crate::words::options::WebhookEndpoint;

/// How deliveries are disturbed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mode {
    /// New deliveries wait for a flush.
    pub(crate) hold: bool,
    /// Each delivery is repeated this many times.
    pub(crate) duplicate: u32,
    /// This many of the next deliveries are lost and not retried.
    pub(crate) drop_next: u32,
    /// Deliveries that are due together are sent in random order.
    pub(crate) shuffle: bool,
    /// How long to delay deliveries.
    pub(crate) delay_ms: u32,
    /// Signatures contain the stand-in's time, which can be advanced, instead of the machine's.
    pub(crate) own_clock: bool,
}

/// The status of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Waiting for a flush.
    Held,
    /// Waiting for its time.
    Pending,
    /// Answered with 2xx.
    Delivered,
    /// Lost on request.
    Dropped,
    /// Given up after many attempts, or because the endpoint is gone.
    Failed,
}

/// One attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The machine's time in epoch milliseconds.
    pub(crate) at_ms: i64,
    /// The HTTP status, or `null` without a response.
    pub(crate) status: Option<u16>,
    /// Why there was no response.
    pub(crate) error: Option<String>,
}

/// An event to be sent to an endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: u64,
    pub(crate) account: String,
    pub(crate) event: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) endpoint: String,
    /// The id of an endpoint created through the API.
    #[serde(default)]
    pub(crate) made: Option<String>,
    pub(crate) status: Status,
    pub(crate) next_at_ms: i64,
    pub(crate) attempts: Vec<Attempt>,
    #[serde(skip)]
    pub(crate) in_flight: bool,
}

/// All deliveries.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outbox {
    #[serde(skip)]
    pub(crate) endpoints: Vec<WebhookEndpoint>,
    #[serde(skip)]
    pub(crate) mode: Mode,
    deliveries: Vec<Delivery>,
    last: u64,
    /// Pending deliveries, by time.
    #[serde(skip)]
    waiting: BTreeSet<(i64, u64)>,
    /// How many are being sent.
    #[serde(skip)]
    in_flight: usize,
    /// The index of an event's first delivery, and their number; they are consecutive.
    #[serde(skip)]
    by_event: HashMap<String, (usize, usize)>,
}

impl Outbox {
    /// Queues an event for these endpoints.
    pub(crate) fn queue(&mut self, account: &str, event: &str, kind: &str, endpoints: &[Destination]) {
        for Destination { url, made } in endpoints {
            let dropped = self.mode.drop_next > 0;
            if dropped {
                self.mode.drop_next -= 1;
            }
            let repeats = if dropped { 0 } else { self.mode.duplicate };
            for _ in 0..=repeats {
                self.last += 1;
                self.by_event.entry(event.to_owned()).or_insert((self.deliveries.len(), 0)).1 += 1;
                let delivery = Delivery {
                    id: self.last,
                    account: account.to_owned(),
                    event: event.to_owned(),
                    kind: kind.to_owned(),
                    endpoint: url.clone(),
                    made: made.clone(),
                    status: match (dropped, self.mode.hold) {
                        (true, _) => Status::Dropped,
                        (false, true) => Status::Held,
                        (false, false) => Status::Pending,
                    },
                    next_at_ms: real_now_ms() + i64::from(self.mode.delay_ms),
                    attempts: Vec::new(),
                    in_flight: false,
                };
                if delivery.status == Status::Pending {
                    self.waiting.insert((delivery.next_at_ms, delivery.id));
                }
                self.deliveries.push(delivery);
            }
        }
    }

    /// Sets how deliveries are disturbed. Ending `hold` releases held deliveries.
    pub(crate) fn set_mode(&mut self, mode: Mode) {
        if !mode.hold {
            self.release();
        }
        self.mode = mode;
    }

    pub(crate) fn release(&mut self) {
        let mut released = Vec::new();
        for delivery in &mut self.deliveries {
            if delivery.status == Status::Held {
                delivery.status = Status::Pending;
                delivery.next_at_ms = 0;
                released.push((0, delivery.id));
            }
        }
        self.waiting.extend(released);
    }

    /// The deliveries of an event.
    pub(crate) fn of_event(&self, event: &str) -> &[Delivery] {
        let (first, count) = self.by_event.get(event).copied().unwrap_or_default();
        &self.deliveries[first..first + count]
    }

    /// Rebuilds the indexes after reading from a file.
    pub(crate) fn look_up(&mut self) {
        for (place, delivery) in self.deliveries.iter().enumerate() {
            self.by_event.entry(delivery.event.clone()).or_insert((place, 0)).1 += 1;
            if delivery.status == Status::Pending {
                self.waiting.insert((delivery.next_at_ms, delivery.id));
            }
        }
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Delivery> {
        let place = self.deliveries.binary_search_by_key(&id, |delivery| delivery.id).ok()?;
        self.deliveries.get_mut(place)
    }

    /// A delivery.
    pub(crate) fn get(&self, id: u64) -> Option<&Delivery> {
        let place = self.deliveries.binary_search_by_key(&id, |delivery| delivery.id).ok()?;
        self.deliveries.get(place)
    }

    /// Takes the due deliveries; [`Outbox::land`] must follow for each.
    pub(crate) fn take_due(&mut self) -> Vec<u64> {
        let now = real_now_ms();
        let later = self.waiting.split_off(&(now + 1, 0));
        let due = std::mem::replace(&mut self.waiting, later);
        let mut due: Vec<u64> = due.into_iter().map(|(_, id)| id).collect();
        due.sort_unstable();
        for id in &due {
            if let Some(delivery) = self.get_mut(*id) {
                delivery.in_flight = true;
            }
        }
        self.in_flight += due.len();
        if self.mode.shuffle {
            fastrand::shuffle(&mut due);
        }
        due
    }

    /// Ends the attempt of a delivery. The status that `change` leaves decides whether it is retried.
    pub(crate) fn land(&mut self, id: u64, change: impl FnOnce(&mut Delivery)) {
        let Some(delivery) = self.get_mut(id) else { return };
        delivery.in_flight = false;
        change(delivery);
        let again = (delivery.status == Status::Pending).then_some((delivery.next_at_ms, id));
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(entry) = again {
            self.waiting.insert(entry);
        }
    }

    /// Whether something is being sent or waiting for its first attempt.
    pub(crate) fn is_busy(&self) -> bool {
        let untried = |(_, id): &(i64, u64)| self.get(*id).is_some_and(|delivery| delivery.attempts.is_empty());
        self.in_flight > 0 || self.waiting.iter().any(untried)
    }
}

/// Where to send an event: a URL, and the id if the endpoint was created through the API.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) url: String,
    pub(crate) made: Option<String>,
}
