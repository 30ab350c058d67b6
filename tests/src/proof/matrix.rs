//! The fault matrix: every request, event and run that moves or records money, broken at every call.
//!
//! `make matrix` breaks each call in every way. `MATRIX_ONLY=Refund` limits it to scenarios whose name contains that,
//! `MATRIX_WAYS=few` to the ways that no retry hides, and `MATRIX_MINUTES=7` to those that begin by then, in an order of chance. A plain `cargo test` plays each scenario once with nothing broken and
//! checks that every call in the code is reached; it also breaks the calls of a few scenarios in the ways that no retry hides.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::accounts::{self, Accounts};
use super::calls::{self, Chain};
use super::cards::{self, Cards};
use super::completeness;
use super::engine::{self, Scenario};
use super::erasures::{self, Erasing};
use super::evidence::{self, Disputes};
use super::faults::How;
use super::links::{self, Link};
use super::mails::{self, Mails};
use super::members::{self, Members};
use super::memberships::{self, Membership};
use super::sale::Sale;
use super::scenarios::{self, Kind};

/// How many scenarios run in parallel. Each mostly waits for a server, or for one that does not answer.
const AT_ONCE: usize = 6;

/// Bytes.
const STACK: usize = 16 << 20;

/// What to do with each scenario.
#[derive(Clone)]
enum Work {
    /// Break its calls.
    Break(How),
    /// Play it once and record its calls.
    Listen(Arc<Mutex<BTreeSet<Chain>>>),
}

struct Matrix {
    runs: Vec<Pin<Box<dyn Future<Output = Option<usize>> + Send>>>,
    places: Arc<Semaphore>,
    only: Option<String>,
    work: Work,
    /// After this no scenario begins.
    until: Option<Instant>,
}

impl Matrix {
    fn add<S: Scenario, F>(&mut self, name: String, start: impl FnOnce(How) -> F)
    where
        F: Future<Output = S> + Send + 'static,
    {
        if self.only.as_ref().is_some_and(|only| !name.contains(only)) {
            return;
        }
        let (places, work, until) = (Arc::clone(&self.places), self.work.clone(), self.until);
        let scenario = start(if let Work::Break(how) = work { how } else { How::Every });
        self.runs.push(Box::pin(async move {
            let _place = places.acquire().await.expect("it stays open");
            let began = Instant::now();
            if until.is_some_and(|until| began > until) {
                return None;
            }
            let scenario = scenario.await;
            let (what, cases) = match work {
                Work::Break(how) => (format!("{how:?}"), engine::run(scenario, how).await),
                Work::Listen(chains) => {
                    let heard = engine::listen(scenario).await;
                    let number = heard.len();
                    chains.lock().unwrap_or_else(PoisonError::into_inner).extend(heard);
                    ("calls".to_owned(), number)
                }
            };
            eprintln!("{name}: {cases} {what}, {:.1} s", began.elapsed().as_secs_f64());
            Some(cases)
        }));
    }

    fn add_sale(&mut self, kind: Kind) {
        self.add(format!("{kind:?}"), |how| Sale::start(kind, how));
    }

    /// Adds all scenarios.
    fn add_all(&mut self) {
        for kind in scenarios::Kind::ALL {
            self.add_sale(*kind);
        }
        for kind in links::Kind::ALL {
            self.add(format!("{kind:?}"), |how| Link::start(*kind, how));
        }
        for kind in cards::Kind::ALL {
            self.add(format!("{kind:?}"), |how| Cards::start(*kind, how));
        }
        for kind in accounts::Kind::ALL {
            self.add(format!("Account{kind:?}"), |how| Accounts::start(*kind, how));
        }
        for kind in memberships::Kind::ALL {
            self.add(format!("Membership{kind:?}"), |how| Membership::start(*kind, how));
        }
        for kind in members::Kind::ALL {
            self.add(format!("Members{kind:?}"), |how| Members::start(*kind, how));
        }
        for kind in erasures::Kind::ALL {
            self.add(format!("Erased{kind:?}"), |how| Erasing::start(*kind, how));
        }
        for kind in evidence::Kind::ALL {
            self.add(format!("Evidence{kind:?}"), |how| Disputes::start(*kind, how));
        }
        // Mails do not call Stripe.
        if !matches!(self.work, Work::Break(How::Late)) {
            for kind in mails::Kind::ALL {
                self.add(format!("Mail{kind:?}"), |_| Mails::start(*kind));
            }
        }
    }

    /// Returns how many cases held.
    async fn finish(mut self) -> usize {
        if self.until.is_some() {
            fastrand::shuffle(&mut self.runs);
        }
        let (mut cases, mut failed, mut left) = (0, 0, 0);
        let mut runs: JoinSet<_> = self.runs.into_iter().collect();
        while let Some(run) = runs.join_next().await {
            match run {
                Ok(Some(number)) => cases += number,
                Ok(None) => left += 1,
                // Its panic was already printed.
                Err(_) => failed += 1,
            }
        }
        eprintln!("{cases} cases held, {failed} scenarios did not; there was no time for {left}");
        assert_eq!(failed, 0);
        cases
    }
}

/// Runs a matrix. Unoptimized futures of whole requests are too large for a default thread stack.
fn run(work: Work, only: Option<&str>, until: Option<Instant>, fill: impl FnOnce(&mut Matrix)) -> usize {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK).enable_all().build();
    threads.expect("threads can be made").block_on(async {
        let (runs, places) = (Vec::new(), Arc::new(Semaphore::new(AT_ONCE)));
        let mut matrix = Matrix { runs, places, only: only.map(str::to_owned), work, until };
        fill(&mut matrix);
        matrix.finish().await
    })
}

#[test]
fn a_purchase_and_its_event_may_break_anywhere() {
    run(Work::Break(How::Few), None, None, |matrix| {
        for kind in [Kind::FirstPurchase, Kind::RacingCharges, Kind::PaymentSucceededOfSeparate] {
            matrix.add_sale(kind);
        }
    });
}

#[test]
fn every_call_in_the_code_is_broken_in_the_matrix() {
    let chains = Arc::default();
    calls::listen();
    run(Work::Listen(Arc::clone(&chains)), None, None, Matrix::add_all);
    completeness::check(&chains.lock().unwrap_or_else(PoisonError::into_inner));
}

#[test]
#[ignore = "it takes minutes; `make matrix` runs it"]
fn the_money_is_right_whatever_breaks() {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let ways: &[How] = match read("MATRIX_WAYS").as_deref() {
        None => &[How::Every, How::Late],
        Some("few") => &[How::Few],
        Some(other) => panic!("MATRIX_WAYS is few, or nothing: {other}"),
    };
    let only = read("MATRIX_ONLY");
    let minutes = read("MATRIX_MINUTES").map(|minutes| minutes.parse().expect("MATRIX_MINUTES is a whole number"));
    let until = minutes.map(|minutes: u64| Instant::now() + Duration::from_secs(60 * minutes));
    let cases: usize = ways.iter().map(|how| run(Work::Break(*how), only.as_deref(), until, Matrix::add_all)).sum();
    assert!(cases > 0, "no scenario is named {only:?}");
}
