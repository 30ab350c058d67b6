//! Limits on a function's size and number of calls: figures that are the same in every run.

use crate::binaries::Binary;
use crate::callgrind::Instructions;
use crate::stack::Calls;

/// The maximum of each figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The stripped binary, in bytes.
    pub(crate) size: u64,
    /// The archive of the binary, in bytes.
    pub(crate) zipped: u64,
    /// Instructions until it polls for its first event, if Valgrind is installed. Measured on an x86_64 machine.
    pub(crate) init: u64,
    /// Instructions until it has answered its first event.
    pub(crate) answer: u64,
    /// Calls to Stripe's API in one request.
    pub(crate) stripe: usize,
    /// Sequential DynamoDB calls in one request.
    pub(crate) dynamodb_trips: usize,
}

impl Limits {
    /// No limits, for what is measured only as a comparison.
    pub(crate) const NONE: Self =
        Self { size: u64::MAX, zipped: u64::MAX, init: u64::MAX, answer: u64::MAX, stripe: usize::MAX, dynamodb_trips: usize::MAX };

    /// A sentence for each limit that is exceeded.
    pub(crate) fn exceeded(&self, what: &str, binary: &Binary, calls: Calls, counted: Option<Instructions>) -> Vec<String> {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let mut exceeded = Vec::new();
        if let Some(counted) = counted {
            for (until, count, limit) in
                [("first poll", counted.first_poll, self.init), ("first answer", counted.first_answer, self.answer)]
            {
                if count > limit {
                    let millions = |count: u64| count as f64 / 1e6;
                    exceeded.push(format!(
                        "{what}: {:.2} million instructions to its {until}, of at most {:.2}",
                        millions(count),
                        millions(limit)
                    ));
                }
            }
        }
        if binary.size > self.size {
            exceeded.push(format!("{what}: the binary has {:.2} MB, of at most {:.2}", megabytes(binary.size), megabytes(self.size)));
        }
        if binary.zipped > self.zipped {
            exceeded.push(format!("{what}: zipped it has {:.2} MB, of at most {:.2}", megabytes(binary.zipped), megabytes(self.zipped)));
        }
        if calls.stripe > self.stripe {
            exceeded.push(format!("{what}: {} calls of Stripe, of at most {}", calls.stripe, self.stripe));
        }
        if calls.dynamodb_trips > self.dynamodb_trips {
            let trips = calls.dynamodb_trips;
            exceeded.push(format!("{what}: {trips} trips to DynamoDB, one after the other, of at most {}", self.dynamodb_trips));
        }
        exceeded
    }
}
