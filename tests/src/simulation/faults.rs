//! Faults on the way to DynamoDB and Stripe, and dying processes.

use fastrand::Rng;
use local::proxy::{Fault as Strike, Gate, Kind};
use serde_json::{Value, json};

use super::turns;
use crate::harness::World;

/// A fault during an action.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// No fault.
    None,
    /// After skipping some calls, this many times.
    Dynamo { skip: usize, times: usize, kind: Database },
    /// The same at Stripe, in the format of the stand-in's admin API.
    Stripe { skip: usize, times: usize, effect: Value },
    /// The process dies before it sends this call to DynamoDB.
    KilledAtDynamo(usize),
    /// The process dies before it sends this call to Stripe.
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

/// Three times is more than the clients retry.
const OFTEN: [usize; 3] = [1, 1, 3];

impl Fault {
    /// A random fault; usually none.
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

    /// Whether there is no fault.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Does several things concurrently with this fault, and returns their results;
    /// `None` for those whose process died. The seed decides whose turn it is.
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

    /// Returns the gate at which a process dies.
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
        // The only one that takes real time, because only a timeout tells a client that no response will come.
        _ => json!({"kind": "no_answer", "work": chance.bool()}),
    }
}
