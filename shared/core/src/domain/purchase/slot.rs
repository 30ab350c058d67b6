//! A buyer's slot for a course.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::Purchase;
use super::status::{Ownership, Status};
use crate::domain::ids::PurchaseId;

/// The slot that allows a buyer one purchase of a course.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The purchase that holds the slot.
    pub purchase_id: PurchaseId,
    /// The status of that purchase.
    pub status: Status,
    /// What the buyer owns through that purchase.
    #[serde(default)]
    ownership: Ownership,
    /// What the buyer owns through earlier purchases that changed later. For example, a bank may
    /// return a refund after the buyer bought the course again.
    #[serde(default)]
    pub earlier: BTreeMap<PurchaseId, Ownership>,
    /// The version of the purchase.
    pub version: u64,
}

impl Slot {
    /// The slot as it is stored with a purchase; `before` is the slot that it replaces.
    #[must_use]
    pub fn of(purchase: &Purchase, before: Option<&Self>) -> Self {
        Self {
            purchase_id: purchase.id.clone(),
            status: purchase.status(),
            ownership: purchase.ownership(),
            earlier: before.map(|slot| slot.earlier.clone()).unwrap_or_default(),
            version: purchase.version,
        }
    }

    /// What the buyer owns of the course, through any of the purchases. Needs a single read.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        self.earlier.values().copied().chain([self.ownership]).max().unwrap_or_default()
    }
}
