//! Counts traffic: requests per second and endpoint, concurrent ones, and changes of single objects.

use std::collections::HashMap;

use crate::words::limits::Limits;

const HOUR: i64 = 60 * 60;

/// The facts of a request that matter for limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// The account of the key.
    pub(crate) account: &'a str,
    /// Method and pattern.
    pub(crate) endpoint: &'a str,
    /// The PaymentIntent that it changes.
    pub(crate) changes: Option<&'a str>,
}

/// Past and current requests.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// The number in the second or hour that started then.
    windows: HashMap<String, (i64, u32)>,
    at_work: HashMap<String, u32>,
}

impl Traffic {
    /// Admits a request, in the stand-in's time; [`Traffic::leave`] must follow.
    ///
    /// # Errors
    /// The `Stripe-Rate-Limited-Reason` of the first limit it would exceed. Then it does not count.
    pub(crate) fn enter(&mut self, limits: &Limits, now: i64, call: &Call) -> Result<(), &'static str> {
        let [all, one] = places(call);
        let object = call.changes.map(|id| format!("{} {id}", call.account));
        let working = |place: &str| self.at_work.get(place).copied().unwrap_or(0);
        let asked = |place: &str, since: i64| self.windows.get(place).filter(|(start, _)| *start == since).map_or(0, |(_, count)| *count);
        let hour = now / HOUR * HOUR;
        let full = |limit: Option<u32>, count: u32| limit.is_some_and(|limit| count >= limit);
        for (limit, count, reason) in [
            (limits.global_concurrency, working(&all), "global-concurrency"),
            (limits.endpoint_concurrency, working(&one), "endpoint-concurrency"),
            (limits.global_rate, asked(&all, now), "global-rate"),
            (limits.endpoint_rate, asked(&one, now), "endpoint-rate"),
            (
                limits.payment_intent_updates.filter(|_| object.is_some()),
                asked(object.as_deref().unwrap_or_default(), hour),
                "resource-specific",
            ),
        ] {
            if full(limit, count) {
                return Err(reason);
            }
        }
        self.windows.retain(|_, (start, _)| *start == now || *start == hour);
        for (place, since) in
            [Some((all.clone(), now)), Some((one.clone(), now)), object.map(|object| (object, hour))].into_iter().flatten()
        {
            let window = self.windows.entry(place).or_insert((since, 0));
            *window = if window.0 == since { (since, window.1 + 1) } else { (since, 1) };
        }
        for place in [all, one] {
            *self.at_work.entry(place).or_default() += 1;
        }
        Ok(())
    }

    /// A request was answered.
    pub(crate) fn leave(&mut self, call: &Call) {
        for place in places(call) {
            if let Some(count) = self.at_work.get_mut(&place) {
                *count -= 1;
                if *count == 0 {
                    self.at_work.remove(&place);
                }
            }
        }
    }
}

/// The counters of an account, and of one of its endpoints.
fn places(call: &Call) -> [String; 2] {
    [call.account.to_owned(), format!("{} {}", call.account, call.endpoint)]
}
