//! Decides whose turn it is when several things happen concurrently. One of them runs up to one of
//! its next calls and waits there for its next turn. So a race that ended badly can be repeated.

use std::pin::Pin;

use fastrand::Rng;
use local::proxy::{Fault, Gate};
use tokio::select;

use crate::harness::World;

/// How many calls, of each kind, one makes at most per turn. A purchase makes about five to DynamoDB and two to Stripe.
const CALLS: usize = 4;

/// One of the concurrent actions.
struct Runner<F> {
    place: usize,
    work: Pin<Box<F>>,
    /// The gate where one of its calls is held.
    held: Option<Gate>,
}

/// Runs all of them and returns their results; `None` for one that reaches the gate of `death`.
pub(super) async fn take<F: Future>(
    world: &World,
    chance: &mut Rng,
    death: Option<&Gate>,
    works: impl IntoIterator<Item = F>,
) -> Vec<Option<F::Output>> {
    let work = |(place, work)| Runner { place, work: Box::pin(work), held: None };
    let mut runners: Vec<Runner<F>> = works.into_iter().enumerate().map(work).collect();
    let mut done: Vec<Option<F::Output>> = runners.iter().map(|_| None).collect();
    while !runners.is_empty() {
        let mut runner = runners.swap_remove(chance.usize(..runners.len()));
        let turn = Gate::new();
        let proxy = if chance.u32(..3) == 0 { &world.stripe_proxy } else { &world.proxy };
        // A single remaining one runs to the end.
        if !runners.is_empty() {
            proxy.inject(Fault::hold(&turn).skip(chance.usize(..CALLS)));
        }
        if let Some(held) = runner.held.take() {
            held.open();
        }
        select! {
            biased;
            outcome = &mut runner.work => done[runner.place] = Some(outcome),
            () = reached(death) => {}
            () = turn.reached() => {
                runner.held = Some(turn.clone());
                runners.push(runner);
            }
        }
        proxy.withdraw(&turn);
    }
    done
}

async fn reached(gate: Option<&Gate>) {
    match gate {
        Some(gate) => gate.reached().await,
        None => std::future::pending().await,
    }
}
