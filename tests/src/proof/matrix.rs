//! The fault matrix: every request, event and run that moves or records money, broken at every call.
//!
//! `make matrix` breaks each call in every way; `MATRIX_ONLY=Refund` keeps to the scenarios whose name has that in it. A plain
//! `cargo test` plays a few of them, and breaks each call in the ways that no repetition hides.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::engine::{self, Scenario};
use super::faults::How;
use super::links::{self, Link};
use super::mails::Mails;
use super::sale::Sale;
use super::scenarios::{self, Kind};

/// How many scenarios run side by side. Each mostly waits: for a server, or for one that does not answer.
const AT_ONCE: usize = 6;

/// Bytes.
const STACK: usize = 16 << 20;

struct Matrix {
    runs: JoinSet<usize>,
    places: Arc<Semaphore>,
    only: Option<String>,
}

impl Matrix {
    fn add<S: Scenario>(&mut self, name: String, how: How, start: impl Future<Output = S> + Send + 'static) {
        if self.only.as_ref().is_some_and(|only| !name.contains(only)) {
            return;
        }
        let places = Arc::clone(&self.places);
        self.runs.spawn(async move {
            let _place = places.acquire().await.expect("it stays open");
            let began = Instant::now();
            let cases = engine::run(start.await, how).await;
            eprintln!("{name}, {how:?}: {cases} cases, {} s", began.elapsed().as_secs());
            cases
        });
    }

    fn add_sale(&mut self, kind: Kind, how: How) {
        self.add(format!("{kind:?}"), how, Sale::start(kind, how));
    }

    async fn finish(mut self) {
        let (mut cases, mut failed) = (0, 0);
        while let Some(run) = self.runs.join_next().await {
            match run {
                Ok(number) => cases += number,
                // Its panic has told what.
                Err(_) => failed += 1,
            }
        }
        eprintln!("{cases} cases held, {failed} scenarios did not");
        assert_eq!(failed, 0);
        assert!(cases > 0 || self.only.is_some());
    }
}

/// Has a matrix run. Unoptimized futures of whole requests are too large for a thread's usual stack.
fn run(only: Option<String>, fill: impl FnOnce(&mut Matrix)) {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK).enable_all().build();
    threads.expect("threads can be made").block_on(async {
        let mut matrix = Matrix { runs: JoinSet::new(), places: Arc::new(Semaphore::new(AT_ONCE)), only };
        fill(&mut matrix);
        matrix.finish().await;
    });
}

#[test]
fn a_purchase_and_its_event_may_break_anywhere() {
    run(None, |matrix| {
        for kind in [Kind::FirstPurchase, Kind::PaymentSucceededOfSeparate] {
            matrix.add_sale(kind, How::Few);
        }
    });
}

#[test]
#[ignore = "it takes minutes; `make matrix` runs it"]
fn whatever_breaks_wherever_the_money_is_right_in_the_end() {
    run(std::env::var("MATRIX_ONLY").ok(), |matrix| {
        for how in [How::Every, How::Late] {
            for kind in scenarios::Kind::ALL {
                matrix.add_sale(kind, how);
            }
            for kind in links::Kind::ALL {
                matrix.add(format!("{kind:?}"), how, Link::start(kind, how));
            }
        }
        matrix.add("Mails".to_owned(), How::Every, Mails::start());
    });
}
