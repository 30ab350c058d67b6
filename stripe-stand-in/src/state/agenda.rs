//! Scheduled jobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Something that happens at a time, in epoch seconds of the stand-in's clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Job {
    ExpireSession {
        at: i64,
        account: String,
        session: String,
    },
    FailRefund {
        at: i64,
        account: String,
        refund: String,
    },
    SucceedRefund {
        at: i64,
        account: String,
        refund: String,
    },
    ReviewAccount {
        at: i64,
        account: String,
    },
    PayOut {
        at: i64,
        account: String,
        payout: String,
    },
    /// The bank's answer to a debit.
    Clear {
        at: i64,
        account: String,
        intent: String,
        succeeds: bool,
    },
    /// The result of an asynchronous capture.
    Settle {
        at: i64,
        account: String,
        intent: String,
        charge: String,
    },
}

/// All jobs, by time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Job>", into = "Vec<Job>")]
pub(crate) struct Agenda {
    jobs: BTreeMap<(i64, u64), Job>,
    last: u64,
}

impl Agenda {
    /// Adds a job.
    pub(crate) fn push(&mut self, job: Job) {
        self.last += 1;
        self.jobs.insert((job.at(), self.last), job);
    }

    /// Removes and returns the jobs that are due, in order.
    pub(crate) fn take_due(&mut self, now: i64) -> Vec<Job> {
        let later = self.jobs.split_off(&(now + 1, 0));
        std::mem::replace(&mut self.jobs, later).into_values().collect()
    }
}

impl From<Vec<Job>> for Agenda {
    fn from(jobs: Vec<Job>) -> Self {
        let mut agenda = Self::default();
        for job in jobs {
            agenda.push(job);
        }
        agenda
    }
}

impl From<Agenda> for Vec<Job> {
    fn from(agenda: Agenda) -> Self {
        agenda.jobs.into_values().collect()
    }
}

impl Job {
    pub(crate) fn at(&self) -> i64 {
        match self {
            Self::ExpireSession { at, .. }
            | Self::FailRefund { at, .. }
            | Self::SucceedRefund { at, .. }
            | Self::ReviewAccount { at, .. }
            | Self::PayOut { at, .. }
            | Self::Clear { at, .. }
            | Self::Settle { at, .. } => *at,
        }
    }

    pub(crate) fn account(&self) -> &str {
        match self {
            Self::ExpireSession { account, .. }
            | Self::FailRefund { account, .. }
            | Self::SucceedRefund { account, .. }
            | Self::ReviewAccount { account, .. }
            | Self::PayOut { account, .. }
            | Self::Clear { account, .. }
            | Self::Settle { account, .. } => account,
        }
    }
}
