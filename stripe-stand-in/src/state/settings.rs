//! Global settings: how accounts settle, exchange rates, and delays.

use std::collections::BTreeMap;

use crate::words::limits::Limits;
use crate::words::options::Options;
use crate::words::rates;

/// Set by the options, and changed by the admin API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The platform's country.
    pub(crate) country: String,
    /// Whether every account settles in every currency, so that nothing is converted.
    pub(crate) every_currency: bool,
    /// How many seconds after confirmation a charge's balance transaction is created.
    pub(crate) capture_delay: i64,
    /// How many seconds a bank takes at least to answer a debit.
    pub(crate) debit_delay: i64,
    /// Whether `/v1` creates accounts.
    pub(crate) accounts_v1: bool,
    /// Whether the platform has `/v2/core/accounts`.
    pub(crate) accounts_v2: bool,
    /// Whether transfers across borders are restricted.
    pub(crate) borders: bool,
    /// Rate limits.
    pub(crate) limits: Limits,
    /// Mid-market rates that were set, by the two currencies: the value of one unit of the first in the second.
    rates: BTreeMap<(String, String), f64>,
}

impl Settings {
    /// From the options, with default rates.
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            country: options.country.clone(),
            every_currency: options.every_currency,
            capture_delay: options.capture_delay,
            debit_delay: options.debit_delay,
            accounts_v1: options.accounts_v1,
            accounts_v2: options.accounts_v2,
            borders: options.borders,
            limits: options.limits.clone(),
            rates: BTreeMap::new(),
        }
    }

    /// Sets the value of one unit of a currency in another. Also sets the inverse, unless that was set itself.
    pub(crate) fn set_rate(&mut self, from: &str, to: &str, rate: f64) {
        self.rates.insert((from.to_owned(), to.to_owned()), rate);
    }

    /// The rates that were set, by source and target currency.
    pub(crate) fn rates(&self) -> BTreeMap<&str, BTreeMap<&str, f64>> {
        let mut all = BTreeMap::<&str, BTreeMap<&str, f64>>::new();
        for ((from, to), rate) in &self.rates {
            all.entry(from).or_default().insert(to, *rate);
        }
        all
    }

    /// The value of one unit of a currency in another, before Stripe's fee.
    pub(crate) fn rate(&self, from: &str, to: &str) -> f64 {
        let set = |from: &str, to: &str| self.rates.get(&(from.to_owned(), to.to_owned())).copied();
        set(from, to).or_else(|| set(to, from).map(|rate| 1.0 / rate)).unwrap_or_else(|| rates::in_dollars(from) / rates::in_dollars(to))
    }
}
