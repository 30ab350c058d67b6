//! What a seller offers.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::ids::UserId;
use crate::money::{Currency, Price};

/// The longest title, in characters.
pub const TITLE_MAX: usize = 200;

/// How often a membership is paid for.
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

/// A seller's membership as it is offered now. Who has subscribed keeps the price of that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Whose courses it opens.
    pub seller_id: UserId,
    /// One line.
    pub title: String,
    /// What a month costs, in the minor unit; none where there is no such price.
    pub monthly: Option<i64>,
    /// What a year costs.
    pub yearly: Option<i64>,
    /// Of both.
    pub currency: Currency,
    /// When it was made or last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Offer {
    /// What the interval costs; none where it is not offered.
    #[must_use]
    pub fn price(&self, interval: Interval) -> Option<i64> {
        match interval {
            Interval::Month => self.monthly,
            Interval::Year => self.yearly,
        }
    }

    /// What is wrong with it, as a sentence; none where it can be offered.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if self.title.is_empty() || self.title.chars().count() > TITLE_MAX || self.title.contains(char::is_control) {
            return Some(format!("title must be one line of 1 to {TITLE_MAX} characters"));
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
