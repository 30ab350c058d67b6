//! That money is never wrong, shown by chance: whole markets in which everything goes wrong that can, thousands of purchases
//! long. When it has all come to rest, our books are Stripe's to the cent.
//!
//! All that is decided is decided by a seed, time is a number, and one thing is done after the other: also in a race it is drawn
//! whose turn it is. So a market that fails fails again: `make simulate SEED=… PURCHASES=1`.

mod audit;
mod faults;
mod market;
mod members;
mod members_audit;
mod members_books;
mod post;
mod recovery;
mod steps;
mod turns;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use market::{Diary, Market};
use members_books::Renewals;

/// How many purchases `make simulate` makes where no number is given.
const A_FEW: usize = 300;

/// The first market's seed, where none is given.
const SEED: u64 = 1;

/// How many markets are open at the same time: a market mostly waits, for the clients' pauses between two tries.
const AT_ONCE: usize = 12;

/// What a market that is open is likely to make, in purchases.
const LIKELY: usize = 85;

/// What the last steps were, of a market that failed.
const LAST: usize = 60;

fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{name} must be a number")),
        _ => default,
    }
}

/// What became of one market.
struct Course {
    purchases: usize,
    paid: usize,
    /// Subscriptions to memberships that ever ran, and their invoices that were paid.
    members: usize,
    invoices: usize,
    renewals: Renewals,
    steps: usize,
}

/// All markets together.
#[derive(Default)]
struct Hall {
    open: usize,
    done: Vec<Course>,
    /// Their seeds.
    failed: Vec<u64>,
    /// What happened in the first one.
    first: Vec<String>,
}

impl Hall {
    fn purchases(&self) -> usize {
        self.done.iter().map(|market| market.purchases).sum()
    }

    fn lacks(&self, wanted: usize) -> bool {
        self.purchases() < wanted && self.failed.is_empty()
    }
}

/// Plays a market on this thread. The runtime is its own: the stand-in's ids are drawn in the order of the steps.
fn play(seed: u64, diary: Diary) -> Course {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(seed, diary))
}

/// One market from its opening to its audit.
async fn run(seed: u64, diary: Diary) -> Course {
    let mut market = Market::open(seed, diary).await;
    let mut steps = 0;
    while !market.to_buy.is_empty() {
        market.step().await;
        steps += 1;
    }
    let purchases = market.recover().await;
    let subscriptions = market.subscriptions().await;
    let renewals = market.audit(&purchases, &subscriptions).await;
    Course {
        purchases: purchases.len(),
        paid: purchases.iter().filter(|one| one.paid_attempt().is_some()).count(),
        members: subscriptions.iter().filter(|one| !one.payments.is_empty()).count(),
        invoices: subscriptions.iter().map(|one| one.payments.len()).sum(),
        renewals,
        steps,
    }
}

/// Opens markets from `next` on, until they have made `wanted` purchases in all, or one of them failed.
fn open_markets(wanted: usize, first: u64, next: &AtomicU64, hall: &Mutex<Hall>) {
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    {
                        let mut hall = hall.lock().expect("no panic");
                        if hall.purchases() + hall.open * LIKELY >= wanted || !hall.failed.is_empty() {
                            return;
                        }
                        hall.open += 1;
                    }
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    let diary = Diary::default();
                    let written = Arc::clone(&diary);
                    let course = catch_unwind(AssertUnwindSafe(|| play(seed, diary)));
                    let diary = std::mem::take(&mut *written.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
                    let mut hall = hall.lock().expect("no panic");
                    hall.open -= 1;
                    if seed == first {
                        hall.first.clone_from(&diary);
                    }
                    match course {
                        Ok(course) => hall.done.push(course),
                        Err(_) => {
                            let from = diary.len().saturating_sub(LAST);
                            eprintln!("The last of {} entries of seed {seed}:\n{}", diary.len(), diary[from..].join("\n"));
                            hall.failed.push(seed);
                        }
                    }
                }
            });
        }
    });
}

/// `SEED` and `PURCHASES` in the environment say which markets, and how many; a market is never cut short.
#[test]
#[ignore = "it takes minutes; `make simulate` runs it"]
fn whatever_goes_wrong_the_books_are_stripes() {
    let (seed, wanted) = (number("SEED", SEED), number("PURCHASES", A_FEW));
    let (began, next, hall) = (Instant::now(), AtomicU64::new(seed), Mutex::new(Hall::default()));
    // What was likely may not have come to it.
    while hall.lock().expect("no panic").lacks(wanted) {
        open_markets(wanted, seed, &next, &hall);
    }
    let Hall { done, failed, first, .. } = hall.into_inner().expect("no panic");
    let again: Vec<String> = failed.iter().map(|seed| format!("make simulate SEED={seed} PURCHASES=1")).collect();
    assert!(failed.is_empty(), "repeat it: {}", again.join(" or "));
    let sum = |part: fn(&Course) -> usize| done.iter().map(part).sum::<usize>();
    let (purchases, paid, steps) = (sum(|one| one.purchases), sum(|one| one.paid), sum(|one| one.steps));
    let (members, invoices, markets) = (sum(|one| one.members), sum(|one| one.invoices), done.len());
    let (renewed, late) = (sum(|one| one.renewals.paid), sum(|one| one.renewals.failed));
    let took = began.elapsed();
    eprintln!(
        "{markets} markets, {steps} steps, {purchases} purchases, {paid} of them paid, {members} members, {invoices} invoices paid, \
         {renewed} renewals paid, {late} of all not at once, in {took:.1?}"
    );
    assert!(purchases >= wanted, "{purchases} purchases are fewer than {wanted}");
    // Of a single market that is repeated, nothing of the kind is promised.
    if wanted >= A_FEW {
        assert!(invoices > members, "{members} members paid {invoices} invoices: nothing was renewed");
        assert!(paid * 2 > purchases, "only {paid} of {purchases} were ever paid");
        plays_again(seed, &first);
    }
}

/// A seed is worth its name only if it repeats what happened.
fn plays_again(seed: u64, first: &[String]) {
    let diary = Diary::default();
    play(seed, Arc::clone(&diary));
    let again = diary.lock().expect("no panic");
    let differs = again.iter().zip(first).find(|(now, then)| now != then);
    assert!(differs.is_none(), "seed {seed} took another course the second time: {differs:#?}");
    assert_eq!(again.len(), first.len(), "seed {seed} took another course the second time");
}
