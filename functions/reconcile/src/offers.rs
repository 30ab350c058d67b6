//! Withdraws payments that wait for the buyer, on a hosted page or at the bank, for something that is no longer sold: the course was
//! unpublished, taken down, deleted or repriced, its seller was dismissed, suspended, erased, or has no account that can be charged this way, or its
//! buyer was suspended or erased. Also withdraws payments that failed in a browser: the next try begins another, and a thief could try
//! many cards on this one.
//!
//! The functions that change courses and users have no client for Stripe. So every minute all of these payments are compared with their
//! offers: one query per part of the index and two reads per 33 payments. A buyer who pays first has bought, at the price of
//! the payment. Deleted and unpublished courses stay readable for their buyers, and the seller or staff can refund such a purchase.

use std::time::Instant;

use shared::domain::error::Error;
use shared::domain::purchase::Purchase;
use shared::settings::config::Config;
use shared::store::purchases::{AWAITING_PARTS, AwaitedPayment};
use shared::work::Services;
use shared::work::settlement;

use crate::{Report, cause, repair};

/// How many payments are read at once, each with its course, seller and buyer: DynamoDB reads at most 100 items in a batch.
const AT_ONCE: i32 = 33;

/// Withdraws the payments whose offer is no longer valid.
///
/// # Errors
/// If DynamoDB fails. Stripe's failures are left to the next run.
pub async fn run(services: &Services, until: Instant, report: &mut Report) -> Result<(), Error> {
    for part in AWAITING_PARTS {
        let mut after = None;
        loop {
            let (payments, next) = services.app.store.awaiting_buyers(part, AT_ONCE, after).await?;
            for payment in payments.into_iter().filter(|payment| !stands(&services.app.config, payment)) {
                if Instant::now() >= until {
                    return Ok(());
                }
                let id = payment.purchase.id.clone();
                match withdraw(services, payment.purchase).await {
                    Ok(withdrawn) => report.repaired += u32::from(withdrawn),
                    // A payment that cannot be withdrawn must not keep the others open.
                    Err(error) => tracing::warn!(purchase_id = %id, %error, "the payment is left to the next run"),
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Whether the payment may go on waiting: nothing failed yet, and what is being paid for could still be bought now.
fn stands(config: &Config, payment: &AwaitedPayment) -> bool {
    let AwaitedPayment { purchase, course: Some(course), seller: Some(seller), buyer: Some(buyer) } = payment else { return false };
    let Some(charge_type) = seller.charge_type_of(course, &config.terms) else { return false };
    let link = seller.connected_account().filter(|link| link.check(charge_type, &config.platform_country).is_ok());
    !purchase.can_be_confirmed_again()
        && buyer.suspended.is_none()
        && course.is_offered()
        && course.price.amount == purchase.amount()
        && course.price.currency == purchase.currency
        && charge_type == purchase.charge_type
        && link.is_some_and(|link| link.account_id == purchase.seller_account)
}

/// Withdraws a payment. If it was made first, that counts. Returns whether anything changed.
async fn withdraw(services: &Services, mut purchase: Purchase) -> Result<bool, Error> {
    let (app, stripe) = (&services.app, &services.stripe);
    let (began, cause) = (app.clock.now(), cause(services));
    // A request is working on it and checks the offer itself.
    if purchase.attempt().leased_until > began {
        return Ok(false);
    }
    if !settlement::withdraw(app, stripe, &mut purchase, &cause).await? {
        return Ok(false);
    }
    tracing::info!(purchase_id = %purchase.id, status = ?purchase.status(), "a payment that waited for the buyer was withdrawn");
    repair::carry_out(services, &mut purchase, &cause, began).await?;
    Ok(true)
}
