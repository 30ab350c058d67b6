//! A seller's offer.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::base::text;
use crate::domain::ids::UserId;
use crate::domain::money::{Currency, Price};

/// The longest title, in characters.
pub const TITLE_MAX: usize = 200;

/// The billing interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// Every month.
    Month,
    /// Every year.
    Year,
}

impl Interval {
    /// As Stripe writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// A seller's current membership offer. Existing subscribers keep the price at which they subscribed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The seller whose courses it opens.
    pub seller_id: UserId,
    /// One line.
    pub title: String,
    /// The price of a month, in the minor unit; `None` if there is none.
    pub monthly: Option<i64>,
    /// The price of a year.
    pub yearly: Option<i64>,
    /// The currency of both prices.
    pub currency: Currency,
    /// When it was created or last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Offer {
    /// The price of an interval; `None` if it is not offered.
    #[must_use]
    pub fn price(&self, interval: Interval) -> Option<i64> {
        match interval {
            Interval::Month => self.monthly,
            Interval::Year => self.yearly,
        }
    }

    /// What is wrong with it, as a sentence; `None` if it can be offered.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if text::line(&self.title, TITLE_MAX).is_none() {
            return Some(format!("title must be one line of 1 to {TITLE_MAX} characters, without hidden ones"));
        }
        if self.monthly.is_none() && self.yearly.is_none() {
            return Some("monthly or yearly must be given".to_owned());
        }
        let price = |amount: i64| Price { amount, currency: self.currency };
        [("monthly", self.monthly), ("yearly", self.yearly)]
            .into_iter()
            .find_map(|(name, amount)| Some(price(amount?).fault()?.replacen("price.amount", &format!("{name}.amount"), 1)))
    }
}
