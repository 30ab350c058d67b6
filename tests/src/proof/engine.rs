//! The engine of the fault matrix. It plays a scenario once to see which calls it makes, and then once for
//! each call and each way in which that call can fail. A new call in the code automatically adds rows here.

use std::collections::BTreeSet;
use std::fmt::Debug;

use local::proxy::Call;

use super::calls::{self, Chain};
use super::faults::{Break, Callee, How};
use crate::harness::World;

/// A scenario that is played repeatedly, each time with its own people and courses.
pub(super) trait Scenario: Send + Sync + 'static {
    /// The data of one play.
    type Play: Debug + Send + Sync;

    fn name(&self) -> String;

    fn world(&self) -> &World;

    /// Whether each play must end before the next begins, because plays affect each other.
    fn is_alone(&self) -> bool {
        false
    }

    /// Sets up everything that comes first.
    fn prepare(&mut self) -> impl Future<Output = Self::Play> + Send;

    /// The request, event or run itself. It may fail, and may be dropped at any point.
    fn act(&self, play: &Self::Play) -> impl Future<Output = ()> + Send;

    /// What must hold at any time, even before recovery.
    fn check_meanwhile(&self, _: &Self::Play, _: &str) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// What brings everything back in order, whatever happened: the client retries, Stripe sends events again, the schedules run.
    fn recover(&self, plays: &[Self::Play]) -> impl Future<Output = ()> + Send;

    /// What must hold afterwards.
    fn check(&self, play: &Self::Play, case: &str) -> impl Future<Output = ()> + Send;

    /// What must hold for all plays together.
    fn check_all(&self) -> impl Future<Output = ()> + Send;
}

/// Plays with one call broken, or with none.
async fn play<S: Scenario>(scenario: &mut S, broken: Option<(Callee, usize, Break)>) -> S::Play {
    let play = scenario.prepare().await;
    let clear = |scenario: &S| Callee::ALL.map(|callee| callee.proxy(scenario.world()).clear());
    clear(scenario);
    match broken {
        None => scenario.act(&play).await,
        Some((callee, index, kind)) => {
            let gate = kind.inject(callee, scenario.world(), index);
            // The request dies with its process.
            tokio::select! {
                () = scenario.act(&play) => {}
                () = gate.reached() => {}
            }
            clear(scenario);
        }
    }
    play
}

/// Plays a scenario once with nothing broken and returns the calls it makes.
pub(super) async fn listen<S: Scenario>(mut scenario: S) -> BTreeSet<Chain> {
    let play = scenario.prepare().await;
    calls::overheard(scenario.act(&play)).await
}

/// Plays all cases of a scenario and returns their number.
pub(super) async fn run<S: Scenario>(mut scenario: S, how: How) -> usize {
    let sound = play(&mut scenario, None).await;
    let calls = Callee::ALL.map(|callee| (callee, callee.proxy(scenario.world()).calls()));
    scenario.check_meanwhile(&sound, &format!("{}, nothing broken yet", scenario.name())).await;
    scenario.recover(std::slice::from_ref(&sound)).await;
    scenario.check(&sound, &format!("{}, nothing broken", scenario.name())).await;

    let mut cases = 0;
    for (callee, calls) in calls {
        for index in (0..calls.len()).filter(|index| !is_in_a_row(&calls, *index)) {
            let (operation, number) = (&calls[index].operation, calls.len());
            let (mut plays, mut names) = (Vec::new(), Vec::new());
            for kind in callee.breaks(how).iter().filter(|kind| kind.matters_to(operation)) {
                let place = format!("{callee:?} call {} of {number}, {operation}", index + 1);
                let case = format!("{}: {kind:?} at {place}", scenario.name());
                println!("{case}");
                let played = play(&mut scenario, Some((callee, index, *kind))).await;
                scenario.check_meanwhile(&played, &case).await;
                plays.push(played);
                names.push(case);
                if scenario.is_alone() {
                    settle(&scenario, &plays, &names).await;
                    (plays, names) = (Vec::new(), Vec::new());
                }
                cases += 1;
            }
            settle(&scenario, &plays, &names).await;
        }
    }
    scenario.check_all().await;
    cases
}

/// Whether a call is in the middle of a row of equal queries to different parts of the table. The first and last of a row stand for all.
fn is_in_a_row(calls: &[Call], index: usize) -> bool {
    let is_same = |other: Option<&Call>| {
        let same = |name: &str| other.is_some_and(|other| other.body[name] == calls[index].body[name]);
        calls[index].operation == "Query"
            && other.is_some_and(|other| other.operation == "Query")
            && same("KeyConditionExpression")
            && same("IndexName")
    };
    is_same(index.checked_sub(1).and_then(|before| calls.get(before))) && is_same(calls.get(index + 1))
}

async fn settle<S: Scenario>(scenario: &S, plays: &[S::Play], names: &[String]) {
    if plays.is_empty() {
        return;
    }
    scenario.recover(plays).await;
    for (play, case) in plays.iter().zip(names) {
        scenario.check(play, case).await;
    }
}
