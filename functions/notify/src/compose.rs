//! From what a mail is about to the letter: reads what it tells of, and whom.

use shared::ids::{PurchaseId, UserId};
use shared::purchase::Purchase;
use shared::store::StoreError;
use shared::store::mailed::Purpose;
use shared::store::outbox::Mail;
use shared::store::sessions::Token;
use shared::user::{Email, User};

use crate::Notify;
use crate::letters::{self, Sale};
use crate::render::Letter;

/// The letter; none where there is nobody to send it to, or nothing left to tell.
pub(crate) async fn compose(notify: &Notify, mail: &Mail) -> Result<Option<Letter>, StoreError> {
    let shop = notify.app.config.storefront_url.as_str();
    Ok(match mail {
        Mail::PurchaseReceipt { purchase } => {
            buyer(notify, purchase).await?.map(|(purchase, buyer)| letters::receipt(shop, &purchase, &buyer.email))
        }
        Mail::SaleNotice { purchase } => {
            seller(notify, purchase).await?.map(|(purchase, seller)| letters::sale_notice(shop, &purchase, &seller.email))
        }
        Mail::Refunded { purchase, total, .. } => {
            buyer(notify, purchase).await?.map(|(purchase, buyer)| letters::refund(shop, &purchase, *total, &buyer.email))
        }
        Mail::DisputeOpened { purchase, .. } => {
            seller(notify, purchase).await?.map(|(purchase, seller)| letters::dispute_opened(shop, &purchase, &seller.email))
        }
        Mail::DisputeClosed { purchase, won, .. } => {
            seller(notify, purchase).await?.map(|(purchase, seller)| letters::dispute_closed(shop, &purchase, *won, &seller.email))
        }
        Mail::OnboardingUnfinished { user, account } => {
            let seller = notify.app.store.user(user).await?;
            let unfinished = seller
                .filter(|seller| seller.stripe.as_ref().is_some_and(|link| link.account_id == *account && !link.state.charges_enabled));
            unfinished.map(|seller| letters::onboarding(shop, &seller.email))
        }
        Mail::RenewalFailed { user, title, .. } => {
            notify.app.store.user(user).await?.map(|user| letters::renewal_failed(shop, title, &user.email))
        }
        Mail::PasswordReset { email, .. } => {
            let Ok(email) = Email::parse(email) else { return Ok(None) };
            match notify.app.store.user_by_email(&email).await? {
                Some(user) => Some(letters::password_reset(shop, &token(notify, Purpose::Reset, &user).await?, &user.email)),
                None => None,
            }
        }
        Mail::ConfirmEmail { user, email, .. } => match notify.app.store.user(user).await? {
            Some(user) if !user.email_confirmed && Mail::is_address(email, &user.email) => {
                Some(letters::confirm_email(shop, &token(notify, Purpose::Confirm, &user).await?, &user.email))
            }
            _ => None,
        },
    })
}

/// Issued here, with the mail in hand: it is never stored but as a digest.
async fn token(notify: &Notify, purpose: Purpose, user: &User) -> Result<String, StoreError> {
    let app = &notify.app;
    let token = Token::generate(&user.id, &app.entropy);
    app.store.issue(&token, purpose, user, app.clock.now()).await?;
    Ok(token.reveal())
}

async fn buyer(notify: &Notify, id: &PurchaseId) -> Result<Option<(Sale, User)>, StoreError> {
    let store = &notify.app.store;
    let (purchase, buyer) = (store.purchase(id).await?, store.user(&id.buyer()).await?);
    Ok(purchase.as_ref().map(sale).zip(buyer))
}

async fn seller(notify: &Notify, id: &PurchaseId) -> Result<Option<(Sale, User)>, StoreError> {
    let store = &notify.app.store;
    let Some(purchase) = store.purchase(id).await? else { return Ok(None) };
    let seller: &UserId = &purchase.seller_id;
    let seller = store.user(seller).await?;
    Ok(seller.map(|seller| (sale(&purchase), seller)))
}

/// What letters tell of a purchase.
fn sale(purchase: &Purchase) -> Sale {
    Sale {
        id: purchase.id.to_string(),
        title: purchase.course_title.clone(),
        slug: purchase.course_slug.clone(),
        amount: purchase.amount(),
        fee: purchase.application_fee(),
        currency: purchase.currency,
        paid_at: purchase.paid_at().unwrap_or(purchase.created_at),
    }
}
