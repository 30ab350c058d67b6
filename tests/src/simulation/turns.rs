//! Who goes on, where several do something at the same time: one of them, to one of its next calls, where it waits for its
//! next turn. So that a race that ended badly ends so again.

use std::pin::Pin;

use fastrand::Rng;
use local::proxy::{Fault, Gate};
use tokio::select;

use crate::harness::World;

/// How many calls one makes at most in a turn, of the two kinds: a purchase makes some five at DynamoDB and two at Stripe.
const CALLS: usize = 4;

/// One who does something.
struct Runner<F> {
    place: usize,
    work: Pin<Box<F>>,
    /// Where a call of it waits.
    held: Option<Gate>,
}

/// Does all of it, and tells what came of each: none of one that comes to the gate of `death`.
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
        // Who is alone goes on to the end.
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
