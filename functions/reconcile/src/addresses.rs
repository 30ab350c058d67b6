//! Customers at Stripe follow the address of their user, because Stripe's receipts and mails go there.

use std::collections::BTreeSet;
use std::time::Instant;

use shared::domain::charging::PLATFORM;
use shared::domain::error::Error;
use shared::domain::user::User;
use shared::store::moved::Moved;
use shared::store::page::Page;
use shared::stripe::error::StripeError;
use shared::work::Services;
use time::Duration;

/// How many users a run handles.
const PER_RUN: i32 = 25;

/// The wait before the next try. It doubles with each try, up to 16 hours.
const PAUSE: Duration = Duration::minutes(15);

/// How long to keep trying.
const PERSISTENCE: Duration = Duration::days(30);

/// Tells Stripe the new addresses of users.
///
/// # Errors
/// If DynamoDB fails. What fails at Stripe is tried again.
pub async fn run(services: &Services, until: Instant) -> Result<(), Error> {
    let (store, now) = (&services.app.store, services.app.clock.now());
    for moved in store.moved(now, PER_RUN).await? {
        if Instant::now() >= until {
            return Ok(());
        }
        let told = match store.user(&moved.user_id).await? {
            Some(user) => tell(services, &user, &moved).await,
            // Their customers are deleted.
            None => Ok(()),
        };
        if let Err(error) = told {
            tracing::warn!(user_id = %moved.user_id, %error, "a customer at Stripe keeps an address that its user has left");
            if now - moved.at < PERSISTENCE {
                store.retry_moved(&moved, now + PAUSE * 2_i32.pow(moved.tries.min(6))).await?;
                continue;
            }
        }
        store.forget_moved(&moved).await?;
    }
    Ok(())
}

/// Tells all customers on record, and those that pay for memberships. A seller who has revoked the platform's access keeps what they have.
async fn tell(services: &Services, user: &User, moved: &Moved) -> Result<(), Error> {
    // One customer on the platform can be recorded for several currencies, under a key for each.
    let account = |place: &String| Some(place.clone()).filter(|place| !place.starts_with(PLATFORM));
    let mut customers: BTreeSet<(Option<String>, String)> = user.customers.iter().map(|(place, id)| (account(place), id.clone())).collect();
    let mut after = None;
    loop {
        let page = services.app.store.subscriptions_of(&user.id, &Page { limit: 100, after }).await?;
        let open = page.items.into_iter().filter(|one| one.status.is_open());
        customers.extend(open.map(|one| (one.account, one.customer)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let change = format!("{}:{}", moved.at.unix_timestamp(), moved.tries);
    for (account, customer) in customers {
        match services.stripe.readdress_customer(&customer, account.as_deref(), &user.email, &change).await {
            Ok(()) | Err(StripeError::AccountRevoked) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
