//! What goes wrong on the way to DynamoDB and Stripe, and the process that dies.

use fastrand::Rng;
use local::proxy::{Fault as Strike, Gate, Kind};
use serde_json::{Value, json};

use super::turns;
use crate::harness::World;

/// One thing that goes wrong while something is done.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Nothing does.
    None,
    /// At so many calls after the first, so often.
    Dynamo { skip: usize, times: usize, kind: Database },
    /// The same at Stripe, in the words of the stand-in's admin API.
    Stripe { skip: usize, times: usize, effect: Value },
    /// The process dies before it sends this call to DynamoDB.
    KilledAtDynamo(usize),
    /// And here before it sends this call to Stripe.
    KilledAtStripe(usize),
}

/// What DynamoDB does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Database {
    Drop,
    LoseAnswer,
    InternalServerError,
    Throttle,
    TransactionConflict,
}

const DATABASE: [Database; 5] =
    [Database::Drop, Database::LoseAnswer, Database::InternalServerError, Database::Throttle, Database::TransactionConflict];

/// Three times is once more than the clients try again.
const OFTEN: [usize; 3] = [1, 1, 3];

impl Fault {
    /// A fault by chance: at most things, none.
    pub(super) fn any(chance: &mut Rng) -> Self {
        let times = OFTEN[chance.usize(..OFTEN.len())];
        match chance.u32(..100) {
            ..6 => Self::Dynamo { skip: chance.usize(..5), times, kind: DATABASE[chance.usize(..DATABASE.len())] },
            6..16 => Self::Stripe { skip: chance.usize(..3), times, effect: effect(chance) },
            16..19 => Self::KilledAtDynamo(chance.usize(..5)),
            19..22 => Self::KilledAtStripe(chance.usize(..3)),
            _ => Self::None,
        }
    }

    /// Whether nothing goes wrong.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Does several things at the same time while this goes wrong, and tells what came of each; nothing comes of one whose
    /// process dies. Whose turn it is is drawn.
    pub(super) async fn strike<T>(
        &self,
        world: &World,
        chance: &mut Rng,
        works: impl IntoIterator<Item: Future<Output = T>>,
    ) -> Vec<Option<T>> {
        let death = self.arm(world).await;
        let done = turns::take(world, chance, death.as_ref(), works).await;
        if !self.is_none() {
            world.admin("DELETE", "faults", json!({})).await;
        }
        world.proxy.clear();
        world.stripe_proxy.clear();
        done
    }

    /// Answers the gate at which a process dies.
    async fn arm(&self, world: &World) -> Option<Gate> {
        let held = |proxy: &local::proxy::Proxy, skip: usize| {
            let gate = Gate::new();
            proxy.inject(Strike::hold(&gate).skip(skip));
            Some(gate)
        };
        match self {
            Self::None => None,
            Self::Dynamo { skip, times, kind } => {
                let kind = match kind {
                    Database::Drop => Kind::Drop,
                    Database::LoseAnswer => Kind::LoseAnswer,
                    Database::InternalServerError => Kind::InternalServerError,
                    Database::Throttle => Kind::Throttle,
                    Database::TransactionConflict => Kind::TransactionConflict,
                };
                world.proxy.inject(Strike { operation: None, skip: *skip, times: *times, kind });
                None
            }
            Self::Stripe { skip, times, effect } => {
                let fault = json!({"match": {"path": "/v1/"}, "skip": skip, "times": times, "fault": effect});
                world.admin("POST", "faults", fault).await;
                None
            }
            Self::KilledAtDynamo(skip) => held(&world.proxy, *skip),
            Self::KilledAtStripe(skip) => held(&world.stripe_proxy, *skip),
        }
    }
}

fn effect(chance: &mut Rng) -> Value {
    match chance.u32(..40) {
        ..8 => json!({"kind": "drop_before"}),
        8..17 => json!({"kind": "drop_after"}),
        17..21 => json!({"kind": "status", "status": 500}),
        21..27 => json!({"kind": "status_after", "status": 500}),
        27..31 => json!({"kind": "html_503"}),
        31..35 => json!({"kind": "status", "status": 429}),
        35..39 => json!({"kind": "truncate"}),
        // The only one that takes its time: nothing else tells a client that no answer will come.
        _ => json!({"kind": "no_answer", "work": chance.bool()}),
    }
}
